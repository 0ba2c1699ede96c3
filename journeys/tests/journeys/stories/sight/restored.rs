//! Keys that are restored from a backup: new UIDs, no owners, no statuses.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Held, issued, manual};
use crate::quiet::Quiet;
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::until;

stories![a_restore_gives_every_key_back_under_its_value];

/// Takes everything of a kind away, and answers with what a backup holds of it.
async fn take<K>(api: &Api<K>, ours: impl Fn(&K) -> bool) -> Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let mut kept = Vec::new();
    for object in api.list(&ListParams::default()).await?.items {
        if !ours(&object) {
            continue;
        }
        let mut backup = serde_json::to_value(&object)?;
        let meta = backup["metadata"].as_object_mut().context("metadata")?;
        meta.retain(|name, _| ["name", "namespace", "labels", "annotations"].contains(&&**name));
        backup
            .as_object_mut()
            .context("an object")?
            .remove("status");
        kept.push(serde_json::from_value(backup)?);
        // What is collected with its owner is gone already.
        let gone = api
            .delete(&object.name_any(), &DeleteParams::default())
            .await;
        if let Err(error) = gone {
            ensure!(
                matches!(&error, kube::Error::Api(it) if it.code == 404),
                "{error}"
            );
        }
    }
    until("all of it is gone", async || {
        let left = api.list(&ListParams::default()).await?.items;
        let left: Vec<_> = left.into_iter().filter(|it| ours(it)).collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await?;
    Ok(kept)
}

async fn put<K>(api: &Api<K>, objects: Vec<K>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    for object in objects {
        api.create(&PostParams::default(), &object).await?;
    }
    Ok(())
}

/// Case 22
async fn a_restore_gives_every_key_back_under_its_value(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let names = ["plain", "shown", "brought"];
    quiet.bring("own", "brought-0123456789abcdef").await?;
    let mut before = Vec::new();
    for name in names {
        let own = (name == "brought").then_some("own");
        quiet.request(name, own).await?;
        quiet.key_is(name, "Pending").await?;
        approve(&quiet, name).await?;
        quiet.key_is(name, "Approved").await?;
        before.push(values(&quiet, name).await?);
    }
    quiet.stack.kill("controller").await?;
    // A decision of the second in which a key is made anew is no earlier one.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let admin = || quiet.admin.clone();
    let keys: Api<APIKey> = Api::namespaced(admin(), "shop");
    let requests: Api<APIKeyRequest> = Api::namespaced(admin(), "shop");
    let approvals: Api<APIKeyApproval> = Api::namespaced(admin(), "shop");
    let here: Api<Secret> = Api::namespaced(admin(), "shop");
    let there: Api<Secret> = Api::namespaced(admin(), devportal_stack::NAMESPACE);
    let is_ours = |it: &Secret| {
        it.annotations()
            .keys()
            .any(|it| it.starts_with("devportal."))
    };
    // Dependents first: the garbage collector would take them away with their owners.
    let decided = take(&approvals, |_| true).await?;
    let asked = take(&requests, |_| true).await?;
    let sources = take(&here, is_ours).await?;
    let credentials = take(&there, is_ours).await?;
    let owned = take(&keys, |_| true).await?;
    ensure!((decided.len(), asked.len(), owned.len()) == (3, 3, 3));
    ensure!((sources.len(), credentials.len()) == (2, 3));
    put(&there, credentials).await?;
    put(&here, sources).await?;
    put(&requests, asked).await?;
    put(&approvals, decided).await?;
    put(&keys, owned).await?;
    quiet.stack.restart("controller").await?;
    for (name, before) in names.iter().zip(before) {
        quiet.key_is(name, "Approved").await?;
        let after = values(&quiet, name).await?;
        ensure!(after == before, "{name} has another value");
    }
    quiet.end().await
}

/// As in a portal: for the terms that were shown.
async fn approve(quiet: &Quiet, key: &str) -> Result<()> {
    let requests: Api<APIKeyRequest> = Api::namespaced(quiet.admin.clone(), "shop");
    let request = requests.get(&Quiet::request_name(key)).await?;
    let now = devportal_api::condition::whole_second(Timestamp::now());
    let mut approval = json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
        "metadata": {"name": Quiet::decision(key, "by-hand"), "namespace": "shop"},
        "spec": {"apiKeyRequestRef": {"name": request.name_any()}, "approved": true,
            "reviewedBy": "olivia", "reviewedAt": now.to_string()},
    });
    if key == "shown" {
        approval["spec"]["terms"] = request.terms().into();
    }
    stage::apply(&quiet.admin, &approval).await?;
    Ok(())
}

async fn values(quiet: &Quiet, key: &str) -> Result<Vec<String>> {
    let held: Held = if key == "brought" {
        until("the key has a credential", async || {
            let held = Held::of(quiet, key).await?;
            let is_there = held.enforcement.len() == 1;
            Ok(if is_there { Ok(held) } else { Err(held) })
        })
        .await?
    } else {
        issued(quiet, key).await?
    };
    let values = held.enforced_values().into_iter();
    Ok(values.map(str::to_owned).collect())
}
