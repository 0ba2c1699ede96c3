//! What do the processes do whose account lacks one of its rights? They go on with all else,
//! take nothing away for it, and say what they lack.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_stack::Part;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;
use kube::api::PostParams;
use serde_json::Value;

use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::wait::{throughout, until, within};

stories![
    a_controller_without_any_one_of_its_rights_takes_nothing_away_and_says_so,
    a_server_without_any_one_of_its_rights_answers_and_says_so,
];

/// No request carries these: admission and the API server look at them.
const VIRTUAL: [&str; 2] = ["control", "record-reveal"];

/// The rules of a role that requests are made by.
async fn rules(quiet: &Quiet, role: &str) -> Result<Vec<PolicyRule>> {
    let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
    let all = roles.get(role).await?.rules.unwrap_or_default();
    let is_asked = |it: &PolicyRule| {
        let is_finalizer = |it: &String| it.ends_with("/finalizers");
        !it.verbs.iter().any(|it| VIRTUAL.contains(&it.as_str()))
            && !it.resources.iter().flatten().any(is_finalizer)
    };
    Ok(all.into_iter().filter(is_asked).collect())
}

async fn set_rules(quiet: &Quiet, role: &str, wanted: Vec<PolicyRule>) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
    let mut changed = roles.get(role).await?;
    changed.rules = Some(wanted);
    let params = PostParams::default();
    roles.replace(role, &params, &changed).await?;
    Ok(())
}

/// Begins a process anew. That it is not ready for what it lacks is no fault of it.
async fn begin_anew(quiet: &Quiet, process: &str) -> Result<u32> {
    quiet.stack.kill(process).await?;
    let restart = quiet.stack.restart(process);
    let begun = tokio::time::timeout(Duration::from_secs(10), restart).await;
    drop(begun);
    quiet.stack.pid(process)
}

/// What a process has said since a part of its log.
fn said_since(quiet: &Quiet, process: &str, before: usize) -> Result<String> {
    let log = fs::read_to_string(quiet.stack.log(process))?;
    Ok(log.get(before..).unwrap_or_default().to_owned())
}

fn is_alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

async fn a_controller_without_any_one_of_its_rights_takes_nothing_away_and_says_so(
    _: Arc<Stage>,
) -> Result<()> {
    const ROLE: &str = "devportal-controller";
    let quiet = Quiet::start_with(&["--log-format=json"]).await?;
    quiet.takes("*");
    quiet
        .bring("own", "a-value-of-the-consumers-own-0123456789")
        .await?;
    quiet.request("brought", Some("own")).await?;
    quiet.request_key("generated").await?;
    for key in ["brought", "generated"] {
        quiet.key_is(key, "Approved").await?;
    }
    let whole = {
        let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
        roles.get(ROLE).await?.rules.unwrap_or_default()
    };
    let lost = rules(&quiet, ROLE).await?;
    ensure!(lost.len() > 5, "{lost:?}");
    for (at, lost) in lost.iter().enumerate() {
        let resources = lost.resources.clone().unwrap_or_default();
        let others = whole.iter().filter(|it| *it != lost).cloned();
        set_rules(&quiet, ROLE, others.collect()).await?;
        let before = fs::read(quiet.stack.log("controller"))?.len();
        let process = begin_anew(&quiet, "controller").await?;
        // All rights are needed for it.
        quiet.request_key(&format!("meanwhile-{at}")).await?;
        let is_told = |said: &str| {
            let mut lines = said.lines().filter(|it| !it.contains("\"INFO\""));
            lines.any(|line| {
                let names = |it: &String| line.contains(it.split('/').next().unwrap_or(it));
                line.contains("forbidden") && resources.iter().any(names)
            })
        };
        until(
            &format!("it is said that {lost:?} is lacking"),
            async || {
                let said = said_since(&quiet, "controller", before)?;
                Ok(if is_told(&said) { Ok(()) } else { Err(said) })
            },
        )
        .await?;
        throughout(Duration::from_secs(2), async || {
            let left = quiet.enforcement_secrets().await?;
            ensure!(left >= 2, "{left} credentials are left without {lost:?}");
            ensure!(is_alive(process), "it ended without {lost:?}");
            Ok(())
        })
        .await?;
    }
    set_rules(&quiet, ROLE, whole).await?;
    begin_anew(&quiet, "controller").await?;
    for at in 0..lost.len() {
        quiet.key_is(&format!("meanwhile-{at}"), "Approved").await?;
    }
    are_of_json(&fs::read_to_string(quiet.stack.log("controller"))?)?;
    quiet.end().await
}

/// Each line is an object, and what is said of a key names it.
fn are_of_json(log: &str) -> Result<()> {
    let mut names_a_key = false;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
        names_a_key |= line["fields"]["id"] == "shop/generated" || line["id"] == "shop/generated";
    }
    ensure!(names_a_key, "no line names a key: {log}");
    Ok(())
}

async fn a_server_without_any_one_of_its_rights_answers_and_says_so(_: Arc<Stage>) -> Result<()> {
    const ROLE: &str = "devportal-server";
    let quiet = Quiet::start_parts(&[Part::Controller, Part::Portal], &[]).await?;
    quiet.takes("*");
    let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
    let whole = roles.get(ROLE).await?.rules.unwrap_or_default();
    let url = quiet.stack.portal_url().context("no portal")?;
    let is_followed = |it: &PolicyRule| it.verbs.iter().any(|it| it == "watch");
    let lost = rules(&quiet, ROLE).await?;
    let lost: Vec<_> = lost.into_iter().filter(is_followed).collect();
    ensure!(lost.len() > 3, "{lost:?}");
    for lost in &lost {
        let resources = lost.resources.clone().unwrap_or_default();
        let others = whole.iter().filter(|it| *it != lost).cloned();
        set_rules(&quiet, ROLE, others.collect()).await?;
        let before = fs::read(quiet.stack.log("portal"))?.len();
        let process = begin_anew(&quiet, "portal").await?;
        until(
            &format!("it is said that {lost:?} is lacking"),
            async || {
                let said = said_since(&quiet, "portal", before)?;
                let is_told = said.lines().any(|line| {
                    line.contains("forbidden") && resources.iter().any(|it| line.contains(it))
                });
                Ok(if is_told { Ok(()) } else { Err(said) })
            },
        )
        .await?;
        let limit = Duration::from_secs(10);
        within(limit, "it answers", async || {
            let answer = reqwest::get(format!("{url}/v1/products")).await;
            let status = answer.map(|it| it.status().as_u16());
            Ok(if matches!(status, Ok(401)) {
                Ok(())
            } else {
                Err(status)
            })
        })
        .await?;
        ensure!(is_alive(process), "it ended without {lost:?}");
    }
    set_rules(&quiet, ROLE, whole).await?;
    begin_anew(&quiet, "portal").await?;
    quiet.end().await
}
