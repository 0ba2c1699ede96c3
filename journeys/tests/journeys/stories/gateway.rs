//! What does a caller get at the gateway? Answers of the real Envoy, Authorino
//! and Limitador's engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devportal_api::id::KeyId;
use devportal_api::name;
use devportal_api::scheme::Credentials;
use jiff::{SignedDuration, Timestamp};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::stories;
use crate::shop::{Shop, conditions};
use crate::stage::Stage;
use crate::wait::{until, within};

stories![
    a_key_works_where_its_status_says_and_nowhere_else,
    over_the_limit_is_429_and_the_next_window_is_open_again,
    a_tier_in_no_plan_is_not_limited_and_says_so,
    two_consumers_of_one_tier_share_its_limit_and_the_condition_says_so,
    limits_per_consumer_keep_two_consumers_apart,
    a_change_of_plan_interrupts_nothing_and_is_soon_seen,
    a_thousand_rotations_refuse_no_valid_key_and_each_old_value_ends_on_time,
    a_broken_tier_or_selector_is_told_within_ten_seconds,
    a_policy_of_the_gateway_that_overrides_decides,
    two_products_of_one_gateway_never_open_for_each_others_keys,
    an_expired_key_is_refused,
    a_route_that_asks_for_more_than_the_stack_can_do_is_not_accepted,
];

const SECOND: Duration = Duration::from_secs(1);

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
    let shop = Shop::prepare(stage, "limited").await?;
    shop.stage
        .apply(&shop.plans([("gold", rate(3, 2))]))
        .await?;
    shop.stage.apply(&shop.product("automatic")).await?;
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
    let shop = Shop::prepare(stage, "tierless").await?;
    shop.stage
        .apply(&shop.plans([("gold", rate(1, 60))]))
        .await?;
    shop.stage.apply(&shop.product("automatic")).await?;
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
    let shop = Shop::prepare(stage, "shared").await?;
    shop.stage
        .apply(&shop.plans([("gold", rate(20, 60))]))
        .await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    let alice = shop.working_key("alice").await?;
    let bob = shop.working_key("bob").await?;
    exhaust(&shop, &alice).await?;
    ensure!(shop.ask(&bob).await? == 429, "the limit is not shared");
    let key = shop.keys().get("bob").await?;
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
        "apiVersion": "kuadrant.io/v1", "kind": "RateLimitPolicy", "metadata": shop.meta(),
        "spec": {"targetRef": shop.target(), "limits": {"gold": {
            "when": [{"predicate": "auth.identity.plan == \"gold\""}],
            "counters": [{"expression": "auth.identity.userid"}],
            "rates": [{"limit": 5, "window": "60s"}],
        }}},
    });
    shop.stage.apply(&limits).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
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
    ensure!(calls(&shop, bob, 6).await? == [200, 200, 200, 200, 200, 429]);
    Ok(())
}

/// A4
async fn a_change_of_plan_interrupts_nothing_and_is_soon_seen(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "upgrade").await?;
    let plans = [("gold", json!({"daily": 100_000})), ("silver", rate(1, 60))];
    shop.stage.apply(&shop.plans(plans)).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
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

/// A2
async fn a_thousand_rotations_refuse_no_valid_key_and_each_old_value_ends_on_time(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "rotating", "automatic").await?;
    let rotations = ["one", "two", "three", "four"].map(|key| rotate(&shop, key, 250));
    futures::future::try_join_all(rotations).await?;
    Ok(())
}

/// A client that goes on with the value it has until it finds another, and one
/// that never looks.
async fn rotate(shop: &Shop, key: &str, times: u32) -> Result<()> {
    const OVERLAP: Duration = Duration::from_secs(3);
    let secret = name::generated_secret(&KeyId::new(&shop.dev, key)).name;
    let mut value = shop.working_key(key).await?;
    let mut retired = VecDeque::new();
    for revision in 1..=times {
        let rotation = json!({"spec": {"rotation": {"revision": revision, "overlap": "3s"}}});
        shop.patch_key(key, &rotation).await?;
        let next = until("a new value works", async || {
            ensure!(
                shop.ask(&value).await? == 200,
                "refused in rotation {revision}"
            );
            let copy = shop.secrets(&shop.dev).get_opt(&secret).await?;
            let found = copy.and_then(|copy| copy.data?.remove("api_key"));
            let found = found.and_then(|bytes| String::from_utf8(bytes.0).ok());
            let Some(found) = found.filter(|found| *found != value) else {
                return Ok(Err("the old value"));
            };
            let is_accepted = shop.ask(&found).await? == 200;
            Ok(is_accepted
                .then_some(found)
                .ok_or("a value that is refused"))
        })
        .await?;
        ensure!(shop.ask(&value).await? == 200, "the old value went at once");
        retired.push_back((std::mem::replace(&mut value, next), Instant::now()));
        // Each is looked at when its time is over, and a second has passed.
        let is_over = |(_, at): &mut (String, Instant)| at.elapsed() > OVERLAP + SECOND;
        while let Some((old, _)) = retired.pop_front_if(is_over) {
            ensure!(shop.ask(&old).await? == 401, "an old value lives on");
        }
    }
    tokio::time::sleep(OVERLAP + SECOND).await;
    for (old, _) in retired {
        ensure!(shop.ask(&old).await? == 401, "an old value lives on");
    }
    ensure!(shop.ask(&value).await? == 200);
    ensure!(shop.enforcement(key).await?.len() == 1);
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

async fn a_policy_of_the_gateway_that_overrides_decides(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "overridden").await?;
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": shop.meta(),
        "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    });
    shop.stage.apply(&gateway).await?;
    let mut route = shop.route();
    route["spec"]["parentRefs"] = json!([{"name": shop.name}]);
    shop.stage.apply(&route).await?;
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

/// 18, at the gateway
async fn an_expired_key_is_refused(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "expiring", "automatic").await?;
    let end = Timestamp::now() + SignedDuration::from_secs(5);
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

async fn a_route_that_asks_for_more_than_the_stack_can_do_is_not_accepted(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "rewriting", "automatic").await?;
    shop.working_key("mine").await?;
    let mut route = shop.route();
    route["spec"]["rules"][0]["filters"] =
        json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "x.example.com"}}]);
    shop.stage.apply(&route).await?;
    let product = shop.product_says("Ready", "False").await?;
    let told = product.status.unwrap_or_default().conditions;
    ensure!(
        told.iter().any(|it| it.reason == "HTTPRouteNotAccepted"),
        "{told:?}"
    );
    shop.products()
        .delete(&shop.name, &DeleteParams::default())
        .await?;
    Ok(())
}
