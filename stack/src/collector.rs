//! Where do our traces go? To a real OpenTelemetry Collector, which prints them to its log.

use std::{fs, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{
    core::Core,
    pin::Program,
    port::loopback,
    process::{Launch, Probe},
};

/// The name of its process.
pub(crate) const COLLECTOR: &str = "collector";

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn start(core: &Core) -> Result<()> {
    let port = core.choose_port(COLLECTOR)?;
    let config = json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": loopback(port)}}}},
        "exporters": {"debug": {"verbosity": "detailed"}},
        "service": {
            // It would listen at a port of its own for those who scrape it.
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}},
        },
    });
    let file = core.fresh_folder(COLLECTOR)?.join("config.json");
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
    let endpoint = format!("http://{}", loopback(port));
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint),
        // Whoever looks at a trace looks for what they just did.
        ("OTEL_BSP_SCHEDULE_DELAY".into(), "500".into()),
    ]
}
