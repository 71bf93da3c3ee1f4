//! What the command lines do and print.

pub mod agencies;
mod finding;
pub mod forecast;
mod generate;
pub mod kinds;
pub mod life;
pub mod output;
pub mod password;
pub mod pin;
pub mod plan;
pub mod tree;
pub mod validate;

pub use finding::{Code, Finding, Severity};
pub use generate::{codes_table, crd_files};
