//! What does a story play in? A shop: an API with its route, policies and
//! product in one namespace, and a consumer in another.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::id::{KeyId, ProductId, RequestId};
use devportal_api::name;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::stage::{Stage, objects};
use crate::wait::{until, within};

/// Where enforcement Secrets are.
pub(crate) const KUADRANT: &str = devportal_stack::NAMESPACE;

/// One API, its product, and someone who wants it.
pub(crate) struct Shop {
    pub(crate) stage: Arc<Stage>,
    /// The owner's namespace, and the name of route, policies and product.
    pub(crate) name: String,
    /// The consumer's namespace.
    pub(crate) dev: String,
}

thread_local! {
    /// The namespaces of the shops of the story that plays on this thread.
    static OPENED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Takes away what the gateway reads of the shops of the story that has played on this thread:
/// kuadrant-operator goes through all that is there whenever anything changes.
pub(crate) async fn close_all(stage: &Stage) -> Result<()> {
    let gateway_api = "gateway.networking.k8s.io";
    for namespace in OPENED.take() {
        for kind in [
            ("extensions.kuadrant.io", "v1alpha1", "PlanPolicy"),
            ("kuadrant.io", "v1", "AuthPolicy"),
            (gateway_api, "v1", "HTTPRoute"),
            (gateway_api, "v1", "Gateway"),
        ] {
            let all = objects(&stage.admin, kind, &namespace);
            let (how, which) = (DeleteParams::default(), ListParams::default());
            all.delete_collection(&how, &which).await?;
        }
    }
    Ok(())
}

impl Shop {
    /// Opens a shop and waits until its AuthPolicy is enforced.
    pub(crate) async fn open(stage: Arc<Stage>, name: &str, approval: &str) -> Result<Self> {
        let shop = Self::prepare(stage, name).await?;
        shop.stage.apply(&shop.product(approval)).await?;
        shop.product_says("AuthPolicyDiscovered", "True").await?;
        shop.product_says("PlanPolicyDiscovered", "True").await?;
        Ok(shop)
    }

    /// Opens a shop with these plans, when nothing about it changes any more: a
    /// Secret that comes while Authorino takes in an AuthConfig can be lost to it.
    pub(crate) async fn open_with(
        stage: Arc<Stage>,
        name: &str,
        approval: &str,
        plans: &[(&str, Value)],
    ) -> Result<Self> {
        let shop = Self::prepare(stage, name).await?;
        shop.stage.apply(&shop.plans(plans.iter().cloned())).await?;
        shop.stage.apply(&shop.product(approval)).await?;
        let wanted: Vec<&str> = plans.iter().map(|(tier, _)| *tier).collect();
        until("the product shows the plans", async || {
            let status = shop.products().get(name).await?.status;
            let shown = status.unwrap_or_default().discovered_plans;
            let is_there = shown
                .iter()
                .map(|plan| plan.tier.as_str())
                .eq(wanted.clone());
            Ok(if is_there { Ok(()) } else { Err(shown) })
        })
        .await?;
        shop.product_says("PlanPolicyDiscovered", "True").await?;
        shop.product_says("AuthPolicyDiscovered", "True").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(shop)
    }

    /// Everything but the product; the gateway lets no stranger in.
    pub(crate) async fn prepare(stage: Arc<Stage>, name: &str) -> Result<Self> {
        let shop = Self {
            stage,
            name: name.to_owned(),
            dev: format!("{name}-dev"),
        };
        OPENED.with_borrow_mut(|it| it.push(shop.name.clone()));
        for namespace in [&shop.name, &shop.dev] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            shop.stage.apply(&object).await?;
        }
        shop.stage.apply(&shop.route()).await?;
        shop.stage.apply(&shop.auth_policy()).await?;
        shop.stage
            .apply(&shop.plan_policy(&["gold", "silver"]))
            .await?;
        // Until its policy is there a route is open to everyone.
        shop.gateway_answers("nobody's", 401).await?;
        Ok(shop)
    }

    /// Puts the route on a Gateway in its own namespace, on all of its listeners: one, `http`.
    pub(crate) async fn take_a_gateway_of_its_own(&self) -> Result<()> {
        self.stage.apply(&self.gateway()).await?;
        let mut route = self.route();
        route["spec"]["parentRefs"] = json!([{"name": self.name}]);
        self.stage.apply(&route).await?;
        Ok(())
    }

    pub(crate) fn gateway(&self) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": self.meta(),
            "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
        })
    }

    pub(crate) fn meta(&self) -> Value {
        json!({"name": self.name, "namespace": self.name})
    }

    pub(crate) fn target(&self) -> Value {
        json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": self.name})
    }

    pub(crate) fn route(&self) -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": self.meta(),
            "spec": {
                "parentRefs": [{"name": "gateway", "namespace": KUADRANT}],
                "hostnames": [self.hostname()],
                "rules": [{"backendRefs": [{"name": "toys", "port": 80}]}],
            },
        })
    }

    pub(crate) fn hostname(&self) -> String {
        format!("{}.example.com", self.name)
    }

    pub(crate) fn auth_policy(&self) -> Value {
        json!({
            "apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy", "metadata": self.meta(),
            "spec": {"targetRef": self.target(), "rules": {"authentication": {"keys": {
                "apiKey": {"selector": {"matchLabels": {"app": self.name}}},
                "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
            }}}},
        })
    }

    pub(crate) fn plan_policy(&self, tiers: &[&str]) -> Value {
        let generous = json!({"daily": 100_000});
        self.plans(tiers.iter().map(|tier| (*tier, generous.clone())))
    }

    /// A plan policy with these tiers and their limits.
    pub(crate) fn plans<'a>(&self, plans: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        let plan = |(tier, limits): (&str, Value)| {
            json!({
                "tier": tier, "limits": limits,
                "predicate": format!(
                    "has(auth.identity) && auth.identity.metadata.annotations[\"secret.kuadrant.io/plan-id\"] == \"{tier}\""
                ),
            })
        };
        json!({
            "apiVersion": "extensions.kuadrant.io/v1alpha1", "kind": "PlanPolicy",
            "metadata": self.meta(),
            "spec": {"targetRef": self.target(), "plans": plans.into_iter().map(plan).collect::<Vec<_>>()},
        })
    }

    pub(crate) fn product(&self, approval: &str) -> Value {
        json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
            "metadata": self.meta(),
            "spec": {
                "displayName": "Toys", "approvalMode": approval, "publishStatus": "Published",
                "targetRef": self.target(),
            },
        })
    }

    /// A request for a key, before anything is added to it.
    pub(crate) fn key(&self, name: &str) -> Value {
        json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": name, "namespace": self.dev},
            "spec": {
                "apiProductRef": {"name": self.name, "namespace": self.name},
                "planTier": "gold", "useCase": "to play",
                "requestedBy": {"userId": "alice", "email": "alice@example.com"},
            },
        })
    }

    /// A request for a key that the consumer brings.
    pub(crate) fn brought_key(&self, name: &str, secret: &str) -> Value {
        let mut key = self.key(name);
        key["spec"]["secretRef"] = json!({"name": secret});
        key
    }

    pub(crate) fn keys(&self) -> Api<APIKey> {
        Api::namespaced(self.stage.admin.clone(), &self.dev)
    }

    pub(crate) fn products(&self) -> Api<APIProduct> {
        Api::namespaced(self.stage.admin.clone(), &self.name)
    }

    pub(crate) fn requests(&self) -> Api<APIKeyRequest> {
        Api::namespaced(self.stage.admin.clone(), &self.name)
    }

    pub(crate) fn approvals(&self) -> Api<APIKeyApproval> {
        Api::namespaced(self.stage.admin.clone(), &self.name)
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.stage.admin.clone(), namespace)
    }

    pub(crate) fn request_id(&self, key: &str) -> RequestId {
        name::request(
            &KeyId::new(&self.dev, key),
            &ProductId::new(&self.name, &self.name),
        )
    }

    /// The name of a key's first enforcement Secret.
    pub(crate) fn enforcement_name(&self, key: &str) -> String {
        name::enforcement_secret(&KeyId::new(&self.dev, key), KUADRANT)
            .name
            .into()
    }

    /// Every enforcement Secret of a key.
    pub(crate) async fn enforcement(&self, key: &str) -> Result<Vec<Secret>> {
        let labels = format!(
            "devportal.kuadrant.io/enforcement=true,devportal.kuadrant.io/apikey={},devportal.kuadrant.io/apikey-namespace={}",
            name::label_value(key),
            self.dev
        );
        Ok(self
            .secrets(KUADRANT)
            .list(&ListParams::default().labels(&labels))
            .await?
            .items)
    }

    /// Creates the consumer's own Secret.
    pub(crate) async fn bring(&self, name: &str, value: &str) -> Result<Secret> {
        let secret = Secret {
            metadata: kube::api::ObjectMeta {
                name: Some(name.into()),
                ..Default::default()
            },
            string_data: Some([("api_key".to_owned(), value.to_owned())].into()),
            ..Secret::default()
        };
        Ok(self
            .secrets(&self.dev)
            .create(&PostParams::default(), &secret)
            .await?)
    }

    /// Decides as a person would: `who` may be anyone, `suffix` names the
    /// object.
    pub(crate) async fn decide(
        &self,
        key: &str,
        approved: bool,
        suffix: &str,
    ) -> Result<APIKeyApproval> {
        self.decide_in(&self.name, key, approved, suffix, Timestamp::now())
            .await
    }

    pub(crate) async fn decide_in(
        &self,
        namespace: &str,
        key: &str,
        approved: bool,
        suffix: &str,
        at: Timestamp,
    ) -> Result<APIKeyApproval> {
        let request = self.request_id(key).name;
        let at = devportal_api::condition::whole_second(at);
        let object = json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
            "metadata": {"name": format!("{request}-{suffix}"), "namespace": namespace},
            "spec": {
                "apiKeyRequestRef": {"name": request}, "approved": approved,
                "reviewedBy": "olivia", "reviewedAt": at.to_string(), "message": "as agreed",
            },
        });
        let applied = self.stage.apply(&object).await?;
        Ok(serde_json::from_value(serde_json::to_value(applied)?)?)
    }

    /// Waits until the key's one lifecycle condition is this one.
    pub(crate) async fn key_is(&self, key: &str, kind: &str) -> Result<APIKey> {
        until(&format!("{key} is {kind}"), async || {
            let found = self.keys().get(key).await?;
            let conditions = conditions(&found);
            let lifecycle = ["Pending", "Approved", "Denied", "Expired", "Failed"];
            let have: Vec<_> = conditions
                .iter()
                .filter(|c| lifecycle.contains(&c.type_.as_str()))
                .collect();
            ensure!(
                have.len() <= 1,
                "{key} is in several states at once: {have:?}"
            );
            let is_there = have.iter().any(|c| c.type_ == kind && c.status == "True");
            Ok(if is_there {
                Ok(found)
            } else {
                Err(found.status)
            })
        })
        .await
    }

    /// Waits until a condition of the key has this status.
    pub(crate) async fn key_says(&self, key: &str, kind: &str, reason: &str) -> Result<APIKey> {
        until(&format!("{key} says {kind} {reason}"), async || {
            let found = self.keys().get(key).await?;
            let is_there = conditions(&found)
                .iter()
                .any(|c| c.type_ == kind && c.reason == reason);
            Ok(if is_there {
                Ok(found)
            } else {
                Err(found.status)
            })
        })
        .await
    }

    /// Waits until the product names this policy as the one that holds.
    pub(crate) async fn finds_policy(&self, policy: &str) -> Result<()> {
        until(&format!("AuthPolicy {policy} is found"), async || {
            let status = self.products().get(&self.name).await?.status;
            let conditions = status.map(|it| it.conditions).unwrap_or_default();
            let found = format!("Discovered AuthPolicy {policy} targeting");
            let is_found = conditions.iter().any(|it| it.message.starts_with(&found));
            Ok(if is_found { Ok(()) } else { Err(conditions) })
        })
        .await
    }

    /// Waits until a condition of the product has this status.
    pub(crate) async fn product_says(&self, kind: &str, status: &str) -> Result<APIProduct> {
        until(&format!("the product says {kind} {status}"), async || {
            let found = self.products().get(&self.name).await?;
            let conditions = found.status.as_ref().map_or(&[][..], |s| &s.conditions);
            let is_there = conditions
                .iter()
                .any(|c| c.type_ == kind && c.status == status);
            Ok(if is_there {
                Ok(found)
            } else {
                Err(found.status)
            })
        })
        .await
    }

    /// The value in a Secret.
    pub(crate) async fn value(&self, namespace: &str, name: &str) -> Result<String> {
        let secret = self.secrets(namespace).get(name).await?;
        let bytes = secret.data.and_then(|mut data| data.remove("api_key"));
        Ok(String::from_utf8(bytes.context("no api_key entry")?.0)?)
    }

    /// The value of a generated key, where the status says it is.
    pub(crate) async fn generated_value(&self, key: &APIKey) -> Result<String> {
        let status = key.status.as_ref().context("no status")?;
        let reference = status.secret_ref.as_ref().context("no status.secretRef")?;
        ensure!(reference.key == "api_key");
        self.value(&self.dev, &reference.name).await
    }

    /// Waits until no Secret of these names and labels is left.
    pub(crate) async fn enforcement_is_gone(&self, key: &str, limit: Duration) -> Result<()> {
        within(limit, "the enforcement Secret is gone", async || {
            let left = self.enforcement(key).await?;
            let names: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
            Ok(if names.is_empty() { Ok(()) } else { Err(names) })
        })
        .await
    }

    /// Waits until the gateway answers this to a key's value.
    pub(crate) async fn gateway_answers(&self, value: &str, status: u16) -> Result<()> {
        until(&format!("the gateway answers {status}"), async || {
            let seen = self.ask(value).await?;
            Ok(if seen == status { Ok(()) } else { Err(seen) })
        })
        .await
    }

    /// Asks for a key, and waits until it is enforced: its value.
    pub(crate) async fn working_key(&self, name: &str) -> Result<String> {
        self.stage.apply(&self.key(name)).await?;
        let key = self.key_says(name, "Enforced", "Enforced").await?;
        let value = self.generated_value(&key).await?;
        self.gateway_answers(&value, 200).await?;
        Ok(value)
    }

    /// What the gateway answers to a key's value.
    pub(crate) async fn ask(&self, value: &str) -> Result<u16> {
        let credential = format!("APIKEY {value}");
        self.stage
            .call(&self.hostname(), "/", &[("Authorization", &credential)])
            .await
    }

    pub(crate) async fn patch_key(&self, key: &str, patch: &Value) -> Result<APIKey> {
        Ok(self
            .keys()
            .patch(key, &PatchParams::default(), &Patch::Merge(patch))
            .await?)
    }

    pub(crate) async fn delete_key(&self, key: &str) -> Result<()> {
        self.keys().delete(key, &DeleteParams::default()).await?;
        Ok(())
    }
}

/// A key's conditions.
pub(crate) fn conditions(key: &APIKey) -> &[Condition] {
    key.status.as_ref().map_or(&[], |status| &status.conditions)
}
