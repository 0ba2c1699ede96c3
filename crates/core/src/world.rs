//! What is known, and who depends on it?
//!
//! The mirror's tables, the edges between what is in them, and what is derived.
//! [`World::observe`] takes one [`Change`] in and answers with the ids that must be
//! decided again: the referrers of what the object was *and* of what it is now. The
//! work is proportional to what depends on the object.

pub(crate) mod claims;
mod records;
mod routes;
mod secrets;
mod sharing;
mod sight;
mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use devportal_api::foreign::Kuadrant;
use devportal_api::id::{ApprovalId, KeyId, ProductId, RequestId, RouteId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_mirror::table::Taken;
use devportal_mirror::{
    Credential, Difference, Fingerprint, FoldingMap, Index, Kind, Stray, Table, Texts,
};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, to_value};

pub(crate) use self::secrets::{Holder, labels_of};
pub use self::sharing::Overlap;
use self::sharing::Sharing;
pub(crate) use self::sight::find_alive;
pub use self::sight::{Doubt, Followed};
pub use self::tally::{ENFORCED, STATES, Tally};

use crate::brake::{Brakes, Hindrance};
use crate::change::{Change, OidcAnswer, OpenApiAnswer, Source};
use crate::decision::{Group, Id, Need};
use crate::discover::{self, Discovery};
use crate::setting::Settings;
use crate::surroundings::{Surroundings, Target, gateways_of};

/// Everything observed and the edges between it.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    products: Table<APIProduct>,
    keys: Table<APIKey>,
    requests: Table<APIKeyRequest>,
    approvals: Table<APIKeyApproval>,
    kuadrants: Table<Kuadrant>,
    credentials: Table<Credential>,
    strays: Table<Stray>,
    around: Surroundings,
    /// The Secrets that keys refer to.
    sources: FoldingMap<SecretId, Arc<Source>>,
    /// Those of them that were read, and may not be any more.
    lost_sources: BTreeSet<SecretId>,
    openapi: HashMap<String, OpenApiAnswer>,
    /// The texts of those that a product's status lacks yet, and of others while there
    /// is room.
    texts: Texts,
    /// The documents that a product's status cannot have, by their digests, and why: the one
    /// that was read, and the one that is there.
    unshown: HashMap<ProductId, BTreeMap<String, String>>,
    oidc: HashMap<String, OidcAnswer>,
    brakes: Brakes,
    review_is_due: bool,
    sight_is_news: bool,
    /// Fields that the API server drops, by kind, as `status.terms`.
    unkept: BTreeSet<(&'static str, String)>,

    keys_by_product: Index<KeyId, ProductId>,
    keys_by_source: Index<KeyId, SecretId>,
    products_by_route: Index<ProductId, RouteId>,
    products_by_openapi: Index<ProductId, String>,
    products_by_issuer: Index<ProductId, String>,
    routes_by_gateway: Index<RouteId, Target>,
    requests_by_key: Index<RequestId, KeyId>,
    approvals_by_request: Index<ApprovalId, RequestId>,
    /// Denials that stand, by product and requester.
    denials: Index<ApprovalId, (ProductId, String)>,
    denied_products: Index<ApprovalId, ProductId>,
    secrets_by_key: Index<SecretId, KeyId>,
    credentials_by_value: Index<SecretId, Fingerprint>,
    /// Of brought keys.
    sources_by_value: Index<SecretId, Fingerprint>,
    /// Keys that say that another has their value.
    waiting: Index<KeyId, ProductId>,
    /// Keys that were granted access, and whose Secret is not there.
    lacking: Index<KeyId, ProductId>,
    /// The keys that had a value last which nobody has now.
    had: Index<KeyId, Fingerprint>,
    /// The rules that products told keys are made for, and do not tell any more: they were
    /// replaced, or are gone for a while.
    former_rules: HashMap<ProductId, String>,
    /// The labels of a credential of products that have not told it yet: they were restored.
    marked: HashMap<ProductId, BTreeMap<String, String>>,
    /// Keys whose request or approval the API server refuses.
    refused_by_product: Index<KeyId, ProductId>,

    sharing: Sharing,
    tally: Tally,
    /// What was found around each product's route. Derived: recomputed when
    /// something around the route changes, compared before anything is dirtied.
    discovered: HashMap<ProductId, Discovery>,
}

type Dirty = BTreeSet<Id>;

/// How many keys are kept unfolded, and as many requests and approvals: of a burst all
/// that are under way.
const OPEN: usize = 128;
/// How many bytes of texts are kept.
const TEXTS: usize = 16 << 20;

impl Default for World {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl World {
    /// An empty World in which decisions are made as set.
    pub fn new(settings: Settings) -> Self {
        Self::with_open(settings, OPEN)
    }

    /// One that keeps so many keys, requests and approvals unfolded.
    pub fn with_open(settings: Settings, open: usize) -> Self {
        Self {
            settings,
            products: Table::default(),
            keys: Table::folding(open),
            requests: Table::folding(open),
            approvals: Table::folding(open),
            kuadrants: Table::default(),
            credentials: Table::folding(open),
            strays: Table::default(),
            around: Surroundings::default(),
            sources: FoldingMap::new(open),
            lost_sources: BTreeSet::new(),
            openapi: HashMap::new(),
            texts: Texts::new(TEXTS),
            unshown: HashMap::new(),
            oidc: HashMap::new(),
            brakes: Brakes::default(),
            review_is_due: false,
            sight_is_news: false,
            unkept: BTreeSet::new(),
            keys_by_product: Index::default(),
            keys_by_source: Index::default(),
            products_by_route: Index::default(),
            products_by_openapi: Index::default(),
            products_by_issuer: Index::default(),
            routes_by_gateway: Index::default(),
            requests_by_key: Index::default(),
            approvals_by_request: Index::default(),
            denials: Index::default(),
            denied_products: Index::default(),
            secrets_by_key: Index::default(),
            credentials_by_value: Index::default(),
            sources_by_value: Index::default(),
            waiting: Index::default(),
            lacking: Index::default(),
            had: Index::default(),
            former_rules: HashMap::new(),
            marked: HashMap::new(),
            refused_by_product: Index::default(),
            sharing: Sharing::default(),
            tally: Tally::default(),
            discovered: HashMap::new(),
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
        self.trim();
        match change {
            Change::Product(told) => {
                let taken = self.products.take(told);
                self.follow(taken, Self::product_changed, &mut dirty);
            }
            Change::Key(told) => {
                let taken = self.keys.take(told);
                self.follow(taken, Self::key_changed, &mut dirty);
            }
            Change::Request(told) => {
                let taken = self.requests.take(told);
                self.follow(taken, Self::request_changed, &mut dirty);
            }
            Change::Approval(told) => {
                let taken = self.approvals.take(told);
                self.follow(taken, Self::approval_changed, &mut dirty);
            }
            Change::Route(told) => {
                let taken = self.around.routes.take(told);
                self.follow(taken, Self::route_changed, &mut dirty);
            }
            Change::Gateway(told) => {
                let taken = self.around.gateways.take(told);
                self.follow(taken, Self::gateway_changed, &mut dirty);
            }
            Change::AuthPolicy(told) => {
                let (bearing, taken) = self.around.auth_policies.take(told);
                self.policies_changed(&bearing, &mut dirty);
                self.notice(&taken);
            }
            Change::PlanPolicy(told) => {
                let (bearing, taken) = self.around.plan_policies.take(told);
                self.policies_changed(&bearing, &mut dirty);
                self.notice(&taken);
            }
            Change::Kuadrant(told) => self.kuadrant_told(told, &mut dirty),
            Change::Credential(told) => {
                let taken = self.credentials.take(told);
                self.follow(taken, Self::credential_changed, &mut dirty);
            }
            Change::Stray(told) => {
                let taken = self.strays.take(told);
                self.follow(taken, Self::stray_changed, &mut dirty);
            }
            Change::Source(id, source) => self.source_changed(&id, source, &mut dirty),
            Change::Tried(id, group, failure, at, jitter) => {
                let is_failure = failure.is_some();
                let before = self.approval_hindrance(&id);
                self.brakes.tried(&id, group, failure, at, jitter);
                self.approval_tried(&id, before.as_deref(), &mut dirty);
                self.records_tried(&id, group, is_failure, &mut dirty);
                dirty.insert(id);
            }
            Change::Unkept(kind, field) => {
                self.review_is_due |= self.unkept.insert((kind, field));
            }
            Change::Unshown(id, digest, why) => {
                self.document_refused(&id, digest, why);
                dirty.insert(Id::Product(id));
            }
            Change::OpenApi(url, answer) => self.openapi_changed(url, answer, &mut dirty),
            Change::Oidc(issuer, answer) => self.oidc_changed(issuer, answer, &mut dirty),
        }
        dirty
    }

    /// Folds objects that were looked at, where more are open than need be.
    fn trim(&mut self) {
        self.keys.trim();
        self.requests.trim();
        self.approvals.trim();
        self.credentials.trim();
        self.sources.trim();
    }

    /// What each difference bears on; later everything, where more or less is known of
    /// the kind than before.
    fn follow<K: Kind>(
        &mut self,
        taken: Taken<K>,
        changed: fn(&mut Self, Difference<K>, &mut Dirty),
        dirty: &mut Dirty,
    ) {
        // Of an object that was never read it is not known whom it bears on; but all that bears on a
        // key names it.
        let is_blind = |it: &Difference<K>| it.old.is_none() && it.new.is_none();
        let is_named = K::NAME == <APIKey as Kind>::NAME;
        self.review_is_due |= !is_named && taken.differences.iter().any(is_blind);
        self.notice(&taken);
        for difference in taken.differences {
            changed(self, difference, dirty);
        }
    }

    /// Drops what was read for a need that nobody has any more, or nobody had before:
    /// it is not followed then, and would grow old. Whether there was anything.
    pub fn forget(&mut self, need: &Need) -> bool {
        match need {
            Need::Secret(id) => {
                self.sources_by_value.set(id, []);
                self.lost_sources.remove(id);
                self.sources.remove(id)
            }
            Need::OpenApi(url) => self.openapi.remove(url).is_some(),
            Need::Oidc(issuer) => self.oidc.remove(issuer).is_some(),
        }
    }

    /// Notes which groups of an id have something left to write, and that the others
    /// have not. What is to be decided again for that: also the id, where it was told that such a
    /// group is held back.
    pub fn settle(&mut self, id: &Id, unsettled: &BTreeSet<Group>) -> BTreeSet<Id> {
        let mut dirty = Dirty::new();
        self.trim();
        let before = self.approval_hindrance(id);
        let is_over = |group: &Group| !unsettled.contains(group);
        let mut over = Group::ALL.into_iter().filter(is_over);
        if over.any(|group| self.brakes.hindrance(id, group).is_some()) {
            dirty.insert(id.clone());
        }
        self.brakes.settle(id, unsettled);
        self.approval_tried(id, before.as_deref(), &mut dirty);
        if !unsettled.contains(&Group::Record) {
            self.records_tried(id, Group::Record, false, &mut dirty);
        }
        dirty
    }

    /// Everything there is to decide on: for the first round.
    pub fn everything(&self) -> BTreeSet<Id> {
        let products = self.products.ids().cloned().map(Id::Product);
        let keys = self.keys.ids().cloned().map(Id::Key);
        let approvals = self.approvals.ids().cloned().map(Id::Approval);
        // Children of keys that vanished while nobody watched.
        let requests = self.requests.ids();
        let of_requests = requests.flat_map(|id| self.requests_by_key.targets(id));
        let secrets = self.credentials.ids().chain(self.strays.ids());
        let of_secrets = secrets.flat_map(|id| self.secrets_by_key.targets(id));
        products
            .chain(keys)
            .chain(approvals)
            .chain(of_requests.cloned().map(Id::Key))
            .chain(of_secrets.cloned().map(Id::Key))
            .collect()
    }

    /// The product, as it stands.
    pub fn find_product(&self, id: &ProductId) -> Option<&APIProduct> {
        self.products.find(id).map(Arc::as_ref)
    }

    /// The key, as it stands.
    pub fn find_key(&self, id: &KeyId) -> Option<&APIKey> {
        self.keys.find(id).map(Arc::as_ref)
    }

    /// The products.
    pub fn products(&self) -> &Table<APIProduct> {
        &self.products
    }

    /// The keys.
    pub fn keys(&self) -> &Table<APIKey> {
        &self.keys
    }

    /// The requests.
    pub fn requests(&self) -> &Table<APIKeyRequest> {
        &self.requests
    }

    /// The decisions.
    pub fn approvals(&self) -> &Table<APIKeyApproval> {
        &self.approvals
    }

    /// The Kuadrant installations.
    pub fn kuadrants(&self) -> &Table<Kuadrant> {
        &self.kuadrants
    }

    /// The Secrets that the gateway reads.
    pub fn credentials(&self) -> &Table<Credential> {
        &self.credentials
    }

    /// What is known around routes.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// What was found around the product's route; `None` when there is no such
    /// product.
    pub fn find_discovery(&self, id: &ProductId) -> Option<&Discovery> {
        self.discovered.get(id)
    }

    /// How many keys stand how.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many Secrets that the gateway reads are of keys that are gone. Looks at each. A key
    /// that cannot be seen or read may be there; of a namespace that is followed no more, as after
    /// Kuadrant has moved, nothing is known.
    pub fn orphans(&self) -> usize {
        let is_gone = |key: &KeyId| self.keys.is_gone(key);
        let ids = self.credentials.ids();
        let ids = ids.filter(|id| self.credentials.is_listed(&id.namespace));
        ids.filter(|id| {
            let mut keys = self.secrets_by_key.targets(id).peekable();
            keys.peek().is_some() && keys.all(is_gone)
        })
        .count()
    }

    /// What holds writes back.
    pub fn brakes(&self) -> &Brakes {
        &self.brakes
    }

    /// Why a group that has something to write is not written.
    pub(crate) fn hindrance(&self, id: &Id, group: Group) -> Option<Hindrance<'_>> {
        self.brakes.hindrance(id, group)
    }

    /// Whether the API server keeps a field of a kind, such as `status.terms`.
    pub(crate) fn keeps<K: Kind>(&self, path: &str) -> bool {
        !self.is_unkept(K::NAME, path)
    }

    /// Whether it is known already that the API server does not keep a field.
    pub fn is_unkept(&self, kind: &'static str, path: &str) -> bool {
        self.unkept.contains(&(kind, path.to_owned()))
    }

    /// A part of an object as the installed definition can hold it: what that has no
    /// place for stays as it was.
    pub(crate) fn fit<K: Kind, T>(&self, part: &str, wanted: T, have: Option<&T>) -> T
    where
        T: Serialize + DeserializeOwned,
    {
        let of_kind = self.unkept.iter().filter(|(kind, _)| *kind == K::NAME);
        let fields = of_kind.filter_map(|(_, path)| path.strip_prefix(part)?.strip_prefix('.'));
        let fields: Vec<&str> = fields.collect();
        if fields.is_empty() {
            return wanted;
        }
        let (Ok(mut fitted), Ok(have)) = (to_value(&wanted), to_value(have)) else {
            return wanted;
        };
        for field in fields {
            let path: Vec<&str> = field.split('.').collect();
            keep(&mut fitted, &have, &path);
        }
        from_value(fitted).unwrap_or(wanted)
    }

    fn product_changed(&mut self, difference: Difference<APIProduct>, dirty: &mut Dirty) {
        let Difference { id, old, new } = difference;
        let route = new.as_ref().map(|product| discover::route_of(product));
        self.products_by_route.set(&id, route);
        let url = new
            .as_ref()
            .and_then(|product| discover::openapi_url(product));
        self.products_by_openapi.set(&id, url);
        dirty.insert(Id::Product(id.clone()));
        if let Some(rule) = old.as_deref().and_then(discover::used_rule)
            && new.as_deref().and_then(discover::used_rule).is_none()
        {
            self.former_rules.insert(id.clone(), rule.to_owned());
        }
        self.forget_marks(&id);
        self.rediscover(&id, dirty);
        let spec = |product: &APIProduct| (product.uid(), product.meta().generation);
        if old.as_deref().map(spec) != new.as_deref().map(spec) {
            self.unshown.remove(&id);
        }
        let facts = |product: &APIProduct| {
            (
                product.uid(),
                product.meta().deletion_timestamp.is_some(),
                product.spec.clone(),
            )
        };
        if old.as_deref().map(facts) != new.as_deref().map(facts) {
            self.dirty_keys_of(&id, dirty);
        }
        // Denials stand where a product approves by itself.
        let mode = |product: &APIProduct| product.spec.approval_mode;
        if old.as_deref().map(mode) != new.as_deref().map(mode) {
            let denials = self.denied_products.referrers(&id);
            dirty.extend(denials.cloned().map(Id::Approval));
            let keys = self.keys_by_product.referrers(&id);
            for request in keys.flat_map(|key| self.requests_of(key)) {
                self.dirty_approvals_of(&RequestId::of(request), dirty);
            }
        }
    }

    fn key_changed(&mut self, difference: Difference<APIKey>, dirty: &mut Dirty) {
        let Difference { id, old, new } = difference;
        self.tally.change(&id, old.as_deref(), new.as_deref());
        let generation = |key: &Arc<APIKey>| key.meta().generation;
        if old.as_ref().map(generation) != new.as_ref().map(generation) {
            self.brakes.renew(&Id::Key(id.clone()));
        }
        self.keys_by_product
            .set(&id, new.iter().flat_map(|key| products_of(key)));
        for product in old.iter().flat_map(|key| products_of(key)) {
            self.forget_marks(&product);
            self.forget_sharing(&product);
        }
        self.keys_by_source
            .set(&id, new.as_ref().map(|key| key.source_secret()));
        if let Some(key) = new.as_ref().filter(|it| !it.is_generated()) {
            self.note_value(&key.source_secret());
        }
        // A decision counts for the key that is there, also where that cannot be read.
        let uid = |key: &Arc<APIKey>| key.uid();
        let is_unread = old.is_none() && new.is_none();
        if is_unread || old.as_ref().map(uid) != new.as_ref().map(uid) {
            for request in self.requests_of(&id) {
                self.dirty_approvals_of(&RequestId::of(request), dirty);
            }
        }
        self.claims_changed(&id, new.as_deref(), dirty);
        self.dirty_heirs_of(&id, dirty);
        if new.is_none() {
            self.had.set(&id, []);
        }
        dirty.insert(Id::Key(id));
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

/// Gives a field the value it had; in a list, of every item.
fn keep(wanted: &mut Value, have: &Value, path: &[&str]) {
    match (wanted, path) {
        (Value::Array(items), _) => {
            for (at, item) in items.iter_mut().enumerate() {
                keep(item, &have[at], path);
            }
        }
        (Value::Object(place), [name]) => match have.get(name) {
            Some(before) => drop(place.insert((*name).to_owned(), before.clone())),
            None => drop(place.remove(*name)),
        },
        (Value::Object(place), [name, rest @ ..]) => {
            if let Some(part) = place.get_mut(*name) {
                keep(part, &have[*name], rest);
            }
        }
        _ => {}
    }
}

/// The product a key asks for, and the one it is under while a change waits
/// for approval.
fn products_of(key: &APIKey) -> impl Iterator<Item = ProductId> {
    let terms = key
        .status
        .as_ref()
        .and_then(|it| it.approved_terms.as_ref());
    let approved = terms.map(ApprovedTerms::product_id);
    approved.into_iter().chain([key.product_id()])
}
