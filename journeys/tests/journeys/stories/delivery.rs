//! A portal shows a key, once; an owner decides about what a portal showed.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::stories;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_key_that_is_shown_once_has_one_secret_in_the_whole_cluster,
    a_rotation_of_a_key_that_is_shown_once_offers_the_new_value,
    how_a_key_is_delivered_cannot_be_changed,
    an_owner_grants_another_tier_than_was_asked_for,
    an_approval_of_terms_that_have_changed_grants_nothing,
];

fn shown_once(shop: &Shop) -> Value {
    let mut key = shop.key("mine");
    key["spec"]["delivery"] = json!("Once");
    key
}

/// What a portal does: claims the value in the status that tells of it, and reads it.
async fn claim(shop: &Shop, key: &APIKey) -> Result<String> {
    let status = key.status.as_ref().context("no status")?;
    ensure!(status.can_read_secret == Some(true), "there is no offer");
    let offered = status.credentials.last().context("no credential")?;
    ensure!(offered.digest.is_some(), "no digest is told");
    let claim = Patch::Merge(json!({
        "metadata": {"resourceVersion": key.metadata.resource_version},
        "status": {"canReadSecret": false},
    }));
    shop.keys()
        .patch_status(&key.name_any(), &PatchParams::default(), &claim)
        .await?;
    shop.value(KUADRANT, &offered.id).await
}

/// Waits until a value is offered and nothing is under way any more.
async fn offered(shop: &Shop, revision: i64) -> Result<APIKey> {
    until("a value is offered", async || {
        let key = shop.keys().get("mine").await?;
        let status = key.status.clone().unwrap_or_default();
        let last = status.credentials.last();
        let is_there = status.can_read_secret == Some(true)
            && last.is_some_and(|it| it.revision == revision && it.digest.is_some());
        Ok(if is_there { Ok(key) } else { Err(status) })
    })
    .await
}

async fn a_key_that_is_shown_once_has_one_secret_in_the_whole_cluster(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "once", "automatic").await?;
    shop.stage.apply(&shown_once(&shop)).await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    let key = offered(&shop, 0).await?;
    ensure!(
        key.status
            .as_ref()
            .is_some_and(|it| it.secret_ref.is_none())
    );
    let value = claim(&shop, &key).await?;
    shop.gateway_answers(&value, 200).await?;

    let all: Api<Secret> = Api::all(shop.stage.admin.clone());
    let secrets = all.list(&ListParams::default()).await?.items;
    let holds = |secret: &&Secret| {
        let mut entries = secret.data.iter().flat_map(|it| it.values());
        entries.any(|it| it.0 == value.as_bytes())
    };
    let holding: Vec<_> = secrets.iter().filter(holds).collect();
    ensure!(holding.len() == 1, "{} Secrets hold it", holding.len());
    ensure!(holding[0].namespace().as_deref() == Some(KUADRANT));
    let again = claim(&shop, &key).await;
    ensure!(again.is_err(), "the same offer was taken twice");
    ensure!(claim(&shop, &shop.keys().get("mine").await?).await.is_err());
    Ok(())
}

async fn a_rotation_of_a_key_that_is_shown_once_offers_the_new_value(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "once-again", "automatic").await?;
    shop.stage.apply(&shown_once(&shop)).await?;
    let old = claim(&shop, &offered(&shop, 0).await?).await?;
    shop.gateway_answers(&old, 200).await?;
    let rotate = json!({"spec": {"rotation": {"revision": 1, "overlap": "1h"}}});
    shop.patch_key("mine", &rotate).await?;
    let new = claim(&shop, &offered(&shop, 1).await?).await?;
    ensure!(old != new);
    shop.gateway_answers(&new, 200).await?;
    shop.gateway_answers(&old, 200).await?;

    let silver = json!({"spec": {"planTier": "silver"}});
    shop.patch_key("mine", &silver).await?;
    until("the tier is enforced", async || {
        let secrets = shop.enforcement("mine").await?;
        let tier = |it: &Secret| it.annotations().get("secret.kuadrant.io/plan-id").cloned();
        let tiers: Vec<_> = secrets.iter().map(tier).collect();
        let is_there = tiers.len() == 2 && tiers.iter().all(|it| it.as_deref() == Some("silver"));
        Ok(if is_there { Ok(()) } else { Err(tiers) })
    })
    .await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&new, 200).await?;
    let status = shop.keys().get("mine").await?.status.unwrap_or_default();
    ensure!(status.can_read_secret == Some(false), "it was shown");
    Ok(())
}

async fn how_a_key_is_delivered_cannot_be_changed(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "once-for-all", "manual").await?;
    shop.stage.apply(&shown_once(&shop)).await?;
    shop.key_is("mine", "Pending").await?;
    let to_secret = json!({"spec": {"delivery": "Secret"}});
    ensure!(shop.patch_key("mine", &to_secret).await.is_err());
    let to_brought = json!({"spec": {"secretRef": {"name": "own"}}});
    ensure!(shop.patch_key("mine", &to_brought).await.is_err());
    Ok(())
}

/// An approval with more in its spec than [`Shop::decide`] writes.
async fn decide(shop: &Shop, suffix: &str, more: &Value) -> Result<String> {
    let request = shop.request_id("mine").name;
    let name = format!("{request}-{suffix}");
    let now = devportal_api::condition::whole_second(jiff::Timestamp::now());
    let mut object = json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
        "metadata": {"name": name, "namespace": shop.name},
        "spec": {
            "apiKeyRequestRef": {"name": request}, "approved": true,
            "reviewedBy": "olivia", "reviewedAt": now.to_string(),
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    shop.stage.apply(&object).await?;
    Ok(name)
}

async fn an_owner_grants_another_tier_than_was_asked_for(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "partial", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    let grant = json!({"planTier": "silver", "expiresAt": "2099-01-01T00:00:00Z"});
    decide(&shop, "approval", &grant).await?;
    let key = shop.key_says("mine", "Enforced", "Enforced").await?;
    let terms = key.status.clone().unwrap_or_default().approved_terms;
    let terms = terms.context("no terms")?;
    ensure!(terms.plan_tier == "silver" && terms.expires_at.is_some());
    ensure!(
        terms
            .asked
            .is_some_and(|it| it.plan_tier == "gold" && it.expires_at.is_none())
    );
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers(&value, 200).await?;
    let secrets = shop.enforcement("mine").await?;
    let tier = secrets[0].annotations().get("secret.kuadrant.io/plan-id");
    ensure!(tier.map(String::as_str) == Some("silver"));
    Ok(())
}

async fn an_approval_of_terms_that_have_changed_grants_nothing(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "shown", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    let request = shop.request_id("mine").name;
    let shown = shop.requests().get(&request).await?.terms();
    let silver = json!({"spec": {"planTier": "silver"}});
    shop.patch_key("mine", &silver).await?;
    until("the owner sees the change", async || {
        let tier = shop.requests().get(&request).await?.spec.plan_tier;
        Ok(if tier == "silver" { Ok(()) } else { Err(tier) })
    })
    .await?;
    let name = decide(&shop, "approval", &json!({"terms": shown})).await?;
    until("the approval says that it does not count", async || {
        let status = shop.approvals().get(&name).await?.status;
        let conditions = status.clone().unwrap_or_default().conditions;
        let is_there = conditions.iter().any(|it| it.reason == "TermsChanged");
        Ok(if is_there { Ok(()) } else { Err(status) })
    })
    .await?;
    shop.key_is("mine", "Pending").await?;
    ensure!(shop.enforcement("mine").await?.is_empty());

    let shown = shop.requests().get(&request).await?.terms();
    decide(&shop, "approval-2", &json!({"terms": shown})).await?;
    shop.key_is("mine", "Approved").await?;
    Ok(())
}
