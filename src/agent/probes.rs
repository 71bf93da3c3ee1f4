//! What the kubelet asks: whether the table is there, and whether Dovecot, rspamd and Postfix answer in their protocol.
//! A port that is open says nothing: login processes may be dead behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Shared;

const LIMIT: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 1 << 20;

/// Serves the probes for ever.
pub(super) async fn serve(address: SocketAddr, shared: Arc<Shared>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/started", get(started))
        .route("/ready/dovecot", get(|| async { answer(dovecot().await) }))
        .route("/ready/rspamd", get(|| async { answer(rspamd().await) }))
        .route("/ready/postfix", get(|| async { answer(postfix().await) }))
        .with_state(shared);
    axum::serve(TcpListener::bind(address).await?, routes).await
}

/// Postfix starts only behind this: an empty table would make it refuse every address for good (550 5.1.1).
async fn started(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let table = shared.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    answer(match table.is_complete() {
        Ok(true) => Ok(()),
        Ok(false) => Err("waiting for the operator: the account table has never been complete".into()),
        Err(error) => Err(error.to_string()),
    })
}

fn answer(result: Result<(), String>) -> (StatusCode, String) {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(message) => (StatusCode::SERVICE_UNAVAILABLE, format!("{message}\n")),
    }
}

async fn dovecot() -> Result<(), String> {
    greets("127.0.0.1:31143", "* OK", None).await
}

async fn rspamd() -> Result<(), String> {
    match http("GET", "127.0.0.1:11332", "/ping", &[], String::new(), LIMIT).await? {
        (200, body) if body.starts_with(b"pong") => Ok(()),
        (status, _) => Err(format!("rspamd answers {status}")),
    }
}

/// EHLO is green while rspamd is down, although every mail would get 451: ask both. On a port of its own (resources/mail/master.cf): whoever
/// holds all connections of a public one does not make the pod unready.
async fn postfix() -> Result<(), String> {
    rspamd().await?;
    greets("127.0.0.1:10027", "220", Some(("EHLO probe.invalid\r\n", "250"))).await
}

/// Reads a greeting and, where asked, the first line of an answer.
async fn greets(address: &str, greeting: &str, then: Option<(&str, &str)>) -> Result<(), String> {
    let talk = async {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.map_err(|e| e.to_string())?;
        if !line.starts_with(greeting) {
            return Err(format!("greeting '{}'", line.trim_end()));
        }
        if let Some((command, expected)) = then {
            stream.write_all(command.as_bytes()).await.map_err(|e| e.to_string())?;
            line.clear();
            stream.read_line(&mut line).await.map_err(|e| e.to_string())?;
            if !line.starts_with(expected) {
                return Err(format!("answer '{}'", line.trim_end()));
            }
            let _ = stream.write_all(b"QUIT\r\n").await;
        }
        Ok(())
    };
    match tokio::time::timeout(LIMIT, talk).await {
        Ok(result) => result.map_err(|e| format!("{address}: {e}")),
        Err(_) => Err(format!("{address}: no answer within {} s", LIMIT.as_secs())),
    }
}

/// One HTTP request on the pod's own loopback; status and body.
pub(super) async fn http(
    method: &str,
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
    limit: Duration,
) -> Result<(u16, Vec<u8>), String> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let connection = tokio::spawn(connection);
        let mut request =
            hyper::Request::builder().method(method).uri(path).header("Host", address).header("Connection", "close");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<hyper::body::Bytes>::from(body)).map_err(|e| e.to_string())?;
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|e| e.to_string())?.to_bytes();
        connection.abort();
        Ok::<_, String>((status, body.to_vec()))
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result.map_err(|e| format!("{address}: {e}")),
        Err(_) => Err(format!("{address}: no answer within {} s", limit.as_secs())),
    }
}
