//! What a policy of the cluster refuses is told, and nothing else stands still for it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_api::APIProduct;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::stories;
use crate::quiet::Quiet;
use crate::shop::Shop;
use crate::stage::{self, OPENAPI, Stage};
use crate::wait::until;

stories![
    a_document_that_is_refused_holds_up_nothing_else_about_its_product,
    what_refuses_to_let_a_secret_go_can_put_its_value_into_no_log,
];

const ADMISSION: &str = "admissionregistration.k8s.io";

/// An admission policy and its binding.
pub(super) fn policy(name: &str, spec: &Value) -> [Value; 2] {
    let version = format!("{ADMISSION}/v1");
    [
        json!({"apiVersion": version, "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name}, "spec": spec}),
        json!({"apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}),
    ]
}

async fn a_document_that_is_refused_holds_up_nothing_else_about_its_product(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "undocumented", "automatic").await?;
    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": ["devportal.kuadrant.io"],
            "apiVersions": ["v1alpha1"], "resources": ["apiproducts/status"], "operations": ["UPDATE"]}]},
        "matchConditions": [{"name": "here", "expression": "object.metadata.namespace == 'undocumented'"}],
        "validations": [{"expression": "!has(object.status.openapi)", "message": "no documents here"}],
    });
    for object in policy("undocumented", &spec) {
        shop.stage.apply(&object).await?;
    }
    let products = shop.products();
    let document = json!({"openapi": {"raw": "x", "lastSyncTime": "2026-01-01T00:00:00Z"}});
    let patch = Patch::Merge(json!({"status": document}));
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    until("the policy is in force", async || {
        let answer = products.patch_status(&shop.name, &dry, &patch).await;
        Ok(answer.err().map_or(Err("not yet"), |_| Ok(())))
    })
    .await?;

    let mut product = shop.product("automatic");
    product["spec"]["documentation"] =
        json!({"openAPISpecURL": format!("{}/openapi.json", shop.stage.documents)});
    shop.stage.apply(&product).await?;
    let told = shop.product_says("OpenAPISpecReady", "False").await?;
    let status = told.status.context("no status")?;
    let told = status
        .conditions
        .iter()
        .find(|it| it.type_ == "OpenAPISpecReady");
    let told = told.context("no condition")?;
    ensure!(told.reason == "SpecRefused", "{told:?}");
    ensure!(told.message.contains("no documents here"), "{told:?}");
    ensure!(status.openapi.is_none());

    // Everything else goes on moving.
    shop.stage.apply(&shop.plan_policy(&["gold"])).await?;
    until("the new plans are shown", async || {
        let status = products.get(&shop.name).await?.status.unwrap_or_default();
        let tiers: Vec<_> = status
            .discovered_plans
            .into_iter()
            .map(|it| it.tier)
            .collect();
        Ok(if tiers == ["gold"] {
            Ok(())
        } else {
            Err(tiers)
        })
    })
    .await?;
    shop.working_key("mine").await?;

    // Its owner edits it once it is taken.
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(shop.stage.admin.clone());
    let params = DeleteParams::default();
    bindings.delete("undocumented", &params).await?;
    until("the policy is gone", async || {
        let answer = products.patch_status(&shop.name, &dry, &patch).await;
        Ok(answer.map(|_| ()).map_err(|it| it.to_string()))
    })
    .await?;
    let patch = Patch::Merge(json!({"spec": {"description": "documented"}}));
    let params = PatchParams::default();
    products.patch(&shop.name, &params, &patch).await?;
    let product: APIProduct = shop.product_says("OpenAPISpecReady", "True").await?;
    let shown = product.status.and_then(|it| it.openapi);
    ensure!(shown.context("no document")?.raw == OPENAPI);
    Ok(())
}

async fn what_refuses_to_let_a_secret_go_can_put_its_value_into_no_log(
    _: Arc<Stage>,
) -> Result<()> {
    const VALUE: &str = "dpk-0123456789abcdef0123456789abcdef";
    // As a policy sees it.
    const ENCODED: &str = "ZHBrLTAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm";
    let quotes = |text: &str| text.contains(VALUE) || text.contains(ENCODED);
    let quiet = Quiet::start().await?;
    quiet.bring("mine", VALUE).await?;
    quiet.request("mine", Some("mine")).await?;
    quiet.key_is("mine", "Approved").await?;
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
    let credential = until("there is a credential", async || {
        let found = secrets.list(&ListParams::default()).await?.items;
        Ok(found.into_iter().next().ok_or("none"))
    })
    .await?;
    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["secrets"], "operations": ["DELETE"]}]},
        "validations": [{"expression": "false",
            "messageExpression": "'kept: ' + string(oldObject.data.api_key)"}],
    });
    for object in policy("kept", &spec) {
        stage::apply(&quiet.admin, &object).await?;
    }
    let name = credential.metadata.name.context("no name")?;
    let dry = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    let words = until("the policy is in force", async || {
        let answer = secrets.delete(&name, &dry).await;
        Ok(answer.err().map(|it| it.to_string()).ok_or("not yet"))
    })
    .await?;
    ensure!(quotes(&words), "the policy quotes no value: {words}");

    quiet
        .decide("by-hand", "mine", false, "2030-01-01T00:00:00Z")
        .await?;
    until("the deletion is refused more than once", async || {
        let writes = quiet.writes()?;
        let refused = writes
            .iter()
            .filter(|it| it.verb == "delete" && it.answer >= 400);
        let count = refused.count();
        Ok(if count > 1 { Ok(()) } else { Err(count) })
    })
    .await?;
    let key = quiet.key_says("mine", "RevocationRefused").await?;
    let told = serde_json::to_string(&key.status)?;
    ensure!(told.contains("its words are left out"), "{told}");
    ensure!(!quotes(&told), "{told}");
    let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
    ensure!(
        log.contains("its words are left out"),
        "the log does not tell: {log}"
    );
    ensure!(!quotes(&log), "the log quotes the value");
    quiet.end().await
}
