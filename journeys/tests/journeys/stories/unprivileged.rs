//! What do the processes do whose account lacks one of its rights? They go on with all else,
//! take nothing away for it, and say what they lack.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_stack::Part;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::wait::{throughout, until};

stories![
    a_controller_without_any_one_of_its_rights_takes_nothing_away_and_says_so,
    a_server_without_any_one_of_its_rights_answers_and_says_so,
];

/// A process, and the role that its rights are from.
struct Process<'a> {
    quiet: &'a Quiet,
    name: &'a str,
    role: &'a str,
}

impl Process<'_> {
    async fn rules(&self) -> Result<Vec<PolicyRule>> {
        let roles: Api<ClusterRole> = Api::all(self.quiet.admin.clone());
        Ok(roles.get(self.role).await?.rules.unwrap_or_default())
    }

    async fn set_rules(&self, wanted: Vec<PolicyRule>) -> Result<()> {
        let roles: Api<ClusterRole> = Api::all(self.quiet.admin.clone());
        let mut role = roles.get(self.role).await?;
        role.rules = Some(wanted);
        let params = PostParams::default();
        roles.replace(self.role, &params, &role).await?;
        Ok(())
    }

    /// Begins anew. That it is not ready for what it lacks is no fault of it.
    async fn begin_anew(&self) -> Result<()> {
        self.quiet.stack.kill(self.name).await?;
        let restart = self.quiet.stack.restart(self.name);
        let begun = tokio::time::timeout(Duration::from_secs(10), restart).await;
        drop(begun);
        Ok(())
    }

    /// Takes each of these rules away, and gives it back; `look` is done meanwhile.
    async fn without(
        &self,
        rules: &[PolicyRule],
        mut look: impl AsyncFnMut() -> Result<()>,
    ) -> Result<()> {
        let whole = self.rules().await?;
        for lost in rules {
            let others = whole.iter().filter(|it| *it != lost).cloned();
            self.set_rules(others.collect()).await?;
            let before = fs::read(self.quiet.stack.log(self.name))?.len();
            self.begin_anew().await?;
            let pid = self.quiet.stack.pid(self.name)?;
            let what = format!("{:?} of {:?}", lost.verbs, lost.resources);
            look().await.with_context(|| format!("without {what}"))?;
            self.says(before, lost).await?;
            ensure!(
                Path::new(&format!("/proc/{pid}")).exists(),
                "it ended without {what}"
            );
        }
        self.set_rules(whole).await?;
        self.begin_anew().await
    }

    /// Waits until it has said, since a part of its log, that it lacks a right.
    async fn says(&self, before: usize, lost: &PolicyRule) -> Result<()> {
        // A log names the kind or the resource: both begin alike.
        let resources = lost.resources.iter().flatten();
        let stems = resources.map(|it| it.split('/').next().unwrap_or(it));
        let stems = stems.map(|it| it.trim_end_matches("ies").trim_end_matches('s'));
        let stems: Vec<_> = stems.collect();
        until(
            &format!("it is said that {lost:?} is lacking"),
            async || {
                let log = fs::read_to_string(self.quiet.stack.log(self.name))?;
                let said = log.get(before..).unwrap_or_default().to_owned();
                let is_told = said.lines().map(str::to_lowercase).any(|line| {
                    let is_about_rights = line.contains("forbidden") || line.contains("the right");
                    is_about_rights && stems.iter().any(|it| line.contains(it))
                });
                Ok(if is_told { Ok(()) } else { Err(said) })
            },
        )
        .await
    }
}

async fn a_controller_without_any_one_of_its_rights_takes_nothing_away_and_says_so(
    _: Arc<Stage>,
) -> Result<()> {
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
    let controller = Process {
        quiet: &quiet,
        name: "controller",
        role: "devportal-controller",
    };
    let mut rules = controller.rules().await?;
    rules.retain(is_used);
    ensure!(rules.len() > 5, "{rules:?}");
    let uids = async || -> Result<BTreeSet<_>> {
        let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
        let all = secrets.list_metadata(&ListParams::default()).await?.items;
        Ok(all.iter().filter_map(ResourceExt::uid).collect())
    };
    let before = uids().await?;
    ensure!(before.len() == 2, "{before:?}");
    let mut asked = 0;
    controller
        .without(&rules, async || {
            // All rights are needed for it.
            quiet.request_key(&format!("meanwhile-{asked}")).await?;
            asked += 1;
            throughout(Duration::from_secs(3), async || {
                let left = uids().await?;
                ensure!(left.is_superset(&before), "{left:?} are left of {before:?}");
                Ok(())
            })
            .await
        })
        .await?;
    ensure!(uids().await?.is_superset(&before), "a key was issued anew");
    for at in 0..asked {
        quiet.key_is(&format!("meanwhile-{at}"), "Approved").await?;
    }
    are_of_json(&fs::read_to_string(quiet.stack.log("controller"))?)?;
    quiet.end().await
}

/// Whether requests of the story are made by a rule. Some are for admission policies or the
/// API server to look at, one is for keys of 0.1, of which there is none, and of Events
/// another story tells.
fn is_used(rule: &PolicyRule) -> bool {
    let resources = rule.resources.iter().flatten();
    let mut resources = resources.map(String::as_str).peekable();
    let is_old = rule.verbs == ["patch"] && resources.peek() == Some(&"apikeys");
    let is_other = rule.verbs == ["control"] || resources.peek() == Some(&"events");
    !is_old && !is_other && !resources.any(|it| it.ends_with("/finalizers"))
}

/// Each line is an object, and what is said of a key names it.
fn are_of_json(log: &str) -> Result<()> {
    let mut names_a_key = false;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let is_whole = line["level"].is_string() && line["timestamp"].is_string();
        ensure!(is_whole, "{line}");
        names_a_key |= line["fields"]["id"] == "APIKey shop/generated";
    }
    ensure!(names_a_key, "no line names a key: {log}");
    Ok(())
}

async fn a_server_without_any_one_of_its_rights_answers_and_says_so(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start_parts(&[Part::Controller, Part::Portal], &[]).await?;
    quiet.takes("*");
    let url = quiet.stack.portal_url().context("no portal")?;
    let portal = Process {
        quiet: &quiet,
        name: "portal",
        role: "devportal-server",
    };
    let mut rules = portal.rules().await?;
    rules.retain(|it| it.verbs.iter().any(|it| it == "watch"));
    ensure!(rules.len() > 3, "{rules:?}");
    portal
        .without(&rules, async || {
            until("it answers", async || {
                let answer = reqwest::get(format!("{url}/v1/products")).await;
                let status = answer.map(|it| it.status().as_u16());
                let answers = matches!(status, Ok(401));
                Ok(if answers { Ok(()) } else { Err(status) })
            })
            .await
        })
        .await?;
    quiet.end().await
}
