//! What is known, and who depends on it?
//!
//! [`World::observe`] takes one [`Change`] in and answers with the ids that
//! must be decided again: the referrers of what the object was *and* of what it
//! is now. The work is proportional to what depends on the object.

mod approvals;
mod policies;
mod roll;
mod secrets;
mod sharing;
mod store;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

pub use self::roll::{Listed, Roll};
pub use self::sharing::Overlap;
use self::sharing::Sharing;
use self::store::{Replaced, Store, Versioned};

use crate::change::{Change, Obstacle, OpenApiAnswer, SecretFacts};
use crate::decision::{Id, Need};
use crate::discover::{self, Discovery, Target};
use crate::index::Index;
use crate::setting::Settings;

/// Every observed object and the edges between them.
#[derive(Debug, Default)]
pub struct World {
    settings: Settings,
    products: Store<ProductId, Arc<APIProduct>>,
    keys: Store<KeyId, Arc<APIKey>>,
    requests: Store<RequestId, Arc<APIKeyRequest>>,
    approvals: Store<ApprovalId, Arc<APIKeyApproval>>,
    routes: Store<RouteId, Arc<HTTPRoute>>,
    auth_policies: Store<PolicyId, Arc<AuthPolicy>>,
    plan_policies: Store<PolicyId, Arc<PlanPolicy>>,
    kuadrants: Store<KuadrantId, Arc<Kuadrant>>,
    enforcement: Store<SecretId, SecretFacts>,
    /// `Some(None)`: asked for, and absent.
    sources: HashMap<SecretId, Option<SecretFacts>>,
    /// Asked for, and never read for want of a right.
    forbidden: HashSet<SecretId>,
    hindered: HashMap<SecretId, (Timestamp, Obstacle)>,
    openapi: HashMap<String, OpenApiAnswer>,
    oidc: HashMap<String, Result<String, String>>,

    keys_by_product: Index<KeyId, ProductId>,
    keys_by_source: Index<KeyId, SecretId>,
    products_by_route: Index<ProductId, RouteId>,
    products_by_openapi: Index<ProductId, String>,
    products_by_issuer: Index<ProductId, String>,
    routes_by_gateway: Index<RouteId, Target>,
    auth_by_target: Index<PolicyId, Target>,
    plans_by_target: Index<PolicyId, Target>,
    requests_by_key: Index<RequestId, KeyId>,
    approvals_by_request: Index<ApprovalId, RequestId>,
    secrets_by_key: Index<SecretId, KeyId>,

    sharing: Sharing,
    /// What was found around each product's route. Derived: recomputed when
    /// something around the route changes, compared before anything is dirtied.
    discovered: HashMap<ProductId, Discovery>,
}

type Dirty = BTreeSet<Id>;

impl World {
    /// An empty World in which decisions are made as set.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// What was chosen about decisions.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Takes an observation in and returns what must be decided again:
    /// whatever referred to the object before or refers to it now.
    pub fn observe(&mut self, change: Change) -> BTreeSet<Id> {
        let mut dirty = Dirty::new();
        match change {
            Change::Product(id, object) => self.product_changed(&id, object, &mut dirty),
            Change::Key(id, object) => self.key_changed(&id, object, &mut dirty),
            Change::Request(id, object) => self.request_changed(&id, object, &mut dirty),
            Change::Approval(id, object) => self.approval_changed(&id, object, &mut dirty),
            Change::Route(id, object) => self.route_changed(&id, object, &mut dirty),
            Change::AuthPolicy(id, object) => self.auth_policy_changed(&id, object, &mut dirty),
            Change::PlanPolicy(id, object) => self.plan_policy_changed(&id, object, &mut dirty),
            Change::Kuadrant(id, object) => self.kuadrant_changed(&id, object, &mut dirty),
            Change::EnforcementSecret(id, facts) => {
                self.enforcement_changed(&id, facts, &mut dirty);
            }
            Change::SourceSecret(id, facts) => self.source_changed(&id, facts, &mut dirty),
            Change::SourceForbidden(id) => self.source_forbidden(&id, &mut dirty),
            Change::Ended(uid, absence) => {
                if self.live_uid(&absence).is_none_or(|live| *live == *uid) {
                    return self.observe(*absence);
                }
            }
            Change::Hindered(id, obstacle, key, at) => {
                self.hindered(id, obstacle, key, at, &mut dirty);
            }
            Change::OpenApi(url, answer) => self.openapi_changed(url, answer, &mut dirty),
            Change::Oidc(issuer, answer) => self.oidc_changed(issuer, answer, &mut dirty),
        }
        dirty
    }

    /// Drops what was read for a need that nobody has any more, or nobody had before:
    /// it is not followed then, and would grow old. Whether there was anything.
    pub fn forget(&mut self, need: &Need) -> bool {
        match need {
            Need::Secret(id) => self.forbidden.remove(id) | self.sources.remove(id).is_some(),
            Need::OpenApi(url) => self.openapi.remove(url).is_some(),
            Need::Oidc(issuer) => self.oidc.remove(issuer).is_some(),
        }
    }

    /// The UID of what is known to have the name that a change is about.
    fn live_uid(&self, change: &Change) -> Option<&str> {
        match change {
            Change::Product(id, _) => self.products.get(id).map(Versioned::uid),
            Change::Key(id, _) => self.keys.get(id).map(Versioned::uid),
            Change::Request(id, _) => self.requests.get(id).map(Versioned::uid),
            Change::Approval(id, _) => self.approvals.get(id).map(Versioned::uid),
            Change::Route(id, _) => self.routes.get(id).map(Versioned::uid),
            Change::AuthPolicy(id, _) => self.auth_policies.get(id).map(Versioned::uid),
            Change::PlanPolicy(id, _) => self.plan_policies.get(id).map(Versioned::uid),
            Change::Kuadrant(id, _) => self.kuadrants.get(id).map(Versioned::uid),
            Change::EnforcementSecret(id, _) => self.enforcement.get(id).map(Versioned::uid),
            Change::SourceSecret(id, _) => self.sources.get(id)?.as_ref().map(Versioned::uid),
            Change::SourceForbidden(_)
            | Change::Ended(..)
            | Change::Hindered(..)
            | Change::OpenApi(..)
            | Change::Oidc(..) => None,
        }
    }

    /// Everything there is to decide on: for the first round.
    pub fn everything(&self) -> BTreeSet<Id> {
        let products = self.products.ids().cloned().map(Id::Product);
        let keys = self.keys.ids().cloned().map(Id::Key);
        let approvals = self.approvals.ids().cloned().map(Id::Approval);
        // Children of keys that vanished while nobody watched.
        let of_requests = self
            .requests
            .iter()
            .map(|(_, request)| Id::Key(request.key_id()));
        let of_secrets = self
            .enforcement
            .ids()
            .flat_map(|id| self.secrets_by_key.targets(id));
        products
            .chain(keys)
            .chain(approvals)
            .chain(of_requests)
            .chain(of_secrets.cloned().map(Id::Key))
            .collect()
    }

    /// The product, if it exists.
    pub fn find_product(&self, id: &ProductId) -> Option<&APIProduct> {
        self.products.get(id).map(Arc::as_ref)
    }

    /// The key, if it exists.
    pub fn find_key(&self, id: &KeyId) -> Option<&APIKey> {
        self.keys.get(id).map(Arc::as_ref)
    }

    /// The request, if it exists.
    pub fn find_request(&self, id: &RequestId) -> Option<&APIKeyRequest> {
        self.requests.get(id).map(Arc::as_ref)
    }

    /// The approval, if it exists.
    pub fn find_approval(&self, id: &ApprovalId) -> Option<&APIKeyApproval> {
        self.approvals.get(id).map(Arc::as_ref)
    }

    /// What was found around the product's route; `None` when there is no such
    /// product.
    pub fn find_discovery(&self, id: &ProductId) -> Option<&Discovery> {
        self.discovered.get(id)
    }

    /// The requests that claim to shadow a key.
    pub fn requests_of<'a>(&'a self, key: &KeyId) -> impl Iterator<Item = &'a APIKeyRequest> {
        self.requests_by_key
            .referrers(key)
            .filter_map(|id| self.find_request(id))
    }

    /// The decisions about a request, whether they count or not.
    pub fn approvals_of<'a>(
        &'a self,
        request: &RequestId,
    ) -> impl Iterator<Item = &'a APIKeyApproval> {
        self.approvals_by_request
            .referrers(request)
            .filter_map(|id| self.find_approval(id))
    }

    fn product_changed(&mut self, id: &ProductId, new: Option<Arc<APIProduct>>, dirty: &mut Dirty) {
        let Some(Replaced { old, new }) = self.products.replace(id, new) else {
            return;
        };
        let route = new.as_ref().map(|product| discover::route_of(product));
        self.products_by_route.set(id, route);
        let url = new
            .as_ref()
            .and_then(|product| discover::openapi_url(product));
        self.products_by_openapi.set(id, url);
        dirty.insert(Id::Product(id.clone()));
        self.rediscover(id, dirty);
        let facts = |product: &APIProduct| {
            (
                product.uid(),
                product.meta().deletion_timestamp.is_some(),
                product.spec.clone(),
            )
        };
        if old.as_deref().map(facts) != new.as_deref().map(facts) {
            self.dirty_keys_of(id, dirty);
        }
    }

    fn key_changed(&mut self, id: &KeyId, new: Option<Arc<APIKey>>, dirty: &mut Dirty) {
        let Some(Replaced { new, .. }) = self.keys.replace(id, new) else {
            return;
        };
        self.keys_by_product
            .set(id, new.iter().flat_map(|key| products_of(key)));
        self.keys_by_source
            .set(id, new.as_ref().map(|key| key.source_secret()));
        dirty.insert(Id::Key(id.clone()));
    }

    fn dirty_keys_of(&self, product: &ProductId, dirty: &mut Dirty) {
        dirty.extend(
            self.keys_by_product
                .referrers(product)
                .cloned()
                .map(Id::Key),
        );
    }
}

/// The product a key asks for, and the one it is under while a change waits
/// for approval.
fn products_of(key: &APIKey) -> impl Iterator<Item = ProductId> {
    let terms = key
        .status
        .as_ref()
        .and_then(|it| it.approved_terms.as_ref());
    let approved = terms.map(|terms| {
        let reference = &terms.api_product_ref;
        ProductId::new(
            reference.namespace.clone().unwrap_or_default(),
            &reference.name,
        )
    });
    approved.into_iter().chain([key.product_id()])
}
