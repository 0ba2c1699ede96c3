//! What depends on requests and on the decisions about them?

use devportal_api::id::{ApprovalId, KeyId, ProductId, RequestId};
use devportal_api::{APIKeyApproval, APIKeyRequest};
use devportal_mirror::Difference;
use kube::{Resource, ResourceExt};

use super::{Dirty, World};
use crate::decision::{Group, Id};

impl World {
    /// The request, as it stands.
    pub fn find_request(&self, id: &RequestId) -> Option<&APIKeyRequest> {
        self.requests.find(id).map(|it| &**it)
    }

    /// The approval, as it stands.
    pub fn find_approval(&self, id: &ApprovalId) -> Option<&APIKeyApproval> {
        self.approvals.find(id).map(|it| &**it)
    }

    /// The requests that claim to shadow a key.
    pub fn requests_of<'a>(&'a self, key: &KeyId) -> impl Iterator<Item = &'a APIKeyRequest> {
        self.requests_by_key
            .referrers(key)
            .filter_map(|id| self.find_request(id))
    }

    /// The decisions about a request, whether they count or not.
    pub fn approvals_of<'a>(
        &'a self,
        request: &RequestId,
    ) -> impl Iterator<Item = &'a APIKeyApproval> {
        self.approvals_by_request
            .referrers(request)
            .filter_map(|id| self.find_approval(id))
    }

    pub(super) fn request_changed(
        &mut self,
        difference: Difference<APIKeyRequest>,
        dirty: &mut Dirty,
    ) {
        let Difference { id, old, new } = difference;
        let keys = [&old, &new]
            .into_iter()
            .flatten()
            .map(|request| Id::Key(request.key_id()));
        dirty.extend(keys);
        self.requests_by_key
            .set(&id, new.as_ref().map(|request| request.key_id()));
        let facts = |request: &APIKeyRequest| {
            let is_leaving = request.meta().deletion_timestamp.is_some();
            (request.uid(), is_leaving, request.terms())
        };
        if old.as_deref().map(facts) != new.as_deref().map(facts) {
            let approvals = self.approvals_by_request.referrers(&id);
            dirty.extend(approvals.cloned().map(Id::Approval));
        }
    }

    pub(super) fn approval_changed(
        &mut self,
        difference: Difference<APIKeyApproval>,
        dirty: &mut Dirty,
    ) {
        let Difference { id, old, new } = difference;
        for approval in [&old, &new].into_iter().flatten() {
            if let Some(request) = self.requests.find(&approval.request_id()) {
                dirty.insert(Id::Key(request.key_id()));
            }
        }
        self.approvals_by_request
            .set(&id, new.as_ref().map(|approval| approval.request_id()));
        dirty.insert(Id::Approval(id));
    }

    /// A product tells of the keys whose requests are refused: their owner sees them
    /// nowhere else.
    pub(super) fn records_tried(
        &mut self,
        id: &Id,
        group: Group,
        is_failure: bool,
        dirty: &mut Dirty,
    ) {
        let (Id::Key(key), Group::Record) = (id, group) else {
            return;
        };
        let before = self.refused_by_product.targets(key).next().cloned();
        let product = self.find_key(key).filter(|_| is_failure);
        let product = product.map(devportal_api::APIKey::product_id);
        if before != product {
            self.refused_by_product.set(key, product.clone());
        }
        // Also when the words differ.
        let touched = before.into_iter().chain(product);
        dirty.extend(touched.map(Id::Product));
    }

    /// The keys of a product whose requests failed to be written.
    pub(crate) fn refused_of<'a>(&'a self, product: &ProductId) -> impl Iterator<Item = &'a KeyId> {
        self.refused_by_product.referrers(product)
    }
}
