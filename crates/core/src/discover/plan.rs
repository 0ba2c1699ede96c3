//! Which plans apply to a route? The PlanPolicy on it, else on its Gateways.
//! A PlanPolicy ignores `sectionName`.

use devportal_api::condition::{Attachment, PlanPolicyState};
use devportal_api::foreign::{HTTPRoute, PlanPolicy};
use devportal_api::id::{PolicyId, RouteId};
use devportal_api::scheme::Plan;
use kube::Resource;

use crate::surroundings::{Surroundings, Target, gateways_of};

pub(super) fn discover(
    around: &Surroundings,
    id: &RouteId,
    route: Option<&HTTPRoute>,
) -> (PlanPolicyState, Vec<Plan>) {
    let Some(route) = route else {
        return (PlanPolicyState::NotFound, Vec::new());
    };
    let mut targets = std::iter::once(Target::Route(id.clone())).chain(gateways_of(id, route));
    match targets.find_map(|target| oldest(around, &target)) {
        None => (PlanPolicyState::NotFound, Vec::new()),
        Some((id, policy)) => {
            let attachment = Attachment {
                policy: id.clone(),
                target_kind: policy.spec.target_ref.kind.clone(),
                target_name: policy.spec.target_ref.name.clone(),
            };
            (
                PlanPolicyState::Found(attachment),
                policy.spec.plans.clone(),
            )
        }
    }
}

fn oldest<'a>(around: &'a Surroundings, target: &Target) -> Option<(&'a PolicyId, &'a PlanPolicy)> {
    around
        .plan_policies
        .at(target)
        .map(|(id, policy)| (id, &**policy))
        .filter(|(_, policy)| policy.meta().deletion_timestamp.is_none())
        .min_by_key(|(id, policy)| {
            (
                policy.meta().creation_timestamp.as_ref().map(|at| at.0),
                *id,
            )
        })
}
