//! A bare client makes the writes that mailboxes cost, with the operator's watches open.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams, WatchParams};
use kube::{Api, Client, Resource};
use mail_operator::api::{AddressClaim, Agency, Mailbox};

use super::cpu::{cpu_since, cpu_ticks};
use super::objects::{claim, mailbox, secret, sizes, status};
use super::ready::count_ready;
use super::{Failure, NAMESPACE};

/// A watch that is read and thrown away, as the operator has one open for each kind.
fn open_watch<K>(client: &Client)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    tokio::spawn(async move {
        while let Ok(events) = api.watch(&WatchParams::default(), "0").await {
            events.for_each(|_| async {}).await;
        }
    });
}

pub(super) async fn floor(client: Client, n: usize, c: usize, what: &str) -> Result<(), Failure> {
    // The operator's; the one that counts comes on top in both runs.
    open_watch::<Mailbox>(&client);
    open_watch::<AddressClaim>(&client);
    open_watch::<Secret>(&client);
    open_watch::<Agency>(&client);
    let ready = Arc::new(AtomicUsize::new(0));
    let counted = tokio::spawn(count_ready(client.clone(), n, ready));
    let (start, cpu) = (Instant::now(), cpu_ticks());
    let (send, receive) = tokio::sync::mpsc::channel(1024);
    let api: Api<Mailbox> = Api::namespaced(client.clone(), NAMESPACE);
    let creating = stream::iter(0..n).map(Ok::<_, Failure>).try_for_each_concurrent(c, |i| {
        let (api, send) = (api.clone(), send.clone());
        async move {
            api.create(&PostParams::default(), &mailbox(i)?).await?;
            send.send(i).await?;
            Ok(())
        }
    });
    let writes = stream::unfold(receive, |mut r| async move { r.recv().await.map(|i| (i, r)) });
    let issuing = writes.take(n).map(Ok::<_, Failure>).try_for_each_concurrent(c, |i| {
        let client = client.clone();
        async move {
            let claims: Api<AddressClaim> = Api::namespaced(client.clone(), NAMESPACE);
            claims.create(&PostParams::default(), &claim(i, NAMESPACE)?).await?;
            let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
            secrets.create(&PostParams::default(), &secret(i, NAMESPACE)?).await?;
            let mailboxes: Api<Mailbox> = Api::namespaced(client, NAMESPACE);
            let parameters = PatchParams::apply("mail-operator").force();
            mailboxes.patch_status(&format!("nv-{i}"), &parameters, &Patch::Apply(&status(i))).await?;
            Ok(())
        }
    });
    let (created, issued) = tokio::join!(creating, issuing);
    created?;
    issued?;
    counted.await??;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_since(&cpu));
    println!("{what} n={n} c={c} seconds={seconds:.2} bytes={} cpu={cpu}", sizes(&client).await?);
    Ok(())
}
