//! Owners decide.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::stories;
use crate::shop::{Shop, conditions};
use crate::stage::Stage;
use crate::wait::{throughout, until};

stories![
    an_approval_made_before_its_request_becomes_valid_later,
    an_approval_in_another_namespace_never_counts,
    a_decision_can_be_turned_around_and_back,
    of_two_decisions_the_newest_counts_and_a_denial_wins_a_tie,
    switching_to_automatic_approves_those_who_wait_and_keeps_decisions,
    a_key_made_again_under_the_same_name_inherits_no_approval,
    deleting_a_key_removes_its_request_and_its_approvals,
];

/// 15
async fn an_approval_made_before_its_request_becomes_valid_later(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "early", "manual").await?;
    let approval = shop.decide("mine", true, "approval").await?;
    let says = async |reason: &str| {
        until(&format!("the approval says {reason}"), async || {
            let status = shop
                .approvals()
                .get(&approval.name_any())
                .await?
                .status
                .unwrap_or_default();
            let is_there = status
                .conditions
                .iter()
                .any(|c| c.type_ == "Valid" && c.reason == reason);
            Ok(if is_there { Ok(()) } else { Err(status) })
        })
        .await
    };
    says("APIKeyRequestNotFound").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Approved").await?;
    says("Valid").await
}

/// 15
async fn an_approval_in_another_namespace_never_counts(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "elsewhere", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    shop.decide_in(&shop.dev, "mine", true, "approval", Timestamp::now())
        .await?;
    throughout(Duration::from_secs(2), async || {
        let key = shop.keys().get("mine").await?;
        ensure!(conditions(&key)[0].type_ == "Pending");
        ensure!(shop.enforcement("mine").await?.is_empty());
        Ok(())
    })
    .await
}

/// 16
async fn a_decision_can_be_turned_around_and_back(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "turned", "manual").await?;
    shop.bring("own", "brought-and-turned-0123456789").await?;
    shop.stage.apply(&shop.brought_key("mine", "own")).await?;
    shop.key_is("mine", "Pending").await?;
    shop.decide("mine", true, "approval").await?;
    shop.key_is("mine", "Approved").await?;
    shop.gateway_answers("brought-and-turned-0123456789", 200)
        .await?;
    shop.decide("mine", false, "approval").await?;
    let denied = shop.key_is("mine", "Denied").await?;
    ensure!(conditions(&denied)[0].message == "API key request denied by olivia: as agreed");
    shop.gateway_answers("brought-and-turned-0123456789", 401)
        .await?;
    shop.decide("mine", true, "approval").await?;
    shop.key_is("mine", "Approved").await?;
    shop.gateway_answers("brought-and-turned-0123456789", 200)
        .await
}

/// contract: two approvals for one request
async fn of_two_decisions_the_newest_counts_and_a_denial_wins_a_tie(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "several", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    let now = Timestamp::now();
    let decide = async |approved, suffix, at| {
        shop.decide_in(&shop.name, "mine", approved, suffix, at)
            .await
    };
    decide(true, "approval-1", now).await?;
    shop.key_is("mine", "Approved").await?;
    decide(false, "denial-1", now - SignedDuration::from_secs(60)).await?;
    throughout(Duration::from_secs(1), async || {
        ensure!(conditions(&shop.keys().get("mine").await?)[0].type_ == "Approved");
        Ok(())
    })
    .await?;
    decide(false, "denial-2", now).await?;
    shop.key_is("mine", "Denied").await?;
    decide(true, "approval-2", now + SignedDuration::from_secs(2)).await?;
    shop.key_is("mine", "Approved").await?;
    Ok(())
}

/// 17
async fn switching_to_automatic_approves_those_who_wait_and_keeps_decisions(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "switched", "manual").await?;
    for key in ["waiting", "denied", "approved"] {
        shop.stage.apply(&shop.key(key)).await?;
        shop.key_is(key, "Pending").await?;
    }
    shop.decide("denied", false, "denial").await?;
    shop.decide("approved", true, "approval").await?;
    shop.key_is("denied", "Denied").await?;
    shop.key_is("approved", "Approved").await?;
    let switch = async |mode: &str| {
        let patch = Patch::Merge(json!({"spec": {"approvalMode": mode}}));
        shop.products()
            .patch(&shop.name, &PatchParams::default(), &patch)
            .await
    };
    switch("automatic").await?;
    shop.key_is("waiting", "Approved").await?;
    switch("manual").await?;
    throughout(Duration::from_secs(1), async || {
        for (key, kind) in [
            ("waiting", "Approved"),
            ("denied", "Denied"),
            ("approved", "Approved"),
        ] {
            ensure!(conditions(&shop.keys().get(key).await?)[0].type_ == kind);
        }
        Ok(())
    })
    .await
}

/// 38
async fn a_key_made_again_under_the_same_name_inherits_no_approval(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "again", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    shop.decide("mine", true, "approval").await?;
    shop.key_is("mine", "Approved").await?;
    shop.delete_key("mine").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    throughout(Duration::from_secs(2), async || {
        let key = shop.keys().get("mine").await?;
        ensure!(conditions(&key)[0].type_ == "Pending", "{:?}", key.status);
        ensure!(shop.enforcement("mine").await?.is_empty());
        Ok(())
    })
    .await
}

/// 3
async fn deleting_a_key_removes_its_request_and_its_approvals(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "removed", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Approved").await?;
    shop.delete_key("mine").await?;
    until("request and approval are gone", async || {
        let requests = shop
            .requests()
            .list(&ListParams::default())
            .await?
            .items
            .len();
        let approvals = shop
            .approvals()
            .list(&ListParams::default())
            .await?
            .items
            .len();
        Ok(if requests + approvals == 0 {
            Ok(())
        } else {
            Err((requests, approvals))
        })
    })
    .await
}
