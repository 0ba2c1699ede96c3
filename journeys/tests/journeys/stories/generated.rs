//! The controller makes the key.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_api::key::Phase;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::stories;
use crate::audit;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::{PROMPT, throughout, until, within};

stories![
    an_automatic_product_gives_a_strong_key_that_the_gateway_accepts,
    a_manual_product_makes_no_secret_before_someone_approves,
    denying_a_key_removes_every_trace_of_its_credential,
    the_consumers_copy_goes_with_the_key,
    secrets_that_are_deleted_or_tampered_with_are_put_back,
    a_foreign_secret_of_the_same_name_is_never_touched,
    what_a_portal_writes_about_reading_the_secret_survives,
    patching_the_phase_approves_nothing,
    the_value_of_a_key_is_nowhere_but_in_secrets,
];

/// 1
async fn an_automatic_product_gives_a_strong_key_that_the_gateway_accepts(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "auto", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&key).await?;
    // Prefix, 256 bits in base64url, checksum.
    ensure!(
        value.starts_with("dpk_") && value.len() >= 4 + 43 + 6,
        "a weak key: {} long",
        value.len()
    );
    ensure!(
        value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    );
    shop.gateway_answers(&value, 200).await?;
    shop.gateway_answers("dpk_wrong", 401).await?;

    shop.stage.apply(&shop.key("another")).await?;
    let another = shop.key_is("another", "Approved").await?;
    ensure!(
        shop.generated_value(&another).await? != value,
        "two keys have one value"
    );

    shop.delete_key("mine").await?;
    shop.gateway_answers(&value, 401).await
}

/// 2
async fn a_manual_product_makes_no_secret_before_someone_approves(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "manual", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    throughout(Duration::from_secs(1), async || {
        ensure!(shop.enforcement("mine").await?.is_empty());
        ensure!(
            shop.secrets(&shop.dev)
                .list(&ListParams::default())
                .await?
                .items
                .is_empty()
        );
        Ok(())
    })
    .await?;
    shop.decide("mine", true, "approval").await?;
    let key = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&key).await?;
    shop.gateway_answers(&value, 200).await
}

/// 3, 6
async fn denying_a_key_removes_every_trace_of_its_credential(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "denied", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let approved = shop.key_is("mine", "Approved").await?;
    let status = approved.status.clone().unwrap_or_default();
    ensure!(
        status.phase == Some(Phase::Approved) && status.reviewed_by.as_deref() == Some("system")
    );
    ensure!(status.reviewed_at.is_some());
    let value = shop.generated_value(&approved).await?;
    shop.gateway_answers(&value, 200).await?;

    shop.decide("mine", false, "denial-1").await?;
    let denied = shop.key_is("mine", "Denied").await?;
    // The status says so only when it is so.
    ensure!(shop.enforcement("mine").await?.is_empty());
    let status = denied.status.unwrap_or_default();
    ensure!(
        status.phase == Some(Phase::Rejected) && status.reviewed_by.as_deref() == Some("olivia")
    );
    ensure!(status.secret_ref.is_none());
    until("no Secret is left to the consumer", async || {
        let left = shop
            .secrets(&shop.dev)
            .list(&ListParams::default())
            .await?
            .items
            .len();
        Ok(if left == 0 { Ok(()) } else { Err(left) })
    })
    .await?;
    shop.gateway_answers(&value, 401).await
}

/// 4
async fn the_consumers_copy_goes_with_the_key(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "owned", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    let copy = shop.secrets(&shop.dev).get("mine-apikey-secret").await?;
    let owner = &copy.owner_references()[0];
    ensure!((owner.kind.as_str(), Some(&owner.uid)) == ("APIKey", key.metadata.uid.as_ref()));
    shop.delete_key("mine").await?;
    shop.enforcement_is_gone("mine", PROMPT).await?;
    until("the copy is collected", async || {
        Ok(shop
            .secrets(&shop.dev)
            .get_opt("mine-apikey-secret")
            .await?
            .map_or(Ok(()), |left| Err(left.name_any())))
    })
    .await
}

/// 5
async fn secrets_that_are_deleted_or_tampered_with_are_put_back(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "mended", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&key).await?;
    let is_mended = async |what: &str| {
        within(PROMPT, what, async || {
            let secrets = shop.enforcement("mine").await?;
            let intact = secrets.iter().all(|secret| {
                let has = secret.data.as_ref().and_then(|data| data.get("api_key"));
                has.is_some_and(|has| has.0 == value.as_bytes())
                    && secret
                        .annotations()
                        .get("secret.kuadrant.io/plan-id")
                        .map(String::as_str)
                        == Some("gold")
            });
            let copy = shop
                .secrets(&shop.dev)
                .get_opt("mine-apikey-secret")
                .await?;
            let has = copy
                .and_then(|copy| copy.data)
                .and_then(|data| data.get("api_key").cloned());
            let is_copied = has.is_some_and(|has| has.0 == value.as_bytes());
            Ok(if secrets.len() == 1 && intact && is_copied {
                Ok(())
            } else {
                Err((secrets.len(), is_copied))
            })
        })
        .await
    };
    let kuadrant = shop.secrets(KUADRANT);
    let dev = shop.secrets(&shop.dev);
    let enforced = async || Ok::<_, anyhow::Error>(shop.enforcement("mine").await?[0].name_any());
    let tamper = Patch::Merge(json!({"stringData": {"api_key": "mallory"}}));
    let upgrade =
        Patch::Merge(json!({"metadata": {"annotations": {"secret.kuadrant.io/plan-id": "free"}}}));

    kuadrant
        .delete(&enforced().await?, &DeleteParams::default())
        .await?;
    is_mended("the deleted enforcement Secret is back").await?;
    kuadrant
        .patch(&enforced().await?, &PatchParams::default(), &tamper)
        .await?;
    is_mended("the tampered enforcement Secret is mended").await?;
    kuadrant
        .patch(&enforced().await?, &PatchParams::default(), &upgrade)
        .await?;
    is_mended("the tier is what was approved").await?;
    dev.delete("mine-apikey-secret", &DeleteParams::default())
        .await?;
    is_mended("the deleted copy is back").await?;
    dev.patch("mine-apikey-secret", &PatchParams::default(), &tamper)
        .await?;
    is_mended("the tampered copy is mended").await?;
    shop.gateway_answers(&value, 200).await
}

/// 5
async fn a_foreign_secret_of_the_same_name_is_never_touched(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "foreign", "automatic").await?;
    let theirs = async |namespace: &str, name: String| {
        let secret = Secret {
            metadata: kube::api::ObjectMeta {
                name: Some(name),
                ..Default::default()
            },
            string_data: Some([("api_key".to_owned(), "theirs".to_owned())].into()),
            ..Secret::default()
        };
        shop.secrets(namespace)
            .create(&PostParams::default(), &secret)
            .await
    };
    let copy = theirs(&shop.dev, "one-apikey-secret".into()).await?;
    let enforcement = theirs(KUADRANT, shop.enforcement_name("two")).await?;
    shop.stage.apply(&shop.key("one")).await?;
    shop.stage.apply(&shop.key("two")).await?;
    shop.key_says("one", "Enforced", "SecretConflict").await?;
    shop.key_says("two", "Enforced", "SecretConflict").await?;
    let unchanged = async |before: &Secret| {
        let namespace = before.namespace().unwrap_or_default();
        let now = shop.secrets(&namespace).get(&before.name_any()).await?;
        ensure!(now.metadata == before.metadata && now.data == before.data);
        Ok(())
    };
    unchanged(&copy).await?;
    unchanged(&enforcement).await?;
    shop.secrets(&shop.dev)
        .delete("one-apikey-secret", &DeleteParams::default())
        .await?;
    shop.key_says("one", "Enforced", "Enforced").await?;
    unchanged(&enforcement).await
}

/// 6
async fn what_a_portal_writes_about_reading_the_secret_survives(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "portal", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Approved").await?;
    let patch = Patch::Merge(json!({"status": {"canReadSecret": false}}));
    shop.keys()
        .patch_status("mine", &PatchParams::default(), &patch)
        .await?;
    shop.decide("mine", false, "denial").await?;
    let key = shop.key_is("mine", "Denied").await?;
    ensure!(key.status.unwrap_or_default().can_read_secret == Some(false));
    Ok(())
}

/// 7
async fn patching_the_phase_approves_nothing(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "phase", "manual").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    shop.key_is("mine", "Pending").await?;
    let patch = Patch::Merge(json!({"status": {"phase": "Approved", "reviewedBy": "mallory"}}));
    shop.keys()
        .patch_status("mine", &PatchParams::default(), &patch)
        .await?;
    until("the phase is corrected", async || {
        let status = shop.keys().get("mine").await?.status.unwrap_or_default();
        Ok(
            if status.phase == Some(Phase::Pending) && status.reviewed_by.is_none() {
                Ok(())
            } else {
                Err(status)
            },
        )
    })
    .await?;
    ensure!(shop.enforcement("mine").await?.is_empty());
    Ok(())
}

/// 9
async fn the_value_of_a_key_is_nowhere_but_in_secrets(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open(stage, "hygiene", "automatic").await?;
    shop.stage.apply(&shop.key("mine")).await?;
    let key = shop.key_is("mine", "Approved").await?;
    let value = shop.generated_value(&key).await?;
    shop.bring("own", "correct-horse-battery-staple-4711")
        .await?;
    shop.stage
        .apply(&shop.brought_key("brought", "own"))
        .await?;
    shop.key_is("brought", "Approved").await?;

    let mut everything = shop.stage.controller_log()?;
    everything += &audit::text(&shop.stage.stack)?;
    everything += &serde_json::to_string(&shop.keys().list(&ListParams::default()).await?)?;
    everything += &serde_json::to_string(&shop.requests().list(&ListParams::default()).await?)?;
    everything += &serde_json::to_string(&shop.approvals().list(&ListParams::default()).await?)?;
    everything += &serde_json::to_string(&shop.products().list(&ListParams::default()).await?)?;
    let events: kube::Api<k8s_openapi::api::core::v1::Event> =
        kube::Api::all(shop.stage.admin.clone());
    everything += &serde_json::to_string(&events.list(&ListParams::default()).await?)?;
    for value in [value.as_str(), "correct-horse-battery-staple-4711"] {
        ensure!(!everything.contains(value), "the value of a key leaked");
    }
    Ok(())
}
