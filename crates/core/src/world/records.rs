//! What depends on requests and on the decisions about them?

use std::collections::BTreeSet;

use devportal_api::id::{ApprovalId, KeyId, ProductId, RequestId};
use devportal_api::product::ApprovalMode;
use devportal_api::{APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_mirror::Difference;
use kube::{Resource, ResourceExt};

use super::{Dirty, World};
use crate::brake::Hindrance;
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
        // The key is to hear of decisions that go after it.
        if new.is_some() || !self.is_decided(&id) {
            let key = new.as_ref().map(|request| request.key_id());
            self.requests_by_key.set(&id, key);
        }
        let facts = |request: &APIKeyRequest| {
            let is_leaving = request.meta().deletion_timestamp.is_some();
            (request.uid(), is_leaving, request.terms())
        };
        if old.as_deref().map(facts) != new.as_deref().map(facts) {
            self.dirty_approvals_of(&id, dirty);
            let approvals = self.approvals_by_request.referrers(&id);
            for approval in approvals.cloned().collect::<Vec<_>>() {
                let decision = self.approvals.find(&approval).cloned();
                self.denial_changed(&approval, decision.as_deref(), dirty);
            }
        }
    }

    pub(super) fn approval_changed(
        &mut self,
        difference: Difference<APIKeyApproval>,
        dirty: &mut Dirty,
    ) {
        let Difference { id, old, new } = difference;
        self.approvals_by_request
            .set(&id, new.as_ref().map(|approval| approval.request_id()));
        for approval in [&old, &new].into_iter().flatten() {
            let request = approval.request_id();
            let keys = self.requests_by_key.targets(&request);
            dirty.extend(keys.cloned().map(Id::Key));
            // Which of them counts may be another now.
            self.dirty_approvals_of(&request, dirty);
            if !self.requests.has(&request) && !self.is_decided(&request) {
                self.requests_by_key.set(&request, []);
            }
        }
        self.denial_changed(&id, new.as_deref(), dirty);
        dirty.insert(Id::Approval(id));
    }

    /// Whether there is a decision that names a request.
    fn is_decided(&self, request: &RequestId) -> bool {
        self.approvals_by_request
            .referrers(request)
            .next()
            .is_some()
    }

    pub(super) fn dirty_approvals_of(&self, request: &RequestId, dirty: &mut Dirty) {
        let approvals = self.approvals_by_request.referrers(request);
        dirty.extend(approvals.cloned().map(Id::Approval));
    }

    /// Whoever was denied, or is no more, asks for what approves by itself.
    fn denial_changed(&mut self, id: &ApprovalId, new: Option<&APIKeyApproval>, dirty: &mut Dirty) {
        let before: BTreeSet<_> = self.denials.targets(id).cloned().collect();
        let alive = new.filter(|it| it.meta().deletion_timestamp.is_none());
        let pair = |product: &str, user: &str| {
            let product = ProductId::new(&id.namespace, product);
            (product, user.to_owned())
        };
        let kept_out = alive.iter().flat_map(|it| it.kept_out());
        let mut after: BTreeSet<_> = kept_out
            .map(|it| pair(&it.api_product, &it.user_id))
            .collect();
        // Until it is noted what it denies that is what is asked for.
        let unnoted = alive.filter(|it| !it.spec.approved && it.denied().is_empty());
        let request = unnoted.and_then(|it| self.find_request(&it.request_id()));
        let asked = request.map(|it| {
            let spec = &it.spec;
            pair(&spec.api_product_ref.name, &spec.requested_by.user_id)
        });
        let may_be_noted = self.keeps::<APIKeyApproval>("status.denies");
        after.extend(asked.filter(|(product, _)| {
            let product = self.find_product(product);
            let is_automatic = |it: &APIProduct| it.spec.approval_mode == ApprovalMode::Automatic;
            may_be_noted && product.is_some_and(is_automatic)
        }));
        let denied = alive.iter().flat_map(|it| it.denied());
        let products = denied.map(|it| ProductId::new(&id.namespace, &it.api_product));
        self.denied_products.set(id, products);
        if before == after {
            return;
        }
        self.denials.set(id, after.clone());
        for (product, user) in before.into_iter().chain(after) {
            let keys = self.keys_by_product.referrers(&product);
            let is_theirs = |key: &&KeyId| {
                let key = self.find_key(key);
                key.is_some_and(|it| it.spec.requested_by.user_id == user)
            };
            dirty.extend(keys.filter(is_theirs).cloned().map(Id::Key));
        }
    }

    /// The denial that keeps a requester from the automatic approvals of a product.
    pub(crate) fn standing_denial(
        &self,
        product: &ProductId,
        user: &str,
    ) -> Option<&APIKeyApproval> {
        if !self.keeps::<APIKeyApproval>("status.denies") {
            return None;
        }
        let whom = (product.clone(), user.to_owned());
        let mut denials = self.denials.referrers(&whom);
        denials.find_map(|id| self.find_approval(id))
    }

    /// Why an approval is not tied, nor anything else of it written, in words.
    pub(super) fn approval_hindrance(&self, id: &Id) -> Option<String> {
        let Id::Approval(_) = id else {
            return None;
        };
        Some(match self.brakes.hindrance(id, Group::Record)? {
            Hindrance::Failed(failure) => format!("{}: {}", failure.reason, failure.message),
            Hindrance::DoesNotStay => "it does not stay".to_owned(),
        })
    }

    /// The key of an approval tells why that is not written, and goes by it.
    pub(super) fn approval_tried(&self, id: &Id, before: Option<&str>, dirty: &mut Dirty) {
        let Id::Approval(approval) = id else {
            return;
        };
        if self.approval_hindrance(id).as_deref() != before {
            let approval = self.find_approval(approval);
            let request = approval.and_then(|it| self.find_request(&it.request_id()));
            dirty.extend(request.map(|it| Id::Key(it.key_id())));
        }
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
