//! What does the chart do on a cluster, before anything runs there?

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_stack::{Persona, Program, Progress, obtain_program, repository};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use super::stories;
use crate::quiet::Quiet;
use crate::stage::{self, Stage};

stories![
    what_could_not_work_is_refused_before_anything_is_installed,
    the_api_server_takes_everything_that_the_chart_renders,
];

/// Helm, about the cluster of a stack.
pub(super) async fn helm(quiet: &Quiet, what: &str) -> Result<Command> {
    let mut helm = Command::new(obtain_program(Program::Helm, Progress::OnlyLong).await?);
    helm.args([what, "--namespace", devportal_stack::NAMESPACE])
        .env("KUBECONFIG", quiet.stack.kubeconfig(Persona::ClusterAdmin))
        .current_dir(repository())
        .stdin(std::process::Stdio::null());
    Ok(helm)
}

/// What Helm says to an installation, which it looks at the cluster for and does not make.
async fn dry_run(quiet: &Quiet, values: &[&str]) -> Result<Result<(), String>> {
    let mut install = helm(quiet, "install").await?;
    install.args([
        "devportal",
        "deploy/chart",
        "--take-ownership",
        "--dry-run=server",
    ]);
    for value in values {
        install.args(["--set", value]);
    }
    let output = install.output().await?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if output.status.success() {
        Ok(())
    } else {
        Err(words)
    })
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

async fn what_could_not_work_is_refused_before_anything_is_installed(_: Arc<Stage>) -> Result<()> {
    // Nobody ends a namespace here: one that is deleted stays as one that is held.
    let quiet = Quiet::start().await?;
    let said = dry_run(&quiet, &[]).await?;
    ensure!(said.is_ok(), "nothing is in its way: {said:?}");
    for name in ["leaving", "elsewhere"] {
        stage::apply(&quiet.admin, &namespace(name)).await?;
    }
    let namespaces: Api<Namespace> = Api::all(quiet.admin.clone());
    let params = DeleteParams::default();
    namespaces.delete("leaving", &params).await?;
    let refusals = [
        (
            "secretAccess.namespaces={gone}",
            "there is no namespace \"gone\", which is named in secretAccess.namespaces",
        ),
        (
            "secretAccess.namespaces={leaving}",
            "the namespace \"leaving\", which is named in secretAccess.namespaces, is being deleted",
        ),
        (
            "kuadrantNamespace=elsewhere",
            "the Kuadrant resource is in namespace \"kuadrant-system\"",
        ),
    ];
    for (value, words) in refusals {
        let said = dry_run(&quiet, &[value]).await?;
        let said = said.err().with_context(|| format!("{value} is taken"))?;
        ensure!(said.contains(words), "{value}: {said}");
    }
    let annotations = json!({"meta.helm.sh/release-name": "first",
        "meta.helm.sh/release-namespace": "elsewhere"});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "devportal-catalog", "annotations": annotations}, "rules": []});
    stage::apply(&quiet.admin, &role).await?;
    let said = dry_run(&quiet, &[]).await?;
    let said = said.err().context("a second installation is taken")?;
    let words = "has a developer portal already: the release \"first\" in namespace \"elsewhere\"";
    ensure!(said.contains(words), "{said}");
    quiet.end().await
}

/// Sets of values, as `cargo xtask chart` tries them without a cluster.
#[derive(Deserialize)]
struct Table {
    takes: Vec<Value>,
}

async fn the_api_server_takes_everything_that_the_chart_renders(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start_parts(&[], &[]).await?;
    for name in ["a", "b", "other"] {
        stage::apply(&quiet.admin, &namespace(name)).await?;
    }
    let table = fs::read_to_string(repository().join("deploy/chart-tests/values.yaml"))?;
    let table: Table = serde_yaml_ng::from_str(&table)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.json");
    let mut defaults: Vec<Value> = Vec::new();
    for values in table.takes {
        fs::write(&file, values.to_string())?;
        let mut template = helm(&quiet, "template").await?;
        template
            .args(["devportal", "deploy/chart", "--values"])
            .arg(&file);
        let output = template.output().await?;
        ensure!(output.status.success(), "{values}: {output:?}");
        let objects = read(&output.stdout)?;
        are_taken(&quiet, &objects)
            .await
            .with_context(|| format!("with {values}"))?;
        if defaults.is_empty() {
            has_every_file(&objects)?;
            defaults = objects;
        } else if values.get("global").is_none() {
            ensure!(objects != defaults, "{values} change nothing");
        }
    }
    let manifest = fs::read(repository().join("deploy/install.yaml"))?;
    are_taken(&quiet, &read(&manifest)?).await?;
    quiet.end().await
}

fn read(text: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(text)?;
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let object = Value::deserialize(document)?;
        objects.extend(Some(object).filter(|it| !it.is_null()));
    }
    Ok(objects)
}

/// Tries each object out, but those of Prometheus' operator, whose definitions are not here.
async fn are_taken(quiet: &Quiet, objects: &[Value]) -> Result<()> {
    let is_known = |it: &&Value| {
        let version = it["apiVersion"].as_str().unwrap_or_default();
        !version.starts_with("monitoring.coreos.com/")
    };
    for object in objects.iter().filter(is_known) {
        stage::try_out(&quiet.admin, object).await?;
    }
    ensure!(!objects.is_empty(), "nothing is rendered");
    Ok(())
}

/// Definitions and policies are files, and each of them is to be rendered.
fn has_every_file(objects: &[Value]) -> Result<()> {
    let name = |it: &Value| (it["kind"].clone(), it["metadata"]["name"].clone());
    for folder in ["crds", "policies"] {
        let folder = repository().join("deploy/chart/files").join(folder);
        for file in fs::read_dir(&folder)? {
            for wanted in read(&fs::read(file?.path())?)? {
                let is_there = objects.iter().any(|it| name(it) == name(&wanted));
                ensure!(is_there, "{:?} is not rendered", name(&wanted));
            }
        }
    }
    Ok(())
}
