//! How sure is the World of what it knows?

use std::sync::Arc;

use devportal_mirror::table::Taken;
use devportal_mirror::{Found, Kind, Scope, Sight, Table, Trouble};
use kube::Resource;

use super::World;

/// A kind in a scope, and how sure the World is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The kind's name.
    pub kind: &'static str,
    /// Where it is followed.
    pub scope: Scope,
    /// How sure.
    pub sight: Sight,
}

impl World {
    /// Every kind that is followed, where, and how sure the World is of it.
    pub fn followed(&self) -> Vec<Followed> {
        fn in_cluster<K: Kind>(table: &Table<K>) -> Followed {
            followed(table, Scope::Cluster)
        }
        fn followed<K: Kind>(table: &Table<K>, scope: Scope) -> Followed {
            Followed {
                kind: K::NAME,
                sight: table.sight(&scope).clone(),
                scope,
            }
        }
        let mut all = vec![
            in_cluster(&self.products),
            in_cluster(&self.keys),
            in_cluster(&self.requests),
            in_cluster(&self.approvals),
            in_cluster(&self.around.routes),
            in_cluster(&self.around.gateways),
            in_cluster(self.around.auth_policies.table()),
            in_cluster(self.around.plan_policies.table()),
            in_cluster(&self.kuadrants),
        ];
        if let Some(namespace) = self.kuadrant_namespace() {
            let scope = Scope::Namespace(namespace.to_owned());
            all.push(followed(&self.credentials, scope.clone()));
            all.push(followed(&self.strays, scope));
        }
        all
    }

    /// Why a kind that is followed in the whole cluster cannot be seen, if it cannot.
    pub(crate) fn blind<K: Kind>(table: &Table<K>) -> Option<Doubt> {
        match table.sight(&Scope::Cluster) {
            sight if sight.is_listed() => None,
            sight => Some(Doubt::unseen(K::NAME, sight)),
        }
    }

    /// [`Self::blind`], but for a kind that is not installed: there is nothing of it to see.
    pub(crate) fn unseen<K: Kind>(table: &Table<K>) -> Option<Doubt> {
        let trouble = table.sight(&Scope::Cluster).trouble();
        Self::blind(table).filter(|_| trouble != Some(&Trouble::NotInstalled))
    }

    /// [`Self::blind`], but only while the API server fails: for a kind that all goes on without.
    pub(crate) fn failing<K: Kind>(table: &Table<K>) -> Option<Doubt> {
        let trouble = table.sight(&Scope::Cluster).trouble();
        Self::blind(table).filter(|_| matches!(trouble, Some(Trouble::Failing(_))))
    }

    /// What became of the sight of a kind.
    pub(super) fn notice<K: Kind>(&mut self, taken: &Taken<K>) {
        self.sight_is_news |= taken.sight_changed;
        if !taken.is_gain {
            return;
        }
        let is_away = |it: &Followed| matches!(it.sight.trouble(), Some(Trouble::Failing(_)));
        if !self.followed().iter().any(is_away) {
            self.brakes.release();
        }
        self.review_is_due = true;
    }

    /// Whether a kind is seen otherwise than before. Asked once.
    pub fn take_sight_news(&mut self) -> bool {
        std::mem::take(&mut self.sight_is_news)
    }

    /// Whether everything is to be looked at again, because more or less is known of a
    /// kind than before. Asked once: an outage ends for all kinds at about one time.
    pub fn take_review(&mut self) -> bool {
        std::mem::take(&mut self.review_is_due)
    }
}

/// Something that bears on a decision and is not known: nothing is given or taken away
/// for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What: a kind, or an object.
    pub what: String,
    /// Why it is not known.
    pub why: String,
    /// Whether it is there and cannot be read, rather than not seen.
    pub unreadable: bool,
}

impl Doubt {
    pub(crate) fn unseen(kind: &str, sight: &Sight) -> Self {
        let why = match sight.trouble() {
            Some(trouble) => trouble.to_string(),
            None => "the first list is not complete".to_owned(),
        };
        Self {
            what: format!("{kind}s").replace("ys", "ies"),
            why,
            unreadable: false,
        }
    }

    pub(crate) fn unreadable(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            unreadable: true,
        }
    }
}

/// Whether an object is there to stay.
pub(crate) fn find_alive<'a, K>(found: &Found<'a, Arc<K>>) -> Option<&'a K>
where
    K: Resource,
{
    let object = match found {
        Found::Present(object) | Found::Flawed(Some(object), _) => &***object,
        _ => return None,
    };
    (object.meta().deletion_timestamp.is_none()).then_some(object)
}
