//! What may be known of a Secret? Everything but its value.

use std::collections::BTreeMap;

use devportal_api::id::SecretId;
use devportal_api::name::{self, API_KEY_ENTRY, annotation};
use devportal_core::change::{Fingerprint, SecretFacts, ValueFacts};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use sha2::{Digest, Sha256};

/// Turns Secrets into facts, with a salt of its own: fingerprints mean nothing
/// to another process.
#[derive(Clone)]
pub(crate) struct Reader {
    salt: [u8; 32],
}

impl Reader {
    /// With a fresh random salt.
    pub(crate) fn new() -> Self {
        Self {
            salt: rand::random(),
        }
    }

    /// The facts of a Secret.
    pub(crate) fn facts(&self, secret: &Secret) -> SecretFacts {
        let meta = &secret.metadata;
        let owner = secret
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true));
        SecretFacts {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            labels: secret.labels().clone(),
            annotations: ours(secret.annotations()),
            owner_uid: owner.map(|owner| owner.uid.clone()),
            deleting: meta.deletion_timestamp.is_some(),
            value: self.value(secret),
        }
    }

    fn value(&self, secret: &Secret) -> ValueFacts {
        match value_of(secret) {
            None => ValueFacts::NoEntry,
            Some([]) => ValueFacts::Empty,
            Some(value) => ValueFacts::Value {
                fingerprint: self.fingerprint(value),
                intact: secret
                    .annotations()
                    .get(annotation::DIGEST)
                    .map(|at| *at == digest(value)),
            },
        }
    }

    /// Tells equal values from different ones.
    pub(crate) fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        Fingerprint(
            Sha256::new()
                .chain_update(self.salt)
                .chain_update(value)
                .finalize()
                .into(),
        )
    }

    /// Reads one Secret; `None` when it does not exist. A key may name whatever
    /// its author likes: what is no name at all is not asked for, so that no
    /// other request can be made of it.
    pub(crate) async fn read(
        &self,
        client: &Client,
        id: &SecretId,
    ) -> kube::Result<Option<SecretFacts>> {
        if !name::is_object_name(&id.name) {
            return Ok(None);
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), &id.namespace);
        Ok(api
            .get_opt(&id.name)
            .await?
            .map(|secret| self.facts(&secret)))
    }
}

/// The annotations that decisions read. In others, such as what `kubectl apply` notes,
/// the value may be repeated.
fn ours(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = annotations
        .iter()
        .filter(|(name, _)| annotation::PREFIXES.iter().any(|it| name.starts_with(it)));
    ours.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The value of a key, if the Secret has the entry.
pub(crate) fn value_of(secret: &Secret) -> Option<&[u8]> {
    let data: &BTreeMap<String, ByteString> = secret.data.as_ref()?;
    data.get(API_KEY_ENTRY).map(|value| value.0.as_slice())
}

/// SHA-256, as the digest annotation has it. Only for generated values.
pub(crate) fn digest(value: &[u8]) -> String {
    hex::encode(Sha256::digest(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_value_is_not_remembered_where_an_annotation_repeats_it() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"api_key\": \"c2VjcmV0\"}",
                annotation::PLAN: "gold",
            }},
            "data": {"api_key": "c2VjcmV0"},
        }))
        .unwrap();
        let facts = Reader::new().facts(&secret);
        let gold = (annotation::PLAN.to_owned(), "gold".to_owned());
        assert_eq!(facts.annotations, [gold].into());
    }
}
