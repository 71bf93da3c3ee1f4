//! Reconciling: one folder a kind, the same files in each: facts (what is so), decide (pure), effects (what is done).

mod activity;
mod agency;
mod changes;
mod context;
mod failure;
#[cfg(test)]
mod fixture;
mod journal;
mod lifecycle;
mod mail_system;
mod mailbox;
mod namespace;
mod newcomers;
mod notices;
mod quota_policy;
mod readiness;
mod runner;
mod slots;
mod status;

pub use context::{Clock, Settings};
pub use namespace::{Ended, Stop, run, stop_when};
pub use readiness::Readiness;
