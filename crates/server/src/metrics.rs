//! What does the server tell of its work? At an address of its own: the other is for
//! people.

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::http::{Method, StatusCode};
use devportal_metrics::serve::{self, Address, PROBES};
use devportal_metrics::{Registry, SECONDS, Watches, endpoint, ours};
use devportal_mirror::Scope;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::net::TcpListener;

use crate::App;
use crate::health::probes;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    /// `broken off` where nobody waited for the answer.
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Question {
    method: String,
    route: String,
}

/// Everything the server tells of itself. Clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) watches: Watches,
    requests: Family<Answer, Counter>,
    took: Family<Question, Histogram, fn() -> Histogram>,
    streams: Gauge,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            watches: Watches::register(registry),
            requests: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            streams: Gauge::default(),
        };
        let ours = ours(registry);
        ours.register(
            "http_requests",
            "Requests that were answered, or broken off",
            metrics.requests.clone(),
        );
        ours.register(
            "http_request_duration_seconds",
            "How long an answer took; of a stream of events, until it began",
            metrics.took.clone(),
        );
        ours.register(
            "event_streams",
            "Streams of events that are open",
            metrics.streams.clone(),
        );
        metrics
    }

    /// A request is over. Of methods that no client of ours uses one name is told, so that
    /// nobody makes series at will.
    pub(crate) fn count(
        &self,
        method: &Method,
        route: &str,
        status: Option<StatusCode>,
        took: Duration,
    ) {
        const USED: [Method; 6] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ];
        let method = if USED.contains(method) {
            method.as_str()
        } else {
            "other"
        };
        let (method, route) = (method.to_owned(), route.to_owned());
        let status = status.map_or_else(|| "broken off".to_owned(), |it| it.as_u16().to_string());
        let question = Question {
            method: method.clone(),
            route: route.clone(),
        };
        self.took
            .get_or_create(&question)
            .observe(took.as_secs_f64());
        let answer = Answer {
            method,
            route,
            status,
        };
        self.requests.get_or_create(&answer).inc();
    }

    /// A stream of events is open, until this is dropped.
    pub(crate) fn open_stream(&self) -> Open {
        self.streams.inc();
        Open(self.streams.clone())
    }
}

/// Everything that is told, with a value of each kind: what the reference is made from.
///
/// # Errors
///
/// None that is known: text takes everything.
pub fn example(mut registry: Registry) -> Result<String, std::fmt::Error> {
    let metrics = Metrics::register(&mut registry);
    let watch = metrics.watches.of("APIKey", &Scope::Cluster);
    watch.is_listed(true);
    watch.heard();
    let (ok, took) = (Some(StatusCode::OK), Duration::ZERO);
    metrics.count(&Method::GET, "/v1/products", ok, took);
    endpoint::text(&registry)
}

/// An open stream of events.
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// # Errors
///
/// When the address is taken; says how to choose another.
pub(crate) async fn listen(address: Address) -> Result<TcpListener> {
    address.listen().await.with_context(|| {
        format!("cannot listen on {address}; choose another with --metrics-address")
    })
}

/// Answers `/metrics` and the probes until the process ends.
pub(crate) fn serve(listener: TcpListener, registry: Registry, app: App) {
    let router = endpoint::router(Arc::new(registry), || ready(()));
    let router = router.merge(probes().with_state(app));
    tokio::spawn(serve::serve(listener, router, PROBES, pending()));
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::trial;

    #[tokio::test]
    async fn the_kubelet_is_answered_where_prometheus_is() {
        let listener = listen(Address::Every(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let registry = devportal_metrics::registry("1.2.3", "abc");
        serve(listener, registry, trial::app(Router::new()));
        for (path, expected) in [
            ("/healthz", ("200 OK", "\r\nok")),
            ("/readyz", ("503 Service Unavailable", "\nAPIKey: ")),
            ("/metrics", ("200 OK", "\ndevportal_build_info{")),
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (status, body) = expected;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            assert!(answer.contains(body), "{answer}");
        }
    }
}
