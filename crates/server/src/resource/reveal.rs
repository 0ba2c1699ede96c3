//! A key's value is shown once, to whoever claims it first.
//!
//! The value is read, then claimed, then shown. The claim is a status patch of the very
//! version that said that the value waits: of a hundred who ask at once one gets it. A
//! value that cannot be read is not lost by trying.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devportal_api::APIKey;
use devportal_api::event::{News, event};
use devportal_api::id::{KeyId, SecretId};
use devportal_api::name::annotation;
use devportal_api::scheme::Credentials;
use devportal_mirror::Kind;
use devportal_mirror::secret::{digest, value_of};
use devportal_watch::{Guarded, Plain, told};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::json;
use tracing::warn;
use zeroize::Zeroizing;

use super::keys::{can_reveal, current, find};
use crate::App;
use crate::access::{REVEAL, ask};
use crate::answer::{Named, Path};
use crate::caller::{Me, Person};
use crate::kinds::{State as KeyState, conditions_of_key};
use crate::kubernetes::may_be_done;
use crate::problem::Problem;

/// A key's value, shown only this once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revealed {
    /// The value. Whoever has it can call the API.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    value: Zeroizing<String>,
    /// The hostname of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    /// An address at which the API is called; in a wildcard host any label may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Where the key goes in a request; absent: `Authorization: Bearer KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials>,
}

fn exposed<S: Serializer>(value: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value)
}

/// Who tells that a key was shown.
const REPORTER: &str = "devportal.kuadrant.io/server";

/// How often a claim is made anew because something else of the key changed.
const TRIES: usize = 5;

pub(crate) async fn reveal(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
) -> Result<Json<Revealed>, Problem> {
    let id: KeyId = named.id()?;
    let mut key = find(&app, &me, &id).await?;
    // It is as the mirror has it, which may be behind.
    let mut is_live = false;
    // Asked anew: what is shown cannot be taken back.
    if !ask(&app.kubernetes, &me, REVEAL, &id.namespace, &id.name).await? {
        return Err(Problem::forbidden(format!(
            "you may not be shown keys of namespace {}: that takes the verb create on \
             apikeys/reveal",
            id.namespace
        )));
    }
    for _ in 0..TRIES {
        let shown = match waiting(&app, &id, &key) {
            Ok(secret) => show(&app, &me, &id, &key, &secret).await,
            // A key that is rotated for nothing stops what works: nobody is told so on hearsay.
            Err(_) if !is_live => Err(behind()),
            Err(problem) => return Err(problem),
        };
        match shown {
            Ok(value) => {
                let status = key.status.clone().unwrap_or_default();
                return Ok(Json(Revealed {
                    value,
                    hostname: status.api_hostname,
                    url: app.store.read().address_of(&key.opened_product_id()),
                    credentials: status.auth_scheme.and_then(|it| it.credentials),
                }));
            }
            // The key has changed, or its value is being moved to another Secret.
            Err(problem) if problem.code() == StatusCode::CONFLICT => {
                key = look(&app, &id).await?;
                is_live = true;
            }
            Err(problem) => return Err(problem),
        }
    }
    Err(behind())
}

/// The mirror may be behind the key.
fn behind() -> Problem {
    Problem::conflict("Changing", "the key is changing: try again in a moment")
}

/// The value, once it is claimed.
async fn show(
    app: &App,
    me: &Me,
    id: &KeyId,
    key: &Arc<APIKey>,
    secret: &SecretId,
) -> Result<Zeroizing<String>, Problem> {
    let value = read(app, key, secret).await?;
    claim(app, me, id, key).await?;
    Ok(value)
}

/// The Secret of the value that waits to be shown.
///
/// # Errors
///
/// When none does: says why.
fn waiting(app: &App, id: &KeyId, key: &APIKey) -> Result<SecretId, Problem> {
    if !key.is_shown_once() {
        let secret = key.source_secret().name;
        return Err(Problem::conflict(
            "DeliveredInSecret",
            format!(
                "this key is not shown but delivered, in Secret {secret} of {}",
                id.namespace
            ),
        ));
    }
    let (state, told) = KeyState::of(conditions_of_key(key));
    if state != KeyState::Approved {
        let why = told.map_or("nobody has decided yet", |it| it.message.as_str());
        return Err(Problem::conflict("NotApproved", why));
    }
    let namespace = app.store.read().kuadrant_namespace().map(str::to_owned);
    match (current(key), namespace) {
        (Some(it), Some(namespace)) if can_reveal(key) => Ok(SecretId::new(namespace, &it.id)),
        (Some(_), Some(_)) => Err(Problem::new(
            StatusCode::GONE,
            "ShownAlready",
            "the value was shown already, and is shown once only: rotate the key for a new one",
        )),
        _ => Err(Problem::conflict(
            "NotReady",
            "the value is being made: try again in a moment",
        )),
    }
}

/// The value, if it is the one that the status tells of.
async fn read(app: &App, key: &APIKey, id: &SecretId) -> Result<Zeroizing<String>, Problem> {
    let api: Api<Plain<Secret>> = Api::namespaced(app.kubernetes.own.clone(), &id.namespace);
    let changing = || {
        Problem::conflict(
            "Changing",
            "the value is being replaced: try again in a moment",
        )
    };
    let secret = app.kubernetes.as_itself(api.get(&id.name)).await;
    let Plain(secret) = secret.map_err(|problem| match problem.code() {
        StatusCode::NOT_FOUND => changing(),
        _ => problem,
    })?;
    let of_key = secret.annotations().get(annotation::KEY_UID);
    let is_its = of_key.is_some() && of_key == key.meta().uid.as_ref();
    let wanted = current(key).and_then(|it| it.digest.as_ref());
    let value = value_of(&secret).filter(|it| is_its && Some(&digest(it)) == wanted);
    let text = value.and_then(|it| std::str::from_utf8(it).ok());
    let value = text.map(|it| Zeroizing::new(it.to_owned()));
    value.ok_or_else(changing)
}

/// A claim that nobody answered.
fn maybe_shown() -> Problem {
    Problem::unavailable(
        "nobody knows whether the value counts as shown now: try again, and rotate the key if \
         it does",
    )
}

/// Says that the value was shown, of the version of the key that said that it waits, and
/// to whom: both also where whoever asked breaks off in between.
async fn claim(app: &App, me: &Me, id: &KeyId, key: &Arc<APIKey>) -> Result<(), Problem> {
    let (app, id, key) = (app.clone(), id.clone(), Arc::clone(key));
    let person = Arc::clone(&me.person);
    let claim = async move {
        let api: Api<Guarded<APIKey>> = Api::namespaced(app.kubernetes.own.clone(), &id.namespace);
        let patch = json!({
            "metadata": {"uid": key.uid(), "resourceVersion": key.resource_version()},
            "status": {"canReadSecret": false},
        });
        let (params, merge) = (PatchParams::default(), Patch::Merge(&patch));
        let patched = api.patch_status(&id.name, &params, &merge);
        let patched = app.kubernetes.wait(patched).await.ok_or_else(maybe_shown)?;
        let patched = patched.map_err(|error| {
            if may_be_done(&error) {
                maybe_shown()
            } else {
                Problem::of_own(&error)
            }
        })?;
        app.store
            .take(told(patched, &app.kubernetes.lens).answered());
        note(&app, &person, &key).await;
        Ok(())
    };
    let failed = |_| Err(maybe_shown());
    tokio::spawn(claim).await.unwrap_or_else(failed)
}

/// The key as it is now, past the mirror.
async fn look(app: &App, id: &KeyId) -> Result<Arc<APIKey>, Problem> {
    let api: Api<Plain<APIKey>> = Api::namespaced(app.kubernetes.own.clone(), &id.namespace);
    let Plain(key) = app.kubernetes.as_itself(api.get(&id.name)).await?;
    Ok(APIKey::keep(key, &app.kubernetes.lens))
}

/// Tells who was shown the value, on the key. That it cannot be told hides nothing: the
/// audit log has the person's own question whether they may.
async fn note(app: &App, person: &Person, key: &APIKey) {
    let note = format!("The key's value was shown to {}", person.user);
    let news = News {
        is_warning: false,
        reason: "Revealed",
        action: "Reveal",
        note: &note,
    };
    let instance = std::env::var("HOSTNAME").ok();
    let (regarding, now) = (key.object_ref(&()), Timestamp::now());
    let event = event(regarding, news, REPORTER, instance.as_deref(), now);
    let namespace = key.namespace().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(app.kubernetes.own.clone(), &namespace);
    let params = PostParams::default();
    let told = app.kubernetes.as_itself(events.create(&params, &event));
    if told.await.is_err() {
        let key = KeyId::of(key);
        warn!(%key, "no Event tells that this key was shown");
    }
}

#[cfg(test)]
mod tests;
