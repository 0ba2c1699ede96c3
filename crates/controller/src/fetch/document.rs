//! What did a reply say, and is it news?
//!
//! A document remembers the last good copy and the last answer. It makes a
//! [`Change`] only of an answer that differs, so that idle is idle.

use devportal_api::condition::OpenApiState;
use devportal_core::change::{OidcAnswer, OpenApiAnswer};
use devportal_core::{Change, Need};
use devportal_mirror::Digest;
use jiff::Timestamp;
use url::Url;

use super::client::{FetchFailure, Reply, Validators, Wish};

/// The largest OpenID Connect discovery document, in bytes.
const OIDC_CAP: u64 = 64 * 1024;

/// A followed document.
pub(super) struct Document {
    url: String,
    kind: Kind,
    /// Of the last good copy.
    validators: Option<Validators>,
}

enum Kind {
    OpenApi(OpenApi),
    Oidc(Oidc),
}

struct OpenApi {
    cap: u64,
    /// The text itself is kept by the World, and once.
    good: Option<(Digest, Timestamp)>,
    sent: Option<OpenApiAnswer>,
}

struct Oidc {
    issuer: String,
    /// The last with a token endpoint.
    good: Option<OidcAnswer>,
    sent: Option<OidcAnswer>,
}

/// What came of one attempt.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Whether the document is well.
    pub(super) is_good: bool,
    /// What the World does not know yet.
    pub(super) news: Option<Change>,
}

impl Document {
    /// The document that is needed, if it is one that is fetched.
    pub(super) fn of(need: &Need, openapi_cap: u64) -> Option<Self> {
        let (url, kind) = match need {
            Need::Secret(_) => return None,
            Need::OpenApi(url) => (
                url.clone(),
                Kind::OpenApi(OpenApi {
                    cap: openapi_cap,
                    good: None,
                    sent: None,
                }),
            ),
            Need::Oidc(issuer) => (
                format!(
                    "{}/.well-known/openid-configuration",
                    issuer.trim_end_matches('/')
                ),
                Kind::Oidc(Oidc {
                    issuer: issuer.clone(),
                    good: None,
                    sent: None,
                }),
            ),
        };
        Some(Self {
            url,
            kind,
            validators: None,
        })
    }

    /// What it is, in one word.
    pub(super) fn word(&self) -> &'static str {
        match self.kind {
            Kind::OpenApi(_) => "openapi",
            Kind::Oidc(_) => "oidc",
        }
    }

    /// Documents of one host share its track.
    pub(super) fn host(&self) -> String {
        let url = Url::parse(&self.url).ok();
        url.as_ref()
            .and_then(Url::host_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// What to ask the server.
    pub(super) fn wish(&self) -> Wish<'_> {
        let (accept, cap) = match &self.kind {
            Kind::OpenApi(document) => (
                "application/vnd.oai.openapi+json, application/json, application/yaml, \
                 text/yaml, */*;q=0.5",
                document.cap,
            ),
            Kind::Oidc(_) => ("application/json", OIDC_CAP),
        };
        Wish {
            url: &self.url,
            accept,
            cap,
            validators: self.validators.as_ref(),
        }
    }

    /// Takes in what an attempt brought.
    pub(super) fn take(&mut self, reply: Result<Reply, FetchFailure>, now: Timestamp) -> Outcome {
        let (body, validators) = match reply {
            Ok(Reply::Document(body, validators)) => (Ok(Some(body)), validators),
            Ok(Reply::NotModified) => (Ok(None), self.validators.take()),
            Err(failure) => (Err(failure), None),
        };
        let outcome = match &mut self.kind {
            Kind::OpenApi(document) => document.take(&self.url, body, now),
            Kind::Oidc(document) => document.take(body),
        };
        if outcome.is_good {
            self.validators = validators;
        }
        outcome
    }
}

impl OpenApi {
    fn take(
        &mut self,
        url: &str,
        body: Result<Option<Vec<u8>>, FetchFailure>,
        now: Timestamp,
    ) -> Outcome {
        let mut text = None;
        let state = match body.map(|body| body.map(read_text)) {
            Ok(None) => OpenApiState::Fetched,
            Ok(Some(Ok(read))) if kept_bytes(&read) > KEEPABLE => {
                OpenApiState::Unkeepable(kept_bytes(&read), KEEPABLE)
            }
            Ok(Some(Ok(read))) => {
                let digest = Digest::of(&read);
                if self.good.is_none_or(|(good, _)| good != digest) {
                    self.good = Some((digest, now));
                    text = Some(read.into());
                }
                OpenApiState::Fetched
            }
            Ok(Some(Err(why))) => OpenApiState::ReadFailed(why.to_owned()),
            Err(FetchFailure::TooLarge(cap)) => OpenApiState::TooLarge(cap),
            Err(failure @ FetchFailure::Broken) => OpenApiState::ReadFailed(failure.words()),
            Err(failure) => OpenApiState::FetchFailed(failure.words()),
        };
        let is_good = state == OpenApiState::Fetched;
        let (digest, synced_at) = match (self.good, &self.sent) {
            (Some((digest, at)), _) => (Some(digest), at),
            (None, Some(sent)) => (None, sent.synced_at),
            (None, None) => (None, now),
        };
        let answer = OpenApiAnswer {
            state,
            digest,
            text: None,
            cap: self.cap,
            synced_at,
        };
        let news = (self.sent.as_ref() != Some(&answer)).then(|| {
            self.sent = Some(answer.clone());
            Change::OpenApi(url.to_owned(), OpenApiAnswer { text, ..answer })
        });
        Outcome { is_good, news }
    }
}

/// The most bytes that a document may take in the cluster: an object has 1.5 MiB in etcd, of
/// which the rest of a product needs some.
const KEEPABLE: u64 = 1_300_000;

/// How many bytes a text takes as the API server keeps it: in JSON, where `<`, `>` and `&`
/// are written as six.
fn kept_bytes(text: &str) -> u64 {
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        c if c.is_ascii_control() => 6,
        c => c.len_utf8() as u64,
    };
    text.chars().map(bytes).sum()
}

/// An OpenAPI or Swagger document is published as it is, whatever its content type:
/// linting is somebody else's question. A page to sign in on is none.
fn read_text(body: Vec<u8>) -> Result<String, &'static str> {
    let text = String::from_utf8(body).map_err(|_| "the document is not UTF-8 text")?;
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err("the document is empty");
    }
    if !is_openapi(text.trim_start_matches('\u{feff}')) {
        return Err("the answer is no OpenAPI document");
    }
    Ok(text)
}

/// What the first level of a document says of its kind.
#[derive(serde::Deserialize)]
struct Head {
    openapi: Option<serde_json::Value>,
    swagger: Option<serde_json::Value>,
}

/// Whether a text is a map that says of which `openapi` or `swagger` it is, in JSON or in
/// YAML. Of YAML only the lines of the first level are looked at: hostile ones expand without
/// end.
fn is_openapi(text: &str) -> bool {
    if text.trim_start().starts_with('{') {
        let head: Result<Head, _> = serde_json::from_str(text);
        let is_told = |it: &serde_json::Value| match it {
            serde_json::Value::Number(number) => is_version(&number.to_string()),
            it => it.as_str().is_some_and(is_version),
        };
        return head.is_ok_and(|it| it.openapi.iter().chain(&it.swagger).any(is_told));
    }
    let mut is_openapi = false;
    for line in first_level(text) {
        match line {
            Line::Entry(name, value) => {
                let is_kind = matches!(name, "openapi" | "swagger");
                is_openapi |= is_kind && is_version(value);
            }
            Line::Rest => {}
            Line::Prose => return false,
        }
    }
    is_openapi
}

/// A line of the first level of a YAML document.
enum Line<'a> {
    /// It begins an entry of the map.
    Entry(&'a str, &'a str),
    /// It goes on with the entry before it.
    Rest,
    /// No map has such a line.
    Prose,
}

/// The lines of the first level of the first document in a YAML stream. Markdown and HTML
/// have others than a map has.
fn first_level(text: &str) -> impl Iterator<Item = Line<'_>> {
    let is_silent = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let is_start = |line: &&str| line.starts_with('%') || is_marker(line, "---");
    let lines = text.lines().filter(move |it| !is_silent(it));
    let lines = lines.skip_while(is_start);
    let lines = lines.take_while(|it| !is_marker(it, "---") && !is_marker(it, "..."));
    lines.enumerate().filter_map(|(at, line)| {
        let is_nested = line.starts_with([' ', '\t']);
        let goes_on = line.starts_with([']', '}']) || line == "-" || line.starts_with("- ");
        match entry(line) {
            _ if is_nested && at > 0 => None,
            Some((name, value)) => Some(Line::Entry(name, value)),
            None if goes_on && at > 0 => Some(Line::Rest),
            None => Some(Line::Prose),
        }
    })
}

fn is_marker(line: &str, marker: &str) -> bool {
    let rest = line.strip_prefix(marker);
    rest.is_some_and(|it| it.is_empty() || it.starts_with([' ', '\t']))
}

/// Name and value of a line that begins an entry. No name of ours has white space in it,
/// which tells it from a sentence.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => line[1..].split_once(quote)?,
        // The last takes the entries of another map in.
        first if first.is_alphanumeric() || "_$./".contains(first) || line.starts_with("<<:") => {
            let end = line.find([':', ' ', '\t'])?;
            line.split_at(end)
        }
        _ => return None,
    };
    let value = rest.trim_start().strip_prefix(':')?;
    let is_entry = value.is_empty() || value.starts_with([' ', '\t']);
    is_entry.then(|| (name, value.trim()))
}

/// Whether a value, of JSON or with a comment of YAML behind it, is a version of OpenAPI, and
/// not where a document is to be found.
fn is_version(value: &str) -> bool {
    let value = value.split_once(" #").map_or(value, |(value, _)| value);
    let value = value.trim().trim_matches(['"', '\'']);
    let mut parts = value.split('.');
    let mut is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    parts.next().is_some_and(&mut is_number) && parts.next().is_none_or(is_number)
}

impl Oidc {
    fn take(&mut self, body: Result<Option<Vec<u8>>, FetchFailure>) -> Outcome {
        let answer =
            match body.map(|body| body.as_deref().map(|it| read_discovery(it, &self.issuer))) {
                Ok(None) => {
                    let good = self.good.clone();
                    good.unwrap_or_else(|| OidcAnswer::Failed(FetchFailure::Broken.words()))
                }
                Ok(Some(answer)) => answer,
                Err(failure) => OidcAnswer::Failed(failure.words()),
            };
        let is_good = matches!(
            answer,
            OidcAnswer::Endpoint(_) | OidcAnswer::WithSlash { .. }
        );
        if is_good {
            self.good = Some(answer.clone());
        }
        let news = (self.sent.as_ref() != Some(&answer)).then(|| {
            self.sent = Some(answer.clone());
            Change::Oidc(self.issuer.clone(), answer)
        });
        Outcome { is_good, news }
    }
}

/// OpenID Connect Discovery 1.0, section 3: `token_endpoint`. That there is none is said only by
/// a document that has the `issuer`, which is required of it. One of another issuer is none
/// (section 4.3). One that has a slash more or less at its end is told: Authorino compares every
/// letter.
fn read_discovery(body: &[u8], issuer: &str) -> OidcAnswer {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
        return OidcAnswer::Failed("the document is not JSON".into());
    };
    let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
    let other = text("issuer").filter(|it| *it != issuer);
    let is_same = |it: &str| it.trim_end_matches('/') == issuer.trim_end_matches('/');
    if let Some(other) = other.filter(|it| !is_same(it)) {
        const MOST: usize = 200;
        let other: String = other.chars().take(MOST).collect();
        return OidcAnswer::Failed(format!("the document's issuer, {other:?}, is another"));
    }
    let is_usable = |endpoint: &str| {
        let url = Url::parse(endpoint).ok();
        url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    let why = match text("token_endpoint") {
        Some(endpoint) if is_usable(endpoint) => {
            let endpoint = endpoint.to_owned();
            return match other {
                None => OidcAnswer::Endpoint(endpoint),
                Some(issuer) => OidcAnswer::WithSlash {
                    endpoint,
                    issuer: issuer.to_owned(),
                },
            };
        }
        Some(_) => "the document's token_endpoint is not an http or https URL",
        None => "the document has no token_endpoint",
    };
    match text("issuer") {
        Some(_) => OidcAnswer::NoEndpoint(why.to_owned()),
        None => OidcAnswer::Failed(why.to_owned()),
    }
}
