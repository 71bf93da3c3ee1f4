//! A beat: a login that fails on purpose, by Dovecot's authentication protocol, and that has to show up among its events.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::probes::http;

/// Where Postfix asks, too.
const AUTH: &str = "127.0.0.1:31025";
const METRICS: &str = "127.0.0.1:9090";
/// A login that fails is answered late on purpose.
const LIMIT: Duration = Duration::from_secs(15);
const LINES: usize = 100;

/// Names that no mailbox has. Anybody may try to log in with one: what counts is the word after it, and that it came this way
/// (`service=beat`, 40-activity.conf).
pub(super) const PREFIX: &str = "_beat-";

/// Logs in as nobody; `word` is found in the event.
pub(super) async fn send(word: &str) -> Result<(), String> {
    let talk = async {
        let stream = TcpStream::connect(AUTH).await.map_err(|e| e.to_string())?;
        let mut stream = BufReader::new(stream);
        let hello = format!("VERSION\t1\t2\nCPID\t{}\n", rand::random::<u32>() >> 1);
        stream.write_all(hello.as_bytes()).await.map_err(|e| e.to_string())?;
        until(&mut stream, |line| line == "DONE").await?;
        let response = STANDARD.encode(format!("\0{PREFIX}{word}\0none"));
        let ask = format!("AUTH\t1\tPLAIN\tservice=beat\tsecured\tresp={response}\n");
        stream.write_all(ask.as_bytes()).await.map_err(|e| e.to_string())?;
        until(&mut stream, |line| line.starts_with("FAIL\t1") || line.starts_with("OK\t1")).await
    };
    tokio::time::timeout(LIMIT, talk).await.map_err(|_| format!("no answer within {} s", LIMIT.as_secs()))?
}

async fn until(stream: &mut BufReader<TcpStream>, found: impl Fn(&str) -> bool) -> Result<(), String> {
    for _ in 0..LINES {
        let mut line = String::new();
        if stream.read_line(&mut line).await.map_err(|e| e.to_string())? == 0 {
            return Err("closed".into());
        }
        if found(line.trim_end()) {
            return Ok(());
        }
    }
    Err("no end of its lines".into())
}

/// When the process that tells of events was started.
pub(super) async fn teller_started() -> Option<Timestamp> {
    let (status, body) = http("GET", METRICS, "/metrics", &[], String::new(), Duration::from_secs(5)).await.ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "))?;
    let seconds = value.trim().parse::<f64>().ok().filter(|_| status == 200)?;
    Timestamp::from_second(seconds as i64).ok()
}
