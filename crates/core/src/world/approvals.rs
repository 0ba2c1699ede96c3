//! What depends on requests and on the decisions about them?

use std::sync::Arc;

use devportal_api::id::{ApprovalId, RequestId};
use devportal_api::{APIKeyApproval, APIKeyRequest};
use kube::{Resource, ResourceExt};

use super::{Dirty, Replaced, World};
use crate::decision::Id;

impl World {
    pub(super) fn request_changed(
        &mut self,
        id: &RequestId,
        new: Option<Arc<APIKeyRequest>>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { old, new }) = self.requests.replace(id, new) else {
            return;
        };
        let keys = [&old, &new]
            .into_iter()
            .flatten()
            .map(|request| Id::Key(request.key_id()));
        dirty.extend(keys);
        self.requests_by_key
            .set(id, new.as_ref().map(|request| request.key_id()));
        let facts =
            |request: &APIKeyRequest| (request.uid(), request.meta().deletion_timestamp.is_some());
        if old.as_deref().map(facts) != new.as_deref().map(facts) {
            dirty.extend(
                self.approvals_by_request
                    .referrers(id)
                    .cloned()
                    .map(Id::Approval),
            );
        }
    }

    pub(super) fn approval_changed(
        &mut self,
        id: &ApprovalId,
        new: Option<Arc<APIKeyApproval>>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { old, new }) = self.approvals.replace(id, new) else {
            return;
        };
        for approval in [&old, &new].into_iter().flatten() {
            if let Some(request) = self.requests.get(&approval.request_id()) {
                dirty.insert(Id::Key(request.key_id()));
            }
        }
        self.approvals_by_request
            .set(id, new.as_ref().map(|approval| approval.request_id()));
        dirty.insert(Id::Approval(id.clone()));
    }
}
