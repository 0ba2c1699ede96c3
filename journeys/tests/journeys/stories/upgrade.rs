//! What do callers, owners and consumers notice when our controller takes the place of the
//! published one, and when that comes back? Callers nothing, others nothing that is lost.
//!
//! The published controller is not on the Go module proxy, so it does not run here: the
//! stories write what it leaves behind, by the contract, as its account and under its
//! definitions, both of which its operator's module brings.

mod installation;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::APIKey;
use devportal_api::key::Phase;
use devportal_api::name::label;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use self::installation::{Installation, value};
use super::stories;
use crate::stage::Stage;
use crate::wait::until;

stories![
    keys_of_the_second_version_open_the_api_all_the_way_there_and_back,
    a_key_of_the_first_version_opens_the_api_while_it_is_taken_over,
];

async fn keys_of_the_second_version_open_the_api_all_the_way_there_and_back(
    _: Arc<Stage>,
) -> Result<()> {
    let it = Installation::of_published().await?;
    let shop = &it.shop;
    it.leave("mine", Some(true)).await?;
    it.leave("ends", Some(true)).await?;
    it.leave("refused", Some(false)).await?;
    it.leave("later", None).await?;
    let [mine, ends, refused, later] = ["mine", "ends", "refused", "later"].map(value);
    shop.gateway_answers(&mine, 200).await?;
    shop.gateway_answers(&ends, 200).await?;
    let before = it.held().await?;

    it.unnoticed(&[&mine, &ends], &refused, it.take_over())
        .await?;
    let by_olivia = "approved by olivia: as agreed";
    it.is("mine", Phase::Approved, by_olivia).await?;
    it.is("ends", Phase::Approved, by_olivia).await?;
    it.is("refused", Phase::Rejected, "denied by olivia: as agreed")
        .await?;
    it.is("later", Phase::Pending, "awaiting").await?;
    it.is_quiet().await?;
    it.keeps(&before).await?;

    // What the published controller does not know.
    let generated = it.generate("generated").await?;
    let named = it.generate("named").await?;
    let before = it.held().await?;

    let live = [&*mine, &ends, &generated, &named];
    it.unnoticed(&live, &refused, it.go_back("named")).await?;
    it.keeps(&before).await?;

    // It goes on where ours ended.
    it.enforce("later").await?;
    it.says("later", true).await?;
    shop.gateway_answers(&later, 200).await?;
    it.revoke("ends").await?;
    it.says("ends", false).await?;
    shop.gateway_answers(&ends, 401).await?;
    let before = it.held().await?;

    let live = [&*mine, &generated, &named, &later];
    it.unnoticed(&live, &ends, it.take_over()).await?;
    it.is("ends", Phase::Rejected, "denied by olivia").await?;
    for key in ["mine", "generated", "named", "later"] {
        it.is(key, Phase::Approved, by_olivia).await?;
    }
    it.is_quiet().await?;
    it.keeps(&before).await?;
    it.end().await
}

/// 35
async fn a_key_of_the_first_version_opens_the_api_while_it_is_taken_over(
    _: Arc<Stage>,
) -> Result<()> {
    let value = "issued-by-the-first-version-0123456789";
    let it = Installation::without_controller().await?;
    let shop = &it.shop;
    // Its Secrets are where the keys are.
    let mut policy = shop.auth_policy();
    policy["spec"]["rules"]["authentication"]["keys"]["apiKey"]["allNamespaces"] = true.into();
    shop.stage.apply(&policy).await?;
    let key = shop.stage.apply(&shop.key("old")).await?;
    it.set_status::<APIKey>(&shop.dev, "old", first::status("old"))
        .await?;
    let secret = first::secret(
        &shop.dev,
        "old",
        key.metadata.uid.as_deref(),
        &shop.name,
        value,
    );
    shop.stage.apply(&secret).await?;
    shop.gateway_answers(value, 200).await?;

    let taken_over = async {
        shop.stage.stack.restart("controller").await?;
        it.is("old", Phase::Approved, "approved by olivia").await?;
        until("the gateway reads another Secret", async || {
            let copy = shop.secrets(&shop.dev).get_opt("old-apikey-secret").await?;
            let is_read = |it: &Secret| it.labels().contains_key(label::MANAGED_BY);
            let is_done = copy.as_ref().is_some_and(|it| !is_read(it));
            Ok(if is_done { Ok(()) } else { Err(copy) })
        })
        .await
    };
    it.unnoticed(&[value], "nobody's", taken_over).await?;
    it.unnoticed(&[value], "nobody's", it.is_quiet()).await?;
    let values: Vec<_> = it.held().await?.secrets;
    let values: Vec<_> = values.iter().map(|[.., value]| value.as_str()).collect();
    ensure!(values == [value, value], "{values:?}");

    // Where ours ends, its Secrets go on.
    let ended = async {
        shop.stage.stack.end("controller").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(())
    };
    it.unnoticed(&[value], "nobody's", ended).await?;
    it.end().await
}

/// What version 0.1 leaves behind of a key that has been approved.
pub(super) mod first {
    use serde_json::{Value, json};

    use super::installation::condition;

    /// The key's status.
    pub(in crate::stories) fn status(name: &str) -> Value {
        json!({
            "phase": "Approved", "reviewedBy": "olivia", "reviewedAt": "2026-01-01T00:00:00Z",
            "secretRef": {"name": format!("{name}-apikey-secret"), "key": "api_key"},
            "conditions": [condition("Ready", "Approved", "")],
        })
    }

    /// The Secret, which the gateway reads itself.
    pub(in crate::stories) fn secret(
        namespace: &str,
        name: &str,
        uid: Option<&str>,
        app: &str,
        value: &str,
    ) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": format!("{name}-apikey-secret"), "namespace": namespace,
                "labels": {"app": app, "authorino.kuadrant.io/managed-by": "authorino"},
                "annotations": {"secret.kuadrant.io/plan-id": "gold", "secret.kuadrant.io/user-id": "alice"},
                "ownerReferences": [{"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
                    "name": name, "uid": uid}],
            },
            "stringData": {"api_key": value},
        })
    }
}
