//! How often may a key be used?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::{Shop, conditions};
use crate::stage::Stage;
use crate::wait::{until, within};

stories![
    over_the_limit_is_429_and_the_next_window_is_open_again,
    a_tier_in_no_plan_is_not_limited_and_says_so,
    two_consumers_of_one_tier_share_its_limit_and_the_condition_says_so,
    limits_per_consumer_keep_two_consumers_apart,
    a_change_of_plan_interrupts_nothing_and_is_soon_seen,
];

/// So many in so many seconds.
fn rate(limit: u32, seconds: u32) -> Value {
    json!({"custom": [{"limit": limit, "window": format!("{seconds}s")}]})
}

/// The answers to so many calls, one after the other.
async fn calls(shop: &Shop, value: &str, count: usize) -> Result<Vec<u16>> {
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(shop.ask(value).await?);
    }
    Ok(answers)
}

/// Waits until a key is over its limit.
async fn exhaust(shop: &Shop, value: &str) -> Result<()> {
    shop.gateway_answers(value, 429).await
}

async fn over_the_limit_is_429_and_the_next_window_is_open_again(stage: Arc<Stage>) -> Result<()> {
    let plans = &[("gold", rate(3, 2))];
    let shop = Shop::open_with(stage, "limited", "automatic", plans).await?;
    let value = shop.working_key("mine").await?;
    exhaust(&shop, &value).await?;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    ensure!(calls(&shop, &value, 4).await? == [200, 200, 200, 429]);
    // Who is refused for another reason uses nothing up.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    calls(&shop, "dpk_wrong", 5).await?;
    ensure!(calls(&shop, &value, 4).await? == [200, 200, 200, 429]);
    Ok(())
}

async fn a_tier_in_no_plan_is_not_limited_and_says_so(stage: Arc<Stage>) -> Result<()> {
    let plans = &[("gold", rate(1, 60))];
    let shop = Shop::open_with(stage, "tierless", "automatic", plans).await?;
    let mut key = shop.key("mine");
    key["spec"]["planTier"] = json!("platinum");
    shop.stage.apply(&key).await?;
    let key = shop.key_says("mine", "Enforced", "UnknownTier").await?;
    let told = conditions(&key).iter().find(|it| it.type_ == "Enforced");
    ensure!(told.is_some_and(|it| it.status == "False" && it.message.contains("not limited")));
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers(&value, 200).await?;
    ensure!(calls(&shop, &value, 10).await? == [200; 10]);
    Ok(())
}

/// A3
async fn two_consumers_of_one_tier_share_its_limit_and_the_condition_says_so(
    stage: Arc<Stage>,
) -> Result<()> {
    let plans = &[("gold", rate(20, 60))];
    let shop = Shop::open_with(stage, "shared", "automatic", plans).await?;
    let alice = shop.working_key("alice").await?;
    let bob = shop.working_key("bob").await?;
    exhaust(&shop, &alice).await?;
    ensure!(shop.ask(&bob).await? == 429, "the limit is not shared");
    // The gateway takes a key before the key says so.
    let key = shop.key_says("bob", "Enforced", "Enforced").await?;
    let told = conditions(&key).iter().find(|it| it.type_ == "Enforced");
    ensure!(told.is_some_and(|it| it.message.contains("shared by all keys of the tier")));
    Ok(())
}

/// A3, as docs/how-to/limit-each-consumer.md has it
async fn limits_per_consumer_keep_two_consumers_apart(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "apart").await?;
    shop.stage
        .delete(
            "extensions.kuadrant.io",
            "v1alpha1",
            "PlanPolicy",
            &shop.name,
            &shop.name,
        )
        .await?;
    let mut policy = shop.auth_policy();
    let annotation = |name: &str| json!({"expression": format!("auth.identity.metadata.annotations[\"secret.kuadrant.io/{name}\"]")});
    policy["spec"]["rules"]["response"] = json!({"success": {"filters": {"identity": {"json": {
        "properties": {"userid": annotation("user-id"), "plan": annotation("plan-id")}}}}}});
    shop.stage.apply(&policy).await?;
    let limits = json!({
        "apiVersion": "kuadrant.io/v1", "kind": "RateLimitPolicy",
        // Not the shop's: that of the PlanPolicy's own is just being collected.
        "metadata": {"name": "per-consumer", "namespace": shop.name},
        "spec": {"targetRef": shop.target(), "limits": {"gold": {
            "when": [{"predicate": "auth.identity.plan == \"gold\""}],
            "counters": [{"expression": "auth.identity.userid"}],
            "rates": [{"limit": 5, "window": "60s"}],
        }}},
    });
    shop.stage.apply(&limits).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    shop.product_says("AuthPolicyDiscovered", "True").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut values = Vec::new();
    for who in ["alice", "bob"] {
        let mut key = shop.key(who);
        key["spec"]["requestedBy"]["userId"] = json!(who);
        shop.stage.apply(&key).await?;
        let key = shop.key_says(who, "Enforced", "NoPlans").await?;
        values.push(shop.generated_value(&key).await?);
    }
    let [alice, bob] = &values[..] else {
        unreachable!()
    };
    exhaust(&shop, alice).await?;
    let first = until("the gateway knows bob's key", async || {
        let seen = shop.ask(bob).await?;
        Ok(if seen == 401 { Err(seen) } else { Ok(seen) })
    })
    .await?;
    ensure!(first == 200, "{first}: bob is limited with alice");
    ensure!(calls(&shop, bob, 5).await? == [200, 200, 200, 200, 429]);
    Ok(())
}

/// A4
async fn a_change_of_plan_interrupts_nothing_and_is_soon_seen(stage: Arc<Stage>) -> Result<()> {
    let plans = [("gold", json!({"daily": 100_000})), ("silver", rate(1, 60))];
    let shop = Shop::open_with(stage, "upgrade", "automatic", &plans).await?;
    let value = shop.working_key("mine").await?;
    for (tier, sign) in [("silver", 429), ("gold", 200)] {
        shop.patch_key("mine", &json!({"spec": {"planTier": tier}}))
            .await?;
        within(
            Duration::from_secs(5),
            &format!("the limit of {tier}"),
            async || {
                let seen = shop.ask(&value).await?;
                ensure!(seen == 200 || seen == 429, "the key was refused: {seen}");
                Ok(if seen == sign { Ok(()) } else { Err(seen) })
            },
        )
        .await?;
        let key = shop.keys().get("mine").await?;
        ensure!(
            shop.generated_value(&key).await? == value,
            "the key changed"
        );
    }
    Ok(())
}
