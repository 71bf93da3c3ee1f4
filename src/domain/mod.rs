//! The rules, pure: no client, no clock (time is an argument), no I/O.

pub mod activity;
pub mod backoff;
pub mod brake;
pub mod bucket;
pub mod calendar;
pub mod certificate;
pub mod events;
pub mod journal;
pub mod lease;
pub mod lifecycle;
pub mod naming;
pub mod notice;
pub mod password;
pub mod quota;
pub mod refusal;
pub mod successor;
pub mod text;
pub mod throttle;
pub mod witness;
