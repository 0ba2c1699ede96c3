//! Which request is this? Every answer and every line of the log names it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, info, info_span};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered.
pub(crate) fn request_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Names the request, logs it, and sets the headers that every answer has.
pub(crate) async fn every_request(request: Request, next: Next) -> Response {
    let id = given(&request).unwrap_or_else(|| hex::encode(rand::random::<[u8; 8]>()));
    let method = request.method().clone();
    // Not the path itself: names in it are other people's words.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = info_span!("request", id = %id);
    let began = Instant::now();
    let answer = CURRENT.scope(id.clone(), next.run(request));
    let mut response = answer.instrument(span).await;
    let (status, took) = (response.status().as_u16(), began.elapsed());
    info!(%id, %method, route, status, took_ms = took.as_millis(), "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    // What is not said to be otherwise is for this person and this moment.
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}

/// The id that a proxy gave, if it is one.
fn given(request: &Request) -> Option<String> {
    const LONGEST: usize = 64;
    let id = request.headers().get(&REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_id = !id.is_empty() && id.len() <= LONGEST && id.chars().all(is_plain);
    is_id.then(|| id.to_owned())
}
