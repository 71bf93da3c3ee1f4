//! What the command lines print.

mod generate;

pub use generate::{codes_table, crd_files};
