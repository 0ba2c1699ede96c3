//! How is a decision carried out? Write by write; each answer comes back as a
//! Change, so that the next decision sees it without waiting for the watch.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use devportal_api::id::{ApprovalId, RequestId, SecretId};
use devportal_api::name::{API_KEY_ENTRY, annotation};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct, GROUP, VERSION};
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
use zeroize::Zeroizing;

use crate::complaint::brief;
use crate::credential;
use crate::secret::{Reader, digest, value_of};

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

/// What to do next after a write.
enum Step {
    GoOn(Option<Change>),
    /// The world is not what the decision was made on: decide again.
    Stop(Option<Change>),
}

/// Writes to the API server.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    reader: Reader,
    /// UIDs whose deletion was acknowledged and may not have come back yet.
    deleted: Arc<Mutex<(HashSet<String>, VecDeque<String>)>>,
}

const DELETED_REMEMBERED: usize = 1024;

impl Writer {
    pub(crate) fn new(client: Client, reader: Reader) -> Self {
        Self {
            client,
            reader,
            deleted: Arc::default(),
        }
    }

    /// Carries out the writes of one id, each with the status it is to replace
    /// as last seen. The answers so far are returned even when a later write
    /// fails.
    pub(crate) async fn apply(
        &self,
        id: &Id,
        writes: Vec<(Write, Value)>,
        now: Timestamp,
    ) -> (Vec<Change>, Result<(), Failure>) {
        let mut answers = Vec::new();
        for (write, before) in writes {
            match self.write(id, write, &before, now).await {
                Ok(Step::GoOn(answer)) => answers.extend(answer),
                Ok(Step::Stop(answer)) => {
                    answers.extend(answer);
                    break;
                }
                Err(failure) => return (answers, Err(failure)),
            }
        }
        (answers, Ok(()))
    }

    async fn write(
        &self,
        id: &Id,
        write: Write,
        before: &Value,
        now: Timestamp,
    ) -> Result<Step, Failure> {
        match write {
            Write::CreateSecret(secret) => self.create_secret(id, secret, now).await,
            Write::DeleteSecret { id, uid } => {
                self.delete::<Secret>(&id.namespace, &id.name, uid).await
            }
            Write::ApplyRequest { id, spec } => {
                let object = object::<APIKeyRequest>(&id.namespace, &id.name, &spec, None)?;
                let request = self
                    .put::<APIKeyRequest>(&id.namespace, &id.name, object)
                    .await?;
                Ok(Step::GoOn(request.map(|it| {
                    Change::Request(RequestId::of(&it), Some(it.into()))
                })))
            }
            Write::DeleteRequest { id, uid } => {
                self.delete::<APIKeyRequest>(&id.namespace, &id.name, uid)
                    .await
            }
            Write::ApplyApproval { id, spec, owner } => {
                let object =
                    object::<APIKeyApproval>(&id.namespace, &id.name, &spec, Some(&owner))?;
                let approval = self
                    .put::<APIKeyApproval>(&id.namespace, &id.name, object)
                    .await?;
                Ok(Step::GoOn(approval.map(approval_change)))
            }
            Write::AdoptApproval { id, uid, owner } => {
                let patch =
                    json!({"metadata": {"uid": uid, "ownerReferences": [reference(&owner)]}});
                self.patch(&id.namespace, &id.name, &patch, approval_change)
                    .await
            }
            Write::DeleteApproval { id, uid } => {
                self.delete::<APIKeyApproval>(&id.namespace, &id.name, uid)
                    .await
            }
            Write::ProductStatus(id, status) => {
                let patch = status_patch(before, &*status)?;
                let change = |it: APIProduct| Change::Product(id.clone(), Some(it.into()));
                self.patch_status(&id.namespace, &id.name, &patch, change)
                    .await
            }
            Write::KeyStatus(id, status) => {
                let patch = status_patch(before, &*status)?;
                let change = |it: APIKey| Change::Key(id.clone(), Some(it.into()));
                self.patch_status(&id.namespace, &id.name, &patch, change)
                    .await
            }
            Write::RequestStatus(id, status) => {
                let patch = status_patch(before, &*status)?;
                let change = |it: APIKeyRequest| Change::Request(id.clone(), Some(it.into()));
                self.patch_status(&id.namespace, &id.name, &patch, change)
                    .await
            }
            Write::ApprovalStatus(id, status) => {
                let patch = status_patch(before, &*status)?;
                self.patch_status(&id.namespace, &id.name, &patch, approval_change)
                    .await
            }
        }
    }

    async fn create_secret(
        &self,
        id: &Id,
        new: NewSecret,
        now: Timestamp,
    ) -> Result<Step, Failure> {
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
                    _ => return Ok(Step::Stop(Some(self.seen(from, &new, secret.as_ref())))),
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
                Ok(Step::GoOn(Some(if new.owner.is_some() {
                    Change::SourceSecret(new.id, Some(facts))
                } else {
                    Change::EnforcementSecret(new.id, Some(facts))
                })))
            }
            Err(kube::Error::Api(status))
                if status.code == 409 && status.reason == "AlreadyExists" =>
            {
                Ok(Step::Stop(Some(Change::NameTaken(
                    new.id,
                    key.clone(),
                    now,
                ))))
            }
            Err(error) => Err(classify(error)),
        }
    }

    /// The Secret to copy from is not what was decided on: tell what it is.
    fn seen(&self, from: &SecretId, new: &NewSecret, secret: Option<&Secret>) -> Change {
        let facts = secret.map(|secret| self.reader.facts(secret));
        if new.owner.is_some() {
            Change::EnforcementSecret(from.clone(), facts)
        } else {
            Change::SourceSecret(from.clone(), facts)
        }
    }

    /// Creates an object or brings its spec up to date, in one request where it
    /// exists and in one where it does not.
    async fn put<K>(&self, namespace: &str, name: &str, object: Value) -> Result<Option<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply("devportal").force();
        api.patch(name, &params, &Patch::Apply(object))
            .await
            .map(Some)
            .map_err(classify)
    }

    async fn patch<K>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
        change: impl FnOnce(K) -> Change,
    ) -> Result<Step, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let answer = api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        gone_is_done(answer, change)
    }

    async fn patch_status<K>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
        change: impl FnOnce(K) -> Change,
    ) -> Result<Step, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let answer = api
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        gone_is_done(answer, change)
    }

    async fn delete<K>(&self, namespace: &str, name: &str, uid: String) -> Result<Step, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        if self
            .deleted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .contains(&uid)
        {
            return Ok(Step::GoOn(None));
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let preconditions = Preconditions {
            uid: Some(uid.clone()),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match api.delete(name, &params).await {
            Ok(_) => {}
            // Gone, or another object by now: either way not there any more.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
            Err(error) => return Err(classify(error)),
        }
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        if deleted.0.insert(uid.clone()) {
            deleted.1.push_back(uid);
        }
        if deleted.1.len() > DELETED_REMEMBERED
            && let Some(oldest) = deleted.1.pop_front()
        {
            deleted.0.remove(&oldest);
        }
        Ok(Step::GoOn(None))
    }
}

fn approval_change(approval: APIKeyApproval) -> Change {
    Change::Approval(ApprovalId::of(&approval), Some(approval.into()))
}

/// An object that is gone needs no write; its end comes by the watch.
fn gone_is_done<K>(
    answer: kube::Result<K>,
    change: impl FnOnce(K) -> Change,
) -> Result<Step, Failure> {
    match answer {
        Ok(object) => Ok(Step::GoOn(Some(change(object)))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Step::Stop(None)),
        Err(error) => Err(classify(error)),
    }
}

fn classify(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 401 | 403 | 422) => {
            Failure::Refused(status.message.clone())
        }
        kube::Error::Api(status) => Failure::Retry(status.message.clone()),
        other => Failure::Retry(brief(&other)),
    }
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

/// An object for server-side apply: nothing but what we decide.
fn object<K: Resource<DynamicType = ()>>(
    namespace: &str,
    name: &str,
    spec: &impl Serialize,
    owner: Option<&Owner>,
) -> Result<Value, Failure> {
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let Some(owner) = owner {
        metadata["ownerReferences"] = json!([reference(owner)]);
    }
    Ok(json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "spec": to_value(spec)?,
    }))
}

/// A merge patch from the status as last seen to the one that is to be. What
/// others write beside us is in neither, and so left alone.
fn status_patch(before: &Value, after: &impl Serialize) -> Result<Value, Failure> {
    let after = to_value(after)?;
    Ok(json!({"status": difference(before, &after).unwrap_or_else(|| json!({}))}))
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
        assert_eq!(status_patch(&before, &after).unwrap(), patch);
    }

    #[test]
    fn a_status_patch_says_nothing_of_what_stays() {
        let before =
            json!({"openapi": {"raw": "long"}, "canReadSecret": false, "phase": "Pending"});
        let after =
            json!({"openapi": {"raw": "long"}, "canReadSecret": false, "phase": "Approved"});
        let patch = json!({"status": {"phase": "Approved"}});
        assert_eq!(status_patch(&before, &after).unwrap(), patch);
    }

    #[test]
    fn lists_are_replaced_as_a_whole() {
        let patch = difference(&json!({"c": [1, 2]}), &json!({"c": [2]}));
        assert_eq!(patch, Some(json!({"c": [2]})));
    }
}
