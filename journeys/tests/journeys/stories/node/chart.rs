//! What the chart installs, updates and takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use devportal_api::foreign::Kuadrant;
use devportal_api::name::{LEGACY_FINALIZER, annotation};
use devportal_stack::{NAMESPACE, Persona, Program, Progress, node_permitted, obtain_program};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams};
use kube::config::Kubeconfig;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{bring_image, is_ready, run, turn};
use crate::audit;
use crate::quiet::{Asked, Quiet};
use crate::stage::{self, Stage};
use crate::stories::install::helm;
use crate::stories::replicas::holder;
use crate::stories::stories;
use crate::wait::{PATIENCE, until, within};

stories![
    where node_permitted();
    what_the_chart_installs_issues_keys_and_outlives_a_pod,
    an_update_loses_no_key_and_no_revocation,
    an_eviction_and_a_restart_of_the_node_lose_no_key_and_no_revocation,
    a_certificate_of_the_api_server_that_is_replaced_is_trusted_without_a_restart,
    what_is_uninstalled_opens_nothing_until_it_is_back,
    only_labelled_namespaces_are_open_to_consumers_as_it_is_installed,
];

/// 33
async fn what_the_chart_installs_issues_keys_and_outlives_a_pod(_: Arc<Stage>) -> Result<()> {
    let _turn = turn().await?;
    let quiet = installed().await?;
    quiet.request_key("lost").await?;
    opens(&quiet, &["kept", "lost"]).await?;
    // Under the account of its pod, by the token that was mounted there.
    ensure!(!quiet.writes()?.is_empty(), "others wrote");

    let first = holder(&quiet).await?;
    let uid = pod_of(&quiet, &first).await?;
    is_confined(&quiet, &uid)?;
    let before = credentials(&quiet).await?;
    // It has no time to give the lease back.
    quiet.stack.kill_pod(&uid)?;
    quiet.delete_key("lost").await?;
    quiet.request_key("second").await?;
    opens(&quiet, &["kept", "second"]).await?;
    let after = credentials(&quiet).await?;
    ensure!(after["kept"] == before["kept"], "a key was issued anew");
    another_leads(&quiet, &first).await?;
    are_ready(&quiet).await?;
    quiet.end().await
}

/// 33
async fn an_update_loses_no_key_and_no_revocation(_: Arc<Stage>) -> Result<()> {
    let _turn = turn().await?;
    let quiet = installed().await?;
    opens(&quiet, &["kept"]).await?;
    let before = credentials(&quiet).await?;
    let first = holder(&quiet).await?;
    let changes = [
        "--set-string",
        "controller.podAnnotations.turn=second,server.podAnnotations.turn=second",
    ];
    let mut update = helm(&quiet, "upgrade").await?;
    update
        .args(["devportal", "deploy/chart", "--reset-then-reuse-values"])
        .args(["--wait", "--timeout", "3m"])
        .args(changes);
    let update = tokio::spawn(run(update));
    let mut asked = 0;
    // Each third key is withdrawn again, soon after it was asked for.
    while !update.is_finished() {
        quiet.request_key(&format!("key-{asked}")).await?;
        if asked % 3 == 2 {
            quiet.delete_key(&format!("key-{}", asked - 2)).await?;
        }
        asked += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    update.await??;
    ensure!(asked > 10, "the update took no time: {asked} keys");
    another_leads(&quiet, &first).await?;
    let mut left: Vec<String> = (0..asked)
        .filter(|it| it % 3 != 0 || it + 2 >= asked)
        .map(|it| format!("key-{it}"))
        .collect();
    left.push("kept".into());
    opens(&quiet, &left.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let after = credentials(&quiet).await?;
    ensure!(after["kept"] == before["kept"], "a key was issued anew");
    // No Secret went but those of withdrawn keys, and none was made twice: nobody was
    // refused meanwhile.
    let withdrawn = usize::try_from(asked)? + 1 - left.len();
    until("what was made has gone or is left", async || {
        let folder = format!("/namespaces/{NAMESPACE}/secrets");
        let mut writes = quiet.writes()?;
        writes.retain(|it| it.uri.contains(&folder));
        let count = |verb: &str| {
            let is_done = |it: &&Asked| it.verb == verb && it.answer < 300;
            writes.iter().filter(is_done).count()
        };
        let (made, went) = (count("create"), count("delete"));
        let is_so = went <= withdrawn && made == went + left.len();
        let seen = (made, went, withdrawn, left.len());
        Ok(if is_so { Ok(()) } else { Err((seen, writes)) })
    })
    .await?;
    are_ready(&quiet).await?;

    let mut back = helm(&quiet, "rollback").await?;
    back.args(["devportal", "1", "--wait", "--timeout", "3m"]);
    run(back).await?;
    are_ready(&quiet).await?;
    ensure!(credentials(&quiet).await? == after, "keys were issued anew");
    quiet.request_key("afterwards").await?;
    quiet.key_is("afterwards", "Approved").await?;
    quiet.end().await
}

/// 33
async fn an_eviction_and_a_restart_of_the_node_lose_no_key_and_no_revocation(
    _: Arc<Stage>,
) -> Result<()> {
    let _turn = turn().await?;
    let quiet = installed().await?;
    quiet.request_key("evicted").await?;
    quiet.request_key("restarted").await?;
    opens(&quiet, &["evicted", "kept", "restarted"]).await?;
    let before = credentials(&quiet).await?;

    let first = holder(&quiet).await?;
    let pods: Api<Pod> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let (leader, _) = first.split_once('_').context("it is named by its pod")?;
    pods.evict(leader, &EvictParams::default()).await?;
    quiet.delete_key("evicted").await?;
    opens(&quiet, &["kept", "restarted"]).await?;
    another_leads(&quiet, &first).await?;
    are_ready(&quiet).await?;

    one_may_go(&quiet).await?;
    ensure!(refused_at_once(&quiet).await? == 1, "the budget is of one");
    are_ready(&quiet).await?;
    let pods = what_stays(&pods).await?;

    for part in ["kubelet", "containerd"] {
        quiet.stack.kill(part).await?;
    }
    // Pods go on without them.
    quiet.delete_key("restarted").await?;
    opens(&quiet, &["kept"]).await?;
    // Until they end as well, as where the machine does.
    for pod in &pods {
        quiet.stack.kill_pod(pod)?;
    }
    quiet.request_key("unheard").await?;
    quiet.stack.restart("containerd").await?;
    // It ends where containerd, which first looks for its pods, does not answer yet. As a
    // service it would be started anew.
    until("the kubelet runs", async || {
        Ok(quiet.stack.restart("kubelet").await)
    })
    .await?;
    quiet.request_key("later").await?;
    opens(&quiet, &["kept", "later", "unheard"]).await?;
    are_ready(&quiet).await?;
    let after = credentials(&quiet).await?;
    ensure!(after["kept"] == before["kept"], "a key was issued anew");
    quiet.end().await
}

/// By another authority, which the pods find in a file after a while.
async fn a_certificate_of_the_api_server_that_is_replaced_is_trusted_without_a_restart(
    _: Arc<Stage>,
) -> Result<()> {
    let _turn = turn().await?;
    let mut quiet = installed().await?;
    quiet.request_key("withdrawn").await?;
    opens(&quiet, &["kept", "withdrawn"]).await?;
    let before = credentials(&quiet).await?;
    let pods = containers(&quiet).await?;
    ensure!(pods.len() == 4, "{pods:?}");
    let old = quiet.admin.clone();

    quiet.stack.replace_certificate().await?;
    let heard = std::fs::metadata(quiet.stack.audit_log())?.len();
    let refusal = old.apiserver_version().await.err();
    let refusal = format!("{:?}", refusal.context("the old authority is good")?);
    ensure!(refusal.contains("UnknownIssuer"), "{refusal}");
    quiet.admin = quiet.stack.client(Persona::ClusterAdmin).await?;
    quiet.delete_key("withdrawn").await?;
    quiet.request_key("later").await?;
    // The kubelet brings the file within its minute, and whoever reads it does within another.
    within(
        PATIENCE * 4,
        "all pods trust the new authority",
        async || {
            let pods = pods_heard_since(&quiet, heard)?;
            Ok(if pods.len() == 4 { Ok(()) } else { Err(pods) })
        },
    )
    .await?;
    opens(&quiet, &["kept", "later"]).await?;
    are_ready(&quiet).await?;
    ensure!(containers(&quiet).await? == pods, "they were started anew");
    let after = credentials(&quiet).await?;
    ensure!(after["kept"] == before["kept"], "a key was issued anew");
    quiet.end().await
}

/// The pods that the API server has answered since its audit log was this long.
fn pods_heard_since(quiet: &Quiet, length: u64) -> Result<BTreeSet<String>> {
    let log = std::fs::read(quiet.stack.audit_log())?;
    let new = String::from_utf8_lossy(&log[usize::try_from(length)?..]).into_owned();
    let entries = new
        .lines()
        .filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let pods = entries.filter_map(|it| {
        let pod = &it["user"]["extra"]["authentication.kubernetes.io/pod-name"][0];
        Some(pod.as_str()?.to_owned())
    });
    Ok(pods.collect())
}

/// The containers of the portal's pods: another one is there after each start.
async fn containers(quiet: &Quiet) -> Result<BTreeSet<String>> {
    let pods: Api<Pod> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let all = pods.list(&ListParams::default()).await?.items.into_iter();
    let statuses = all.filter_map(|it| it.status?.container_statuses);
    Ok(statuses
        .flatten()
        .filter_map(|it| it.container_id)
        .collect())
}

/// What the chart takes away.
async fn what_is_uninstalled_opens_nothing_until_it_is_back(_: Arc<Stage>) -> Result<()> {
    let _turn = turn().await?;
    let quiet = installed().await?;
    opens(&quiet, &["kept"]).await?;
    let value = value(&quiet, "kept").await?;
    quiet.request_key("gone").await?;
    quiet.key_is("gone", "Approved").await?;
    // As a pre-release of 0.1 did.
    let finalizers = json!({"metadata": {"finalizers": [LEGACY_FINALIZER, "example.com/other"]}});
    let params = PatchParams::default();
    let keys = quiet.keys();
    keys.patch("gone", &params, &Patch::Merge(finalizers))
        .await?;
    let mut uninstall = helm(&quiet, "uninstall").await?;
    uninstall.arg("devportal");
    run(uninstall).await?;
    let left = credentials(&quiet).await?;
    ensure!(left.is_empty(), "{left:?}");

    // Nobody is left whom a finalizer of ours could wait for.
    let left = quiet.keys().get("gone").await?.metadata.finalizers;
    ensure!(left == Some(vec!["example.com/other".into()]), "{left:?}");
    let others = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    keys.patch("gone", &params, &others).await?;
    quiet.delete_key("gone").await?;
    let gone = quiet.keys().get_opt("gone").await?;
    ensure!(gone.is_none(), "{:?}", gone.map(|it| it.metadata));
    quiet.key_is("kept", "Approved").await?;

    install(&quiet, EVERYWHERE).await?;
    opens(&quiet, &["kept"]).await?;
    ensure!(value == self::value(&quiet, "kept").await?, "another value");
    quiet.end().await
}

/// As docs/how-to/narrow-secret-access.md tells it, and what `devportal doctor` finds then
async fn only_labelled_namespaces_are_open_to_consumers_as_it_is_installed(
    _: Arc<Stage>,
) -> Result<()> {
    let _turn = turn().await?;
    let quiet = Quiet::start_with_node().await?;
    bring_image(quiet.folder()).await?;
    // The stack gives the right everywhere.
    let bindings: Api<ClusterRoleBinding> = Api::all(quiet.admin.clone());
    bindings.delete(SECRETS, &DeleteParams::default()).await?;
    label(&quiet, "shop", true).await?;
    label(&quiet, "other", false).await?;
    install(&quiet, "secretAccess.mode=labelled").await?;
    are_ready(&quiet).await?;

    quiet.request_key("inside").await?;
    let mut outside = Quiet::key("outside");
    outside["metadata"]["namespace"] = json!("other");
    outside["spec"]["apiProductRef"]["namespace"] = json!("shop");
    stage::apply(&quiet.admin, &outside).await?;
    opens(&quiet, &["inside"]).await?;
    let keys: Api<APIKey> = Api::namespaced(quiet.admin.clone(), "other");
    until("the key outside says why", async || {
        let status = keys.get("outside").await?.status.unwrap_or_default();
        let says = status.conditions.iter();
        let mut says = says.filter(|it| it.reason == "SecretForbidden");
        Ok(says.next().map(|_| ()).ok_or(status))
    })
    .await?;

    label(&quiet, "other", true).await?;
    let mut upgrade = helm(&quiet, "upgrade").await?;
    upgrade.args(["devportal", "deploy/chart", "--reset-then-reuse-values"]);
    run(upgrade).await?;
    opens(&quiet, &["inside", "other/outside"]).await?;

    // There is no operator that would say it.
    let kuadrants: Api<Kuadrant> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let is_ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True",
        "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    kuadrants
        .patch_status("kuadrant", &PatchParams::default(), &Patch::Merge(is_ready))
        .await?;
    // What is installed is enough, in each namespace by itself, once what was refused there is
    // tried again.
    until("each right is there", async || {
        Ok(audit::look(&quiet.stack, &BTreeSet::new()).map_err(|it| it.to_string()))
    })
    .await?;
    // Doctor asks for more than the pod may, to tell what it does not see.
    quiet.takes("*");
    let kubectl = obtain_program(Program::Kubectl, Progress::OnlyLong).await?;
    let mut doctor = Command::new(kubectl);
    doctor
        .args(["exec", "--namespace", NAMESPACE])
        .args(["deploy/devportal-controller", "--", "/devportal", "doctor"])
        .env("KUBECONFIG", quiet.stack.kubeconfig(Persona::ClusterAdmin));
    let found = doctor.output().await?;
    // It may see less than half.
    ensure!(matches!(found.status.code(), Some(0 | 3)), "{found:?}");
    let text = String::from_utf8_lossy(&found.stdout);
    ensure!(text.contains("kuadrant-system/kuadrant is ready"), "{text}");
    quiet.end().await
}

/// Makes a namespace, open to consumers or not.
async fn label(quiet: &Quiet, namespace: &str, is_open: bool) -> Result<()> {
    let labels = json!({"devportal.kuadrant.io/consumers": is_open.to_string()});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "labels": labels}});
    stage::apply(&quiet.admin, &namespace).await?;
    Ok(())
}

/// A control plane with a node, and the chart on it.
async fn installed() -> Result<Quiet> {
    let quiet = Quiet::start_with_node().await?;
    bring_image(quiet.folder()).await?;
    install(&quiet, EVERYWHERE).await?;
    are_ready(&quiet).await?;
    quiet.request_key("kept").await?;
    quiet.key_is("kept", "Approved").await?;
    Ok(quiet)
}

/// The right to handle Secrets, and the binding of it that a stack has.
const SECRETS: &str = "devportal-controller-secrets";
/// As a value of the chart: keys may be asked for in every namespace.
const EVERYWHERE: &str = "secretAccess.mode=cluster";

/// Installs the chart over the rights and policies that every stack has.
async fn install(quiet: &Quiet, value: &str) -> Result<()> {
    let mut install = helm(quiet, "install").await?;
    install
        .args(["devportal", "deploy/chart", "--take-ownership"])
        .args(["--set", "image.pullPolicy=Never", "--set", value]);
    run(install).await
}

async fn are_ready(quiet: &Quiet) -> Result<()> {
    is_ready(&quiet.admin, "devportal-controller", 2).await?;
    is_ready(&quiet.admin, "devportal-server", 2).await
}

/// The Secrets by which keys open APIs: the UID of each by its key.
async fn credentials(quiet: &Quiet) -> Result<BTreeMap<String, String>> {
    let all: Api<Secret> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let ours = ListParams::default().labels("devportal.kuadrant.io/enforcement=true");
    let found = all.list(&ours).await?.items.into_iter();
    Ok(found
        .map(|it| {
            let key = it.annotations().get(annotation::KEY).cloned();
            let name = key.unwrap_or_default().replace("shop/", "");
            (name, it.uid().unwrap_or_default())
        })
        .collect())
}

/// Waits until these keys open the API, and no others.
async fn opens(quiet: &Quiet, keys: &[&str]) -> Result<()> {
    let mut wanted = keys.to_vec();
    wanted.sort_unstable();
    until("just these keys open the API", async || {
        let found = credentials(quiet).await?;
        let is_so = found.keys().eq(wanted.iter().copied());
        Ok(if is_so { Ok(()) } else { Err((&wanted, found)) })
    })
    .await
}

/// Waits until the lease names another pod: one that is told to go may still be at work.
async fn another_leads(quiet: &Quiet, first: &str) -> Result<()> {
    until("another pod leads", async || {
        let now = holder(quiet).await;
        let is_another = now.as_ref().is_ok_and(|it| !it.is_empty() && it != first);
        Ok(if is_another { Ok(()) } else { Err(now) })
    })
    .await
}

/// Waits until no pod is on its way out; the UIDs of those that stay.
async fn what_stays(pods: &Api<Pod>) -> Result<Vec<String>> {
    until("what was evicted has gone", async || {
        let all = pods.list(&ListParams::default()).await?.items;
        let ends = |it: &&Pod| it.metadata.deletion_timestamp.is_some();
        let ending: Vec<_> = all.iter().filter(ends).map(ResourceExt::name_any).collect();
        let uids = all.iter().filter_map(ResourceExt::uid).collect();
        Ok(if ending.is_empty() {
            Ok(uids)
        } else {
            Err(ending)
        })
    })
    .await
}

/// Waits until the budget has seen that all pods are ready.
async fn one_may_go(quiet: &Quiet) -> Result<()> {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    until("the budget lets one pod go", async || {
        let budget = budgets.get("devportal-controller").await?;
        let status = budget.status.unwrap_or_default();
        let is_so = status.disruptions_allowed == Some(1)
            && status.observed_generation == budget.metadata.generation;
        Ok(if is_so { Ok(()) } else { Err(status) })
    })
    .await
}

/// How many are refused when all pods of the controller are to go at once.
async fn refused_at_once(quiet: &Quiet) -> Result<usize> {
    let kubeconfig = Kubeconfig::read_from(quiet.stack.kubeconfig(Persona::ClusterAdmin))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &<_>::default()).await?;
    // It would ask again until the first is replaced.
    config.default_retry = false;
    let pods: Api<Pod> = Api::namespaced(Client::try_from(config)?, NAMESPACE);
    let of_controller = ListParams::default().labels("app.kubernetes.io/component=controller");
    let all = pods.list(&of_controller).await?.items.into_iter();
    let all = all.filter(|it| it.metadata.deletion_timestamp.is_none());
    let evict = async |pod: Pod| pods.evict(&pod.name_any(), &EvictParams::default()).await;
    let mut refused = 0;
    for answer in join_all(all.map(evict)).await {
        match answer {
            Err(kube::Error::Api(status)) if status.code == 429 => refused += 1,
            answer => _ = answer?,
        }
    }
    Ok(refused)
}

/// What a consumer sends.
async fn value(quiet: &Quiet, key: &str) -> Result<Vec<u8>> {
    let all: Api<Secret> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let ours = ListParams::default().labels(&format!("devportal.kuadrant.io/apikey={key}"));
    let found = all.list(&ours).await?.items.pop();
    let data = found.and_then(|it| it.data).context("it opens nothing")?;
    Ok(data["api_key"].0.clone())
}

/// The UID of the pod that leads, for which it is named in the lease.
async fn pod_of(quiet: &Quiet, leader: &str) -> Result<String> {
    let (pod, _) = leader.split_once('_').context("it is named by its pod")?;
    let pods: Api<Pod> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    pods.get(pod).await?.metadata.uid.context("it has one")
}

/// What runs in a pod is not root, has no rights over its node and cannot write.
fn is_confined(quiet: &Quiet, uid: &str) -> Result<()> {
    let mut ours = quiet.stack.pod_processes(uid)?.into_iter();
    let process = |pid: u32| PathBuf::from(format!("/proc/{pid}"));
    let is_ours = |pid: &u32| {
        let name = std::fs::read_to_string(process(*pid).join("comm"));
        name.is_ok_and(|it| it.trim() == "devportal")
    };
    let pid = ours.find(is_ours).context("the program runs")?;
    let status = std::fs::read_to_string(process(pid).join("status"))?;
    let lines: BTreeMap<_, _> = status
        .lines()
        .filter_map(|it| it.split_once(":\t"))
        .collect();
    ensure!(lines["Uid"] == ["65532"; 4].join("\t"), "{status}");
    ensure!(lines["CapBnd"] == "0".repeat(16), "{status}");
    ensure!(lines["NoNewPrivs"] == "1", "{status}");
    // Filtered system calls.
    ensure!(lines["Seccomp"] == "2", "{status}");
    // Not even by root.
    let written = std::fs::write(process(pid).join("root/file"), "text");
    let refused = written.err().context("its root can be written")?;
    ensure!(refused.kind() == ErrorKind::ReadOnlyFilesystem, "{refused}");
    Ok(())
}
