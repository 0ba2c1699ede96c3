//! Stories on a control plane of their own: nothing else happens there, no
//! garbage collector runs, and things may break.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::{APIKeyApproval, APIKeyRequest};
use devportal_stack::{Options, Part, Persona, Stack};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::stories;
use crate::stage::{self, Stage};
use crate::wait::until;

stories![
    an_idle_controller_sends_nothing_but_its_watches,
    requests_and_approvals_are_collected_where_no_garbage_collector_runs,
    a_key_survives_the_controller_being_killed,
];

const USER: &str = "system:serviceaccount:kuadrant-system:devportal-controller";

/// A control plane with our controller, and policies whose statuses the story
/// sets: there is no operator.
struct Quiet {
    stack: Stack,
    admin: Client,
    dir: tempfile::TempDir,
}

impl Quiet {
    async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut options = Options::control_plane(dir.path()).with(&[Part::Controller]);
        options.foreign_crds = true;
        let stack = Stack::start(options).await?;
        let admin = stack.client(Persona::ClusterAdmin).await?;
        let quiet = Self { stack, admin, dir };
        quiet.furnish().await?;
        Ok(quiet)
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
        let policies: Api<devportal_api::foreign::AuthPolicy> =
            Api::namespaced(self.admin.clone(), "shop");
        let condition = |kind: &str| {
            json!({"type": kind, "status": "True", "reason": kind, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let status =
            json!({"status": {"conditions": [condition("Accepted"), condition("Enforced")]}});
        policies
            .patch_status("shop", &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    async fn request_key(&self) -> Result<()> {
        let key = json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": "mine", "namespace": "shop"},
            "spec": {"apiProductRef": {"name": "shop"}, "planTier": "gold",
                "requestedBy": {"userId": "alice", "email": "alice@example.com"}},
        });
        stage::apply(&self.admin, &key).await?;
        Ok(())
    }

    fn keys(&self) -> Api<devportal_api::APIKey> {
        Api::namespaced(self.admin.clone(), "shop")
    }

    async fn key_is_approved(&self) -> Result<()> {
        until("the key is approved", async || {
            let status = self.keys().get("mine").await?.status.unwrap_or_default();
            let is_there = status.conditions.iter().any(|c| c.type_ == "Approved");
            Ok(if is_there { Ok(()) } else { Err(status) })
        })
        .await
    }

    /// What the controller asked of the API server, other than to watch and to
    /// renew its lease: verb and resource of each request so far.
    fn requests(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(self.stack.audit_log())?;
        let entries = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(entries
            .filter(|entry| entry["user"]["username"] == USER)
            .filter(|entry| entry["verb"] != "watch" && entry["objectRef"]["resource"] != "leases")
            .map(|entry| format!("{} {}", text(&entry["verb"]), text(&entry["requestURI"])))
            .collect())
    }

    async fn end(self) -> Result<()> {
        self.stack.stop().await?;
        self.dir.close().context("the stack left files open")
    }
}

/// done when: idle
async fn an_idle_controller_sends_nothing_but_its_watches(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key().await?;
    quiet.key_is_approved().await?;
    // The last write comes back, and the API server writes its log in batches.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = quiet.requests()?;
    ensure!(
        before.iter().any(|request| request.starts_with("create")),
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

/// 20
async fn requests_and_approvals_are_collected_where_no_garbage_collector_runs(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    quiet.request_key().await?;
    quiet.key_is_approved().await?;
    quiet
        .keys()
        .delete("mine", &DeleteParams::default())
        .await?;
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
    quiet.request_key().await?;
    quiet.stack.kill("controller").await?;
    quiet.stack.restart("controller").await?;
    quiet.key_is_approved().await?;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
    ensure!(secrets.list(&ListParams::default()).await?.items.len() == 1);
    quiet.end().await
}
