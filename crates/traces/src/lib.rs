//! What is told to an OpenTelemetry collector?
//!
//! The spans whose target is [`TARGET`], and what kube's client tells of the requests to the API
//! server that are made within them. No event is a part of a span: one of kube's may
//! quote an answer, and an answer may be a Secret.
//!
//! It is switched on, and set, by the variables that OpenTelemetry has for every program.

mod deliver;
mod settings;

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::registry::LookupSpan;

use self::deliver::Deliverer;
use self::settings::Settings;

/// The target of the spans that are told.
pub const TARGET: &str = "devportal::trace";

/// How long the last spans may take to be delivered when the process ends.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// Tells a collector of this process's spans, until it is ended.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Tells of the process under this name and version, if the environment says whereto.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the environment says what cannot be done.
    pub fn of_environment(service: &'static str, version: &'static str) -> Result<Option<Self>> {
        let Some(settings) = Settings::of(|name| env::var(name).ok())? else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Deliverer::new(&settings)?)
            .build()
            .context("OpenTelemetry's variables are not understood")?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", version));
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service);
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self { provider }))
    }

    /// What the process's subscriber hands spans to.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let filter = dynamic_filter_fn(|it, context| {
            is_ours(it) || is_request(it) && context.lookup_current().is_some()
        })
        .with_max_level_hint(LevelFilter::DEBUG)
        .with_callsite_filter(|it| {
            if is_ours(it) || is_request(it) {
                Interest::sometimes()
            } else {
                Interest::never()
            }
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("devportal"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter)
    }

    /// Delivers what is left.
    pub async fn end(self) {
        // It waits for the collector on the thread that calls it.
        let end = move || self.provider.shutdown_with_timeout(LAST_PATIENCE);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(end).await {
            warn!(%error, "the last traces were not delivered");
        }
    }
}

fn is_ours(span: &Metadata<'_>) -> bool {
    span.is_span() && span.target() == TARGET
}

/// A request of kube's client.
fn is_request(span: &Metadata<'_>) -> bool {
    span.is_span() && span.target().starts_with("kube_client")
}

/// Makes the span a part of the trace that the request's `traceparent` names, if it has one.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &HeaderExtractor(headers));
    // It fails where no traces are told.
    let _ = span.set_parent(parent);
}
