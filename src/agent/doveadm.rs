//! Dovecot's HTTP API on the pod's own loopback.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::probes::http;

const ADDRESS: &str = "127.0.0.1:8080";
const LIMIT: Duration = Duration::from_secs(5);
/// A message that is given up too early may be saved after all.
const SAVE_LIMIT: Duration = Duration::from_secs(30);
/// EX_NOUSER of sysexits.h.
const NO_USER: &str = "exitCode 67";

/// A client of Dovecot's HTTP API.
#[derive(Clone, Debug)]
pub(crate) struct Doveadm {
    key_file: PathBuf,
}

/// Why Dovecot did not do it; never holds the key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("doveadm {command}: {message}")]
pub(crate) struct DoveadmError {
    command: &'static str,
    message: String,
}

#[cfg(test)]
impl DoveadmError {
    /// An answer that never came.
    pub fn test() -> Self {
        Self { command: "save", message: "no answer".into() }
    }
}

impl Doveadm {
    /// The key is read anew for each call, so that a changed Secret needs no restart.
    pub fn new(key_file: PathBuf) -> Self {
        Self { key_file }
    }

    /// Ends every session of the users; how many there were.
    pub async fn kick(&self, users: &[String]) -> Result<u64, DoveadmError> {
        let mut count = 0;
        for user in users {
            let answer = self.call("kick", json!({"mask": [user]}), LIMIT).await;
            match answer {
                Ok(value) => count += value[0]["count"].as_str().and_then(|c| c.parse::<u64>().ok()).unwrap_or(0),
                // 68: no session matched
                Err(error) if error.message.contains("exitCode 68") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Has Dovecot read its certificate again; IMAP sessions survive.
    pub async fn reload(&self) -> Result<(), DoveadmError> {
        self.call("reload", json!({}), LIMIT).await.map(|_| ())
    }

    /// Has Dovecot open its file of events anew.
    pub async fn stats_reopen(&self) -> Result<(), DoveadmError> {
        self.call("statsReopen", json!({}), LIMIT).await.map(|_| ())
    }

    /// Bytes of storage in use of one user; none where no quota is kept.
    pub async fn storage(&self, user: &str) -> Result<Option<u64>, DoveadmError> {
        let answer = self.call("quotaGet", json!({"user": user}), LIMIT).await?;
        let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let storage = rows.iter().find(|row| row["type"] == "STORAGE");
        // In units of 1,024 bytes.
        Ok(storage.and_then(|row| row["value"].as_str()?.parse::<u64>().ok()).map(|kib| kib.saturating_mul(1024)))
    }

    /// Puts a message into the INBOX of a user, whatever the quota; false if there is no such user. No script runs, nobody
    /// logs in.
    pub async fn save(&self, user: &str, message: &str) -> Result<bool, DoveadmError> {
        let parameters = json!({"user": user, "mailbox": "INBOX", "file": message});
        Self::known(self.call("save", parameters, SAVE_LIMIT).await.map(|_| true))
    }

    /// Whether any folder of a user has a message with this Message-ID.
    pub async fn has(&self, user: &str, message_id: &str) -> Result<bool, DoveadmError> {
        let query = json!({"user": user, "query": ["header", "message-id", format!("<{message_id}>")]});
        let found = self.call("search", query, SAVE_LIMIT).await;
        Self::known(found.map(|value| value.as_array().is_some_and(|all| !all.is_empty())))
    }

    fn known(result: Result<bool, DoveadmError>) -> Result<bool, DoveadmError> {
        match result {
            Err(error) if error.message == NO_USER => Ok(false),
            other => other,
        }
    }

    async fn call(&self, command: &'static str, parameters: Value, limit: Duration) -> Result<Value, DoveadmError> {
        let failed = |message: String| DoveadmError { command, message };
        let key = tokio::fs::read_to_string(&self.key_file).await.map_err(|e| failed(format!("key file: {e}")))?;
        let authorization = format!("X-Dovecot-API {}", STANDARD.encode(key.trim()));
        let body = json!([[command, parameters, "t"]]).to_string();
        let (status, answer) = http(
            "POST",
            ADDRESS,
            "/doveadm/v1",
            &[("Authorization", &authorization), ("Content-Type", "application/json")],
            body,
            limit,
        )
        .await
        .map_err(failed)?;
        if status != 200 {
            return Err(failed(format!("HTTP status {status}")));
        }
        let answer: Value = serde_json::from_slice(&answer).map_err(|e| failed(format!("answer: {e}")))?;
        match answer[0][0].as_str() {
            Some("doveadmResponse") => Ok(answer[0][1].clone()),
            _ => Err(failed(match answer[0][1]["exitCode"].as_i64() {
                Some(code) => format!("exitCode {code}"),
                None => format!("type {}", answer[0][1]["type"]),
            })),
        }
    }
}
