//! Tests on a real Kubernetes, started by the testbed: `api` on tier 1, `mail` on every tier, `node` on tier 2 or on a
//! cluster of your own.

mod api;
mod baseline;
mod certificates;
mod chart;
mod damaged;
mod events;
mod flux;
mod mail;
mod network;
mod node;
mod notices;
mod page;
mod removal;
mod restored;
mod senders;
mod sessions;
mod sieve;
mod support;
mod usage;
mod volume;
mod waiting;
mod world;
