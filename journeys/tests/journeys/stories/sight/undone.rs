//! Mistakes that are put right again cost nobody their key.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Held, approved, keeps, manual};
use crate::quiet::Quiet;
use crate::stage::{self, Stage};
use crate::stories::stories;
use crate::wait::until;

stories![
    a_key_that_names_no_namespace_for_a_while_loses_nothing,
    a_key_that_names_no_product_for_a_while_loses_nothing,
    a_key_whose_approval_is_given_anew_keeps_its_value,
];

async fn a_key_that_names_no_namespace_for_a_while_loses_nothing(_: Arc<Stage>) -> Result<()> {
    names_for_a_while(json!({"namespace": "nowhere"}), json!({"namespace": null})).await
}

async fn a_key_that_names_no_product_for_a_while_loses_nothing(_: Arc<Stage>) -> Result<()> {
    names_for_a_while(json!({"name": "nothing"}), json!({"name": "shop"})).await
}

async fn names_for_a_while(astray: Value, back: Value) -> Result<()> {
    let quiet = manual().await?;
    let held = approved(&quiet, "mine").await?;
    for product in [astray, back] {
        let patch = Patch::Merge(json!({"spec": {"apiProductRef": product}}));
        quiet
            .keys()
            .patch("mine", &PatchParams::default(), &patch)
            .await?;
        keeps(&quiet, "mine", &held).await?;
    }
    is_approved_at(&quiet, super::APPROVED_AT).await?;
    quiet.end().await
}

/// Waits until the key tells of this decision of olivia's.
async fn is_approved_at(quiet: &Quiet, at: &str) -> Result<()> {
    let key = until("the decision is told", async || {
        let key = quiet.key_is("mine", "Approved").await?;
        let status = key.status.clone().unwrap_or_default();
        let told = status.reviewed_at.map(|it| it.0.to_string());
        let is_it =
            told.as_deref() == Some(at) && status.observed_generation == key.metadata.generation;
        Ok(if is_it { Ok(key) } else { Err(told) })
    })
    .await?;
    let by = key.status.and_then(|it| it.reviewed_by);
    ensure!(by.as_deref() == Some("olivia"), "{by:?}");
    Ok(())
}

async fn a_key_whose_approval_is_given_anew_keeps_its_value(_: Arc<Stage>) -> Result<()> {
    let quiet = manual().await?;
    let before = approved(&quiet, "mine").await?;
    stage::delete(
        &quiet.admin,
        "devportal.kuadrant.io",
        "v1alpha1",
        "APIKeyApproval",
        "shop",
        &Quiet::decision("mine", "by-hand"),
    )
    .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let anew = "2030-01-01T12:00:00Z";
    quiet.decide("anew", "mine", true, anew).await?;
    is_approved_at(&quiet, anew).await?;
    let now = Held::of(&quiet, "mine").await?;
    ensure!(
        now.copied_value() == before.copied_value()
            && now.enforced_values() == before.enforced_values(),
        "the key had {before:#?}, and has {now:#?}"
    );
    quiet.end().await
}
