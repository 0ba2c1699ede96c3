//! Which plans apply to a route? On each [path](super::path) those of the most specific
//! PlanPolicy: the operator makes a RateLimitPolicy of it for the same target.
//!
//! Of several on one target the gateway holds one (kuadrant-operator 1.5): the one that is
//! enforced, else the newest. One that is not accepted is shown all the same: the operator
//! says so for seconds of each new one, and while its rate limiter is away.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use devportal_api::condition::{Attachment, PlanFault, PlanPolicyState};
use devportal_api::foreign::PlanPolicy;
use devportal_api::id::PolicyId;
use devportal_api::scheme::{Limits, Plan};
use kube::Resource;

use super::path::Path;
use super::says;
use crate::surroundings::{Surroundings, Target};

/// What the PlanPolicies around a route amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFindings {
    /// How the product's condition reads.
    pub state: PlanPolicyState,
    /// The plans, in the policy's order.
    pub plans: Vec<Plan>,
    /// Why the plans may not hold as they are shown.
    pub faults: Vec<PlanFault>,
    /// Whether others hold, or none, on a path by which requests are known to come.
    pub is_in_part: bool,
}

impl PlanFindings {
    /// Whether the policy itself says that it does not hold.
    pub fn is_not_enforced(&self) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::NotEnforced(_));
        self.faults.iter().any(is_so)
    }

    /// Whether several plans have a tier.
    pub(crate) fn is_twice(&self, tier: &str) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::Twice(twice) if twice == tier);
        self.faults.iter().any(is_so)
    }
}

/// What is told is of the given path, where it has plans, else of the first that has some.
pub(super) fn discover(around: &Surroundings, told: Option<&Path>, paths: &[Path]) -> PlanFindings {
    let all: Vec<_> = paths
        .iter()
        .map(|path| (path, along(around, path)))
        .collect();
    let is_told = |(path, _): &&(&Path, Vec<_>)| Some(*path) == told;
    let of_told = all.iter().filter(is_told);
    let mut shown = of_told.chain(&all).map(|(_, policies)| policies);
    let Some(policies) = shown.find(|it| !it.is_empty()) else {
        return PlanFindings {
            state: PlanPolicyState::NotFound,
            plans: Vec::new(),
            faults: Vec::new(),
            is_in_part: false,
        };
    };
    let (id, policy) = policies[0];
    let target = &policy.spec.target_ref;
    let mut faults = Vec::new();
    if says(policy.status.as_ref(), "Accepted", "False")
        || says(policy.status.as_ref(), "Enforced", "False")
    {
        faults.push(PlanFault::NotEnforced(id.clone()));
    }
    if policies.len() > 1 {
        let others = policies[1..].iter().map(|(id, _)| (*id).clone());
        faults.push(PlanFault::Several(id.clone(), others.collect()));
    }
    let held = |policies: &[(&PolicyId, _)]| policies.first().map(|(id, _)| (*id).clone());
    let all = all.iter().filter(|(path, _)| path.is_open);
    let others: Vec<_> = all
        .filter(|(_, it)| held(it).as_ref() != Some(id))
        .collect();
    let is_certain = others.iter().any(|(path, _)| path.is_certain);
    if !others.is_empty() {
        let others = others.iter().map(|(path, it)| (path.to_string(), held(it)));
        faults.push(PlanFault::InPart(id.clone(), others.collect()));
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
        is_in_part: is_certain,
    }
}

/// The policies that are the most specific on a path, the one that the gateway holds first.
fn along<'a>(around: &'a Surroundings, path: &Path) -> Vec<(&'a PolicyId, &'a PlanPolicy)> {
    let mut levels = path
        .levels()
        .map(|(target, part)| at(around, &target, part));
    levels.find(|it| !it.is_empty()).unwrap_or_default()
}

fn at<'a>(
    around: &'a Surroundings,
    target: &Target,
    part: Option<&str>,
) -> Vec<(&'a PolicyId, &'a PlanPolicy)> {
    let policies = around.plan_policies.on(target, part);
    let mut policies: Vec<_> = policies.map(|(id, policy)| (id, &**policy)).collect();
    policies.sort_by_key(|(id, policy)| {
        let created = policy.meta().creation_timestamp.as_ref().map(|at| at.0);
        // Also of the spec before: the limits of that hold until the operator is through.
        let is = |kind| says(policy.status.as_ref(), kind, "True");
        (Reverse((is("Enforced"), is("Accepted"), created)), *id)
    });
    policies
}
