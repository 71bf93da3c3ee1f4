//! Dovecot's HTTP API on the pod's own loopback.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::probes::http;

const ADDRESS: &str = "127.0.0.1:8080";
const LIMIT: Duration = Duration::from_secs(5);
/// On top of it, for each command of a request.
const EACH: Duration = Duration::from_millis(250);
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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

    /// Ends every session of the users, in one request: a command of its own for each, since its mask takes one user. How many there
    /// were of each.
    pub async fn kick(&self, users: &[String]) -> Result<Vec<Result<u64, DoveadmError>>, DoveadmError> {
        let masks = users.iter().map(|user| json!({"mask": [user]})).collect();
        let answers =
            self.call_all("kick", masks, LIMIT + EACH * u32::try_from(users.len()).unwrap_or(u32::MAX)).await?;
        let count = |answer: Result<Value, DoveadmError>| match answer {
            Ok(value) => Ok(value[0]["count"].as_str().and_then(|c| c.parse::<u64>().ok()).unwrap_or(0)),
            // 68: no session matched
            Err(error) if error.message.contains("exitCode 68") => Ok(0),
            Err(error) => Err(error),
        };
        Ok(answers.into_iter().map(count).collect())
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
        let answers = self.call_all(command, vec![parameters], limit).await?;
        answers.into_iter().next().unwrap_or_else(|| Err(DoveadmError { command, message: "no answer".into() }))
    }

    /// One request with a command for each of these; the answers in their order.
    async fn call_all(
        &self,
        command: &'static str,
        parameters: Vec<Value>,
        limit: Duration,
    ) -> Result<Vec<Result<Value, DoveadmError>>, DoveadmError> {
        let failed = |message: String| DoveadmError { command, message };
        let key = tokio::fs::read_to_string(&self.key_file).await.map_err(|e| failed(format!("key file: {e}")))?;
        let authorization = format!("X-Dovecot-API {}", STANDARD.encode(key.trim()));
        let count = parameters.len();
        let commands = parameters.into_iter().enumerate().map(|(tag, one)| json!([command, one, tag.to_string()]));
        let (status, answer) = http(
            "POST",
            ADDRESS,
            "/doveadm/v1",
            &[("Authorization", &authorization), ("Content-Type", "application/json")],
            Value::Array(commands.collect()).to_string(),
            limit,
        )
        .await
        .map_err(failed)?;
        if status != 200 {
            return Err(failed(format!("HTTP status {status}")));
        }
        let answers: Value = serde_json::from_slice(&answer).map_err(|e| failed(format!("answer: {e}")))?;
        Ok((0..count).map(|tag| outcome(&answers, tag).map_err(failed)).collect())
    }
}

/// The answer to the command of this tag. They need not come in the order in which they were asked for.
fn outcome(answers: &Value, tag: usize) -> Result<Value, String> {
    let tag = tag.to_string();
    let answer = answers.as_array().and_then(|all| all.iter().find(|answer| answer[2].as_str() == Some(&tag)));
    let answer = answer.ok_or("no answer")?;
    match answer[0].as_str() {
        Some("doveadmResponse") => Ok(answer[1].clone()),
        _ => Err(match answer[1]["exitCode"].as_i64() {
            Some(code) => format!("exitCode {code}"),
            None => format!("type {}", answer[1]["type"]),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_its_own_answer_whatever_their_order() {
        let answers = json!([
            ["error", {"type": "exitCode", "exitCode": 68}, "1"],
            ["doveadmResponse", [{"count": "2"}], "0"],
            ["error", {"type": "unknownMethod"}, "2"]
        ]);
        assert_eq!(outcome(&answers, 0), Ok(json!([{"count": "2"}])));
        assert_eq!(outcome(&answers, 1), Err("exitCode 68".into()));
        assert_eq!(outcome(&answers, 2), Err("type \"unknownMethod\"".into()));
        assert_eq!(outcome(&answers, 3), Err("no answer".into()));
        assert_eq!(outcome(&json!({}), 0), Err("no answer".into()));
    }
}
