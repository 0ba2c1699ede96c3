//! Which CustomResourceDefinitions does an installation need? The four the
//! types generate, ready to be applied.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};

/// The definitions of the four kinds, in the order their people meet them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![APIProduct::crd(), APIKey::crd(), APIKeyRequest::crd(), APIKeyApproval::crd()]
}
