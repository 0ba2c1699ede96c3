//! Is the controller alive, and what of the cluster can it see?

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use devportal_core::world::Followed;
use devportal_metrics::serve::{self, Address, PROBES};
use devportal_metrics::{Registry, endpoint};
use devportal_mirror::Scope;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::engine::Scrape;

/// How long the engine may take to tell its metrics.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Whether decisions are made about all kinds of ours.
    pub(crate) is_ready: bool,
    /// What cannot be seen, and why, a line each.
    pub(crate) missing: Vec<String>,
}

impl Readiness {
    /// Before anything is known.
    pub(crate) fn unknown() -> Self {
        Self {
            is_ready: false,
            missing: vec!["still listing".to_owned()],
        }
    }

    /// Ready is who sees everything of ours: without the kinds of others some keys
    /// wait, and the rest goes on.
    pub(crate) fn of(followed: &[Followed]) -> Self {
        const OURS: [&str; 4] = ["APIProduct", "APIKey", "APIKeyRequest", "APIKeyApproval"];
        let is_ours = |it: &&Followed| OURS.contains(&it.kind);
        let missing = followed.iter().filter_map(|it| {
            let place = match &it.scope {
                Scope::Cluster => String::new(),
                Scope::Namespace(namespace) => format!(" in namespace {namespace}"),
            };
            let why = it.sight.complaint()?;
            Some(format!("{}{place}: {why}", it.kind))
        });
        Self {
            is_ready: followed
                .iter()
                .filter(is_ours)
                .all(|it| it.sight.is_listed()),
            missing: missing.collect(),
        }
    }

    fn answer(&self) -> (StatusCode, String) {
        let status = if self.is_ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let words = if self.is_ready { "ok" } else { "not ready" };
        let lines = std::iter::once(words.to_owned()).chain(self.missing.iter().cloned());
        (status, lines.collect::<Vec<_>>().join("\n") + "\n")
    }
}

/// # Errors
///
/// When the address is taken; says how to choose another.
pub(crate) async fn listen(address: Address) -> Result<TcpListener> {
    address.listen().await.with_context(|| {
        format!("cannot listen on {address}; choose another with --health-probe-bind-address")
    })
}

/// Answers `/healthz`, `/readyz` and `/metrics` until the process ends. For metrics the
/// engine is asked first; one that is not there, or busy, is not waited for.
pub(crate) fn serve(
    listener: TcpListener,
    ready: watch::Receiver<Readiness>,
    registry: Registry,
    engine: mpsc::Sender<Scrape>,
) {
    let readyz = move || async move { ready.borrow().answer() };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .merge(endpoint::router(Arc::new(registry), move || {
            let engine = engine.clone();
            async move {
                let (told, is_told) = oneshot::channel();
                if timeout(PATIENCE, engine.send(told)).await.is_ok() {
                    let _ = timeout(PATIENCE, is_told).await;
                }
            }
        }));
    tokio::spawn(serve::serve(listener, router, PROBES, pending()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_mirror::{Sight, Trouble};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    fn followed(kind: &'static str, sight: Sight) -> Followed {
        Followed {
            kind,
            scope: Scope::Cluster,
            sight,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_opens_a_connection_and_says_nothing_is_cut_off() {
        let listener = listen(Address::Every(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_ready, is_ready) = watch::channel(Readiness::unknown());
        let registry = devportal_metrics::registry("1.2.3", "abc");
        serve(listener, is_ready, registry, mpsc::channel(1).0);
        let mut silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let a_minute = Duration::from_mins(1);
        let ended = timeout(a_minute, silent.read_to_end(&mut vec![])).await;
        assert!(ended.is_ok(), "the connection is still there");
    }

    #[test]
    fn who_sees_all_of_ours_is_ready_and_names_what_else_is_missing() {
        let forbidden = Sight::Blind(Trouble::Forbidden);
        let readiness = Readiness::of(&[
            followed("APIKey", Sight::Current),
            followed("PlanPolicy", forbidden.clone()),
        ]);
        let (status, words) = readiness.answer();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            words,
            "ok\nPlanPolicy: not seen: the right to list and watch it is missing\n"
        );
        let blind = Readiness::of(&[followed("APIKey", forbidden)]);
        assert_eq!(blind.answer().0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
