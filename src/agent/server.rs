//! HTTP over mutual TLS for the operator: bounded connections, bounded handshakes, a new certificate without a restart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::tls;

const CONNECTIONS: usize = 32;
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Serves `routes` for ever.
pub(super) async fn serve_tls(address: SocketAddr, folder: PathBuf, routes: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut loaded: Option<(String, Arc<ServerConfig>)> = None;
    loop {
        let (stream, peer) = listener.accept().await?;
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        match current(&folder, &mut loaded).await {
            Ok(config) => {
                let routes = routes.clone();
                tokio::spawn(async move {
                    let _place = place;
                    serve_one(TlsAcceptor::from(config), stream, peer, routes).await;
                });
            }
            Err(error) => warn!(%error, "the agent's certificate cannot be read; connection refused"),
        }
    }
}

async fn current(
    folder: &Path,
    loaded: &mut Option<(String, Arc<ServerConfig>)>,
) -> std::io::Result<Arc<ServerConfig>> {
    let read = |name: &str| tokio::fs::read_to_string(folder.join(name));
    let (certificate, key, authority) = (read("tls.crt").await?, read("tls.key").await?, read("ca.crt").await?);
    let text = format!("{certificate}{authority}");
    if let Some((known, config)) = loaded
        && *known == text
    {
        return Ok(config.clone());
    }
    let config = tls::server_config(&tls::Pair { certificate, key: key.into() }, &authority)
        .map_err(|e| std::io::Error::other(e.to_string()))?;
    let config = Arc::new(config);
    *loaded = Some((text, config.clone()));
    Ok(config)
}

async fn serve_one(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, peer: SocketAddr, routes: Router) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%peer, %error, "TLS handshake refused"),
        Err(_) => return debug!(%peer, "TLS handshake timed out"),
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
    if let Err(error) = served {
        debug!(%peer, %error, "connection ended");
    }
}
