//! Kubernetes operator that makes a province's official mail system declarative.
//!
//! Facts in → decision → effects out. Who may use whom (a test checks the arrows):
//!
//! ```text
//! domain       nothing of ours            backend      domain
//! api          domain                     resources    api, domain
//! store        api, domain, backend       kube_io      api, domain
//! agent        backend, domain, tls       cli          api, domain, kube_io
//! tls          domain                     leader       domain, kube_io
//! portal       api, domain, backend, kube_io, store, tls
//! controllers  everything above but agent, cli, leader and portal; only operator imports it
//! operator     the process                signals, telemetry: leaves
//! ```
#![forbid(unsafe_code)]

pub mod agent;
pub mod api;
pub mod backend;
pub mod cli;
pub mod controllers;
pub mod domain;
pub mod kube_io;
pub mod leader;
pub mod operator;
pub mod portal;
pub mod resources;
pub mod signals;
pub mod store;
pub mod telemetry;
pub mod tls;
