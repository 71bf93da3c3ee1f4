//! What the kubelet and Prometheus ask a process.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::error;

use super::Metrics;

/// Serves /livez, /readyz and /metrics for ever; `not_ready` says why it is not ready now.
pub async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    not_ready: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
) {
    let ready = move || async move {
        match not_ready() {
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            None => (StatusCode::OK, "ok\n".into()),
        }
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(move || async move { metrics.text() }));
    let served = async { axum::serve(TcpListener::bind(address).await?, routes).await };
    if let Err(error) = served.await {
        error!(%address, %error, "probes and metrics cannot be served");
    }
}
