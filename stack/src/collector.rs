//! Where do our traces go? To a real OpenTelemetry Collector, which prints them to its log. It
//! takes them over TLS, from who shows the certificate that it knows.

use std::{fs, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{
    core::Core,
    persona::secret,
    pin::Program,
    port::loopback,
    process::{Launch, Probe},
};

/// The name of its process.
pub(crate) const COLLECTOR: &str = "collector";

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn start(core: &Core) -> Result<()> {
    let port = core.choose_port(COLLECTOR)?;
    let folder = core.fresh_folder(COLLECTOR)?;
    // One certificate for both sides, and the authority that each knows the other by.
    let own = rcgen::generate_simple_self_signed([loopback(port).ip().to_string()])?;
    fs::write(folder.join(CERTIFICATE), own.cert.pem())?;
    secret(&folder.join(KEY), &own.signing_key.serialize_pem())?;
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    let tls = json!({"cert_file": certificate, "key_file": key, "client_ca_file": certificate});
    let config = json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": loopback(port), "tls": tls}}}},
        "exporters": {"debug": {"verbosity": "detailed"}},
        "service": {
            // It would listen at a port of its own for those who scrape it.
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}},
        },
    });
    let file = folder.join("config.json");
    fs::write(&file, config.to_string())?;
    let launch = Launch {
        name: COLLECTOR.into(),
        program: core.program(Program::Collector).await?,
        args: vec![format!("--config=file:{}", file.display())],
        port: Some(port),
        probe: Probe::Listens(loopback(port)),
        ..Launch::default()
    };
    core.start(launch, PATIENCE).await
}

/// The variables by which a process tells its traces there, where there is one.
pub(crate) fn variables(core: &Core) -> Vec<(String, String)> {
    let Some(port) = core.find_port(COLLECTOR) else {
        return Vec::new();
    };
    let endpoint = format!("https://{}", loopback(port));
    let folder = core.state_dir().join(COLLECTOR);
    let file = |name| folder.join(name).display().to_string();
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE".into(), file(CERTIFICATE)),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE".into(),
            file(CERTIFICATE),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY".into(), file(KEY)),
        // Whoever looks at a trace looks for what they just did.
        ("OTEL_BSP_SCHEDULE_DELAY".into(), "500".into()),
    ]
}
