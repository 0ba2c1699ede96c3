//! What does one attempt bring?
//!
//! A document, the news that there is none, or a [`FetchFailure`]. Each hop of a
//! redirect is judged like the first address. Details of a failure go to the
//! debug log; what is published is [`FetchFailure::words`].

use std::sync::Arc;
use std::time::Duration;

use devportal_traces::TARGET;
use reqwest::header::{
    ACCEPT, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    LOCATION,
};
use reqwest::{Response, StatusCode, redirect};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, debug, debug_span, warn};
use url::Url;

use super::address::{Reach, Refusal};
use super::config::FetchConfig;
use super::resolve::{CheckedResolver, Lookup};

/// Said of a refused address, an unknown name, a closed port, a broken
/// handshake and a timeout alike: the difference would map our network.
pub(super) const UNREACHABLE: &str = "the address could not be reached or is not allowed";

const USER_AGENT: &str = concat!("devportal/", env!("CARGO_PKG_VERSION"));
const REDIRECTS: usize = 5;
/// The longest name of a version that is kept, in bytes.
const LONGEST_VALIDATOR: usize = 512;
/// The longest address of which versions are kept, in bytes.
const LONGEST_ADDRESS: usize = 4096;

/// What to ask for.
pub(super) struct Wish<'a> {
    pub(super) url: &'a str,
    /// The `Accept` header.
    pub(super) accept: &'static str,
    /// The largest answer, in bytes after decompression.
    pub(super) cap: u64,
    /// What we have already.
    pub(super) validators: Option<&'a Validators>,
}

/// What a server calls the version we have. It belongs to the address that
/// answered in the end and is told to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    url: Url,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// What we have is the newest.
    NotModified,
    /// A document, and how to ask for a newer one.
    Document(Vec<u8>, Option<Validators>),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchFailure {
    /// The address, or one it redirects to, is no http or https URL.
    NotHttp,
    /// The address, or one it redirects to, carries credentials.
    UserInfo,
    /// All that says something about the network.
    Unreachable,
    /// An address that may be fetched from, and takes too long: one that may not is refused
    /// at once, and one that is not there fails sooner.
    TimedOut,
    /// The server declined.
    Status(u16),
    /// The server sends us from place to place.
    TooManyRedirects,
    /// The document is larger than this many bytes.
    TooLarge(u64),
    /// The document ended early, or is not compressed as announced.
    Broken,
}

impl FetchFailure {
    /// What is published.
    pub(super) fn words(self) -> String {
        match self {
            Self::NotHttp => "the address is not an http or https URL".to_owned(),
            Self::UserInfo => "the address contains a user name or a password".to_owned(),
            Self::Unreachable => UNREACHABLE.to_owned(),
            Self::TimedOut => "the server did not answer in time".to_owned(),
            Self::Status(code) => format!("the server answered {code}"),
            Self::TooManyRedirects => format!("the server redirected more than {REDIRECTS} times"),
            Self::TooLarge(cap) => format!("the document is larger than the limit of {cap} bytes"),
            Self::Broken => "the document could not be read to its end".to_owned(),
        }
    }
}

impl From<Refusal> for FetchFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotHttp => Self::NotHttp,
            Refusal::UserInfo => Self::UserInfo,
            Refusal::Address => Self::Unreachable,
        }
    }
}

/// An HTTP client that goes only where it may.
pub(super) struct Client {
    http: reqwest::Client,
    reach: Arc<Reach>,
    patience: Duration,
}

impl Client {
    pub(super) fn new(config: &FetchConfig, lookup: impl Lookup + 'static) -> anyhow::Result<Self> {
        // An error means that another part of the process chose a provider,
        // which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reach = Arc::new(config.allow.clone());
        let lookup: Arc<dyn Lookup> = Arc::new(lookup);
        let builder = || {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .dns_resolver(CheckedResolver::new(
                    Arc::clone(&reach),
                    Arc::clone(&lookup),
                ))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .pool_max_idle_per_host(0)
                .connect_timeout(config.attempt_timeout / 2)
        };
        let http = builder().build().or_else(|error| {
            warn!(
                ?error,
                "no CA certificates found: documents are fetched over http only"
            );
            builder().tls_certs_only([]).build()
        })?;
        Ok(Self {
            http,
            reach,
            patience: config.attempt_timeout,
        })
    }

    /// One attempt, over before `attempt_timeout` whatever the servers do.
    pub(super) async fn fetch(&self, wish: &Wish<'_>) -> Result<Reply, FetchFailure> {
        let span = debug_span!(
            target: TARGET,
            "fetch",
            otel.kind = "client",
            otel.status_code = Empty,
            error.type = Empty,
            server.address = Url::parse(wish.url).ok().map(|it| place_of(&it)),
        );
        let fetched = timeout(self.patience, self.follow_redirects(wish))
            .instrument(span.clone())
            .await
            .unwrap_or_else(|_| {
                debug!("fetch ran out of time");
                Err(FetchFailure::TimedOut)
            });
        if let Err(failure) = &fetched {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", failure.words());
        }
        fetched
    }

    async fn follow_redirects(&self, wish: &Wish<'_>) -> Result<Reply, FetchFailure> {
        let mut url = Url::parse(wish.url).map_err(|_| FetchFailure::NotHttp)?;
        for _ in 0..=REDIRECTS {
            self.reach.check(&url).inspect_err(|refusal| {
                debug!(at = %place_of(&url), ?refusal, "fetch refused");
            })?;
            let response = self.ask(&url, wish).await?;
            match find_redirect(&url, &response)? {
                Some(next) => url = next,
                None => return read(url, response, wish).await,
            }
        }
        Err(FetchFailure::TooManyRedirects)
    }

    async fn ask(&self, url: &Url, wish: &Wish<'_>) -> Result<Response, FetchFailure> {
        let mut request = self.http.get(url.clone()).header(ACCEPT, wish.accept);
        if let Some(known) = wish.validators.filter(|known| known.url == *url) {
            let conditions = [
                (IF_NONE_MATCH, &known.etag),
                (IF_MODIFIED_SINCE, &known.last_modified),
            ];
            for (name, value) in conditions {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
        }
        request.send().await.map_err(|error| {
            debug!(at = %place_of(url), error = ?error.without_url(), "fetch failed");
            FetchFailure::Unreachable
        })
    }
}

/// Where the server sends us, if it does.
fn find_redirect(from: &Url, response: &Response) -> Result<Option<Url>, FetchFailure> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let location = location.to_str().map_err(|_| FetchFailure::NotHttp)?;
    from.join(location)
        .map(Some)
        .map_err(|_| FetchFailure::NotHttp)
}

async fn read(url: Url, response: Response, wish: &Wish<'_>) -> Result<Reply, FetchFailure> {
    let asked_for_newer = wish.validators.is_some_and(|known| known.url == url);
    match response.status() {
        StatusCode::NOT_MODIFIED if asked_for_newer => Ok(Reply::NotModified),
        status if status.is_success() => {
            let validators = find_validators(&url, &response);
            let body = read_capped(&url, response, wish.cap).await?;
            Ok(Reply::Document(body, validators))
        }
        status => Err(FetchFailure::Status(status.as_u16())),
    }
}

/// What is kept for as long as the document is: what a server would have us keep at length is
/// left, and of the rest nothing but itself.
fn find_validators(url: &Url, response: &Response) -> Option<Validators> {
    let find = |name: HeaderName| {
        let value = response.headers().get(name)?.as_bytes();
        let is_short = value.len() <= LONGEST_VALIDATOR;
        // A clone would keep all that was read together with it.
        is_short.then(|| HeaderValue::from_bytes(value).ok())?
    };
    let (etag, last_modified) = (find(ETAG), find(LAST_MODIFIED));
    let is_any = etag.is_some() || last_modified.is_some();
    (is_any && url.as_str().len() <= LONGEST_ADDRESS).then(|| Validators {
        url: url.clone(),
        etag,
        last_modified,
    })
}

/// Chunks arrive decompressed, a few KiB each: a bomb is noticed one chunk
/// after the cap.
async fn read_capped(url: &Url, mut response: Response, cap: u64) -> Result<Vec<u8>, FetchFailure> {
    let cap_here = usize::try_from(cap).unwrap_or(usize::MAX);
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            debug!(at = %place_of(url), error = ?error.without_url(), "fetch broke off");
            FetchFailure::Broken
        })?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        if chunk.len() > cap_here - body.len() {
            return Err(FetchFailure::TooLarge(cap));
        }
        body.extend_from_slice(&chunk);
    }
}

/// For the log: a path or a query may hold a token.
fn place_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
