//! Is the controller alive, and has it seen the cluster?

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Answers `/healthz` and `/readyz` until the process ends.
///
/// # Errors
///
/// When the address is taken; says how to choose another.
pub(crate) async fn serve(address: SocketAddr, ready: watch::Receiver<bool>) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another with --health-probe-bind-address")
    })?;
    let readyz = move || async move {
        if *ready.borrow() {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "still listing")
        }
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}
