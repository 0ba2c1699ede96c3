//! Does the portal answer as its own document says? Asked by schemathesis, which makes
//! requests from the document: those that fit it, and those that do not.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_stack::{Persona, cache_root, pip_install};
use serde_json::json;
use tokio::process::Command;

use super::super::stories;
use super::people::Town;
use crate::shop::Shop;
use crate::stage::Stage;

stories![every_answer_is_as_the_document_says_and_none_is_a_fault];

const VERSION: &str = "4.32.5";
/// What is checked of each answer. Not that whatever fits the document is accepted: what
/// it names must be there, too.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,\
                      negative_data_rejection,unsupported_method";

async fn every_answer_is_as_the_document_says_and_none_is_a_fault(stage: Arc<Stage>) -> Result<()> {
    let packages = installed().await?;
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "fuzzed").await?).await?;
    town.publish(json!({})).await?;
    town.ask("gold").await?;
    let url = stage.stack.portal_url().context("no portal")?;
    let token = stage.stack.token(Persona::Backstage)?;
    for (who, role) in [("alice", "consumers"), ("olivia", "owners")] {
        let output = Command::new("python3")
            .args(["-m", "schemathesis.cli", "run", "--no-color"])
            .arg(format!("{url}/openapi.json"))
            .args(["--checks", CHECKS, "--max-examples", "10", "--workers", "2"])
            // It has no end.
            .args(["--exclude-path", "/v1/events"])
            .args(["--request-timeout", "20", "--generation-database", "none"])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(["-H", &format!("Impersonate-User: {who}")])
            .args([
                "-H",
                &format!("Impersonate-Group: {role}-of-{}", town.shop.name),
            ])
            .env("PYTHONPATH", &packages)
            .current_dir(&packages)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("python3 is not there")?;
        let told = String::from_utf8_lossy(&output.stdout);
        let tail = &told[told.floor_char_boundary(told.len().saturating_sub(6000))..];
        // What it cannot make of the document is a fault of its own: it stops short there.
        ensure!(!told.contains("= FAILURES ="), "as {who}:\n{tail}");
        ensure!(told.contains(" passed"), "nothing was tried:\n{tail}");
    }
    Ok(())
}

/// The folder of its packages, fetched once.
async fn installed() -> Result<PathBuf> {
    let folder = cache_root()?.join(format!("schemathesis-{VERSION}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let making = folder.with_extension("making");
    pip_install(&format!("schemathesis=={VERSION}"), &[], &making).await?;
    tokio::fs::rename(&making, &folder).await?;
    Ok(folder)
}
