//! What does a process tell of its work, and to whom? Lines to standard error, and traces to
//! a collector where the environment names one.

use std::io::{IsTerminal, stderr};

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use devportal_traces::Traces;
use tracing::warn;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Does the work of a process, which traces know by this name, and tells of it.
pub(crate) async fn telling(
    service: &'static str,
    format: LogFormat,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let traces = Traces::of_environment(service, env!("CARGO_PKG_VERSION"));
    let (traces, trouble) = match traces {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    begin(format, traces.as_ref())?;
    if let Some(error) = trouble {
        warn!("no traces are told: {}", crate::explain(&error));
    }
    let done = work.await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    done
}

fn begin(format: LogFormat, traces: Option<&Traces>) -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()
        .context("RUST_LOG is not understood; try RUST_LOG=info")?;
    // What a failed request means is said where it was made.
    let filter = match std::env::var_os("RUST_LOG") {
        Some(_) => filter,
        None => filter.add_directive("kube_runtime=off".parse()?),
    };
    // kube_client tells of answers it cannot read with all that is in them, which
    // may be a Secret: no setting turns that on.
    let filter = filter.and(filter_fn(|it| !it.target().starts_with("kube_client")));
    let log = layer()
        .with_writer(stderr)
        // Where nothing can be written, as on a full disk, that would panic: the work goes on.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(traces.map(Traces::layer));
    match format {
        LogFormat::Text => registry.with(log.with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(log.json().with_filter(filter)).try_init(),
    }
    .map_err(|error| anyhow!("cannot set the log up: {error}"))
}
