//! Nobody signs as somebody else, and what is the controller's stays the controller's.

use std::sync::Arc;

use anyhow::{Result, ensure};
use axum::http::Method;
use devportal_api::id::{KeyId, ProductId};
use devportal_api::name;
use serde_json::{Value, json};

use super::stories;
use crate::audit;
use crate::person::{Answer, Ask, Person, person};
use crate::portal::binding;
use crate::stage::Stage;
use crate::wait::until;

mod attempts;

stories![
    each_attempt_to_sign_as_somebody_else_or_to_do_the_controllers_work_is_refused,
    an_approval_of_ones_own_does_not_count_and_says_so,
    a_namespace_with_keys_requests_and_approvals_can_be_deleted,
];

const GROUP: &str = "devportal.kuadrant.io";
const VERSION: &str = "devportal.kuadrant.io/v1alpha1";
const RBAC: &str = "rbac.authorization.k8s.io";

/// A product's namespace and a consumer's, in which the roles keep nobody from
/// anything: what is refused there is refused by the policies.
struct Open {
    stage: Arc<Stage>,
    name: &'static str,
    dev: String,
}

impl Open {
    async fn new(stage: Arc<Stage>, name: &'static str) -> Result<Self> {
        let open = Self {
            stage,
            name,
            dev: format!("{name}-dev"),
        };
        let verbs = [
            "get",
            "list",
            "watch",
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        ];
        open.stage
            .apply(&role("journey-everything", "*", &verbs))
            .await?;
        for (role_name, resource, verb) in [
            (
                "journey-decides-for-others",
                "apikeyrequests",
                "decide-for-others",
            ),
            ("journey-records-reveals", "apikeys", "record-reveal"),
        ] {
            open.stage
                .apply(&role(role_name, resource, &[verb]))
                .await?;
        }
        for namespace in [open.name, &open.dev] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            open.stage.apply(&object).await?;
            for (role, kind, name) in [
                ("journey-everything", "Group", "system:authenticated"),
                (
                    "journey-decides-for-others",
                    "User",
                    attempts::BACK_END.user,
                ),
                ("journey-records-reveals", "User", attempts::PORTAL.user),
                ("devportal-admin", "User", attempts::ADAM.user),
            ] {
                open.stage
                    .apply(&binding(Some(namespace), role, (kind, name)))
                    .await?;
            }
        }
        let product = open.product();
        open.stage.apply(&product).await?;
        Ok(open)
    }

    fn product(&self) -> Value {
        json!({
            "apiVersion": VERSION, "kind": "APIProduct",
            "metadata": {"name": self.name, "namespace": self.name},
            "spec": {
                "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Published",
                "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": self.name},
            },
        })
    }

    /// A request for a key in somebody's name.
    fn key(&self, name: &str, requester: &str) -> Value {
        json!({
            "apiVersion": VERSION, "kind": "APIKey",
            "metadata": {"name": name, "namespace": self.dev},
            "spec": {
                "apiProductRef": {"name": self.name, "namespace": self.name}, "planTier": "gold",
                "requestedBy": {"userId": requester, "email": "alice@example.com"},
            },
        })
    }

    /// The name of a key's request.
    fn request_name(&self, key: &str) -> String {
        let key = KeyId::new(&self.dev, key);
        name::request(&key, &ProductId::new(self.name, self.name))
            .name
            .into()
    }

    /// What the controller would write about a key.
    fn request(&self, key: &str, requester: &str) -> Value {
        json!({
            "apiVersion": VERSION, "kind": "APIKeyRequest",
            "metadata": {"name": self.request_name(key), "namespace": self.name},
            "spec": {
                "apiProductRef": {"name": self.name}, "planTier": "gold", "useCase": "",
                "requestedBy": {"userId": requester, "email": "alice@example.com"},
                "apiKeyRef": {"name": key, "namespace": self.dev},
            },
        })
    }

    /// A decision about a key.
    fn approval(&self, suffix: &str, key: &str, approved: bool, reviewer: &str) -> Value {
        let request = self.request_name(key);
        json!({
            "apiVersion": VERSION, "kind": "APIKeyApproval",
            "metadata": {"name": format!("{request}-{suffix}"), "namespace": self.name},
            "spec": {
                "apiKeyRequestRef": {"name": request}, "approved": approved,
                "reviewedBy": reviewer, "reviewedAt": "2026-11-24T00:00:00Z",
            },
        })
    }

    /// Waits until the controller has written the request of a key.
    async fn request_is_there(&self, key: &str) -> Result<()> {
        let ask = Ask::get(path(self.name, "apikeyrequests", &self.request_name(key)));
        until("the request is there", async || {
            Ok(match ask.send(&self.stage.admin, None, &[]).await? {
                Answer::Done(_) => Ok(()),
                refused @ Answer::Refused(..) => Err(refused),
            })
        })
        .await
    }

    async fn tries(&self, who: &Person, ask: &Ask) -> Result<Answer> {
        ask.send(&self.stage.admin, Some(who), &[]).await
    }
}

fn role(name: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [GROUP], "resources": [resource], "verbs": verbs}],
    })
}

/// The path of an object, or of all of a kind where the name is empty.
fn path(namespace: &str, resource: &str, name: &str) -> String {
    let all = format!("/apis/{VERSION}/namespaces/{namespace}/{resource}");
    if name.is_empty() {
        all
    } else {
        format!("{all}/{name}")
    }
}

/// portal.md, "nobody signs as somebody else"
async fn each_attempt_to_sign_as_somebody_else_or_to_do_the_controllers_work_is_refused(
    stage: Arc<Stage>,
) -> Result<()> {
    let open = Open::new(stage, "signed").await?;
    for (key, requester) in [("mine", "alice"), ("shown", "alice"), ("adams", "adam")] {
        open.stage.apply(&open.key(key, requester)).await?;
        open.request_is_there(key).await?;
    }
    let shown = json!({"status": {"canReadSecret": false}});
    let shown = Ask::new(
        Method::PATCH,
        path(&open.dev, "apikeys", "shown/status"),
        shown,
    );
    ensure!(matches!(
        shown.send(&open.stage.admin, None, &[]).await?,
        Answer::Done(_)
    ));
    for approval in [
        open.approval("denial", "mine", false, "olivia"),
        open.approval("auto", "shown", false, "system"),
    ] {
        open.stage.apply(&approval).await?;
    }
    let attempts = attempts::all(&open);
    ensure!(attempts.len() >= 30);
    let mut failed = Vec::new();
    for (who, what, ask, expected) in attempts {
        let answer = open.tries(&who, &ask).await?;
        if !expected.is_met(&answer) {
            failed.push(format!(
                "{} {what}: not {expected:?}, but {answer:?}",
                who.user
            ));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// Also one that was made before its request was there.
async fn an_approval_of_ones_own_does_not_count_and_says_so(stage: Arc<Stage>) -> Result<()> {
    let open = Open::new(stage, "beforehand").await?;
    let alice = person("alice");
    let approval = open.approval("approval", "mine", true, "alice");
    let name = approval["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let create = Ask::new(
        Method::POST,
        path(open.name, "apikeyapprovals", ""),
        approval,
    );
    ensure!(matches!(
        open.tries(&alice, &create).await?,
        Answer::Done(_)
    ));
    open.stage.apply(&open.key("mine", "alice")).await?;
    open.request_is_there("mine").await?;
    let approval = Ask::get(path(open.name, "apikeyapprovals", &name));
    until("the approval says that it does not count", async || {
        let seen = approval.send(&open.stage.admin, None, &[]).await?;
        let is_told = match &seen {
            Answer::Done(it) => it["status"]["conditions"][0]["reason"] == "OwnRequest",
            Answer::Refused(..) => false,
        };
        Ok(if is_told { Ok(()) } else { Err(seen) })
    })
    .await
}

/// With the accounts that Kubernetes' own controllers have in a cluster.
async fn a_namespace_with_keys_requests_and_approvals_can_be_deleted(
    stage: Arc<Stage>,
) -> Result<()> {
    let open = Open::new(stage, "emptied").await?;
    open.stage.apply(&open.key("mine", "alice")).await?;
    open.request_is_there("mine").await?;
    open.stage
        .apply(&open.approval("denial", "mine", false, "olivia"))
        .await?;
    for namespace in [open.name, &open.dev] {
        let path = format!("/api/v1/namespaces/{namespace}");
        Ask::new(Method::DELETE, path.clone(), Value::Null)
            .send(&open.stage.admin, None, &[])
            .await?;
        until("the namespace is gone", async || {
            Ok(
                match Ask::get(&path).send(&open.stage.admin, None, &[]).await? {
                    Answer::Refused(404, _) => Ok(()),
                    Answer::Done(namespace) => Err(namespace["status"].to_string()),
                    Answer::Refused(_, words) => Err(words),
                },
            )
        })
        .await?;
    }
    // And not with the rights of an administrator, whom no policy keeps from anything.
    let log = audit::text(&open.stage.stack)?;
    let cleaned = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .any(|entry| {
            entry["user"]["username"] == attempts::NAMESPACE_CONTROLLER.user
                && entry["objectRef"]["resource"] == "apikeyrequests"
                && entry["objectRef"]["namespace"] == open.name
        });
    ensure!(cleaned, "who emptied the namespace?");
    Ok(())
}
