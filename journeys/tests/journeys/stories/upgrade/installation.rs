//! What does an installation of the published controller hold, and what would that
//! controller write?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use devportal_api::key::Phase;
use devportal_api::name::label;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_stack::{Persona, Progress, apply_crds, apply_objects, operator_chart, read_folder};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::quiet;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::until;

/// Who the published controller is to the API server.
const PUBLISHED: &str = "system:serviceaccount:kuadrant-system:developer-portal-controller-manager";

/// A shop under the published definitions, with the published controller's account.
pub(super) struct Installation {
    pub(super) shop: Shop,
    published: Client,
}

/// Secrets, each with its UID, version and value, and decisions with what they say.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    pub(super) secrets: Vec<[String; 4]>,
    decisions: Vec<(String, Value)>,
}

impl Installation {
    /// A shop whose product is approved by hand, and no controller.
    pub(super) async fn without_controller() -> Result<Self> {
        let stage = Arc::new(Stage::set().await?);
        for process in ["portal", "controller"] {
            stage.stack.end(process).await?;
        }
        let admin = stage.stack.kubeconfig(Persona::ClusterAdmin);
        let admin = Kubeconfig::read_from(admin)?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(admin, &options).await?;
        config.auth_info.impersonate = Some(PUBLISHED.to_owned());
        let shop = Shop::prepare(stage, "toys").await?;
        shop.stage.apply(&shop.product("manual")).await?;
        Ok(Self {
            shop,
            published: Client::try_from(config)?,
        })
    }

    /// The same as the chart of the published operator has it.
    pub(super) async fn of_published() -> Result<Self> {
        let it = Self::without_controller().await?;
        let group = "rbac.authorization.k8s.io";
        let name = "published-control";
        let mut rights = operator_chart(Progress::OnlyLong).await?;
        rights.retain(|it| it["kind"] != "CustomResourceDefinition");
        // As the page about policies says.
        rights.extend([
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole",
                "metadata": {"name": name},
                "rules": [{"apiGroups": ["devportal.kuadrant.io"],
                    "resources": ["apikeyrequests"], "verbs": ["control"]}]}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": PUBLISHED}]}),
        ]);
        apply_objects(&it.shop.stage.admin, &rights).await?;
        it.shop
            .stage
            .apply(&it.shop.brought_key("probe", "none"))
            .await?;
        it.publish().await?;
        it.shop.delete_key("probe").await?;
        Ok(it)
    }

    /// Installs the published definitions.
    async fn publish(&self) -> Result<()> {
        let mut crds = operator_chart(Progress::OnlyLong).await?;
        crds.retain(|it| it["kind"] == "CustomResourceDefinition");
        apply_crds(&self.shop.stage.admin, crds).await?;
        self.in_force(false).await
    }

    /// Waits until the API server goes by our definitions, or by the published ones.
    async fn in_force(&self, ours: bool) -> Result<()> {
        let keys = raw::<APIKey>(&self.shop.stage.admin, &self.shop.dev);
        let all = keys.list(&ListParams::default()).await?.items;
        let key = all.first().context("there is no key")?.name_any();
        until("the definitions are in force", async || {
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::default()
            };
            let patch = Patch::Merge(json!({"status": {"phase": "Pending"}}));
            let key = keys.patch_status(&key, &params, &patch).await?;
            let is_ours = !key.data["status"]["phase"].is_null();
            Ok(if is_ours == ours {
                Ok(())
            } else {
                Err(key.data)
            })
        })
        .await
    }

    /// The steps of the page about it.
    pub(super) async fn take_over(&self) -> Result<()> {
        let stack = &self.shop.stage.stack;
        let output = Command::new(stack.devportal()?)
            .arg("crds")
            .output()
            .await?;
        ensure!(output.status.success(), "{output:?}");
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("crds.yaml"), output.stdout)?;
        apply_crds(&self.shop.stage.admin, read_folder(folder.path(), &[])?).await?;
        self.in_force(true).await?;
        stack.restart("controller").await
    }

    /// Ours ends, a generated key is made one that names its Secret, and the published
    /// controller writes each status as it finds it.
    pub(super) async fn go_back(&self, generated: &str) -> Result<()> {
        let (owner, dev) = (&self.shop.name, &self.shop.dev);
        self.shop.stage.stack.end("controller").await?;
        let copy = json!({"spec": {"secretRef": {"name": format!("{generated}-apikey-secret")}}});
        self.shop.patch_key(generated, &copy).await?;
        self.publish().await?;
        self.write_back::<APIProduct>(owner).await?;
        self.write_back::<APIKeyRequest>(owner).await?;
        self.write_back::<APIKeyApproval>(owner).await?;
        self.write_back::<APIKey>(dev).await
    }

    async fn write_back<K: Resource<DynamicType = ()>>(&self, namespace: &str) -> Result<()> {
        let api = raw::<K>(&self.published, namespace);
        let all = api.list(&ListParams::default()).await?.items;
        ensure!(!all.is_empty(), "there is no {}", K::kind(&()));
        for it in all {
            let name = it.name_any();
            let params = PostParams::default();
            let written = api.replace_status(&name, &params, &it).await;
            written.with_context(|| format!("{} {name} cannot be written", K::kind(&())))?;
        }
        Ok(())
    }

    /// A key that our controller generates: its value, once the gateway accepts it.
    pub(super) async fn generate(&self, name: &str) -> Result<String> {
        let shop = &self.shop;
        shop.stage.apply(&shop.key(name)).await?;
        self.is(name, Phase::Pending, "awaiting").await?;
        shop.decide(name, true, "approval-1").await?;
        let key = shop.key_says(name, "Enforced", "Enforced").await?;
        let value = shop.generated_value(&key).await?;
        shop.gateway_answers(&value, 200).await?;
        Ok(value)
    }

    /// A key that its consumer brings, as the published controller leaves it.
    pub(super) async fn leave(&self, name: &str, approved: Option<bool>) -> Result<()> {
        let shop = &self.shop;
        shop.bring(name, &value(name)).await?;
        let key = shop.stage.apply(&shop.brought_key(name, name)).await?;
        let mut spec = key.data["spec"].clone();
        let spec = spec.as_object_mut().context("the key has no spec")?;
        spec.remove("secretRef");
        spec.insert("apiProductRef".into(), json!({"name": shop.name}));
        spec.insert(
            "apiKeyRef".into(),
            json!({"name": name, "namespace": shop.dev}),
        );
        let request = json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyRequest",
            "metadata": {"name": shop.request_id(name).name, "namespace": shop.name},
            "spec": spec,
        });
        let requests = raw::<APIKeyRequest>(&self.published, &shop.name);
        let request = serde_json::from_value(request)?;
        requests.create(&PostParams::default(), &request).await?;
        match approved {
            None => {
                self.note(name, "Pending", "AwaitingApproval", "is awaiting approval")
                    .await
            }
            Some(approved) => {
                if approved {
                    self.enforce(name).await?;
                }
                self.says(name, approved).await
            }
        }
    }

    /// olivia decides, and the published controller notes it.
    pub(super) async fn says(&self, name: &str, approved: bool) -> Result<()> {
        let shop = &self.shop;
        let (suffix, state) = if approved {
            ("approval-0a1b2c", "Approved")
        } else {
            ("denial-0a1b2c", "Denied")
        };
        let decision = shop.decide(name, approved, suffix).await?;
        let request = shop.request_id(name);
        let requests = raw::<APIKeyRequest>(&self.published, &shop.name);
        let request_now = requests.get(&request.name).await?;
        let owned = json!({"metadata": {"ownerReferences": [{
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyRequest",
            "name": request_now.name_any(), "uid": request_now.uid(),
            "controller": true, "blockOwnerDeletion": true,
        }]}});
        let decisions = raw::<APIKeyApproval>(&self.published, &shop.name);
        let params = PatchParams::default();
        decisions
            .patch(&decision.name_any(), &params, &Patch::Merge(owned))
            .await?;
        let valid = json!({"observedGeneration": 1, "conditions": [condition("Valid", "Valid",
            &format!("References existing APIKeyRequest {}/{}", shop.name, request.name))]});
        self.set_status::<APIKeyApproval>(&shop.name, &decision.name_any(), valid)
            .await?;
        let by = format!("{} by olivia: as agreed", state.to_lowercase());
        self.note(name, state, state, &by).await
    }

    async fn note(&self, name: &str, state: &str, reason: &str, words: &str) -> Result<()> {
        let shop = &self.shop;
        let it = condition(state, reason, &format!("API key request {words}"));
        let status = json!({"conditions": [it]});
        let request = shop.request_id(name).name;
        self.set_status::<APIKeyRequest>(&shop.name, &request, status.clone())
            .await?;
        self.set_status::<APIKey>(&shop.dev, name, status).await
    }

    /// Makes the Secret that the gateway reads.
    pub(super) async fn enforce(&self, name: &str) -> Result<()> {
        let shop = &self.shop;
        let secret = json!({
            "metadata": {
                "name": shop.enforcement_name(name),
                "labels": {
                    "app": shop.name, "authorino.kuadrant.io/managed-by": "authorino",
                    "devportal.kuadrant.io/enforcement": "true",
                    "devportal.kuadrant.io/apiproduct": shop.name,
                    "devportal.kuadrant.io/apiproduct-namespace": shop.name,
                    "devportal.kuadrant.io/apikey": name,
                    "devportal.kuadrant.io/apikey-namespace": shop.dev,
                },
                "annotations": {
                    "secret.kuadrant.io/plan-id": "gold", "secret.kuadrant.io/user-id": "alice",
                },
            },
            "type": "Opaque", "stringData": {"api_key": value(name)},
        });
        let secret: Secret = serde_json::from_value(secret)?;
        let secrets: Api<Secret> = Api::namespaced(self.published.clone(), KUADRANT);
        secrets.create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// Deletes it, by the name it knows.
    pub(super) async fn revoke(&self, name: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.published.clone(), KUADRANT);
        let name = self.shop.enforcement_name(name);
        secrets.delete(&name, &DeleteParams::default()).await?;
        Ok(())
    }

    pub(super) async fn set_status<K: Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
        status: Value,
    ) -> Result<()> {
        // Where there are no published rights, there is no published account either.
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams::default();
        let api = raw::<K>(&self.shop.stage.admin, namespace);
        api.patch_status(name, &params, &patch).await?;
        Ok(())
    }

    /// Does something while callers ask all the time.
    pub(super) async fn unnoticed(
        &self,
        live: &[&str],
        dead: &str,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let asking = async {
            loop {
                for (value, wanted) in live.iter().map(|it| (*it, 200)).chain([(dead, 401)]) {
                    let seen = self.shop.ask(value).await?;
                    ensure!(seen == wanted, "the gateway answers {seen} to {value}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            done = work => done,
            failed = asking => failed,
        }
    }

    /// Waits until our controller says how a key stands.
    pub(super) async fn is(&self, key: &str, phase: Phase, words: &str) -> Result<()> {
        until(&format!("{key} is {phase:?}"), async || {
            let status = self.shop.keys().get(key).await?.status;
            let status = status.unwrap_or_default();
            let is_told = status
                .conditions
                .iter()
                .any(|it| it.message.contains(words));
            let is_there = status.phase == Some(phase) && is_told;
            Ok(if is_there { Ok(()) } else { Err(status) })
        })
        .await
    }

    /// Once it has looked at everything our controller writes no more.
    pub(super) async fn is_quiet(&self) -> Result<()> {
        let stack = &self.shop.stage.stack;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = quiet::writes(stack)?.len();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let more = quiet::writes(stack)?.split_off(before);
        ensure!(more.is_empty(), "it goes on to write {more:#?}");
        Ok(())
    }

    pub(super) async fn held(&self) -> Result<Held> {
        let shop = &self.shop;
        let all = ListParams::default();
        let enforced = ListParams::default().labels(&format!("{}=true", label::ENFORCEMENT));
        let mut secrets = shop.secrets(&shop.dev).list(&all).await?.items;
        secrets.extend(shop.secrets(KUADRANT).list(&enforced).await?.items);
        let identity = |it: &Secret| {
            let value = it.data.as_ref().and_then(|data| data.get("api_key"));
            let value = value.map(|it| String::from_utf8_lossy(&it.0).into_owned());
            [Some(it.name_any()), it.uid(), it.resource_version(), value]
                .map(Option::unwrap_or_default)
        };
        let decisions = raw::<APIKeyApproval>(&shop.stage.admin, &shop.name);
        let decisions = decisions.list(&all).await?.items;
        Ok(Held {
            secrets: secrets.iter().map(identity).collect(),
            decisions: (decisions.iter())
                .map(|it| (it.uid().unwrap_or_default(), it.data["spec"].clone()))
                .collect(),
        })
    }

    pub(super) async fn keeps(&self, before: &Held) -> Result<()> {
        let now = self.held().await?;
        if now != *before {
            let writes = quiet::writes(&self.shop.stage.stack)?;
            bail!("there was {before:#?}, and is {now:#?}, after {writes:#?}");
        }
        Ok(())
    }

    pub(super) async fn end(self) -> Result<()> {
        let stage = self.shop.stage;
        drop(self.published);
        let stage = Arc::into_inner(stage).context("the stage is in use")?;
        stage.strike().await
    }
}

/// The value of a key that its consumer brings.
pub(super) fn value(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

pub(super) fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn raw<K: Resource<DynamicType = ()>>(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<K>(&()))
}
