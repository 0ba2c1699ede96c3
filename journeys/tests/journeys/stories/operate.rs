//! Who runs the portal sees how it is, and can take it away.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use devportal_api::name::{LEGACY_FINALIZER, annotation, label};
use devportal_stack::{NAMESPACE, Persona, Progress, Stack, apply_objects, operator_chart};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use super::stories;
use crate::quiet::Quiet;
use crate::stage::{self, Stage};
use crate::wait::until;

stories![
    a_key_that_is_issued_and_revoked_shows_in_the_metrics,
    the_servers_metrics_are_at_an_address_of_their_own,
    doctor_finds_no_fault_where_all_is_well,
    doctor_names_what_is_missing_and_what_to_do,
    doctor_knows_what_the_operators_own_account_may,
    doctor_that_may_look_at_little_does_not_say_that_all_is_well,
    a_consumer_has_a_key_explained_with_rights_in_one_namespace,
    what_is_uninstalled_opens_nothing_and_keeps_what_people_made,
    a_hundred_namespaces_share_connections,
];

/// Runs a command of the program as the cluster's administrator.
async fn devportal(stack: &Stack, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(stack.devportal()?)
        .args(arguments)
        .env("KUBECONFIG", stack.kubeconfig(Persona::ClusterAdmin))
        .stdin(std::process::Stdio::null())
        .output()
        .await?)
}

/// What a process tells, by series.
async fn metrics(url: &str) -> Result<BTreeMap<String, f64>> {
    let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
    ensure!(
        text.ends_with("# EOF\n"),
        "it is no OpenMetrics text: {text}"
    );
    let samples = text.lines().filter(|it| !it.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').context("a sample")?;
            Ok((series.to_owned(), value.parse()?))
        })
        .collect()
}

async fn shows(url: &str, series: &str, wanted: f64) -> Result<()> {
    until(&format!("{series} is {wanted}"), async || {
        let all = metrics(url).await?;
        let found = all.get(series).copied();
        Ok(if found == Some(wanted) {
            Ok(())
        } else {
            Err(found)
        })
    })
    .await
}

async fn a_key_that_is_issued_and_revoked_shows_in_the_metrics(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    let url = quiet.stack.controller_url().context("no controller")?;
    shows(&url, "devportal_leader", 1.0).await?;
    shows(
        &url,
        "devportal_watch_listed{kind=\"APIKey\",scope=\"cluster\"}",
        1.0,
    )
    .await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    shows(&url, "devportal_keys{state=\"Approved\"}", 1.0).await?;
    shows(&url, "devportal_keys_enforced{status=\"NoPlans\"}", 1.0).await?;
    let count =
        |change| format!("devportal_enforcement_delay_seconds_count{{change=\"{change}\"}}");
    shows(&url, &count("grant"), 1.0).await?;
    // The consumer's and the gateway's.
    let made = "devportal_writes_total{kind=\"Secret\",verb=\"create\"}";
    shows(&url, made, 2.0).await?;
    quiet.delete_key("mine").await?;
    shows(&url, &count("revoke"), 1.0).await?;
    shows(&url, "devportal_keys{state=\"Approved\"}", 0.0).await?;
    quiet.end().await
}

async fn the_servers_metrics_are_at_an_address_of_their_own(stage: Arc<Stage>) -> Result<()> {
    let port = stage.stack.choose_port("metrics of a portal")?;
    let address = format!("127.0.0.1:{port}");
    let arguments = [format!("--metrics-address={address}")];
    let portal = stage
        .stack
        .add_portal("a portal with metrics", &arguments)
        .await?;
    let url = format!("http://{address}");
    stage.http.get(format!("{portal}/v1/me")).send().await?;
    let asked = "devportal_http_requests_total{method=\"GET\",route=\"/v1/me\",status=\"401\"}";
    shows(&url, asked, 1.0).await?;
    let answer = stage.http.get(format!("{portal}/metrics")).send().await?;
    ensure!(
        answer.status() == 404,
        "people are shown metrics: {}",
        answer.status()
    );
    stage.stack.end("a portal with metrics").await
}

/// What `devportal doctor` finds, and its exit code.
async fn doctor(stack: &Stack) -> Result<(Vec<Value>, Option<i32>)> {
    let output = devportal(stack, &["doctor", "-o", "json"]).await?;
    let found = serde_json::from_slice(&output.stdout);
    let complaint = || String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((found.with_context(complaint)?, output.status.code()))
}

async fn doctor_finds_no_fault_where_all_is_well(stage: Arc<Stage>) -> Result<()> {
    let (findings, code) = doctor(&stage.stack).await?;
    let faults: Vec<_> = findings
        .iter()
        .filter(|it| it["level"] == "Fault")
        .collect();
    ensure!(
        faults.is_empty() && code == Some(0),
        "{code:?}: {faults:#?}"
    );
    for check in [
        "kubernetes",
        "clock",
        "definitions",
        "kuadrant",
        "policies",
        "rights",
    ] {
        let is_ok = |it: &Value| it["check"] == check && it["level"] == "Ok";
        ensure!(
            findings.iter().any(is_ok),
            "{check} is not looked at: {findings:#?}"
        );
    }
    Ok(())
}

async fn doctor_names_what_is_missing_and_what_to_do(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.takes("*");
    let bindings: Api<ClusterRoleBinding> = Api::all(quiet.admin.clone());
    let params = DeleteParams::default();
    bindings.delete("devportal-controller", &params).await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(quiet.admin.clone());
    bindings.delete("devportal-requester", &params).await?;
    let audit = Patch::Merge(json!({"spec": {"validationActions": ["Audit"]}}));
    let params = PatchParams::default();
    bindings.patch("devportal-status", &params, &audit).await?;
    let left = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "of-old",
        "namespace": "shop", "labels": {label::ENFORCEMENT: "true"},
        "annotations": {annotation::KEY: "shop/gone"}}});
    stage::apply(&quiet.admin, &left).await?;
    let (findings, code) = doctor(&quiet.stack).await?;
    ensure!(code == Some(2), "{code:?}: {findings:#?}");
    let says = |level: &str, words: &str| {
        let is_it = |it: &&Value| {
            it["level"] == level
                && it["next"].is_string()
                && it["message"].as_str().is_some_and(|it| it.contains(words))
        };
        let found = findings.iter().find(is_it);
        found.with_context(|| format!("nothing says {words:?} as {level}: {findings:#?}"))
    };
    says("Fault", "devportal-controller may not list apikeys")?;
    // Nobody sets the status of the Kuadrant resource here.
    says("Fault", "is not ready")?;
    says("Fault", "1 credentials of keys are in shop")?;
    says(
        "Warning",
        "the binding devportal-requester is not installed",
    )?;
    quiet.end().await
}

async fn doctor_knows_what_the_operators_own_account_may(_: Arc<Stage>) -> Result<()> {
    const ACCOUNT: &str = "developer-portal-controller-manager";
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let quiet = Quiet::start().await?;
    let mut objects = operator_chart(Progress::OnlyLong).await?;
    objects.retain(|it| it["kind"] != "CustomResourceDefinition");
    apply_objects(&quiet.admin, &objects).await?;
    let labels = json!({"app": "developer-portal-controller"});
    // As the operator makes it.
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "developer-portal-controller", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"serviceAccountName": ACCOUNT, "containers": [{"name": "manager", "image": "none"}]}}}});
    stage::apply(&quiet.admin, &deployment).await?;
    let may_not = |findings: &[Value], level: &str| -> Vec<String> {
        let its = findings.iter().filter(|it| it["level"] == level);
        let words = its.filter_map(|it| it["message"].as_str()?.strip_prefix(&user));
        let words = words.filter_map(|it| it.split_once(" ("));
        words.map(|(right, _)| right.trim().to_owned()).collect()
    };
    let (findings, _) = doctor(&quiet.stack).await?;
    ensure!(
        may_not(&findings, "Fault") == ["may not control apikeyrequests"],
        "{findings:#?}"
    );
    ensure!(
        may_not(&findings, "Warning")
            == [
                "may not patch apikeys",
                "may not list gateways",
                "may not watch gateways",
                "may not create events",
            ],
        "{findings:#?}"
    );

    // As docs/how-to/run-it-under-kuadrant-operator.md has it.
    let group = "rbac.authorization.k8s.io";
    for object in [
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole",
            "metadata": {"name": "devportal-control"},
            "rules": [{"apiGroups": ["devportal.kuadrant.io"], "resources": ["apikeyrequests"],
                "verbs": ["control"]}]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
            "metadata": {"name": "devportal-control"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "devportal-control"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]}),
    ] {
        stage::apply(&quiet.admin, &object).await?;
    }
    let (findings, _) = doctor(&quiet.stack).await?;
    ensure!(may_not(&findings, "Fault").is_empty(), "{findings:#?}");

    // Of the Secrets that the gateway reads.
    let bindings: Api<ClusterRoleBinding> = Api::all(quiet.admin.clone());
    let params = DeleteParams::default();
    bindings
        .delete("developer-portal-manager-rolebinding", &params)
        .await?;
    let (findings, _) = doctor(&quiet.stack).await?;
    let wanted = format!("may not create secrets in {NAMESPACE}");
    ensure!(
        may_not(&findings, "Fault").contains(&wanted),
        "{findings:#?}"
    );
    quiet.end().await
}

async fn doctor_that_may_look_at_little_does_not_say_that_all_is_well(
    stage: Arc<Stage>,
) -> Result<()> {
    let output = Command::new(stage.stack.devportal()?)
        .arg("doctor")
        .env("KUBECONFIG", stage.stack.kubeconfig(Persona::Consumer))
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(3), "{told}");
    ensure!(told.contains("whether all is well is not known"), "{told}");
    Ok(())
}

async fn a_consumer_has_a_key_explained_with_rights_in_one_namespace(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "consumer", "namespace": "shop"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "devportal-consumer"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": Persona::Consumer.user()}]});
    stage::apply(&quiet.admin, &binding).await?;
    let explain = async |key: &str| -> Result<_> {
        let output = Command::new(quiet.stack.devportal()?)
            .args(["explain", key])
            .env("KUBECONFIG", quiet.stack.kubeconfig(Persona::Consumer))
            .output()
            .await?;
        let told = [&*output.stdout, &*output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        Ok((output.status.success(), told))
    };
    let (is_found, told) = explain("shop/mine").await?;
    ensure!(
        is_found && told.contains("Approved=True Approved"),
        "{told}"
    );
    ensure!(told.contains("APIKeyApproval: the right to list"), "{told}");
    let (is_found, told) = explain("shop/none").await?;
    ensure!(
        !is_found && told.contains("there is no such APIKey"),
        "{told}"
    );
    let (is_found, told) = explain("elsewhere/mine").await?;
    ensure!(!is_found && told.contains("cannot be seen"), "{told}");
    quiet.end().await
}

async fn asks_for_a_yes(stack: &Stack, arguments: &[&str]) -> Result<()> {
    let told = devportal(stack, arguments).await?;
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    ensure!(!told.status.success() && words.contains("--yes"), "{words}");
    Ok(())
}

async fn what_is_uninstalled_opens_nothing_and_keeps_what_people_made(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet
        .bring("own", "a-value-of-the-consumers-own-0123456789")
        .await?;
    quiet.request("brought", Some("own")).await?;
    quiet.request_key("generated").await?;
    quiet.key_is("brought", "Approved").await?;
    quiet.key_is("generated", "Approved").await?;
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let values = async || -> Result<Vec<_>> {
        let all = secrets.list(&ListParams::default()).await?.items;
        Ok(all.into_iter().filter_map(|it| it.data).collect())
    };
    let before = values().await?;
    ensure!(before.len() == 2, "{before:?}");
    quiet.stack.end("controller").await?;
    let old = Patch::Merge(json!({"metadata": {"finalizers": [LEGACY_FINALIZER]}}));
    quiet
        .keys()
        .patch("generated", &PatchParams::default(), &old)
        .await?;

    let elsewhere = ["uninstall", "--dry-run", "--kuadrant-namespace=default"];
    let told = devportal(&quiet.stack, &elsewhere).await?;
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    ensure!(
        !told.status.success() && words.contains("is in namespace kuadrant-system"),
        "{words}"
    );

    // One has lost our label while nobody ran, and opens its API all the same.
    let all = secrets.list(&ListParams::default()).await?.items;
    let stray = all.last().and_then(|it| it.metadata.name.clone());
    let unlabelled = json!({"metadata": {"labels": {label::ENFORCEMENT: null}}});
    secrets
        .patch(
            &stray.context("no Secret")?,
            &PatchParams::default(),
            &Patch::Merge(unlabelled),
        )
        .await?;
    let told = devportal(&quiet.stack, &["uninstall", "--dry-run"]).await?;
    let words = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(words.contains("2 Secrets would be deleted"), "{words}");
    ensure!(values().await? == before, "a dry run deletes");

    let held = all.first().and_then(|it| it.metadata.name.clone());
    let held = held.context("no Secret")?;
    let finalizers = |them: Value| Patch::Merge(json!({"metadata": {"finalizers": them}}));
    let params = PatchParams::default();
    secrets
        .patch(&held, &params, &finalizers(json!(["example.com/hold"])))
        .await?;
    let without = ["uninstall", "--without-controller", "--yes"];
    asks_for_a_yes(&quiet.stack, &without[..2]).await?;
    let told = devportal(&quiet.stack, &["uninstall", "--yes"]).await?;
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    ensure!(
        !told.status.success(),
        "it takes no controller for a stopped one"
    );
    ensure!(words.contains("--without-controller"), "{words}");
    ensure!(
        values().await? == before,
        "what runs unseen makes them anew"
    );
    let told = devportal(&quiet.stack, &without).await?;
    let words = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(told.status.code() == Some(1), "{words}");
    ensure!(
        words.contains(&format!("{held} is held by a finalizer")),
        "{words}"
    );
    secrets
        .patch(&held, &params, &finalizers(Value::Null))
        .await?;

    let told = devportal(&quiet.stack, &without).await?;
    let words = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(told.status.success(), "{words}");
    ensure!(values().await?.is_empty(), "something opens the API");
    let left = quiet.keys().list(&ListParams::default()).await?.items;
    ensure!(left.len() == 2, "keys are gone");
    ensure!(
        left.iter().all(|it| it.finalizers().is_empty()),
        "a key could never be deleted"
    );

    quiet.stack.restart("controller").await?;
    let after = until("both keys are issued again", async || {
        let after = values().await?;
        Ok(if after.len() == 2 {
            Ok(after)
        } else {
            Err(after)
        })
    })
    .await?;
    let sorted = |mut all: Vec<BTreeMap<_, k8s_openapi::ByteString>>| {
        all.sort_by_key(|it| format!("{it:?}"));
        all
    };
    ensure!(sorted(before) == sorted(after), "they have other values");
    quiet.end().await
}

async fn a_hundred_namespaces_share_connections(_: Arc<Stage>) -> Result<()> {
    const NAMESPACES: usize = 100;
    let quiet = Quiet::start().await?;
    let before = quiet.stack.connections("controller")?;
    stream::iter(0..NAMESPACES)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(8, |number| {
            let admin = &quiet.admin;
            async move {
                let namespace = format!("consumer-{number}");
                let object = json!({"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": namespace}});
                stage::apply(admin, &object).await?;
                let mut key = Quiet::key("mine");
                key["metadata"]["namespace"] = namespace.into();
                key["spec"]["apiProductRef"]["namespace"] = "shop".into();
                stage::apply(admin, &key).await?;
                Ok(())
            }
        })
        .await?;
    let keys: Api<APIKey> = Api::all(quiet.admin.clone());
    until("all are issued", async || {
        let all = keys.list(&ListParams::default()).await?.items;
        let is_approved = |key: &&APIKey| {
            let conditions = key.status.as_ref().map_or(&[][..], |it| &it.conditions);
            conditions.iter().any(|it| it.type_ == "Approved")
        };
        let count = all.iter().filter(is_approved).count();
        Ok(if count == NAMESPACES {
            Ok(())
        } else {
            Err(count)
        })
    })
    .await?;
    let after = quiet.stack.connections("controller")?;
    // Two for the namespaces, of which each would have one of its own otherwise; the others
    // wrote or read Secrets, as many at a time as a busy machine lets pile up, and are kept for a
    // while.
    ensure!(
        after < before + NAMESPACES,
        "{before} connections have become {after}"
    );
    quiet.end().await
}
