//! What does a key's status say? It mirrors what is, never what is being done.

use std::borrow::Cow;

use devportal_api::condition::{
    Blocker, Enforcement, Fact, Lifecycle, Refused, change_awaits_decision, change_is_blocked,
    kind, person_decided, product_is_draft, render, requester_denied, value_guessable,
};
use devportal_api::id::{ApprovalId, KeyId, ProductId, RequestId};
use devportal_api::key::SecretKeyRef;
use devportal_api::name::API_KEY_ENTRY;
use devportal_api::product::ApprovalMode;
use devportal_api::scheme::AuthScheme;
use devportal_api::{APIKey, APIKeyRequest, APIKeyRequestStatus, APIKeyStatus};
use devportal_mirror::{Flaw, Found};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{Resource, ResourceExt};

use super::access::{Course, doubtful, find_source_id, lacks_scheme};
use super::{Case, Standing, ruling};
use crate::brake::Hindrance;
use crate::change::Source;
use crate::decide::credential;
use crate::decision::{Decision, Group, Id, Write};
use crate::world::{Doubt, World};

/// The conditions of which a key has exactly one.
const LIFECYCLE: [&str; 5] = [
    kind::FAILED,
    kind::DENIED,
    kind::EXPIRED,
    kind::APPROVED,
    kind::PENDING,
];

/// Whether a condition is one of those.
pub(in crate::decide) fn is_lifecycle(it: &Condition) -> bool {
    LIFECYCLE.contains(&it.type_.as_str())
}

impl Case<'_> {
    /// The key's status, and the request's with the same conditions.
    pub(super) fn tell(
        &self,
        standing: &Standing,
        course: &Course,
        enforcement: Option<Enforcement>,
        refused: Option<&Refused>,
        decision: &mut Decision,
    ) {
        let previous = self.key.status.clone().unwrap_or_default();
        let mut facts = Vec::new();
        let mut conditions = match standing {
            Standing::Known(lifecycle) => {
                facts.push(lifecycle.fact());
                vec![]
            }
            Standing::Doubtful(_) => self.last_lifecycle(&previous.conditions),
        };
        let is_approved = matches!(standing, Standing::Known(Lifecycle::Approved(_)));
        let enforcement = enforcement.or(is_approved.then_some(Enforcement::Issuing));
        facts.extend(enforcement.as_ref().map(Enforcement::fact));
        facts.extend(self.change(standing));
        facts.extend(self.guessable(standing));
        facts.extend(refused.map(Refused::of_key));
        facts.extend(self.held_up(standing));
        let generation = self.key.meta().generation;
        let before = Self::before(&facts, &previous.conditions);
        conditions.extend(render(&facts, &before, generation, self.now));

        let mut status = match standing {
            Standing::Known(lifecycle) => self.status(lifecycle, course, &previous),
            Standing::Doubtful(_) => previous.clone(),
        };
        status.conditions.clone_from(&conditions);
        status.credentials = self.credentials();
        status.can_read_secret = self.can_read(&status.credentials);
        let status = self
            .world
            .fit::<APIKey, _>("status", status, Some(&previous));
        // What of a status cannot be read is written anew.
        let has_hole = self.flaw.is_some_and(Flaw::has_status_hole);
        if status != previous || has_hole {
            decision
                .writes
                .push(Write::KeyStatus(self.id.clone(), Box::new(status)));
        }
        let request = self.request;
        decision
            .writes
            .extend(request.and_then(|it| tell_request(it, conditions, self.world)));
    }

    /// The conditions from which times are taken over, but for those that something is counted
    /// from: when a change began to wait for somebody; and when there was no scheme any more, which
    /// a definition without `graceUntil` leaves it to the condition to tell.
    fn before<'a>(facts: &[Fact], previous: &'a [Condition]) -> Cow<'a, [Condition]> {
        let begins = |old: &Condition| {
            let of_kind = facts.iter().find(|it| it.kind == old.type_);
            of_kind.is_some_and(|new| match new.kind {
                kind::FAILED => lacks_scheme(new.reason) && !lacks_scheme(&old.reason),
                kind::CHANGE_APPROVED => old.reason != new.reason,
                _ => false,
            })
        };
        if !previous.iter().any(begins) {
            return Cow::Borrowed(previous);
        }
        let kept = previous.iter().filter(|it| !begins(it));
        kept.cloned().collect()
    }

    /// That others can guess the value, unless that is why nothing is given.
    fn guessable(&self, standing: &Standing) -> Option<Fact> {
        let is_refused = matches!(
            standing,
            Standing::Known(Lifecycle::Failed(Blocker::SecretValueWeak(..)))
        );
        let why = self.weakness().filter(|_| !is_refused)?;
        Some(value_guessable(why))
    }

    /// Why a product that approves by itself does not.
    fn held_up(&self, standing: &Standing) -> Option<Fact> {
        let is_pending = matches!(standing, Standing::Known(Lifecycle::Pending));
        // Or a change of what was approved is.
        let waits = is_pending || self.terms.exceeded;
        let product = self.world.find_product(&self.key.product_id())?;
        let is_automatic = product.spec.approval_mode == ApprovalMode::Automatic;
        if !waits || !is_automatic {
            return None;
        }
        match self.standing_denial() {
            Some(denial) => Some(requester_denied(&ApprovalId::of(denial))),
            None if self.is_refused_draft(product) => {
                Some(product_is_draft(&ProductId::of(product)))
            }
            None => {
                let ruling = self.ruling().filter(|it| self.renewed(it).is_none());
                ruling.map(|it| person_decided(&ApprovalId::of(it)))
            }
        }
    }

    /// That more is asked for than was approved, also once that is over.
    fn change(&self, standing: &Standing) -> Option<Fact> {
        let is_known = matches!(standing, Standing::Known(_));
        let is_of_use = self.key.spec.expires_at.is_none() || self.change_ends().is_some();
        (self.terms.exceeded && is_known && is_of_use).then(|| match self.missing_product() {
            Some(blocker) => change_is_blocked(&blocker),
            None => change_awaits_decision(),
        })
    }

    /// Why the product that is asked for takes no request.
    fn missing_product(&self) -> Option<Blocker> {
        let id = self.key.product_id();
        match self.world.products().look(&id) {
            Found::Ended | Found::Absent => Some(Blocker::ProductNotFound(id)),
            Found::Present(_) | Found::Flawed(..) | Found::Unknown => None,
        }
    }

    /// How the key stood before it was in doubt.
    fn last_lifecycle(&self, previous: &[Condition]) -> Vec<Condition> {
        let is_kept = |it: &&Condition| is_lifecycle(it) || it.type_ == kind::CHANGE_APPROVED;
        let last: Vec<_> = previous.iter().filter(is_kept).cloned().collect();
        if !last.iter().any(is_lifecycle) {
            let generation = self.key.meta().generation;
            return render(&[Lifecycle::Pending.fact()], previous, generation, self.now);
        }
        last
    }

    /// Where the API is called; what was told stays where it is not seen.
    fn hostname(&self, previous: &APIKeyStatus) -> Option<String> {
        let found = self.found.and_then(|found| found.hostname.clone());
        let gateways = &self.world.around().gateways;
        let is_unseen = World::blind(gateways).is_some();
        found.or_else(|| previous.api_hostname.clone().filter(|_| is_unseen))
    }

    fn status(
        &self,
        lifecycle: &Lifecycle,
        course: &Course,
        previous: &APIKeyStatus,
    ) -> APIKeyStatus {
        let found = self.found;
        let rule = found.and_then(|found| found.auth.key_rule.as_ref());
        let review = match lifecycle {
            Lifecycle::Failed(_) | Lifecycle::Pending => None,
            _ => self.ruling().map(ruling::review),
        };
        let source = find_source_id(self.key).filter(|it| {
            matches!(lifecycle, Lifecycle::Approved(_))
                && matches!(self.world.find_source(it), Some(Source::Is(_)))
        });
        let plans = self.world.around().plan_policies.table();
        let limits = match World::unseen(plans) {
            Some(_) => previous.limits.clone(),
            None => found
                .and_then(|found| found.limits(&self.terms.in_force.plan_tier))
                .cloned(),
        };
        APIKeyStatus {
            observed_generation: self.key.meta().generation,
            api_hostname: self.hostname(previous),
            limits,
            auth_scheme: rule.map(|rule| AuthScheme {
                authentication_spec: rule.api_key.clone(),
                credentials: rule.credentials.clone(),
            }),
            phase: Some(lifecycle.phase()),
            reviewed_by: review.as_ref().map(|review| review.by.clone()),
            reviewed_at: review.map(|review| Time(review.at)),
            secret_ref: source.map(|it| SecretKeyRef {
                name: it.name.into(),
                key: API_KEY_ENTRY.to_owned(),
            }),
            approved_terms: self.terms.approved.clone(),
            grace_until: match course {
                // It is over, and not yet sure that nothing came.
                Course::Hold(None) => previous.grace_until.clone(),
                Course::Hold(until) => until.map(Time),
                Course::Issue | Course::Suspend(_) | Course::Withdraw => None,
            },
            ..APIKeyStatus::default()
        }
    }
}

/// What a key says that is being deleted and held by somebody's finalizer, once nothing is
/// left to do, or what is left does not succeed: it opens nothing, or what keeps it from that.
pub(super) fn ending(
    id: &KeyId,
    key: &APIKey,
    left: &[Write],
    world: &World,
    now: Timestamp,
) -> Option<Write> {
    let previous = key
        .status
        .clone()
        .filter(|_| !key.finalizers().is_empty())?;
    // What is not seen is not gone.
    let namespace = world.kuadrant_namespace()?;
    if !world.credentials().is_listed(namespace) {
        return None;
    }
    let refused = match world.hindrance(&Id::Key(id.clone()), Group::Revoke) {
        Some(Hindrance::Failed(failure)) => Some(Enforcement::RevocationRefused(failure.refused())),
        _ => None,
    };
    let is_open = left.iter().any(Write::revokes);
    if is_open && refused.is_none() {
        return None;
    }
    let held = || credential::find_held(id, world).map(credential::held);
    let fact = refused.filter(|_| is_open).or_else(held);
    let fact = fact.unwrap_or(Enforcement::Ending).fact();
    let mut conditions = previous.conditions.clone();
    let renewed = render(&[fact], &conditions, key.meta().generation, now);
    conditions.retain(|it| it.type_ != kind::ENFORCED);
    conditions.extend(renewed);
    let status = APIKeyStatus {
        conditions,
        credentials: credential::live(id, key, world, now),
        secret_ref: None,
        ..previous.clone()
    };
    let status = world.fit::<APIKey, _>("status", status, Some(&previous));
    (status != previous).then(|| Write::KeyStatus(id.clone(), Box::new(status)))
}

/// The request's status, where it says something else.
fn tell_request(
    request: &APIKeyRequest,
    conditions: Vec<Condition>,
    world: &World,
) -> Option<Write> {
    let id = RequestId::of(request);
    let status = APIKeyRequestStatus {
        terms: Some(request.terms()),
        conditions,
    };
    let status = world.fit::<APIKeyRequest, _>("status", status, request.status.as_ref());
    let flaw = world.requests().flaw(&id);
    let has_hole = flaw.is_some_and(|flaw| flaw.has_status_hole());
    let differs = request.status.as_ref() != Some(&status) || has_hole;
    let is_alive = request.meta().deletion_timestamp.is_none();
    (differs && is_alive).then(|| Write::RequestStatus(id, Box::new(status)))
}

/// What the request of a key says that cannot be read itself.
pub(super) fn doubtful_request(
    request: &APIKeyRequest,
    doubt: &Doubt,
    now: Timestamp,
) -> Option<Write> {
    let status = request.status.clone().unwrap_or_default();
    let fact: Fact = doubtful(doubt).fact();
    let generation = request.meta().generation;
    let mut conditions = status.conditions.clone();
    conditions.retain(|it| it.type_ != fact.kind);
    conditions.extend(render(&[fact], &status.conditions, generation, now));
    let told = APIKeyRequestStatus {
        conditions,
        ..status.clone()
    };
    (told != status).then(|| Write::RequestStatus(RequestId::of(request), Box::new(told)))
}
