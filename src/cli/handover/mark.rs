//! The mark that a first password was handed over: written once, and known for our own even when the answer to it was lost.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::api::{HANDED_OVER_ANNOTATION, HANDOVER_RUN_ANNOTATION};

/// Writes of one mark, and reads after each of them.
const TRIES: usize = 3;

/// Secrets as the API server has them.
pub trait Secrets: Sync {
    /// Reads one.
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, kube::Result<Secret>>;
    /// Writes annotations over what was read.
    fn annotate<'a>(&'a self, name: &'a str, patch: &'a Value) -> BoxFuture<'a, kube::Result<()>>;
}

impl Secrets for Api<Secret> {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, kube::Result<Secret>> {
        self.get(name).boxed()
    }

    fn annotate<'a>(&'a self, name: &'a str, patch: &'a Value) -> BoxFuture<'a, kube::Result<()>> {
        async move { self.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop) }.boxed()
    }
}

/// The mark of one run.
pub struct Mark<'a> {
    /// The time that is written.
    pub at: &'a str,
    /// A random name of the run.
    pub run: &'a str,
}

/// Why it is not, or may not be, marked by us.
#[derive(Debug)]
pub enum Unmarked {
    /// The API server refused it.
    Refused(kube::Error),
    /// Another run was faster: its Secret.
    Theirs(Box<Secret>),
    /// Somebody else wrote the Secret; nothing is marked.
    Changed,
    /// The answer was lost, and what stands there cannot be read, or the mark may still come.
    Unknown,
}

/// What stands there after a write that was not confirmed.
#[derive(Debug, PartialEq, Eq)]
enum Stands {
    Ours,
    Theirs,
    /// What was read before is gone: our write never comes any more.
    Changed,
    /// As before; our write may still come, once at most.
    NotYet,
}

fn stands(found: &Secret, run: &str, version: Option<&str>) -> Stands {
    let annotation = |key: &str| found.annotations().get(key).map(String::as_str);
    match annotation(HANDED_OVER_ANNOTATION) {
        Some(_) if annotation(HANDOVER_RUN_ANNOTATION) == Some(run) => Stands::Ours,
        Some(_) => Stands::Theirs,
        None if version.is_some() && found.metadata.resource_version.as_deref() == version => Stands::NotYet,
        None => Stands::Changed,
    }
}

/// Whether an answer says that nothing was done.
fn refuses(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && !matches!(status.code, 408 | 409))
}

/// Marks `secret` as it was read. `Ok`: it is marked by us alone, and the sheet may be printed.
pub async fn mark(secrets: &dyn Secrets, secret: &Secret, mark: &Mark<'_>, pause: Duration) -> Result<(), Unmarked> {
    let (name, version) = (secret.name_any(), secret.metadata.resource_version.as_deref());
    let annotations = json!({HANDED_OVER_ANNOTATION: mark.at, HANDOVER_RUN_ANNOTATION: mark.run});
    let patch = json!({"metadata": {"resourceVersion": version, "annotations": annotations}});
    for tried in 0..TRIES {
        match secrets.annotate(&name, &patch).await {
            Ok(()) => return Ok(()),
            // After one that was lost, a refusal says nothing of that one.
            Err(error) if tried == 0 && refuses(&error) => return Err(Unmarked::Refused(error)),
            Err(_) => {}
        }
        let Some(found) = look(secrets, &name, pause).await else { return Err(Unmarked::Unknown) };
        match stands(&found, mark.run, version) {
            Stands::Ours => return Ok(()),
            Stands::Theirs => return Err(Unmarked::Theirs(Box::new(found))),
            Stands::Changed => return Err(Unmarked::Changed),
            Stands::NotYet => {}
        }
    }
    Err(Unmarked::Unknown)
}

async fn look(secrets: &dyn Secrets, name: &str, pause: Duration) -> Option<Secret> {
    for tried in 0..TRIES {
        if tried > 0 {
            tokio::time::sleep(pause).await;
        }
        if let Ok(found) = secrets.read(name).await {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What one write does: whether it is done, and whether that is answered.
    #[derive(Clone, Copy)]
    struct Write {
        done: bool,
        code: u16,
    }

    struct Server {
        secret: Mutex<Secret>,
        writes: Mutex<Vec<Write>>,
        reads: Mutex<usize>,
        /// So many reads are answered.
        answers: usize,
    }

    fn failed(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status { code, ..kube::core::Status::default() }))
    }

    impl Secrets for Server {
        fn read<'a>(&'a self, _: &'a str) -> BoxFuture<'a, kube::Result<Secret>> {
            let mut reads = self.reads.lock().expect("reads");
            *reads += 1;
            let answer =
                if *reads > self.answers { Err(failed(503)) } else { Ok(self.secret.lock().expect("it").clone()) };
            std::future::ready(answer).boxed()
        }

        fn annotate<'a>(&'a self, _: &'a str, patch: &'a Value) -> BoxFuture<'a, kube::Result<()>> {
            let mut writes = self.writes.lock().expect("writes");
            let write = if writes.is_empty() { Write { done: true, code: 200 } } else { writes.remove(0) };
            let mut secret = self.secret.lock().expect("it");
            let version = secret.metadata.resource_version.clone();
            if patch["metadata"]["resourceVersion"].as_str() != version.as_deref() {
                return std::future::ready(Err(failed(409))).boxed();
            }
            if write.done {
                let new = patch["metadata"]["annotations"].as_object().expect("annotations").clone();
                let new = new.into_iter().map(|(k, v)| (k, v.as_str().unwrap_or_default().to_string()));
                secret.metadata.annotations.get_or_insert_default().extend(new);
                secret.metadata.resource_version = Some("8".into());
            }
            let answer = if write.code == 200 { Ok(()) } else { Err(failed(write.code)) };
            std::future::ready(answer).boxed()
        }
    }

    fn secret() -> Secret {
        serde_json::from_value(json!({"metadata": {"name": "nv-1-credentials", "resourceVersion": "7"}}))
            .expect("a Secret")
    }

    fn server(writes: &[(bool, u16)], answers: usize) -> Server {
        let writes = writes.iter().map(|(done, code)| Write { done: *done, code: *code }).collect();
        Server { secret: Mutex::new(secret()), writes: Mutex::new(writes), reads: Mutex::new(0), answers }
    }

    async fn marked(server: &Server, run: &str) -> Result<(), Unmarked> {
        mark(server, &secret(), &Mark { at: "2026-06-16T00:00:00Z", run }, Duration::ZERO).await
    }

    #[tokio::test]
    async fn r9_1_a_mark_whose_answer_was_lost_is_known_for_our_own_and_nobody_elses_is() {
        // Done and lost, then read; also where the second try is refused because of the first one.
        for writes in [&[(true, 504)][..], &[(false, 504), (true, 500)], &[(false, 503), (false, 503)]] {
            let server = server(writes, 9);
            marked(&server, "run-a").await.expect("marked by us");
            assert!(server.secret.lock().expect("it").annotations().contains_key(HANDED_OVER_ANNOTATION));
            // Whoever comes at the same second and read the same is not us.
            let late = marked(&server, "run-b").await;
            assert!(matches!(&late, Err(Unmarked::Theirs(_))), "{late:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_known_and_what_is_refused_is_not_marked() {
        let never = marked(&server(&[(true, 504)], 0), "run-a").await;
        assert!(matches!(&never, Err(Unmarked::Unknown)), "{never:?}");
        let silent = server(&[(false, 504), (false, 504), (false, 504)], 9);
        assert!(matches!(marked(&silent, "run-a").await, Err(Unmarked::Unknown)), "it may still come");
        let refused = server(&[(false, 403)], 9);
        assert!(matches!(marked(&refused, "run-a").await, Err(Unmarked::Refused(_))));
        // A refusal after a lost one is no word about that one.
        let later = server(&[(false, 504), (false, 403), (false, 403)], 9);
        assert!(matches!(marked(&later, "run-a").await, Err(Unmarked::Unknown)));
        let other = server(&[], 9);
        other.secret.lock().expect("it").metadata.resource_version = Some("9".into());
        assert!(matches!(marked(&other, "run-a").await, Err(Unmarked::Changed)));
    }
}
