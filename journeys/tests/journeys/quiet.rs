//! What do stories play on that need silence, or break things? A control plane
//! of their own, with our controller and policies whose statuses the story
//! sets.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::id::{KeyId, ProductId};
use devportal_api::{APIKey, APIProduct, name};
use devportal_stack::{ForeignCrds, Options, Part, Persona, Stack};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::audit;
use crate::stage;
use crate::wait::until;

/// A request of the controller, as the API server noted it.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    pub(crate) uri: String,
    /// The HTTP status.
    pub(crate) answer: u64,
    /// When it reached the API server, which notes it some time later.
    pub(crate) at: Timestamp,
}

/// Who the controller is to the API server.
pub(crate) const USER: &str = "system:serviceaccount:kuadrant-system:devportal-controller";

/// A control plane with our controller, and policies whose statuses the story
/// sets: there is no operator.
pub(crate) struct Quiet {
    pub(crate) stack: Stack,
    pub(crate) admin: Client,
    dir: tempfile::TempDir,
    /// On what the story took rights away.
    taken: Mutex<BTreeSet<String>>,
}

impl Quiet {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with these arguments for the controller.
    pub(crate) async fn start_with(arguments: &[&str]) -> Result<Self> {
        Self::start_parts(&[Part::Controller], arguments).await
    }

    /// The same with a node for a controller that the story brings.
    pub(crate) async fn start_with_node() -> Result<Self> {
        Self::start_parts(&[Part::ControllerManager, Part::Node], &[]).await
    }

    /// The same with these environment variables for the controller.
    pub(crate) async fn start_with_variables(variables: &[(&str, &str)]) -> Result<Self> {
        Self::start_where(&[Part::Controller], |options| {
            let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
            options.controller_variables = variables.iter().map(owned).collect();
        })
        .await
    }

    pub(crate) async fn start_parts(parts: &[Part], arguments: &[&str]) -> Result<Self> {
        Self::start_where(parts, |options| {
            options.controller_arguments = arguments.iter().map(|&it| it.to_owned()).collect();
        })
        .await
    }

    async fn start_where(parts: &[Part], change: impl FnOnce(&mut Options)) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut options = Options::control_plane(dir.path()).with(parts);
        options.foreign_crds = ForeignCrds::Followed;
        change(&mut options);
        let stack = Stack::start(options).await?;
        let admin = stack.client(Persona::ClusterAdmin).await?;
        let quiet = Self {
            stack,
            admin,
            dir,
            taken: Mutex::default(),
        };
        quiet.furnish().await?;
        Ok(quiet)
    }

    /// Where the stack keeps its files.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// From now on the controller may lack rights on a resource, or on all: `*`.
    pub(crate) fn takes(&self, resource: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(resource.to_owned());
    }

    async fn furnish(&self) -> Result<()> {
        let target =
            json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"});
        let meta = json!({"name": "shop", "namespace": "shop"});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
            json!({"apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
                "metadata": {"name": "kuadrant", "namespace": devportal_stack::NAMESPACE}}),
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta,
                "spec": {"hostnames": ["shop.example.com"], "parentRefs": [{"name": "gateway"}]}}),
            json!({"apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy", "metadata": meta,
                "spec": {"targetRef": target, "rules": {"authentication": {"keys": {
                    "apiKey": {"selector": {"matchLabels": {"app": "shop"}}}}}}}}),
            json!({"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct", "metadata": meta,
                "spec": {"displayName": "Shop", "approvalMode": "automatic",
                    "publishStatus": "Published", "targetRef": target}}),
        ];
        for object in &objects {
            stage::apply(&self.admin, object).await?;
        }
        devportal_stack::accept_route(&self.admin, "shop", "shop", "gateway").await?;
        self.policy_is_enforced(true).await
    }

    /// Sets what the operator would say of the AuthPolicy.
    pub(crate) async fn policy_is_enforced(&self, is_enforced: bool) -> Result<()> {
        let policies: Api<devportal_api::foreign::AuthPolicy> =
            Api::namespaced(self.admin.clone(), "shop");
        let condition = |kind: &str, holds: bool| {
            json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": kind,
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let conditions = [
            condition("Accepted", true),
            condition("Enforced", is_enforced),
        ];
        let status = json!({"status": {"conditions": conditions}});
        policies
            .patch_status("shop", &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// From now on a person decides on the product's keys, which the controller knows.
    pub(crate) async fn is_approved_by_hand(&self) -> Result<()> {
        let products: Api<APIProduct> = Api::namespaced(self.admin.clone(), "shop");
        let manual = Patch::Merge(json!({"spec": {"approvalMode": "manual"}}));
        let changed = products
            .patch("shop", &PatchParams::default(), &manual)
            .await?;
        let generation = changed.metadata.generation;
        until("the product's change is seen", async || {
            let status = products.get("shop").await?.status.unwrap_or_default();
            let seen = status.observed_generation;
            Ok(if seen == generation {
                Ok(())
            } else {
                Err(seen)
            })
        })
        .await
    }

    /// A request for a key, before anything is added to it.
    pub(crate) fn key(name: &str) -> Value {
        json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"apiProductRef": {"name": "shop"}, "planTier": "gold",
                "requestedBy": {"userId": "alice", "email": "alice@example.com"}},
        })
    }

    /// Asks for a key that is generated.
    pub(crate) async fn request_key(&self, name: &str) -> Result<()> {
        self.request(name, None).await
    }

    /// Asks for a key, with or without a Secret of one's own.
    pub(crate) async fn request(&self, name: &str, own: Option<&str>) -> Result<()> {
        let mut key = Self::key(name);
        if let Some(own) = own {
            key["spec"]["secretRef"] = json!({"name": own});
        }
        stage::apply(&self.admin, &key).await?;
        Ok(())
    }

    /// Withdraws a key, as its consumer would.
    pub(crate) async fn delete_key(&self, name: &str) -> Result<()> {
        self.keys().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Creates a consumer's own Secret.
    pub(crate) async fn bring(&self, name: &str, value: &str) -> Result<()> {
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": "shop"}, "stringData": {"api_key": value}});
        stage::apply(&self.admin, &secret).await?;
        Ok(())
    }

    /// The name of a key's request.
    pub(crate) fn request_name(key: &str) -> String {
        name::request(&KeyId::new("shop", key), &ProductId::new("shop", "shop"))
            .name
            .into()
    }

    /// The name of a decision about a key.
    pub(crate) fn decision(key: &str, suffix: &str) -> String {
        format!("{}-{suffix}", Self::request_name(key))
    }

    /// Decides on a key, as olivia: another suffix makes another decision.
    pub(crate) async fn decide(
        &self,
        suffix: &str,
        key: &str,
        approved: bool,
        at: &str,
    ) -> Result<()> {
        let approval = json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
            "metadata": {"name": Self::decision(key, suffix), "namespace": "shop"},
            "spec": {"apiKeyRequestRef": {"name": Self::request_name(key)}, "approved": approved,
                "reviewedBy": "olivia", "reviewedAt": at},
        });
        stage::apply(&self.admin, &approval).await?;
        Ok(())
    }

    pub(crate) fn keys(&self) -> Api<APIKey> {
        Api::namespaced(self.admin.clone(), "shop")
    }

    /// Waits until a key has this condition.
    pub(crate) async fn key_is(&self, name: &str, kind: &str) -> Result<APIKey> {
        self.key_with(name, kind, |it| it.type_ == kind).await
    }

    /// Waits until a key has a condition with this reason.
    pub(crate) async fn key_says(&self, name: &str, reason: &str) -> Result<APIKey> {
        self.key_with(name, reason, |it| it.reason == reason).await
    }

    async fn key_with(
        &self,
        name: &str,
        what: &str,
        is_it: impl Fn(&Condition) -> bool,
    ) -> Result<APIKey> {
        until(&format!("{name} is {what}"), async || {
            let key = self.keys().get(name).await?;
            let conditions = key.status.as_ref().map_or(&[][..], |it| &it.conditions);
            let is_there = conditions.iter().any(&is_it);
            Ok(if is_there { Ok(key) } else { Err(key.status) })
        })
        .await
    }

    /// How many there are.
    pub(crate) async fn enforcement_secrets(&self) -> Result<usize> {
        let secrets: Api<Secret> = Api::namespaced(self.admin.clone(), devportal_stack::NAMESPACE);
        Ok(secrets.list(&ListParams::default()).await?.items.len())
    }

    /// What the controllers asked of the API server, other than to watch and to
    /// renew a lease.
    pub(crate) fn requests(&self) -> Result<Vec<Asked>> {
        requests(&self.stack)
    }

    /// Those of them that change something.
    pub(crate) fn writes(&self) -> Result<Vec<Asked>> {
        writes(&self.stack)
    }

    /// Waits until the controller has nothing left to write, and nothing that it wrote
    /// again and again.
    pub(crate) async fn rests(&self) -> Result<()> {
        until("the controller is at rest", async || {
            let before = self.writes()?.len();
            tokio::time::sleep(Duration::from_secs(3)).await;
            let more = self.writes()?.split_off(before);
            Ok(if more.is_empty() { Ok(()) } else { Err(more) })
        })
        .await?;
        let log = std::fs::read_to_string(self.stack.log("controller"))?;
        ensure!(!log.contains("does not stay"), "{log}");
        Ok(())
    }

    pub(crate) async fn end(self) -> Result<()> {
        let taken = self.taken.into_inner();
        let lacks = audit::look(&self.stack, &taken.unwrap_or_else(PoisonError::into_inner));
        self.stack.stop().await?;
        lacks?;
        self.dir.close().context("the stack left files open")
    }
}

fn requests(stack: &Stack) -> Result<Vec<Asked>> {
    let log = audit::text(stack)?;
    let entries = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries
        .filter(|entry| entry["user"]["username"] == USER)
        .filter(|entry| entry["verb"] != "watch" && entry["objectRef"]["resource"] != "leases")
        .map(|entry| {
            Ok(Asked {
                verb: text(&entry["verb"]),
                uri: text(&entry["requestURI"]),
                answer: entry["responseStatus"]["code"].as_u64().unwrap_or_default(),
                at: text(&entry["requestReceivedTimestamp"]).parse()?,
            })
        })
        .collect()
}

/// What the controllers of a stack changed.
pub(crate) fn writes(stack: &Stack) -> Result<Vec<Asked>> {
    let mut requests = requests(stack)?;
    requests.retain(|it| !["get", "list"].contains(&it.verb.as_str()));
    Ok(requests)
}
