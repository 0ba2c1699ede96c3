//! How do spans get to the collector? The exporter has a thread of its own, without a
//! runtime; what it sends is sent on the process's.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use reqwest::{Certificate, Identity, redirect};
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::settings::Settings;

/// As OpenTelemetry's exporters have it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends on a runtime, and says once that it cannot.
#[derive(Debug)]
pub(crate) struct Deliverer {
    http: reqwest::Client,
    runtime: Handle,
    is_failing: AtomicBool,
}

impl Deliverer {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        // An error means that another part of the process chose a provider,
        // which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = settings
            .authority
            .as_deref()
            .map(certificates)
            .transpose()?;
        let identity = settings.identity.as_ref();
        let identity = identity.map(|(of, key)| identity_of(of, key)).transpose()?;
        let builder = || {
            let builder = reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .timeout(settings.timeout.unwrap_or(PATIENCE));
            let builder = match &identity {
                Some(identity) => builder.identity(identity.clone()),
                None => builder,
            };
            match &authority {
                Some(authority) => builder.tls_certs_only(authority.clone()),
                None => builder,
            }
        };
        // Where there are no CA certificates a collector is reached over plain HTTP.
        let http = builder()
            .build()
            .or_else(|_| builder().tls_certs_only([]).build())?;
        Ok(Self {
            http,
            runtime: Handle::current(),
            is_failing: AtomicBool::new(false),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.try_into()?;
        let http = self.http.clone();
        let sent = async move {
            let answer = http.execute(request).await?.error_for_status()?;
            let status = answer.status();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            Ok::<_, reqwest::Error>(response)
        };
        // It may be dropped at any time, the request with it.
        let sent = self.runtime.spawn(sent).await?;
        Ok(sent.map_err(reqwest::Error::without_url)?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Those of a file.
fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let found = Certificate::from_pem_bundle(&read(path)?).unwrap_or_default();
    ensure!(!found.is_empty(), "{} holds no certificate", path.display());
    Ok(found)
}

fn identity_of(certificate: &Path, key: &Path) -> Result<Identity> {
    let both = [read(key)?, b"\n".to_vec(), read(certificate)?].concat();
    Identity::from_pem(&both).with_context(|| {
        format!(
            "{} and {} are no certificate with its key",
            certificate.display(),
            key.display()
        )
    })
}

#[async_trait]
impl HttpClient for Deliverer {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request).await;
        let was_failing = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_failing => {
                warn!(%error, "traces are not delivered; they are dropped until they are");
            }
            Ok(_) if was_failing => info!("traces are delivered again"),
            _ => {}
        }
        sent
    }
}
