//! Which policies hold on a request? Kuadrant computes them for each path: a listener of a
//! Gateway and a rule of the route. Keys are made for what it makes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devportal_api::APIProduct;
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_policy_on_a_listener_takes_keys_of_a_route_on_every_listener,
    a_policy_that_merges_with_another_of_the_route_takes_no_key_away,
    a_policy_of_the_whole_route_takes_no_key_of_one_of_its_rules_away,
    a_selector_that_changes_refuses_no_key_meanwhile,
];

/// A second is what the API server tells creations by.
const SECOND: Duration = Duration::from_secs(1);

fn policy(shop: &Shop, name: &str, target: &Value, spec: Value) -> Value {
    let mut spec = spec;
    spec["targetRef"] = target.clone();
    json!({
        "apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy",
        "metadata": {"name": name, "namespace": shop.name}, "spec": spec,
    })
}

/// What a condition of a product says; nothing where there is none.
fn message_of(product: APIProduct, kind: &str) -> String {
    let conditions = product.status.into_iter().flat_map(|it| it.conditions);
    let mut told = conditions.filter(|it| it.type_ == kind);
    told.next().map(|it| it.message).unwrap_or_default()
}

async fn withdraw_policy(shop: &Shop, name: &str) -> Result<()> {
    let admin = &shop.stage.admin;
    crate::stage::delete(admin, "kuadrant.io", "v1", "AuthPolicy", &shop.name, name).await
}

async fn a_policy_on_a_listener_takes_keys_of_a_route_on_every_listener(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::prepare(stage, "path-listener").await?;
    shop.take_a_gateway_of_its_own().await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    let value = shop.working_key("mine").await?;
    // From the route to the listener, which the route does not name.
    let listener = json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": shop.name,
        "sectionName": "http",
    });
    let spec = shop.auth_policy()["spec"].clone();
    shop.stage
        .apply(&policy(&shop, "listener", &listener, spec))
        .await?;
    withdraw_policy(&shop, &shop.name).await?;
    shop.finds_policy("listener").await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&value, 200).await?;
    shop.gateway_answers("nobody's", 401).await?;

    // Another listener has no policy, and is open if it takes a host of the route that the first
    // does not have.
    let open = json!({"name": "open", "port": 80, "protocol": "HTTP", "hostname": "*.example.org"});
    let mut route = shop.route();
    let hosts = [shop.hostname(), format!("{}.example.org", shop.name)];
    route["spec"]["parentRefs"] = json!([{"name": shop.name}]);
    route["spec"]["hostnames"] = json!(hosts);
    shop.stage.apply(&route).await?;
    let mut gateway = shop.gateway();
    gateway["spec"]["listeners"][0]["hostname"] = "*.example.com".into();
    gateway["spec"]["listeners"]
        .as_array_mut()
        .context("listeners")?
        .push(open);
    shop.stage.apply(&gateway).await?;
    let told = shop.product_says("PartlyOpen", "True").await?;
    let message = message_of(told, "PartlyOpen");
    ensure!(message.contains("to listener open of"), "{message}");
    gateway["spec"]["listeners"][1]["hostname"] = "*.example.net".into();
    shop.stage.apply(&gateway).await?;
    until("no path is open any more", async || {
        let told = shop.products().get(&shop.name).await?.status;
        let conditions = told.map(|it| it.conditions).unwrap_or_default();
        let is_open = conditions.iter().any(|it| it.type_ == "PartlyOpen");
        Ok(if is_open { Err(conditions) } else { Ok(()) })
    })
    .await?;

    // A route without a hostname is called by its listener's.
    gateway["spec"]["listeners"][0]["hostname"] = shop.hostname().into();
    shop.stage.apply(&gateway).await?;
    route["spec"]["hostnames"] = json!([]);
    shop.stage.apply(&route).await?;
    shop.gateway_answers(&value, 200).await?;
    until("the key tells where the API is", async || {
        let key = shop.keys().get("mine").await?;
        let told = key.status.and_then(|it| it.api_hostname);
        let is_right = told.as_deref() == Some(&*shop.hostname());
        Ok(if is_right { Ok(()) } else { Err(told) })
    })
    .await
}

async fn a_policy_that_merges_with_another_of_the_route_takes_no_key_away(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "path-merge", "automatic").await?;
    let value = shop.working_key("mine").await?;
    // That of the keys is replaced, as by a tool that forces it, and is the newer from then on.
    let guard = json!({"defaults": {"strategy": "merge", "rules": {"authorization": {
        "all": {"patternMatching": {"patterns": [{"predicate": "true"}]}},
    }}}});
    shop.stage
        .apply(&policy(&shop, "guard", &shop.target(), guard))
        .await?;
    tokio::time::sleep(2 * SECOND).await;
    withdraw_policy(&shop, &shop.name).await?;
    shop.stage.apply(&shop.auth_policy()).await?;
    shop.finds_policy(&shop.name).await?;
    shop.key_says("mine", "Enforced", "Enforced").await?;
    shop.gateway_answers(&value, 200).await?;
    shop.gateway_answers("nobody's", 401).await
}

async fn a_policy_of_the_whole_route_takes_no_key_of_one_of_its_rules_away(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::prepare(stage, "path-rule").await?;
    let mut route = shop.route();
    let rule = |path: &str| {
        json!({
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "backendRefs": [{"name": "toys", "port": 80}],
        })
    };
    route["spec"]["rules"] = json!([rule("/toys"), rule("/orders")]);
    shop.stage.apply(&route).await?;
    let mut of_rule = shop.target();
    of_rule["sectionName"] = "rule-1".into();
    let spec = shop.auth_policy()["spec"].clone();
    shop.stage
        .apply(&policy(&shop, "toys", &of_rule, spec))
        .await?;
    let mut whole = shop.auth_policy();
    whole["spec"]["rules"]["authentication"] =
        json!({"tokens": {"jwt": {"issuerUrl": format!("{}/issuer", shop.stage.documents)}}});
    shop.stage.apply(&whole).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop
        .key_says("mine", "Enforced", "AuthPoliciesDiffer")
        .await?;
    let value = shop.generated_value(&key).await?;
    let told = shop.product_says("AcceptedEverywhere", "False").await?;
    let message = message_of(told, "AcceptedEverywhere");
    ensure!(message.contains("other rules"), "{message}");
    let key = format!("APIKEY {value}");
    let headers: &[(&str, &str)] = &[("Authorization", &key)];
    until(
        "the one rule takes the key and the other does not",
        async || {
            let host = shop.hostname();
            let toys = shop.stage.call(&host, "/toys", headers).await?;
            let orders = shop.stage.call(&host, "/orders", headers).await?;
            let seen = (toys, orders);
            Ok(if seen == (200, 401) {
                Ok(())
            } else {
                Err(seen)
            })
        },
    )
    .await
}

/// One route is one door: the how-to asks for this change.
async fn a_selector_that_changes_refuses_no_key_meanwhile(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "path-selector", "automatic").await?;
    let value = shop.working_key("mine").await?;
    let own = json!({
        "devportal.kuadrant.io/apiproduct": shop.name,
        "devportal.kuadrant.io/apiproduct-namespace": shop.name,
    });
    let mut both = own.clone();
    both["app"] = shop.name.clone().into();
    // Without what was asked for before, with something else, with more and with less.
    for labels in [
        own.clone(),
        json!({"app": "else"}),
        own,
        both,
        json!({"app": shop.name}),
    ] {
        let mut policy = shop.auth_policy();
        policy["spec"]["rules"]["authentication"]["keys"]["apiKey"]["selector"]["matchLabels"] =
            labels.clone();
        shop.stage.apply(&policy).await?;
        let begun = Instant::now();
        while begun.elapsed() < 4 * SECOND {
            let seen = shop.ask(&value).await?;
            ensure!(seen == 200, "{seen} after {labels} was asked for");
        }
        // However long the operator takes.
        until("one Secret of the value is left", async || {
            let seen = shop.ask(&value).await?;
            ensure!(seen == 200, "{seen} after {labels} was asked for");
            let held = shop.enforcement("mine").await?.len();
            Ok(if held == 1 { Ok(()) } else { Err(held) })
        })
        .await?;
        shop.key_says("mine", "Enforced", "Enforced").await?;
    }
    Ok(())
}
