//! The Dovecot backend: a client of the agent in the mail pod, over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::wire::{
    ApplyRequest, ApplyResponse, Complete, Delivery, Digests, ErrorBody, ErrorCode, JournalRequest, JournalResponse,
    NoticeMail, NoticeRequest, NoticeResponse, Purge, PurgeRequest, PurgeResponse, Purged, State, TERM_HEADER,
    UsagePage,
};
use super::{BackendError, MailBackend};
use crate::domain::journal::{Event, Head};
use crate::domain::lease::Term;

const LIMIT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 64 << 20;

/// A connection that may be there.
type Kept = Option<SendRequest<Full<Bytes>>>;

/// A client of one agent; it keeps three connections: no lock of an account waits for the journal, no decision for a notice.
pub struct AgentClient {
    address: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    connection: Mutex<Kept>,
    /// For the journal.
    journal: Mutex<Kept>,
    /// For notices and removals.
    letters: Mutex<Kept>,
    term: Term,
}

impl AgentClient {
    /// `name` is the name in the agent's certificate, `term` that of the leader on whose behalf it writes.
    pub fn new(address: SocketAddr, name: &str, config: Arc<ClientConfig>, term: Term) -> Result<Self, BackendError> {
        let name = ServerName::try_from(name.to_string())
            .map_err(|e| BackendError::Unavailable(format!("name of the agent: {e}")))?;
        let connector = TlsConnector::from(config);
        let (connection, journal, letters) = Default::default();
        Ok(Self { address, name, connector, connection, journal, letters, term })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, BackendError> {
        let unavailable =
            |what: &str, e: &dyn std::fmt::Display| BackendError::Unavailable(format!("{} {what}: {e}", self.address));
        let connect = async {
            let stream = TcpStream::connect(self.address).await.map_err(|e| unavailable("connect", &e))?;
            let _ = stream.set_nodelay(true);
            let stream = self.connector.connect(self.name.clone(), stream).await.map_err(|e| unavailable("TLS", &e))?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| unavailable("HTTP", &e))?;
            tokio::spawn(connection);
            Ok(sender)
        };
        match tokio::time::timeout(CONNECT, connect).await {
            Ok(result) => result,
            Err(_) => Err(unavailable("connect", &format!("no answer within {} s", CONNECT.as_secs()))),
        }
    }

    async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<A, BackendError> {
        self.call_on(&self.connection, method, path, body).await
    }

    async fn call_on<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        connection: &Mutex<Kept>,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<A, BackendError> {
        let unavailable =
            |e: &dyn std::fmt::Display| BackendError::Unavailable(format!("{} {path}: {e}", self.address));
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|e| unavailable(&e))?,
            None => Vec::new(),
        };
        let exchange = async {
            let mut kept = connection.lock().await;
            // A connection that has just answered may not be ready for the next request yet.
            let known = match kept.take() {
                Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
                None => None,
            };
            let mut sender = match known {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            let request = hyper::Request::builder()
                .method(method)
                .uri(path)
                .header("Host", "agent")
                .header("Content-Type", "application/json")
                .header(TERM_HEADER, self.term)
                .body(Full::new(Bytes::from(body)))
                .map_err(|e| unavailable(&e))?;
            let answer = sender.send_request(request).await.map_err(|e| unavailable(&e))?;
            let status = answer.status();
            let body =
                Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|e| unavailable(&e))?.to_bytes();
            *kept = Some(sender);
            Ok((status, body))
        };
        let (status, body) = match tokio::time::timeout(LIMIT, exchange).await {
            Ok(result) => result?,
            Err(_) => return Err(unavailable(&format!("no answer within {} s", LIMIT.as_secs()))),
        };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| unavailable(&"the answer cannot be read"));
        }
        Err(match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(error) if error.code == ErrorCode::VolumeFull => BackendError::VolumeFull(error.message),
            Ok(error) if error.code == ErrorCode::Superseded => BackendError::Superseded(error.message),
            Ok(error) => BackendError::Refused(error.message),
            Err(_) => unavailable(&format!("HTTP status {status}")),
        })
    }
}

impl MailBackend for AgentClient {
    fn state(&self) -> BoxFuture<'_, Result<State, BackendError>> {
        self.call::<(), _>("GET", "/v1/state", None).boxed()
    }

    fn digests(&self) -> BoxFuture<'_, Result<Digests, BackendError>> {
        self.call::<(), _>("GET", "/v1/digests", None).boxed()
    }

    fn apply<'a>(&'a self, request: &'a ApplyRequest) -> BoxFuture<'a, Result<ApplyResponse, BackendError>> {
        self.call("POST", "/v1/accounts", Some(request)).boxed()
    }

    fn usage(&self, after: u64) -> BoxFuture<'_, Result<UsagePage, BackendError>> {
        async move { self.call::<(), _>("GET", &format!("/v1/usage?after={after}"), None).await }.boxed()
    }

    fn complete(&self, request: Complete) -> BoxFuture<'_, Result<State, BackendError>> {
        async move { self.call("POST", "/v1/complete", Some(&request)).await }.boxed()
    }

    fn journal(&self, events: Vec<Event>) -> BoxFuture<'_, Result<Head, BackendError>> {
        let request = JournalRequest { events };
        async move {
            let answer: JournalResponse = self.call_on(&self.journal, "POST", "/v1/journal", Some(&request)).await?;
            Ok(answer.head)
        }
        .boxed()
    }

    fn notices(&self, notices: Vec<NoticeMail>) -> BoxFuture<'_, Result<Vec<Delivery>, BackendError>> {
        let request = NoticeRequest { notices };
        async move {
            let answer: NoticeResponse = self.call_on(&self.letters, "POST", "/v1/notices", Some(&request)).await?;
            if answer.deliveries.len() == request.notices.len() {
                return Ok(answer.deliveries);
            }
            Err(BackendError::Refused("the agent did not say of each notice what became of it".into()))
        }
        .boxed()
    }

    fn purge(&self, mailboxes: Vec<Purge>) -> BoxFuture<'_, Result<Vec<Purged>, BackendError>> {
        let request = PurgeRequest { mailboxes };
        async move {
            let answer: PurgeResponse = self.call_on(&self.letters, "POST", "/v1/purge", Some(&request)).await?;
            if answer.outcomes.len() == request.mailboxes.len() {
                return Ok(answer.outcomes);
            }
            Err(BackendError::Refused("the agent did not say of each mailbox what became of it".into()))
        }
        .boxed()
    }
}
