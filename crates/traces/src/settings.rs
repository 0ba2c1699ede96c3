//! What do OpenTelemetry's variables say of the way to the collector, beyond what its exporter
//! reads itself?

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How spans are sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long a batch may take.
    pub(crate) timeout: Option<Duration>,
    /// The file of the certificates that count instead of the system's.
    pub(crate) authority: Option<PathBuf>,
    /// The files of the certificate and the key that are shown to the collector.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Settings {
    /// Those of an environment, given by name, if it asks for traces; a variable that is empty
    /// is none.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let told = |name: &str| variable(name).filter(|it| !it.is_empty());
        let specific = |name: &str| {
            told(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| told(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_disabled = told("OTEL_SDK_DISABLED")
            .is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || told("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
        if is_disabled || specific("ENDPOINT").is_none() {
            return Ok(None);
        }
        let protocol = specific("PROTOCOL").unwrap_or_else(|| "http/protobuf".to_owned());
        ensure!(
            protocol == "http/protobuf",
            "traces are sent by http/protobuf only, and OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; \
             collectors take it at port 4318"
        );
        let timeout = specific("TIMEOUT").map(|it| it.parse().map(NonZeroU64::get));
        let timeout = timeout
            .transpose()
            .context("OTEL_EXPORTER_OTLP_TIMEOUT is a number of milliseconds, such as 10000")?;
        let path = |name| specific(name).map(PathBuf::from);
        let identity = match (path("CLIENT_CERTIFICATE"), path("CLIENT_KEY")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => bail!(
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY go together"
            ),
        };
        Ok(Some(Self {
            timeout: timeout.map(Duration::from_millis),
            authority: path("CERTIFICATE"),
            identity,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Option<Settings>> {
        Settings::of(|name| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn is_on_with(variables: &[(&str, &str)]) -> Result<bool> {
        Ok(settings(variables)?.is_some())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn nothing_is_told_where_no_collector_is_named() {
        assert!(!is_on_with(&[]).unwrap());
        assert!(!is_on_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap());
        assert!(!is_on_with(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://it")]).unwrap());
    }

    #[test]
    fn a_collector_for_all_or_for_traces_switches_them_on() {
        assert!(is_on_with(&[ENDPOINT]).unwrap());
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://it/v1/traces");
        assert!(is_on_with(&[traces]).unwrap());
    }

    #[test]
    fn they_are_switched_off_as_for_every_program() {
        assert!(!is_on_with(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap());
        assert!(!is_on_with(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap());
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_said() {
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let error = is_on_with(&[ENDPOINT, grpc]).unwrap_err().to_string();
        assert!(error.contains("grpc") && error.contains("4318"), "{error}");
        let ours = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert!(is_on_with(&[ENDPOINT, grpc, ours]).unwrap());
    }

    #[test]
    fn what_is_said_for_traces_counts_before_what_is_said_for_all() {
        let found = settings(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/us.pem"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/us.key"),
        ]);
        let wanted = Settings {
            timeout: Some(Duration::from_millis(2500)),
            authority: Some("/traces.pem".into()),
            identity: Some(("/us.pem".into(), "/us.key".into())),
        };
        assert_eq!(found.unwrap(), Some(wanted));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let wrong = [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/us.key"),
        ];
        for (name, value) in wrong {
            let error = settings(&[ENDPOINT, (name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
