//! HTTPS for people: bounded connections in all and from one source, bounded times, a new certificate without a restart.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::csrf::Csrf;
use super::routes::Peer;
use crate::domain::throttle;
use crate::tls;

const CONNECTIONS: usize = 256;
/// Of one source; a proxy in front of the page needs some more than one person.
const PER_SOURCE: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A whole header, and the rest between two requests.
const HEADER: Duration = Duration::from_secs(15);
/// A connection ends by then, after what is under way.
const LIFE: Duration = Duration::from_secs(120);
const LAST: Duration = Duration::from_secs(35);
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;
/// After an error of the socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `routes` until `stop`, which tells how long what is under way may take.
pub async fn serve(
    listener: TcpListener,
    folder: PathBuf,
    routes: Router,
    csrf: Arc<Csrf>,
    stop: impl Future<Output = Duration>,
) -> std::io::Result<()> {
    let mut certificate = Certificate { folder, csrf, loaded: None };
    if let Err(error) = certificate.current().await {
        warn!(%error, "there is no certificate yet; connections are refused until there is");
    }
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let sources = Sources::default();
    let (closing, closed) = watch::channel(false);
    tokio::pin!(stop);
    let drain = loop {
        let accepted = tokio::select! {
            drain = &mut stop => break drain,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let Some(mine) = sources.enter(peer.ip()) else {
            debug!(%peer, "too many connections from one source");
            continue;
        };
        let config = match certificate.current().await {
            Ok(config) => config,
            Err(error) => {
                warn!(%error, "the certificate cannot be read; connection refused");
                continue;
            }
        };
        let (routes, closed) = (routes.clone().layer(Extension(Peer(peer.ip()))), closed.clone());
        tokio::spawn(async move {
            let _held = (place, mine);
            serve_one(TlsAcceptor::from(config), stream, peer, routes, closed).await;
        });
    };
    drop(listener);
    closing.send_replace(true);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(drain, places.acquire_many(all)).await;
    info!("stopped");
    Ok(())
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            warn!(%error, "a connection cannot be taken");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// Connections by source.
#[derive(Clone, Default)]
struct Sources(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place; given back when it ends.
struct Held {
    sources: Sources,
    source: IpAddr,
}

impl Sources {
    fn enter(&self, address: IpAddr) -> Option<Held> {
        let source = throttle::source(address);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(source).or_default();
        if *count >= PER_SOURCE {
            return None;
        }
        *count += 1;
        Some(Held { sources: self.clone(), source })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.source);
            }
        }
    }
}

/// The certificate in its folder, read anew when it changes. One that is bad changes nothing.
struct Certificate {
    folder: PathBuf,
    csrf: Arc<Csrf>,
    loaded: Option<(String, Arc<ServerConfig>)>,
}

impl Certificate {
    async fn current(&mut self) -> std::io::Result<Arc<ServerConfig>> {
        let read = read(&self.folder).await;
        match (read, &self.loaded) {
            (Ok((certificate, _)), Some((known, config))) if certificate == *known => Ok(config.clone()),
            (Ok((certificate, key)), loaded) => {
                match tls::public_config(&tls::Pair { certificate: certificate.clone(), key: key.clone() }) {
                    Ok(config) => {
                        self.csrf.set(&key);
                        let config = Arc::new(config);
                        self.loaded = Some((certificate, config.clone()));
                        Ok(config)
                    }
                    Err(error) => served_on(loaded.as_ref(), std::io::Error::other(error.to_string())),
                }
            }
            (Err(error), loaded) => served_on(loaded.as_ref(), error),
        }
    }
}

fn served_on(
    loaded: Option<&(String, Arc<ServerConfig>)>,
    error: std::io::Error,
) -> std::io::Result<Arc<ServerConfig>> {
    let Some((_, config)) = loaded else { return Err(error) };
    debug!(%error, "the certificate cannot be read; the one before it is served on");
    Ok(config.clone())
}

async fn read(folder: &Path) -> std::io::Result<(String, SecretString)> {
    let certificate = tokio::fs::read_to_string(folder.join("tls.crt")).await?;
    Ok((certificate, tokio::fs::read_to_string(folder.join("tls.key")).await?.into()))
}

async fn serve_one(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    mut closed: watch::Receiver<bool>,
) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%peer, %error, "TLS handshake refused"),
        Err(_) => return debug!(%peer, "TLS handshake timed out"),
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    let over = async {
        tokio::select! { () = tokio::time::sleep(LIFE) => {}, _ = closed.wait_for(|closed| *closed) => {} }
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = over => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_every_connection() {
        let sources = Sources::default();
        let ip = |text: &str| text.parse().expect("an address");
        let mut held: Vec<_> = (0..PER_SOURCE).map(|_| sources.enter(ip("192.0.2.1")).expect("a place")).collect();
        assert!(sources.enter(ip("192.0.2.1")).is_none());
        assert!(sources.enter(ip("192.0.2.2")).is_some());
        held.pop();
        assert!(sources.enter(ip("192.0.2.1")).is_some());
        held.clear();
        assert!(sources.0.lock().expect("lock").is_empty(), "nothing is left of who has gone");
    }

    #[tokio::test]
    async fn r3_1_a_new_certificate_is_served_without_a_restart_and_a_bad_one_never() {
        tls::install_provider();
        let folder = tempfile::tempdir().expect("folder");
        let write = |pair: &tls::Pair| {
            use secrecy::ExposeSecret;
            std::fs::write(folder.path().join("tls.crt"), &pair.certificate).expect("file");
            std::fs::write(folder.path().join("tls.key"), pair.key.expose_secret()).expect("file");
        };
        let pair = |name: &str| tls::new_self_signed(name, &[name.to_string()], 1_790_000_000, 9).expect("a pair");
        let csrf = Arc::new(Csrf::default());
        let mut certificate = Certificate { folder: folder.path().into(), csrf: csrf.clone(), loaded: None };
        assert!(certificate.current().await.is_err(), "none yet");
        write(&pair("a.vn"));
        let first = certificate.current().await.expect("a");
        assert!(Arc::ptr_eq(&first, &certificate.current().await.expect("the same")));
        assert!(csrf.token(&Csrf::seed(), k8s_openapi::jiff::Timestamp::now()).is_some(), "forms can be signed");
        std::fs::write(folder.path().join("tls.crt"), pair("b.vn").certificate).expect("half of a new pair");
        assert!(Arc::ptr_eq(&first, &certificate.current().await.expect("the one before")));
        write(&pair("c.vn"));
        assert!(!Arc::ptr_eq(&first, &certificate.current().await.expect("the new one")));
    }
}
