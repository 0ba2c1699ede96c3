//! What our design takes for granted about Authorino. A new version that behaves
//! otherwise fails here first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use super::super::stories;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::throughout;

stories![
    authorino_ignores_a_change_that_leaves_the_value,
    of_two_secrets_with_one_value_only_the_later_counts,
    authorino_compares_a_key_byte_by_byte,
];

/// Creates a Secret as Authorino wants it, for a shop's policy.
async fn plant(shop: &Shop, name: &str, value: &[u8], plan: &str) -> Result<()> {
    let pairs = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        Some(
            pairs
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    };
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(format!("{}-{name}", shop.name)),
            labels: pairs(&[
                ("app", &shop.name),
                ("authorino.kuadrant.io/managed-by", "authorino"),
            ]),
            annotations: pairs(&[("secret.kuadrant.io/plan-id", plan)]),
            ..ObjectMeta::default()
        },
        data: Some(
            [(
                "api_key".to_owned(),
                k8s_openapi::ByteString(value.to_vec()),
            )]
            .into(),
        ),
        ..Secret::default()
    };
    shop.secrets(KUADRANT)
        .create(&PostParams::default(), &secret)
        .await?;
    Ok(())
}

async fn uproot(shop: &Shop, name: &str) -> Result<()> {
    shop.secrets(KUADRANT)
        .delete(&format!("{}-{name}", shop.name), &DeleteParams::default())
        .await?;
    Ok(())
}

async fn stays(shop: &Shop, value: &str, status: u16) -> Result<()> {
    throughout(Duration::from_secs(1), async || {
        let seen = shop.ask(value).await?;
        ensure!(seen == status, "{seen} instead of {status}");
        Ok(())
    })
    .await
}

/// So a changed tier needs a new Secret: ADR 3.
async fn authorino_ignores_a_change_that_leaves_the_value(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "fact-annotation").await?;
    let none = json!({"custom": [{"limit": 0, "window": "60s"}]});
    shop.stage
        .apply(&shop.plans([("gold", json!({"daily": 100_000})), ("closed", none)]))
        .await?;
    plant(&shop, "one", b"fact-annotation-value", "closed").await?;
    shop.gateway_answers("fact-annotation-value", 429).await?;
    let gold =
        Patch::Merge(json!({"metadata": {"annotations": {"secret.kuadrant.io/plan-id": "gold"}}}));
    shop.secrets(KUADRANT)
        .patch(
            &format!("{}-one", shop.name),
            &PatchParams::default(),
            &gold,
        )
        .await?;
    stays(&shop, "fact-annotation-value", 429).await?;
    // A new Secret with the same value takes over at once.
    plant(&shop, "two", b"fact-annotation-value", "gold").await?;
    shop.gateway_answers("fact-annotation-value", 200).await?;
    uproot(&shop, "one").await?;
    stays(&shop, "fact-annotation-value", 200).await
}

/// So duplicates among consumers are refused, and a successor is seen before its
/// predecessor goes.
async fn of_two_secrets_with_one_value_only_the_later_counts(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "fact-duplicate").await?;
    plant(&shop, "first", b"fact-duplicate-value", "gold").await?;
    shop.gateway_answers("fact-duplicate-value", 200).await?;
    plant(&shop, "later", b"fact-duplicate-value", "gold").await?;
    stays(&shop, "fact-duplicate-value", 200).await?;
    // The other one is still there, and counts again only when Authorino looks
    // at the whole AuthConfig anew.
    uproot(&shop, "later").await?;
    shop.gateway_answers("fact-duplicate-value", 401).await
}

/// So a value with a newline at its end is worth a warning.
async fn authorino_compares_a_key_byte_by_byte(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::prepare(stage, "fact-newline").await?;
    plant(&shop, "clean", b"fact-newline-clean", "gold").await?;
    plant(&shop, "newline", b"fact-newline-dirty\n", "gold").await?;
    shop.gateway_answers("fact-newline-clean", 200).await?;
    stays(&shop, "fact-newline-dirty", 401).await?;
    ensure!(shop.ask("FACT-NEWLINE-CLEAN").await? == 401);
    Ok(())
}
