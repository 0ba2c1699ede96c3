//! When does the controller approve by itself?

use devportal_api::approval::{APIKeyApprovalSpec, ApiKeyRequestRef};
use devportal_api::condition::auto;
use devportal_api::name;
use devportal_api::product::ApprovalMode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{Case, ruling};
use crate::decision::Write;

impl Case<'_> {
    /// On behalf of an automatic product: where nobody decided yet, or where
    /// the spec outgrew an earlier automatic approval.
    pub(super) fn approve_automatically(&self) -> Option<Write> {
        let request = self.request?;
        // The product that is asked for, which may not be the approved one.
        let product_id = self.key.product_id();
        let product = self.world.find_product(&product_id)?;
        let id = name::auto_approval(&self.request_id);
        let outgrown = self.terms.exceeded.then_some(self.ruling).flatten();
        match (self.ruling, outgrown) {
            (None, _) => {}
            (Some(_), Some(ruling)) if ruling.name_any() == id.name => {}
            _ => return None,
        }
        let is_due = self.blocker(product_id).is_none()
            && product.spec.approval_mode == ApprovalMode::Automatic
            && request.spec == self.request_spec()
            && ruling::is_writable(&id, request, self.world);
        is_due.then(|| Write::ApplyApproval {
            id,
            spec: APIKeyApprovalSpec {
                api_key_request_ref: ApiKeyRequestRef {
                    name: self.request_id.name.clone(),
                },
                approved: true,
                reviewed_by: auto::REVIEWER.to_owned(),
                reviewed_at: Time(ruling::moment_after(self.ruling, self.now)),
                reason: Some(auto::REASON.to_owned()),
                message: Some(auto::MESSAGE.to_owned()),
            },
            owner: ruling::owner_reference(request),
        })
    }
}
