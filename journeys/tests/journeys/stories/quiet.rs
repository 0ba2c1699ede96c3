//! Stories on a control plane of their own: nothing else happens there, no
//! garbage collector runs, and things may break.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::key::Phase;
use devportal_api::{APIKeyApproval, APIKeyRequest, APIProduct};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::refused::policy;
use super::stories;
use crate::quiet::{Asked, Quiet};
use crate::stage::{self, Stage};
use crate::wait::until;

stories![
    an_idle_controller_sends_nothing_but_its_watches_and_its_lease,
    a_key_takes_no_more_writes_than_it_must,
    requests_and_approvals_are_collected_where_no_garbage_collector_runs,
    a_key_survives_the_controller_being_killed,
    a_start_reads_no_secret_but_those_that_changed,
    a_controller_whose_log_cannot_be_written_issues_and_revokes,
    what_a_gitops_tool_applies_again_is_as_it_left_it,
    patching_the_phase_approves_and_rejects_where_that_is_switched_on,
    each_key_that_is_issued_denied_revoked_and_expired_is_one_line_and_a_fault_is_told_once,
];

/// done when: idle
async fn an_idle_controller_sends_nothing_but_its_watches_and_its_lease(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start_with(&["--leader-elect"]).await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    // The last write comes back, and the API server writes its log in batches.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = quiet.requests()?;
    ensure!(
        before.iter().any(|asked| asked.verb == "create"),
        "the log shows nothing"
    );
    tokio::time::sleep(Duration::from_mins(1)).await;
    let after = quiet.requests()?;
    ensure!(
        after.len() == before.len(),
        "idle, it sent {:?}",
        &after[before.len()..]
    );
    quiet.end().await
}

/// 48: the number of writes is the speed
async fn a_key_takes_no_more_writes_than_it_must(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    // The product's status is written meanwhile.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes_of = async |name: &str, own: Option<&str>| {
        let before = quiet.writes()?.len();
        quiet.request(name, own).await?;
        quiet.key_is(name, "Approved").await?;
        // The request's status follows the key's, and the log follows both.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok::<_, anyhow::Error>(quiet.writes()?.split_off(before))
    };
    let generated = writes_of("generated", None).await?;
    ensure!(generated.len() == 7, "{generated:#?}");
    quiet
        .bring("own", "correct-horse-battery-staple-4711")
        .await?;
    let brought = writes_of("brought", Some("own")).await?;
    ensure!(brought.len() == 6, "{brought:#?}");
    quiet.end().await
}

/// 20
async fn requests_and_approvals_are_collected_where_no_garbage_collector_runs(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    quiet.delete_key("mine").await?;
    let requests: Api<APIKeyRequest> = Api::namespaced(quiet.admin.clone(), "shop");
    let approvals: Api<APIKeyApproval> = Api::namespaced(quiet.admin.clone(), "shop");
    until("request and approval are gone", async || {
        let left = (
            requests.list(&ListParams::default()).await?.items.len(),
            approvals.list(&ListParams::default()).await?.items.len(),
        );
        Ok(if left == (0, 0) { Ok(()) } else { Err(left) })
    })
    .await?;
    quiet.end().await
}

/// 32, in part: a crash with work under way
async fn a_key_survives_the_controller_being_killed(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key("mine").await?;
    quiet.stack.kill("controller").await?;
    quiet.stack.restart("controller").await?;
    quiet.key_is("mine", "Approved").await?;
    ensure!(quiet.enforcement_secrets().await? == 1);
    quiet.end().await
}

/// 49
async fn a_start_reads_no_secret_but_those_that_changed(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    for name in ["one", "two", "changed"] {
        quiet
            .bring(name, &format!("the-value-of-{name}-before"))
            .await?;
        quiet.request(name, Some(name)).await?;
        quiet.key_is(name, "Approved").await?;
    }
    quiet.request_key("generated").await?;
    quiet.key_is("generated", "Approved").await?;
    quiet.stack.kill("controller").await?;
    quiet.bring("changed", "the-value-of-it-after").await?;
    let before = Timestamp::now();
    quiet.stack.restart("controller").await?;
    let folder = "/namespaces/shop/secrets/";
    let reads = || -> Result<Vec<String>> {
        let asked = quiet.requests()?.into_iter();
        let reads = asked.filter(|it| it.at > before && it.verb == "get");
        Ok(reads
            .map(|it| it.uri)
            .filter(|it| it.contains(folder))
            .collect())
    };
    until("what changed is read", async || {
        let reads = reads()?;
        let is_read = reads.iter().any(|it| it.ends_with("/changed"));
        Ok(if is_read { Ok(()) } else { Err(reads) })
    })
    .await?;
    // Whatever else is read comes with it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = reads()?;
    ensure!(
        reads.iter().all(|it| it.ends_with("/changed")),
        "it read {reads:?}"
    );
    quiet.end().await
}

/// A full disk: what would be told is lost, and nothing else
async fn a_controller_whose_log_cannot_be_written_issues_and_revokes(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.stack.kill("controller").await?;
    let log = quiet.stack.log("controller");
    fs::remove_file(&log)?;
    symlink("/dev/full", &log)?;
    quiet.stack.restart("controller").await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    quiet.delete_key("mine").await?;
    until("its credential is gone", async || {
        let left = quiet.enforcement_secrets().await?;
        Ok(if left == 0 { Ok(()) } else { Err(left) })
    })
    .await?;
    quiet.end().await
}

/// Case 21
async fn what_a_gitops_tool_applies_again_is_as_it_left_it(_: Arc<Stage>) -> Result<()> {
    const INSTANCE: &str = "argocd.argoproj.io/instance";
    const TRACKING: &str = "argocd.argoproj.io/tracking-id";
    let quiet = Quiet::start().await?;
    quiet.is_approved_by_hand().await?;
    let marked = |mut object: Value| {
        object["metadata"]["labels"] = json!({INSTANCE: "shop",
            "kustomize.toolkit.fluxcd.io/name": "shop"});
        object["metadata"]["annotations"] = json!({TRACKING: "shop"});
        object
    };
    let now = devportal_api::condition::whole_second(Timestamp::now());
    let in_git = [
        marked(json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
            "metadata": {"name": "tracked", "namespace": "shop"},
            "spec": {"displayName": "Tracked", "approvalMode": "manual",
                "publishStatus": "Published", "targetRef": {
                    "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"}},
        })),
        marked(Quiet::key("mine")),
        marked(json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
            "metadata": {"name": Quiet::decision("mine", "by-hand"), "namespace": "shop"},
            "spec": {"apiKeyRequestRef": {"name": Quiet::request_name("mine")}, "approved": true,
                "reviewedBy": "olivia", "reviewedAt": now.to_string()},
        })),
    ];
    // Not forced: a field that is ours as well would be a conflict.
    let params = PatchParams::apply("flux");
    let apply = async |object: &Value| stage::apply_with(&quiet.admin, object, &params).await;
    for object in &in_git {
        apply(object).await?;
    }
    quiet.key_is("mine", "Approved").await?;
    quiet.rests().await?;
    let versions = async || -> Result<Vec<_>> {
        let (product, approval) = ("tracked", Quiet::decision("mine", "by-hand"));
        let products: Api<APIProduct> = Api::namespaced(quiet.admin.clone(), "shop");
        let approvals: Api<APIKeyApproval> = Api::namespaced(quiet.admin.clone(), "shop");
        Ok(vec![
            products.get(product).await?.resource_version(),
            quiet.keys().get("mine").await?.resource_version(),
            approvals.get(&approval).await?.resource_version(),
        ])
    };
    let before = versions().await?;
    for object in &in_git {
        apply(object).await?;
    }
    let after = versions().await?;
    ensure!(before == after, "it drifts: {before:?}, {after:?}");

    let prune = ListParams::default().labels(&format!("{INSTANCE}=shop"));
    let secrets: Api<Secret> = Api::all(quiet.admin.clone());
    let requests: Api<APIKeyRequest> = Api::all(quiet.admin.clone());
    let approvals: Api<APIKeyApproval> = Api::namespaced(quiet.admin.clone(), "shop");
    let pruned = secrets.list(&prune).await?.items.len() + requests.list(&prune).await?.items.len();
    ensure!(pruned == 0, "{pruned} of what is ours would be pruned");
    ensure!(approvals.list(&prune).await?.items.len() == 1);
    let secrets = secrets.list(&ListParams::default()).await?.items;
    let requests = requests.list(&ListParams::default()).await?.items;
    ensure!(!secrets.is_empty() && !requests.is_empty());
    let mut made = secrets.iter().map(ResourceExt::annotations);
    ensure!(made.all(|it| !it.contains_key(TRACKING)));
    let mut made = requests.iter().map(ResourceExt::annotations);
    ensure!(made.all(|it| !it.contains_key(TRACKING)));

    let written = quiet.writes()?.len();
    let mut again = in_git[1].clone();
    again["metadata"]["annotations"][TRACKING] = json!("another run");
    apply(&again).await?;
    quiet.rests().await?;
    let more = quiet.writes()?.split_off(written);
    ensure!(more.is_empty(), "another mark was written for: {more:?}");

    approvals
        .delete(
            &Quiet::decision("mine", "by-hand"),
            &DeleteParams::default(),
        )
        .await?;
    quiet.key_is("mine", "Pending").await?;
    quiet.rests().await?;
    ensure!(
        approvals
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    ensure!(quiet.enforcement_secrets().await? == 0);
    quiet.end().await
}

/// 7
async fn patching_the_phase_approves_and_rejects_where_that_is_switched_on(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start_with(&["--phase-decides"]).await?;
    quiet.is_approved_by_hand().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Pending").await?;
    let patch = async |phase: Phase| {
        let patch = Patch::Merge(json!({"status": {"phase": phase, "reviewedBy": "olivia"}}));
        quiet
            .keys()
            .patch_status("mine", &PatchParams::default(), &patch)
            .await
    };
    patch(Phase::Approved).await?;
    quiet.key_is("mine", "Approved").await?;
    ensure!(quiet.enforcement_secrets().await? == 1);
    patch(Phase::Rejected).await?;
    let key = quiet.key_is("mine", "Denied").await?;
    ensure!(quiet.enforcement_secrets().await? == 0);
    ensure!(key.status.unwrap_or_default().reviewed_by.as_deref() == Some("olivia"));
    quiet.end().await
}

/// What an operator reads of a key who looks for it in the log
async fn each_key_that_is_issued_denied_revoked_and_expired_is_one_line_and_a_fault_is_told_once(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    // All that a key rests on is seen meanwhile.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lines = |name: &str| -> Result<Vec<String>> {
        let log = std::fs::read_to_string(quiet.stack.log("controller"))?;
        let named = format!("shop/{name} ");
        // The key is the last word of a line, or another follows.
        let is_of = |line: &&str| format!("{line} ").contains(&named);
        Ok(log.lines().filter(is_of).map(str::to_owned).collect())
    };
    let tells = async |name: &str, wanted: &[&str]| {
        let is_so = |lines: &[String]| {
            let mut pairs = lines.iter().zip(wanted);
            lines.len() == wanted.len() && pairs.all(|(line, words)| line.contains(words))
        };
        until(&format!("the log tells of {name}"), async || {
            let lines = lines(name)?;
            Ok(if is_so(&lines) { Ok(()) } else { Err(lines) })
        })
        .await
    };
    let end = Timestamp::now() + SignedDuration::from_secs(15);
    let mut expiring = Quiet::key("expired");
    expiring["spec"]["expiresAt"] = json!(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    stage::apply(&quiet.admin, &expiring).await?;
    for name in ["issued", "denied", "revoked"] {
        quiet.request_key(name).await?;
    }
    for name in ["issued", "denied", "revoked", "expired"] {
        quiet.key_is(name, "Approved").await?;
        tells(name, &["Approved=True"]).await?;
    }
    let now = devportal_api::condition::whole_second(Timestamp::now());
    quiet
        .decide("by-hand", "denied", false, &now.to_string())
        .await?;
    let params = DeleteParams::default();
    quiet.keys().delete("revoked", &params).await?;
    tells("denied", &["Approved=True", "Denied=True"]).await?;
    tells("revoked", &["Approved=True", "a key is gone"]).await?;
    tells("expired", &["Approved=True", "Expired=True"]).await?;

    let spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["secrets"], "operations": ["CREATE"]}]},
        "validations": [{"expression": "!object.metadata.name.startsWith('barred-')",
            "message": "nothing for this one"}],
    });
    for object in policy("barred", &spec) {
        stage::apply(&quiet.admin, &object).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), "shop");
    let probe = Secret {
        metadata: ObjectMeta {
            name: Some("barred-or-not".into()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("the policy is in force", async || {
        let refused = secrets.create(&dry, &probe).await.err();
        let words = refused.map(|it| it.to_string()).unwrap_or_default();
        let is_so = words.contains("nothing for this one");
        Ok(if is_so { Ok(()) } else { Err(words) })
    })
    .await?;
    let mut barred = Quiet::key("barred");
    // Whom nothing was denied.
    barred["spec"]["requestedBy"] = json!({"userId": "bob", "email": "bob@example.com"});
    stage::apply(&quiet.admin, &barred).await?;
    until("it is tried several times", async || {
        let refused = |it: &&Asked| it.verb == "create" && it.answer == 422;
        let writes = quiet.writes()?;
        let count = writes.iter().filter(refused).count();
        Ok(if count >= 4 {
            Ok(())
        } else {
            Err((writes, lines("barred")?))
        })
    })
    .await?;
    let refused = ["nothing for this one", "SecretRefused"];
    tells("barred", &refused).await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(quiet.admin.clone());
    bindings.delete("barred", &params).await?;
    tells("barred", &[refused[0], refused[1], "Approved=True"]).await?;
    // What is told late is told as well.
    tokio::time::sleep(Duration::from_secs(2)).await;
    tells("issued", &["Approved=True"]).await?;
    tells("denied", &["Approved=True", "Denied=True"]).await?;
    tells("revoked", &["Approved=True", "a key is gone"]).await?;
    tells("expired", &["Approved=True", "Expired=True"]).await?;
    tells("barred", &[refused[0], refused[1], "Approved=True"]).await?;
    quiet.end().await
}
