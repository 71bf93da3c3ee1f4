//! The command line.

use std::{ffi::OsString, path::PathBuf};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::{
    bed, doctor, images, kept, machine, node,
    plan::Tier,
    pods, provisioner, sample,
    session::{self, FAILED, Options},
    smoke,
};

/// Starts a real Kubernetes on this machine for tests.
///
/// Tier 1 is the control plane (etcd, API server, controllers); as root with a small pod runner. Tier 2 is a
/// whole node. As root both live in namespaces of their own: nothing of it is left afterwards, and several may
/// run at once. State is in $TESTBED_STATE_DIR (default /var/tmp/mail-operator). The Kubernetes programs come
/// from $K8S_TEST_BIN or are built once by tests/k8s-tools/build.sh.
#[derive(Parser)]
#[command(name = "testbed", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Run a command beside a fresh Kubernetes, then take that away; the exit code is the command's
    ///
    /// The command finds KUBECONFIG, TESTBED_TIER, TESTBED_STATE and a PATH with kubectl and helm. As root it
    /// runs inside the private machine, where ClusterIPs and pod addresses can be reached. 125 means that the
    /// test bed itself failed.
    Run {
        #[command(flatten)]
        bed: Bed,
        /// Name of the test bed and its node; made up if not given
        #[arg(long)]
        name: Option<String>,
        /// Keep the logs even if all goes well
        #[arg(long)]
        keep_logs: bool,
        /// The command with its arguments
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Start a Kubernetes that stays; prints the path of its kubeconfig
    Up {
        #[command(flatten)]
        bed: Bed,
        /// Name of the test bed and its node
        #[arg(long)]
        name: String,
    },
    /// Run a command inside a test bed that `up` started
    Exec {
        /// Name of the test bed
        #[arg(long)]
        name: String,
        /// The command with its arguments
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Import image archives into a node that `up` started
    Load {
        /// Name of the test bed
        #[arg(long)]
        name: String,
        /// OCI archives
        #[arg(required = true)]
        images: Vec<PathBuf>,
    },
    /// List the running test beds
    Status,
    /// End a test bed that `up` started
    Down {
        /// Name of the test bed
        #[arg(long)]
        name: String,
    },
    /// Run the operator's pods of a tier 1 test bed, as real processes; `run` and `up` start it themselves
    ///
    /// Pods with the label app.kubernetes.io/managed-by=mail-operator are run with runc, each in a network
    /// namespace of its own (10.88.0.0/24). Images are found in $TESTBED_IMAGES (NAME=DIR, separated by
    /// colons) and among those that `testbed images` has built. To be called inside.
    Pods {
        /// State directory of the test bed
        #[arg(long, env = "TESTBED_STATE")]
        state: PathBuf,
        /// Only pods of this namespace
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Check what this machine lacks
    Doctor {
        /// Install the missing Debian packages
        #[arg(long)]
        install: bool,
    },
    /// Test the test bed itself: what the operator's tests take for granted
    Smoke {
        /// How much of Kubernetes: 1 the control plane, 2 a whole node
        #[arg(long, value_enum, default_value = "2")]
        tier: Tier,
    },
    /// Build the images that the tests use; prints name, archive and root file system of each
    Images {
        /// Programs for the operator's image; one of them is called mail-operator
        operator: Vec<PathBuf>,
    },
    /// Build the image of one program; prints name, archive and root file system
    Image {
        /// Name of the image
        name: String,
        /// The program; it becomes the entrypoint
        program: PathBuf,
    },
    /// Write a repository of agencies and people to try things on, laid out as docs/gitops.md says
    Sample(sample::Sample),
    #[command(name = "__enter", hide = true)]
    Enter(Stage),
    #[command(name = "__init", hide = true)]
    Init(Stage),
    #[command(name = "__node", hide = true)]
    Node(Stage),
    #[command(name = "__supervise", hide = true)]
    Supervise {
        #[command(flatten)]
        bed: Bed,
        #[arg(long)]
        name: String,
    },
    #[command(name = "__load", hide = true)]
    LoadInside { state: PathBuf, images: Vec<PathBuf> },
    #[command(name = "__smoke", hide = true)]
    SmokeInside,
    #[command(name = "__provision", hide = true)]
    Provision { state: PathBuf },
}

#[derive(Args)]
struct Bed {
    /// How much of Kubernetes: 1 the control plane, 2 a whole node
    #[arg(long, value_enum)]
    tier: Tier,
    /// Image archives to import into the node, separated by commas (tier 2)
    #[arg(long, value_delimiter = ',')]
    images: Vec<PathBuf>,
    /// Do not run pods in tier 1
    #[arg(long)]
    no_pods: bool,
}

#[derive(Args)]
struct Stage {
    state: PathBuf,
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Runs the program; gives its exit code.
pub fn main() -> i32 {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            FAILED
        }
    }
}

fn dispatch(command: Sub) -> Result<i32> {
    let done = match command {
        Sub::Run { bed, name, keep_logs, command } => return session::run(&options(bed, name, keep_logs, command)),
        Sub::Supervise { bed, name } => {
            return kept::supervise(&options(bed, Some(name), false, Vec::new()));
        }
        Sub::Init(stage) => return machine::init(&stage.state, &stage.command),
        Sub::Node(stage) => return bed::stage(&stage.state, &stage.command),
        Sub::Doctor { install } => return doctor::doctor(install),
        Sub::Smoke { tier } => return smoke::smoke(tier),
        Sub::SmokeInside => smoke::inside(),
        Sub::Up { bed, name } => kept::up(bed.tier, &name, &bed.images, !bed.no_pods),
        Sub::Exec { name, command } => kept::exec(&name, &command),
        Sub::Load { name, images } => kept::load(&name, &images),
        Sub::Status => kept::status(),
        Sub::Down { name } => kept::down(&name),
        Sub::Images { operator } => images::cli(&operator),
        Sub::Image { name, program } => images::program(&name, &program).map(|image| images::print(&image)),
        Sub::Sample(wanted) => sample::write(&wanted),
        Sub::Enter(stage) => machine::enter(&stage.state, &stage.command),
        Sub::LoadInside { state, images } => node::load(&state, &images),
        Sub::Pods { state, namespace } => pods::serve(&state, namespace.as_deref()),
        Sub::Provision { state } => provisioner::serve(&state),
    };
    done.map(|()| 0)
}

fn options(bed: Bed, name: Option<String>, keep_logs: bool, command: Vec<OsString>) -> Options {
    Options { tier: bed.tier, name, images: bed.images, keep_logs, pods: !bed.no_pods, command }
}
