//! What people met in the field: does the gateway do what keys and decisions say?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::super::stories;
use crate::shop::{KUADRANT, Shop, conditions};
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_denial_is_heard_however_far_ahead_the_clock_of_the_first_reviewer_is,
    a_denial_on_an_automatic_product_keeps_its_requester_out_until_it_is_lifted,
    of_two_keys_of_one_value_one_works_and_the_other_takes_it_nowhere,
    a_value_with_a_line_break_at_its_end_is_told_and_opens_nothing,
    a_secret_that_a_finalizer_holds_is_told_for_as_long_as_it_opens_the_api,
    a_key_whose_plan_changes_while_a_finalizer_holds_its_secret_is_held_to_the_new_one,
    another_rule_of_the_policy_moves_no_working_key,
    a_secret_of_a_secret_store_that_is_replaced_again_and_again_is_followed,
];

const DAILY: i64 = 100_000;

async fn open(stage: Arc<Stage>, name: &str, approval: &str) -> Result<Shop> {
    let plans = [("gold", json!({"daily": DAILY}))];
    Shop::open_with(stage, name, approval, &plans).await
}

async fn stays(shop: &Shop, value: &str, status: u16) -> Result<()> {
    for _ in 0..20 {
        let seen = shop.ask(value).await?;
        ensure!(seen == status, "{seen}, not {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Case 12
async fn a_denial_is_heard_however_far_ahead_the_clock_of_the_first_reviewer_is(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-ahead", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    let ahead = Timestamp::now() + SignedDuration::from_hours(2);
    shop.decide_in(&shop.name, "mine", true, "yes", ahead)
        .await?;
    let key = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers(&value, 200).await?;
    // The API server tells creations in whole seconds.
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.decide("mine", false, "no").await?;
    shop.key_is("mine", "Denied").await?;
    shop.gateway_answers(&value, 401).await
}

/// Behaviour 20: the how-to promises it
async fn a_denial_on_an_automatic_product_keeps_its_requester_out_until_it_is_lifted(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-shed", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Approved").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let denial = shop.decide("mine", false, "no").await?;
    shop.key_is("mine", "Denied").await?;
    let name = denial.metadata.name.context("a name")?;
    until("the denial stands", async || {
        let status = shop.approvals().get(&name).await?.status;
        let conditions = status.map(|it| it.conditions).unwrap_or_default();
        let stands = conditions.iter().any(|it| it.type_ == "Stands");
        Ok(if stands { Ok(()) } else { Err(conditions) })
    })
    .await?;
    shop.delete_key("mine").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Denied").await?;
    shop.stage.apply(&shop.key("other")).await?;
    shop.key_says("other", "AutomaticApproval", "RequesterDenied")
        .await?;
    shop.key_is("other", "Pending").await?;
    shop.approvals()
        .delete(&name, &DeleteParams::default())
        .await?;
    shop.key_is("other", "Approved").await?;
    shop.key_is("mine", "Approved").await?;
    Ok(())
}

/// Case 9
async fn of_two_keys_of_one_value_one_works_and_the_other_takes_it_nowhere(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-twice", "manual").await?;
    let value = "field-twice-0123456789abcdef0123456789";
    shop.bring("pending", value).await?;
    for (key, other) in [("first", "second"), ("second", "first")] {
        shop.stage.apply(&shop.brought_key(key, "pending")).await?;
        shop.decide(key, true, "yes").await?;
        if key == "first" {
            shop.key_says(key, "Enforced", "Enforced").await?;
            shop.gateway_answers(value, 200).await?;
        } else {
            let found = shop.key_says(key, "Enforced", "ValueInUse").await?;
            let told = conditions(&found).iter().map(|it| &it.message);
            ensure!(told.clone().all(|it| !it.contains(other)));
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.decide("second", false, "no").await?;
    shop.key_is("second", "Denied").await?;
    stays(&shop, value, 200).await?;
    shop.decide("second", true, "again").await?;
    shop.key_says("second", "Enforced", "ValueInUse").await?;
    shop.delete_key("first").await?;
    shop.key_says("second", "Enforced", "Enforced").await?;
    shop.gateway_answers(value, 200).await?;
    stays(&shop, value, 200).await
}

/// Case 25
async fn a_value_with_a_line_break_at_its_end_is_told_and_opens_nothing(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-newline", "automatic").await?;
    let value = "field-newline-0123456789abcdef012345";
    shop.bring("dirty", &format!("{value}\n")).await?;
    shop.stage.apply(&shop.brought_key("mine", "dirty")).await?;
    shop.key_says("mine", "Failed", "SecretAPIKeyUnsendable")
        .await?;
    ensure!(shop.enforcement("mine").await?.is_empty());
    let clean = Patch::Merge(json!({"stringData": {"api_key": value}}));
    shop.secrets(&shop.dev)
        .patch("dirty", &PatchParams::default(), &clean)
        .await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(value, 200).await
}

/// Case 18
async fn a_secret_that_a_finalizer_holds_is_told_for_as_long_as_it_opens_the_api(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-held", "automatic").await?;
    let value = shop.working_key("mine").await?;
    let name = shop.enforcement_name("mine");
    let hold = |finalizers| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    let secrets = shop.secrets(KUADRANT);
    let params = PatchParams::default();
    let finalizer = hold(json!(["example.com/hold"]));
    secrets.patch(&name, &params, &finalizer).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.decide("mine", false, "no").await?;
    shop.key_is("mine", "Denied").await?;
    let key = shop
        .key_says("mine", "Enforced", "RevocationRefused")
        .await?;
    let listed = key.status.context("a status")?.credentials;
    ensure!(listed.len() == 1 && listed[0].id == name, "{listed:?}");
    stays(&shop, &value, 200).await?;
    secrets.patch(&name, &params, &hold(json!(null))).await?;
    shop.gateway_answers(&value, 401).await?;
    until("it says so", async || {
        let key = shop.keys().get("mine").await?;
        let told = conditions(&key);
        let is_over = told.iter().all(|it| it.type_ != "Enforced");
        Ok(if is_over { Ok(()) } else { Err(key.status) })
    })
    .await
}

async fn a_key_whose_plan_changes_while_a_finalizer_holds_its_secret_is_held_to_the_new_one(
    stage: Arc<Stage>,
) -> Result<()> {
    let plans = [
        ("gold", json!({"daily": DAILY})),
        ("tin", json!({"daily": 1})),
    ];
    let shop = Shop::open_with(stage, "field-held-plan", "automatic", &plans).await?;
    let value = shop.working_key("mine").await?;
    let name = shop.enforcement_name("mine");
    let secrets = shop.secrets(KUADRANT);
    let change = async |metadata| {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        anyhow::Ok(
            secrets
                .patch(&name, &PatchParams::default(), &patch)
                .await?,
        )
    };
    change(json!({"finalizers": ["example.com/hold"]})).await?;
    shop.patch_key("mine", &json!({"spec": {"planTier": "tin"}}))
        .await?;
    shop.gateway_answers(&value, 429).await?;
    stays(&shop, &value, 429).await?;
    // Whatever changes it puts it in the place of the other again, until that is made anew.
    change(json!({"annotations": {"example.com/holds": "still"}})).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.gateway_answers(&value, 429).await?;
    stays(&shop, &value, 429).await?;
    change(json!({"finalizers": null})).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.gateway_answers(&value, 429).await?;
    stays(&shop, &value, 429).await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    ensure!(shop.enforcement("mine").await?.len() == 1);
    Ok(())
}

async fn another_rule_of_the_policy_moves_no_working_key(stage: Arc<Stage>) -> Result<()> {
    let shop = open(stage, "field-rules", "automatic").await?;
    let value = shop.working_key("mine").await?;
    let before = shop.enforcement("mine").await?;
    let mut policy = shop.auth_policy();
    policy["spec"]["rules"]["authentication"]["a-new-one"] = json!({
        "apiKey": {"selector": {"matchLabels": {"app": "another"}}},
        "credentials": {"customHeader": {"name": "x-key"}},
    });
    shop.stage.apply(&policy).await?;
    until("the rule is seen", async || {
        let status = shop.products().get(&shop.name).await?.status;
        let scheme = status.and_then(|it| it.discovered_auth_scheme);
        let rules = scheme.map(|it| it.authentication.into_keys().collect::<Vec<_>>());
        let is_seen = rules.as_ref().is_some_and(|it| it.len() == 2);
        Ok(if is_seen { Ok(()) } else { Err(rules) })
    })
    .await?;
    stays(&shop, &value, 200).await?;
    let uid = |of: &[k8s_openapi::api::core::v1::Secret]| of[0].metadata.uid.clone();
    ensure!(uid(&shop.enforcement("mine").await?) == uid(&before));
    let status = shop.products().get(&shop.name).await?.status;
    ensure!(status.and_then(|it| it.auth_rule).as_deref() == Some("keys"));
    Ok(())
}

/// Case 17
async fn a_secret_of_a_secret_store_that_is_replaced_again_and_again_is_followed(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = open(stage, "field-replaced", "manual").await?;
    let secrets = shop.secrets(&shop.dev);
    let value = |version: u8| format!("field-replaced-v{version}-0123456789abcdef");
    let stored = |version: u8| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"},
            "type": "kubernetes.io/basic-auth", "immutable": true,
            "stringData": {"username": "shop", "password": "not-for-the-gateway",
                "api_key": value(version), "api_key_old": value(0), "client2": value(0)},
        })
    };
    let create = async |version: u8| {
        let secret = serde_json::from_value(stored(version))?;
        anyhow::Ok(secrets.create(&PostParams::default(), &secret).await?)
    };
    create(1).await?;
    shop.stage.apply(&shop.brought_key("mine", "mine")).await?;
    shop.decide("mine", true, "yes").await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&value(1), 200).await?;
    // Ten times in a row, as fast as it goes, then once more.
    let mut made = None;
    for version in 2..=11 {
        secrets.delete("mine", &DeleteParams::default()).await?;
        made = Some(create(version).await?.metadata);
    }
    for version in 11..=12 {
        if version == 12 {
            secrets.delete("mine", &DeleteParams::default()).await?;
            made = Some(create(version).await?.metadata);
        }
        shop.gateway_answers(&value(version), 200).await?;
        shop.gateway_answers(&value(version - 1), 401).await?;
        until("one Secret is left, with one entry", async || {
            let held = shop.enforcement("mine").await?;
            let entries = held.iter().filter_map(|it| it.data.as_ref());
            let entries: Vec<_> = entries.flat_map(|it| it.keys().cloned()).collect();
            Ok(if entries == ["api_key"] {
                Ok(())
            } else {
                Err(entries)
            })
        })
        .await?;
        let now = Some(secrets.get("mine").await?.metadata);
        ensure!(now == made, "the consumer's Secret was changed");
    }
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.key_is("mine", "Approved").await?;
    let decisions = shop.approvals().list(&ListParams::default()).await?.items;
    ensure!(decisions.len() == 1, "{decisions:?}");
    Ok(())
}
