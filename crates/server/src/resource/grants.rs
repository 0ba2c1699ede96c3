//! Who may do what, as the cluster's roles and bindings say? Read as whoever asks: it is
//! for those who may read roles and bindings themselves.

use std::collections::HashMap;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde::Serialize;

use super::about;
use crate::App;
use crate::access::{
    ASK_FOR_KEYS, DECIDE, DECIDE_OWN, EDIT_PRODUCTS, MAKE_PRODUCTS, REQUEST_FOR_OTHERS, REVEAL,
    Right, SEE_ALL_PUBLISHED, SEE_KEYS, SEE_PRODUCTS, SEE_REQUESTS,
};
use crate::caller::Me;
use crate::problem::Problem;

/// Who may do what.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Grants {
    /// Sorted by namespace; those for all namespaces come first.
    items: Vec<Grant>,
}

/// What a binding allows somebody to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Grant {
    /// The namespace; absent: all namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// Who.
    subject: Grantee,
    /// The role, such as `ClusterRole/devportal-owner`.
    role: String,
    /// The binding, such as `RoleBinding/devportal-owners`.
    binding: String,
    /// What they may do.
    may: Vec<Act>,
}

/// A subject of a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct Grantee {
    /// `User`, `Group` or `ServiceAccount`.
    kind: String,
    /// The name in the cluster; for a `ServiceAccount`, `namespace:name`.
    name: String,
}

/// Something that people do in the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Act {
    /// See published products.
    SeeProducts,
    /// Also see published products that are for certain groups.
    SeeProductsOfGroups,
    /// Publish routes.
    Publish,
    /// Edit products, and see drafts.
    EditProducts,
    /// Request keys.
    RequestKeys,
    /// Request keys for somebody else.
    RequestForOthers,
    /// See keys.
    SeeKeys,
    /// See the value of a key.
    RevealKeys,
    /// See requests.
    SeeRequests,
    /// Decide on requests.
    Decide,
    /// Decide on their own requests.
    DecideOwn,
}

const ACTS: [(Act, Right); 11] = [
    (Act::SeeProducts, SEE_PRODUCTS),
    (Act::SeeProductsOfGroups, SEE_ALL_PUBLISHED),
    (Act::Publish, MAKE_PRODUCTS),
    (Act::EditProducts, EDIT_PRODUCTS),
    (Act::RequestKeys, ASK_FOR_KEYS),
    (Act::RequestForOthers, REQUEST_FOR_OTHERS),
    (Act::SeeKeys, SEE_KEYS),
    (Act::RevealKeys, REVEAL),
    (Act::SeeRequests, SEE_REQUESTS),
    (Act::Decide, DECIDE),
    (Act::DecideOwn, DECIDE_OWN),
];

pub(crate) fn addresses() -> ApiRouter<App> {
    let list = about("listGrants", "grants", "List who may do what");
    ApiRouter::new().api_route("/v1/grants", get_with(all, list))
}

pub(crate) async fn all(State(app): State<App>, me: Me) -> Result<Json<Grants>, Problem> {
    let (kubernetes, caller) = (&app.kubernetes, &me.caller);
    let (everywhere, somewhere, cluster_roles, roles) = tokio::try_join!(
        kubernetes.list::<ClusterRoleBinding>(caller),
        kubernetes.list::<RoleBinding>(caller),
        kubernetes.list::<ClusterRole>(caller),
        kubernetes.list::<Role>(caller),
    )?;
    let mut acts = Acts::default();
    for it in &cluster_roles {
        acts.note(&it.metadata, it.rules.as_deref());
    }
    for it in &roles {
        acts.note(&it.metadata, it.rules.as_deref());
    }
    let everywhere = everywhere.iter().flat_map(|it| {
        let subjects = it.subjects.as_deref();
        acts.grants(&it.metadata, &it.role_ref, subjects)
    });
    let somewhere = somewhere.iter().flat_map(|it| {
        let subjects = it.subjects.as_deref();
        acts.grants(&it.metadata, &it.role_ref, subjects)
    });
    let mut items: Vec<_> = everywhere.chain(somewhere).collect();
    items.sort_unstable();
    Ok(Json(Grants { items }))
}

/// What each role lets do, by its namespace (none: a `ClusterRole`) and name.
#[derive(Default)]
struct Acts(HashMap<(Option<String>, String), Vec<Act>>);

impl Acts {
    fn note(&mut self, role: &ObjectMeta, rules: Option<&[PolicyRule]>) {
        let rules = rules.unwrap_or_default();
        let may = |right: Right| rules.iter().any(|it| right.is_granted_by(it));
        let may: Vec<_> = ACTS.iter().filter(|it| may(it.1)).map(|it| it.0).collect();
        let name = role.name.clone().unwrap_or_default();
        if !may.is_empty() {
            self.0.insert((role.namespace.clone(), name), may);
        }
    }

    fn grants(
        &self,
        binding: &ObjectMeta,
        role: &RoleRef,
        subjects: Option<&[Subject]>,
    ) -> Vec<Grant> {
        let namespace = &binding.namespace;
        let of = (role.kind == "Role").then(|| namespace.clone()).flatten();
        let kind = namespace
            .as_ref()
            .map_or("ClusterRoleBinding", |_| "RoleBinding");
        let may = self.0.get(&(of, role.name.clone()));
        let may = may.filter(|_| !is_kubernetes_own(binding, role));
        let grant = |(subject, may): (&Subject, &Vec<Act>)| Grant {
            namespace: namespace.clone(),
            subject: grantee(subject, namespace.as_deref()),
            role: format!("{}/{}", role.kind, role.name),
            binding: format!("{kind}/{}", binding.name.as_deref().unwrap_or_default()),
            may: may.clone(),
        };
        let subjects = subjects.unwrap_or_default().iter();
        subjects.filter_map(|it| Some(grant((it, may?)))).collect()
    }
}

/// What every cluster binds for its own parts tells nobody anything. Whoever writes a binding may
/// label it as they like, and the name of a role of Kubernetes itself is kept for it.
fn is_kubernetes_own(binding: &ObjectMeta, role: &RoleRef) -> bool {
    let labels = binding.labels.as_ref();
    let label = labels.and_then(|it| it.get("kubernetes.io/bootstrapping"));
    label.is_some() && role.kind == "ClusterRole" && role.name.starts_with("system:")
}

fn grantee(subject: &Subject, binding: Option<&str>) -> Grantee {
    let name = match subject.kind.as_str() {
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().or(binding);
            format!("{}:{}", namespace.unwrap_or_default(), subject.name)
        }
        _ => subject.name.clone(),
    };
    Grantee {
        kind: subject.kind.clone(),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn role(namespace: Option<&str>, name: &str, rules: &Value) -> Acts {
        let rules: Vec<PolicyRule> = serde_json::from_value(rules.clone()).unwrap();
        let meta = ObjectMeta {
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        let mut acts = Acts::default();
        acts.note(&meta, Some(&rules));
        acts
    }

    fn acts_of(rules: &Value) -> Vec<Act> {
        let role = role(None, "some", rules);
        role.0.into_values().flatten().collect()
    }

    fn binding(meta: &Value, role: &str) -> ClusterRoleBinding {
        let mut object = json!({
            "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "robot"}],
        });
        object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_rule_grants_what_kubernetes_would_allow_by_it() {
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| {
            acts_of(&json!([{"apiGroups": [group], "resources": resources, "verbs": verbs}]))
        };
        let ours = "devportal.kuadrant.io";
        assert_eq!(rule(ours, &["apikeys"], &["create"]), [Act::RequestKeys]);
        assert_eq!(rule(ours, &["apikeys/reveal"], &["*"]), [Act::RevealKeys]);
        assert_eq!(rule(ours, &["*/reveal"], &["create"]), [Act::RevealKeys]);
        assert_eq!(rule("*", &["*"], &["*"]).len(), ACTS.len());
        assert_eq!(rule("", &["*"], &["*"]), []);
        assert_eq!(rule(ours, &["apikeys/status"], &["create"]), []);
        let named = json!([{"apiGroups": [ours], "resources": ["apikeys"],
            "resourceNames": ["one"], "verbs": ["create"]}]);
        assert_eq!(acts_of(&named), []);
    }

    #[test]
    fn a_binding_names_who_where_and_by_what() {
        let all = json!([{"apiGroups": ["*"], "resources": ["apikeys"], "verbs": ["list"]}]);
        let of = |acts: &Acts, it: &ClusterRoleBinding| {
            acts.grants(&it.metadata, &it.role_ref, it.subjects.as_deref())
        };
        let acts = role(None, "readers", &all);
        let found = of(
            &acts,
            &binding(&json!({"name": "some", "namespace": "dev"}), "readers"),
        );
        let expected = Grant {
            namespace: Some("dev".to_owned()),
            subject: Grantee {
                kind: "ServiceAccount".to_owned(),
                name: "dev:robot".to_owned(),
            },
            role: "ClusterRole/readers".to_owned(),
            binding: "RoleBinding/some".to_owned(),
            may: vec![Act::SeeKeys],
        };
        assert_eq!(found, [expected]);
        // A Role of another namespace is another role.
        let elsewhere = role(Some("else"), "readers", &all);
        let some = binding(&json!({"name": "some", "namespace": "dev"}), "readers");
        assert_eq!(of(&elsewhere, &some), []);
        let own =
            json!({"name": "own", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}});
        // Whoever writes a binding may label it so.
        assert_eq!(of(&acts, &binding(&own, "readers")).len(), 1);
        let part = role(None, "system:kube-controller-manager", &all);
        assert_eq!(
            of(&part, &binding(&own, "system:kube-controller-manager")),
            []
        );
        let admin = role(None, "cluster-admin", &all);
        assert_eq!(of(&admin, &binding(&own, "cluster-admin")).len(), 1);
    }
}
