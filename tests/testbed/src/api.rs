//! The API server, asked from code that is not asynchronous.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// One answer may take this long.
const LIMIT: Duration = Duration::from_secs(10);

/// A client for a kubeconfig file. No proxy of the environment is used: the cluster is on this machine.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("cannot read {}", kubeconfig.display()))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    config.connect_timeout = Some(LIMIT);
    Ok(Client::try_from(config)?)
}

/// A client with its own runtime.
pub struct Api {
    runtime: Runtime,
    client: Client,
}

impl Api {
    /// Reads the kubeconfig; does not connect yet.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Self { runtime, client })
    }

    /// Text of a GET, or nothing when it fails in whatever way.
    pub fn get(&self, path: &str) -> Option<String> {
        let request = Request::get(path).body(Vec::new()).ok()?;
        self.runtime.block_on(async {
            let answer = tokio::time::timeout(LIMIT, self.client.request_text(request));
            answer.await.ok()?.ok()
        })
    }

    /// JSON of a GET, or nothing.
    pub fn get_json(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.get(path)?).ok()
    }

    /// Creates an object; one that is there already is left as it is.
    pub fn create(&self, path: &str, object: &Value) -> Result<()> {
        let request =
            Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(object)?)?;
        let answer = self.runtime.block_on(self.client.request::<Value>(request));
        match answer {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => {
                other.with_context(|| format!("cannot create an object at {path}"))?;
                Ok(())
            }
        }
    }
}
