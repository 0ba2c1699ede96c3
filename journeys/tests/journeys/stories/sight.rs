//! What cannot be read is unknown, not gone: nobody loses access because the
//! controller sees less, and nobody keeps it.

mod missed;
mod refused;
mod restored;
mod undone;
mod unenforced;
mod unlisted;
mod unreadable;
mod upgrade;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_api::id::KeyId;
use devportal_api::name::{self, annotation};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::Story;
use crate::quiet::Quiet;
use crate::wait::{PROMPT, throughout, until, within};

/// All of them.
pub(super) fn stories() -> Vec<Story> {
    [
        unreadable::stories(),
        unlisted::stories(),
        undone::stories(),
        upgrade::stories(),
        unenforced::stories(),
        refused::stories(),
        restored::stories(),
        missed::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Long enough for the controller to do what it must not do.
const A_WHILE: Duration = Duration::from_secs(5);
const APPROVED_AT: &str = "2030-01-01T00:00:00Z";
const DENIED_AT: &str = "2030-01-02T00:00:00Z";

/// All that there is for a key, by UID, and the values.
#[derive(Debug, PartialEq)]
struct Held {
    request: Option<String>,
    approvals: Vec<String>,
    copy: Option<(String, String)>,
    enforcement: Vec<(String, String)>,
}

impl Held {
    async fn of(quiet: &Quiet, key: &str) -> Result<Self> {
        let id = KeyId::new("shop", key);
        let request = Quiet::request_name(key);
        let all = ListParams::default();
        let approvals = raw::<APIKeyApproval>(quiet).list(&all).await?.items;
        let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), "shop");
        let copy = secrets.get_opt(&name::generated_source(&id).name).await?;
        let found = raw::<APIKeyRequest>(quiet).get_opt(&request).await?;
        Ok(Self {
            request: found.and_then(|it| it.uid()),
            approvals: approvals
                .iter()
                .filter(|it| it.data["spec"]["apiKeyRequestRef"]["name"] == request)
                .filter_map(ResourceExt::uid)
                .collect(),
            copy: copy.as_ref().map(identity),
            enforcement: enforcement(quiet, key)
                .await?
                .iter()
                .map(identity)
                .collect(),
        })
    }

    fn copied_value(&self) -> Option<&str> {
        self.copy.as_ref().map(|(_, value)| value.as_str())
    }

    fn enforced_values(&self) -> Vec<&str> {
        let values = self.enforcement.iter().map(|(_, value)| value.as_str());
        values.collect()
    }
}

/// The UID of a Secret and its value.
fn identity(secret: &Secret) -> (String, String) {
    let value = secret.data.as_ref().and_then(|it| it.get("api_key"));
    let text = value.map(|it| String::from_utf8_lossy(&it.0).into_owned());
    (secret.uid().unwrap_or_default(), text.unwrap_or_default())
}

/// The Secrets of a key in the Kuadrant namespace, whatever their labels are.
async fn enforcement(quiet: &Quiet, key: &str) -> Result<Vec<Secret>> {
    let secrets: Api<Secret> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
    let mut found = secrets.list(&ListParams::default()).await?.items;
    let whole = KeyId::new("shop", key).to_string();
    found.retain(|it| it.annotations().get(annotation::KEY) == Some(&whole));
    Ok(found)
}

/// A control plane whose product is approved by hand.
async fn manual() -> Result<Quiet> {
    let quiet = Quiet::start().await?;
    quiet.is_approved_by_hand().await?;
    Ok(quiet)
}

/// A generated key that olivia approved, with all that belongs to it.
async fn approved(quiet: &Quiet, key: &str) -> Result<Held> {
    quiet.request_key(key).await?;
    quiet.decide("by-hand", key, true, APPROVED_AT).await?;
    quiet.key_is(key, "Approved").await?;
    issued(quiet, key).await
}

/// Waits until a key has one credential, and answers with all there is.
async fn issued(quiet: &Quiet, key: &str) -> Result<Held> {
    until(&format!("{key} has one credential"), async || {
        let held = Held::of(quiet, key).await?;
        let is_issued = held.enforcement.len() == 1
            && held.copied_value() == held.enforced_values().first().copied();
        Ok(if is_issued { Ok(held) } else { Err(held) })
    })
    .await
}

/// A later decision takes access away.
async fn deny(quiet: &Quiet, key: &str) -> Result<()> {
    quiet.decide("denial", key, false, DENIED_AT).await
}

/// Waits until a key has no credential, as long as that may take.
async fn is_revoked(quiet: &Quiet, key: &str) -> Result<()> {
    let what = format!("{key} has no credential");
    within(PROMPT, &what, async || {
        let left = Held::of(quiet, key).await?.enforcement;
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await
}

/// Nothing of a key is deleted, replaced or changed for a while.
async fn keeps(quiet: &Quiet, key: &str, before: &Held) -> Result<()> {
    throughout(A_WHILE, async || {
        let now = Held::of(quiet, key).await?;
        ensure!(now == *before, "{key} had {before:#?}, and has {now:#?}");
        Ok(())
    })
    .await
}

/// A key without a credential gets none for a while.
async fn stays_revoked(quiet: &Quiet, key: &str) -> Result<()> {
    throughout(A_WHILE, async || {
        let back = Held::of(quiet, key).await?.enforcement;
        ensure!(back.is_empty(), "{key} has a credential again: {back:?}");
        Ok(())
    })
    .await
}

/// Objects of a kind as they are, which our types may not be able to hold.
fn raw<K: Resource<DynamicType = ()>>(quiet: &Quiet) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<K>(&());
    Api::namespaced_with(quiet.admin.clone(), "shop", &resource)
}

/// Writes into the status of an object.
async fn set_status<K: Resource<DynamicType = ()>>(
    quiet: &Quiet,
    name: &str,
    status: Value,
) -> Result<DynamicObject> {
    let patch = Patch::Merge(json!({"status": status}));
    raw::<K>(quiet)
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .with_context(|| format!("the status of {name} cannot be set"))
}

/// The conditions of an object, none where there is no object.
async fn conditions<K: Resource<DynamicType = ()>>(
    quiet: &Quiet,
    name: &str,
) -> Result<Vec<Condition>> {
    let found = raw::<K>(quiet).get_opt(name).await?;
    let conditions = found.map(|it| it.data["status"]["conditions"].clone());
    let conditions = conditions.filter(|it| !it.is_null());
    Ok(serde_json::from_value(conditions.unwrap_or(json!([])))?)
}

/// Waits until an object has a condition like that.
async fn says<K: Resource<DynamicType = ()>>(
    quiet: &Quiet,
    name: &str,
    what: &str,
    is_it: impl Fn(&Condition) -> bool,
) -> Result<Condition> {
    let what = format!("{} {name} says {what}", K::kind(&()));
    until(&what, async || {
        let seen = conditions::<K>(quiet, name).await?;
        Ok(seen.iter().find(|it| is_it(it)).cloned().ok_or(seen))
    })
    .await
}

/// Waits until the controller has said anything about a key.
async fn is_told(quiet: &Quiet, key: &str) -> Result<Condition> {
    let lifecycle = ["Failed", "Denied", "Expired", "Approved", "Pending"];
    let is_one = |it: &Condition| lifecycle.contains(&it.type_.as_str());
    says::<APIKey>(quiet, key, "how it stands", is_one).await
}

/// Takes parts out of the schema of a kind, each a JSON pointer: other definitions
/// than ours lack them.
async fn cut<K: Resource<DynamicType = ()>>(quiet: &Quiet, parts: &[&str]) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(quiet.admin.clone());
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    let mut definition = serde_json::to_value(definitions.get(&name).await?)?;
    for part in parts {
        let pointer = format!("/spec/versions/0/schema/openAPIV3Schema{part}");
        let (parent, leaf) = pointer.rsplit_once('/').unwrap_or_default();
        let parent = definition.pointer_mut(parent);
        let cut = parent.and_then(|it| it.as_object_mut()?.remove(leaf));
        cut.with_context(|| format!("{name} has no {part}"))?;
    }
    let definition = serde_json::from_value(definition)?;
    let params = PostParams::default();
    definitions.replace(&name, &params, &definition).await?;
    Ok(())
}
