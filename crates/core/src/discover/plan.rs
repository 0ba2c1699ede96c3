//! Which plans apply to a route? On each [path](super::path) those of the most specific
//! PlanPolicy: the operator makes a RateLimitPolicy of it for the same target.
//!
//! Of several on one target the gateway holds one (kuadrant-operator 1.5): the one that is
//! enforced, else the newest. One that is not accepted is shown all the same: the operator
//! says so for seconds of each new one, and while its rate limiter is away.
//!
//! Limits hold by tiers, and which tier a request has is one expression for all of a route: that of
//! any one of the PlanPolicies of the route, whatever part of it they are for, or else of those of
//! the Gateway.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use devportal_api::condition::{Attachment, Fact, Limiter, PlanFault, PlanPolicyState};
use devportal_api::foreign::{PlanPolicy, PlanSpec};
use devportal_api::id::PolicyId;
use devportal_api::name::annotation;
use devportal_api::scheme::{Limits, Plan};
use kube::Resource;

use super::path::Path;
use super::{AuthFindings, is_behind, says};
use crate::surroundings::{Surroundings, Target};

/// What the PlanPolicies around a route amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFindings {
    /// How the product's condition reads.
    pub state: PlanPolicyState,
    /// The plans, in the policy's order.
    pub plans: Vec<Plan>,
    /// Whose requests each of them takes.
    takes: Vec<Requests>,
    /// Why the plans may not hold as they are shown.
    pub faults: Vec<PlanFault>,
    /// Whether others hold, or none, on a path by which requests are known to come, or other
    /// policies may tell which tier a request has.
    pub is_in_part: bool,
    /// The policy that is shown, where the operator has not looked at it as it is now.
    pub behind: Option<PolicyId>,
}

/// Whose requests a plan takes, as far as the text of its predicate tells.
#[derive(Clone, Debug, PartialEq)]
enum Requests {
    All,
    /// Those of a tier.
    Of(String),
    /// Some of those of these tiers, or none.
    Among(Vec<String>),
    Unclear,
}

impl Requests {
    fn taken_by(plan: &PlanSpec) -> Self {
        if plan.predicate.trim() == "true" {
            return Self::All;
        }
        let mut compared: Vec<_> = compared_tiers(&plan.predicate).map(str::to_owned).collect();
        if compared.is_empty() || is_composed(&plan.predicate) {
            return Self::Unclear;
        }
        if compared.len() == 1 && !plan.predicate.contains("&&") {
            return Self::Of(compared.remove(0));
        }
        Self::Among(compared)
    }

    /// Whether those of a tier are among them, where that is known.
    fn has(&self, tier: &str) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Of(of) => Some(of == tier),
            Self::Among(tiers) if !tiers.iter().any(|it| it == tier) => Some(false),
            Self::Among(_) | Self::Unclear => None,
        }
    }
}

impl PlanFindings {
    /// What limits requests of a tier: of the plans that take them the first.
    pub(crate) fn limiter(&self, tier: &str) -> Limiter {
        let all = self.plans.iter().zip(&self.takes);
        let mut first = all.filter(|(_, takes)| takes.has(tier) != Some(false));
        match first.next() {
            _ if self.is_in_part || self.is_outrun() => Limiter::Unknown,
            None => Limiter::Nothing,
            Some((_, takes)) if takes.has(tier).is_none() => Limiter::Unknown,
            Some((plan, _)) => {
                // Of several with one tier the limits of the last hold.
                let mut last = self.plans.iter().rev();
                let last = last.find(|it| it.tier == plan.tier);
                if last.is_some_and(|it| it.limits != Limits::default()) {
                    Limiter::Tier(plan.tier.clone())
                } else {
                    Limiter::Nothing
                }
            }
        }
    }

    /// Whether requests may count as anybody's.
    fn is_outrun(&self) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::Outrun(_));
        self.faults.iter().any(is_so)
    }

    /// How it reads that the policy itself does not hold as it is now, if so.
    pub(crate) fn not_enforced(&self) -> Option<Fact> {
        let is_so = |it: &&PlanFault| matches!(it, PlanFault::NotEnforced(_));
        let fault = self.faults.iter().find(is_so)?;
        PlanFault::fact(std::slice::from_ref(fault))
    }

    /// Whether the plan of a tier is for keys of another one.
    pub(crate) fn is_for_another(&self, tier: &str) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::ForAnother(of) if of == tier);
        self.faults.iter().any(is_so)
    }

    /// The tier whose plan takes the requests of this one.
    pub(crate) fn find_taker(&self, tier: &str) -> Option<&str> {
        self.faults.iter().find_map(|it| match it {
            PlanFault::Taken { tier: of, by } if of == tier => Some(&**by),
            _ => None,
        })
    }

    /// Whether several plans have a tier.
    pub(crate) fn is_twice(&self, tier: &str) -> bool {
        let is_so = |it: &PlanFault| matches!(it, PlanFault::Twice(twice) if twice == tier);
        self.faults.iter().any(is_so)
    }
}

/// What is told is of the given path, where it has plans, else of the first that has some.
pub(super) fn discover(
    around: &Surroundings,
    told: Option<&Path>,
    paths: &[Path],
    auth: &AuthFindings,
) -> PlanFindings {
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
            takes: Vec::new(),
            faults: Vec::new(),
            is_in_part: false,
            behind: None,
        };
    };
    let (id, policy) = policies[0];
    let target = &policy.spec.target_ref;
    let mut faults = Vec::new();
    let status = policy.status.as_ref();
    let is_denied = |kind| says(status, kind, "False");
    if is_denied("Accepted") || is_denied("Enforced") {
        faults.push(PlanFault::NotEnforced(id.clone()));
    }
    if policies.len() > 1 {
        let others = policies[1..].iter().map(|(id, _)| (*id).clone());
        faults.push(PlanFault::Several(id.clone(), others.collect()));
    }
    let others = other_classifiers(around, &all);
    let is_unsure = !others.is_empty();
    if is_unsure {
        faults.push(PlanFault::TiersDiffer(id.clone(), others));
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
    faults.extend(auth.outrun_by.clone().map(PlanFault::Outrun));
    // Whom else they are for, where no keys are made, is the owner's concern.
    let with_keys = policy.spec.plans.iter().filter(|_| auth.key_rule.is_some());
    faults.extend(taken(&policy.spec.plans));
    faults.extend(with_keys.filter_map(mismatch));
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
        plans: policy.spec.plans.iter().map(Plan::from).collect(),
        takes: policy.spec.plans.iter().map(Requests::taken_by).collect(),
        faults,
        is_in_part: is_certain || is_unsure,
        behind: is_behind(policy, status).then(|| id.clone()),
    }
}

/// The policies that may give requests by some open path another tier than the policy that limits
/// them there: kuadrant-operator binds the tier to the route or the Gateway, and not to the part of
/// it that a policy is for.
fn other_classifiers(
    around: &Surroundings,
    all: &[(&Path, Vec<(&PolicyId, &PlanPolicy)>)],
) -> Vec<PolicyId> {
    let mut compared = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (path, policies) in all.iter().filter(|(path, _)| path.is_open) {
        let Some((own, policy)) = policies.first() else {
            continue;
        };
        for (other, classifier) in classifiers(around, path) {
            if compared.insert((*own, other)) && !classify_alike(policy, classifier) {
                others.insert(other.clone());
            }
        }
    }
    others.into_iter().collect()
}

/// Those of which any one tells which tier a request by this path has.
fn classifiers<'a>(
    around: &'a Surroundings,
    path: &Path,
) -> Vec<(&'a PolicyId, &'a Arc<PlanPolicy>)> {
    let mut levels = path.levels().map(|(target, _)| {
        let all = around.plan_policies.at(&target);
        let alive = all.filter(|(_, it)| it.metadata.deletion_timestamp.is_none());
        alive.collect::<Vec<_>>()
    });
    levels.find(|it| !it.is_empty()).unwrap_or_default()
}

/// Whether two policies give each request the same tier. Their limits may differ.
fn classify_alike(one: &PlanPolicy, other: &PlanPolicy) -> bool {
    let (one, other) = (one.spec.plans.iter(), other.spec.plans.iter());
    one.map(|it| (&it.tier, &it.predicate))
        .eq(other.map(|it| (&it.tier, &it.predicate)))
}

/// What is wrong with whom a plan is for, so far as its text tells: its keys carry its tier in an
/// annotation, which a predicate is to compare.
fn mismatch(plan: &PlanSpec) -> Option<PlanFault> {
    let mut compared = compared_tiers(&plan.predicate).peekable();
    let is_compared = compared.peek().is_some();
    let names_tier = || {
        let names = |quote| {
            plan.predicate
                .contains(&format!("{quote}{}{quote}", plan.tier))
        };
        plan.predicate.contains(annotation::PLAN) && (names('"') || names('\''))
    };
    // Without a predicate it is no PlanPolicy of the API server's.
    if matches!(plan.predicate.trim(), "" | "true") || compared.any(|it| it == plan.tier) {
        None
    } else if is_compared && !names_tier() && !is_composed(&plan.predicate) {
        Some(PlanFault::ForAnother(plan.tier.clone()))
    } else {
        (!names_tier()).then(|| PlanFault::ForWhom(plan.tier.clone()))
    }
}

/// The tiers whose requests a plan before theirs takes: of those whose predicates hold the first
/// counts (kuadrant-operator 1.5).
fn taken(plans: &[PlanSpec]) -> impl Iterator<Item = PlanFault> {
    let takes = |before: &PlanSpec, plan: &PlanSpec| {
        Requests::taken_by(before).has(&plan.tier) == Some(true)
    };
    plans.iter().enumerate().filter_map(move |(at, plan)| {
        let before = plans[..at].iter();
        // One of its own tier was there first.
        let mut first = before.filter(|it| it.tier == plan.tier || takes(it, plan));
        let by = first.next().filter(|it| it.tier != plan.tier)?;
        Some(PlanFault::Taken {
            tier: plan.tier.clone(),
            by: by.tier.clone(),
        })
    })
}

/// Whether a predicate may hold although one of its comparisons does not.
fn is_composed(predicate: &str) -> bool {
    ["!", "||", "?"].iter().any(|it| predicate.contains(it))
}

/// The texts that a predicate compares the annotation with, as in `…["…/plan-id"] == "gold"`.
fn compared_tiers(predicate: &str) -> impl Iterator<Item = &str> {
    let after = predicate.split(annotation::PLAN).skip(1);
    after.filter_map(|it| {
        let it = it
            .strip_prefix(['"', '\''])?
            .trim_start()
            .strip_prefix(']')?;
        let it = it.trim_start().strip_prefix("==")?.trim_start();
        let quote = it.chars().next().filter(|it| ['"', '\''].contains(it))?;
        let (tier, _) = it[1..].split_once(quote)?;
        Some(tier)
    })
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
