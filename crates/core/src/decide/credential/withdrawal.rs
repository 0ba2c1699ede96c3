//! Which Secrets are to go, whatever is to come?

use devportal_api::APIKey;
use devportal_api::id::{KeyId, ProductId, SecretId};
use devportal_api::name::{self, annotation, label};
use kube::ResourceExt;

use crate::change::SecretFacts;
use crate::decision::Write;
use crate::discover::selector;
use crate::world::World;

/// Deletes every enforcement Secret of a key.
pub(in crate::decide) fn withdraw(id: &KeyId, world: &World) -> Vec<Write> {
    world.credentials_of(id).map(delete).collect()
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
    let differs = |have: Option<&String>, want: Option<&String>| have.is_some() && have != want;
    let is_astray = |facts: &SecretFacts| {
        let opens_another = match facts.annotations.get(annotation::PRODUCT) {
            // The labels may be altered by others, again and again.
            Some(opened) => *opened != product.to_string(),
            // Secrets of the published controller do not tell otherwise.
            None => [label::PRODUCT, label::PRODUCT_NAMESPACE]
                .iter()
                .any(|name| differs(facts.labels.get(*name), labels.get(*name))),
        };
        let uid = facts.annotations.get(annotation::KEY_UID);
        opens_another || differs(uid, key.uid().as_ref())
    };
    world
        .credentials_of(id)
        .filter(|(_, facts)| is_astray(facts))
        .map(delete)
        .collect()
}

/// Deletes the consumer's copy of a generated key, if it is ours.
pub(in crate::decide) fn withdraw_copy(id: &KeyId, key: &APIKey, world: &World) -> Option<Write> {
    let source = name::generated_secret(id);
    let facts = world.find_source(&source)??;
    let is_ours = is_owned(facts, key) && !facts.deleting;
    (key.is_generated() && is_ours).then(|| delete_copy(&source, facts))
}

/// The write that deletes an enforcement Secret as it was seen.
pub(super) fn delete((id, facts): (&SecretId, &SecretFacts)) -> Write {
    Write::DeleteCredential {
        id: id.clone(),
        uid: facts.uid.clone(),
    }
}

/// The write that deletes a consumer's copy as it was seen.
pub(super) fn delete_copy(id: &SecretId, facts: &SecretFacts) -> Write {
    Write::DeleteCopy {
        id: id.clone(),
        uid: facts.uid.clone(),
    }
}

/// Whether a copy is ours.
pub(super) fn is_owned(facts: &SecretFacts, key: &APIKey) -> bool {
    facts.owner_uid.is_some() && facts.owner_uid == key.uid()
}
