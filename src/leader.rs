//! One leader at a time: a Lease that is replaced with its resourceVersion, so that of two who see an expired one exactly
//! one wins. Who loses it ends the process.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub use crate::domain::lease::Term;
use crate::domain::lease::{self, Observed, Step, Terms, decide};
use crate::kube_io::{Class, Created, Error, Io};

/// Whether this replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Not yet.
    Standby,
    /// Now, in this term.
    Leading(Term),
    /// It led and may not act any more.
    Lost,
}

/// When a new leader began: after the one before it.
fn later(now: Timestamp, previous: Option<&MicroTime>) -> MicroTime {
    let term = lease::term(now.as_microsecond(), previous.map(|t| t.0.as_microsecond()));
    MicroTime(Timestamp::from_microsecond(term).unwrap_or(now))
}

/// A candidate for the Lease.
pub struct Elector {
    io: Io,
    name: String,
    me: String,
    terms: Terms,
    seen: Option<(Lease, Instant)>,
    renewed: Option<Instant>,
}

impl Elector {
    /// `me` is unique among the replicas: the name of the pod.
    pub fn new(io: Io, name: &str, me: &str) -> Self {
        Self { io, name: name.into(), me: me.into(), terms: Terms::default(), seen: None, renewed: None }
    }

    /// Works until leadership is lost or `stop` ends; then the Lease is given back.
    pub async fn run(mut self, state: watch::Sender<Leadership>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut waits = false;
        loop {
            let leading = matches!(*state.borrow(), Leadership::Leading(_));
            // Before the request: its answer may be late, and the others count from when they saw the write.
            let asked = Instant::now();
            match tokio::time::timeout(self.terms.renew_deadline, self.step()).await {
                Ok(Ok(Some(term))) => {
                    self.renewed = Some(asked);
                    if !leading {
                        info!(me = self.me, term, "leading");
                        state.send_replace(Leadership::Leading(term));
                    }
                }
                Ok(Ok(None)) if leading => return self.lose(&state, "another replica holds the Lease"),
                Ok(Ok(None)) if !waits => {
                    info!(me = self.me, "another replica leads; this one waits");
                    waits = true;
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => warn!(%error, "Lease"),
                Err(_) => warn!("Lease: no answer in time"),
            }
            if leading && self.renewed.is_none_or(|at| at.elapsed() >= self.terms.renew_deadline) {
                return self.lose(&state, "the Lease could not be renewed in time");
            }
            tokio::select! {
                () = tokio::time::sleep(self.terms.retry) => {}
                () = &mut stop => return self.release(&state).await,
            }
        }
    }

    fn lose(&self, state: &watch::Sender<Leadership>, why: &str) {
        warn!(me = self.me, why, "leadership lost");
        state.send_replace(Leadership::Lost);
    }

    /// One look; our term if we hold the Lease now.
    async fn step(&mut self) -> Result<Option<Term>, Error> {
        let found = self.io.get::<Lease>(&self.name).await?;
        if let Some(lease) = &found {
            let same = self
                .seen
                .as_ref()
                .is_some_and(|(old, _)| old.metadata.resource_version == lease.metadata.resource_version);
            if !same {
                self.seen = Some((lease.clone(), Instant::now()));
            }
        }
        let observed = self.seen.as_ref().filter(|_| found.is_some()).map(|(lease, at)| Observed {
            holder: lease.spec.as_ref().and_then(|s| s.holder_identity.as_deref()).unwrap_or_default(),
            unchanged_for: at.elapsed(),
        });
        match decide(&self.me, observed.as_ref(), &self.terms) {
            Step::Wait => Ok(None),
            Step::Acquire | Step::Renew => self.write(found).await,
        }
    }

    async fn write(&mut self, found: Option<Lease>) -> Result<Option<Term>, Error> {
        let now = Timestamp::now();
        let Some(mut lease) = found else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.io.namespace().into()),
                ..ObjectMeta::default()
            };
            let lease = Lease { metadata, spec: Some(self.spec(now, MicroTime(now), 0)) };
            return match self.io.create(&lease).await? {
                Created::New(lease) => Ok(Some(self.remember(lease))),
                Created::Exists => Ok(None),
            };
        };
        let old = lease.spec.clone().unwrap_or_default();
        let mine = old.holder_identity.as_deref() == Some(&self.me);
        let transitions = old.lease_transitions.unwrap_or(0) + i32::from(!mine);
        let acquired = match old.acquire_time {
            Some(acquired) if mine => acquired,
            previous => later(now, previous.as_ref()),
        };
        lease.spec = Some(self.spec(now, acquired, transitions));
        match self.io.replace(&lease).await {
            Ok(lease) => Ok(Some(self.remember(lease))),
            Err(error) if error.class() == Class::Conflict => {
                debug!("another replica was faster");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn remember(&mut self, lease: Lease) -> Term {
        let term = lease.spec.as_ref().and_then(|s| s.acquire_time.as_ref()).map_or(0, |t| t.0.as_microsecond());
        self.seen = Some((lease, Instant::now()));
        term
    }

    fn spec(&self, now: Timestamp, acquired: MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            acquire_time: Some(acquired),
            renew_time: Some(MicroTime(now)),
            lease_duration_seconds: i32::try_from(self.terms.duration.as_secs()).ok(),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Gives the Lease back, so that another replica need not wait for it to end.
    async fn release(mut self, state: &watch::Sender<Leadership>) {
        let led = matches!(state.send_replace(Leadership::Lost), Leadership::Leading(_));
        let Some((mut lease, _)) = self.seen.take().filter(|_| led) else { return };
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        match tokio::time::timeout(Duration::from_secs(5), self.io.replace(&lease)).await {
            Ok(Ok(_)) => info!("Lease given back"),
            _ => warn!("the Lease could not be given back; another replica takes it when it ends"),
        }
    }
}
