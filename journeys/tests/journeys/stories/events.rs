//! What `kubectl describe` tells of a key is what happened to it, once.

use std::fs;
use std::sync::Arc;

use anyhow::{Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::stories;
use crate::quiet::Quiet;
use crate::rights::take_rule;
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_denial_is_one_event_on_the_key_whoever_leads_and_restarts,
    without_the_right_to_events_all_else_goes_on_and_that_is_said_once,
];

const LATER: &str = "2030-01-01T00:00:00Z";

/// What is told of a key. What surrounds it may have news of its own.
async fn events(quiet: &Quiet, key: &str) -> Result<Vec<Event>> {
    let events: Api<Event> = Api::namespaced(quiet.admin.clone(), "shop");
    let mut all = events.list(&ListParams::default()).await?.items;
    all.retain(|it| {
        let regarding = it.regarding.as_ref();
        regarding.is_some_and(|it| it.name.as_deref() == Some(key))
    });
    Ok(all)
}

async fn a_denial_is_one_event_on_the_key_whoever_leads_and_restarts(_: Arc<Stage>) -> Result<()> {
    let quiet = Quiet::start_with(&["--leader-elect"]).await?;
    quiet.stack.add_controller("standby").await?;
    // As long as names can be.
    let name = "k".repeat(253);
    quiet.request_key(&name).await?;
    quiet.key_is(&name, "Approved").await?;
    quiet.decide("by-hand", &name, false, LATER).await?;
    let key = quiet.key_is(&name, "Denied").await?;
    let told = until("an Event tells", async || {
        let all = events(&quiet, &name).await?;
        Ok(if all.is_empty() { Err(all) } else { Ok(all) })
    })
    .await?;
    let [it] = &told[..] else {
        anyhow::bail!("approved by itself and denied, it is told {told:#?}");
    };
    let regarding = it.regarding.clone().unwrap_or_default();
    ensure!(regarding.kind.as_deref() == Some("APIKey"), "{it:#?}");
    ensure!(regarding.uid == key.uid(), "{it:#?}");
    ensure!(it.reason.as_deref() == Some("Denied"), "{it:#?}");
    ensure!(it.type_.as_deref() == Some("Warning"), "{it:#?}");
    let note = it.note.as_deref();
    ensure!(note == Some("API key request denied by olivia"), "{it:#?}");

    for controller in ["controller", "standby"] {
        quiet.stack.restart(controller).await?;
        let other = format!("after-{controller}");
        quiet.request_key(&other).await?;
        // The denial stands in the way of its requester's next.
        quiet.key_is(&other, "Pending").await?;
        let told = events(&quiet, &name).await?;
        ensure!(told.len() == 1, "{told:#?}");
    }
    quiet.end().await
}

async fn without_the_right_to_events_all_else_goes_on_and_that_is_said_once(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = Quiet::start().await?;
    take_rule(&quiet, "events").await?;
    let are_refused = async |count| {
        until("an Event is refused", async || {
            let mut asked = quiet.writes()?;
            asked.retain(|it| it.uri.starts_with("/apis/events.k8s.io/") && it.answer == 403);
            Ok(if asked.len() >= count {
                Ok(())
            } else {
                Err(asked)
            })
        })
        .await
    };
    quiet.request_key("denied").await?;
    quiet.key_is("denied", "Approved").await?;
    quiet.decide("by-hand", "denied", false, LATER).await?;
    quiet.key_is("denied", "Denied").await?;
    are_refused(1).await?;
    quiet.request("failed", Some("missing")).await?;
    quiet.key_says("failed", "SecretNotFound").await?;
    are_refused(2).await?;
    ensure!(
        quiet.enforcement_secrets().await? == 0,
        "something opens the API"
    );
    let log = fs::read_to_string(quiet.stack.log("controller"))?;
    let said = log.matches("an Event could not be created").count();
    ensure!(said == 1, "it is said {said} times: {log}");
    for key in ["denied", "failed"] {
        ensure!(events(&quiet, key).await?.is_empty(), "somebody told");
    }
    quiet.end().await
}
