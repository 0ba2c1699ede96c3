//! Which values does the chart take, what comes of them, and how does it refuse others?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use devportal_stack::{Program, Progress, obtain_program, repository};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    takes: Vec<Value>,
    renders: Vec<Rendering>,
    refuses: Vec<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rendering {
    values: Value,
    /// Of which object: KIND/NAME.
    object: String,
    /// Where in it, as a JSON pointer.
    at: String,
    is: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    values: Value,
    /// What is said.
    words: String,
}

/// Helm, and the chart.
pub(crate) struct Chart {
    helm: PathBuf,
    folder: PathBuf,
}

impl Chart {
    pub(crate) async fn open() -> Result<Self> {
        Ok(Self {
            helm: obtain_program(Program::Helm, Progress::detect()).await?,
            folder: repository().join("deploy/chart"),
        })
    }

    /// What Helm says to a command about the chart.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.helm)
            .args(arguments)
            .arg(&self.folder)
            .args(["--namespace", "kuadrant-system"])
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "helm {} failed:\n{}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What it renders to with these values: every document is one of YAML.
    async fn render(&self, values: &Value, file: &Path) -> Result<Vec<Value>> {
        std::fs::write(file, values.to_string())?;
        let file = file.display().to_string();
        let text = self
            .helm(&["template", "devportal", "--values", &file])
            .await?;
        let mut objects = Vec::new();
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).context("it renders no YAML")?;
            ensure!(
                object.is_null() || object["kind"].is_string(),
                "it renders {object}"
            );
            objects.push(object);
        }
        Ok(objects)
    }
}

/// Tries every row of the table.
pub(crate) async fn run() -> Result<ExitCode> {
    let chart = Chart::open().await?;
    let path = repository().join("deploy/chart-tests/values.yaml");
    let table = std::fs::read_to_string(&path)?;
    let table: Table =
        serde_yaml_ng::from_str(&table).with_context(|| format!("reading {}", path.display()))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.json");
    for values in &table.takes {
        let rendered = chart.render(values, &file).await;
        rendered.with_context(|| format!("with {values}"))?;
    }
    for row in &table.renders {
        let objects = chart.render(&row.values, &file).await?;
        let is_it = |it: &&Value| {
            let name = it["metadata"]["name"].as_str();
            it["kind"].as_str().zip(name) == row.object.split_once('/')
        };
        let object = objects.iter().find(is_it);
        let object = object.with_context(|| format!("{} renders no {}", row.values, row.object))?;
        let found = object.pointer(&row.at);
        ensure!(
            found.unwrap_or(&Value::Null) == &row.is,
            "{} renders {found:?} at {} of {}",
            row.values,
            row.at,
            row.object
        );
    }
    for Refusal { values, words } in &table.refuses {
        match chart.render(values, &file).await {
            Ok(_) => bail!("{values} is taken"),
            Err(error) => {
                let said = format!("{error:#}");
                ensure!(
                    said.contains(words),
                    "{values} is refused without {words:?}:\n{said}"
                );
            }
        }
    }
    println!(
        "{} sets of values are taken, {} rendered as they should be, {} refused in words",
        table.takes.len(),
        table.renders.len(),
        table.refuses.len()
    );
    Ok(ExitCode::SUCCESS)
}
