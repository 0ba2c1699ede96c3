//! What does the owner see of a key? Its request, in the product's namespace.

use devportal_api::id::{KeyId, RequestId};
use devportal_api::request::{APIKeyRequestSpec, ApiKeyRef, LocalApiProductRef};
use devportal_api::{APIKey, APIKeyRequest};
use kube::{Resource, ResourceExt};

use super::Case;
use crate::decide::ruling;
use crate::decision::Write;

impl Case<'_> {
    /// The request in the product's namespace, and no other.
    pub(super) fn shadow(&self) -> Vec<Write> {
        let others = self.world.requests_of(self.id).filter(|request| {
            RequestId::of(*request) != self.request_id || !shadows(request, self.id, self.key)
        });
        let mut writes: Vec<Write> = others.filter_map(delete_request).collect();
        // Under changed terms the request goes where the spec now points.
        let product = self.world.find_product(&self.key.product_id());
        let is_open = product.is_some_and(|product| product.meta().deletion_timestamp.is_none());
        let spec = self.request_spec();
        let is_stale = self.request.is_none_or(|request| request.spec != spec);
        let is_awaited =
            (self.request).is_some_and(|request| ruling::is_awaited(request, self.world));
        if is_open && !self.has_foreign_request() && is_stale && !is_awaited {
            writes.push(Write::ApplyRequest {
                id: self.request_id.clone(),
                spec,
            });
        }
        writes
    }

    /// Whether another's request has the name of this key's.
    pub(super) fn has_foreign_request(&self) -> bool {
        self.request.is_none() && self.world.find_request(&self.request_id).is_some()
    }

    pub(super) fn request_spec(&self) -> APIKeyRequestSpec {
        let spec = &self.key.spec;
        APIKeyRequestSpec {
            api_product_ref: LocalApiProductRef {
                name: spec.api_product_ref.name.clone(),
            },
            plan_tier: spec.plan_tier.clone(),
            use_case: spec.use_case.clone().unwrap_or_default(),
            requested_by: spec.requested_by.clone(),
            api_key_ref: ApiKeyRef {
                name: self.id.name.clone(),
                namespace: self.id.namespace.clone(),
                uid: self.key.uid(),
            },
            expires_at: spec.expires_at.clone(),
        }
    }
}

/// Whether a request is this very key's: one of an earlier key of the same name
/// is not.
pub(super) fn shadows(request: &APIKeyRequest, id: &KeyId, key: &APIKey) -> bool {
    let uid = request.spec.api_key_ref.uid.as_deref();
    request.key_id() == *id && (uid.is_none() || uid == key.meta().uid.as_deref())
}

/// Unless it is going already.
pub(super) fn delete_request(request: &APIKeyRequest) -> Option<Write> {
    request
        .meta()
        .deletion_timestamp
        .is_none()
        .then(|| Write::DeleteRequest {
            id: RequestId::of(request),
            uid: request.uid().unwrap_or_default(),
        })
}
