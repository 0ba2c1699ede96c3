//! What is known of the cluster, and how fresh is it? One mirror for everyone who asks;
//! who may see what of it is decided per request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{ApprovalId, ObjectId, ProductId, RequestId, RouteId};
use devportal_api::name::{self, annotation};
use devportal_api::product::PublishStatus;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::discover::{address, kuadrant_namespace, route_of};
use devportal_core::surroundings::Surroundings;
use devportal_metrics::Watches;
use devportal_mirror::table::Taken;
use devportal_mirror::{
    Difference, Index, Journal, Kept, Kind, Lens, Scope, Sight, Table, Told, Trouble,
};
use devportal_watch::{Source, watch};
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::sync::{mpsc, watch as signal};
use tracing::error;

use crate::caller::Person;
use crate::problem::Problem;
use crate::shelf::{Shelf, Shelved};

/// How many changes whoever lost the connection can catch up with.
const REMEMBERED: usize = 10_000;
/// News that may wait to be heard; watches pause beyond that.
const BACKLOG: usize = 1024;

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) products: Shelf<APIProduct>,
    pub(crate) keys: Shelf<APIKey>,
    pub(crate) requests: Shelf<APIKeyRequest>,
    pub(crate) routes: Shelf<HTTPRoute>,
    pub(crate) around: Surroundings,
    pub(crate) products_by_route: Index<ProductId, RouteId>,
    kuadrants: Table<Kuadrant>,
    approvals: Table<APIKeyApproval>,
    approvals_by_request: Index<ApprovalId, RequestId>,
    pub(crate) journal: Journal,
    /// For whom products and routes were, before and after the changes that the journal has.
    audiences: BTreeMap<u64, (Audience, Audience)>,
}

/// The decisions on a request.
pub(crate) struct Decisions {
    /// Which there are, in one word.
    pub(crate) basis: String,
    /// The name of the one that follows them: whoever decides after the same decisions
    /// makes an object of the same name, and of two at once one learns of the other.
    pub(crate) next: ApprovalId,
    /// When the newest was made.
    pub(crate) newest: Option<Timestamp>,
}

/// For whom something is, of those who may list its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Nobody,
    Everybody,
    Groups(Vec<String>),
}

impl Audience {
    pub(crate) fn of(product: &APIProduct) -> Self {
        let spec = &product.spec;
        let groups = spec.visibility.as_ref().map_or(&[][..], |it| &it.groups);
        match spec.publish_status {
            PublishStatus::Draft => Self::Nobody,
            PublishStatus::Published if groups.is_empty() => Self::Everybody,
            PublishStatus::Published => Self::Groups(groups.to_vec()),
        }
    }

    /// A route that a platform engineer has annotated.
    pub(crate) fn of_route(route: &HTTPRoute) -> Self {
        let annotations = route.annotations();
        let names = annotation::EXPOSE.iter();
        let mut values = names.filter_map(|it| annotations.get(*it));
        if values.any(|it| it == "true") {
            Self::Everybody
        } else {
            Self::Nobody
        }
    }

    /// Whether a person is one of them, who may see whatever is published or not.
    pub(crate) fn has(&self, person: &Person, sees_all: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Groups(groups) => sees_all || groups.iter().any(|it| person.is_in(it)),
        }
    }
}

macro_rules! news {
    ($($name:ident),*) => {
        /// One observation.
        pub(crate) enum News {
            $($name(Told<$name>),)*
        }

        $(impl From<Told<$name>> for News {
            fn from(told: Told<$name>) -> Self {
                Self::$name(told)
            }
        })*
    };
}

news!(
    APIProduct,
    APIKey,
    APIKeyRequest,
    APIKeyApproval,
    HTTPRoute,
    Gateway,
    AuthPolicy,
    PlanPolicy,
    Kuadrant
);

impl Known {
    fn new() -> Self {
        Self {
            products: Shelf::default(),
            keys: Shelf::default(),
            requests: Shelf::default(),
            routes: Shelf::default(),
            around: Surroundings::default(),
            products_by_route: Index::default(),
            kuadrants: Table::default(),
            approvals: Table::default(),
            approvals_by_request: Index::default(),
            journal: Journal::new(REMEMBERED),
            audiences: BTreeMap::new(),
        }
    }

    /// An address at which the API of a product is called.
    pub(crate) fn address_of(&self, product: &ProductId) -> Option<String> {
        let route_id = route_of(self.products.table.find(product)?);
        let route = self.routes.table.find(&route_id)?;
        address(&self.around, &route_id, route)
    }

    fn take(&mut self, news: News) {
        match news {
            News::APIProduct(told) => {
                let taken = self.products.take(told);
                for it in &taken.differences {
                    let route = it.new.as_ref().map(|product| route_of(product));
                    self.products_by_route.set(&it.id, route);
                }
                self.note_with_audience(&taken, |product| Audience::of(product));
            }
            News::APIKey(told) => note(&mut self.journal, &self.keys.take(told)),
            News::APIKeyRequest(told) => note(&mut self.journal, &self.requests.take(told)),
            News::APIKeyApproval(told) => {
                for it in self.approvals.take(told).differences {
                    let request = it.new.as_ref().map(|approval| approval.request_id());
                    self.approvals_by_request.set(&it.id, request);
                }
            }
            News::HTTPRoute(told) => {
                self.around.routes.take(told.clone());
                let taken = self.routes.take(told);
                self.note_with_audience(&taken, |route| Audience::of_route(route));
            }
            News::Gateway(told) => drop(self.around.gateways.take(told)),
            News::AuthPolicy(told) => drop(self.around.auth_policies.take(told)),
            News::PlanPolicy(told) => drop(self.around.plan_policies.take(told)),
            News::Kuadrant(told) => drop(self.kuadrants.take(told)),
        }
    }

    /// Notes changes of what not everybody sees who may list the kind.
    fn note_with_audience<K: Kind>(
        &mut self,
        taken: &Taken<K>,
        audience: impl Fn(&K::Kept) -> Audience,
    ) {
        let of = |kept: &Option<K::Kept>| kept.as_ref().map_or(Audience::Nobody, &audience);
        for it in &taken.differences {
            let number = note_one(&mut self.journal, it);
            self.audiences.insert(number, (of(&it.old), of(&it.new)));
        }
        let last = self.journal.last();
        let is_forgotten = |it: &u64| it + REMEMBERED as u64 <= last;
        while let Some(first) = self.audiences.first_entry() {
            if !is_forgotten(first.key()) {
                break;
            }
            first.remove();
        }
    }

    /// The decisions on a request.
    ///
    /// # Errors
    ///
    /// When decisions are not listed: there may be some.
    pub(crate) fn decisions_on(&self, request: &APIKeyRequest) -> Result<Decisions, Problem> {
        let sight = self.approvals.sight(&Scope::Cluster);
        if !sight.is_listed() {
            return Err(Problem::unavailable("APIKeyApprovals are not seen yet"));
        }
        let id = RequestId::of(request);
        let ids = self.approvals_by_request.referrers(&id);
        let approvals: Vec<_> = ids.filter_map(|it| self.approvals.find(it)).collect();
        let mut uids: Vec<&str> = approvals.iter().map(|it| Kept::uid(*it)).collect();
        uids.sort_unstable();
        let uid = request.uid().unwrap_or_default();
        let basis = format!("{uid}: {}", uids.join(","));
        let newest = approvals.iter().map(|it| it.spec.reviewed_at.0).max();
        // What has the name already is about something else.
        let mut next = name::decision(&id, &basis);
        for number in 1.. {
            if self.approvals.find(&next).is_none() {
                break;
            }
            next = name::decision(&id, &format!("{basis}/{number}"));
        }
        Ok(Decisions {
            basis,
            next,
            newest,
        })
    }

    /// For whom the object was, before and after a change of it.
    pub(crate) fn audiences(&self, number: u64) -> Option<&(Audience, Audience)> {
        self.audiences.get(&number)
    }

    /// Where enforcement Secrets are.
    pub(crate) fn kuadrant_namespace(&self) -> Option<&str> {
        kuadrant_namespace(&self.kuadrants)
    }

    /// How sure is what is shown, by kind.
    pub(crate) fn sights(&self) -> [(&'static str, &Sight); 9] {
        fn sight<K: Kind>(table: &Table<K>) -> (&'static str, &Sight) {
            (K::NAME, table.sight(&Scope::Cluster))
        }
        [
            sight(&self.products.table),
            sight(&self.keys.table),
            sight(&self.requests.table),
            sight(&self.approvals),
            sight(&self.routes.table),
            sight(&self.around.gateways),
            sight(self.around.auth_policies.table()),
            sight(self.around.plan_policies.table()),
            sight(&self.kuadrants),
        ]
    }

    /// Since when something of it may be out of date.
    pub(crate) fn stale_since(&self) -> Option<Timestamp> {
        let since = self
            .sights()
            .into_iter()
            .filter_map(|(kind, sight)| match sight {
                // Everything goes on without them.
                Sight::Stale(Trouble::Forbidden | Trouble::NotInstalled, _)
                    if kind == Gateway::NAME =>
                {
                    None
                }
                Sight::Stale(_, since) => Some(*since),
                _ => None,
            });
        since.min()
    }
}

fn note<K: Kind>(journal: &mut Journal, taken: &Taken<K>) {
    for it in &taken.differences {
        note_one(journal, it);
    }
}

fn note_one<K: Kind>(journal: &mut Journal, it: &Difference<K>) -> u64 {
    journal.note(K::NAME, it.id.namespace(), it.id.name(), it.new.is_none())
}

/// A shelf that can be shown from: what was never listed is not empty.
///
/// # Errors
///
/// When the kind is not listed.
pub(crate) fn listed<K: Shelved>(shelf: &Shelf<K>) -> Result<&Shelf<K>, Problem> {
    let sight = shelf.table.sight(&Scope::Cluster);
    if sight.is_listed() {
        return Ok(shelf);
    }
    let why = match sight.trouble() {
        Some(trouble) => trouble.to_string(),
        None => "still listing".to_owned(),
    };
    Err(Problem::unavailable(format!(
        "{}s are not seen: {why}",
        K::NAME
    )))
}

/// The mirror, shared.
pub(crate) struct Store {
    known: RwLock<Known>,
    /// Tells the journal from those of other replicas, and of this one before.
    pub(crate) journal: String,
    /// The number of the last change.
    pub(crate) changed: signal::Sender<u64>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            known: RwLock::new(Known::new()),
            journal: hex::encode(rand::random::<[u8; 4]>()),
            changed: signal::Sender::new(0),
        }
    }

    /// What is known now. Not to be held while waiting for anything.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Known> {
        // A writer that panicked ends the process.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes news in: of a watch, or the answer to a write, so that a read that follows
    /// shows nothing older.
    pub(crate) fn take(&self, news: impl Into<News>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.take(news.into());
        let last = known.journal.last();
        drop(known);
        self.changed.send_if_modified(|it| {
            let is_news = *it != last;
            *it = last;
            is_news
        });
    }

    /// Follows every kind for ever. Ends when that cannot go on.
    pub(crate) async fn follow(&self, client: &Client, lens: &Lens, metrics: &Watches) {
        let (news, mut heard) = mpsc::channel(BACKLOG);
        let mut tasks = tokio::task::JoinSet::new();
        {
            let mut everywhere = Everywhere {
                client,
                lens,
                news: &news,
                tasks: &mut tasks,
                metrics,
            };
            everywhere.follow::<APIProduct>();
            everywhere.follow::<APIKey>();
            everywhere.follow::<APIKeyRequest>();
            everywhere.follow::<APIKeyApproval>();
            everywhere.follow::<HTTPRoute>();
            everywhere.follow::<Gateway>();
            everywhere.follow::<AuthPolicy>();
            everywhere.follow::<PlanPolicy>();
            everywhere.follow::<Kuadrant>();
        }
        loop {
            tokio::select! {
                Some(news) = heard.recv() => self.take(news),
                Some(ended) = tasks.join_next() => {
                    error!(error = ?ended.err(), "a watch has ended, which is a defect");
                    return;
                }
            }
        }
    }

    /// The namespaces in which there is anything of a kind.
    pub(crate) fn namespaces<K: Shelved>(
        &self,
        of: impl Fn(&Known) -> &Shelf<K>,
    ) -> Arc<BTreeSet<String>> {
        Arc::clone(&of(&self.read()).namespaces)
    }
}

struct Everywhere<'a> {
    client: &'a Client,
    lens: &'a Lens,
    news: &'a mpsc::Sender<News>,
    tasks: &'a mut tokio::task::JoinSet<()>,
    metrics: &'a Watches,
}

impl Everywhere<'_> {
    fn follow<K: Kind>(&mut self)
    where
        News: From<Told<K>>,
    {
        let source = Source {
            client: self.client.clone(),
            scope: Scope::Cluster,
            lens: self.lens.clone(),
            metrics: self.metrics.of(K::NAME, &Scope::Cluster),
        };
        self.tasks
            .spawn(watch::<K, News>(source, self.news.clone()));
    }
}
