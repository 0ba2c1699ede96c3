//! Is the server alive, and is what it shows complete and fresh?

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;

use crate::App;

/// What the kubelet asks. At the address of the metrics, too: the other is for people, who may
/// take all of its connections.
pub(crate) fn probes() -> Router<App> {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
}

/// Ready is who has listed everything. What is out of date is told and shown all the
/// same: another replica would see no more.
async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    if *app.stops.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let known = app.store.read();
    let mut is_ready = true;
    let mut lines = Vec::new();
    for (kind, sight) in known.sights() {
        // Without the kinds of others everything else is shown.
        let is_ours = kind.starts_with("API");
        is_ready &= sight.is_listed() || (!is_ours && sight.has_answered());
        lines.extend(sight.complaint().map(|why| format!("{kind}: {why}")));
    }
    let (status, word) = if is_ready {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    lines.insert(0, word.to_owned());
    (status, lines.join("\n") + "\n")
}

/// Says on every answer that is read from the mirror since when it may be out of date.
pub(crate) async fn tell_staleness(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = request.method() == Method::GET;
    let mut response = next.run(request).await;
    let since = app.store.read().stale_since().filter(|_| is_read);
    let since = since.and_then(|at| HeaderValue::from_str(&format!("{at:.0}")).ok());
    if let Some(since) = since {
        response
            .headers_mut()
            .insert("devportal-stale-since", since);
    }
    response
}
