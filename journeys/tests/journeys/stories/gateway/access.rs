//! Whom does the gateway let in, and where do they show their key?

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devportal_api::name::{annotation, label};
use devportal_api::scheme::Credentials;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::{Shop, conditions};
use crate::stage::Stage;
use crate::wait::{until, within};

stories![
    a_key_works_where_its_status_says_and_nowhere_else,
    a_policy_of_the_gateway_that_overrides_decides,
    two_products_of_one_gateway_never_open_for_each_others_keys,
    a_copied_selector_is_told_to_both_owners_until_one_selects_by_product,
    an_expired_key_is_refused,
    a_suspended_key_is_refused_and_comes_back_as_it_was_approved,
    a_broken_tier_or_selector_is_told_within_ten_seconds,
];

/// A value at the place a key's status names: headers and path.
fn present(credentials: &Credentials, value: &str) -> Result<(Vec<(String, String)>, String)> {
    let credentials = serde_json::to_value(credentials)?;
    let name = |place: &str| credentials[place]["name"].as_str();
    let header = |name: &str, value: String| Ok((vec![(name.to_owned(), value)], "/".to_owned()));
    if let Some(prefix) = credentials["authorizationHeader"]["prefix"].as_str() {
        header("authorization", format!("{prefix} {value}"))
    } else if let Some(name) = name("customHeader") {
        header(name, value.to_owned())
    } else if let Some(name) = name("cookie") {
        header("cookie", format!("{name}={value}"))
    } else {
        let name = name("queryString").context("no place for the key")?;
        Ok((vec![], format!("/?{name}={value}")))
    }
}

async fn call_as_told(shop: &Shop, credentials: &Credentials, value: &str) -> Result<u16> {
    let (headers, path) = present(credentials, value)?;
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    shop.stage.call(&shop.hostname(), &path, &headers).await
}

async fn a_key_works_where_its_status_says_and_nowhere_else(stage: Arc<Stage>) -> Result<()> {
    for (name, place) in [
        (
            "in-prefix",
            json!({"authorizationHeader": {"prefix": "TOYS"}}),
        ),
        ("in-header", json!({"customHeader": {"name": "X-Toys-Key"}})),
        ("in-query", json!({"queryString": {"name": "toys_key"}})),
        ("in-cookie", json!({"cookie": {"name": "toys"}})),
    ] {
        let shop = Shop::prepare(Arc::clone(&stage), name).await?;
        let mut policy = shop.auth_policy();
        policy["spec"]["rules"]["authentication"]["keys"]["credentials"] = place;
        shop.stage.apply(&policy).await?;
        shop.stage.apply(&shop.product("automatic")).await?;
        shop.stage.apply(&shop.key("mine")).await?;
        let key = shop.key_says("mine", "Enforced", "Enforced").await?;
        let value = shop.generated_value(&key).await?;
        let scheme = key.status.and_then(|status| status.auth_scheme);
        let credentials = scheme
            .and_then(|scheme| scheme.credentials)
            .context("the status names no place")?;
        until(&format!("{name}: 200"), async || {
            let seen = call_as_told(&shop, &credentials, &value).await?;
            Ok(if seen == 200 { Ok(()) } else { Err(seen) })
        })
        .await?;
        ensure!(call_as_told(&shop, &credentials, "wrong").await? == 401);
        ensure!(shop.ask(&value).await? == 401, "{name}: accepted elsewhere");
    }
    Ok(())
}

async fn a_policy_of_the_gateway_that_overrides_decides(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "overridden").await?;
    shop.take_a_gateway_of_its_own().await?;
    let overriding = json!({
        "apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy",
        "metadata": {"name": "house-rules", "namespace": shop.name},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": shop.name},
            "overrides": {"rules": {"authentication": {"house": {
                "apiKey": {"selector": {"matchLabels": {"house": "rules"}}},
                "credentials": {"customHeader": {"name": "X-House-Key"}},
            }}}},
        },
    });
    shop.stage.apply(&overriding).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    shop.stage.apply(&shop.key("mine")).await?;
    until("the status names the gateway's scheme", async || {
        let status = shop.keys().get("mine").await?.status.unwrap_or_default();
        let scheme = serde_json::to_value(&status.auth_scheme)?;
        let is_there = scheme["credentials"]["customHeader"]["name"] == "X-House-Key";
        Ok(if is_there { Ok(()) } else { Err(scheme) })
    })
    .await?;
    let key = shop.key_says("mine", "Enforced", "Enforced").await?;
    let value = shop.generated_value(&key).await?;
    let house: &[(&str, &str)] = &[("X-House-Key", &value)];
    until("the gateway's scheme opens", async || {
        let seen = shop.stage.call(&shop.hostname(), "/", house).await?;
        Ok(if seen == 200 { Ok(()) } else { Err(seen) })
    })
    .await?;
    ensure!(
        shop.ask(&value).await? == 401,
        "the route's scheme opens as well"
    );
    Ok(())
}

/// 41, in part
async fn two_products_of_one_gateway_never_open_for_each_others_keys(
    stage: Arc<Stage>,
) -> Result<()> {
    let one = Shop::open(Arc::clone(&stage), "neighbour-one", "automatic").await?;
    let two = Shop::open(stage, "neighbour-two", "automatic").await?;
    let (mine, theirs) = (
        one.working_key("mine").await?,
        two.working_key("theirs").await?,
    );
    ensure!(one.ask(&theirs).await? == 401);
    ensure!(two.ask(&mine).await? == 401);
    Ok(())
}

/// 41: what Authorino makes of a copied selector, nobody learns by accident
async fn a_copied_selector_is_told_to_both_owners_until_one_selects_by_product(
    stage: Arc<Stage>,
) -> Result<()> {
    let one = Shop::open(Arc::clone(&stage), "copied-from", "automatic").await?;
    let two = Shop::prepare(stage, "copied-to").await?;
    let select = |shop: &Shop, labels: Value| {
        let mut policy = shop.auth_policy();
        policy["spec"]["rules"]["authentication"]["keys"]["apiKey"]["selector"]["matchLabels"] =
            labels;
        policy
    };
    let copied = select(&two, json!({"app": one.name}));
    two.stage.apply(&copied).await?;
    two.stage.apply(&two.product("automatic")).await?;
    let told = one.product_says("SelectorShared", "True").await?;
    two.product_says("SelectorShared", "True").await?;
    let conditions = told.status.unwrap_or_default().conditions;
    let names_the_other = |it: &Condition| it.message.contains("copied-to/copied-to");
    ensure!(conditions.iter().any(names_the_other), "{conditions:?}");
    let theirs = two.working_key("theirs").await?;
    one.gateway_answers(&theirs, 200).await?;

    let pinned = json!({
        label::PRODUCT: one.name,
        label::PRODUCT_NAMESPACE: one.name,
    });
    one.stage.apply(&select(&one, pinned)).await?;
    for shop in [&one, &two] {
        until("the alarm is over", async || {
            let status = shop.products().get(&shop.name).await?.status;
            let conditions = status.unwrap_or_default().conditions;
            let is_over = conditions.iter().all(|it| it.type_ != "SelectorShared");
            Ok(if is_over { Ok(()) } else { Err(conditions) })
        })
        .await?;
    }
    one.gateway_answers(&theirs, 401).await?;
    let mine = one.working_key("mine").await?;
    ensure!(two.ask(&mine).await? == 401);
    Ok(())
}

/// 18, at the gateway
async fn an_expired_key_is_refused(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "expiring", "automatic").await?;
    let end = Timestamp::now() + SignedDuration::from_secs(12);
    let mut key = shop.key("mine");
    key["spec"]["expiresAt"] = json!(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    shop.stage.apply(&key).await?;
    let key = shop.key_says("mine", "Enforced", "Enforced").await?;
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers(&value, 200).await?;
    let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
    let begun = Instant::now();
    within(left + Duration::from_secs(1), "401", async || {
        let seen = shop.ask(&value).await?;
        Ok(if seen == 401 { Ok(()) } else { Err(seen) })
    })
    .await?;
    // Written to the second: up to one earlier.
    ensure!(
        begun.elapsed() + Duration::from_secs(1) >= left,
        "refused early"
    );
    Ok(())
}

/// A1 and 37, as docs/how-to/take-access-away.md has it
async fn a_suspended_key_is_refused_and_comes_back_as_it_was_approved(
    stage: Arc<Stage>,
) -> Result<()> {
    const VALUE: &str = "brought-and-suspended-0123456789";
    let shop = Shop::open(stage, "suspending", "manual").await?;
    shop.bring("own", VALUE).await?;
    shop.stage.apply(&shop.brought_key("mine", "own")).await?;
    shop.key_is("mine", "Pending").await?;
    shop.decide("mine", true, "approval").await?;
    shop.gateway_answers(VALUE, 200).await?;

    let denial = shop.decide("mine", false, "suspended").await?;
    shop.gateway_answers(VALUE, 401).await?;
    shop.patch_key("mine", &json!({"spec": {"planTier": "silver"}}))
        .await?;
    shop.key_is("mine", "Denied").await?;

    let name = denial.metadata.name.unwrap_or_default();
    let all = DeleteParams::default();
    shop.approvals().delete(&name, &all).await?;
    shop.gateway_answers(VALUE, 200).await?;
    shop.key_says("mine", "Enforced", "AwaitingReapproval")
        .await?;
    let enforced = shop.enforcement("mine").await?;
    let tiers: Vec<_> = (enforced.iter())
        .map(|it| it.annotations().get(annotation::PLAN).map(String::as_str))
        .collect();
    ensure!(tiers == [Some("gold")], "{tiers:?}");
    Ok(())
}

/// A9
async fn a_broken_tier_or_selector_is_told_within_ten_seconds(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "broken", "automatic").await?;
    let value = shop.working_key("mine").await?;
    let says = async |reason: &str| {
        within(Duration::from_secs(10), reason, async || {
            let key = shop.keys().get("mine").await?;
            let found = conditions(&key).iter().any(|it| it.reason == reason);
            Ok(if found { Ok(()) } else { Err(key.status) })
        })
        .await
    };
    shop.stage.apply(&shop.plan_policy(&["silver"])).await?;
    says("UnknownTier").await?;
    shop.stage.apply(&shop.plan_policy(&["gold"])).await?;
    says("Enforced").await?;
    let mut clash = shop.auth_policy();
    clash["spec"]["rules"]["authentication"]["keys"]["apiKey"]["selector"]["matchLabels"] =
        json!({"app": shop.name, "devportal.kuadrant.io/enforcement": "false"});
    shop.stage.apply(&clash).await?;
    says("SelectorUnsatisfiable").await?;
    shop.gateway_answers(&value, 401).await?;
    shop.stage.apply(&shop.auth_policy()).await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&value, 200).await
}
