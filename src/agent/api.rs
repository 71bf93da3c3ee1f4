//! `/v1/…`: what the operator asks of the agent. Errors never repeat what was sent.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use k8s_openapi::jiff::Timestamp;
use tracing::{info, warn};

use super::table::TableError;
use super::{JournalError, Shared, Table};
use crate::backend::{
    ApplyRequest, ApplyResponse, Complete, Digests, ErrorBody, ErrorCode, JournalEnd, JournalRequest, JournalResponse,
    MOST_PURGES, NoticeRequest, NoticeResponse, PurgeRequest, PurgeResponse, Purged, State, TERM_HEADER, UsagePage,
};
use crate::domain::journal::{Event, Head};
use crate::domain::lease::Term;
use crate::domain::notice::MOST_NOTICES;

const MAX_BODY: usize = 8 << 20;

type Failure = (StatusCode, Json<ErrorBody>);

/// The routes of the operator's side.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/state", get(state))
        .route("/v1/digests", get(digests))
        .route("/v1/accounts", post(accounts))
        .route("/v1/usage", get(usage))
        .route("/v1/complete", post(complete))
        .route("/v1/journal", post(journal).get(journal_end))
        .route("/v1/notices", post(notices))
        .route("/v1/purge", post(purge))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// Runs `work` on the table beside the runtime: a commit waits for the disk.
async fn with_table<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&mut Table) -> Result<T, TableError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(move || {
        let mut table = shared.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let done = work(&mut table);
        table.mend(done)
    });
    match done.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(failure(&TableError::Other("the work on the table ended".into()))),
    }
}

fn failure(error: &TableError) -> Failure {
    let code = match error {
        TableError::VolumeFull => ErrorCode::VolumeFull,
        TableError::Superseded { .. } => ErrorCode::Superseded,
        TableError::Damaged(_) | TableError::Incomplete | TableError::Other(_) => ErrorCode::Database,
    };
    warn!(%error, "account table");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(ErrorBody { code, message: error.to_string() }))
}

fn invalid(message: String) -> Failure {
    (StatusCode::BAD_REQUEST, Json(ErrorBody { code: ErrorCode::Invalid, message }))
}

/// The term of the leader that asks; none is older than all.
fn term(headers: &HeaderMap) -> Term {
    headers.get(TERM_HEADER).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0)
}

async fn state(Extract(shared): Extract<Arc<Shared>>) -> Result<Json<State>, Failure> {
    let look = |t: &mut Table| {
        t.check()?;
        t.look_again()?;
        let held = t.held()?;
        t.foreign()?;
        let (revision, complete, lost) = (t.revision()?, t.is_complete()?, t.lost_at(Timestamp::now())?);
        Ok((revision, complete, held, lost, t.untold()?, t.begun_anew()))
    };
    let (revision, complete, held, lost, untold, anew) = with_table(shared.clone(), look).await?;
    say_late(&shared, untold).await;
    let (free_bytes, total_bytes) = super::table::volume(&shared.database);
    Ok(Json(State {
        version: env!("CARGO_PKG_VERSION").into(),
        // Of a table that was begun anew nothing is as it was, whatever its revision.
        instance: format!("{}.{anew}", shared.instance),
        revision,
        complete,
        table_lost: lost.map(Timestamp::as_second),
        held,
        free_bytes,
        total_bytes,
        certificate_error: shared.certificate_error.borrow().clone(),
        now: Some(Timestamp::now().as_second()),
    }))
}

/// Writes down what was found out of the table; what cannot be written waits there.
async fn say_late(shared: &Arc<Shared>, untold: Vec<(i64, Event)>) {
    if untold.is_empty() {
        return;
    }
    let (numbers, events): (Vec<i64>, Vec<Event>) = untold.into_iter().unzip();
    let work = shared.clone();
    let write = move || {
        let mut slot = work.journal.lock();
        work.journal.append(&mut slot, events).map(|appended| super::tell(&appended))
    };
    match tokio::task::spawn_blocking(write).await {
        Ok(Ok(())) => drop(with_table(shared.clone(), move |table| table.told(&numbers)).await),
        Ok(Err(error)) => warn!(%error, "journal"),
        Err(_) => {}
    }
}

async fn digests(Extract(shared): Extract<Arc<Shared>>) -> Result<Json<Digests>, Failure> {
    with_table(shared, |table| table.digests()).await.map(Json)
}

#[derive(serde::Deserialize)]
struct After {
    after: u64,
}

async fn usage(
    Extract(shared): Extract<Arc<Shared>>,
    Query(After { after }): Query<After>,
) -> Result<Json<UsagePage>, Failure> {
    let done = tokio::task::spawn_blocking(move || {
        let mut store = shared.usage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let page = store.page(after);
        store.mend(page)
    });
    match done.await {
        Ok(Ok(page)) => Ok(Json(page)),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(failure(&TableError::Other("the look at the use ended".into()))),
    }
}

async fn accounts(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<ApplyRequest>,
) -> Result<Json<ApplyResponse>, Failure> {
    let term = term(&headers);
    let (written, removed) = (request.upsert.len(), request.remove.len());
    let kicks = shared.clone();
    let applied = with_table(shared, move |table| {
        table.admit(term)?;
        let applied = table.apply(&request)?;
        // Here, where nothing comes between: whoever asked may have hung up, and does not ask again for what is written.
        kicks.kicks.push_once(applied.kick_once.iter().cloned());
        kicks.kicks.push(applied.kick.iter().cloned());
        Ok(applied)
    })
    .await?;
    info!(
        revision = applied.revision,
        written,
        removed,
        refused = applied.refused.len(),
        kicks = applied.kick.len() + applied.kick_once.len(),
        full = applied.full,
        "accounts applied"
    );
    if applied.full {
        // What was written is another revision, by which the operator sees it.
        return Err(failure(&TableError::VolumeFull));
    }
    Ok(Json(ApplyResponse { revision: applied.revision, refused: applied.refused }))
}

async fn complete(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<Complete>,
) -> Result<Json<State>, Failure> {
    let term = term(&headers);
    with_table(shared.clone(), move |table| table.admit(term).and_then(|()| table.set_complete(request.accounts)))
        .await?;
    state(Extract(shared)).await
}

/// Writes decisions down. The journal is taken while the table is held: what a leader was let in for is written before what
/// a later one sends.
async fn journal(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<JournalRequest>,
) -> Result<Json<JournalResponse>, Failure> {
    let term = term(&headers);
    let done = tokio::task::spawn_blocking(move || {
        let mut table = shared.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let admitted = table.admit(term);
        table.mend(admitted).map_err(|error| failure(&error))?;
        let mut slot = shared.journal.lock();
        drop(table);
        let appended = shared.journal.append(&mut slot, request.events).map_err(|error| journal_failure(&error))?;
        super::tell(&appended);
        Ok(Json(JournalResponse { head: appended.head }))
    });
    done.await.unwrap_or_else(|_| Err(journal_failure(&JournalError::Other("the work on it ended".into()))))
}

#[derive(serde::Deserialize)]
struct Noted {
    noted: Option<String>,
}

async fn journal_end(
    Extract(shared): Extract<Arc<Shared>>,
    Query(Noted { noted }): Query<Noted>,
) -> Result<Json<JournalEnd>, Failure> {
    let noted: Option<Head> = noted
        .map(|noted| noted.parse())
        .transpose()
        .map_err(|message| (StatusCode::BAD_REQUEST, Json(ErrorBody { code: ErrorCode::Invalid, message })))?;
    let done = tokio::task::spawn_blocking(move || shared.journal.end(noted.as_ref()));
    let done = done.await.unwrap_or_else(|_| Err(JournalError::Other("the look at it ended".into())));
    done.map(Json).map_err(|error| journal_failure(&error))
}

fn journal_failure(error: &JournalError) -> Failure {
    let code = match error {
        JournalError::VolumeFull => ErrorCode::VolumeFull,
        JournalError::Unfit(_) | JournalError::TooMany => ErrorCode::Invalid,
        JournalError::Damaged(_) | JournalError::Other(_) => ErrorCode::Journal,
    };
    warn!(%error, "journal");
    (StatusCode::INTERNAL_SERVER_ERROR, Json(ErrorBody { code, message: error.to_string() }))
}

/// Delivers notices. The work goes on when the operator hangs up: a delivery that is given up half way may be one after all.
async fn notices(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<NoticeRequest>,
) -> Result<Json<NoticeResponse>, Failure> {
    let term = term(&headers);
    if request.notices.len() > MOST_NOTICES {
        return Err(invalid(format!("more than {MOST_NOTICES} notices in one request")));
    }
    with_table(shared.clone(), move |table| table.admit(term).and_then(|()| table.whole())).await?;
    let work = tokio::spawn(async move {
        let names: Vec<String> = request.notices.iter().map(|notice| notice.mailbox.clone()).collect();
        let find =
            move |table: &mut Table| names.iter().map(|name| table.receiver(name)).collect::<Result<Vec<_>, _>>();
        let receivers = with_table(shared.clone(), find).await?;
        let work = request.notices.into_iter().zip(receivers).collect();
        shared.notices.deliver(work, &shared.doveadm).await.map_err(|error| failure(&error))
    });
    let done = work.await.unwrap_or_else(|_| Err(failure(&TableError::Other("the delivery ended".into()))));
    done.map(|deliveries| Json(NoticeResponse { deliveries }))
}

/// Removes what is kept of revoked accounts. The table is held meanwhile: nobody is opened between the look at his row and its end.
async fn purge(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<PurgeRequest>,
) -> Result<Json<PurgeResponse>, Failure> {
    let term = term(&headers);
    if request.mailboxes.len() > MOST_PURGES {
        return Err(invalid(format!("more than {MOST_PURGES} mailboxes in one request")));
    }
    let work = shared.clone();
    let outcomes = with_table(shared.clone(), move |table| {
        table.admit(term)?;
        // What has no row yet is not refused for good.
        table.whole()?;
        let outcomes = work.purge.purge(table, &request.mailboxes)?;
        let done = request.mailboxes.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Purged::Done);
        let done: Vec<&str> = done.map(|(purge, _)| purge.mailbox.as_str()).collect();
        let mut usage = work.usage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let forgotten = usage.forget(&done);
        usage.mend(forgotten).map_err(TableError::of_another)?;
        Ok(outcomes)
    })
    .await?;
    shared.purge.wake();
    Ok(Json(PurgeResponse { outcomes }))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
