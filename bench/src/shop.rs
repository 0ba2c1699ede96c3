//! What is measured on? One API with a generous tier and one that lets nobody
//! through, and consumers who bring their keys.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use devportal_api::id::KeyId;
use devportal_api::name::{self, API_KEY_ENTRY};
use devportal_api::{APIKey, APIKeyApproval, APIProduct};
use devportal_stack::{NAMESPACE, Stack, accept_route, apply_objects};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub(crate) const SHOP: &str = "toys";
const HOST: &str = "toys.example.com";
/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API, its consumers and the way to it.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) client: Client,
    http: reqwest::Client,
    /// None where the stack has no gateway: nothing can be asked then.
    gateway: Option<String>,
}

impl Shop {
    pub(crate) async fn open(stack: &Stack, client: Client) -> Result<Self> {
        let shop = Self {
            client,
            http: reqwest::Client::new(),
            gateway: stack.gateway_url(),
        };
        apply_objects(&shop.client, &objects()).await?;
        if shop.gateway.is_some() {
            shop.wait_for("nobody's", 401).await?;
        } else {
            accept_route(&shop.client, SHOP, SHOP, SHOP).await?;
        }
        Ok(shop)
    }

    /// What the gateway answers to a value.
    pub(crate) async fn ask(&self, value: &str) -> Result<u16> {
        let gateway = self.gateway.as_ref().context("the stack has no gateway")?;
        let request = self.http.get(gateway).header("Host", HOST);
        let request = request.header("Authorization", format!("APIKEY {value}"));
        Ok(request.send().await?.status().as_u16())
    }

    /// Asks again and again until the gateway answers this: how long it took.
    pub(crate) async fn wait_for(&self, value: &str, status: u16) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let seen = self.ask(value).await?;
            if seen == status {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the gateway answers {seen}, not {status}, after {PATIENCE:?}");
            }
        }
    }

    /// Waits until the controller shows the plans.
    pub(crate) async fn wait_for_product(&self) -> Result<()> {
        let products: Api<APIProduct> = Api::namespaced(self.client.clone(), SHOP);
        let begun = Instant::now();
        loop {
            let status = products.get(SHOP).await?.status.unwrap_or_default();
            // What policies do not yet do is told, and told again once they do.
            let is_there = |kind: &str| {
                let mut all = status.conditions.iter();
                all.any(|it| it.type_ == kind && it.status == "True")
            };
            if status.discovered_plans.len() == 2 && is_there("AuthPolicyDiscovered") {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the product does not show its plans: {status:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn keys(&self) -> Api<APIKey> {
        Api::namespaced(self.client.clone(), SHOP)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), SHOP)
    }

    /// Creates a consumer's Secret.
    pub(crate) async fn bring(&self, name: &str) -> Result<()> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name}, "stringData": {"api_key": value(name, 0)}}))?;
        self.secrets()
            .create(&PostParams::default(), &secret)
            .await?;
        Ok(())
    }

    /// Asks for the key that was brought under this name.
    pub(crate) async fn request(&self, name: &str) -> Result<()> {
        self.ask_for(name, json!({"secretRef": {"name": name}}))
            .await
    }

    /// Asks for a key that is generated.
    pub(crate) async fn request_generated(&self, name: &str) -> Result<()> {
        self.ask_for(name, json!({})).await
    }

    async fn ask_for(&self, name: &str, mut spec: Value) -> Result<()> {
        spec["apiProductRef"] = json!({"name": SHOP});
        spec["planTier"] = "gold".into();
        spec["requestedBy"] = json!({"userId": name, "email": "someone@example.com"});
        let key: APIKey = serde_json::from_value(json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": name}, "spec": spec,
        }))?;
        self.keys().create(&PostParams::default(), &key).await?;
        Ok(())
    }

    /// Lets a generated key have another value.
    pub(crate) async fn rotate(&self, name: &str) -> Result<()> {
        self.patch(name, json!({"spec": {"rotation": {"revision": 1}}}))
            .await
    }

    /// Waits until a generated key has a value, other than this, that the gateway
    /// accepts: the value, and how long it took.
    pub(crate) async fn wait_for_value(
        &self,
        name: &str,
        other_than: Option<&str>,
    ) -> Result<(String, Duration)> {
        let begun = Instant::now();
        let copy = name::generated_source(&KeyId::new(SHOP, name)).name;
        loop {
            let secret = self.secrets().get_opt(&copy).await?;
            let bytes = secret.and_then(|it| it.data?.remove(API_KEY_ENTRY));
            let value = bytes.map(|it| String::from_utf8(it.0)).transpose()?;
            if let Some(value) = value.filter(|it| other_than != Some(it.as_str())) {
                self.wait_for(&value, 200).await?;
                return Ok((value, begun.elapsed()));
            }
            if begun.elapsed() > PATIENCE {
                bail!("the key {name} has no new value after {PATIENCE:?}");
            }
        }
    }

    /// Gives the Secret another value.
    pub(crate) async fn renew(&self, name: &str, revision: u32) -> Result<()> {
        let patch = json!({"stringData": {"api_key": value(name, revision)}});
        self.secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    pub(crate) async fn change_plan(&self, name: &str, tier: &str) -> Result<()> {
        self.patch(name, json!({"spec": {"planTier": tier}})).await
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<()> {
        self.keys()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        self.keys().delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Whether every approval has its status, which comes last.
    pub(crate) async fn is_told(&self) -> Result<bool> {
        let approvals: Api<APIKeyApproval> = Api::namespaced(self.client.clone(), SHOP);
        let all = approvals.list(&ListParams::default()).await?;
        Ok(all.items.iter().all(|it| it.status.is_some()))
    }

    /// How many credentials the gateway is to know.
    pub(crate) async fn enforced(&self) -> Result<usize> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        let ours = ListParams::default().labels("devportal.kuadrant.io/enforcement=true");
        Ok(secrets.list_metadata(&ours).await?.items.len())
    }
}

/// The value of a key under its name.
pub(crate) fn value(name: &str, revision: u32) -> String {
    format!("{name}-{revision}-correct-horse-battery-staple")
}

fn objects() -> Vec<Value> {
    let meta = json!({"name": SHOP, "namespace": SHOP});
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": SHOP});
    let plan = |tier: &str, limits: Value| {
        json!({"tier": tier, "limits": limits, "predicate": format!(
            "has(auth.identity) && auth.identity.metadata.annotations[\"secret.kuadrant.io/plan-id\"] == \"{tier}\"")})
    };
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": meta,
            "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta,
            "spec": {"parentRefs": [{"name": SHOP}], "hostnames": [HOST],
                "rules": [{"backendRefs": [{"name": SHOP, "port": 80}]}]}}),
        json!({"apiVersion": "kuadrant.io/v1", "kind": "AuthPolicy", "metadata": meta,
            "spec": {"targetRef": target, "rules": {"authentication": {"keys": {
                "apiKey": {"selector": {"matchLabels": {"app": SHOP}}},
                "credentials": {"authorizationHeader": {"prefix": "APIKEY"}}}}}}}),
        json!({"apiVersion": "extensions.kuadrant.io/v1alpha1", "kind": "PlanPolicy", "metadata": meta,
        "spec": {"targetRef": target, "plans": [
            plan("gold", json!({"daily": 1_000_000_000})),
            plan("closed", json!({"custom": [{"limit": 0, "window": "1m"}]})),
        ]}}),
        json!({"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct", "metadata": meta,
            "spec": {"displayName": "Toys", "approvalMode": "automatic", "publishStatus": "Published",
                "targetRef": target}}),
    ]
}
