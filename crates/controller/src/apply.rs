//! How is a decision carried out? Write by write; each answer comes back as a
//! Change, so that the next decision sees it without waiting for the watch.

use std::sync::Arc;
use std::time::Duration;

use devportal_api::id::{KeyId, SecretId};
use devportal_api::name::{self, API_KEY_ENTRY, annotation};
use devportal_api::{GROUP, VERSION};
use devportal_core::change::{Obstacle, SecretFacts};
use devportal_core::decision::{NewSecret, Owner, ValueSource};
use devportal_core::{Change, Id, Write};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;
use zeroize::Zeroizing;

use crate::complaint::brief;
use crate::credential;
use crate::queue::Lane;
use crate::secret::{Reader, digest, value_of};
use crate::watch::slim;

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Trying again may help.
    #[error("{0}")]
    Retry(String),
    /// The API server does not let us, and will not until someone changes
    /// something.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// For logs and metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Retry(_) => "retry",
            Self::Refused(_) => "refused",
        }
    }
}

/// What a patch is for: the status is written through a door of its own.
#[derive(Clone, Copy)]
enum Part {
    Spec,
    Status,
}

/// Writes to the API server.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    reader: Reader,
}

/// How long a write may take: the connection may be gone without a word.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of the writes of one id.
pub(crate) struct Outcome {
    /// What the API server told, also when something failed.
    pub(crate) answers: Vec<Change>,
    /// The most urgent of what failed: it says when all is tried again.
    pub(crate) failure: Option<(Lane, Failure)>,
}

impl Writer {
    pub(crate) fn new(client: Client, reader: Reader) -> Self {
        Self { client, reader }
    }

    /// Carries out the writes of one id, each with what it is to replace as
    /// last seen. They are independent of each other: one that fails holds up
    /// none after it.
    pub(crate) async fn apply(
        &self,
        id: &Id,
        writes: Vec<(Write, Value)>,
        now: Timestamp,
    ) -> Outcome {
        let mut answers = Vec::new();
        let mut failures = Vec::new();
        for (write, seen) in writes {
            let lane = Lane::of([&write]);
            match timeout(PATIENCE, self.write(id, write, &seen, now)).await {
                Ok(Ok(answer)) => answers.push(answer),
                Ok(Err(error)) => failures.push((lane, error)),
                Err(_) => {
                    let error = Failure::Retry("the API server does not answer".to_owned());
                    failures.push((lane, error));
                }
            }
        }
        let failure = failures.into_iter().min_by_key(|(lane, _)| *lane);
        Outcome { answers, failure }
    }

    /// Carries out one write. What it answers is what has become of the object.
    async fn write(
        &self,
        id: &Id,
        write: Write,
        seen: &Value,
        now: Timestamp,
    ) -> Result<Change, Failure> {
        match write {
            Write::CreateSecret(secret) => self.create_secret(id, secret, now).await,
            Write::DeleteCredential { id, uid } => {
                let facts = |it: Arc<Secret>| self.reader.facts(&it);
                let change = |it: Option<_>| Change::EnforcementSecret(id.clone(), it.map(facts));
                self.delete(&id.namespace, &id.name, uid, change).await
            }
            Write::DeleteCopy { id, uid } => {
                let facts = |it: Arc<Secret>| self.reader.facts(&it);
                let change = |it: Option<_>| Change::SourceSecret(id.clone(), it.map(facts));
                self.delete(&id.namespace, &id.name, uid, change).await
            }
            Write::ApplyRequest { id, spec } => {
                if seen.is_null() {
                    let new = object(&id.namespace, &id.name, &spec, None)?;
                    return Ok(Change::Request(id, Some(self.create(new).await?)));
                }
                let change = |it| Change::Request(id.clone(), it);
                let patch = part_patch("spec", seen, &spec)?;
                self.patch(Part::Spec, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::DeleteRequest { id, uid } => {
                let change = |it| Change::Request(id.clone(), it);
                self.delete(&id.namespace, &id.name, uid, change).await
            }
            Write::ApplyApproval { id, spec, owner } => {
                if seen.is_null() {
                    let new = object(&id.namespace, &id.name, &spec, Some(&owner))?;
                    return Ok(Change::Approval(id, Some(self.create(new).await?)));
                }
                let change = |it| Change::Approval(id.clone(), it);
                let patch = part_patch("spec", seen, &spec)?;
                self.patch(Part::Spec, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::AdoptApproval { id, owner } => {
                let change = |it| Change::Approval(id.clone(), it);
                let others = seen["metadata"]["ownerReferences"].as_array();
                let mut owners = others.cloned().unwrap_or_default();
                let mut ours = reference(&owner);
                // There can be one only, and the API server insists.
                let is_controlled = owners.iter().any(|it| it["controller"] == true);
                ours.controller = Some(!is_controlled);
                owners.push(json!(ours));
                let patch = json!({"metadata": {"ownerReferences": owners}});
                self.patch(Part::Spec, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::DeleteApproval { id, uid } => {
                let change = |it| Change::Approval(id.clone(), it);
                self.delete(&id.namespace, &id.name, uid, change).await
            }
            Write::ProductStatus(id, status) => {
                let change = |it| Change::Product(id.clone(), it);
                let patch = part_patch("status", seen, &*status)?;
                self.patch(Part::Status, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::KeyStatus(id, status) => {
                let change = |it| Change::Key(id.clone(), it);
                let patch = part_patch("status", seen, &*status)?;
                self.patch(Part::Status, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::RequestStatus(id, status) => {
                let change = |it| Change::Request(id.clone(), it);
                let patch = part_patch("status", seen, &*status)?;
                self.patch(Part::Status, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
            Write::ApprovalStatus(id, status) => {
                let change = |it| Change::Approval(id.clone(), it);
                let patch = part_patch("status", seen, &*status)?;
                self.patch(Part::Status, (&id.namespace, &id.name), seen, patch, change)
                    .await
            }
        }
    }

    async fn create_secret(
        &self,
        id: &Id,
        new: NewSecret,
        now: Timestamp,
    ) -> Result<Change, Failure> {
        let Id::Key(key) = id else {
            return Err(Failure::Refused("only keys have Secrets".to_owned()));
        };
        let value = match &new.value {
            ValueSource::Generate => {
                let key = credential::generate().map_err(|error| {
                    Failure::Retry(format!("the operating system gives no randomness: {error}"))
                })?;
                Zeroizing::new(key.into_bytes())
            }
            ValueSource::CopyOf(from, expected) => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), &from.namespace);
                let secret = api.get_opt(&from.name).await.map_err(classify)?;
                let value = secret.as_ref().and_then(value_of);
                match value {
                    Some(value) if self.reader.fingerprint(value) == *expected => {
                        Zeroizing::new(value.to_vec())
                    }
                    _ => return Ok(self.seen(key, from, &new, secret.as_ref())),
                }
            }
        };
        let mut annotations = new.annotations;
        if new.generated {
            annotations.insert(annotation::DIGEST.to_owned(), digest(&value));
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(new.id.name.clone()),
                namespace: Some(new.id.namespace.clone()),
                labels: Some(new.labels),
                annotations: Some(annotations),
                owner_references: new.owner.as_ref().map(|owner| vec![reference(owner)]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some([(API_KEY_ENTRY.to_owned(), ByteString(value.to_vec()))].into()),
            ..Secret::default()
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &new.id.namespace);
        match api.create(&PostParams::default(), &secret).await {
            Ok(made) => {
                let facts = self.reader.facts(&made);
                Ok(secret_change(new.id, Some(facts), new.owner.is_some()))
            }
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                let obstacle = Obstacle::NameTaken;
                Ok(Change::Hindered(new.id, obstacle, key.clone(), now))
            }
            Err(kube::Error::Api(status)) if is_refusal(status.code) => {
                // An admission plugin may quote what it refuses.
                let is_quoted = credential::is_quoted(&value, &status.message);
                let why = if is_quoted { "" } else { &status.message };
                warn!(secret = %new.id, reason = status.reason, why, "the API server refuses to create this Secret");
                let obstacle = Obstacle::Refused(status.reason.clone());
                Ok(Change::Hindered(new.id, obstacle, key.clone(), now))
            }
            Err(error) => Err(classify(error)),
        }
    }

    /// The Secret to copy from is not what was decided on: tell what it is. It is the
    /// one with the key's value, or for a generated key another one of the gateway's.
    fn seen(
        &self,
        key: &KeyId,
        from: &SecretId,
        new: &NewSecret,
        secret: Option<&Secret>,
    ) -> Change {
        let facts = secret.map(|secret| self.reader.facts(secret));
        let is_source = !new.generated || *from == name::generated_secret(key);
        secret_change(from.clone(), facts, is_source)
    }

    /// Creates an object. One that is there and was not seen may be about something
    /// else: the watch will tell.
    async fn create<K>(&self, new: K) -> Result<Arc<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Serialize
            + std::fmt::Debug,
    {
        let namespace = new.meta().namespace.clone().unwrap_or_default();
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        let params = PostParams {
            field_manager: Some("devportal".to_owned()),
            ..PostParams::default()
        };
        let made = api.create(&params, &new).await.map_err(classify)?;
        Ok(Arc::new(slim(made)))
    }

    /// Patches an object that was seen, and no other of its name.
    async fn patch<K>(
        &self,
        part: Part,
        (namespace, name): (&str, &str),
        seen: &Value,
        mut patch: Value,
        change: impl FnOnce(Option<Arc<K>>) -> Change,
    ) -> Result<Change, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let uid = seen["metadata"]["uid"].as_str().unwrap_or_default();
        patch["metadata"]["uid"] = uid.into();
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let answer = match part {
            Part::Spec => api.patch(name, &params, &patch).await,
            Part::Status => api.patch_status(name, &params, &patch).await,
        };
        match answer {
            Ok(object) => Ok(change(Some(Arc::new(slim(object))))),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(ended(uid, change(None))),
            Err(error) => Err(classify(error)),
        }
    }

    /// Deletes an object of this UID. The answer tells at once what a watch
    /// would tell later, or never when it has moved on to another namespace.
    async fn delete<K>(
        &self,
        namespace: &str,
        name: &str,
        uid: String,
        change: impl FnOnce(Option<Arc<K>>) -> Change,
    ) -> Result<Change, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let preconditions = Preconditions {
            uid: Some(uid.clone()),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let held = match api.delete(name, &params).await {
            Ok(answer) => answer.left(),
            // Gone, or another object by now: either way not there any more.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => None,
            Err(error) => return Err(classify(error)),
        };
        // Finalizers keep an object while it is being deleted.
        let held = held.filter(|it| it.meta().deletion_timestamp.is_some());
        Ok(match held {
            Some(object) => change(Some(Arc::new(slim(object)))),
            None => ended(&uid, change(None)),
        })
    }
}

/// A key's Secret is the consumer's copy, or the gateway's.
fn secret_change(id: SecretId, facts: Option<SecretFacts>, is_copy: bool) -> Change {
    if is_copy {
        Change::SourceSecret(id, facts)
    } else {
        Change::EnforcementSecret(id, facts)
    }
}

fn ended(uid: &str, absence: Change) -> Change {
    Change::Ended(uid.to_owned(), Box::new(absence))
}

fn classify(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if is_refusal(status.code) => {
            Failure::Refused(status.message.clone())
        }
        kube::Error::Api(status) => Failure::Retry(status.message.clone()),
        other => Failure::Retry(brief(&other)),
    }
}

/// Asking the same again brings the same answer.
fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 401 | 403 | 422)
}

fn reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: owner.kind.to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        // The contract asks for it on approvals; on a key's copy it would need
        // a right on finalizers that the published role lacks.
        block_owner_deletion: (owner.kind == "APIKeyRequest").then_some(true),
    }
}

/// A new object: nothing but what we decide.
fn object<K: Resource<DynamicType = ()> + DeserializeOwned>(
    namespace: &str,
    name: &str,
    spec: &impl Serialize,
    owner: Option<&Owner>,
) -> Result<K, Failure> {
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let Some(owner) = owner {
        metadata["ownerReferences"] = json!([reference(owner)]);
    }
    let object = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "spec": to_value(spec)?,
    });
    serde_json::from_value(object).map_err(|error| Failure::Refused(error.to_string()))
}

/// A merge patch from a part of the object as last seen to what that is to be. What
/// others write beside us is in neither, and so left alone.
fn part_patch(part: &str, seen: &Value, after: &impl Serialize) -> Result<Value, Failure> {
    let difference = difference(&seen[part], &to_value(after)?);
    Ok(json!({part: difference.unwrap_or_else(|| json!({}))}))
}

/// The merge patch (RFC 7386) that turns one value into another; `None` when
/// they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let mut patch: serde_json::Map<_, _> =
        removed.map(|name| (name.clone(), Value::Null)).collect();
    for (name, value) in new {
        let changed = match old.get(name) {
            Some(before) => difference(before, value),
            None => Some(value.clone()),
        };
        patch.extend(changed.map(|value| (name.clone(), value)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn to_value(object: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(object).map_err(|error| Failure::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_patch_removes_what_is_no_longer_so_at_every_depth() {
        let before = json!({"limits": {"daily": 1, "weekly": 7}, "secretRef": {"name": "s"}});
        let after = json!({"limits": {"weekly": 7}});
        let patch = json!({"status": {"limits": {"daily": null}, "secretRef": null}});
        assert_eq!(
            part_patch("status", &json!({"status": before}), &after).unwrap(),
            patch
        );
    }

    #[test]
    fn a_status_patch_says_nothing_of_what_stays() {
        let before =
            json!({"openapi": {"raw": "long"}, "canReadSecret": false, "phase": "Pending"});
        let after =
            json!({"openapi": {"raw": "long"}, "canReadSecret": false, "phase": "Approved"});
        let patch = json!({"status": {"phase": "Approved"}});
        assert_eq!(
            part_patch("status", &json!({"status": before}), &after).unwrap(),
            patch
        );
    }

    #[test]
    fn a_patch_of_what_is_right_changes_nothing() {
        let spec = json!({"planTier": "gold"});
        let seen = json!({"spec": spec, "status": {}});
        assert_eq!(
            part_patch("spec", &seen, &spec).unwrap(),
            json!({"spec": {}})
        );
    }

    #[test]
    fn lists_are_replaced_as_a_whole() {
        let patch = difference(&json!({"c": [1, 2]}), &json!({"c": [2]}));
        assert_eq!(patch, Some(json!({"c": [2]})));
    }
}
