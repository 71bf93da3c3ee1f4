//! What the command lines do and print.

pub mod acknowledge;
pub mod agencies;
pub mod explain;
mod finding;
mod forbidden;
pub mod forecast;
mod generate;
pub mod handover;
pub mod journal;
pub mod kinds;
pub mod life;
pub mod output;
pub mod password;
pub mod pin;
pub mod place;
pub mod plan;
pub mod proposals;
pub mod status;
pub mod tree;
pub mod validate;
pub mod when;

pub use finding::{Code, Finding, Severity};
pub use generate::{codes_table, crd_files};
