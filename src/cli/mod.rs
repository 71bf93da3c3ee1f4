//! What the command lines print.

mod generate;
mod validate;

pub use generate::{codes_table, crd_files};
pub use validate::{Finding, Unreadable, validate};
