//! Which Secrets are to go, whatever is to come?

use devportal_api::APIKey;
use devportal_api::id::{KeyId, ProductId, SecretId};
use devportal_api::name::{self, annotation, label};
use devportal_mirror::{Fit, SecretFacts, ValueFacts};
use jiff::Timestamp;
use kube::ResourceExt;

use super::opens;
use crate::change::Source;
use crate::decision::{Presence, Write};
use crate::discover::selector;
use crate::world::World;

/// Deletes every enforcement Secret of a key; `unless` what a live look finds, where
/// what that rests on was not seen to end.
pub(in crate::decide) fn withdraw(
    id: &KeyId,
    world: &World,
    unless: impl Fn(&SecretFacts) -> Option<Presence>,
) -> Vec<Write> {
    world
        .credentials_of(id)
        .map(|(id, facts)| delete_unless((id, facts), unless(facts)))
        .collect()
}

/// Deletes those whose own time is over, where it is not known until when the key is
/// approved; and tells when the next one's is.
pub(in crate::decide) fn expired(
    id: &KeyId,
    world: &World,
    now: Timestamp,
) -> (Vec<Write>, Option<Timestamp>) {
    let ends = world.credentials_of(id).filter_map(|secret| {
        let end = secret.1.annotations.get(annotation::EXPIRES_AT)?;
        Some((secret, end.parse::<Timestamp>().ok()?))
    });
    let (over, going): (Vec<_>, Vec<_>) = ends.partition(|(_, end)| *end <= now);
    let next = going.into_iter().map(|(_, end)| end).min();
    (
        over.into_iter().map(|(secret, _)| delete(secret)).collect(),
        next,
    )
}

/// Deletes what opens another product than the one in force, and what was made for an
/// earlier key of the same name. It is no predecessor that has to wait for its
/// successor.
pub(in crate::decide) fn astray(
    id: &KeyId,
    key: &APIKey,
    product: &ProductId,
    world: &World,
) -> Vec<Write> {
    let labels = selector::labels_for(product);
    // Without a namespace a key means its own, and the published controller labels it as it is.
    let own = name::label_value(&id.namespace);
    let opens_another = |facts: &SecretFacts| match facts.annotations.get(annotation::PRODUCT) {
        // The labels may be altered by others, again and again.
        Some(opened) => opened != product.to_string(),
        // Secrets of the published controller do not tell otherwise.
        None => [label::PRODUCT, label::PRODUCT_NAMESPACE]
            .iter()
            .any(|name| {
                let have = facts.labels.get(name);
                let have = have.map(|it| if it.is_empty() { &own } else { it });
                have.is_some() && have != labels.get(*name).map(String::as_str)
            }),
    };
    let predecessor = |facts: &SecretFacts| {
        let uid = facts.annotations.get(annotation::KEY_UID)?;
        (Some(uid) != key.uid().as_deref()).then(|| uid.to_owned())
    };
    world
        .credentials_of(id)
        .filter_map(|secret| match predecessor(secret.1) {
            Some(uid) => Some(delete_unless(secret, presence_of(id, Some(uid), world))),
            None => opens_another(secret.1).then(|| delete(secret)),
        })
        .collect()
}

/// The look for a key that is taken for gone: none where it was seen to end.
pub(in crate::decide) fn presence_of(
    id: &KeyId,
    uid: Option<String>,
    world: &World,
) -> Option<Presence> {
    let has_ended = uid.as_ref().is_some_and(|uid| world.keys().has_ended(uid));
    (!has_ended).then(|| Presence::Key(id.clone(), uid))
}

/// Deletes the source of a generated key, if it is ours.
pub(in crate::decide) fn withdraw_source(id: &KeyId, key: &APIKey, world: &World) -> Option<Write> {
    let source = name::generated_source(id);
    let Some(Source::Is(facts)) = world.find_source(&source) else {
        return None;
    };
    let is_ours = is_owned(facts, key) || is_orphan(facts, id);
    (key.is_generated() && is_ours && !facts.deleting).then(|| delete_source(&source, facts))
}

/// The write that deletes an enforcement Secret as it was seen.
pub(super) fn delete(secret: (&SecretId, &SecretFacts)) -> Write {
    delete_unless(secret, None)
}

fn delete_unless((id, facts): (&SecretId, &SecretFacts), unless: Option<Presence>) -> Write {
    Write::DeleteCredential {
        id: id.clone(),
        uid: facts.uid.to_string(),
        unless,
    }
}

/// The write that deletes the source of a generated key as it was seen.
pub(super) fn delete_source(id: &SecretId, facts: &SecretFacts) -> Write {
    Write::DeleteSource {
        id: id.clone(),
        uid: facts.uid.to_string(),
        opens: opens(facts),
    }
}

/// Whether a source is ours.
pub(super) fn is_owned(facts: &SecretFacts, key: &APIKey) -> bool {
    facts.owner_uid.is_some() && facts.owner_uid.as_deref() == key.uid().as_deref()
}

/// Whether a source is one that we made for a key of this name, and lost its owner: by a
/// restore, or with a key that was deleted without it.
pub(super) fn is_orphan(facts: &SecretFacts, id: &KeyId) -> bool {
    let of = facts.annotations.get(annotation::KEY);
    let is_intact = matches!(
        facts.value,
        ValueFacts::Value {
            intact: Some(true),
            ..
        }
    );
    facts.owner_uid.is_none() && of == Some(&id.to_string()) && is_intact
}

/// Whether the value of a source is one that we may have generated: it is neither weak nor
/// unsendable, and its digest is noted. Version 0.1 noted none.
pub(super) fn may_be_made_by_us(facts: &SecretFacts, key: &APIKey) -> bool {
    match facts.value {
        ValueFacts::Value { fit, intact, .. } => {
            fit == Fit::Good && (intact == Some(true) || is_inherited(facts, key))
        }
        _ => false,
    }
}

/// Whether a source is one that version 0.1 made for this key: the gateway reads it.
pub(in crate::decide) fn is_inherited(facts: &SecretFacts, key: &APIKey) -> bool {
    is_owned(facts, key) && opens(facts) && facts.annotations.has(annotation::PLAN)
}
