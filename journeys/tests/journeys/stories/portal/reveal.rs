//! A key's value is shown once, and is nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, ResourceExt, discovery};
use serde_json::{Value, json};

use super::super::stories;
use super::people::Town;
use crate::audit;
use crate::portal::Visitor;
use crate::shop::{KUADRANT, Shop};
use crate::stage::Stage;
use crate::wait::until;

stories![
    of_a_hundred_who_ask_at_two_replicas_one_is_shown_the_value,
    the_value_of_a_revealed_key_lies_in_one_secret_and_nowhere_else,
    a_value_that_changes_under_the_reveal_is_not_shown,
    nobody_is_shown_a_key_of_another_namespace,
];

/// How often each status came.
fn tally(statuses: impl IntoIterator<Item = u16>) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for status in statuses {
        *tally.entry(status).or_default() += 1;
    }
    tally
}

/// A7
async fn of_a_hundred_who_ask_at_two_replicas_one_is_shown_the_value(
    stage: Arc<Stage>,
) -> Result<()> {
    let other = stage.stack.add_portal("portal-2", &[]).await?;
    let town = Town::settle(Shop::prepare(stage, "hundred").await?).await?;
    town.publish(json!({"approvalMode": "automatic"})).await?;
    let key = town.ask("gold").await?;
    let there = town.alice.at(&other);
    for visitor in [&town.alice, &there] {
        visitor
            .until("both replicas see that a value waits", &key, |it| {
                it["canReveal"] == true
            })
            .await?;
    }
    let path = format!("{key}/reveal");
    let nothing = json!({});
    for round in 0..3 {
        let asks = (0..100).map(|number| {
            let visitor = if number % 2 == 0 { &town.alice } else { &there };
            visitor.post(&path, &nothing)
        });
        let mut statuses = Vec::new();
        for reply in join_all(asks).await {
            statuses.push(reply?.status);
        }
        let seen = tally(statuses);
        ensure!(
            seen == BTreeMap::from([(200, 1), (410, 99)]),
            "round {round}: {seen:?}"
        );
        // A rotation makes a value that can be shown, once.
        town.alice
            .post(&format!("{key}/rotate"), &json!({"overlap": "0s"}))
            .await?
            .expect(200)?;
        for visitor in [&town.alice, &there] {
            visitor
                .until("the new value waits at both", &key, |it| {
                    it["canReveal"] == true
                })
                .await?;
        }
    }
    Ok(())
}

/// Invariant 7
async fn the_value_of_a_revealed_key_lies_in_one_secret_and_nowhere_else(
    stage: Arc<Stage>,
) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "nowhere").await?).await?;
    town.publish(json!({"approvalMode": "automatic"})).await?;
    let key = town.ask("gold").await?;
    let value = town.reveal(&key).await?;
    town.shop.gateway_answers(&value, 200).await?;
    let name = key.rsplit('/').next().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(stage.admin.clone(), &town.shop.dev);
    until("an Event names who was shown the key", async || {
        let seen = events.list(&ListParams::default()).await?.items;
        let is_it = |it: &Event| {
            it.reason.as_deref() == Some("Revealed")
                && it.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(name)
                && it
                    .note
                    .as_deref()
                    .is_some_and(|it| it.ends_with("to alice"))
        };
        Ok(if seen.iter().any(is_it) {
            Ok(())
        } else {
            Err(seen)
        })
    })
    .await?;

    let secrets: Api<Secret> = Api::all(stage.admin.clone());
    let holders: Vec<_> = secrets
        .list(&ListParams::default())
        .await?
        .into_iter()
        .filter(|it| {
            let mut data = it.data.iter().flatten();
            data.any(|(_, it)| it.0 == value.as_bytes())
        })
        .collect();
    ensure!(holders.len() == 1, "{} Secrets hold it", holders.len());
    ensure!(holders[0].namespace().as_deref() == Some(KUADRANT));

    // Everything else that the API server has, and every log.
    let discovery = discovery::Discovery::new(stage.admin.clone()).run().await?;
    let mut looked_at = 0;
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if resource.kind == "Secret" || !capabilities.supports_operation("list") {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(stage.admin.clone(), &resource);
            for object in api.list(&ListParams::default()).await? {
                let text = serde_json::to_string(&object)?;
                ensure!(
                    !text.contains(&value),
                    "{} {} has it",
                    resource.kind,
                    object.name_any()
                );
                looked_at += 1;
            }
        }
    }
    ensure!(looked_at > 100, "only {looked_at} objects were looked at");
    let logs = stage.stack.log("portal");
    for entry in fs::read_dir(logs.parent().context("logs are in a folder")?)? {
        let path = entry?.path();
        // Envoy's access log is not written, and etcd's data is not a log.
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        ensure!(!text.contains(&value), "{} has it", path.display());
    }
    let audit = audit::text(&stage.stack)?;
    ensure!(!audit.contains(&value), "the audit log has it");
    Ok(())
}

async fn a_value_that_changes_under_the_reveal_is_not_shown(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "under").await?).await?;
    town.publish(json!({"approvalMode": "automatic"})).await?;
    let key = town.ask("gold").await?;
    town.alice
        .until("a value waits", &key, |it| it["canReveal"] == true)
        .await?;
    let name = key.rsplit('/').next().unwrap_or_default();
    let found = town.shop.enforcement(name).await?;
    let secret = found.first().context("a Secret is there")?;
    // Somebody writes a value of their own in; the controller makes a new one.
    let api: Api<Secret> = Api::namespaced(stage.admin.clone(), KUADRANT);
    let forged = json!({"stringData": {"api_key": "dpk_chosen-by-somebody"}});
    let forge = Patch::Merge(&forged);
    api.patch(&secret.name_any(), &PatchParams::default(), &forge)
        .await?;
    let seen = until("the value is shown, or said to be changing", async || {
        let reply = town
            .alice
            .post(&format!("{key}/reveal"), &json!({}))
            .await?;
        Ok(if reply.status == 200 {
            Ok(reply.body)
        } else {
            Err(reply)
        })
    })
    .await?;
    let value = seen["value"].as_str().unwrap_or_default();
    ensure!(
        value.starts_with("dpk_") && value != "dpk_chosen-by-somebody",
        "a forged value is shown"
    );
    town.shop.gateway_answers(value, 200).await?;
    town.alice
        .post(&format!("{key}/reveal"), &json!({}))
        .await?
        .expect(410)?;
    Ok(())
}

async fn nobody_is_shown_a_key_of_another_namespace(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "others").await?).await?;
    town.publish(json!({"approvalMode": "automatic"})).await?;
    let key = town.ask("gold").await?;
    town.alice
        .until("a value waits", &key, |it| it["canReveal"] == true)
        .await?;
    let reveal = format!("{key}/reveal");
    let stranger = Visitor::new(&stage, "zoe", &[])?;
    for (who, visitor, status) in [
        ("a stranger", &stranger, 404),
        ("another owner", &town.oscar, 404),
        ("the owner", &town.olivia, 404),
        // They see the key, and may not be shown its value.
        ("the admin", &town.adam, 403),
        ("the platform engineer", &town.petra, 403),
    ] {
        let reply = visitor.post(&reveal, &json!({})).await?;
        ensure!(reply.status == status, "{who}: {reply:?}");
        ensure!(reply.body.get("value").is_none_or(Value::is_null), "{who}");
    }
    // Nothing of that has used it up.
    town.reveal(&key).await?;
    Ok(())
}
