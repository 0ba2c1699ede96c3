//! What does a caller notice when parts of the installation restart? A stage of
//! their own, because everything else would notice too.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::{throughout, within};

stories![what_works_goes_on_and_what_was_revoked_stays_so_while_parts_restart];

/// How long the data plane may take to be itself again.
const RECOVERY: Duration = Duration::from_secs(15);

async fn what_works_goes_on_and_what_was_revoked_stays_so_while_parts_restart(
    _: Arc<Stage>,
) -> Result<()> {
    let stage = Arc::new(Stage::set().await?);
    let shop = Shop::open(Arc::clone(&stage), "toys", "automatic").await?;
    let live = shop.working_key("live").await?;
    let dead = shop.working_key("dead").await?;
    shop.delete_key("dead").await?;
    shop.gateway_answers(&dead, 401).await?;

    // Nothing that a request passes through: nobody notices.
    for part in ["kuadrant-operator", "controller"] {
        shop.stage.stack.kill(part).await?;
        hold(&shop, &live, &dead, Duration::from_secs(2)).await?;
        shop.stage.stack.restart(part).await?;
        hold(&shop, &live, &dead, Duration::from_secs(2)).await?;
    }
    // Without limits requests pass, as the operator has it.
    shop.stage.stack.kill("rate-limit").await?;
    hold(&shop, &live, &dead, Duration::from_secs(2)).await?;
    shop.stage.stack.restart("rate-limit").await?;
    hold(&shop, &live, &dead, Duration::from_secs(2)).await?;
    // Without Authorino nobody gets in; with it again, who got in before.
    for part in ["authorino", "envoy"] {
        shop.stage.stack.kill(part).await?;
        throughout(Duration::from_secs(1), async || {
            let seen = shop.ask(&live).await.unwrap_or(503);
            ensure!(seen >= 500, "{seen} without {part}");
            Ok(())
        })
        .await?;
        shop.stage.stack.restart(part).await?;
        within(RECOVERY, "the key works again", async || {
            ensure!(shop.ask(&dead).await? != 200, "revoked, and back");
            let seen = shop.ask(&live).await?;
            Ok(if seen == 200 { Ok(()) } else { Err(seen) })
        })
        .await?;
    }
    // Everyone goes by what they know.
    shop.stage.stack.kill("kube-apiserver").await?;
    hold(&shop, &live, &dead, Duration::from_mins(1)).await?;
    shop.stage.stack.restart("kube-apiserver").await?;
    hold(&shop, &live, &dead, Duration::from_secs(2)).await?;

    let next = shop.working_key("next").await?;
    shop.delete_key("live").await?;
    shop.gateway_answers(&live, 401).await?;
    hold(&shop, &next, &live, Duration::from_secs(1)).await?;
    drop(shop);
    if let Some(stage) = Arc::into_inner(stage) {
        stage.strike().await?;
    }
    Ok(())
}

/// Looks for a while that one key works and another does not.
async fn hold(shop: &Shop, live: &str, dead: &str, time: Duration) -> Result<()> {
    throughout(time, async || {
        let (live, dead) = (shop.ask(live).await?, shop.ask(dead).await?);
        ensure!((live, dead) == (200, 401), "{live} and {dead}");
        Ok(())
    })
    .await
}
