//! What does a fetcher do with the servers there are?

mod address;
mod document;
mod follow;
mod security;
mod server;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devportal_api::condition::OpenApiState;
use devportal_core::change::{OidcAnswer, OpenApiAnswer};
use devportal_core::{Change, Need};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use super::resolve::Lookup;
use super::{FetchConfig, Fetcher, Reach};

/// Names that tests know; each answer is given once, the last one for ever.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers
            .iter()
            .map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect())
            .collect();
        self.0.lock().unwrap().insert(name.to_owned(), answers);
        self
    }
}

impl Lookup for Names {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let answer = match self.0.lock().unwrap().get_mut(&name) {
            None => Err(io::Error::other("no such name")),
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
        };
        async move { answer }.boxed()
    }
}

/// Fast enough for tests, and allowed to see their servers.
fn impatient() -> FetchConfig {
    FetchConfig {
        openapi_max_size: 1000,
        allow: Reach::parse("127.0.0.1/32").unwrap(),
        attempt_timeout: Duration::from_millis(400),
        refresh: Duration::from_millis(20),
        retry_first: Duration::from_millis(20),
        retry_longest: Duration::from_millis(40),
        ..FetchConfig::default()
    }
}

/// Looks at a document once.
fn once() -> FetchConfig {
    let never = Duration::from_hours(1);
    FetchConfig {
        refresh: never,
        retry_first: never,
        retry_longest: never,
        ..impatient()
    }
}

struct Bench {
    fetcher: Fetcher,
    changes: Receiver<Change>,
}

impl Bench {
    fn new(config: FetchConfig, names: Names) -> Self {
        let (sender, changes) = channel(100);
        Self {
            fetcher: Fetcher::with_lookup(
                config,
                sender,
                names,
                crate::metrics::Fetches::default(),
            )
            .unwrap(),
            changes,
        }
    }

    fn follow(&self, url: &str) {
        self.fetcher.follow(Need::OpenApi(url.to_owned()));
    }

    async fn next(&mut self) -> Change {
        timeout(Duration::from_secs(5), self.changes.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn next_openapi(&mut self) -> OpenApiAnswer {
        match self.next().await {
            Change::OpenApi(_, answer) => answer,
            other => panic!("not an OpenAPI answer: {other:?}"),
        }
    }

    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.changes.recv())
            .await
            .is_err()
    }
}

/// The first answer about an OpenAPI document.
async fn fetch_with(config: FetchConfig, names: Names, url: &str) -> OpenApiAnswer {
    let mut bench = Bench::new(config, names);
    bench.follow(url);
    bench.next_openapi().await
}

async fn fetch(url: &str) -> OpenApiAnswer {
    fetch_with(once(), Names::default(), url).await
}

/// The first answer about an issuer.
async fn discover(issuer: &str) -> OidcAnswer {
    let mut bench = Bench::new(once(), Names::default());
    bench.fetcher.follow(Need::Oidc(issuer.to_owned()));
    match bench.next().await {
        Change::Oidc(of, answer) if of == issuer => answer,
        other => panic!("not an answer about {issuer}: {other:?}"),
    }
}

fn failed(why: &str) -> OpenApiState {
    OpenApiState::FetchFailed(why.to_owned())
}

fn too_slow() -> OpenApiState {
    failed("the server did not answer in time")
}

fn unreachable() -> OpenApiState {
    failed("the address could not be reached or is not allowed")
}
