//! The published kuadrant-operator runs our image in the place of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use devportal_api::name::LEGACY_FINALIZER;
use devportal_stack::{
    NAMESPACE, Options, Part, Persona, Progress, Stack, apply_crds, apply_objects, node_permitted,
    operator_chart, read_folder, repository,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams, LogParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{bring_image, is_ready, turn};
use crate::audit;
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::until;

stories![
    where node_permitted();
    the_operator_runs_our_image_in_the_place_of_its_own,
];

const DEPLOYMENT: &str = "developer-portal-controller";
/// Who it is to the API server.
const USER: &str = "system:serviceaccount:kuadrant-system:developer-portal-controller-manager";
const VALUE: &str = "brought-by-the-consumer-0123456789";

/// Its arguments, account, rights and definitions, and then our definitions
async fn the_operator_runs_our_image_in_the_place_of_its_own(_: Arc<Stage>) -> Result<()> {
    let _turn = turn().await?;
    let dir = tempfile::tempdir()?;
    let parts = [
        Part::ControllerManager,
        Part::Kuadrant,
        Part::Gateway,
        Part::Sample,
        Part::Node,
    ];
    let mut options = Options::control_plane(dir.path()).with(&parts);
    options.policies = false;
    let stack = Stack::start(options).await?;
    bring_image(dir.path()).await?;
    let admin = stack.client(Persona::ClusterAdmin).await?;
    apply_objects(&admin, &operator_chart(Progress::OnlyLong).await?).await?;
    switch(&admin, true).await?;
    is_ready(&admin, DEPLOYMENT, 1).await?;

    let secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "mine", "namespace": "consumer"}, "stringData": {"api_key": VALUE}});
    stage::apply(&admin, &secret).await?;
    request(&admin, "brought", json!({"name": "mine"})).await?;
    is_approved(&admin, "brought").await?;
    answers(&stack, VALUE, 200).await?;

    let keys: Api<APIKey> = Api::namespaced(admin.clone(), "consumer");
    keys.delete("brought", &DeleteParams::default()).await?;
    answers(&stack, VALUE, 401).await?;
    says_once_what_it_may_not(&stack, &admin).await?;

    // With our definitions it generates values; it looks for them when it starts.
    let crds = repository().join("deploy/chart/files/crds");
    apply_crds(&admin, read_folder(&crds, &[])?).await?;
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let pod = pod(&admin).await?;
    pods.delete(&pod.name_any(), &DeleteParams::default())
        .await?;
    until("the pod is gone", async || {
        let left = pods.get_opt(&pod.name_any()).await?;
        Ok(left.map_or(Ok(()), |it| Err(it.metadata.deletion_timestamp)))
    })
    .await?;
    is_ready(&admin, DEPLOYMENT, 1).await?;
    request(&admin, "generated", Value::Null).await?;
    let key = is_approved(&admin, "generated").await?;
    let copy = key.status.and_then(|it| it.secret_ref);
    let copy = copy.context("its status names the Secret")?.name;
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), "consumer");
    let data = secrets.get(&copy).await?.data.unwrap_or_default();
    let value = std::str::from_utf8(&data["api_key"].0)?;
    answers(&stack, value, 200).await?;

    // Keys outlive it.
    switch(&admin, false).await?;
    until("the operator takes it away", async || {
        let left = pods.list(&ListParams::default()).await?.items.len();
        Ok(if left == 0 { Ok(()) } else { Err(left) })
    })
    .await?;
    answers(&stack, value, 200).await?;

    drop((pods, keys, secrets, admin));
    stack.stop().await?;
    dir.close().context("the stack left files open")
}

/// Tells the operator whether there is to be a developer portal.
async fn switch(admin: &Client, is_wanted: bool) -> Result<()> {
    let kuadrant = json!({"apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
        "metadata": {"name": "kuadrant", "namespace": NAMESPACE},
        "spec": {"components": {"developerPortal": {"enabled": is_wanted}}}});
    stage::apply(admin, &kuadrant).await?;
    Ok(())
}

/// alice asks for a key to the sample's Toystore.
async fn request(admin: &Client, name: &str, own: Value) -> Result<()> {
    let mut key = json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
        "metadata": {"name": name, "namespace": "consumer"},
        "spec": {
            "apiProductRef": {"name": "toystore", "namespace": "toystore"}, "planTier": "gold",
            "requestedBy": {"userId": "alice", "email": "alice@example.com"},
        },
    });
    if !own.is_null() {
        key["spec"]["secretRef"] = own;
        // Left behind by version 0.1; under these rights it cannot be taken off.
        key["metadata"]["finalizers"] = json!([LEGACY_FINALIZER]);
    }
    stage::apply(admin, &key).await?;
    Ok(())
}

async fn is_approved(admin: &Client, name: &str) -> Result<APIKey> {
    let keys: Api<APIKey> = Api::namespaced(admin.clone(), "consumer");
    until(&format!("{name} is approved"), async || {
        let key = keys.get(name).await?;
        let conditions = key.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let is_so = conditions.iter().any(|it| it.type_ == "Approved");
        Ok(if is_so { Ok(key) } else { Err(key.status) })
    })
    .await
}

async fn answers(stack: &Stack, value: &str, wanted: u16) -> Result<()> {
    let url = stack.gateway_url().context("no gateway")?;
    let http = reqwest::Client::new();
    until(&format!("the gateway answers {wanted}"), async || {
        let request = http.get(&url).header("Host", "toystore.example.com");
        let request = request.header("Authorization", format!("APIKEY {value}"));
        let answer = request.send().await?.status().as_u16();
        Ok(if answer == wanted {
            Ok(())
        } else {
            Err(answer)
        })
    })
    .await
}

/// The one that the operator's Deployment has.
async fn pod(admin: &Client) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let its = ListParams::default().labels(&format!("app={DEPLOYMENT}"));
    pods.list(&its).await?.items.pop().context("a pod runs")
}

/// It cannot take the finalizer off, tells that once, and is refused nothing else but to see
/// Gateways.
async fn says_once_what_it_may_not(stack: &Stack, admin: &Client) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    let audit = audit::text(stack)?;
    let refused: BTreeSet<String> = audit
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|it| it["user"]["username"] == USER && it["responseStatus"]["code"] == 403)
        .map(|it| format!("{} {}", it["verb"], it["requestURI"]))
        .collect();
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let name = pod(admin).await?.name_any();
    let log = pods.logs(&name, &LogParams::default()).await?;
    let told = log.lines().filter(|it| it.contains("finalizer")).count();
    ensure!(told == 1, "{log}");
    let of_gateways = refused.iter().filter(|it| it.contains("/gateways"));
    ensure!(
        of_gateways.count() == 1 && refused.len() == 2,
        "{refused:#?}"
    );
    Ok(())
}
