//! What happens while nobody listens is made good once somebody does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKeyApproval;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use super::{Held, deny, enforcement, issued, manual};
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::stories::stories;
use crate::wait::within;

stories![
    what_a_suspended_controller_missed_it_makes_good_after_a_compaction,
    what_was_missed_in_an_outage_is_made_good_at_its_end,
];

/// An outage in which tries that slow down would have become rare.
const OUTAGE: Duration = Duration::from_mins(1);
/// How long making good takes at most. Alone it takes a second, and 5 s are promised; a
/// machine that runs other stories beside it is allowed more.
const SOON: Duration = Duration::from_secs(15);
/// How many keys each thing happens to.
const EACH: usize = 4;

/// Keys in all states, and their values.
struct Keys {
    changed: Vec<String>,
    uncredited: Vec<String>,
    denied: Vec<String>,
    deleted: Vec<String>,
    waiting: Vec<String>,
}

fn names(what: &str) -> Vec<String> {
    (0..EACH).map(|it| format!("{what}-{it}")).collect()
}

impl Keys {
    /// Has all of them made, and approved but for those that wait.
    async fn make(quiet: &Quiet) -> Result<Self> {
        let keys = Self {
            changed: names("changed"),
            uncredited: names("uncredited"),
            denied: names("denied"),
            deleted: names("deleted"),
            waiting: names("waiting"),
        };
        for name in &keys.changed {
            quiet.bring(name, &value(name, "before")).await?;
            quiet.request(name, Some(name)).await?;
            approve(quiet, name).await?;
        }
        for name in keys.generated() {
            quiet.request_key(name).await?;
            approve(quiet, name).await?;
        }
        for name in &keys.waiting {
            quiet.request_key(name).await?;
            quiet.key_is(name, "Pending").await?;
        }
        for name in &keys.changed {
            quiet.key_is(name, "Approved").await?;
        }
        for name in keys.generated() {
            issued(quiet, name).await?;
        }
        Ok(keys)
    }

    /// Those that are generated and approved.
    fn generated(&self) -> impl Iterator<Item = &String> {
        let all = [&self.uncredited, &self.denied, &self.deleted];
        all.into_iter().flatten()
    }

    /// What people do meanwhile.
    async fn change(&self, quiet: &Quiet) -> Result<()> {
        for name in &self.changed {
            quiet.bring(name, &value(name, "after")).await?;
        }
        let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
        for name in &self.uncredited {
            let found = enforcement(quiet, name).await?;
            let secret = found.first().context("a credential")?.name_any();
            secrets.delete(&secret, &DeleteParams::default()).await?;
        }
        for name in &self.denied {
            deny(quiet, name).await?;
        }
        for name in &self.deleted {
            quiet.delete_key(name).await?;
        }
        for name in &self.waiting {
            approve(quiet, name).await?;
        }
        Ok(())
    }

    /// Waits until everything that was done is in force.
    async fn are_made_good(&self, quiet: &Quiet) -> Result<()> {
        within(SOON, "what was missed is made good", async || {
            let mut wrong = BTreeSet::new();
            for name in self.denied.iter().chain(&self.deleted) {
                if !enforcement(quiet, name).await?.is_empty() {
                    wrong.insert(name.as_str());
                }
            }
            for name in self.uncredited.iter().chain(&self.waiting) {
                if Held::of(quiet, name).await?.enforcement.len() != 1 {
                    wrong.insert(name);
                }
            }
            for name in &self.changed {
                let held = Held::of(quiet, name).await?;
                if held.enforced_values() != [value(name, "after")] {
                    wrong.insert(name);
                }
            }
            Ok(if wrong.is_empty() { Ok(()) } else { Err(wrong) })
        })
        .await
    }
}

fn value(key: &str, when: &str) -> String {
    format!("the-value-of-{key}-{when}-0123456789")
}

async fn approve(quiet: &Quiet, key: &str) -> Result<()> {
    quiet.decide("by-hand", key, true, super::APPROVED_AT).await
}

/// Makes etcd forget every version but the newest.
async fn compact(stage: &Stage, quiet: &Quiet) -> Result<()> {
    let url = quiet.stack.etcd_url().context("no etcd")?;
    let post = async |path: &str, body: Value| -> Result<Value> {
        let request = stage.http.post(format!("{url}/v3/kv/{path}"));
        let answer = request.body(body.to_string()).send().await?;
        let text = answer.error_for_status()?.text().await?;
        Ok(serde_json::from_str(&text)?)
    };
    // Any key will do, in base64: the answer's header has the revision.
    let newest = post("range", json!({"key": "AA=="})).await?;
    let revision = &newest["header"]["revision"];
    post(
        "compaction",
        json!({"revision": revision, "physical": true}),
    )
    .await?;
    Ok(())
}

async fn are_decided_once(quiet: &Quiet, keys: &Keys) -> Result<()> {
    let approvals: Api<APIKeyApproval> = Api::namespaced(quiet.admin.clone(), "shop");
    let all = approvals.list(&ListParams::default()).await?.items;
    // Four kinds of keys are approved by hand, one of them denied as well, and those of
    // deleted keys are collected.
    let wanted = keys.changed.len() + keys.uncredited.len() + 2 * keys.denied.len();
    let wanted = wanted + keys.waiting.len();
    ensure!(all.len() == wanted, "{} decisions, not {wanted}", all.len());
    Ok(())
}

/// Case 27
async fn what_a_suspended_controller_missed_it_makes_good_after_a_compaction(
    stage: Arc<Stage>,
) -> Result<()> {
    let quiet = manual().await?;
    let keys = Keys::make(&quiet).await?;
    let process = quiet.stack.pid("controller")?;
    quiet.stack.halt("controller")?;
    keys.change(&quiet).await?;
    compact(&stage, &quiet).await?;
    // What it has seen itself it could still tell from memory.
    quiet.stack.kill("kube-apiserver").await?;
    quiet.stack.restart("kube-apiserver").await?;
    quiet.stack.go_on("controller")?;
    keys.are_made_good(&quiet).await?;
    goes_on(quiet, &keys, process).await
}

/// Case 27
async fn what_was_missed_in_an_outage_is_made_good_at_its_end(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let keys = Keys::make(&quiet).await?;
    let process = quiet.stack.pid("controller")?;
    quiet.stack.halt("controller")?;
    keys.change(&quiet).await?;
    quiet.stack.kill("kube-apiserver").await?;
    quiet.stack.go_on("controller")?;
    tokio::time::sleep(OUTAGE).await;
    let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
    let failed = log.lines().filter(|it| it.contains("a write failed"));
    ensure!(failed.count() > 0, "nothing was tried meanwhile: {log}");
    quiet.stack.restart("kube-apiserver").await?;
    keys.are_made_good(&quiet).await?;
    goes_on(quiet, &keys, process).await
}

/// It is the same process, at rest, and no decision was made twice.
async fn goes_on(quiet: Quiet, keys: &Keys, process: u32) -> Result<()> {
    ensure!(
        quiet.stack.pid("controller")? == process,
        "it was restarted"
    );
    quiet.rests().await?;
    are_decided_once(&quiet, keys).await?;
    quiet.request_key("another").await?;
    quiet.key_is("another", "Pending").await?;
    quiet.end().await
}
