//! Objects that the API server takes and the controller cannot read.

use std::sync::Arc;

use anyhow::Result;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    approved, conditions, cut, deny, is_revoked, keeps, manual, raw, set_status, stays_revoked,
};
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::stories::stories;
use crate::wait::until;

stories![
    a_key_whose_status_cannot_be_read_keeps_what_it_has_until_it_is_denied,
    a_key_that_cannot_be_read_from_the_start_keeps_what_it_has_until_it_is_denied,
    a_product_whose_status_cannot_be_read_keeps_its_keys_until_they_are_denied,
    a_key_whose_approval_cannot_be_read_goes_on_and_says_so,
    a_denial_whose_status_cannot_be_read_goes_on_denying,
    a_denial_whose_time_cannot_be_read_goes_on_denying,
];

/// Passes as a date-time with the API server, and is none.
const UNREADABLE: &str = "2030-01-01T00:00:00+99:99";

async fn a_key_whose_status_cannot_be_read_keeps_what_it_has_until_it_is_denied(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = manual().await?;
    let held = approved(&quiet, "mine").await?;
    set_status::<APIKey>(&quiet, "mine", json!({"reviewedAt": UNREADABLE})).await?;
    tokio::try_join!(keeps(&quiet, "mine", &held), approved(&quiet, "other"))?;

    deny(&quiet, "mine").await?;
    is_revoked(&quiet, "mine").await?;
    set_status::<APIKey>(&quiet, "mine", json!({"reviewedAt": null})).await?;
    quiet.key_is("mine", "Denied").await?;
    quiet.end().await
}

async fn a_key_that_cannot_be_read_from_the_start_keeps_what_it_has_until_it_is_denied(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = manual().await?;
    let held = approved(&quiet, "mine").await?;
    quiet.stack.end("controller").await?;
    set_status::<APIKey>(&quiet, "mine", json!({"reviewedAt": UNREADABLE})).await?;
    quiet.stack.restart("controller").await?;
    keeps(&quiet, "mine", &held).await?;

    deny(&quiet, "mine").await?;
    is_revoked(&quiet, "mine").await?;
    quiet.end().await
}

async fn a_product_whose_status_cannot_be_read_keeps_its_keys_until_they_are_denied(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = manual().await?;
    let mine = approved(&quiet, "mine").await?;
    let other = approved(&quiet, "other").await?;
    let unreadable = json!({"openapi": {"raw": "{}", "lastSyncTime": UNREADABLE}});
    set_status::<APIProduct>(&quiet, "shop", unreadable).await?;
    tokio::try_join!(keeps(&quiet, "mine", &mine), keeps(&quiet, "other", &other))?;

    deny(&quiet, "mine").await?;
    is_revoked(&quiet, "mine").await?;
    set_status::<APIProduct>(&quiet, "shop", json!({"openapi": null})).await?;
    quiet.key_is("mine", "Denied").await?;
    keeps(&quiet, "other", &other).await?;
    quiet.end().await
}

async fn a_key_whose_approval_cannot_be_read_goes_on_and_says_so(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let held = approved(&quiet, "mine").await?;
    let approval = Quiet::decision("mine", "by-hand");
    until("the terms are noted", async || {
        let status = raw::<APIKeyApproval>(&quiet).get(&approval).await?.data["status"].take();
        let is_noted = status["terms"].is_object();
        Ok(if is_noted { Ok(()) } else { Err(status) })
    })
    .await?;
    let expires_at = |at: Value| json!({"terms": {"expiresAt": at}});
    set_status::<APIKeyApproval>(&quiet, &approval, expires_at(UNREADABLE.into())).await?;
    keeps(&quiet, "mine", &held).await?;
    until("it is told what cannot be read", async || {
        let told = told_of(&quiet, "mine").await?;
        let names_it = |it: &Condition| it.reason == "Unreadable" && it.message.contains(&approval);
        Ok(told.iter().any(names_it).then_some(()).ok_or(told))
    })
    .await?;

    set_status::<APIKeyApproval>(&quiet, &approval, expires_at(Value::Null)).await?;
    until("nothing is told any more", async || {
        let told = told_of(&quiet, "mine").await?;
        let is_told = told.iter().any(|it| it.reason == "Unreadable");
        Ok(if is_told { Err(told) } else { Ok(()) })
    })
    .await?;
    keeps(&quiet, "mine", &held).await?;
    quiet.key_is("mine", "Approved").await?;
    quiet.end().await
}

/// What a key and its request say.
async fn told_of(quiet: &Quiet, key: &str) -> Result<Vec<Condition>> {
    let request = Quiet::request_name(key);
    let mut told = conditions::<APIKey>(quiet, key).await?;
    told.extend(conditions::<APIKeyRequest>(quiet, &request).await?);
    Ok(told)
}

/// A key that was approved and then denied, and the name of the denial.
async fn denied(quiet: &Quiet) -> Result<String> {
    approved(quiet, "mine").await?;
    deny(quiet, "mine").await?;
    is_revoked(quiet, "mine").await?;
    quiet.key_is("mine", "Denied").await?;
    Ok(Quiet::decision("mine", "denial"))
}

/// Access does not come back, not even after a restart.
async fn stays_denied(quiet: &Quiet) -> Result<()> {
    stays_revoked(quiet, "mine").await?;
    quiet.stack.restart("controller").await?;
    stays_revoked(quiet, "mine").await
}

async fn a_denial_whose_status_cannot_be_read_goes_on_denying(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let denial = denied(&quiet).await?;
    let terms = json!({
        "apiProductRef": {"name": "shop", "namespace": "shop"}, "planTier": "gold",
        "requestedBy": {"userId": "alice", "email": "alice@example.com"},
        "approval": "a/1", "expiresAt": UNREADABLE,
    });
    set_status::<APIKeyApproval>(&quiet, &denial, json!({"terms": terms})).await?;
    stays_denied(&quiet).await?;
    quiet.end().await
}

/// Under a definition of another version, which lets such a time in.
async fn a_denial_whose_time_cannot_be_read_goes_on_denying(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let denial = denied(&quiet).await?;
    let pattern = "/properties/spec/properties/reviewedAt/pattern";
    cut::<APIKeyApproval>(&quiet, &[pattern]).await?;
    let patch = Patch::Merge(json!({"spec": {"reviewedAt": UNREADABLE}}));
    until("the definition lets it in", async || {
        let denials = raw::<APIKeyApproval>(&quiet);
        Ok(denials
            .patch(&denial, &PatchParams::default(), &patch)
            .await)
    })
    .await?;
    stays_denied(&quiet).await?;
    quiet.end().await
}
