//! What happens to a key?
//!
//! Read [`decide`] from top to bottom: the order *is* the specification. Each
//! step looks at the one before; nothing here does I/O.

mod automatic;
mod phase;
mod shadow;
mod status;

use devportal_api::condition::{AuthPolicyState, Blocker, Enforcement, Lifecycle, whole_second};
use devportal_api::id::{KeyId, ProductId, RequestId};
use devportal_api::name;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIKeyStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use self::shadow::{delete_request, shadows};
use super::terms::{self, Terms};
use super::{after, credential, instant, ruling, sooner};
use crate::change::ValueFacts;
use crate::decision::{Decision, Need, Write};
use crate::discover::Discovery;
use crate::world::World;

/// How long credentials outlive the AuthPolicy they are for. Someone who
/// replaces a policy by deleting and recreating it takes no key down.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How long after the name of a request or an approval was found taken it is looked
/// at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(15);

pub(super) fn decide(id: &KeyId, world: &World, now: Timestamp) -> Decision {
    match world.find_key(id) {
        Some(key) if key.meta().deletion_timestamp.is_none() => {
            let case = Case::gather(id, key, world, now);
            case.decide()
        }
        _ => forget(id, world),
    }
}

/// Nothing of a deleted key remains. The consumer's copy goes with its owner.
fn forget(id: &KeyId, world: &World) -> Decision {
    let mut writes = credential::withdraw(id, world);
    writes.extend(world.requests_of(id).filter_map(delete_request));
    Decision {
        writes,
        ..Decision::default()
    }
}

/// A key and everything that bears on it.
struct Case<'a> {
    id: &'a KeyId,
    key: &'a APIKey,
    world: &'a World,
    now: Timestamp,
    found: Option<&'a Discovery>,
    request_id: RequestId,
    request: Option<&'a APIKeyRequest>,
    ruling: Option<&'a APIKeyApproval>,
    terms: Terms,
}

/// What is to become of the credentials.
enum Course {
    /// They are to exist as approved.
    Issue,
    /// They stay as they are until the given time.
    Hold(Option<Timestamp>),
    /// They are to go.
    Withdraw,
}

impl<'a> Case<'a> {
    fn gather(id: &'a KeyId, key: &'a APIKey, world: &'a World, now: Timestamp) -> Self {
        let request_id = name::request(id, &key.product_id());
        let request = world
            .find_request(&request_id)
            .filter(|request| shadows(request, id, key));
        let ruling = request.and_then(|request| ruling::find(request, world));
        let terms = terms::of(key, request, ruling);
        let product_id = terms.product_id();
        Self {
            found: world.find_discovery(&product_id),
            id,
            key,
            world,
            now,
            request_id,
            request,
            ruling,
            terms,
        }
    }

    fn decide(&self) -> Decision {
        let mut decision = Decision::default();
        decision
            .needs
            .insert(Need::Secret(self.key.source_secret()));

        let blocker = self.blocker(self.terms.product_id());
        let lifecycle = self.lifecycle(blocker);
        let course = self.course(&lifecycle);

        // A key that lacks an answer is not decided, except that access goes.
        if self.source_is_unread() {
            match course {
                Course::Withdraw => decision.writes = credential::withdraw(self.id, self.world),
                Course::Hold(until) => {
                    decision.wake_at = until;
                    self.note_grace(until, &mut decision);
                }
                Course::Issue => {}
            }
            decision.wake_at = sooner(decision.wake_at, self.expiry());
            self.retire(&mut decision);
            return decision;
        }

        decision.writes.extend(self.shadow());
        decision.writes.extend(
            self.decide_by_phase()
                .or_else(|| self.approve_automatically()),
        );

        let mut enforcement = None;
        match course {
            Course::Withdraw => {
                decision
                    .writes
                    .extend(credential::withdraw(self.id, self.world));
                // What is only missing something may come back with its value.
                if !matches!(lifecycle, Lifecycle::Failed(_)) || !self.is_granted() {
                    decision
                        .writes
                        .extend(credential::withdraw_copy(self.id, self.key, self.world));
                }
            }
            Course::Hold(until) => {
                decision.wake_at = until;
                self.note_grace_beside(until, &mut decision);
            }
            Course::Issue => {
                enforcement = self.issue(&mut decision);
                self.note_grace_beside(None, &mut decision);
            }
        }
        decision.wake_at = sooner(decision.wake_at, self.expiry());
        self.retire(&mut decision);

        // A status tells what is, not what is being done.
        if decision.writes.is_empty() {
            self.tell(&lifecycle, enforcement, &mut decision);
        }
        decision.wake_at = sooner(decision.wake_at, self.look_again());
        decision
    }

    /// What has a name that we need tells nobody when it goes.
    fn look_again(&self) -> Option<Timestamp> {
        let approval = (self.request)
            .filter(|_| self.ruling.is_none())
            .is_some_and(|request| {
                let id = name::auto_approval(&self.request_id);
                !ruling::is_writable(&id, request, self.world)
            });
        (self.has_foreign_request() || approval).then(|| after(self.now, LOOK_AGAIN))
    }

    /// Ends what a rotation replaced, on time, and what opens anything but what is
    /// in force: both whatever else is missing.
    fn retire(&self, decision: &mut Decision) {
        let (over, next) = credential::retire(self.id, self.key, self.world, self.now);
        let astray = credential::astray(self.id, self.key, &self.terms.product_id(), self.world);
        for write in over.into_iter().chain(astray) {
            if !decision.writes.contains(&write) {
                decision.writes.push(write);
            }
        }
        decision.wake_at = sooner(decision.wake_at, next);
    }

    /// The first thing that is missing, in the order of the wire contract.
    fn blocker(&self, product_id: ProductId) -> Option<Blocker> {
        if self.world.kuadrant_namespace().is_none() {
            return Some(Blocker::KuadrantNotFound);
        }
        let Some(product) = self.world.find_product(&product_id) else {
            return Some(Blocker::ProductNotFound(product_id));
        };
        if product.meta().deletion_timestamp.is_some() {
            return Some(Blocker::ProductDeleting(product_id));
        }
        self.missing_secret()
            .or_else(|| self.missing_scheme(product_id))
    }

    /// Only a key that was brought can lack its Secret.
    fn missing_secret(&self) -> Option<Blocker> {
        if self.key.is_generated() {
            return None;
        }
        let secret = self.key.source_secret();
        match self.world.find_source(&secret)?.map(|facts| &facts.value) {
            None => Some(Blocker::SecretNotFound(secret)),
            Some(ValueFacts::NoEntry) => Some(Blocker::SecretEntryNotFound(secret)),
            Some(ValueFacts::Empty) => Some(Blocker::SecretEntryEmpty(secret)),
            Some(ValueFacts::Value { .. }) => None,
        }
    }

    /// A policy that is there but not accepted at the moment does not take a
    /// working key down.
    fn missing_scheme(&self, product: ProductId) -> Option<Blocker> {
        let found = self.world.find_discovery(&product);
        match found.map(|found| &found.auth) {
            Some(auth) if auth.key_rule.is_some() => None,
            Some(auth) if auth.scheme.is_some() => Some(Blocker::ApiKeyAuthSchemeNotFound(product)),
            Some(auth) if auth.state == AuthPolicyState::NotReady && self.has_credentials() => None,
            _ => Some(Blocker::AuthSchemeNotFound(product)),
        }
    }

    /// Failed before Denied before Expired before Approved before Pending.
    fn lifecycle(&self, blocker: Option<Blocker>) -> Lifecycle {
        match (blocker, self.ruling) {
            (Some(blocker), _) => Lifecycle::Failed(blocker),
            (None, Some(ruling)) if !ruling.spec.approved => {
                Lifecycle::Denied(ruling::review(ruling))
            }
            (None, Some(ruling)) => match &self.terms.in_force.expires_at {
                Some(at) if at.0 <= self.now => Lifecycle::Expired(at.0),
                _ => Lifecycle::Approved(ruling::review(ruling)),
            },
            (None, None) => Lifecycle::Pending,
        }
    }

    /// A fault takes nothing away; denial, expiry and real removal do.
    fn course(&self, lifecycle: &Lifecycle) -> Course {
        match lifecycle {
            Lifecycle::Approved(_) => Course::Issue,
            Lifecycle::Failed(blocker) if self.is_granted() && self.has_credentials() => {
                match blocker {
                    Blocker::KuadrantNotFound => Course::Hold(None),
                    Blocker::AuthSchemeNotFound(_) | Blocker::ApiKeyAuthSchemeNotFound(_) => {
                        let until = self.grace_until();
                        if self.now < until {
                            Course::Hold(Some(until))
                        } else {
                            Course::Withdraw
                        }
                    }
                    _ => Course::Withdraw,
                }
            }
            _ => Course::Withdraw,
        }
    }

    /// When credentials go for want of a scheme. It is noted, so that neither a
    /// restart nor another fault before it changes how long they stay.
    fn grace_until(&self) -> Timestamp {
        let noted = self.key.status.as_ref();
        instant(noted.and_then(|status| status.grace_until.as_ref()))
            .unwrap_or_else(|| after(whole_second(self.now), GRACE))
    }

    /// Notes the end of the grace, or that there is none any more.
    fn note_grace(&self, until: Option<Timestamp>, decision: &mut Decision) {
        let status = self.key.status.clone().unwrap_or_default();
        let grace_until = until.map(Time);
        if status.grace_until != grace_until {
            let status = APIKeyStatus {
                grace_until,
                ..status
            };
            let write = Write::KeyStatus(self.id.clone(), Box::new(status));
            decision.writes.push(write);
        }
    }

    /// The same where the status has to wait for other writes: they may be refused
    /// again and again.
    fn note_grace_beside(&self, until: Option<Timestamp>, decision: &mut Decision) {
        if !decision.writes.is_empty() {
            self.note_grace(until, decision);
        }
    }

    /// Brings the Secrets one step closer to what was approved. Answers how the
    /// enforcement reads once there is nothing left to write.
    fn issue(&self, decision: &mut Decision) -> Option<Enforcement> {
        let (Some(found), Some(namespace)) = (self.found, self.world.kuadrant_namespace()) else {
            return None;
        };
        let is_in_force = matches!(found.auth.state, AuthPolicyState::Found(_));
        if !is_in_force && self.has_credentials() {
            return Some(Enforcement::AuthPolicyNotEnforced);
        }
        let rule = found.auth.key_rule.as_ref()?;
        let plan = credential::Plan {
            id: self.id,
            key: self.key,
            terms: &self.terms.in_force,
            rule,
            namespace,
            world: self.world,
            now: self.now,
        };
        match plan.next() {
            credential::Step::Write(writes) => {
                decision.writes.extend(writes);
                None
            }
            credential::Step::Wait => Some(Enforcement::Issuing),
            credential::Step::Stuck(why, until) => {
                decision.wake_at = sooner(decision.wake_at, until);
                Some(why)
            }
            credential::Step::Done => Some(self.enforcement(found, is_in_force)),
        }
    }

    /// What the gateway makes of a credential that is in place.
    fn enforcement(&self, found: &Discovery, is_in_force: bool) -> Enforcement {
        let tier = &self.terms.in_force.plan_tier;
        if !is_in_force {
            Enforcement::AuthPolicyNotEnforced
        } else if self.terms.exceeded {
            Enforcement::AwaitingReapproval
        } else if found.plans.is_empty() {
            Enforcement::NoPlans
        } else if found.limits(tier).is_none() {
            Enforcement::UnknownTier(tier.clone())
        } else {
            Enforcement::Enforced
        }
    }

    fn conditions(&self) -> &[Condition] {
        self.key
            .status
            .as_ref()
            .map_or(&[], |status| &status.conditions)
    }

    fn has_credentials(&self) -> bool {
        self.world.credentials_of(self.id).next().is_some()
    }

    /// Whether a decision gives access now.
    fn is_granted(&self) -> bool {
        self.ruling.is_some_and(|ruling| ruling.spec.approved) && !self.is_over()
    }

    /// When access that is given now ends, whatever is missing meanwhile.
    fn expiry(&self) -> Option<Timestamp> {
        let at = instant(self.terms.in_force.expires_at.as_ref());
        at.filter(|_| self.is_granted())
    }

    /// Whether the approved time is over.
    fn is_over(&self) -> bool {
        self.terms
            .in_force
            .expires_at
            .as_ref()
            .is_some_and(|at| at.0 <= self.now)
    }

    /// Whether an answer about the Secret is still to come.
    fn source_is_unread(&self) -> bool {
        let source = self.key.source_secret();
        self.world.find_source(&source).is_none() && !self.world.is_forbidden(&source)
    }
}
