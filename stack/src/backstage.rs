//! How does Backstage come up? From the workspace of this repository, with the people of
//! the demo.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, time::Duration};

use anyhow::{Context, Result};

use crate::{
    core::Core,
    node::{TRANSFORM, Workspace, path_with},
    ours::PORTAL,
    persona::Persona,
    port::loopback,
    process::{Launch, Probe},
};

/// The name of Backstage's process.
pub(crate) const BACKSTAGE: &str = "backstage";

const PATIENCE: Duration = Duration::from_mins(2);

/// Installs and builds what Backstage runs.
pub(crate) async fn build(core: &Core) -> Result<Workspace> {
    let progress = core.options.progress;
    let workspace = Workspace::obtain(progress).await?;
    workspace.build_app(progress).await?;
    Ok(workspace)
}

/// Starts it against the portal's server.
pub(crate) async fn start(core: &Core, workspace: &Workspace) -> Result<()> {
    let portal = core
        .find_port(PORTAL)
        .context("Backstage needs the portal's server")?;
    let port = core.choose_port(BACKSTAGE)?;
    let token = core.state_dir().join("backstage.token");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&token)?;
    file.write_all(Persona::Backstage.token(core.state_dir())?.as_bytes())?;
    let folder = Workspace::folder();
    let text = |it: &std::path::Path| it.display().to_string();
    let launch = Launch {
        name: BACKSTAGE.into(),
        // Backstage looks for its configuration where it is started.
        program: "env".into(),
        args: vec![
            "-C".into(),
            text(&folder.join("packages/backend")),
            text(workspace.node()),
            "--enable-source-maps".into(),
            "--require".into(),
            text(&folder.join(TRANSFORM)),
            "src/index.ts".into(),
            "--config".into(),
            text(&folder.join("app-config.yaml")),
        ],
        env: vec![
            // For the people of the demo, who sign in without a password.
            ("NODE_ENV".into(), "development".into()),
            (
                "PATH".into(),
                path_with(workspace.node())?.to_string_lossy().into_owned(),
            ),
            ("BACKSTAGE_URL".into(), format!("http://{}", loopback(port))),
            ("BACKSTAGE_PORT".into(), port.to_string()),
            ("PORTAL_URL".into(), format!("http://{}", loopback(portal))),
            ("PORTAL_TOKEN_FILE".into(), text(&token)),
        ],
        port: Some(port),
        probe: Probe::Answers(loopback(port), "/.backstage/health/v1/readiness".into()),
    };
    core.start(launch, PATIENCE).await
}
