//! Keys and definitions of the published versions.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use super::{APPROVED_AT, Held, approved, cut, deny, is_revoked, is_told, manual, raw, set_status};
use crate::quiet::Quiet;
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::stories::upgrade::first;
use crate::wait::{PROMPT, until, within};

stories![
    a_key_of_the_first_version_goes_on_until_it_is_denied,
    a_key_of_the_first_version_can_be_deleted,
    under_the_published_definitions_a_key_is_issued_and_then_all_is_quiet,
];

const VALUE: &str = "issued-by-the-first-version-0123456789";

/// A key as version 0.1 leaves it behind when it has been approved.
async fn leave_behind(quiet: &Quiet, name: &str, finalizers: &[&str]) -> Result<()> {
    let mut key = Quiet::key(name);
    key["metadata"]["finalizers"] = json!(finalizers);
    let key = stage::apply(&quiet.admin, &key).await?;
    set_status::<APIKey>(quiet, name, first::status(name)).await?;
    let uid = key.metadata.uid.as_deref();
    let secret = first::secret("shop", name, uid, "shop", VALUE);
    stage::apply(&quiet.admin, &secret).await?;
    Ok(())
}

/// 35
async fn a_key_of_the_first_version_goes_on_until_it_is_denied(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    quiet.stack.end("controller").await?;
    leave_behind(&quiet, "old", &[]).await?;
    quiet.stack.restart("controller").await?;
    let key = quiet.key_is("old", "Approved").await?;
    let by = key.status.and_then(|it| it.reviewed_by);
    ensure!(by.as_deref() == Some("olivia"), "{by:?}");
    until("the gateway accepts the same value", async || {
        let held = Held::of(&quiet, "old").await?;
        let is_there = held.enforced_values() == [VALUE] && held.copied_value() == Some(VALUE);
        Ok(if is_there { Ok(()) } else { Err(held) })
    })
    .await?;

    deny(&quiet, "old").await?;
    is_revoked(&quiet, "old").await?;
    within(
        PROMPT,
        "the Secret of the first version is gone",
        async || {
            let left = Held::of(&quiet, "old").await?.copy;
            Ok(left.map_or(Ok(()), Err))
        },
    )
    .await?;
    quiet.key_is("old", "Denied").await?;
    quiet.end().await
}

/// 35
async fn a_key_of_the_first_version_can_be_deleted(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    quiet.stack.end("controller").await?;
    let finalizer = "devportal.kuadrant.io/apikey-finalizer";
    leave_behind(&quiet, "old", &[finalizer]).await?;
    quiet.stack.restart("controller").await?;
    is_told(&quiet, "old").await?;
    quiet.delete_key("old").await?;
    let limit = Duration::from_secs(10);
    within(limit, "the key is gone", async || {
        let left = quiet.keys().get_opt("old").await?;
        Ok(left.map_or(Ok(()), |it| Err(it.finalizers().to_vec())))
    })
    .await?;
    is_revoked(&quiet, "old").await?;
    quiet.end().await
}

/// Takes what the published definitions lack out of ours, while no controller runs.
async fn publish(quiet: &Quiet) -> Result<()> {
    let of_status = |field: &str| format!("/properties/status/properties/{field}");
    let terms = of_status("terms");
    cut::<APIKeyApproval>(quiet, &[&terms]).await?;
    let lacking = [
        "approvedTerms",
        "graceUntil",
        "credentials",
        "phase",
        "reviewedBy",
        "reviewedAt",
        "secretRef",
        "canReadSecret",
    ]
    .map(of_status);
    cut::<APIKey>(quiet, &lacking.each_ref().map(String::as_str)).await?;
    let of_spec = [
        "/properties/spec/properties/apiKeyRef/properties/uid",
        "/properties/spec/properties/expiresAt",
    ];
    cut::<APIKeyRequest>(quiet, &of_spec).await?;

    quiet.request_key("trial").await?;
    quiet.decide("trial", "trial", true, APPROVED_AT).await?;
    let decision = Quiet::decision("trial", "trial");
    let terms = json!({"terms": {
        "apiProductRef": {"name": "shop"}, "planTier": "gold", "approval": "a/1",
        "requestedBy": {"userId": "alice", "email": "alice@example.com"},
    }});
    until("the definitions are in force", async || {
        let grace = json!({"graceUntil": APPROVED_AT});
        let key = set_status::<APIKey>(quiet, "trial", grace).await?;
        let approval = set_status::<APIKeyApproval>(quiet, &decision, terms.clone()).await?;
        let kept = [
            key.data["status"]["graceUntil"].clone(),
            approval.data["status"]["terms"].clone(),
        ];
        let is_pruned = kept.iter().all(serde_json::Value::is_null);
        Ok(if is_pruned { Ok(()) } else { Err(kept) })
    })
    .await?;
    let params = DeleteParams::default();
    raw::<APIKeyApproval>(quiet)
        .delete(&decision, &params)
        .await?;
    quiet.keys().delete("trial", &params).await?;
    Ok(())
}

async fn under_the_published_definitions_a_key_is_issued_and_then_all_is_quiet(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = manual().await?;
    quiet.stack.end("controller").await?;
    publish(&quiet).await?;
    quiet.stack.restart("controller").await?;
    approved(&quiet, "mine").await?;

    // The request's status follows the key's, and the log follows both.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = quiet.writes()?.len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let more = quiet.writes()?.split_off(before);
    ensure!(more.is_empty(), "it goes on to write {more:#?}");
    let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
    let told: Vec<_> = log
        .lines()
        .filter(|it| it.contains("status.terms"))
        .collect();
    ensure!(told.len() == 1, "the log tells what is missing: {told:#?}");
    quiet.end().await
}
