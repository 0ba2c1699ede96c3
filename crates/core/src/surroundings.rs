//! What is known around routes: the routes, the policies, and what they are attached
//! to. All that discovery reads.

use std::collections::BTreeMap;

use devportal_api::foreign::{
    AuthPolicy, GATEWAY_GROUP, Gateway, HTTPRoute, ParentRef, PlanPolicy, PolicyTarget,
};
use devportal_api::id::{GatewayId, PolicyId, RouteId};
use devportal_mirror::table::Taken;
use devportal_mirror::{Difference, Index, Kind, Scope, Sight, Table, Told};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

/// What a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An HTTPRoute.
    Route(RouteId),
    /// A Gateway.
    Gateway(GatewayId),
}

impl Target {
    /// The target of a policy, always in the policy's namespace; `None` for
    /// kinds no product can wrap.
    fn of_policy(policy: &PolicyId, target: &PolicyTarget) -> Option<Self> {
        match (target.group.as_str(), target.kind.as_str()) {
            (GATEWAY_GROUP, "HTTPRoute") => {
                Some(Self::Route(RouteId::new(&policy.namespace, &target.name)))
            }
            (GATEWAY_GROUP, "Gateway") => Some(Self::Gateway(GatewayId::new(
                &policy.namespace,
                &target.name,
            ))),
            _ => None,
        }
    }

    pub(crate) fn of_parent(route: &RouteId, parent: &ParentRef) -> Option<Self> {
        let is_gateway = parent.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
            && parent.kind.as_deref().unwrap_or("Gateway") == "Gateway";
        let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
        is_gateway.then(|| Self::Gateway(GatewayId::new(namespace, &parent.name)))
    }

    fn namespace(&self) -> &str {
        match self {
            Self::Route(id) => &id.namespace,
            Self::Gateway(id) => &id.namespace,
        }
    }
}

/// A parent of a route with all that it may leave out: what tells it from the others.
pub(crate) fn whole(route: &RouteId, parent: &ParentRef) -> ParentRef {
    let or = |given: &Option<String>, default: &str| {
        Some(given.as_deref().unwrap_or(default).to_owned())
    };
    ParentRef {
        group: or(&parent.group, GATEWAY_GROUP),
        kind: or(&parent.kind, "Gateway"),
        namespace: or(&parent.namespace, &route.namespace),
        ..parent.clone()
    }
}

/// The Gateways a route hangs on.
pub(crate) fn gateways_of(id: &RouteId, route: &HTTPRoute) -> Vec<Target> {
    let parents = route.spec.parent_refs.iter();
    parents
        .filter_map(|parent| Target::of_parent(id, parent))
        .collect()
}

/// A policy of one kind or the other.
pub trait Policy: Kind<Id = PolicyId> {
    /// What it is attached to.
    fn target(kept: &Self::Kept) -> &PolicyTarget;

    /// Its metadata.
    fn meta(kept: &Self::Kept) -> &ObjectMeta;
}

impl Policy for AuthPolicy {
    fn target(kept: &Self::Kept) -> &PolicyTarget {
        &kept.spec.target_ref
    }

    fn meta(kept: &Self::Kept) -> &ObjectMeta {
        &kept.metadata
    }
}

impl Policy for PlanPolicy {
    fn target(kept: &Self::Kept) -> &PolicyTarget {
        &kept.spec.target_ref
    }

    fn meta(kept: &Self::Kept) -> &ObjectMeta {
        &kept.metadata
    }
}

/// What a change of a policy bears on.
#[derive(Debug)]
pub enum Bearing {
    /// What it was attached to, or is.
    On(Vec<Target>),
    /// Every route: of some policy it is not known, or was not, what it is attached to.
    OnAll,
}

/// The policies of a kind, by what they are attached to.
#[derive(Debug)]
pub struct Policies<P: Policy> {
    table: Table<P>,
    by_target: Index<PolicyId, Target>,
}

impl<P: Policy> Default for Policies<P> {
    fn default() -> Self {
        Self {
            table: Table::default(),
            by_target: Index::default(),
        }
    }
}

impl<P: Policy> Policies<P> {
    /// Takes an observation in. What it bears on, and what became of the sight.
    pub fn take(&mut self, told: Told<P>) -> (Bearing, Taken<P>) {
        let before = self.unread();
        let mut taken = self.table.take(told);
        let differences = std::mem::take(&mut taken.differences);
        let mut targets = Vec::new();
        for Difference { id, old, new } in differences {
            let target = |kept: &P::Kept| Target::of_policy(&id, P::target(kept));
            let (old, new) = (old.as_ref().and_then(target), new.as_ref().and_then(target));
            self.by_target.set(&id, new.clone());
            targets.extend(old.into_iter().chain(new));
        }
        let bearing = if self.unread() == before {
            Bearing::On(targets)
        } else {
            Bearing::OnAll
        };
        (bearing, taken)
    }

    /// Those that were never read: each may be at any route.
    fn unread(&self) -> BTreeMap<PolicyId, String> {
        let flawed = self.table.flawed();
        let unread = flawed.filter(|(id, _)| !self.table.has(id));
        unread
            .map(|(id, flaw)| (id.clone(), flaw.words().clone()))
            .collect()
    }

    /// The policies attached to a target or a part of it.
    pub(crate) fn at<'a>(
        &'a self,
        target: &Target,
    ) -> impl Iterator<Item = (&'a PolicyId, &'a P::Kept)> {
        let ids = self.by_target.referrers(target);
        ids.filter_map(|id| Some((id, self.table.find(id)?)))
    }

    /// Those that are there to stay and attached to this part of it, or to the whole.
    pub(crate) fn on<'a>(
        &'a self,
        target: &Target,
        part: Option<&str>,
    ) -> impl Iterator<Item = (&'a PolicyId, &'a P::Kept)> {
        self.at(target).filter(move |(_, policy)| {
            P::meta(policy).deletion_timestamp.is_none()
                && P::target(policy).section_name.as_deref() == part
        })
    }

    /// The policies and how sure is what is known of them.
    pub fn table(&self) -> &Table<P> {
        &self.table
    }

    /// What cannot be read of the policies at a target, or may be at it.
    fn flaw_at(&self, targets: &[Target]) -> Option<String> {
        let mut flawed = self.table.flawed();
        let (id, flaw) = flawed.find(|(id, _)| match self.table.find(id) {
            Some(_) => (self.by_target.targets(id)).any(|target| targets.contains(target)),
            None => targets.iter().any(|it| id.namespace == it.namespace()),
        })?;
        Some(format!("{} {id}: {}", P::NAME, flaw.words()))
    }
}

/// Everything around routes.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The routes.
    pub routes: Table<HTTPRoute>,
    /// Where requests to them come in. kuadrant-operator's role gives no right to list them: where
    /// they are not known, a route without `sectionName` may be attached to any listener.
    pub gateways: Table<Gateway>,
    /// Who may come in.
    pub auth_policies: Policies<AuthPolicy>,
    /// How often.
    pub plan_policies: Policies<PlanPolicy>,
}

impl Surroundings {
    /// The route, if it is there to stay.
    pub(crate) fn find_route(&self, id: &RouteId) -> Option<&HTTPRoute> {
        let route = self.routes.find(id).map(|it| &**it);
        route.filter(|route| route.meta().deletion_timestamp.is_none())
    }

    /// The Gateway that a route names as its parent, if it is known.
    pub(crate) fn find_gateway(&self, route: &RouteId, parent: &ParentRef) -> Option<&Gateway> {
        match Target::of_parent(route, parent)? {
            Target::Gateway(id) => self.gateways.find(&id).map(|it| &**it),
            Target::Route(_) => None,
        }
    }

    /// Whether what does not show around a route is known not to be there: everything
    /// is followed, and can be read.
    pub(crate) fn is_sure(&self, id: &RouteId) -> bool {
        let cluster = &Scope::Cluster;
        let is_followed = |sight: &Sight| *sight == Sight::Current;
        is_followed(self.routes.sight(cluster))
            && is_followed(self.auth_policies.table.sight(cluster))
            // Without them policies of all listeners count.
            && !matches!(self.gateways.sight(cluster), Sight::Stale(..))
            && self.unreadable(id).is_none()
    }

    /// What cannot be read around a route.
    pub(crate) fn unreadable(&self, id: &RouteId) -> Option<String> {
        if let Some(flaw) = self.routes.flaw(id) {
            return Some(format!("HTTPRoute {id}: {}", flaw.words()));
        }
        let mut targets = vec![Target::Route(id.clone())];
        if let Some(route) = self.find_route(id) {
            targets.extend(gateways_of(id, route));
        }
        let auth = self.auth_policies.flaw_at(&targets);
        auth.or_else(|| self.plan_policies.flaw_at(&targets))
    }
}
