//! What may the controller do? Rights that a story takes away and gives back.

use anyhow::{Result, ensure};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::quiet::{self, Quiet};
use crate::stage;

/// The name of the controller's role.
const CONTROLLER: &str = "devportal-controller";
/// The role with which it handles Secrets, and its bindings.
const SECRETS: &str = "devportal-controller-secrets";

/// Takes the rule on a resource out of the controller's role, and answers it.
pub(crate) async fn take_rule(quiet: &Quiet, resource: &str) -> Result<PolicyRule> {
    quiet.takes(resource);
    let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
    let mut role = roles.get(CONTROLLER).await?;
    let is_on_it = |rule: &PolicyRule| rule.resources == Some(vec![resource.to_owned()]);
    let all = role.rules.take().unwrap_or_default();
    let (mut taken, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_on_it);
    ensure!(taken.len() == 1, "{taken:?}");
    role.rules = Some(others);
    roles
        .replace(CONTROLLER, &PostParams::default(), &role)
        .await?;
    Ok(taken.remove(0))
}

/// Gives a rule back.
pub(crate) async fn give_rule(quiet: &Quiet, taken: PolicyRule) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(quiet.admin.clone());
    let mut role = roles.get(CONTROLLER).await?;
    role.rules.get_or_insert_default().push(taken);
    roles
        .replace(CONTROLLER, &PostParams::default(), &role)
        .await?;
    Ok(())
}

/// Leaves the controller no Secrets but those of the namespaces that are bound.
pub(crate) async fn narrow_secrets(quiet: &Quiet) -> Result<()> {
    quiet.takes("secrets");
    let bindings: Api<ClusterRoleBinding> = Api::all(quiet.admin.clone());
    bindings.delete(SECRETS, &DeleteParams::default()).await?;
    Ok(())
}

/// Lets the controller have its way with the Secrets of a namespace.
pub(crate) async fn bind(quiet: &Quiet, namespace: &str) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": SECRETS, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": SECRETS},
        "subjects": [{"apiGroup": group, "kind": "User", "name": quiet::USER}],
    });
    stage::apply(&quiet.admin, &binding).await?;
    Ok(())
}
