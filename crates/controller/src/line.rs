//! How are thousands of namespaces followed over a handful of connections?
//!
//! kube's client speaks HTTP/1.1: a watch is a connection. Those of consumers' namespaces
//! share connections by HTTP/2, of which the API server takes a hundred streams each.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};
use tracing::warn;

/// How many watches share a connection. A watch that ends is followed by another before
/// the API server has forgotten it: some room is left.
const STREAMS: usize = 90;

/// How often a connection is tried that brings nothing, and how long its answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The connections that there are.
pub(crate) struct Lines {
    config: Config,
    /// Where a proxy is in between, of which only kube's own client knows.
    plain: Client,
    open: Vec<Line>,
}

/// A place on a connection, until it is dropped.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) client: Client,
    held: Arc<()>,
}

impl Lines {
    pub(crate) fn new(config: Config, plain: Client) -> Self {
        Self {
            config,
            plain,
            open: Vec::new(),
        }
    }

    /// A place on a connection that has one, else on a new connection.
    pub(crate) fn take(&mut self) -> Line {
        // One place is our own.
        let places = |line: &Line| Arc::strong_count(&line.held) - 1;
        self.open.retain(|line| places(line) > 0);
        if let Some(line) = self.open.iter().find(|line| places(line) < STREAMS) {
            return line.clone();
        }
        let client = self.connect().unwrap_or_else(|error| {
            warn!(%error, "cannot share connections; each namespace has one of its own");
            self.plain.clone()
        });
        let line = Line {
            client,
            held: Arc::new(()),
        };
        self.open.push(line.clone());
        line
    }

    fn connect(&self) -> Result<Client> {
        let config = &self.config;
        if config.proxy_url.is_some() {
            return Ok(self.plain.clone());
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(config.connect_timeout);
        let mut tls = HttpsConnectorBuilder::new()
            .with_tls_config(config.rustls_client_config()?)
            .https_or_http();
        if let Some(name) = &config.tls_server_name {
            let name = FixedServerNameResolver::new(name.clone().try_into()?);
            tls = tls.with_server_name_resolver(name);
        }
        let connector = tls.enable_all_versions().wrap_connector(connector);
        // A connection that is gone without a word is not used on.
        let http = Http::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build::<_, Body>(connector);
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer()?)
            .layer(config.extra_headers_layer()?)
            .map_err(BoxError::from)
            .service(http);
        Ok(Client::new(service, config.default_namespace.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_share_a_connection_as_the_api_server_takes_and_room_is_used_again() {
        let config = Config::new("http://127.0.0.1:1".parse().unwrap());
        let plain = Client::try_from(config.clone()).unwrap();
        let mut lines = Lines::new(config, plain);
        let taken: Vec<Line> = (0..STREAMS).map(|_| lines.take()).collect();
        assert_eq!(lines.open.len(), 1);
        let one_more = lines.take();
        assert_eq!(lines.open.len(), 2);
        drop(one_more);
        drop(taken);
        let _line = lines.take();
        assert_eq!(lines.open.len(), 1, "those that nobody uses are closed");
    }
}
