//! Watches the mail server's certificate files: a good new one is read by Dovecot at once, a bad one is reported and the
//! old one stays in force. Postfix needs nothing: each new smtpd process reads the files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch::Sender;
use tracing::{info, warn};

use super::doveadm::Doveadm;
use crate::tls;

/// Works for ever.
pub(super) async fn watch(folder: PathBuf, doveadm: Doveadm, report: Sender<Option<String>>) {
    let mut known = read(&folder).await;
    report.send_replace(problem(&known));
    let mut pending = false;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let found = read(&folder).await;
        if found != known {
            known = found;
            let bad = problem(&known);
            pending = bad.is_none();
            if let Some(bad) = &bad {
                warn!(problem = bad, "the new certificate is not used");
            }
            report.send_replace(bad);
        }
        if pending {
            match doveadm.reload().await {
                Ok(()) => {
                    info!("new certificate in force");
                    pending = false;
                }
                Err(error) => warn!(%error, "new certificate not read yet; trying again"),
            }
        }
    }
}

async fn read(folder: &Path) -> Result<(String, String), String> {
    let file = |name: &'static str| {
        let path = folder.join(name);
        async move { tokio::fs::read_to_string(path).await.map_err(|e| format!("{name}: {e}")) }
    };
    Ok((file("tls.crt").await?, file("tls.key").await?))
}

fn problem(files: &Result<(String, String), String>) -> Option<String> {
    match files {
        Ok((certificate, key)) => tls::inspect(certificate, key).err().map(|e| e.to_string()),
        Err(error) => Some(error.clone()),
    }
}
