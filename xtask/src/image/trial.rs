//! Does the image run? Unpacked by `umoci` and run by `runc`, as its user, without rights
//! and with a file system that cannot be written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

/// Both need root.
pub(super) async fn run(layout: &Path, tag: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("bundle");
    let image = format!("{}:{tag}", layout.display());
    let bundle_text = bundle.display().to_string();
    output("umoci", &["unpack", "--image", &image, &bundle_text]).await?;
    let version = attempt(&bundle, &["/devportal", "--version"]).await?;
    let expected = env!("CARGO_PKG_VERSION");
    ensure!(
        version.contains(expected),
        "it says {version:?}, not {expected}"
    );
    // As the operator starts it: the controller, and nothing else.
    let help = attempt(&bundle, &["/manager", "--help"]).await?;
    ensure!(
        help.contains("--leader-elect"),
        "/manager is no controller: {help}"
    );
    // Documents of others are fetched over TLS.
    let authorities = fs::read_to_string(bundle.join("rootfs/etc/ssl/certs/ca-certificates.crt"))?;
    let count = authorities.matches("BEGIN CERTIFICATE").count();
    ensure!(count > 50, "it knows {count} certificate authorities");
    Ok(())
}

/// What a command in the container says.
async fn attempt(bundle: &Path, line: &[&str]) -> Result<String> {
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let user = &config["process"]["user"];
    ensure!(
        user["uid"] == super::USER && user["gid"] == super::USER,
        "it runs as {user}"
    );
    config["process"]["args"] = json!(line);
    config["process"]["terminal"] = json!(false);
    config["process"]["noNewPrivileges"] = json!(true);
    config["process"]["capabilities"] = json!({});
    config["root"]["readonly"] = json!(true);
    fs::write(&path, config.to_string())?;
    let name = format!("devportal-image-{}", std::process::id());
    let bundle = bundle.display().to_string();
    output("runc", &["run", "--bundle", &bundle, &name]).await
}

async fn output(program: &str, line: &[&str]) -> Result<String> {
    let output = Command::new(program).args(line).output().await;
    let output = output.with_context(|| {
        format!("cannot run {program}: install it, for example with apt-get install umoci runc")
    })?;
    ensure!(
        output.status.success(),
        "{program} {} failed:\n{}{}",
        line.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
