//! The parts of the test bed: a real Kubernetes on this machine, the images it runs, and a sample of what people commit.

pub mod api;
pub mod bed;
pub mod cgroups;
pub mod children;
pub mod cli;
pub mod control_plane;
pub mod doctor;
pub mod images;
pub mod kept;
pub mod machine;
pub mod node;
pub mod node_config;
pub mod oci;
pub mod pki;
pub mod plan;
pub mod pods;
pub mod ports;
pub mod provisioner;
pub mod sample;
pub mod session;
pub mod smoke;
pub mod state;
pub mod tools;
