//! How is a Secret made? Values travel here only: from the operating system or from
//! another Secret into a new one.

use devportal_api::id::SecretId;
use devportal_api::name::{API_KEY_ENTRY, annotation, label};
use devportal_core::Change;
use devportal_core::brake::Cause;
use devportal_core::change::Source;
use devportal_core::decision::{NewSecret, ValueSource};
use devportal_mirror::secret::{copied_from, digest, value_of};
use devportal_mirror::{Credential, Read, SecretFacts, Stray, Told};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use zeroize::Zeroizing;

use super::failure::{classify, passing};
use super::patch::reference;
use super::{Answer, Writer};
use crate::metrics::known_reason;
use crate::read::find_secret;
use crate::value;

impl Writer {
    pub(super) async fn create_secret(&self, new: NewSecret) -> Answer {
        let mut annotations = new.annotations.clone();
        let value = match &new.value {
            ValueSource::Generate => {
                let key = value::generate().map_err(|error| {
                    passing(format!("the operating system gives no randomness: {error}"))
                })?;
                Zeroizing::new(key.into_bytes())
            }
            ValueSource::CopyOf {
                from,
                uid,
                value: expected,
            } => {
                let secret = find_secret(&self.client, from).await;
                let secret = secret.map_err(|it| classify(&it))?;
                let is_source = uid.is_none();
                let found = secret.as_ref().and_then(|it| Some((it, value_of(it)?)));
                match found {
                    Some((secret, value)) if self.lens.fingerprint(value) == *expected => {
                        if is_source {
                            let from = copied_from(&SecretFacts::of_metadata(&secret.metadata));
                            annotations.insert(annotation::COPIED_FROM.to_owned(), from);
                        }
                        Zeroizing::new(value.to_vec())
                    }
                    _ => {
                        return match secret {
                            Some(it) => Ok(vec![self.seen(from.clone(), &it, is_source)]),
                            None if is_source => {
                                Ok(vec![Change::Source(from.clone(), Source::Gone(None))])
                            }
                            None => match uid {
                                Some(uid) => Ok(gone(from, uid)),
                                None => Err(passing("the Secret to copy from is gone")),
                            },
                        };
                    }
                }
            }
        };
        if new.generated {
            annotations.insert(annotation::DIGEST.to_owned(), digest(&value));
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(new.id.name.to_string()),
                namespace: Some(new.id.namespace.to_string()),
                labels: Some(new.labels),
                annotations: Some(annotations),
                owner_references: new.owner.as_ref().map(|owner| vec![reference(owner)]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some([(API_KEY_ENTRY.to_owned(), ByteString(value.to_vec()))].into()),
            ..Secret::default()
        };
        // The read may have taken as long as another replica takes to lead.
        self.still_leads()?;
        let made = self.post::<Credential>(&new.id.namespace, &secret).await;
        match made.map(|it| it.read) {
            Ok(Read::Whole(made)) => {
                let is_source = new.owner.is_some();
                Ok(vec![self.seen(new.id, &made, is_source)])
            }
            // A watch will tell.
            Ok(Read::Flawed(..)) => Ok(vec![]),
            Err(error) => {
                if let Some(ours) = self.find_ours(&error, &new.id, &secret).await {
                    return Ok(vec![ours]);
                }
                let mut failure = classify(&error);
                // An admission plugin may quote what it refuses, and give any reason.
                known_reason(&failure.reason).clone_into(&mut failure.reason);
                if value::is_quoted(&value, &failure.message) {
                    "the message quotes the key and is left out".clone_into(&mut failure.message);
                }
                if failure.reason == "AlreadyExists" {
                    failure.cause = Cause::NameTaken;
                }
                Err(failure)
            }
        }
    }

    /// What has the name already, if it was made for this very key: an answer was lost,
    /// or a read was late.
    async fn find_ours(&self, error: &kube::Error, id: &SecretId, new: &Secret) -> Option<Change> {
        if !matches!(error, kube::Error::Api(status) if status.reason == "AlreadyExists") {
            return None;
        }
        let have = find_secret(&self.client, id).await.ok()??;
        let uid = |it: &Secret| {
            let noted = it.metadata.annotations.as_ref()?;
            noted.get(annotation::KEY_UID).cloned()
        };
        let owner = |it: &Secret| {
            let owners = it.metadata.owner_references.as_ref()?;
            owners.first().map(|owner| owner.uid.clone())
        };
        let is_ours = uid(&have).is_some() && uid(&have) == uid(new) && owner(&have) == owner(new);
        let is_labelled = have
            .metadata
            .labels
            .as_ref()
            .is_some_and(|it| it.get(label::ENFORCEMENT).is_some_and(|it| it == "true"));
        let is_source = new.metadata.owner_references.is_some();
        (is_ours && (is_source || is_labelled)).then(|| self.seen(id.clone(), &have, is_source))
    }

    /// A key's Secret is its source, or the gateway's.
    fn seen(&self, id: SecretId, secret: &Secret, is_source: bool) -> Change {
        let facts = self.lens.facts(secret);
        if is_source {
            Change::Source(id, Source::Is(facts))
        } else {
            Told::<Credential>::Answered(id, facts).into()
        }
    }
}

/// What is told of one of the gateway's that is not there any more, with our label or without.
pub(super) fn gone(id: &SecretId, uid: &str) -> Vec<Change> {
    vec![
        Told::<Credential>::Ended(id.clone(), uid.to_owned(), None).into(),
        Told::<Stray>::Ended(id.clone(), uid.to_owned(), None).into(),
    ]
}
