//! What is behind the gateway? A server that answers with what it received, in
//! place of every Service.

use anyhow::Result;
use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::port::loopback;

/// Serves until the runtime it is started on ends.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(loopback(port)).await?;
    tokio::spawn(async move {
        let app = Router::new().fallback(answer);
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!("the sample upstream ended: {error}");
        }
    });
    Ok(())
}

/// Answers once the whole request is there, as most servers do.
async fn answer(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Json<Value> {
    Json(echo(&method, &uri, &headers, &body))
}

/// The credential is shown as well: it is the caller's own.
fn echo(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Value {
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), text.into())
        })
        .collect();
    json!({
        "upstream": "toys for the local stack",
        "method": method.as_str(),
        "path": uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(body),
    })
}
