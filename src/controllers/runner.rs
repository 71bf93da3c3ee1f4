//! How every controller runs: bounded, each object for itself, a panic harms no other, backoff per object.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::context::Ctx;
use super::failure;
use super::status::Kind;
use crate::domain::backoff;
use crate::domain::refusal::Failure;
use crate::kube_io;

/// A reconcile may not take longer: six calls of ten seconds, and as much again in which others have its slot.
const LIMIT: Duration = Duration::from_secs(120);
const CAP: Duration = Duration::from_secs(300);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server.
    #[error(transparent)]
    Kube(#[from] kube_io::Error),
    /// Something that cannot be made.
    #[error("{0}")]
    Other(String),
    /// A bug.
    #[error("a bug was caught: {0}")]
    Panic(String),
    /// It took too long.
    #[error("it took longer than 120 s")]
    Timeout,
}

impl Error {
    /// What kind of failure it is.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Kube(error) => match error.class() {
                kube_io::Class::Conflict => Failure::Conflict,
                kube_io::Class::Forbidden | kube_io::Class::Invalid => Failure::Refused,
                kube_io::Class::Transient => Failure::Transient,
            },
            Self::Other(_) | Self::Timeout => Failure::Transient,
            Self::Panic(_) => Failure::Bug,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Kube(error) => match error.class() {
                kube_io::Class::Conflict => "conflict",
                kube_io::Class::Forbidden => "forbidden",
                kube_io::Class::Invalid => "invalid",
                kube_io::Class::Transient => "error",
            },
            Self::Other(_) => "error",
            Self::Panic(_) => "panic",
            Self::Timeout => "timeout",
        }
    }

    fn delay(&self, attempt: u32) -> Duration {
        let chance = rand::random();
        let base = match self.failure() {
            Failure::Bug => CAP,
            Failure::Refused => Duration::from_secs(20),
            Failure::Conflict => Duration::from_millis(200),
            Failure::Transient => Duration::from_secs(1),
        };
        backoff::delay(attempt, base, CAP, chance)
    }
}

/// When to look again if nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// When something changes.
    Change,
    /// After a while, spread by a tenth.
    After(Duration),
}

/// A pass over one object.
pub(crate) type Pass<K> = fn(Arc<K>, Arc<Ctx>) -> BoxFuture<'static, Result<Next, Error>>;

struct Run<K: Kind> {
    ctx: Arc<Ctx>,
    store: Store<K>,
    name: &'static str,
    reconcile: Pass<K>,
    attempts: Mutex<HashMap<ObjectRef<K>, u32>>,
}

impl<K: Kind> Run<K>
where
    ObjectRef<K>: Hash + Eq,
{
    /// Counts an attempt that failed. What is gone is counted no more.
    fn failed(&self, object: &ObjectRef<K>) -> u32 {
        let there = self.store.get(object).is_some();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if !there {
            attempts.remove(object);
            return 1;
        }
        let attempt = attempts.entry(object.clone()).or_insert(0);
        *attempt = attempt.saturating_add(1);
        *attempt
    }

    /// Attempts that failed since the last one that did not.
    fn attempt(&self, object: &ObjectRef<K>) -> u32 {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).get(object).copied().unwrap_or(1)
    }
}

/// How a controller runs.
pub(crate) struct Shape {
    pub name: &'static str,
    pub concurrency: u16,
    pub debounce: Duration,
}

/// Runs a controller until `stop`; what it looks at comes from `triggers` alone.
pub(crate) async fn run<K>(
    shape: Shape,
    ctx: Arc<Ctx>,
    store: Store<K>,
    triggers: mpsc::Receiver<ObjectRef<K>>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
    reconcile: Pass<K>,
) where
    K: Kind,
    ObjectRef<K>: Hash + Eq,
{
    let run = Arc::new(Run { ctx, store: store.clone(), name: shape.name, reconcile, attempts: Mutex::default() });
    let triggers = stream::unfold(triggers, |mut receiver| async move { receiver.recv().await.map(|r| (r, receiver)) });
    Controller::for_stream(stream::pending(), store)
        .with_config(controller::Config::default().concurrency(shape.concurrency).debounce(shape.debounce))
        .reconcile_on(triggers)
        .graceful_shutdown_on(stop)
        .run(guarded::<K>, on_error::<K>, run)
        .for_each(|result| async move {
            if let Err(error) = result {
                debug!(%error, "not reconciled");
            }
        })
        .await;
}

async fn guarded<K>(object: Arc<K>, run: Arc<Run<K>>) -> Result<Action, Error>
where
    K: Kind,
    ObjectRef<K>: Hash + Eq,
{
    let start = Instant::now();
    let work = AssertUnwindSafe((run.reconcile)(object.clone(), run.ctx.clone())).catch_unwind();
    let result = match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            run.ctx.metrics.panicked(run.name);
            Err(Error::Panic(panic_text(panic.as_ref())))
        }
        Err(_) => Err(Error::Timeout),
    };
    let label = result.as_ref().map_or_else(Error::label, |_| "ok");
    run.ctx.metrics.reconciled(run.name, label, start.elapsed().as_secs_f64());
    let reference = ObjectRef::from_obj(object.as_ref());
    let next = match result {
        Ok(next) => next,
        Err(error) => {
            let attempt = run.failed(&reference);
            failure::report(run.name, object.as_ref(), &error, attempt, &run.store, &run.ctx).await;
            return Err(error);
        }
    };
    run.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(&reference);
    Ok(match next {
        Next::Change => Action::await_change(),
        Next::After(after) => Action::requeue(after.mul_f64(0.9 + 0.2 * rand::random::<f64>())),
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn on_error<K>(object: Arc<K>, error: &Error, run: Arc<Run<K>>) -> Action
where
    K: Kind,
    ObjectRef<K>: Hash + Eq,
{
    let reference = ObjectRef::from_obj(object.as_ref());
    let attempt = run.attempt(&reference);
    let delay = error.delay(attempt);
    match error {
        Error::Panic(_) => error!(controller = run.name, object = %reference, %error, "reconcile"),
        _ if error.failure() == Failure::Conflict => {
            debug!(object = %reference, %error, "reconcile")
        }
        _ => warn!(controller = run.name, object = %reference, attempt, again_in = ?delay, %error, "reconcile"),
    }
    Action::requeue(delay)
}
