//! The rate-limit service of the local stack: Limitador's engine, with the
//! limits of the cluster's Limitador objects, behind the protocol Envoy speaks.
//!
//! In a cluster limitador-server does this, from a file that its operator writes.

mod limit;
mod service;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use futures::FutureExt;
use kube::Client;
use limitador::RateLimiter;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// How many counters with variables are kept; the least used go first.
const COUNTERS: u64 = 100_000;

/// Answers Envoy's rate-limit requests by the limits of the cluster's Limitador
/// objects. It listens once it knows them.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "The cluster is the one of KUBECONFIG. Counters are kept in memory.

Examples:
  devportal-ratelimit
  devportal-ratelimit --listen 127.0.0.1:18081"
)]
struct Arguments {
    /// Where to listen, for gRPC without TLS.
    #[arg(long, default_value = "127.0.0.1:18081")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    // First of all, so that a signal is heeded before the limits are known too.
    let stop = asked_to_stop()?.shared();
    let client = Client::try_default()
        .await
        .context("cannot tell which cluster to use: set KUBECONFIG")?;
    let limiter = Arc::new(RateLimiter::new(COUNTERS));
    let (listed, is_listed) = oneshot::channel();
    let follow = limit::follow(client, Arc::clone(&limiter), listed);
    let serve = async {
        tokio::select! {
            known = is_listed => known.context("the watch of limits ended")?,
            () = stop.clone() => return Ok(()),
        }
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("cannot listen on {}", arguments.listen))?;
        info!(address = %arguments.listen, "listening");
        service::serve(listener, limiter, stop.clone()).await
    };
    tokio::select! {
        () = follow => anyhow::bail!("the watch of limits ended"),
        served = serve => served,
    }
}

/// Done at the first SIGINT or SIGTERM.
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
