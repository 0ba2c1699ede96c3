//! Which Secrets does an approved key need?
//!
//! A key's value lives in its *source* Secret, in the consumer's namespace: the
//! consumer's own, or the copy we make for a generated key. An *enforcement*
//! Secret in the Kuadrant namespace repeats it for the gateway. Enforcement
//! Secrets are never edited: Authorino ignores updates that leave the value
//! alone, so a change makes a new Secret first and deletes the old one after.
//!
//! A rotation gives a generated key a new value. The successor notes how long the
//! credential before it goes on working; nobody has to remember it.

mod rotation;
mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};

use devportal_api::APIKey;
use devportal_api::condition::Enforcement;
use devportal_api::id::{KeyId, ProductId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::{self, annotation, label};
use devportal_api::scheme::AuthenticationRule;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::after;
use crate::change::{Fingerprint, Obstacle, SecretFacts, ValueFacts};
use crate::decision::{NewSecret, Owner, ValueSource, Write};
use crate::discover::selector;
use crate::world::World;

pub(super) use rotation::{live, retire};
pub(super) use withdrawal::{astray, withdraw, withdraw_copy};
use withdrawal::{delete, delete_copy, is_owned};

/// How long after a name was found taken it is tried again.
const RETRY_TAKEN: SignedDuration = SignedDuration::from_secs(15);
/// How long after the API server refused a Secret it is asked again.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_mins(1);
/// How many Secrets of a key may be wrong before no more are made: whatever
/// alters them fills no namespace. More than any rotation needs.
const MOST_SECRETS: usize = 64;

/// Labels, or annotations.
type Marks = BTreeMap<String, String>;

/// What is to be done about a key's Secrets.
pub(super) enum Step {
    /// Write this, then look again.
    Write(Vec<Write>),
    /// Everything is in place.
    Done,
    /// Something has to be observed first.
    Wait,
    /// It cannot be done for now; tell, and look again at the given time.
    Stuck(Enforcement, Option<Timestamp>),
}

/// What the Secrets of a key are made from.
pub(super) struct Plan<'a> {
    pub(super) id: &'a KeyId,
    pub(super) key: &'a APIKey,
    pub(super) terms: &'a ApprovedTerms,
    pub(super) rule: &'a AuthenticationRule,
    pub(super) namespace: &'a str,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
}

impl Plan<'_> {
    /// The next step towards one enforcement Secret that says what was approved,
    /// and one for each value that a rotation lets go on for a while.
    pub(super) fn next(&self) -> Step {
        let (source, fingerprint) = match self.source() {
            Ok(found) => found,
            Err(step) => return step,
        };
        let (labels, annotations) = match self.marks() {
            Ok(marks) => marks,
            Err(why) => return Step::Stuck(Enforcement::SelectorUnsatisfiable(why), None),
        };
        let existing: Vec<_> = self.world.credentials_of(self.id).collect();
        let is_right = |(id, facts): &(&SecretId, &SecretFacts)| {
            id.namespace == self.namespace
                && is_labelled(facts, &labels)
                && says(&facts.annotations, &annotations)
        };
        // Each value that is to be accepted: where it is read, and what its
        // Secret says besides.
        let mut wanted = vec![(
            source,
            fingerprint,
            rotation::marks(self.key, &existing, fingerprint, self.now),
        )];
        for (id, facts) in rotation::retiring(&existing, fingerprint, self.now) {
            if let Some(value) = intact_fingerprint(facts)
                && wanted.iter().all(|(_, other, _)| *other != value)
            {
                wanted.push((id.clone(), value, rotation::own_marks(facts)));
            }
        }
        let mut kept = Vec::new();
        for (from, value, own) in wanted {
            let holds =
                |secret: &&(&SecretId, &SecretFacts)| fingerprint_of(secret.1) == Some(value);
            let revision = |marks: &Marks| marks.get(annotation::REVISION).cloned();
            let found = existing.iter().filter(holds).find(|secret| {
                is_right(secret) && revision(&secret.1.annotations) == revision(&own)
            });
            if let Some((id, _)) = found {
                kept.push(*id);
                continue;
            }
            if existing.len() >= MOST_SECRETS {
                let namespace = self.namespace.to_owned();
                return Step::Stuck(Enforcement::SecretsAltered(namespace), None);
            }
            let annotations: Marks = annotations.clone().into_iter().chain(own).collect();
            let id = self.free_name(&labels, &annotations);
            if let Some(step) = self.obstacle(&id) {
                return step;
            }
            return Step::Write(vec![Write::CreateSecret(NewSecret {
                id,
                labels,
                annotations,
                owner: None,
                value: ValueSource::CopyOf(from, value),
                generated: self.key.is_generated(),
            })]);
        }
        let others = existing.iter().filter(|(id, _)| !kept.contains(id));
        let writes: Vec<Write> = others.map(|secret| delete(*secret)).collect();
        if writes.is_empty() {
            Step::Done
        } else {
            Step::Write(writes)
        }
    }

    /// The Secret that holds the value, put in place where it is ours to make.
    fn source(&self) -> Result<(SecretId, Fingerprint), Step> {
        let id = self.key.source_secret();
        let Some(facts) = self.world.find_source(&id) else {
            return Err(if self.world.is_forbidden(&id) {
                Step::Stuck(Enforcement::SecretForbidden(id), None)
            } else {
                Step::Wait
            });
        };
        if !self.key.is_generated() {
            // Absence and emptiness were ruled out before.
            let value = facts.and_then(fingerprint_of);
            return value.map(|value| (id, value)).ok_or(Step::Wait);
        }
        let Some(facts) = facts else {
            return Err(self.make_copy(id));
        };
        if !is_owned(facts, self.key) {
            return Err(Step::Stuck(Enforcement::SecretConflict(id), None));
        }
        if facts.deleting {
            return Err(Step::Wait);
        }
        if rotation::revision_of(facts) != self.key.revision() {
            // The gateway goes on accepting the value while another is made.
            return Err(Step::Write(vec![delete_copy(&id, facts)]));
        }
        let intact = intact_fingerprint(facts);
        let enforced = self.enforced();
        match (intact, enforced) {
            (Some(value), None) => Ok((id, value)),
            (Some(value), Some((_, enforced))) if value == enforced => Ok((id, value)),
            // What the gateway accepts is the truth about a generated key: the
            // copy lies in a namespace other people write to.
            _ => Err(Step::Write(vec![delete_copy(&id, facts)])),
        }
    }

    /// An enforcement Secret of the current revision that nobody tampered with.
    fn enforced(&self) -> Option<(&SecretId, Fingerprint)> {
        self.world
            .credentials_of(self.id)
            .filter(|(_, facts)| {
                rotation::revision_of(facts) == self.key.revision()
                    && may_be_generated(facts)
                    && self.is_of_this_key(facts)
            })
            .find_map(|(id, facts)| Some((id, intact_fingerprint(facts)?)))
    }

    /// Not of an earlier one of the same name. The published controller notes no UID.
    fn is_of_this_key(&self, facts: &SecretFacts) -> bool {
        let noted = facts.annotations.get(annotation::KEY_UID);
        noted.is_none_or(|uid| self.key.uid().as_ref() == Some(uid))
    }

    fn make_copy(&self, id: SecretId) -> Step {
        if let Some(step) = self.obstacle(&id) {
            return step;
        }
        let value = match self.enforced() {
            Some((from, fingerprint)) => ValueSource::CopyOf(from.clone(), fingerprint),
            None => ValueSource::Generate,
        };
        let mut annotations = self.identity();
        if self.key.revision() != 0 {
            let revision = self.key.revision().to_string();
            annotations.insert(annotation::REVISION.to_owned(), revision);
        }
        let owner = Owner {
            kind: "APIKey",
            name: self.id.name.clone(),
            uid: self.key.uid().unwrap_or_default(),
        };
        Step::Write(vec![Write::CreateSecret(NewSecret {
            id,
            labels: BTreeMap::new(),
            annotations,
            owner: Some(owner),
            value,
            generated: true,
        })])
    }

    /// What could not be created is left alone for a while.
    fn obstacle(&self, id: &SecretId) -> Option<Step> {
        let (at, obstacle) = self.world.find_obstacle(id)?;
        let (wait, why) = match obstacle {
            Obstacle::NameTaken => (RETRY_TAKEN, Enforcement::SecretConflict(id.clone())),
            Obstacle::Refused(reason) => (
                RETRY_REFUSED,
                Enforcement::SecretRefused(id.clone(), reason.clone()),
            ),
        };
        let again = after(*at, wait);
        (self.now < again).then_some(Step::Stuck(why, Some(again)))
    }

    /// The published name for the first credential, another one while an older
    /// credential still has it.
    fn free_name(&self, labels: &Marks, annotations: &Marks) -> SecretId {
        let first = name::enforcement_secret(self.id, self.namespace);
        let existing: Vec<_> = self.world.enforcement_of(self.id).collect();
        if existing.iter().all(|(id, _)| **id != first) {
            return first;
        }
        let uids: Vec<_> = existing.iter().map(|(_, facts)| &facts.uid).collect();
        let revision = format!("{labels:?}{annotations:?}{uids:?}");
        name::revised_enforcement_secret(self.id, self.namespace, &revision)
    }

    /// Labels and annotations of the enforcement Secret.
    fn marks(&self) -> Result<(Marks, Marks), String> {
        let terms = self.terms;
        let product = ProductId::new(
            terms.api_product_ref.namespace.clone().unwrap_or_default(),
            &terms.api_product_ref.name,
        );
        let mut labels = selector::labels_for(&product);
        labels.extend(
            [
                (label::KEY, &self.id.name),
                (label::KEY_NAMESPACE, &self.id.namespace),
            ]
            .map(|(label, whole)| (label.to_owned(), name::label_value(whole))),
        );
        let selector = self
            .rule
            .api_key
            .as_ref()
            .and_then(|api_key| api_key.selector.as_ref());
        let every_key_has: BTreeSet<_> = labels.keys().cloned().collect();
        if let Some(selector) = selector {
            selector::satisfy(selector, &mut labels)?;
        }
        let added = labels
            .keys()
            .filter(|label| !every_key_has.contains(*label));
        let selected_by = added.map(String::as_str).collect::<Vec<_>>().join(",");
        let mut annotations = self.identity();
        annotations.insert(annotation::SELECTED_BY.to_owned(), selected_by);
        annotations.insert(annotation::PRODUCT.to_owned(), product.to_string());
        annotations.insert(annotation::PLAN.to_owned(), terms.plan_tier.clone());
        annotations.insert(
            annotation::USER.to_owned(),
            terms.requested_by.user_id.clone(),
        );
        if let Some(at) = &terms.expires_at {
            annotations.insert(annotation::EXPIRES_AT.to_owned(), at.0.to_string());
        }
        Ok((labels, annotations))
    }

    fn identity(&self) -> Marks {
        [
            (annotation::KEY.to_owned(), self.id.to_string()),
            (
                annotation::KEY_UID.to_owned(),
                self.key.uid().unwrap_or_default(),
            ),
        ]
        .into()
    }
}

/// Whether a Secret's annotations say what is wanted. Those that bind the
/// Secret to its key are allowed to be missing: the published controller does
/// not write them.
fn says(have: &Marks, want: &Marks) -> bool {
    let published = [annotation::PLAN, annotation::USER, annotation::EXPIRES_AT];
    let identity = [annotation::KEY, annotation::KEY_UID, annotation::PRODUCT];
    published
        .iter()
        .all(|name| have.get(*name) == want.get(*name))
        && identity
            .iter()
            .all(|name| !have.contains_key(*name) || have.get(*name) == want.get(*name))
}

/// Whether a Secret has the labels that are wanted, and none of ours besides:
/// one that is left over from another selector may open another API. What others
/// add, an admission webhook for example, is theirs.
fn is_labelled(have: &SecretFacts, want: &Marks) -> bool {
    let has = |(label, value)| have.labels.get(label) == Some(value);
    want.iter().all(has)
        && match have.annotations.get(annotation::SELECTED_BY) {
            Some(ours) => (ours.split(',')).all(|it| it.is_empty() || want.contains_key(it)),
            // Secrets of the published controller do not tell.
            None => have.labels.len() == want.len(),
        }
}

fn fingerprint_of(facts: &SecretFacts) -> Option<Fingerprint> {
    match facts.value {
        ValueFacts::Value { fingerprint, .. } => Some(fingerprint),
        ValueFacts::NoEntry | ValueFacts::Empty => None,
    }
}

/// Whether a Secret may hold a value that was generated. Of ours those do that
/// note its digest; the published controller noted nothing.
fn may_be_generated(facts: &SecretFacts) -> bool {
    let notes = |name| facts.annotations.contains_key(name);
    notes(annotation::DIGEST) || !notes(annotation::KEY)
}

/// The value of a Secret nobody is known to have tampered with. Without a
/// digest there is nothing to tell by: Secrets of the first generation.
fn intact_fingerprint(facts: &SecretFacts) -> Option<Fingerprint> {
    match facts.value {
        ValueFacts::Value {
            intact: Some(false),
            ..
        } => None,
        _ => fingerprint_of(facts),
    }
}
