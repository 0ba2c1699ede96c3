//! Which plans apply to a route? The PlanPolicy on it, else on its Gateways.
//! A PlanPolicy ignores `sectionName`.
//!
//! Of several on one target the gateway holds one (kuadrant-operator 1.5): the one that is
//! enforced, else the newest. One that is not accepted is shown all the same: the operator
//! says so for seconds of each new one, and while its rate limiter is away.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use devportal_api::condition::{Attachment, PlanFault, PlanPolicyState};
use devportal_api::foreign::{HTTPRoute, PlanPolicy};
use devportal_api::id::{PolicyId, RouteId};
use devportal_api::scheme::{Limits, Plan};
use kube::Resource;

use crate::surroundings::{Surroundings, Target, gateways_of};

/// What the PlanPolicies around a route amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFindings {
    /// How the product's condition reads.
    pub state: PlanPolicyState,
    /// The plans, in the policy's order.
    pub plans: Vec<Plan>,
    /// Why the plans may not hold as they are shown.
    pub faults: Vec<PlanFault>,
}

impl PlanFindings {
    /// Whether the policy itself says that it does not hold.
    pub(crate) fn is_not_enforced(&self) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::NotEnforced(_));
        self.faults.iter().any(is_so)
    }

    /// Whether several plans have a tier.
    pub(crate) fn is_twice(&self, tier: &str) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::Twice(twice) if twice == tier);
        self.faults.iter().any(is_so)
    }
}

pub(super) fn discover(
    around: &Surroundings,
    id: &RouteId,
    route: Option<&HTTPRoute>,
) -> PlanFindings {
    let targets = route
        .into_iter()
        .flat_map(|route| std::iter::once(Target::Route(id.clone())).chain(gateways_of(id, route)));
    let mut policies = targets.map(|target| at(around, &target));
    let Some(policies) = policies.find(|it| !it.is_empty()) else {
        return PlanFindings {
            state: PlanPolicyState::NotFound,
            plans: Vec::new(),
            faults: Vec::new(),
        };
    };
    let (id, policy) = policies[0];
    let target = &policy.spec.target_ref;
    let mut faults = Vec::new();
    if says(policy, "Accepted", "False") || says(policy, "Enforced", "False") {
        faults.push(PlanFault::NotEnforced(id.clone()));
    }
    if policies.len() > 1 {
        let others = policies[1..].iter().map(|(id, _)| (*id).clone());
        faults.push(PlanFault::Several(id.clone(), others.collect()));
    }
    let mut seen = BTreeSet::new();
    let tiers = policy.spec.plans.iter().map(|plan| plan.tier.as_str());
    let twice: BTreeSet<_> = tiers.filter(|tier| !seen.insert(*tier)).collect();
    faults.extend(twice.iter().map(|it| PlanFault::Twice((*it).to_owned())));
    let unlimited = policy.spec.plans.iter().filter(|plan| {
        // Of a tier that is there twice the key tells.
        plan.limits == Limits::default() && !twice.contains(plan.tier.as_str())
    });
    faults.extend(unlimited.map(|plan| PlanFault::Unlimited(plan.tier.clone())));
    PlanFindings {
        state: PlanPolicyState::Found(Attachment {
            policy: id.clone(),
            target_kind: target.kind.clone(),
            target_name: target.name.clone(),
        }),
        plans: policy.spec.plans.clone(),
        faults,
    }
}

/// The policies on a target, the one that the gateway holds first.
fn at<'a>(around: &'a Surroundings, target: &Target) -> Vec<(&'a PolicyId, &'a PlanPolicy)> {
    let policies = around.plan_policies.at(target);
    let mut policies: Vec<_> = policies
        .map(|(id, policy)| (id, &**policy))
        .filter(|(_, policy)| policy.meta().deletion_timestamp.is_none())
        .collect();
    policies.sort_by_key(|(id, policy)| {
        let created = policy.meta().creation_timestamp.as_ref().map(|at| at.0);
        let is = |kind| says(policy, kind, "True");
        (Reverse((is("Enforced"), is("Accepted"), created)), *id)
    });
    policies
}

/// Also of the spec before: the limits of that hold until the operator is through.
fn says(policy: &PlanPolicy, kind: &str, status: &str) -> bool {
    let conditions = policy.status.iter().flat_map(|it| &it.conditions);
    conditions
        .into_iter()
        .any(|it| it.type_ == kind && it.status == status)
}
