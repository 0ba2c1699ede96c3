//! How is a decision carried out? Write by write; each answer comes back as a
//! Change, so that the next decision sees it without waiting for the watch.

mod failure;
mod kept;
mod patch;
mod secret;
#[cfg(test)]
mod tests;

use std::time::Duration;

use devportal_api::id::{ObjectId, ProductId, SecretId};
use devportal_api::name::{LEGACY_FINALIZER, annotation};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct, APIProductStatus};
use devportal_core::brake::Failure;
use devportal_core::change::Source;
use devportal_core::{Change, Group, Write};
use devportal_mirror::{Credential, Digest, FIELD_MANAGER, Kind, Lens, Read, Told};
use devportal_traces::TARGET;
use devportal_watch::{Guarded, told};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::Request as Path;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument, debug_span};

use self::failure::{classify, may_be_the_document, passing};
use self::kept::KeptShapes;
use self::patch::{object, part_patch, reference, to_value};
use crate::event::Events;
use crate::lead::Leads;
use crate::metrics::{Writes, known_reason};
use crate::read::{Looks, guarded, is_absence, look};

/// What a patch is for: the status is written through a door of its own.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Spec,
    Status,
}

/// Writes to the API server.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    lens: Lens,
    leads: Leads,
    metrics: Writes,
    events: Events,
    kept: KeptShapes,
    looks: Looks,
}

/// How long a write may take: the connection may be gone without a word.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of the writes of one id.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What the API server told, also when something failed.
    pub(crate) answers: Vec<Change>,
    /// The groups that were written, and what of each failed first.
    pub(crate) groups: Vec<(Group, Option<Failure>)>,
}

type Answer = Result<Vec<Change>, Failure>;

/// What came of one write.
enum Done {
    Written(Vec<Change>),
    /// What must not be there is.
    Found(Vec<Change>),
    /// It failed, and what was learned from that.
    Failed(Failure, Vec<Change>),
}

impl Writer {
    pub(crate) fn new(
        client: Client,
        lens: Lens,
        leads: Leads,
        metrics: Writes,
        events: Events,
    ) -> Self {
        Self {
            client,
            lens,
            leads,
            metrics,
            events,
            kept: KeptShapes::default(),
            looks: Looks::default(),
        }
    }

    /// Carries out the writes of one id, each with what it is to replace as
    /// last seen. They are independent of each other: one that fails holds up
    /// none after it. Once another replica may lead none is begun.
    pub(crate) async fn apply(&self, writes: Vec<(Write, Value)>) -> Outcome {
        let mut outcome = Outcome::default();
        for (write, seen) in writes {
            if !self.leads.now() {
                break;
            }
            let (group, target) = (write.group(), write.target());
            let (kind, verb) = (write.kind(), write.verb());
            let span = debug_span!(
                target: TARGET,
                "write",
                otel.name = format!("{verb} {kind}"),
                otel.status_code = Empty,
                error.type = Empty,
            );
            let writing = timeout(PATIENCE, self.write_unless_found(write, &seen));
            let answer = writing.instrument(span.clone()).await;
            // Nothing was written, and nothing has failed.
            let is_counted = !matches!(answer, Ok(Done::Found(_)));
            let failure = match answer {
                Ok(Done::Written(answers)) => {
                    outcome.answers.extend(answers);
                    None
                }
                Ok(Done::Found(found)) => {
                    outcome.answers.extend(found);
                    Some(passing("what it was to go with is there"))
                }
                Ok(Done::Failed(failure, learned)) => {
                    outcome.answers.extend(learned);
                    Some(failure)
                }
                Err(_) => Some(passing("the API server does not answer")),
            };
            if let Some(failure) = &failure {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", failure.reason.as_str());
            }
            if is_counted {
                let reason = failure.as_ref().map(|failure| failure.reason.as_str());
                self.metrics.count(kind, verb, reason);
            }
            let failure = failure.map(|failure| Failure { target, ..failure });
            let known = outcome.groups.iter_mut().find(|(it, _)| *it == group);
            match known {
                Some((_, first)) => *first = first.take().or(failure),
                None => outcome.groups.push((group, failure)),
            }
        }
        outcome
    }

    /// Fails once another replica may lead.
    fn still_leads(&self) -> Result<(), Failure> {
        if self.leads.now() {
            return Ok(());
        }
        Err(passing("another replica may lead by now"))
    }

    /// Carries out one write, after the live look that it asks for.
    async fn write_unless_found(&self, write: Write, seen: &Value) -> Done {
        let found = match write.unless() {
            None => Ok(vec![]),
            Some(unless) => look(&self.client, &self.lens, &self.looks, unless).await,
        };
        match found {
            Ok(found) if !found.is_empty() => return Done::Found(found),
            Ok(_) => {}
            Err(error) => return Done::Failed(classify(&error), vec![]),
        }
        if let Err(failure) = self.still_leads() {
            return Done::Failed(failure, vec![]);
        }
        let is_status = write.group() == Group::Status;
        let written = match write {
            Write::ProductStatus(id, status) => {
                let told = self.tell::<APIProduct>(&id, seen, &*status).await;
                match told {
                    Err(failure) if may_be_the_document(&failure) => {
                        let blamed = self.blame_document(&id, seen, &status, &failure).await;
                        return Done::Failed(failure, Vec::from_iter(blamed));
                    }
                    told => told,
                }
            }
            write => self.write(write, seen).await,
        };
        match written {
            Ok(answers) => {
                // Of the version that was seen, so that of several who write one tells.
                if is_status {
                    self.events.tell(seen, &answers);
                }
                Done::Written(answers)
            }
            Err(failure) => Done::Failed(failure, vec![]),
        }
    }

    /// Whether it is for the document in it that a product's status is refused: the API server
    /// is asked what it would say without. One that is there already was let pass before: it can
    /// only have become too large beside the rest.
    async fn blame_document(
        &self,
        id: &ProductId,
        seen: &Value,
        status: &APIProductStatus,
        failure: &Failure,
    ) -> Option<Change> {
        let before = seen.pointer("/status/openapi/raw").and_then(Value::as_str);
        let document = &status.openapi.as_ref()?.raw;
        // In the place of a text that is there already is its digest.
        let digest = match before {
            Some(digest) if digest == document => {
                failure::is_of_size(failure).then(|| digest.to_owned())?
            }
            _ => Digest::of(document).to_string(),
        };
        let mut patch = part_patch("status", seen, status).ok()?;
        patch["status"]["openapi"] = Value::Null;
        patch["metadata"] = json!({
            "uid": seen["metadata"]["uid"],
            "resourceVersion": seen["metadata"]["resourceVersion"],
        });
        let api = guarded::<APIProduct>(&self.client, id.namespace());
        let dry = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&patch);
        api.patch_status(id.name(), &dry, &patch).await.ok()?;
        let why = failure.words().to_owned();
        Some(Change::Unshown(id.clone(), digest, why))
    }

    /// Carries out one write. What it answers is what has become of the object.
    async fn write(&self, write: Write, seen: &Value) -> Answer {
        match write {
            Write::CreateSecret(secret) => self.create_secret(secret).await,
            Write::DeleteCredential { id, uid, .. } => {
                let held = self.delete_secret(&id, &uid).await?;
                Ok(match held {
                    Some(object) => vec![told::<Credential>(object, &self.lens).answered().into()],
                    None => secret::gone(&id, &uid),
                })
            }
            Write::DeleteSource { id, uid, .. } => {
                let held = self.delete_secret(&id, &uid).await?;
                let source = match held.map(|it| it.read) {
                    Some(Read::Whole(secret)) => Source::Is(self.lens.facts(&secret)),
                    Some(Read::Flawed(..)) => return Ok(vec![]),
                    None => Source::Gone(Some(uid)),
                };
                Ok(vec![Change::Source(id, source)])
            }
            Write::ApplyRequest { id, spec } => {
                if seen.is_null() {
                    let mut new: APIKeyRequest = object(&id.namespace, &id.name, &spec, None)?;
                    let uid = spec.api_key_ref.uid.clone();
                    let noted = uid.map(|uid| (annotation::KEY_UID.to_owned(), uid));
                    new.annotations_mut().extend(noted);
                    return self.create::<APIKeyRequest>(new).await;
                }
                let patch = part_patch("spec", seen, &spec)?;
                self.patch::<APIKeyRequest>(Part::Spec, &id, seen, patch)
                    .await
            }
            Write::DeleteRequest { id, uid, .. } => self.remove::<APIKeyRequest>(&id, uid).await,
            Write::ApplyApproval { id, spec, owner } => {
                if seen.is_null() {
                    let new = object(&id.namespace, &id.name, &spec, Some(&owner))?;
                    return self.create::<APIKeyApproval>(new).await;
                }
                let patch = part_patch("spec", seen, &spec)?;
                self.patch::<APIKeyApproval>(Part::Spec, &id, seen, patch)
                    .await
            }
            Write::AdoptApproval { id, owner } => {
                // Of a request that it named before it is not.
                let mut owners = owners_but_requests(seen);
                let mut ours = reference(&owner);
                // There can be one only, and the API server insists.
                let is_controlled = owners.iter().any(|it| it["controller"] == true);
                ours.controller = Some(!is_controlled);
                owners.push(json!(ours));
                let patch = json!({"metadata": {"ownerReferences": owners}});
                self.patch::<APIKeyApproval>(Part::Spec, &id, seen, patch)
                    .await
            }
            Write::ReleaseApproval(id) => {
                let owners = owners_but_requests(seen);
                let patch = json!({"metadata": {"ownerReferences": owners}});
                self.patch::<APIKeyApproval>(Part::Spec, &id, seen, patch)
                    .await
            }
            Write::DeleteApproval { id, uid, .. } => self.remove::<APIKeyApproval>(&id, uid).await,
            Write::ReleaseKey(id) => {
                let finalizers = seen["metadata"]["finalizers"].as_array();
                let others: Vec<_> = finalizers
                    .into_iter()
                    .flatten()
                    .filter(|it| *it != LEGACY_FINALIZER)
                    .collect();
                let patch = json!({"metadata": {"finalizers": others}});
                let released = self.patch::<APIKey>(Part::Spec, &id, seen, patch).await;
                released.map_err(|failure| Failure {
                    message: format!(
                        "{}; to let the key go: kubectl patch apikey {} -n {} --type=merge \
                         -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
                        failure.message, id.name, id.namespace
                    ),
                    ..failure
                })
            }
            Write::ProductStatus(id, status) => self.tell::<APIProduct>(&id, seen, &*status).await,
            Write::KeyStatus(id, status) => self.tell::<APIKey>(&id, seen, &*status).await,
            Write::RequestStatus(id, status) => {
                self.tell::<APIKeyRequest>(&id, seen, &*status).await
            }
            Write::ApprovalStatus(id, status) => {
                self.tell::<APIKeyApproval>(&id, seen, &*status).await
            }
        }
    }

    /// Creates an object. One that is there and was not seen may be about something
    /// else: the watch will tell.
    async fn create<K>(&self, new: K) -> Answer
    where
        K: Kind<Object = K> + Resource + Serialize,
        Change: From<Told<K>>,
    {
        let namespace = new.meta().namespace.as_deref().unwrap_or_default();
        let made = self.post::<K>(namespace, &new).await;
        let made = made.map_err(|error| classify(&error))?;
        self.answered(&to_value(&new)?, made)
    }

    /// Asks for a new object. The answer may be one that not all of can be read.
    async fn post<K: Kind>(
        &self,
        namespace: &str,
        new: &impl Serialize,
    ) -> kube::Result<Guarded<K>> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let body = serde_json::to_vec(new).map_err(kube::Error::SerdeError)?;
        let path = Path::new(K::Object::url_path(&(), Some(namespace)));
        let request = path.create(&params, body);
        let request = request.map_err(kube::Error::BuildRequest)?;
        self.client.request(request).await
    }

    /// Writes a status, of the version that was seen: of a status the API server does not
    /// look at the UID, and a new object of the name is not to have its predecessor's. Nor
    /// does one whose answer was lost, sent again, offer a value that was claimed meanwhile.
    async fn tell<K>(&self, id: &K::Id, seen: &Value, status: &impl Serialize) -> Answer
    where
        K: Kind,
        K::Object: Serialize,
        Change: From<Told<K>>,
    {
        let mut patch = part_patch("status", seen, status)?;
        patch["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"].clone();
        self.patch::<K>(Part::Status, id, seen, patch).await
    }

    /// Patches an object that was seen, and no other of its name.
    async fn patch<K>(&self, part: Part, id: &K::Id, seen: &Value, mut patch: Value) -> Answer
    where
        K: Kind,
        K::Object: Serialize,
        Change: From<Told<K>>,
    {
        patch["metadata"]["uid"] = seen["metadata"]["uid"].clone();
        let api = guarded::<K>(&self.client, id.namespace());
        let (params, merge) = (PatchParams::default(), Patch::Merge(&patch));
        let answer = match part {
            Part::Spec => api.patch(id.name(), &params, &merge).await,
            Part::Status => api.patch_status(id.name(), &params, &merge).await,
        };
        let object = match answer {
            Ok(object) => object,
            Err(error) if is_absence(&error, id.name()) => return Ok(vec![gone::<K>(id, seen)]),
            Err(error) => return Err(classify(&error)),
        };
        self.answered(&patch, object)
    }

    /// What an answer to a write tells: of the object, and of fields that were not kept.
    fn answered<K>(&self, sent: &Value, object: Guarded<K>) -> Answer
    where
        K: Kind,
        K::Object: Serialize,
        Change: From<Told<K>>,
    {
        let mut changes = Vec::new();
        if let Read::Whole(kept) = &object.read {
            changes.extend(self.unkept::<K, _>(sent, kept)?);
        }
        changes.push(told(object, &self.lens).answered().into());
        Ok(changes)
    }

    /// What was sent and the answer does not have: the installed definition has no place
    /// for it.
    fn unkept<K: Kind, T: Serialize>(&self, sent: &Value, answer: &T) -> Answer {
        if self.kept.has(K::NAME, sent) {
            return Ok(vec![]);
        }
        let paths = kept::missing(sent, &to_value(answer)?);
        if paths.is_empty() {
            self.kept.note(K::NAME, sent);
        }
        let paths = paths.into_iter();
        Ok(paths.map(|path| Change::Unkept(K::NAME, path)).collect())
    }

    /// Deletes an object, and tells what became of it.
    async fn remove<K>(&self, id: &K::Id, uid: String) -> Answer
    where
        K: Kind,
        Change: From<Told<K>>,
    {
        let held = self.delete::<K>(id, &uid).await?;
        Ok(match held {
            Some(object) => vec![told(object, &self.lens).answered().into()],
            None => vec![Told::<K>::Ended(id.clone(), uid, None).into()],
        })
    }

    /// Deletes a Secret. Who refuses that has seen its value and may quote it: what is told
    /// is the API server's own refusal only.
    async fn delete_secret(
        &self,
        id: &SecretId,
        uid: &str,
    ) -> Result<Option<Guarded<Credential>>, Failure> {
        let deleted = self.try_delete::<Credential>(id, uid).await;
        deleted.map_err(|error| {
            let mut failure = classify(&error);
            known_reason(&failure.reason).clone_into(&mut failure.reason);
            let own = format!("secrets \"{}\" is forbidden: User ", id.name);
            if let kube::Error::Api(status) = &error
                && !status.message.starts_with(&own)
            {
                "what refuses it has seen the Secret: its words are left out"
                    .clone_into(&mut failure.message);
            }
            failure
        })
    }

    async fn delete<K: Kind>(&self, id: &K::Id, uid: &str) -> Result<Option<Guarded<K>>, Failure> {
        let deleted = self.try_delete(id, uid).await;
        deleted.map_err(|error| classify(&error))
    }

    /// Deletes an object of this UID. It answers with the object while finalizers keep
    /// it, and so tells at once what a watch would tell later, or never when it has
    /// moved on to another namespace.
    async fn try_delete<K: Kind>(&self, id: &K::Id, uid: &str) -> kube::Result<Option<Guarded<K>>> {
        let api = guarded::<K>(&self.client, id.namespace());
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        let held = match api.delete(id.name(), &params).await {
            Ok(answer) => answer.left(),
            Err(error) if is_absence(&error, id.name()) => None,
            // Another object by now, and so gone; or refused by whoever may say so.
            Err(error) if is_conflict(&error) => match api.get_metadata_opt(id.name()).await {
                Ok(Some(there)) if there.metadata.uid.as_deref() == Some(uid) => return Err(error),
                Ok(_) => None,
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        Ok(held.filter(|it| it.meta().deletion_timestamp.is_some()))
    }
}

fn owners_but_requests(seen: &Value) -> Vec<Value> {
    let owners = seen["metadata"]["ownerReferences"].as_array();
    let owners = owners.into_iter().flatten();
    owners
        .filter(|it| it["kind"] != "APIKeyRequest")
        .cloned()
        .collect()
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// The object that was seen does not exist any more.
fn gone<K: Kind>(id: &K::Id, seen: &Value) -> Change
where
    Change: From<Told<K>>,
{
    let uid = seen["metadata"]["uid"].as_str().unwrap_or_default();
    Told::<K>::Ended(id.clone(), uid.to_owned(), None).into()
}
