//! The parts of the test bed.

pub mod images;
pub mod oci;
