//! A policy that is not enforced at the moment keeps no change from the credentials.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use devportal_api::APIProduct;
use devportal_api::name::annotation;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{enforcement, identity, issued, says};
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::stories::stories;
use crate::wait::{until, within};

stories![
    a_rotation_takes_place_while_the_policy_is_not_enforced,
    a_changed_tier_takes_effect_while_the_policy_is_not_enforced,
    a_new_value_takes_effect_while_the_policy_is_not_enforced,
];

/// Far longer than a change may take, far shorter than a look at everything.
const SOON: Duration = Duration::from_secs(10);

/// A control plane whose AuthPolicy is accepted and not enforced, which the
/// controller knows.
async fn unenforced() -> Result<Quiet> {
    let quiet = Quiet::start().await?;
    quiet.policy_is_enforced(false).await?;
    says::<APIProduct>(&quiet, "shop", "so", |it| it.reason == "AuthPolicyNotReady").await?;
    Ok(quiet)
}

async fn change(quiet: &Quiet, spec: Value) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": spec}));
    quiet
        .keys()
        .patch("mine", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

async fn a_rotation_takes_place_while_the_policy_is_not_enforced(_: Arc<Stage>) -> Result<()> {
    let quiet = unenforced().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    let (uid, value) = issued(&quiet, "mine").await?.enforcement.remove(0);
    change(
        &quiet,
        json!({"rotation": {"revision": 1, "overlap": "0s"}}),
    )
    .await?;
    within(
        SOON,
        "the new value has taken the old one's place",
        async || {
            let now: Vec<_> = (enforcement(&quiet, "mine").await?.iter())
                .map(identity)
                .collect();
            let is_new = now.len() == 1 && now[0].0 != uid && now[0].1 != value;
            Ok(if is_new { Ok(()) } else { Err(now) })
        },
    )
    .await?;
    issued(&quiet, "mine").await?;
    quiet.end().await
}

async fn a_changed_tier_takes_effect_while_the_policy_is_not_enforced(_: Arc<Stage>) -> Result<()> {
    let quiet = unenforced().await?;
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    issued(&quiet, "mine").await?;
    change(&quiet, json!({"planTier": "silver"})).await?;
    until("the change is approved", async || {
        let status = quiet.keys().get("mine").await?.status.unwrap_or_default();
        let tier = status.approved_terms.map(|it| it.plan_tier);
        let is_approved = tier.as_deref() == Some("silver");
        Ok(if is_approved { Ok(()) } else { Err(tier) })
    })
    .await?;
    within(SOON, "the credential has the new tier", async || {
        let mut now = enforcement(&quiet, "mine").await?;
        let tiers: Vec<_> = (now.iter_mut())
            .map(|it| it.annotations_mut().remove(annotation::PLAN))
            .collect();
        let is_changed = tiers == [Some("silver".to_owned())];
        Ok(if is_changed { Ok(()) } else { Err(tiers) })
    })
    .await?;
    quiet.end().await
}

async fn a_new_value_takes_effect_while_the_policy_is_not_enforced(_: Arc<Stage>) -> Result<()> {
    let quiet = unenforced().await?;
    let values = async || {
        let now = enforcement(&quiet, "mine").await?;
        Ok::<_, anyhow::Error>(now.iter().map(|it| identity(it).1).collect::<Vec<_>>())
    };
    let is_accepted = async |value: &str| {
        within(SOON, &format!("{value} is accepted"), async || {
            let now = values().await?;
            Ok(if now == [value] { Ok(()) } else { Err(now) })
        })
        .await
    };
    quiet
        .bring("own", "brought-at-first-0123456789abcdef")
        .await?;
    quiet.request("mine", Some("own")).await?;
    quiet.key_is("mine", "Approved").await?;
    is_accepted("brought-at-first-0123456789abcdef").await?;
    quiet
        .bring("own", "brought-later-on-0123456789abcdef")
        .await?;
    is_accepted("brought-later-on-0123456789abcdef").await?;
    quiet.end().await
}
