//! What is sent to the API server: new objects, and merge patches from what was seen to
//! what is to be.

use devportal_api::{GROUP, VERSION};
use devportal_core::brake::Failure;
use devportal_core::decision::Owner;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::failure::refused;

pub(super) fn reference(owner: &Owner) -> OwnerReference {
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
pub(super) fn object<K: Resource<DynamicType = ()> + DeserializeOwned>(
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
    serde_json::from_value(object).map_err(|error| refused("Internal", &error.to_string()))
}

/// A merge patch from a part of the object as last seen to what that is to be. What
/// others write beside us is in neither, and so left alone.
pub(super) fn part_patch(
    part: &str,
    seen: &Value,
    after: &impl Serialize,
) -> Result<Value, Failure> {
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

pub(super) fn to_value(object: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(object).map_err(|error| refused("Internal", &error.to_string()))
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
