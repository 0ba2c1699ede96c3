//! What of policies makes a status untrue is told; and the gateway does what is told of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_rule_that_caches_goes_on_letting_in_whose_key_was_denied,
    an_anonymous_rule_beside_the_keys_takes_their_plan_away,
    keys_are_made_for_the_rule_that_is_always_tried,
    a_policy_that_authenticates_nobody_lets_everybody_in,
];

/// Changes the AuthPolicy.
async fn change_policy(shop: &Shop, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut policy = shop.auth_policy();
    change(&mut policy["spec"]);
    shop.stage.apply(&policy).await?;
    Ok(())
}

/// Waits until the product says so of the policies as they are, and these are enforced.
async fn says(shop: &Shop, kind: &str, reason: &str) -> Result<()> {
    until(&format!("the product says {reason}"), async || {
        let status = shop.products().get(&shop.name).await?.status;
        let conditions = status.map(|it| it.conditions).unwrap_or_default();
        let is_told = |kind: &str, reason: &str| {
            let mut told = conditions.iter();
            told.any(|it| it.type_ == kind && it.reason == reason)
        };
        let is_so = is_told(kind, reason) && is_told("AuthPolicyDiscovered", "Found");
        Ok(if is_so { Ok(()) } else { Err(conditions) })
    })
    .await
}

async fn a_rule_that_caches_goes_on_letting_in_whose_key_was_denied(
    stage: Arc<Stage>,
) -> Result<()> {
    const TTL: u64 = 15;
    let shop = Shop::open(stage, "untrue-cache", "automatic").await?;
    change_policy(&shop, |it| {
        let key = json!({"expression": "request.headers.authorization"});
        it["rules"]["authentication"]["keys"]["cache"] = json!({"key": key, "ttl": TTL});
    })
    .await?;
    says(&shop, "AccessCached", "RuleCaches").await?;
    let value = shop.working_key("mine").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(shop.ask(&value).await? == 200);
    shop.decide("mine", false, "no").await?;
    shop.key_is("mine", "Denied").await?;
    shop.enforcement_is_gone("mine", Duration::from_secs(5))
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = shop.ask(&value).await?;
    ensure!(seen == 200, "{seen}: Authorino has forgotten it");
    shop.gateway_answers(&value, 401).await
}

async fn an_anonymous_rule_beside_the_keys_takes_their_plan_away(stage: Arc<Stage>) -> Result<()> {
    const LIMIT: u16 = 3;
    let limits = json!({"custom": [{"limit": LIMIT, "window": "10m"}]});
    let plans = [("gold", limits)];
    let shop = Shop::open_with(stage, "untrue-anonymous", "automatic", &plans).await?;
    let anonymous = |priority: u16| {
        move |it: &mut Value| {
            let rule = json!({"anonymous": {}, "priority": priority});
            it["rules"]["authentication"]["public"] = rule;
        }
    };
    change_policy(&shop, anonymous(0)).await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_says("mine", "Enforced", "AnonymousFirst").await?;
    says(&shop, "PlansInForce", "AnonymousFirst").await?;
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers("nobody's", 200).await?;
    let mut entered = 0;
    for _ in 0..10 * LIMIT {
        entered += u16::from(shop.ask(&value).await? == 200);
    }
    ensure!(entered > LIMIT, "{entered} of {}", 10 * LIMIT);
    change_policy(&shop, anonymous(1)).await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&value, 429).await?;
    shop.gateway_answers("nobody's", 200).await
}

async fn keys_are_made_for_the_rule_that_is_always_tried(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "untrue-when").await?;
    let mut policy = shop.auth_policy();
    // By its name it would be the one.
    let mut partners = policy["spec"]["rules"]["authentication"]["keys"].clone();
    partners["apiKey"]["selector"]["matchLabels"] = json!({"app": "partners"});
    partners["when"] = json!([{"predicate": "request.host.startsWith('partner.')"}]);
    policy["spec"]["rules"]["authentication"]["a-partners"] = partners;
    shop.stage.apply(&policy).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    let value = shop.working_key("mine").await?;
    // Where it is the only one, the key that is made for it is refused, and the product says so.
    let rules = policy["spec"]["rules"]["authentication"]
        .as_object_mut()
        .context("rules")?;
    rules.remove("keys");
    shop.stage.apply(&policy).await?;
    says(&shop, "AcceptedEverywhere", "RuleConditional").await?;
    shop.gateway_answers(&value, 401).await
}

async fn a_policy_that_authenticates_nobody_lets_everybody_in(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "untrue-open", "automatic").await?;
    let value = shop.working_key("mine").await?;
    shop.gateway_answers("nobody's", 401).await?;
    let mut of_rule = shop.auth_policy();
    of_rule["metadata"]["name"] = "more".into();
    of_rule["spec"]["targetRef"]["sectionName"] = "rule-1".into();
    of_rule["spec"]["rules"] = json!({"authorization": {
        "all": {"patternMatching": {"patterns": [{"predicate": "true"}]}},
    }});
    shop.stage.apply(&of_rule).await?;
    says(&shop, "PartlyOpen", "NoAuthenticationRule").await?;
    shop.gateway_answers("nobody's", 200).await?;
    let admin = &shop.stage.admin;
    crate::stage::delete(admin, "kuadrant.io", "v1", "AuthPolicy", &shop.name, "more").await?;
    shop.gateway_answers("nobody's", 401).await?;
    // Of the stand-in for the shim nobody can see what a condition of the policy lets in.
    change_policy(&shop, |it| {
        it["when"] = json!([{"predicate": "request.method != 'GET'"}]);
    })
    .await?;
    says(&shop, "PartlyOpen", "PolicyConditional").await?;
    shop.gateway_answers(&value, 200).await
}
