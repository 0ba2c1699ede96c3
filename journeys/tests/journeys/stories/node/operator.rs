//! The published kuadrant-operator runs our image in the place of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use devportal_stack::{
    NAMESPACE, Options, Part, Persona, Progress, Stack, apply_crds, apply_objects, operator_chart,
    read_folder, repository,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams, LogParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{bring_image, is_ready, turn};
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::until;

stories![the_operator_runs_our_image_in_the_place_of_its_own];

const DEPLOYMENT: &str = "developer-portal-controller";
const VALUE: &str = "brought-by-the-consumer-0123456789";

/// 35: its arguments, account, rights and definitions, and then our definitions
async fn the_operator_runs_our_image_in_the_place_of_its_own(_: Arc<Stage>) -> Result<()> {
    let Some(_turn) = turn().await else {
        return Ok(());
    };
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
    let kuadrant = json!({"apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
        "metadata": {"name": "kuadrant", "namespace": NAMESPACE},
        "spec": {"components": {"developerPortal": {"enabled": true}}}});
    stage::apply(&admin, &kuadrant).await?;
    is_ready(&admin, DEPLOYMENT, 1).await?;

    let secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "mine", "namespace": "consumer"}, "stringData": {"api_key": VALUE}});
    stage::apply(&admin, &secret).await?;
    request(&admin, "brought", json!({"name": "mine"})).await?;
    is_approved(&admin, "brought").await?;
    answers(&stack, VALUE, 200).await?;

    let crds = repository().join("deploy/chart/files/crds");
    apply_crds(&admin, read_folder(&crds, &[])?).await?;
    request(&admin, "generated", Value::Null).await?;
    let key = is_approved(&admin, "generated").await?;
    let copy = key.status.and_then(|it| it.secret_ref);
    let copy = copy.context("its status names the Secret")?.name;
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), "consumer");
    let data = secrets.get(&copy).await?.data.unwrap_or_default();
    answers(&stack, std::str::from_utf8(&data["api_key"].0)?, 200).await?;

    let keys: Api<APIKey> = Api::namespaced(admin.clone(), "consumer");
    keys.delete("brought", &DeleteParams::default()).await?;
    answers(&stack, VALUE, 401).await?;
    says_once_what_it_may_not(&admin).await?;
    drop(admin);
    stack.stop().await?;
    dir.close().context("the stack left files open")
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

/// What it is refused is in its log, and each of it once.
async fn says_once_what_it_may_not(admin: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let its = ListParams::default().labels(&format!("app={DEPLOYMENT}"));
    let pod = pods.list(&its).await?.items.pop().context("a pod runs")?;
    let log = pods.logs(&pod.name_any(), &LogParams::default()).await?;
    println!("{log}");
    let told: Vec<&str> = log.lines().filter(|it| it.contains("forbidden")).collect();
    let different: BTreeSet<&str> = told
        .iter()
        .filter_map(|it| it.split_once(' '))
        .map(|it| it.1)
        .collect();
    ensure!(told.len() == different.len(), "{log}");
    Ok(())
}
