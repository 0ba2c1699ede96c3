//! What may an operator set about fetches?

use std::env::VarError;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::address::Reach;

/// The largest OpenAPI document, in bytes (the published name and default).
const MAX_SIZE: &str = "OPENAPI_SPEC_MAX_SIZE";
/// Networks and hosts that may be fetched from although they are not public.
const ALLOW: &str = "DEVPORTAL_FETCH_ALLOW";
/// Seconds between two looks at a document that is well.
const REFRESH: &str = "DEVPORTAL_FETCH_REFRESH";

/// How documents are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// The largest OpenAPI document, in bytes after decompression.
    pub openapi_max_size: u64,
    /// What may be fetched beyond the public internet.
    pub allow: Reach,
    /// The time for one attempt, from the first name lookup to the last byte.
    pub attempt_timeout: Duration,
    /// The pause after a success.
    pub refresh: Duration,
    /// The pause after the first failure; each further one doubles it.
    pub retry_first: Duration,
    /// The longest pause after a failure.
    pub retry_longest: Duration,
    /// How many attempts run at once.
    pub concurrency: usize,
    /// How many of them may be for one host, so that a slow one with many
    /// documents leaves room for the others.
    pub per_host: usize,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            openapi_max_size: 512_000,
            allow: Reach::default(),
            attempt_timeout: Duration::from_secs(10),
            refresh: Duration::from_mins(15),
            retry_first: Duration::from_secs(5),
            retry_longest: Duration::from_mins(10),
            concurrency: 16,
            per_host: 2,
        }
    }
}

impl FetchConfig {
    /// Reads the environment; what is not set, or empty, has its default.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::from_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => bail!("{name} is not UTF-8 text"),
        })
    }

    pub(super) fn from_variables(
        find: impl Fn(&str) -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<Self> {
        let find = |name| {
            let value = find(name)?.map(|value| value.trim().to_owned());
            anyhow::Ok(value.filter(|value| !value.is_empty()))
        };
        let mut config = Self::default();
        if let Some(size) = find(MAX_SIZE)? {
            config.openapi_max_size = number(MAX_SIZE, &size, "bytes")?;
        }
        if let Some(list) = find(ALLOW)? {
            config.allow = Reach::parse(&list).with_context(|| format!("{ALLOW} is not usable"))?;
        }
        if let Some(seconds) = find(REFRESH)? {
            config.refresh = Duration::from_secs(number(REFRESH, &seconds, "seconds")?);
        }
        Ok(config)
    }
}

fn number(name: &str, value: &str, unit: &str) -> anyhow::Result<u64> {
    let number: u64 = value
        .parse()
        .with_context(|| format!("{name} must be a whole number of {unit}, and is {value:?}"))?;
    ensure!(number > 0, "{name} must be at least 1 ({unit}), and is 0");
    Ok(number)
}
