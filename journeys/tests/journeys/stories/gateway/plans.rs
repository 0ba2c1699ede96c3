//! Does the gateway hold the limits that are shown?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::{PATIENCE, until, within};

stories![
    of_two_plan_policies_the_limit_that_is_shown_is_the_one_that_holds,
    tiers_of_zero_of_nothing_and_there_twice_are_held_as_their_keys_tell,
];

/// How long a window is, in seconds.
const WINDOW: u64 = 2;
/// More calls than any limit here lets through.
const MORE_THAN_ANY: u64 = 12;

/// A PlanPolicy of this name that lets so many calls through in a window.
fn policy(shop: &Shop, name: &str, limit: u64) -> Value {
    let rate = json!({"custom": [{"limit": limit, "window": format!("{WINDOW}s")}]});
    let mut policy = shop.plans([("gold", rate)]);
    policy["metadata"]["name"] = json!(name);
    policy
}

/// The limit that the product shows, and whether it says that there are several policies.
async fn shown(shop: &Shop) -> Result<(u64, bool)> {
    let status = shop.products().get(&shop.name).await?.status;
    let status = status.context("no status")?;
    let is_doubtful = |it: &str| it == "SeveralPlanPolicies" || it == "PlanPolicyNotEnforced";
    let mut told = status.conditions.iter();
    let is_told = told.any(|it| it.type_ == "PlansInForce" && is_doubtful(&it.reason));
    let plans = json!(status.discovered_plans);
    let limit = plans[0]["limits"]["custom"][0]["limit"].as_u64();
    Ok((limit.unwrap_or_default(), is_told))
}

/// How many calls the gateway lets through in a window that has just begun.
async fn held(shop: &Shop, value: &str) -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(WINDOW * 1000 + 200)).await;
    for count in 0..MORE_THAN_ANY {
        if shop.ask(value).await? == 429 {
            return Ok(count);
        }
    }
    Ok(MORE_THAN_ANY)
}

async fn of_two_plan_policies_the_limit_that_is_shown_is_the_one_that_holds(
    stage: Arc<Stage>,
) -> Result<()> {
    let rate = json!({"custom": [{"limit": 5, "window": format!("{WINDOW}s")}]});
    let shop = Shop::open_with(stage, "contended", "automatic", &[("gold", rate)]).await?;
    let value = shop.working_key("mine").await?;
    // The newer one limits less, then more, and is named before or after the older one.
    for (name, limit) in [("a-second", 8), ("z-second", 3)] {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        shop.stage.apply(&policy(&shop, name, limit)).await?;
        until("it is told that there are two", async || {
            let shown = shown(&shop).await?;
            Ok(if shown.1 { Ok(()) } else { Err(shown) })
        })
        .await?;
        agree(&shop, &value).await?;
        // It stays so once the operator is through.
        tokio::time::sleep(Duration::from_secs(5)).await;
        agree(&shop, &value).await?;
        let plans = ("extensions.kuadrant.io", "v1alpha1", "PlanPolicy");
        let gone = shop
            .stage
            .delete(plans.0, plans.1, plans.2, &shop.name, name);
        gone.await?;
        until("one policy is left", async || {
            let shown = shown(&shop).await?;
            Ok(if shown == (5, false) {
                Ok(())
            } else {
                Err(shown)
            })
        })
        .await?;
        agree(&shop, &value).await?;
    }
    Ok(())
}

/// Waits until the gateway holds what is shown.
async fn agree(shop: &Shop, value: &str) -> Result<()> {
    let what = "the limit that is shown is the one that holds";
    // A look counts for one window only, and on a busy machine many looks span two.
    within(Duration::from_secs(90), what, async || {
        let before = shown(shop).await?.0;
        let held = held(shop, value).await?;
        let after = shown(shop).await?.0;
        let is_so = before == after && held == after;
        Ok(if is_so {
            Ok(())
        } else {
            Err((before, held, after))
        })
    })
    .await
}

/// Case 7
async fn tiers_of_zero_of_nothing_and_there_twice_are_held_as_their_keys_tell(
    stage: Arc<Stage>,
) -> Result<()> {
    let rate = |limit: u64| json!({"custom": [{"limit": limit, "window": format!("{WINDOW}s")}]});
    let plans = [
        ("trial", json!({"daily": 0})),
        ("gold", rate(8)),
        ("gold", rate(4)),
        ("open", json!({})),
        ("burst", rate(0)),
    ];
    let shop = Shop::open_with(stage, "plan-values", "automatic", &plans).await?;
    let told = shop.products().get(&shop.name).await?.status;
    let told = told.context("no status")?.conditions;
    let told = told.iter().find(|it| it.type_ == "PlansInForce");
    let message = told.map_or("", |it| it.message.as_str());
    ensure!(
        message.contains("\"gold\"") && message.contains("\"open\""),
        "{told:?}"
    );
    // Of each tier what its key says of the gateway, the limit it tells, and what is held.
    let tiers = [
        ("trial", "Enforced", Some(json!({"daily": 0})), 0),
        ("gold", "DuplicateTier", Some(rate(4)), 4),
        ("open", "Unlimited", Some(json!({})), MORE_THAN_ANY),
        ("burst", "Enforced", Some(rate(0)), 0),
        ("Gold", "UnknownTier", None, MORE_THAN_ANY),
    ];
    for (at, (tier, reason, limits, holds)) in tiers.into_iter().enumerate() {
        let name = format!("key-{at}");
        let mut key = shop.key(&name);
        key["spec"]["planTier"] = json!(tier);
        shop.stage.apply(&key).await?;
        let key = shop.key_says(&name, "Enforced", reason).await?;
        let told = key.status.as_ref().and_then(|it| it.limits.as_ref());
        ensure!(json!(told) == json!(limits), "{tier}: {told:?}");
        let value = shop.generated_value(&key).await?;
        until("the gateway knows the key", async || {
            let seen = shop.ask(&value).await?;
            Ok(if seen == 401 { Err(seen) } else { Ok(()) })
        })
        .await?;
        within(
            PATIENCE,
            &format!("{tier} is held to {holds}"),
            async || {
                let held = held(&shop, &value).await?;
                Ok(if held == holds { Ok(()) } else { Err(held) })
            },
        )
        .await?;
    }
    Ok(())
}
