//! What is to become of a key's Secrets? A fault takes nothing away; denial, expiry
//! and real removal do.

use devportal_api::condition::{
    AuthPolicyState, Blocker, Enforcement, Fact, Lifecycle, Limiter, RouteState, whole_second,
};
use devportal_api::id::{ApprovalId, ProductId, RequestId, SecretId};
use devportal_api::scheme::Limits;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use devportal_mirror::{Found, Scope};
use jiff::{SignedDuration, Timestamp};

use super::{Case, GRACE, Standing};
use crate::brake::{Cause, Hindrance};
use crate::decide::{after, credential, instant, ruling, terms};
use crate::decision::{Decision, Group, Id, Presence, Write};
use crate::discover::{self, Discovery};
use crate::world::{Doubt, World};

/// How long others may take to carry out a change before keys say that they have not.
const CHANGES_TAKE: SignedDuration = SignedDuration::from_mins(1);

/// What is to become of the Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// They are to exist as approved.
    Issue,
    /// They stay as they are until the given time.
    Hold(Option<Timestamp>),
    /// The gateway's are to go, unless a live look finds this; the source stays: it may
    /// come back with its value.
    Suspend(Option<Presence>),
    /// All are to go.
    Withdraw,
}

/// How far the Secrets are.
pub(super) enum Access {
    /// There is nothing to write. How the enforcement reads, if there is any.
    Settled(Option<Enforcement>),
    /// Something is being written.
    Writing,
    /// Something is to be written, and the API server does not let it.
    Hindered(Enforcement),
    /// Something has to be observed first.
    Waiting,
}

impl Access {
    pub(super) fn enforcement(self) -> Option<Enforcement> {
        match self {
            Self::Settled(it) => it,
            Self::Hindered(it) => Some(it),
            Self::Writing | Self::Waiting => None,
        }
    }
}

impl Case<'_> {
    pub(super) fn course(&self, standing: &Standing) -> Course {
        let lifecycle = match standing {
            Standing::Doubtful(_) => return Course::Hold(None),
            Standing::Known(lifecycle) => lifecycle,
        };
        match lifecycle {
            // A denial of version 0.1 whose record is yet to be written, or is refused.
            _ if self.inheritance() == Some(false) => Course::Withdraw,
            Lifecycle::Approved(_) => Course::Issue,
            Lifecycle::Denied(_) | Lifecycle::Expired(_) => Course::Withdraw,
            // That nobody decided is no denial.
            Lifecycle::Pending if self.is_to_be_tied() => Course::Hold(None),
            Lifecycle::Pending => Course::Suspend(self.unless_decided()),
            Lifecycle::Failed(_) if self.ruling().is_some() && !self.is_granted() => {
                Course::Withdraw
            }
            Lifecycle::Failed(blocker) => self.course_without(blocker),
        }
    }

    /// What becomes of the Secrets of a key that lacks something, and that nobody denied.
    fn course_without(&self, missing: &Blocker) -> Course {
        match missing {
            _ if !self.has_credentials() => Course::Suspend(None),
            // These take access away whoever decided what.
            Blocker::ProductDeleting(_)
            | Blocker::SecretNotFound(_)
            | Blocker::SecretEntryNotFound(_)
            | Blocker::SecretEntryEmpty(_)
            | Blocker::SecretValueUnsendable(..)
            | Blocker::SecretValueWeak(..) => Course::Suspend(None),
            Blocker::ProductNotFound(product) => {
                let is_seen = matches!(self.world.products().look(product), Found::Ended);
                Course::Suspend((!is_seen).then(|| Presence::Product(product.clone())))
            }
            _ if self.is_undecided() && !self.is_to_be_tied() => {
                Course::Suspend(self.unless_decided())
            }
            // What was seen to be taken away meanwhile goes.
            Blocker::KuadrantNotFound => match self.removal() {
                Some(Lifecycle::Failed(missing)) => self.course_without(&missing),
                _ => Course::Hold(None),
            },
            Blocker::AuthSchemeNotFound(product) | Blocker::ApiKeyAuthSchemeNotFound(product) => {
                let until = self.grace_until();
                if self.now < until {
                    Course::Hold(Some(until))
                } else if self.is_sure_of_policies(product) {
                    Course::Suspend(None)
                } else {
                    Course::Hold(None)
                }
            }
        }
    }

    /// Whether the decision about a key that opens the API was replaced while nobody looked, and
    /// the one that is there waits for nothing but to be tied to the request.
    fn is_to_be_tied(&self) -> bool {
        let is_alive = |it: &&APIKeyRequest| it.metadata.deletion_timestamp.is_none();
        let Some(request) = self.request.filter(is_alive) else {
            return false;
        };
        let is_refused = |approval: &APIKeyApproval| {
            let id = Id::Approval(ApprovalId::of(approval));
            match self.world.hindrance(&id, Group::Record) {
                Some(Hindrance::Failed(failure)) => failure.cause != Cause::Passing,
                Some(Hindrance::DoesNotStay) => true,
                None => false,
            }
        };
        let awaited = terms::awaited(request, self.world);
        self.has_credentials() && awaited.into_iter().any(|it| !is_refused(it))
    }

    /// The look for a decision that is taken for gone: none where it was seen to end.
    fn unless_decided(&self) -> Option<Presence> {
        if self.has_decision_ended() {
            return None;
        }
        match self.request {
            Some(request) => {
                let version = self.world.approvals().version(&Scope::Cluster);
                Some(Presence::Approval(RequestId::of(request), version))
            }
            None => match self.world.requests().look(&self.home) {
                // It ended, or another's has its name.
                Found::Ended | Found::Present(_) | Found::Flawed(Some(_), _) => None,
                Found::Absent | Found::Unknown | Found::Flawed(None, _) => {
                    Some(Presence::Request(self.home.clone(), None))
                }
            },
        }
    }

    fn is_sure_of_policies(&self, product: &ProductId) -> bool {
        let product = self.world.find_product(product);
        let route = product.map(discover::route_of);
        route.is_some_and(|route| self.world.around().is_sure(&route))
    }

    /// When credentials go for want of a scheme. It is told in the status, so that
    /// neither a restart nor another fault before it changes how long they stay.
    fn grace_until(&self) -> Timestamp {
        let status = self.key.status.as_ref();
        let told = status.and_then(|status| status.grace_until.as_ref());
        // A definition that lacks the field leaves the condition to tell since when.
        let failed = status.filter(|_| !self.world.keeps::<APIKey>("status.graceUntil"));
        let since = failed.and_then(|status| {
            let mut conditions = status.conditions.iter();
            conditions.find(|it| lacks_scheme(&it.reason))
        });
        let since = since.map(|it| after(it.last_transition_time.0, GRACE));
        let latest = after(whole_second(self.now), GRACE);
        let until = instant(told).or(since).unwrap_or(latest);
        // Whoever else may write a status gains no more time by it.
        until.min(latest)
    }

    /// Brings the Secrets one step closer to what they are to be.
    pub(super) fn access(
        &self,
        standing: &Standing,
        course: &Course,
        decision: &mut Decision,
    ) -> Access {
        let (access, writes) = match course {
            Course::Withdraw => (
                Access::Settled(self.not_yet_gone()),
                self.withdrawal(None, true),
            ),
            Course::Suspend(unless) => {
                // A key that nothing was made for has nothing to take away unseen.
                let left = if self.told().is_empty() {
                    self.held()
                } else {
                    self.not_yet_gone()
                };
                let writes = self.withdrawal(unless.as_ref(), false);
                (Access::Settled(left), writes)
            }
            Course::Hold(_) if *standing == Standing::Known(Lifecycle::Pending) => {
                (Access::Waiting, vec![])
            }
            Course::Hold(until) => {
                decision.wake(*until);
                self.hold(standing, decision)
            }
            Course::Issue => self.issue(decision),
        };
        decision.writes.extend(writes);
        if let Standing::Known(_) = standing {
            self.retire(decision);
        }
        let is_writing = !decision.writes.is_empty();
        match self.hindered(decision) {
            Some(hindered) => Access::Hindered(hindered),
            None if is_writing => Access::Writing,
            // When the grace ends is told at once.
            None if self.is_source_unread() && !matches!(course, Course::Hold(Some(_))) => {
                Access::Waiting
            }
            None => access,
        }
    }

    fn withdrawal(&self, unless: Option<&Presence>, with_source: bool) -> Vec<Write> {
        let mut writes = credential::withdraw(self.id, self.world, |_| unless.cloned());
        if with_source {
            writes.extend(credential::withdraw_source(self.id, self.key, self.world));
        }
        writes
    }

    /// What keeps it from being said that all access is gone: nobody can look, or a
    /// finalizer holds a Secret that the gateway goes on reading.
    fn not_yet_gone(&self) -> Option<Enforcement> {
        self.held()
            .or_else(|| match self.world.kuadrant_namespace() {
                Some(namespace) => self.unseen_secrets(namespace),
                None => World::unseen(self.world.kuadrants())
                    .map(|doubt| Enforcement::Unknown(doubt.what, doubt.why)),
            })
    }

    /// A Secret that is to go, is held, and has a value that no other Secret of the key has:
    /// the gateway goes on reading it.
    fn held(&self) -> Option<Enforcement> {
        credential::find_held(self.id, self.world).map(credential::held)
    }

    /// Why the enforcement Secrets cannot be listed, if they cannot.
    fn unseen_secrets(&self, namespace: &str) -> Option<Enforcement> {
        let credentials = self.world.credentials();
        let sight = credentials.sight(&Scope::Namespace(namespace.to_owned()));
        let trouble = sight.trouble().filter(|_| !sight.is_listed())?;
        let what = format!("Enforcement Secrets in {namespace}");
        Some(Enforcement::Unknown(what, trouble.to_string()))
    }

    /// In doubt the Secrets tell themselves when they end.
    fn hold(&self, standing: &Standing, decision: &mut Decision) -> (Access, Vec<Write>) {
        let Standing::Doubtful(doubt) = standing else {
            return (Access::Settled(None), vec![]);
        };
        let (mut writes, next) = credential::retire(self.id, self.key, self.world, self.now);
        decision.wake(next);
        // Until when the key is approved is known, or else each Secret says it itself.
        if self.ruling.is_err() {
            let (over, next) = credential::expired(self.id, self.world, self.now);
            writes.extend(
                over.into_iter()
                    .filter(|it| !writes.contains(it))
                    .collect::<Vec<_>>(),
            );
            decision.wake(next);
        }
        (Access::Settled(Some(doubtful(doubt))), writes)
    }

    /// Ends what a rotation replaced, on time, and what opens anything but what is
    /// in force: both whatever else is missing.
    fn retire(&self, decision: &mut Decision) {
        let (over, next) = credential::retire(self.id, self.key, self.world, self.now);
        let astray = credential::astray(self.id, self.key, &self.terms.product_id(), self.world);
        for write in over.into_iter().chain(astray) {
            let target = write.target();
            if decision.writes.iter().all(|it| it.target() != target) {
                decision.writes.push(write);
            }
        }
        decision.wake(next);
    }

    /// Brings the Secrets one step closer to what was approved.
    fn issue(&self, decision: &mut Decision) -> (Access, Vec<Write>) {
        let (Some(found), Some(namespace)) = (self.found, self.world.kuadrant_namespace()) else {
            return (Access::Waiting, vec![]);
        };
        if !self.world.credentials().is_listed(namespace) {
            let access = match self.unseen_secrets(namespace) {
                None => Access::Waiting,
                unseen => Access::Settled(unseen),
            };
            return (access, vec![]);
        }
        let Some(rule) = found.auth.key_rule.as_ref() else {
            // What is in place stays, until the policy is accepted again.
            let enforcement = Enforcement::AuthPolicyNotEnforced;
            return (Access::Settled(Some(enforcement)), vec![]);
        };
        let recipe = credential::Recipe {
            id: self.id,
            key: self.key,
            terms: &self.terms.in_force,
            rule,
            namespace,
            world: self.world,
            now: self.now,
            is_restored: (self.ruling()).is_some_and(|it| ruling::is_older(it, self.key)),
        };
        decision.wake(recipe.settles_at().filter(|at| self.now < *at));
        match recipe.next() {
            credential::Step::Write(writes) => (Access::Writing, writes),
            credential::Step::Wait => (Access::Waiting, vec![]),
            credential::Step::Stuck(why) => (Access::Settled(Some(why)), vec![]),
            credential::Step::Yield(until) => {
                decision.wake(Some(until));
                (Access::Settled(Some(Enforcement::ValueInUse)), vec![])
            }
            credential::Step::Done => {
                let held = self.held();
                let enforcement = held.unwrap_or_else(|| self.enforcement(found, decision));
                (Access::Settled(Some(enforcement)), vec![])
            }
        }
    }

    /// What keeps what was found from being in force, and when the key says so: the operator or a
    /// Gateway controller says it for seconds of each change, and of the product's keys none is to
    /// be written for that.
    fn delays(&self, found: &Discovery) -> Vec<(Enforcement, Timestamp)> {
        let behind = |is_so: bool| found.behind().filter(|_| is_so);
        let all = [
            (
                (!matches!(found.route, RouteState::Accepted(_))).then(|| found.route.fact()),
                Enforcement::RouteNotAccepted,
            ),
            (
                behind(!found.auth.behind.is_empty()),
                Enforcement::AuthPolicyNotEnforced,
            ),
            (found.plan.not_enforced(), Enforcement::PlansNotEnforced),
            (
                behind(found.plan.behind.is_some()),
                Enforcement::PlansNotEnforced,
            ),
        ];
        let product = self.world.find_product(&self.terms.product_id());
        let told = product.and_then(|it| it.status.as_ref());
        let since = |fact: Fact| {
            let mut conditions = told.into_iter().flat_map(|it| &it.conditions);
            let told = conditions.find(|it| it.type_ == fact.kind && it.reason == fact.reason);
            told.map_or(self.now, |it| it.last_transition_time.0)
        };
        let all = all.into_iter();
        all.filter_map(|(fact, it)| Some((it, after(since(fact?), CHANGES_TAKE))))
            .collect()
    }

    /// What the gateway makes of a credential that is in place.
    fn enforcement(&self, found: &Discovery, decision: &mut Decision) -> Enforcement {
        let tier = &self.terms.in_force.plan_tier;
        let plans = self.world.around().plan_policies.table();
        let delays = self.delays(found);
        for (_, at) in &delays {
            decision.wake(Some(*at).filter(|at| self.now < *at));
        }
        let is_late = |what: &Enforcement| {
            let mut all = delays.iter();
            all.any(|(it, at)| it == what && *at <= self.now)
        };
        if is_late(&Enforcement::RouteNotAccepted) {
            Enforcement::RouteNotAccepted
        } else if !matches!(found.auth.state, AuthPolicyState::Found(_))
            || is_late(&Enforcement::AuthPolicyNotEnforced)
        {
            Enforcement::AuthPolicyNotEnforced
        } else if found.auth.refusals.iter().any(|it| it.is_certain) {
            Enforcement::RefusedInPart
        } else if let Some(doubt) = World::unseen(plans) {
            Enforcement::Unknown(doubt.what, doubt.why)
        } else if found.plan.plans.is_empty() {
            Enforcement::NoPlans
        } else {
            match found.limits(tier) {
                None if is_late(&Enforcement::PlansNotEnforced) => {
                    Enforcement::UnknownTier(tier.clone(), Limiter::Unknown)
                }
                None => Enforcement::UnknownTier(tier.clone(), found.plan.limiter(tier)),
                Some(_) if is_late(&Enforcement::PlansNotEnforced) => Enforcement::PlansNotEnforced,
                Some(_) if found.plan.is_in_part => Enforcement::PlansDiffer,
                Some(limits) => self.limited(found, tier, limits),
            }
        }
    }

    /// The same where a plan that holds everywhere has the tier.
    fn limited(&self, found: &Discovery, tier: &str, limits: &Limits) -> Enforcement {
        let is_limited = *limits != Limits::default();
        let limiter = || found.plan.limiter(tier);
        if let Some(rule) = found.auth.outrun_by.clone() {
            Enforcement::Outrun(rule)
        } else if let Some(by) = found.plan.find_taker(tier) {
            Enforcement::TierTaken(tier.to_owned(), by.to_owned(), limiter())
        } else if found.plan.is_for_another(tier) && !found.plan.is_twice(tier) {
            Enforcement::PlanForAnother(tier.to_owned(), limiter())
        } else if found.plan.is_twice(tier) {
            Enforcement::DuplicateTier(tier.to_owned(), is_limited)
        } else if !is_limited {
            Enforcement::Unlimited(tier.to_owned())
        } else if self.terms.exceeded {
            Enforcement::AwaitingReapproval
        } else {
            Enforcement::Enforced
        }
    }

    /// Whether an answer about the source is still to come.
    pub(super) fn is_source_unread(&self) -> bool {
        let source = find_source_id(self.key);
        source.is_some_and(|it| self.world.find_source(&it).is_none())
    }

    /// What keeps the writes from being made, for some time already.
    fn hindered(&self, decision: &Decision) -> Option<Enforcement> {
        let has = |group| decision.writes.iter().any(|it| it.group() == group);
        let hindrance = |group| {
            let why = self.world.hindrance(&self.queue_id(), group);
            why.filter(|_| has(group))
        };
        if let Some(Hindrance::Failed(failure)) = hindrance(Group::Revoke) {
            return Some(Enforcement::RevocationRefused(failure.refused()));
        }
        let namespace = || {
            self.world
                .kuadrant_namespace()
                .unwrap_or_default()
                .to_owned()
        };
        match hindrance(Group::Access)? {
            Hindrance::DoesNotStay => Some(Enforcement::SecretsAltered(namespace())),
            Hindrance::Failed(failure) => {
                let id = failure.target.strip_prefix("Secret ")?.split_once('/')?;
                let id = SecretId::new(id.0, id.1);
                Some(match failure.cause {
                    Cause::NameTaken => Enforcement::SecretConflict(id),
                    Cause::Refused | Cause::Passing => {
                        Enforcement::SecretRefused(id, failure.reason.clone())
                    }
                })
            }
        }
    }
}

/// Where the value of a key comes from; a key that is shown once has it in no Secret but
/// the gateway's.
pub(super) fn find_source_id(key: &APIKey) -> Option<SecretId> {
    (!key.is_shown_once()).then(|| key.source_secret())
}

/// Whether a key fails for this reason for want of a scheme that takes it.
pub(super) fn lacks_scheme(reason: &str) -> bool {
    reason.ends_with("AuthSchemeNotFound")
}

/// How a doubt reads on a key.
pub(super) fn doubtful(doubt: &Doubt) -> Enforcement {
    let (what, why) = (doubt.what.clone(), doubt.why.clone());
    if doubt.unreadable {
        Enforcement::Unreadable(what, why)
    } else {
        Enforcement::Unknown(what, why)
    }
}
