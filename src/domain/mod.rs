//! The rules, pure: no client, no clock (time is an argument), no I/O.

pub mod backoff;
pub mod brake;
pub mod bucket;
pub mod certificate;
pub mod events;
pub mod lease;
pub mod naming;
pub mod password;
pub mod quota;
pub mod refusal;
pub mod term;
pub mod text;
