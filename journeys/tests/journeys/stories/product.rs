//! A product tells consumers what they need to know.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_api::APIProduct;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::stories;
use crate::quiet::{Asked, Quiet};
use crate::shop::Shop;
use crate::stage::{self, OPENAPI, Stage};
use crate::wait::until;

stories![
    a_product_shows_its_plans_scheme_token_endpoint_and_document,
    a_product_tells_why_something_about_it_is_missing,
    a_wrong_product_is_refused_with_the_published_message,
    a_policy_on_the_gateway_applies_where_the_route_has_none,
    a_document_that_the_cluster_cannot_hold_is_told_and_holds_nothing_else_up,
];

/// 10
async fn a_product_shows_its_plans_scheme_token_endpoint_and_document(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::prepare(stage, "shown").await?;
    let mut policy = shop.auth_policy();
    let issuer = format!("{}/issuer", shop.stage.documents);
    policy["spec"]["rules"]["authentication"]["tokens"] = json!({"jwt": {"issuerUrl": issuer}});
    shop.stage.apply(&policy).await?;
    let mut product = shop.product("manual");
    product["spec"]["documentation"] =
        json!({"openAPISpecURL": format!("{}/openapi.json", shop.stage.documents)});
    shop.stage.apply(&product).await?;
    for kind in [
        "Ready",
        "AuthPolicyDiscovered",
        "PlanPolicyDiscovered",
        "OIDCDiscovered",
        "OpenAPISpecReady",
    ] {
        shop.product_says(kind, "True").await?;
    }
    let product = shop.products().get(&shop.name).await?;
    let status = product.status.clone().unwrap_or_default();
    let tiers: Vec<_> = status
        .discovered_plans
        .iter()
        .map(|plan| plan.tier.as_str())
        .collect();
    ensure!(tiers == ["gold", "silver"]);
    let scheme = status
        .discovered_auth_scheme
        .context("no scheme")?
        .authentication;
    ensure!(scheme.keys().eq(["keys", "tokens"]), "{scheme:?}");
    let endpoint = status
        .oidc_discovery
        .context("no OIDC discovery")?
        .token_endpoint;
    ensure!(endpoint == format!("{}/issuer/token", shop.stage.documents));
    ensure!(status.openapi.context("no OpenAPI")?.raw == OPENAPI);
    ensure!(status.observed_generation == product.metadata.generation);
    Ok(())
}

/// 11
async fn a_product_tells_why_something_about_it_is_missing(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "missing", "manual").await?;
    let mut product = shop.product("manual");
    product["spec"]["documentation"] =
        json!({"openAPISpecURL": format!("{}/status/404", shop.stage.documents)});
    shop.stage.apply(&product).await?;
    let product = shop.product_says("OpenAPISpecReady", "False").await?;
    ensure!(reason(&product, "OpenAPISpecReady") == Some("FetchFailed"));
    ensure!(reason(&product, "OIDCDiscovered") == Some("NoOIDCAuth"));
    let delete = async |group: &str, version: &str, kind: &str, plural: &str| {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(shop.stage.admin.clone(), &shop.name, &resource);
        api.delete(&shop.name, &DeleteParams::default()).await
    };
    delete(
        "extensions.kuadrant.io",
        "v1alpha1",
        "PlanPolicy",
        "planpolicies",
    )
    .await?;
    delete("kuadrant.io", "v1", "AuthPolicy", "authpolicies").await?;
    let product = shop.product_says("PlanPolicyDiscovered", "False").await?;
    ensure!(reason(&product, "PlanPolicyDiscovered") == Some("NotFound"));
    let product = shop.product_says("AuthPolicyDiscovered", "False").await?;
    ensure!(
        product
            .status
            .clone()
            .unwrap_or_default()
            .discovered_plans
            .is_empty()
    );
    delete("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes").await?;
    until("the missing route is told", async || {
        let product = shop.products().get(&shop.name).await?;
        Ok(if reason(&product, "Ready") == Some("HTTPRouteNotFound") {
            Ok(())
        } else {
            Err(product.status)
        })
    })
    .await
}

fn reason<'a>(product: &'a APIProduct, kind: &str) -> Option<&'a str> {
    let conditions = &product.status.as_ref()?.conditions;
    Some(conditions.iter().find(|c| c.type_ == kind)?.reason.as_str())
}

/// contract 1
async fn a_wrong_product_is_refused_with_the_published_message(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "wrong").await?;
    let refused = async |field: &str, value: &str, message: &str| {
        let mut product = shop.product("manual");
        product["spec"]["targetRef"][field] = Value::from(value);
        let error = shop
            .stage
            .apply(&product)
            .await
            .err()
            .context("it was accepted")?
            .to_string();
        ensure!(error.contains(message), "{error}");
        Ok(())
    };
    refused(
        "kind",
        "Gateway",
        "Invalid targetRef.kind. The only supported value is 'HTTPRoute'",
    )
    .await?;
    refused(
        "group",
        "apps",
        "Invalid targetRef.group. The only supported value is 'gateway.networking.k8s.io'",
    )
    .await?;
    let mut key = shop.key("mine");
    key["spec"]["requestedBy"]["email"] = json!("not an address");
    ensure!(shop.stage.apply(&key).await.is_err());
    Ok(())
}

/// contract 3
async fn a_policy_on_the_gateway_applies_where_the_route_has_none(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "gated").await?;
    // A Gateway of its own: the shared one is not to be protected.
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "gated", "namespace": "gated"},
        "spec": {
            "gatewayClassName": "istio",
            "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
        },
    });
    shop.stage.apply(&gateway).await?;
    let mut route = shop.route();
    route["spec"]["parentRefs"] = json!([{"name": "gated"}]);
    shop.stage.apply(&route).await?;
    let mut policy = shop.auth_policy();
    policy["spec"]["targetRef"]["kind"] = json!("Gateway");
    shop.stage.apply(&policy).await?;
    shop.stage.apply(&shop.product("automatic")).await?;
    let product = shop.product_says("AuthPolicyDiscovered", "True").await?;
    let conditions = product.status.unwrap_or_default().conditions;
    ensure!(
        conditions
            .iter()
            .any(|c| c.message == "Discovered AuthPolicy gated targeting Gateway gated"),
        "{conditions:?}"
    );
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    shop.gateway_answers(&shop.generated_value(&key).await?, 200)
        .await
}

/// Of who wrote to an older version than there is.
const CONFLICT: u64 = 409;

/// Case 3
async fn a_document_that_the_cluster_cannot_hold_is_told_and_holds_nothing_else_up(
    stage: Arc<Stage>,
) -> Result<()> {
    // As large as an operator may set it: more than etcd takes.
    let quiet = Quiet::start_with_variables(&[("OPENAPI_SPEC_MAX_SIZE", "2500000")]).await?;
    let products: Api<APIProduct> = Api::namespaced(quiet.admin.clone(), "shop");
    let told = async |what: &str, is_it: &dyn Fn(&APIProduct) -> bool| {
        until(&format!("the product tells {what}"), async || {
            let mut product = products.get("shop").await?;
            let is_there = is_it(&product);
            // Too long to be read in a failure.
            product.status.iter_mut().for_each(|it| it.openapi = None);
            Ok(if is_there {
                Ok(())
            } else {
                Err(product.status)
            })
        })
        .await
    };
    let raw = |it: &APIProduct| it.status.as_ref()?.openapi.as_ref().map(|it| it.raw.len());
    let policy = |daily: u64| {
        json!({
            "apiVersion": "extensions.kuadrant.io/v1alpha1", "kind": "PlanPolicy",
            "metadata": {"name": "shop", "namespace": "shop"},
            "spec": {"targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"},
                "plans": [{"tier": "gold", "limits": {"daily": daily}, "predicate": "true"}]},
        })
    };
    let document = async |path: &str| {
        let url = format!("{}/{path}", stage.documents);
        let patch = Patch::Merge(json!({"spec": {"documentation": {"openAPISpecURL": url}}}));
        products
            .patch("shop", &PatchParams::default(), &patch)
            .await
    };
    // Each `<` is stored as six bytes.
    let documents = ["openapi/x/2000000", "openapi/%3C/500000"];
    for (path, daily) in documents.into_iter().zip([9000, 8000]) {
        document("openapi.json").await?;
        told("its document", &|it| raw(it) == Some(OPENAPI.len())).await?;
        document(path).await?;
        let refused = |it: &APIProduct| reason(it, "OpenAPISpecReady") == Some("SpecSizeTooLarge");
        told("that it is too large", &refused).await?;
        stage::apply(&quiet.admin, &policy(daily)).await?;
        let is_shown = |it: &APIProduct| {
            let plans = it.status.as_ref().map(|it| json!(it.discovered_plans));
            plans.is_some_and(|it| it[0]["limits"]["daily"] == daily)
        };
        told("its plan", &is_shown).await?;
        let key = daily.to_string();
        quiet.request_key(&key).await?;
        quiet.key_is(&key, "Approved").await?;
        told("it still", &refused).await?;
    }
    quiet.rests().await?;
    let writes = quiet.writes()?;
    let is_refused = |it: &&Asked| it.answer >= 400 && it.answer != CONFLICT;
    let failed: Vec<_> = writes.iter().filter(is_refused).collect();
    ensure!(
        failed.is_empty(),
        "what cannot be kept was sent: {failed:#?}"
    );
    quiet.end().await
}
