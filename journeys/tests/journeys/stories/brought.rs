//! The consumer brings the key: clients of the published API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::stories;
use crate::shop::{KUADRANT, Shop, conditions};
use crate::stage::Stage;
use crate::wait::{PROMPT, throughout, within};

stories![
    a_brought_key_is_enforced_with_the_published_names_labels_and_annotations,
    the_secret_may_come_before_the_key_or_after_it,
    a_secret_without_a_usable_value_says_what_is_wrong,
    the_consumers_own_secret_is_never_changed,
    the_request_shows_the_conditions_of_the_key,
    a_key_made_before_its_product_recovers_by_itself,
    an_unknown_tier_is_told_and_recovers_by_itself,
    an_expired_key_stops_within_a_second,
    an_end_that_is_no_moment_is_refused_and_one_of_another_time_zone_is_kept_to,
    transition_times_move_only_with_the_status,
];

/// 1, 11
async fn a_brought_key_is_enforced_with_the_published_names_labels_and_annotations(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "published", "automatic").await?;
    shop.bring("own", "brought-by-alice-0123456789abcdef")
        .await?;
    let mut key = shop.brought_key("mine", "own");
    let expires = Timestamp::from_second(Timestamp::now().as_second() + 3600)?;
    key["spec"]["expiresAt"] = json!(expires.to_string());
    shop.stage.apply(&key).await?;
    let key = shop.key_is("mine", "Approved").await?;

    let secret = shop
        .secrets(KUADRANT)
        .get(&shop.enforcement_name("mine"))
        .await?;
    let labels: BTreeMap<&str, &str> = secret
        .labels()
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let expected = [
        ("app", "published"),
        ("authorino.kuadrant.io/managed-by", "authorino"),
        ("devportal.kuadrant.io/apikey", "mine"),
        ("devportal.kuadrant.io/apikey-namespace", "published-dev"),
        ("devportal.kuadrant.io/apiproduct", "published"),
        ("devportal.kuadrant.io/apiproduct-namespace", "published"),
        ("devportal.kuadrant.io/enforcement", "true"),
    ];
    ensure!(labels == expected.into(), "labels: {labels:?}");
    let annotation = |name: &str| secret.annotations().get(name).map(String::as_str);
    ensure!(annotation("secret.kuadrant.io/plan-id") == Some("gold"));
    ensure!(annotation("secret.kuadrant.io/user-id") == Some("alice"));
    ensure!(annotation("secret.kuadrant.io/expires-at") == Some(expires.to_string().as_str()));
    ensure!(secret.type_.as_deref() == Some("Opaque"));

    let request = shop.requests().get(&shop.request_id("mine").name).await?;
    ensure!(request.owner_references().is_empty());
    ensure!(request.spec.use_case == "to play" && request.spec.plan_tier == "gold");
    let approval = shop
        .approvals()
        .get(&format!("{}-auto", request.name_any()))
        .await?;
    ensure!(approval.spec.approved && approval.spec.reviewed_by == "system");
    ensure!(approval.spec.reason.as_deref() == Some("AutoApproved"));
    let owner = approval
        .owner_references()
        .first()
        .context("the approval has no owner")?;
    ensure!(Some(&owner.uid) == request.metadata.uid.as_ref());
    ensure!(owner.controller == Some(true) && owner.block_owner_deletion == Some(true));

    let status = key.status.clone().unwrap_or_default();
    ensure!(status.api_hostname == Some(shop.hostname()));
    ensure!(
        status
            .limits
            .is_some_and(|limits| limits.daily == Some(100_000))
    );
    let credentials = status.auth_scheme.and_then(|scheme| scheme.credentials);
    ensure!(
        credentials
            .and_then(|c| c.authorization_header)
            .is_some_and(|h| h.prefix == "APIKEY")
    );
    let lifecycle = &conditions(&key)[0];
    ensure!(lifecycle.reason == "Approved");
    ensure!(
        lifecycle.message
            == "API key request approved by system: Automatically approved based on APIProduct approval mode"
    );
    shop.gateway_answers("brought-by-alice-0123456789abcdef", 200)
        .await
}

/// 14
async fn the_secret_may_come_before_the_key_or_after_it(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "orders", "automatic").await?;
    shop.bring("before", "brought-before-0123456789abcdef")
        .await?;
    shop.stage
        .apply(&shop.brought_key("first", "before"))
        .await?;
    shop.key_is("first", "Approved").await?;

    shop.stage
        .apply(&shop.brought_key("second", "after"))
        .await?;
    let failed = shop.key_is("second", "Failed").await?;
    ensure!(conditions(&failed)[0].message == "Referenced secret orders-dev/after not found");
    shop.bring("after", "brought-after-0123456789abcdef")
        .await?;
    let begun = std::time::Instant::now();
    shop.key_is("second", "Approved").await?;
    ensure!(begun.elapsed() < PROMPT, "took {:?}", begun.elapsed());
    shop.gateway_answers("brought-after-0123456789abcdef", 200)
        .await
}

/// 11
async fn a_secret_without_a_usable_value_says_what_is_wrong(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "empty", "automatic").await?;
    shop.bring("void", "").await?;
    shop.stage.apply(&shop.brought_key("mine", "void")).await?;
    let key = shop.key_says("mine", "Failed", "SecretAPIKeyEmpty").await?;
    ensure!(conditions(&key)[0].message == "Secret empty-dev/void has empty \"api_key\" entry");
    let nothing = k8s_openapi::api::core::v1::Secret {
        metadata: kube::api::ObjectMeta {
            name: Some("other".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    shop.secrets(&shop.dev)
        .create(&PostParams::default(), &nothing)
        .await?;
    shop.stage.apply(&shop.brought_key("mine", "other")).await?;
    let key = shop
        .key_says("mine", "Failed", "SecretAPIKeyNotFound")
        .await?;
    ensure!(
        conditions(&key)[0].message == "Secret empty-dev/other does not contain \"api_key\" entry"
    );
    ensure!(shop.enforcement("mine").await?.is_empty());
    Ok(())
}

/// 19
async fn the_consumers_own_secret_is_never_changed(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "own", "automatic").await?;
    let before = shop
        .bring("own", "brought-by-alice-fedcba9876543210")
        .await?;
    shop.stage.apply(&shop.brought_key("mine", "own")).await?;
    shop.key_is("mine", "Approved").await?;
    shop.decide("mine", false, "denial").await?;
    shop.key_is("mine", "Denied").await?;
    shop.delete_key("mine").await?;
    shop.enforcement_is_gone("mine", PROMPT).await?;
    throughout(Duration::from_secs(1), async || {
        let now = shop.secrets(&shop.dev).get("own").await?;
        ensure!(now.metadata == before.metadata && now.data == before.data);
        Ok(())
    })
    .await
}

/// 13
async fn the_request_shows_the_conditions_of_the_key(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "mirror", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    for (decision, kind) in [
        (None, "Pending"),
        (Some(true), "Approved"),
        (Some(false), "Denied"),
    ] {
        if let Some(approved) = decision {
            shop.decide("mine", approved, "approval").await?;
        }
        let key = shop.key_is("mine", kind).await?;
        within(
            Duration::from_secs(1),
            "the request says the same",
            async || {
                let key = shop.keys().get(&key.name_any()).await?;
                let request = shop.requests().get(&shop.request_id("mine").name).await?;
                let shown = request.status.unwrap_or_default().conditions;
                Ok(if shown == conditions(&key) {
                    Ok(())
                } else {
                    Err(shown)
                })
            },
        )
        .await?;
        // A decision within the same second would not be newer.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    Ok(())
}

/// 8
async fn a_key_made_before_its_product_recovers_by_itself(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "late").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop
        .key_says("mine", "Failed", "APIProductNotFound")
        .await?;
    ensure!(conditions(&key)[0].message == "Referenced APIProduct late/late not found");
    shop.stage.apply(&shop.product("automatic")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    shop.gateway_answers(&shop.generated_value(&key).await?, 200)
        .await
}

/// 8
async fn an_unknown_tier_is_told_and_recovers_by_itself(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "tiers", "automatic").await?;
    let mut key = shop.key("mine");
    key["spec"]["planTier"] = json!("platinum");
    shop.stage.apply(&key).await?;
    let key = shop.key_says("mine", "Enforced", "UnknownTier").await?;
    ensure!(
        conditions(&key)[0].type_ == "Approved",
        "an unknown tier does not fail a key"
    );
    ensure!(key.status.unwrap_or_default().limits.is_none());
    shop.stage
        .apply(&shop.plan_policy(&["gold", "platinum"]))
        .await?;
    let key = shop.key_says("mine", "Enforced", "Enforced").await?;
    ensure!(key.status.unwrap_or_default().limits.is_some());
    Ok(())
}

/// How late a key expired, as the controller tells: looking takes its own time.
fn late(key: &APIKey, expires: Timestamp) -> SignedDuration {
    let told = conditions(key)[0].last_transition_time.0;
    told.duration_since(expires)
}

/// 18
async fn an_expired_key_stops_within_a_second(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "expiry", "automatic").await?;
    let expires = Timestamp::from_second(Timestamp::now().as_second() + 12)?;
    let mut key = shop.key("mine");
    key["spec"]["expiresAt"] = json!(expires.to_string());
    shop.stage.apply(&key).await?;
    let approved = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&approved).await?;
    shop.gateway_answers(&value, 200).await?;
    let key = shop.key_is("mine", "Expired").await?;
    let late = late(&key, expires);
    ensure!(late < SignedDuration::from_secs(1), "expired {late} late");
    ensure!(conditions(&key)[0].message == format!("API key expired at {expires}"));
    ensure!(shop.enforcement("mine").await?.is_empty());
    within(Duration::from_secs(1), "the request says so", async || {
        let request = shop.requests().get(&shop.request_id("mine").name).await?;
        let shown = request.status.unwrap_or_default().conditions;
        Ok(if shown.iter().any(|c| c.type_ == "Expired") {
            Ok(())
        } else {
            Err(shown)
        })
    })
    .await?;
    shop.gateway_answers(&value, 401).await
}

/// 18
async fn an_end_that_is_no_moment_is_refused_and_one_of_another_time_zone_is_kept_to(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "zones", "automatic").await?;
    let mut key = shop.key("mine");
    for end in ["2027-01-01", "2027-01-01 10:00", "2027-01-01T10:00:60Z"] {
        key["spec"]["expiresAt"] = end.into();
        let refused = shop.stage.apply(&key).await;
        let words = refused.err().map(|it| it.to_string());
        let words = words.with_context(|| format!("{end} is taken"))?;
        ensure!(words.contains("spec.expiresAt"), "{end}: {words}");
    }
    let expires = Timestamp::from_second(Timestamp::now().as_second() + 12)?;
    let india = jiff::tz::Offset::from_seconds(19_800)?;
    let text = expires.display_with_offset(india).to_string();
    ensure!(text.ends_with("+05:30"), "{text}");
    key["spec"]["expiresAt"] = text.into();
    shop.stage.apply(&key).await?;
    let approved = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&approved).await?;
    shop.gateway_answers(&value, 200).await?;
    ensure!(Timestamp::now() < expires, "it took too long to tell");
    let key = shop.key_is("mine", "Expired").await?;
    let late = late(&key, expires);
    let second = SignedDuration::from_secs(1);
    ensure!(
        (SignedDuration::ZERO..second).contains(&late),
        "expired {late} late"
    );
    ensure!(conditions(&key)[0].message == format!("API key expired at {expires}"));
    shop.gateway_answers(&value, 401).await
}

/// 12
async fn transition_times_move_only_with_the_status(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "times", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let before = shop.key_is("mine", "Approved").await?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    shop.patch_key("mine", &json!({"spec": {"useCase": "to play more"}}))
        .await?;
    let after = within(
        Duration::from_secs(5),
        "the new generation is observed",
        async || {
            let key = shop.keys().get("mine").await?;
            let status = key.status.clone().unwrap_or_default();
            Ok(if status.observed_generation == key.metadata.generation {
                Ok(key)
            } else {
                Err(status)
            })
        },
    )
    .await?;
    let (before, after) = (&conditions(&before)[0], &conditions(&after)[0]);
    ensure!(after.observed_generation > before.observed_generation);
    ensure!(after.last_transition_time == before.last_transition_time);
    shop.secrets(&shop.dev)
        .delete("mine-apikey-secret", &DeleteParams::default())
        .await?;
    Ok(())
}
