//! What depends on routes, policies, Kuadrant and fetched documents?

use std::sync::Arc;

use devportal_api::foreign::{Gateway, HTTPRoute, Kuadrant};
use devportal_api::id::{ProductId, RouteId};
use devportal_mirror::{Difference, Told};

use super::{Dirty, World, gateways_of};
use crate::change::{OidcAnswer, OpenApiAnswer};
use crate::decision::Id;
use crate::discover;
use crate::surroundings::{Bearing, Target};

impl World {
    pub(super) fn route_changed(&mut self, difference: Difference<HTTPRoute>, dirty: &mut Dirty) {
        let Difference { id, new, .. } = difference;
        let parents = new.iter().flat_map(|route| gateways_of(&id, route));
        self.routes_by_gateway.set(&id, parents);
        self.rediscover_route(&id, dirty);
    }

    /// Only its spec counts: its status counts the routes, and changes with each.
    pub(super) fn gateway_changed(&mut self, difference: Difference<Gateway>, dirty: &mut Dirty) {
        let Difference { id, old, new } = difference;
        if old.as_ref().map(|it| &it.spec) != new.as_ref().map(|it| &it.spec) {
            self.rediscover_target(&Target::Gateway(id), dirty);
        }
    }

    pub(super) fn policies_changed(&mut self, bearing: &Bearing, dirty: &mut Dirty) {
        match bearing {
            Bearing::On(targets) => {
                for target in targets {
                    self.rediscover_target(target, dirty);
                }
            }
            Bearing::OnAll => {
                let products: Vec<ProductId> = self.products.ids().cloned().collect();
                for product in products {
                    self.rediscover(&product, dirty);
                }
            }
        }
    }

    pub(super) fn kuadrant_told(&mut self, told: Told<Kuadrant>, dirty: &mut Dirty) {
        let before = self.kuadrant_namespace().map(str::to_owned);
        let taken = self.kuadrants.take(told);
        if self.kuadrant_namespace() != before.as_deref() {
            dirty.extend(self.keys.ids().cloned().map(Id::Key));
        }
        self.notice(&taken);
    }

    /// Where enforcement Secrets belong: the namespace of the oldest Kuadrant
    /// resource that is not being deleted.
    pub fn kuadrant_namespace(&self) -> Option<&str> {
        discover::kuadrant_namespace(&self.kuadrants)
    }

    /// What came of fetching an OpenAPI document; `None` before the first
    /// answer.
    pub fn find_openapi(&self, url: &str) -> Option<&OpenApiAnswer> {
        self.openapi.get(url)
    }

    /// Why the API server takes no status of a product that has the document of this digest
    /// in it.
    pub(crate) fn refusal_of(&self, id: &ProductId, digest: &str) -> Option<&str> {
        self.unshown.get(id)?.get(digest).map(String::as_str)
    }

    /// Notes that the status of a product cannot have a document.
    pub(super) fn document_refused(&mut self, id: &ProductId, digest: String, why: String) {
        let Some(product) = self.products.find(id) else {
            return;
        };
        let there = product.status.as_ref().and_then(|it| it.openapi.as_ref());
        let read = discover::openapi_url(product).and_then(|url| self.openapi.get(&url)?.digest);
        let read = read.map(|it| it.to_string());
        let matters =
            |it: &String| there.is_some_and(|there| there.raw == *it) || read.as_ref() == Some(it);
        let refused = self.unshown.entry(id.clone()).or_default();
        refused.retain(|it, _| matters(it));
        refused.insert(digest, why);
    }

    /// What an issuer's discovery document says; `None` before the first answer.
    pub fn find_oidc(&self, issuer: &str) -> Option<&OidcAnswer> {
        self.oidc.get(issuer)
    }

    /// The text that a product's status is to say in the place of a digest; `None` when
    /// it is not kept any more, and has to be fetched anew.
    pub fn find_text(&mut self, digest: &str) -> Option<Arc<str>> {
        self.texts.find(&digest.parse().ok()?)
    }

    pub(super) fn openapi_changed(
        &mut self,
        url: String,
        mut answer: OpenApiAnswer,
        dirty: &mut Dirty,
    ) {
        dirty.extend(
            self.products_by_openapi
                .referrers(&url)
                .cloned()
                .map(Id::Product),
        );
        if let Some(text) = answer.text.take() {
            self.texts.put(text);
        }
        self.openapi.insert(url, answer);
    }

    pub(super) fn oidc_changed(&mut self, issuer: String, answer: OidcAnswer, dirty: &mut Dirty) {
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

    /// What is known of the rule that the keys of a product were made for.
    fn before(&self, id: &ProductId) -> discover::Before<'_> {
        discover::Before {
            rule: self.former_rules.get(id).map(String::as_str),
            labels: self.marked.get(id),
        }
    }

    /// Recomputes what is around a product's route. Only a difference dirties
    /// the product and its keys.
    pub(super) fn rediscover(&mut self, id: &ProductId, dirty: &mut Dirty) {
        let new = self
            .products
            .find(id)
            .map(|product| discover::discover(product, self.before(id), &self.around));
        if self.discovered.get(id) == new.as_ref() {
            return;
        }
        let old = self.discovered.get(id);
        let plans = old.map(|it| &it.plan.plans) != new.as_ref().map(|it| &it.plan.plans);
        let scheme = old.map(|it| &it.auth.scheme) != new.as_ref().map(|it| &it.auth.scheme);
        if plans || scheme {
            // There may be room now for a document that was too large beside what is told.
            self.unshown.remove(id);
        }
        let issuer = new
            .as_ref()
            .and_then(|found| found.issuer().map(str::to_owned));
        self.products_by_issuer.set(id, issuer);
        let before = self.sharing.of(id);
        self.sharing.set(id, new.as_ref().map(|found| &found.auth));
        self.forget_sharing(id);
        let after = self.sharing.of(id);
        if before != after {
            // What their keys carry, and whose values they share, may matter now.
            for other in before.others().chain(after.others()) {
                self.dirty_keys_of(&other, dirty);
                dirty.insert(Id::Product(other));
            }
        }
        match new {
            Some(found) => self.discovered.insert(id.clone(), found),
            None => self.discovered.remove(id),
        };
        dirty.insert(Id::Product(id.clone()));
        self.dirty_keys_of(id, dirty);
    }
}
