//! When does the controller approve by itself?

use devportal_api::APIKeyApproval;
use devportal_api::approval::{APIKeyApprovalSpec, ApiKeyRequestRef};
use devportal_api::condition::{Blocker, auto, whole_second};
use devportal_api::name;
use devportal_api::product::ApprovalMode;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use super::{Case, ruling};
use crate::decision::Write;

impl Case<'_> {
    /// On behalf of an automatic product: where nobody decided yet, or where
    /// the spec outgrew an earlier automatic approval.
    pub(super) fn approve_automatically(&self, blocker: Option<&Blocker>) -> Option<Write> {
        let request = self.request?;
        let product = self.world.find_product(&self.key.product_id())?;
        let id = name::auto_approval(&self.request_id);
        let outgrown = self.terms.exceeded.then_some(self.ruling).flatten();
        let last = match (self.ruling, outgrown) {
            (None, _) => None,
            (Some(_), Some(ruling)) if ruling.name_any() == id.name => {
                Some(ruling.spec.reviewed_at.0)
            }
            _ => return None,
        };
        // The approval of an earlier request goes first.
        let is_ours = |approval: &APIKeyApproval| {
            approval.meta().deletion_timestamp.is_none()
                && ruling::owning_request(approval) == request.meta().uid.as_deref()
        };
        let is_due = blocker.is_none()
            && product.spec.approval_mode == ApprovalMode::Automatic
            && request.spec == self.request_spec()
            && request.meta().deletion_timestamp.is_none()
            && self.world.find_approval(&id).is_none_or(is_ours);
        // A renewal differs from what it renews, also within one second.
        let now = whole_second(self.now);
        let at = last.map_or(now, |last| now.max(last + SignedDuration::from_secs(1)));
        is_due.then(|| Write::ApplyApproval {
            id,
            spec: APIKeyApprovalSpec {
                api_key_request_ref: ApiKeyRequestRef {
                    name: self.request_id.name.clone(),
                },
                approved: true,
                reviewed_by: auto::REVIEWER.to_owned(),
                reviewed_at: Time(at),
                reason: Some(auto::REASON.to_owned()),
                message: Some(auto::MESSAGE.to_owned()),
            },
            owner: ruling::owner_reference(request),
        })
    }
}
