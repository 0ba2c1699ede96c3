//! Kinds that the controller may not list, and Secrets that are listed no more.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::foreign::PlanPolicy;
use devportal_api::name::label;
use devportal_api::{APIKeyRequest, APIProduct};
use devportal_stack::Persona;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::{Held, enforcement, is_revoked, is_told, issued, raw, says};
use crate::quiet::Quiet;
use crate::rights::{bind, give_rule, narrow_secrets, take_rule};
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::{until, within};

stories![
    keys_are_issued_and_revoked_where_plan_policies_may_not_be_listed,
    keys_are_told_of_where_the_secrets_of_the_gateway_may_not_be_listed,
    a_credential_whose_label_is_taken_is_replaced_and_goes_with_its_key,
];

/// Waits until the API server refuses a list to the controller.
async fn may_not_list<K: Resource<DynamicType = ()>>(quiet: &Quiet, namespace: &str) -> Result<()> {
    let controller = quiet.stack.client(Persona::Controller).await?;
    let resource = ApiResource::erase::<K>(&());
    let listed: Api<DynamicObject> = Api::namespaced_with(controller, namespace, &resource);
    until("the list is refused", async || {
        let answer = listed.list(&ListParams::default()).await;
        let is_refused = matches!(&answer, Err(kube::Error::Api(it)) if it.code == 403);
        Ok(if is_refused {
            Ok(())
        } else {
            Err(answer.map(drop))
        })
    })
    .await
}

/// Starts the controller and goes on, whether it becomes ready or not.
async fn start_and(quiet: &Quiet, story: impl Future<Output = Result<()>>) -> Result<()> {
    let (_, told) = tokio::join!(quiet.stack.restart("controller"), story);
    told
}

async fn keys_are_issued_and_revoked_where_plan_policies_may_not_be_listed(
    stage: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("early").await?;
    quiet.key_is("early", "Approved").await?;
    issued(&quiet, "early").await?;
    quiet.stack.end("controller").await?;
    let rule = take_rule(&quiet, "planpolicies").await?;
    may_not_list::<PlanPolicy>(&quiet, "shop").await?;
    let policy = json!({
        "apiVersion": "extensions.kuadrant.io/v1alpha1", "kind": "PlanPolicy",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"},
            "plans": [{"tier": "gold", "predicate": "true", "limits": {"daily": 1000}}],
        },
    });
    stage::apply(&quiet.admin, &policy).await?;

    let readiness = async || {
        let url = quiet.stack.controller_url().context("no controller")?;
        let answer = stage.http.get(format!("{url}/readyz")).send().await?;
        Ok::<_, anyhow::Error>(answer.text().await?)
    };
    start_and(&quiet, async {
        quiet.request_key("late").await?;
        quiet.key_is("late", "Approved").await?;
        issued(&quiet, "late").await?;
        let params = DeleteParams::default();
        for key in ["early", "late"] {
            quiet.keys().delete(key, &params).await?;
            is_revoked(&quiet, key).await?;
        }
        let said = readiness().await?;
        ensure!(said.contains("PlanPolicy"), "readiness: {said}");
        Ok(())
    })
    .await?;

    give_rule(&quiet, rule).await?;
    says::<APIProduct>(&quiet, "shop", "what was found", |it| {
        it.type_ == "PlanPolicyDiscovered" && it.status == "True"
    })
    .await?;
    quiet.request_key("later").await?;
    quiet.key_says("later", "Enforced").await?;
    let said = readiness().await?;
    ensure!(!said.contains("PlanPolicy"), "readiness: {said}");
    quiet.end().await
}

async fn keys_are_told_of_where_the_secrets_of_the_gateway_may_not_be_listed(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("early").await?;
    quiet.key_is("early", "Approved").await?;
    let early = issued(&quiet, "early").await?;
    quiet.stack.end("controller").await?;
    narrow_secrets(&quiet).await?;
    bind(&quiet, "shop").await?;
    may_not_list::<Secret>(&quiet, devportal_stack::NAMESPACE).await?;

    start_and(&quiet, async {
        quiet.request_key("late").await?;
        let request = Quiet::request_name("late");
        until("there is a request", async || {
            let found = raw::<APIKeyRequest>(&quiet).get_opt(&request).await?;
            Ok(found.map(drop).ok_or("none"))
        })
        .await?;
        is_told(&quiet, "late").await?;
        let now = Held::of(&quiet, "early").await?;
        ensure!(now == early, "early had {early:#?}, and has {now:#?}");
        Ok(())
    })
    .await?;

    bind(&quiet, devportal_stack::NAMESPACE).await?;
    quiet.key_says("late", "NoPlans").await?;
    issued(&quiet, "late").await?;
    let now = Held::of(&quiet, "early").await?;
    ensure!(now == early, "early had {early:#?}, and has {now:#?}");
    quiet.end().await
}

async fn a_credential_whose_label_is_taken_is_replaced_and_goes_with_its_key(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    let before = issued(&quiet, "mine").await?;
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
    let name = enforcement(&quiet, "mine").await?[0].name_any();
    let unlabelled = Patch::Merge(json!({"metadata": {"labels": {label::ENFORCEMENT: null}}}));
    secrets
        .patch(&name, &PatchParams::default(), &unlabelled)
        .await?;
    until("the key has a right credential", async || {
        let mut found = enforcement(&quiet, "mine").await?;
        found.retain(|it| it.labels().contains_key(label::ENFORCEMENT));
        let values: Vec<_> = found.iter().map(|it| super::identity(it).1).collect();
        let is_right = values == before.enforced_values();
        Ok(if is_right { Ok(()) } else { Err(values) })
    })
    .await?;

    quiet.delete_key("mine").await?;
    let limit = Duration::from_secs(10);
    within(limit, "nothing is left of the key", async || {
        let left: Vec<_> = enforcement(&quiet, "mine").await?;
        let left: Vec<_> = left.iter().map(|it| it.metadata.clone()).collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await?;
    quiet.end().await
}
