//! Does the real Prometheus take what the chart brings it? The one on the PATH, as
//! distributions have it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_stack::{Launch, NAMESPACE, Part, Probe, repository};
use reqwest::Url;
use serde_json::{Value, json};

use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::wait::until;

stories![
    where program();
    prometheus_loads_each_alert_and_has_something_for_each_panel,
];

/// What shows something only where something failed, waits or was fetched.
const MAY_BE_EMPTY: [&str; 5] = [
    "Duration (p95)",
    "Errors",
    "Failures",
    "Fetches",
    "Oldest pending request",
];

fn program() -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut all = std::env::split_paths(&folders).map(|it| it.join("prometheus"));
    all.find(|it| it.is_file())
        .context("no program prometheus is on the PATH")
}

async fn prometheus_loads_each_alert_and_has_something_for_each_panel(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start_parts(&[Part::Controller, Part::Portal], &[]).await?;
    let port = quiet.stack.choose_port("metrics of a portal")?;
    let of_portal = format!("127.0.0.1:{port}");
    let arguments = [format!("--metrics-address={of_portal}")];
    let portal = quiet.stack.add_portal("scraped", &arguments).await?;
    let controller = quiet.stack.controller_url().context("no controller")?;
    let prometheus = start(
        &quiet,
        &[controller.trim_start_matches("http://"), &of_portal],
    )
    .await?;

    let rules = ask(&prometheus, "rules", &[]).await?;
    let groups = rules["groups"].as_array().context("groups")?.iter();
    let rules: Vec<_> = groups
        .filter_map(|it| it["rules"].as_array())
        .flatten()
        .collect();
    let texts = fs::read_to_string(repository().join("deploy/chart/files/alerts/devportal.yaml"))?;
    ensure!(
        rules.len() == texts.matches("- alert: ").count(),
        "{rules:#?}"
    );
    let panels = panels()?;
    until(
        "each panel shows something, and no rule fails",
        async || {
            // Something goes on all the time.
            reqwest::get(format!("{portal}/v1/me")).await?;
            quiet.request_key("mine").await?;
            quiet.key_is("mine", "Approved").await?;
            quiet.delete_key("mine").await?;

            let mut empty = BTreeSet::new();
            for (panel, expression) in &panels {
                let shown = ask(&prometheus, "query", &[("query", expression)]).await?;
                if shown["result"].as_array().is_none_or(Vec::is_empty) {
                    empty.insert(panel.as_str());
                }
            }
            empty.retain(|it| !MAY_BE_EMPTY.contains(it));
            let rules = ask(&prometheus, "rules", &[]).await?;
            let told = rules.to_string();
            let is_bad = |health: &str| told.contains(&format!("\"health\":\"{health}\""));
            let wrong = is_bad("err") || is_bad("unknown");
            Ok(if empty.is_empty() && !wrong {
                Ok(())
            } else {
                Err((empty, rules))
            })
        },
    )
    .await?;
    quiet.end().await
}

/// Starts it on these addresses, and says where it answers.
async fn start(quiet: &Quiet, targets: &[&str]) -> Result<String> {
    let port = quiet.stack.choose_port("prometheus")?;
    let folder = quiet.folder().join("prometheus");
    fs::create_dir(&folder)?;
    let config = folder.join("prometheus.yaml");
    let often = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
    let of = json!({"targets": targets, "labels": {"namespace": NAMESPACE}});
    let settings = json!({
        "global": often,
        "rule_files": [repository().join("deploy/chart/files/alerts/*.yaml")],
        "scrape_configs": [{"job_name": "devportal", "static_configs": [of]}],
    });
    // JSON is YAML.
    fs::write(&config, settings.to_string())?;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let path = |it: &Path| it.display().to_string();
    quiet
        .stack
        .launch(Launch {
            name: "prometheus".into(),
            program: program()?,
            args: vec![
                format!("--config.file={}", path(&config)),
                format!("--storage.tsdb.path={}", path(&folder.join("data"))),
                format!("--web.listen-address={address}"),
            ],
            port: Some(port),
            probe: Probe::Answers(address, "/-/ready".into()),
            ..Launch::default()
        })
        .await?;
    Ok(format!("http://{address}"))
}

/// What it answers with; what it objects to is a failure.
async fn ask(prometheus: &str, what: &str, query: &[(&str, &String)]) -> Result<Value> {
    let url = Url::parse_with_params(&format!("{prometheus}/api/v1/{what}"), query)?;
    let mut answer: Value = reqwest::get(url).await?.json().await?;
    ensure!(answer["status"] == "success", "{query:?}: {answer}");
    Ok(answer["data"].take())
}

/// The title and an expression of each panel of the dashboard, as Grafana would fill them in.
fn panels() -> Result<Vec<(String, String)>> {
    let path = repository().join("deploy/chart/files/dashboards/devportal.json");
    let board: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let mut all = Vec::new();
    for panel in board["panels"].as_array().context("panels")? {
        let title = panel["title"].as_str().context("a title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().context("an expression")?;
            let expression = expression
                .replace("$__rate_interval", "1m")
                .replace("$namespace", NAMESPACE);
            all.push((title.to_owned(), expression));
        }
    }
    ensure!(all.len() > 20, "{all:?}");
    Ok(all)
}
