//! Writes that the API server refuses.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{conditions, deny, is_revoked, issued, raw, says};
use crate::quiet::Quiet;
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::{until, within};

stories![a_request_that_is_refused_is_told_and_holds_up_no_denial];

/// How many requests there may be.
const LIMITED: &str = "count/apikeyrequests.devportal.kuadrant.io";

/// A quota that leaves no room for another request. No controller manager runs that
/// would fill in its status.
async fn leave_no_room(quiet: &Quiet) -> Result<()> {
    let quotas: Api<ResourceQuota> = Api::namespaced(quiet.admin.clone(), "shop");
    let hard = json!({LIMITED: "0"});
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": "shop"}, "spec": {"hard": hard}});
    stage::apply(&quiet.admin, &quota).await?;
    let status = Patch::Merge(json!({"status": {"hard": hard, "used": hard}}));
    quotas
        .patch_status("full", &PatchParams::default(), &status)
        .await?;

    let request: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyRequest",
        "metadata": {"name": "trial", "namespace": "shop"},
        "spec": {"apiProductRef": {"name": "shop"}, "planTier": "gold", "useCase": "",
            "requestedBy": {"userId": "alice", "email": "alice@example.com"},
            "apiKeyRef": {"name": "trial", "namespace": "shop"}},
    }))?;
    let trial = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("requests are refused", async || {
        let answer = raw::<APIKeyRequest>(quiet).create(&trial, &request).await;
        let is_refused =
            matches!(&answer, Err(kube::Error::Api(it)) if it.message.contains("exceeded quota"));
        Ok(if is_refused { Ok(()) } else { Err(answer) })
    })
    .await
}

async fn a_request_that_is_refused_is_told_and_holds_up_no_denial(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("early").await?;
    quiet.key_is("early", "Approved").await?;
    issued(&quiet, "early").await?;
    leave_no_room(&quiet).await?;

    // Another's: a denial of an automatic product is about whoever asks.
    let mut late = Quiet::key("late");
    late["spec"]["requestedBy"]["userId"] = json!("bob");
    stage::apply(&quiet.admin, &late).await?;
    says::<APIKey>(&quiet, "late", "what is refused", |it| {
        it.reason == "WriteRefused" && it.message.contains("APIKeyRequest")
    })
    .await?;
    let told = conditions::<APIKey>(&quiet, "late").await?;
    ensure!(told.iter().any(|it| it.type_ == "Pending"), "{told:#?}");
    says::<APIProduct>(&quiet, "shop", "it too", |it| it.reason == "WriteRefused").await?;
    deny(&quiet, "early").await?;
    is_revoked(&quiet, "early").await?;
    quiet.key_is("early", "Denied").await?;

    let quotas: Api<ResourceQuota> = Api::namespaced(quiet.admin.clone(), "shop");
    quotas.delete("full", &DeleteParams::default()).await?;
    // What was refused is tried again within a minute.
    let limit = Duration::from_secs(90);
    let request = Quiet::request_name("late");
    within(limit, "the request is made", async || {
        let found = raw::<APIKeyRequest>(&quiet).get_opt(&request).await?;
        Ok(found.map(drop).ok_or("none"))
    })
    .await?;
    quiet.key_is("late", "Approved").await?;
    quiet.end().await
}
