//! What depends on routes, policies, Kuadrant and fetched documents?

use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{KuadrantId, PolicyId, ProductId, RouteId};
use kube::Resource;

use super::{Dirty, Replaced, World};
use crate::change::OpenApiAnswer;
use crate::decision::Id;
use crate::discover::{self, Target};

impl World {
    pub(super) fn route_changed(
        &mut self,
        id: &RouteId,
        new: Option<Arc<HTTPRoute>>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { new, .. }) = self.routes.replace(id, new) else {
            return;
        };
        let parents = new
            .iter()
            .flat_map(|route| discover::gateways_of(id, route));
        self.routes_by_gateway.set(id, parents);
        self.rediscover_route(id, dirty);
    }

    pub(super) fn auth_policy_changed(
        &mut self,
        id: &PolicyId,
        new: Option<Arc<AuthPolicy>>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { old, new }) = self.auth_policies.replace(id, new) else {
            return;
        };
        let target = |policy: &AuthPolicy| Target::of_policy(id, &policy.spec.target_ref);
        self.auth_by_target.set(id, new.as_deref().and_then(target));
        for target in [&old, &new]
            .into_iter()
            .flatten()
            .filter_map(|policy| target(policy))
        {
            self.rediscover_target(&target, dirty);
        }
    }

    pub(super) fn plan_policy_changed(
        &mut self,
        id: &PolicyId,
        new: Option<Arc<PlanPolicy>>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { old, new }) = self.plan_policies.replace(id, new) else {
            return;
        };
        let target = |policy: &PlanPolicy| Target::of_policy(id, &policy.spec.target_ref);
        self.plans_by_target
            .set(id, new.as_deref().and_then(target));
        for target in [&old, &new]
            .into_iter()
            .flatten()
            .filter_map(|policy| target(policy))
        {
            self.rediscover_target(&target, dirty);
        }
    }

    pub(super) fn kuadrant_changed(
        &mut self,
        id: &KuadrantId,
        new: Option<Arc<Kuadrant>>,
        dirty: &mut Dirty,
    ) {
        let before = self.kuadrant_namespace().map(str::to_owned);
        if self.kuadrants.replace(id, new).is_none() {
            return;
        }
        if self.kuadrant_namespace() != before.as_deref() {
            dirty.extend(self.keys.ids().cloned().map(Id::Key));
        }
    }

    /// Where enforcement Secrets belong: the namespace of the oldest Kuadrant
    /// resource that is not being deleted.
    pub fn kuadrant_namespace(&self) -> Option<&str> {
        self.kuadrants
            .iter()
            .filter(|(_, kuadrant)| kuadrant.meta().deletion_timestamp.is_none())
            .min_by_key(|(id, kuadrant)| {
                (
                    kuadrant.meta().creation_timestamp.as_ref().map(|at| at.0),
                    *id,
                )
            })
            .map(|(id, _)| id.namespace.as_str())
    }

    /// The AuthPolicies attached to a target.
    pub(crate) fn auth_policies_at<'a>(
        &'a self,
        target: &Target,
    ) -> impl Iterator<Item = (&'a PolicyId, &'a AuthPolicy)> {
        self.auth_by_target
            .referrers(target)
            .filter_map(|id| Some((id, self.auth_policies.get(id)?.as_ref())))
    }

    /// The PlanPolicies attached to a target.
    pub(crate) fn plan_policies_at<'a>(
        &'a self,
        target: &Target,
    ) -> impl Iterator<Item = (&'a PolicyId, &'a PlanPolicy)> {
        self.plans_by_target
            .referrers(target)
            .filter_map(|id| Some((id, self.plan_policies.get(id)?.as_ref())))
    }

    /// The route, if it exists.
    pub fn find_route(&self, id: &RouteId) -> Option<&HTTPRoute> {
        self.routes.get(id).map(Arc::as_ref)
    }

    /// What came of fetching an OpenAPI document; `None` before the first
    /// answer.
    pub fn find_openapi(&self, url: &str) -> Option<&OpenApiAnswer> {
        self.openapi.get(url)
    }

    /// An issuer's token endpoint, or why there is none; `None` before the
    /// first answer.
    pub fn find_oidc(&self, issuer: &str) -> Option<&Result<String, String>> {
        self.oidc.get(issuer)
    }

    pub(super) fn openapi_changed(
        &mut self,
        url: String,
        answer: OpenApiAnswer,
        dirty: &mut Dirty,
    ) {
        dirty.extend(
            self.products_by_openapi
                .referrers(&url)
                .cloned()
                .map(Id::Product),
        );
        self.openapi.insert(url, answer);
    }

    pub(super) fn oidc_changed(
        &mut self,
        issuer: String,
        answer: Result<String, String>,
        dirty: &mut Dirty,
    ) {
        dirty.extend(
            self.products_by_issuer
                .referrers(&issuer)
                .cloned()
                .map(Id::Product),
        );
        self.oidc.insert(issuer, answer);
    }

    fn rediscover_target(&mut self, target: &Target, dirty: &mut Dirty) {
        let routes: Vec<RouteId> = match target {
            Target::Route(route) => vec![route.clone()],
            Target::Gateway(_) => self.routes_by_gateway.referrers(target).cloned().collect(),
        };
        for route in routes {
            self.rediscover_route(&route, dirty);
        }
    }

    fn rediscover_route(&mut self, route: &RouteId, dirty: &mut Dirty) {
        let products: Vec<ProductId> = self.products_by_route.referrers(route).cloned().collect();
        for product in products {
            self.rediscover(&product, dirty);
        }
    }

    /// Recomputes what is around a product's route. Only a difference dirties
    /// the product and its keys.
    pub(super) fn rediscover(&mut self, id: &ProductId, dirty: &mut Dirty) {
        let new = self
            .products
            .get(id)
            .map(|product| discover::discover(product, self));
        if self.discovered.get(id) == new.as_ref() {
            return;
        }
        let issuer = new
            .as_ref()
            .and_then(|found| found.issuer().map(str::to_owned));
        self.products_by_issuer.set(id, issuer);
        let rule = new.as_ref().and_then(|found| found.auth.key_rule.as_ref());
        let before = self.sharing.of(id);
        self.sharing.set(id, rule);
        let after = self.sharing.of(id);
        if before != after {
            let others = before.others().chain(after.others());
            dirty.extend(others.map(Id::Product));
        }
        match new {
            Some(found) => self.discovered.insert(id.clone(), found),
            None => self.discovered.remove(id),
        };
        dirty.insert(Id::Product(id.clone()));
        self.dirty_keys_of(id, dirty);
    }
}
