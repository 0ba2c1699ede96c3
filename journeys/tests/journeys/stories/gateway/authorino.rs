//! What our design takes for granted about Authorino. A new version that behaves
//! otherwise fails here first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::super::stories;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::throughout;

stories![
    authorino_ignores_a_change_that_leaves_the_value,
    of_two_secrets_with_one_value_one_can_take_the_other_along,
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

fn generous() -> Value {
    json!({"daily": 100_000})
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
    let none = json!({"custom": [{"limit": 0, "window": "60s"}]});
    let plans = [("gold", generous()), ("closed", none)];
    let shop = Shop::open_with(stage, "fact-annotation", "manual", &plans).await?;
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
async fn of_two_secrets_with_one_value_one_can_take_the_other_along(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open_with(stage, "fact-duplicate", "manual", &[("gold", generous())]).await?;
    // Which of the two counts is the one seen last, and Authorino sees all of
    // them anew, in any order, when it takes in an AuthConfig.
    for attempt in 0..10 {
        let value = format!("fact-duplicate-value-{attempt}");
        let [first, later] = ["first", "later"].map(|name| format!("{name}-{attempt}"));
        plant(&shop, &first, value.as_bytes(), "gold").await?;
        shop.gateway_answers(&value, 200).await?;
        plant(&shop, &later, value.as_bytes(), "gold").await?;
        stays(&shop, &value, 200).await?;
        uproot(&shop, &later).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if shop.ask(&value).await? == 401 {
            return Ok(());
        }
    }
    bail!("a Secret never took another of the same value along: ADR 3 can be simpler")
}

/// So a value with a newline at its end is worth a warning.
async fn authorino_compares_a_key_byte_by_byte(stage: Arc<Stage>) -> Result<()> {
    let shop = Shop::open_with(stage, "fact-newline", "manual", &[("gold", generous())]).await?;
    plant(&shop, "clean", b"fact-newline-clean", "gold").await?;
    plant(&shop, "newline", b"fact-newline-dirty\n", "gold").await?;
    shop.gateway_answers("fact-newline-clean", 200).await?;
    stays(&shop, "fact-newline-dirty", 401).await?;
    ensure!(shop.ask("FACT-NEWLINE-CLEAN").await? == 401);
    Ok(())
}
