//! What the documents say is what the program does: their examples are run.
#![allow(clippy::unwrap_used)]

mod argocd;
mod examples;
mod gitops;
mod markdown;
mod naming;
mod runbooks;
mod traceability;

use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
