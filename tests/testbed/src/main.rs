//! Starts a real Kubernetes for the tests.

fn main() {
    std::process::exit(testbed::cli::main());
}
