//! How are metrics asked for? `GET /metrics`, as OpenMetrics text.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `/metrics`, each time after what is to be told then has been brought up to date.
pub fn router<F, W>(registry: Arc<Registry>, update: F) -> Router
where
    F: Fn() -> W + Clone + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let metrics = move || async move {
        update().await;
        answer(&registry)
    };
    Router::new().route("/metrics", get(metrics))
}

/// What is told, as OpenMetrics text.
///
/// # Errors
///
/// None that is known: text takes everything.
pub fn text(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

fn answer(registry: &Registry) -> Response {
    match text(registry) {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Watches;
    use devportal_mirror::Scope;

    #[test]
    fn what_both_processes_tell_is_openmetrics() {
        let mut registry = crate::registry("1.2.3", "abc");
        let watch = Watches::register(&mut registry).of("APIKey", &Scope::Cluster);
        watch.is_listed(true);
        let told = text(&registry).unwrap();
        for line in [
            "devportal_build_info{version=\"1.2.3\",commit=\"abc\"} 1",
            "devportal_watch_listed{kind=\"APIKey\",scope=\"cluster\"} 1",
            "# TYPE process_cpu_seconds counter",
            "# TYPE process_resident_memory_bytes gauge",
        ] {
            assert!(told.lines().any(|it| it == line), "{line} in\n{told}");
        }
        assert!(told.contains("\nprocess_cpu_seconds_total "));
        assert!(told.ends_with("# EOF\n"));
        drop(watch);
        let told = text(&registry).unwrap();
        assert!(
            !told.contains("kind=\"APIKey\""),
            "it is not followed any more"
        );
    }
}
