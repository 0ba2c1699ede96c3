//! Which request is this? Every answer and every line of the log names it, also where
//! whoever asked did not wait for the answer, or where answering panicked.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use devportal_traces::{TARGET, continue_trace};
use futures::FutureExt;
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span, error, info, info_span};

use crate::App;
use crate::metrics::Metrics;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(30);

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered.
pub(crate) fn request_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Names the request, logs it, and sets the headers that every answer has.
pub(crate) async fn every_request(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let id = given(&request).unwrap_or_else(|| hex::encode(rand::random::<[u8; 8]>()));
    // Not the path itself: names in it are other people's words.
    let route = request.extensions().get::<MatchedPath>();
    let mut log = Log {
        id: id.clone(),
        method: request.method().clone(),
        route: route.map_or("none", MatchedPath::as_str).to_owned(),
        began: Instant::now(),
        status: None,
        metrics: app.metrics.clone(),
    };
    let told = told(&log, request.headers());
    let span = info_span!("request", id = %id);
    let answer = CURRENT.scope(id.clone(), answer(request, next));
    let answer = answer.instrument(span).instrument(told.clone());
    let mut response = answer.await;
    let status = response.status();
    told.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        told.record("otel.status_code", "ERROR");
    }
    log.status = Some(status);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    // Everything is for this person and this moment.
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}

/// What is told of it to a collector: nothing of the probes of a kubelet.
fn told(log: &Log, headers: &HeaderMap) -> Span {
    if ["/healthz", "/readyz"].contains(&log.route.as_str()) {
        return Span::none();
    }
    let span = debug_span!(
        target: TARGET,
        "request",
        otel.name = format!("{} {}", log.method, log.route),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %log.method,
        http.route = log.route,
        http.response.status_code = Empty,
        request.id = log.id,
    );
    continue_trace(&span, headers);
    span
}

async fn answer(request: Request, next: Next) -> Response {
    let is_read = request.method() == Method::GET;
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(PATIENCE, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            error!("answering a request panicked, which is a bug");
            let detail =
                "the portal has made a mistake; its log tells more under this request's id";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Mistake", detail).into_response()
        }
        Err(_) if is_read => crate::remember::silent().into_response(),
        Err(_) => Problem::maybe_done().into_response(),
    }
}

/// Tells of a request when it is over, however it ended.
struct Log {
    id: String,
    method: Method,
    route: String,
    began: Instant,
    status: Option<StatusCode>,
    metrics: Metrics,
}

impl Drop for Log {
    fn drop(&mut self) {
        let (id, method, route) = (&self.id, &self.method, &self.route);
        let took = self.began.elapsed();
        let took_ms = took.as_millis();
        self.metrics.count(method, route, self.status, took);
        if let Some(status) = self.status {
            info!(%id, %method, route, status = status.as_u16(), took_ms, "answered");
        } else {
            info!(%id, %method, route, took_ms, "broken off");
        }
    }
}

/// The id that a proxy gave, if it is one.
fn given(request: &Request) -> Option<String> {
    const LONGEST: usize = 64;
    let id = request.headers().get(&REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_id = !id.is_empty() && id.len() <= LONGEST && id.chars().all(is_plain);
    is_id.then(|| id.to_owned())
}
