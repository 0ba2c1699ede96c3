//! What do owners see of a key, and when does the controller decide for them? Its
//! request, in the product's namespace, and approvals of our own.

use devportal_api::approval::{APIKeyApprovalSpec, ApiKeyRequestRef};
use devportal_api::condition::{Refused, auto};
use devportal_api::id::{ApprovalId, KeyId, RequestId};
use devportal_api::name;
use devportal_api::product::{ApprovalMode, PublishStatus};
use devportal_api::request::{APIKeyRequestSpec, ApiKeyRef, LocalApiProductRef};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_mirror::Found;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::{Resource, ResourceExt};

use super::Case;
use crate::brake::Hindrance;
use crate::decide::{after, ruling, terms};
use crate::decision::{Decision, Group, Id, Presence, Write};
use crate::world::find_alive;

/// How long after the name of a request or an approval was found taken it is looked
/// at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(15);

/// A decision that the controller writes.
pub(super) struct Verdict {
    pub(super) approved: bool,
    pub(super) reviewed_by: String,
    pub(super) reviewed_at: Timestamp,
    pub(super) reason: &'static str,
    pub(super) message: Option<&'static str>,
}

impl Case<'_> {
    /// The request, and the decision that the controller takes where it is to.
    pub(super) fn records(&self, decision: &mut Decision) -> Vec<Write> {
        if self.flaw.is_some_and(|it| !it.has_spec()) {
            return vec![];
        }
        decision.wake(self.look_again());
        let mut writes = self.shadow();
        writes.extend(
            self.decide_by_phase()
                .or_else(|| self.inherit())
                .or_else(|| self.approve_automatically()),
        );
        writes
    }

    /// The request in the product's namespace, and no other.
    fn shadow(&self) -> Vec<Write> {
        // What an earlier key of the name left, and what a moved key leaves behind once
        // its new request is there.
        let is_home = |it: &APIKeyRequest| RequestId::of(it) == self.home;
        let has_moved = self.request.is_some_and(is_home);
        let others = self.world.requests_of(self.id).filter(|request| {
            !shadows(request, self.id, self.key) || (has_moved && !is_home(request))
        });
        let mut writes: Vec<Write> = others
            .filter(|request| !terms::is_to_be_noted(request, self.world))
            .filter(|request| !ruling::awaits_note(request, self.world))
            .filter_map(|request| delete_request(request, self.elsewhere(request)))
            .collect();
        let product = self.world.products().look(&self.key.product_id());
        let is_open = find_alive(&product).is_some();
        let is_seen = match self.world.requests().look(&self.home) {
            Found::Unknown | Found::Flawed(None, _) => false,
            Found::Present(_) | Found::Flawed(Some(_), _) | Found::Ended | Found::Absent => true,
        };
        if !is_open || !is_seen {
            return writes;
        }
        let spec = self.request_spec();
        // Nobody else mends what cannot be read of it.
        let flaw = self.world.requests().flaw(&self.home);
        let is_stale = flaw.is_some_and(|it| !it.has_spec())
            || self.request.is_none_or(|request| request.spec != spec);
        let awaited = self.request.map(|it| terms::awaited(it, self.world));
        let is_awaited = awaited.is_some_and(|it| !it.is_empty())
            || (self.request).is_some_and(|it| ruling::awaits_note(it, self.world));
        if self.foreign_request().is_none() && is_stale && !is_awaited {
            writes.push(Write::ApplyRequest {
                id: self.home.clone(),
                spec,
            });
        }
        writes
    }

    /// The look for another key of the name that a request may be of.
    fn elsewhere(&self, request: &APIKeyRequest) -> Option<Presence> {
        let uid = request.key_uid().map(str::to_owned);
        let is_mine = uid.is_none() || uid == self.key.uid();
        if is_mine {
            return None;
        }
        crate::decide::credential::presence_of(self.id, uid, self.world)
    }

    /// Another's request that has the name of this key's.
    fn foreign_request(&self) -> Option<&APIKeyRequest> {
        let request = self.world.find_request(&self.home)?;
        (!shadows(request, self.id, self.key)).then_some(request)
    }

    pub(super) fn request_spec(&self) -> APIKeyRequestSpec {
        let spec = &self.key.spec;
        let whole = APIKeyRequestSpec {
            api_product_ref: LocalApiProductRef {
                name: spec.api_product_ref.name.clone(),
            },
            plan_tier: spec.plan_tier.clone(),
            use_case: spec.use_case.clone().unwrap_or_default(),
            requested_by: spec.requested_by.clone(),
            api_key_ref: ApiKeyRef {
                name: self.id.name.to_string(),
                namespace: self.id.namespace.to_string(),
                uid: self.key.uid(),
            },
            expires_at: spec.expires_at.clone(),
        };
        let have = self.request.map(|request| &request.spec);
        self.world.fit::<APIKeyRequest, _>("spec", whole, have)
    }

    /// On behalf of an automatic product: where nobody decided yet, or where the spec outgrew an
    /// approval of all that was asked for.
    fn approve_automatically(&self) -> Option<Write> {
        // The product that is asked for, which may not be the approved one.
        let product_id = self.key.product_id();
        let product = self.world.find_product(&product_id)?;
        let outgrown = self.ruling().filter(|_| self.terms.exceeded);
        let id = match outgrown {
            Some(it) => self.renewed(it)?,
            None if self.is_undecided() => self.approval_named(name::auto_approval)?,
            None => return None,
        };
        let is_due = self.inheritance() != Some(false)
            && self.standing_denial().is_none()
            && !self.is_refused_draft(product)
            && product.spec.approval_mode == ApprovalMode::Automatic
            && !self.is_source_unread()
            && self.blocker(product_id).is_none();
        is_due.then_some(())?;
        self.decide_as(
            id,
            Verdict {
                approved: true,
                reviewed_by: auto::REVIEWER.to_owned(),
                reviewed_at: ruling::moment_after(self.request, self.key, self.world, self.now),
                reason: auto::REASON,
                message: Some(auto::MESSAGE),
            },
        )
    }

    /// The automatic approval that takes the place of one that the spec outgrew: of an automatic
    /// one itself, of a person's one beside it. One that a person edited is theirs; and so is all
    /// else once they granted less, or denied, which goes before an automatic approval.
    pub(super) fn renewed(&self, outgrown: &APIKeyApproval) -> Option<ApprovalId> {
        let id = ApprovalId::of(outgrown);
        let names = self.names_of(name::auto_approval)?;
        if ruling::is_automatic(outgrown) && names.contains(&id) {
            return Some(id);
        }
        let request = RequestId::of(self.request?);
        let mut all = self.world.approvals_of(&request);
        let is_denied = all.any(|it| !it.spec.approved);
        if is_denied || !ruling::grants_all(outgrown) {
            return None;
        }
        let beside = self.approval_named(name::auto_approval)?;
        let there = self.world.find_approval(&beside);
        there.is_none_or(ruling::is_automatic).then_some(beside)
    }

    /// Whether a product is a draft, and approves nothing by itself for that.
    pub(super) fn is_refused_draft(&self, product: &APIProduct) -> bool {
        let is_draft = product.spec.publish_status == PublishStatus::Draft;
        is_draft && self.world.settings().refuses_drafts
    }

    /// The denial that keeps whoever asks from an automatic approval.
    pub(super) fn standing_denial(&self) -> Option<&APIKeyApproval> {
        let product = self.key.product_id();
        let requester = &self.key.spec.requested_by.user_id;
        self.world.standing_denial(&product, requester)
    }

    /// The name of an approval of ours. The usual one may be held by a denial that stands
    /// about whoever had the key's name before, or by a finalizer.
    pub(super) fn approval_named(&self, named: fn(&RequestId) -> ApprovalId) -> Option<ApprovalId> {
        let [usual, beside] = self.names_of(named)?;
        let there = self.world.find_approval(&usual);
        let is_going = there.is_some_and(|it| it.meta().deletion_timestamp.is_some());
        let is_taken = is_going || ruling::is_kept_for_another(&usual, self.request?, self.world);
        Some(if is_taken { beside } else { usual })
    }

    /// The names that an approval of ours may have, the usual one first.
    fn names_of(&self, named: fn(&RequestId) -> ApprovalId) -> Option<[ApprovalId; 2]> {
        let request = self.request?;
        let id = RequestId::of(request);
        let uid = request.meta().uid.as_deref()?;
        Some([named(&id), named(&name::beside(&id, uid))])
    }

    /// An approval of ours about the request as it is to be.
    pub(super) fn decide_as(&self, id: ApprovalId, verdict: Verdict) -> Option<Write> {
        let request = self.request?;
        let is_ready = self.ruling.is_ok()
            && request.spec == self.request_spec()
            && ruling::is_writable(&id, request, self.world);
        let spec = APIKeyApprovalSpec {
            api_key_request_ref: ApiKeyRequestRef {
                name: request.name_any(),
            },
            approved: verdict.approved,
            reviewed_by: verdict.reviewed_by,
            reviewed_at: Time(verdict.reviewed_at),
            reason: Some(verdict.reason.to_owned()),
            message: verdict.message.map(str::to_owned),
            plan_tier: None,
            expires_at: None,
            terms: None,
        };
        // Nothing is later than the end of time.
        let is_new = (self.world.find_approval(&id)).is_none_or(|it| it.spec != spec);
        (is_ready && is_new).then(|| Write::ApplyApproval {
            id,
            spec,
            owner: ruling::owner_reference(request),
        })
    }

    /// What has a name that we need tells nobody when it goes.
    fn look_again(&self) -> Option<Timestamp> {
        let approval = (self.request)
            .filter(|_| self.is_undecided())
            .is_some_and(|request| {
                let id = self.approval_named(name::auto_approval);
                id.is_some_and(|id| !ruling::is_writable(&id, request, self.world))
            });
        let is_taken = self.request.is_none() && self.foreign_request().is_some();
        (is_taken || approval).then(|| after(self.now, LOOK_AGAIN))
    }

    /// What of the request, or of the approvals of it, the API server does not let be
    /// written.
    pub(super) fn refused_record(&self) -> Option<Refused> {
        let of = |id: &Id| match self.world.hindrance(id, Group::Record)? {
            Hindrance::Failed(failure) => Some(failure.refused()),
            Hindrance::DoesNotStay => Some(Refused {
                target: id.to_string(),
                reason: "Altered".to_owned(),
                message: "what is written does not stay".to_owned(),
            }),
        };
        // An earlier one has its name, and a finalizer holds it.
        let held = self.foreign_request();
        let held = held.filter(|it| it.meta().deletion_timestamp.is_some());
        let is_held = held.map(|_| Refused {
            target: format!("APIKeyRequest {}", self.home),
            reason: "NameTaken".to_owned(),
            message: "an earlier one is being deleted, and a finalizer holds it".to_owned(),
        });
        of(&self.queue_id()).or(is_held).or_else(|| {
            let request = RequestId::of(self.request?);
            let approvals = self.world.approvals_of(&request);
            approvals
                .map(|approval| Id::Approval(ApprovalId::of(approval)))
                .find_map(|id| of(&id))
        })
    }
}

/// Whether a request is this very key's: one of an earlier key of the same name is not. The
/// published controller notes no UID: there one that is older than the key is not.
pub(in crate::decide) fn shadows(request: &APIKeyRequest, id: &KeyId, key: &APIKey) -> bool {
    let is_newer = || {
        let created = |meta: &ObjectMeta| meta.creation_timestamp.clone().map(|it| it.0);
        created(request.meta()) >= created(key.meta())
    };
    let is_its = match request.key_uid() {
        Some(uid) => key.meta().uid.as_deref() == Some(uid),
        None => is_newer(),
    };
    request.key_id() == *id && is_its
}

/// Unless it is going already.
pub(super) fn delete_request(request: &APIKeyRequest, unless: Option<Presence>) -> Option<Write> {
    request
        .meta()
        .deletion_timestamp
        .is_none()
        .then(|| Write::DeleteRequest {
            id: RequestId::of(request),
            uid: request.uid().unwrap_or_default(),
            unless,
        })
}
