//! What goes wrong for one goes on for the others, and is told.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::name;
use k8s_openapi::api::admissionregistration::v1::MutatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::stories;
use crate::quiet::{Asked, Quiet};
use crate::rights::{bind, narrow_secrets};
use crate::stage::{self, Stage};
use crate::wait::{PROMPT, until, within};

stories![
    times_with_fractions_of_a_second_are_read_as_they_are_written,
    a_time_of_a_write_that_is_no_moment_blinds_nobody,
    a_kuadrant_that_moves_and_comes_back_takes_the_credentials_along,
    a_key_can_make_the_controller_ask_for_nothing_but_a_secret,
    a_key_that_cannot_be_told_of_is_revoked_all_the_same,
    a_refused_credential_is_told_and_harms_no_other_key,
    a_key_where_secrets_may_not_be_read_says_so_until_they_may,
    a_copy_that_is_altered_again_and_again_holds_up_no_other_key,
];

async fn times_with_fractions_of_a_second_are_read_as_they_are_written(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    let mut key = Quiet::key("mine");
    key["spec"]["expiresAt"] = json!("9999-12-31T23:59:59.999Z");
    stage::apply(&quiet.admin, &key).await?;
    quiet.key_is("mine", "Approved").await?;
    quiet
        .decide("by-hand", "mine", true, "2030-01-01T00:00:00.123456Z")
        .await?;
    let key = until("the decision is told", async || {
        let key = quiet.keys().get("mine").await?;
        let by = key.status.as_ref().and_then(|it| it.reviewed_by.as_deref());
        Ok(if by == Some("olivia") {
            Ok(key)
        } else {
            Err(key.status)
        })
    })
    .await?;
    let at = key
        .status
        .unwrap_or_default()
        .reviewed_at
        .map(|it| it.0.to_string());
    ensure!(at.as_deref() == Some("2030-01-01T00:00:00Z"), "{at:?}");
    quiet.rests().await?;
    quiet.end().await
}

/// The API server keeps who wrote when as a client writes it.
async fn a_time_of_a_write_that_is_no_moment_blinds_nobody(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("odd").await?;
    quiet.key_is("odd", "Approved").await?;
    let never = "9999-12-31T23:59:59Z";
    let written = json!([{"manager": "alice", "operation": "Update", "time": never,
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:planTier": {}}}}]);
    let change = Patch::Merge(json!({"metadata": {"managedFields": written}}));
    let request = Request::new(quiet.keys().resource_url());
    let request = request.patch("odd", &PatchParams::default(), &change)?;
    let answer = quiet.admin.request_text(request).await?;
    ensure!(answer.contains(never), "it is not kept: {answer}");
    // By the watch, and by a list.
    quiet.request_key("after").await?;
    quiet.key_is("after", "Approved").await?;
    quiet.stack.kill("controller").await?;
    quiet.stack.restart("controller").await?;
    quiet.request_key("anew").await?;
    quiet.key_is("anew", "Approved").await?;
    quiet.delete_key("odd").await?;
    until("two credentials are left", async || {
        let seen = credentials(&quiet, devportal_stack::NAMESPACE).await?;
        Ok(if seen == 2 { Ok(()) } else { Err(seen) })
    })
    .await?;
    quiet.end().await
}

/// 24
async fn a_kuadrant_that_moves_and_comes_back_takes_the_credentials_along(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    let home = devportal_stack::NAMESPACE;
    let elsewhere =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}});
    stage::apply(&quiet.admin, &elsewhere).await?;
    for (from, to) in [(home, "elsewhere"), ("elsewhere", home)] {
        let kuadrant = json!({"apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
            "metadata": {"name": "kuadrant", "namespace": to}});
        stage::apply(&quiet.admin, &kuadrant).await?;
        stage::delete(
            &quiet.admin,
            "kuadrant.io",
            "v1beta1",
            "Kuadrant",
            from,
            "kuadrant",
        )
        .await?;
        within(
            Duration::from_secs(10),
            "the credential has moved",
            async || {
                let seen = (
                    credentials(&quiet, from).await?,
                    credentials(&quiet, to).await?,
                );
                Ok(if seen == (0, 1) { Ok(()) } else { Err(seen) })
            },
        )
        .await?;
        quiet.rests().await?;
    }
    quiet.end().await
}

async fn credentials(quiet: &Quiet, namespace: &str) -> Result<usize> {
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), namespace);
    let ours = ListParams::default().labels("devportal.kuadrant.io/enforcement=true");
    Ok(secrets.list(&ours).await?.items.len())
}

/// 25
async fn a_key_can_make_the_controller_ask_for_nothing_but_a_secret(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request("mine", Some("plain")).await?;
    quiet.key_says("mine", "SecretNotFound").await?;
    let there = "/api/v1/namespaces/shop/";
    until("the Secrets there are listed", async || {
        let asked = quiet.requests()?;
        let lists = |it: &Asked| it.uri.starts_with(&format!("{there}secrets?"));
        Ok(if asked.iter().any(lists) {
            Ok(())
        } else {
            Err(asked)
        })
    })
    .await?;
    let before = quiet.requests()?.len();
    for (key, secret) in [
        ("all", "?"),
        ("long", "?watch=true"),
        ("up", "../configmaps/x"),
    ] {
        quiet.request(key, Some(secret)).await?;
        let found = quiet.key_is(key, "Failed").await?;
        let reason = &found.status.unwrap_or_default().conditions[0].reason;
        ensure!(reason == "SecretNotFound", "{secret}: {reason}");
    }
    quiet.bring("plain", "brought-after-all-0123456789").await?;
    quiet.key_is("mine", "Approved").await?;
    // Whatever the names would make of its path, it begins like a Secret's there. A watch
    // that broke off lists again what was listed before.
    let mut asked = quiet.requests()?;
    let since = asked.split_off(before);
    let path = |uri: &str| uri.split('?').next().map(str::to_owned);
    let followed: HashSet<_> = asked.iter().map(|it| path(&it.uri)).collect();
    let others: Vec<_> = since
        .iter()
        .filter(|it| it.uri.starts_with(there) && it.uri != format!("{there}secrets/plain"))
        .filter(|it| !followed.contains(&path(&it.uri)))
        .collect();
    ensure!(others.is_empty(), "it asked for {others:?}");
    quiet.end().await
}

/// An admission policy that refuses what an expression (CEL) is false for.
async fn refuse(quiet: &Quiet, what: &Value, unless: &str) -> Result<()> {
    let group = "admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "journey"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [what]},
            "validations": [{"expression": unless, "message": "refused by the journey"}],
        },
    });
    let binding = json!({
        "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "journey"},
        "spec": {"policyName": "journey", "validationActions": ["Deny"]},
    });
    stage::apply(&quiet.admin, &policy).await?;
    stage::apply(&quiet.admin, &binding).await?;
    Ok(())
}

/// A revocation does not wait until something else about the key succeeds.
async fn a_key_that_cannot_be_told_of_is_revoked_all_the_same(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    until("there is a credential", async || {
        let seen = credentials(&quiet, devportal_stack::NAMESPACE).await?;
        Ok(if seen == 1 { Ok(()) } else { Err(seen) })
    })
    .await?;
    let statuses = json!({"apiGroups": ["devportal.kuadrant.io"], "apiVersions": ["v1alpha1"],
        "resources": ["apikeys/status"], "operations": ["UPDATE"]});
    refuse(&quiet, &statuses, "false").await?;
    // The status is to change, cannot, and is tried again less and less often.
    let mut attempt = 0;
    until("the controller is refused again and again", async || {
        attempt += 1;
        let mut key = Quiet::key("mine");
        key["spec"]["useCase"] = json!(format!("to play {attempt}"));
        stage::apply(&quiet.admin, &key).await?;
        let writes = quiet.writes()?;
        let refused = writes
            .iter()
            .filter(|it| it.answer == 422 || it.answer == 403)
            .count();
        Ok(if refused >= 5 { Ok(()) } else { Err(writes) })
    })
    .await?;
    quiet
        .decide("by-hand", "mine", false, "2030-01-01T00:00:00Z")
        .await?;
    within(PROMPT, "the credential is gone", async || {
        let seen = credentials(&quiet, devportal_stack::NAMESPACE).await?;
        Ok(if seen == 0 { Ok(()) } else { Err(seen) })
    })
    .await?;
    quiet.end().await
}

/// 25
async fn a_refused_credential_is_told_and_harms_no_other_key(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    let secrets = json!({"apiGroups": [""], "apiVersions": ["v1"],
        "resources": ["secrets"], "operations": ["CREATE"]});
    let unless = "!(object.metadata.namespace == 'kuadrant-system' \
        && object.metadata.name.startsWith('devportal-shop-refused'))";
    refuse(&quiet, &secrets, unless).await?;
    let mut attempt = 0;
    let told = until("the refusal is told", async || {
        // A policy is in force some time after it is made.
        if attempt > 0 {
            let last = format!("refused-{attempt}");
            quiet.keys().delete(&last, &DeleteParams::default()).await?;
        }
        attempt += 1;
        let name = format!("refused-{attempt}");
        quiet.request_key(&name).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let key = quiet.keys().get(&name).await?;
        let status = key.status.unwrap_or_default();
        let told = status
            .conditions
            .iter()
            .find(|it| it.reason == "SecretRefused");
        Ok(told.cloned().ok_or(status))
    })
    .await?;
    let name = name::enforcement_secret(
        &devportal_api::id::KeyId::new("shop", format!("refused-{attempt}")),
        devportal_stack::NAMESPACE,
    );
    ensure!(
        told.type_ == "Enforced" && told.status == "False",
        "{told:?}"
    );
    ensure!(told.message.contains(&name.to_string()), "{}", told.message);
    quiet.rests().await?;
    quiet.request_key("other").await?;
    until("the other key has its credential", async || {
        let seen = credentials(&quiet, devportal_stack::NAMESPACE).await?;
        Ok(if seen == 1 { Ok(()) } else { Err(seen) })
    })
    .await?;
    let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
    ensure!(
        log.contains("refused by the journey"),
        "the log does not say why"
    );
    quiet.end().await
}

/// 42, as docs/how-to/narrow-secret-access.md has it
async fn a_key_where_secrets_may_not_be_read_says_so_until_they_may(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("early").await?;
    quiet.key_says("early", "NoPlans").await?;

    narrow_secrets(&quiet).await?;
    bind(&quiet, devportal_stack::NAMESPACE).await?;
    quiet.stack.restart("controller").await?;

    quiet.request_key("late").await?;
    for key in ["early", "late"] {
        quiet.key_says(key, "SecretForbidden").await?;
    }
    let left = credentials(&quiet, devportal_stack::NAMESPACE).await?;
    ensure!(left == 1, "what worked goes on: {left}");

    bind(&quiet, "shop").await?;
    for key in ["early", "late"] {
        quiet.key_says(key, "NoPlans").await?;
    }
    let all = credentials(&quiet, devportal_stack::NAMESPACE).await?;
    ensure!(all == 2, "{all}");
    quiet.rests().await?;
    quiet.end().await
}

/// 25
async fn a_copy_that_is_altered_again_and_again_holds_up_no_other_key(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    let group = "admissionregistration.k8s.io";
    let policy = json!({
        "apiVersion": format!("{group}/v1"), "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "journey"},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["secrets"], "operations": ["CREATE"]}]},
            "matchConditions": [{"name": "copies",
                "expression": "object.metadata.name.startsWith('altered-')"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'replace', path: '/data/api_key', value: 'YWx0ZXJlZA=='}]"}}],
        },
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "journey"}, "spec": {"policyName": "journey"},
    });
    stage::apply(&quiet.admin, &policy).await?;
    stage::apply(&quiet.admin, &binding).await?;
    // The API server takes some time to go by it.
    let probe = json!({"metadata": {"name": "altered-probe"}, "stringData": {"api_key": "x"}});
    let probe: Secret = serde_json::from_value(probe)?;
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), "default");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("the policy alters Secrets", async || {
        let made = secrets.create(&dry, &probe).await?;
        let data = made.data.unwrap_or_default();
        let is_altered = data.get("api_key").is_some_and(|it| it.0 == b"altered");
        Ok(if is_altered { Ok(()) } else { Err(()) })
    })
    .await?;
    let altered: Vec<String> = (0..8).map(|number| format!("altered-{number}")).collect();
    for key in &altered {
        quiet.request_key(key).await?;
    }
    for key in &altered {
        quiet.key_says(key, "SecretsAltered").await?;
    }

    quiet.request_key("other").await?;
    quiet.key_says("other", "NoPlans").await?;
    let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
    for key in &altered {
        let told = log.lines().filter(|it| it.contains("does not stay"));
        let told = told.filter(|it| it.contains(key)).count();
        ensure!(told == 1, "{key} is told {told} times");
    }
    // Each waits for seconds by now. Without, it were a thousand.
    let before = quiet.writes()?.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let more = quiet.writes()?.split_off(before);
    ensure!(more.len() < 100, "{} writes in three seconds", more.len());

    let policies: Api<MutatingAdmissionPolicy> = Api::all(quiet.admin.clone());
    policies.delete("journey", &DeleteParams::default()).await?;
    for key in altered {
        quiet.key_says(&key, "NoPlans").await?;
    }
    quiet.end().await
}
