//! The API server as a model: objects with UIDs, generations and versions, and
//! the watch events that tell of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::{annotation, label};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use devportal_core::change::{Fingerprint, SecretFacts, ValueFacts};
use devportal_core::world::Listed;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};
use serde::Serialize;

/// Namespace and name.
pub type Name = (String, String);
pub type Table<K> = BTreeMap<Name, K>;

/// A watch event, or the answer to a write.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the World is told.
    pub change: Change,
    /// Events of one object are ordered: this says of which.
    pub object: (&'static str, Name),
    /// The UID of the object that a deletion is about.
    pub gone: Option<String>,
}

/// A Secret, with its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    pub uid: String,
    pub version: u64,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub owner_uid: Option<String>,
    /// The `api_key` entry.
    pub value: Option<String>,
    /// Whether we made it, whatever became of it since.
    pub ours: bool,
}

impl Secret {
    pub fn is_enforcement(&self) -> bool {
        self.labels
            .get(label::ENFORCEMENT)
            .is_some_and(|it| it == "true")
    }

    pub fn facts(&self) -> SecretFacts {
        let value = match self.value.as_deref() {
            None => ValueFacts::NoEntry,
            Some("") => ValueFacts::Empty,
            Some(value) => ValueFacts::Value {
                fingerprint: fingerprint(value),
                intact: self
                    .annotations
                    .get(annotation::DIGEST)
                    .map(|it| *it == digest(value)),
            },
        };
        SecretFacts {
            uid: self.uid.clone(),
            resource_version: self.version.to_string(),
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            owner_uid: self.owner_uid.clone(),
            deleting: false,
            value,
        }
    }
}

pub fn fingerprint(value: &str) -> Fingerprint {
    let mut bytes = [0; 32];
    let text = value.as_bytes();
    assert!(text.len() < bytes.len(), "test values are short");
    bytes[..text.len()].copy_from_slice(text);
    Fingerprint(bytes)
}

pub fn digest(value: &str) -> String {
    format!("digest of {value}")
}

#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub now: Timestamp,
    pub products: Table<APIProduct>,
    pub keys: Table<APIKey>,
    pub requests: Table<APIKeyRequest>,
    pub approvals: Table<APIKeyApproval>,
    pub routes: Table<HTTPRoute>,
    pub auth_policies: Table<AuthPolicy>,
    pub plan_policies: Table<PlanPolicy>,
    pub kuadrants: Table<Kuadrant>,
    pub secrets: Table<Secret>,
    /// Not yet taken by any watch.
    pub events: Vec<Seen>,
    pub counter: u64,
    /// Which key an approval was tied to, by UIDs: for as long as the test runs.
    pub bound: BTreeMap<String, String>,
    /// What an approval covers, by its UID and generation: likewise.
    pub covered: BTreeMap<String, ApprovedTerms>,
    /// How many values were generated.
    pub generated: u64,
    /// What comes between a new Secret and the store.
    pub admission: Admission,
    /// Whether reading a Secret takes longer than anyone waits.
    pub reads_nothing: bool,
    /// Namespaces in which the hands may not read Secrets.
    pub forbidden: BTreeSet<String>,
}

/// What an admission plugin does to new Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    #[default]
    Passes,
    AddsALabel,
    Changes(&'static str),
    Refuses,
}

/// A kind with a table in the model.
pub trait Kind: Resource<DynamicType = ()> + Clone + PartialEq + Serialize {
    const KIND: &'static str;
    fn table(cluster: &Cluster) -> &Table<Self>;
    fn table_mut(cluster: &mut Cluster) -> &mut Table<Self>;
    fn change(name: &Name, object: Option<Arc<Self>>) -> Change;
    fn spec(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap()["spec"].take()
    }
}

macro_rules! kinds {
    ($($kind:ident, $id:ident, $change:ident, $table:ident;)*) => {
        $(impl Kind for $kind {
            const KIND: &'static str = stringify!($kind);
            fn table(cluster: &Cluster) -> &Table<Self> { &cluster.$table }
            fn table_mut(cluster: &mut Cluster) -> &mut Table<Self> { &mut cluster.$table }
            fn change(name: &Name, object: Option<Arc<Self>>) -> Change {
                Change::$change($id::new(&name.0, &name.1), object)
            }
        })*

        impl Cluster {
            /// What a list of every watched kind answers.
            pub fn list(&self) -> Vec<Seen> {
                let mut all = Vec::new();
                $(all.extend(self.$table.iter().map(|(name, it)| seen(name, it)));)*
                let secrets = self.secrets.iter().filter(|(_, it)| it.is_enforcement());
                all.extend(secrets.map(|(name, it)| enforcement(name, Some(it))));
                all
            }
        }

        /// What the watches list, with the enforcement Secrets of a namespace.
        pub fn lists(namespace: Option<&str>) -> Vec<(&'static str, Listed)> {
            let kinds = [$(($kind::KIND, Listed::$kind),)*];
            let secrets = namespace.map(|it| Listed::EnforcementSecrets(it.to_owned()));
            kinds.into_iter().chain(secrets.map(|list| (ENFORCEMENT, list))).collect()
        }
    };
}

kinds! {
    APIProduct, ProductId, Product, products;
    APIKey, KeyId, Key, keys;
    APIKeyRequest, RequestId, Request, requests;
    APIKeyApproval, ApprovalId, Approval, approvals;
    HTTPRoute, RouteId, Route, routes;
    AuthPolicy, PolicyId, AuthPolicy, auth_policies;
    PlanPolicy, PolicyId, PlanPolicy, plan_policies;
    Kuadrant, KuadrantId, Kuadrant, kuadrants;
}

pub const ENFORCEMENT: &str = "enforcement";
pub const SOURCE: &str = "source";

pub fn seen<K: Kind>(name: &Name, object: &K) -> Seen {
    Seen {
        change: K::change(name, Some(Arc::new(object.clone()))),
        object: (K::KIND, name.clone()),
        gone: None,
    }
}

pub fn enforcement(name: &Name, secret: Option<&Secret>) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    Seen {
        change: Change::EnforcementSecret(id, secret.map(Secret::facts)),
        object: (ENFORCEMENT, name.clone()),
        gone: None,
    }
}

pub fn source(name: &Name, secret: Option<&Secret>) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    Seen {
        change: Change::SourceSecret(id, secret.map(Secret::facts)),
        object: (SOURCE, name.clone()),
        gone: None,
    }
}

/// What a read without the right to it tells.
pub fn forbidden(name: &Name) -> Seen {
    Seen {
        change: Change::SourceForbidden(SecretId::new(&name.0, &name.1)),
        ..source(name, None)
    }
}

pub fn name_of<K: Resource>(object: &K) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}

impl Cluster {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Creates an object; `None` when the name is taken.
    pub fn create<K: Kind>(&mut self, mut object: K) -> Option<K> {
        let name = name_of(&object);
        if K::table(self).contains_key(&name) {
            return None;
        }
        let version = self.next();
        let meta = object.meta_mut();
        meta.uid = Some(format!("uid-{version}"));
        meta.generation = Some(1);
        meta.resource_version = Some(version.to_string());
        meta.creation_timestamp = Some(Time(self.now));
        self.events.push(seen(&name, &object));
        K::table_mut(self).insert(name, object.clone());
        Some(object)
    }

    /// Changes an object: a new generation for a new spec, no event for no
    /// difference.
    pub fn edit<K: Kind>(&mut self, name: &Name, change: impl FnOnce(&mut K)) -> Option<K> {
        let old = K::table(self).get(name)?.clone();
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return Some(new);
        }
        let version = self.next();
        let meta = new.meta_mut();
        meta.resource_version = Some(version.to_string());
        if new.spec() != old.spec() {
            new.meta_mut().generation = old.meta().generation.map(|it| it + 1);
        }
        self.events.push(seen(name, &new));
        K::table_mut(self).insert(name.clone(), new.clone());
        Some(new)
    }

    /// Deletes an object, or marks it as deleted where finalizers hold it.
    pub fn delete<K: Kind>(&mut self, name: &Name) -> Option<Seen> {
        let object = K::table(self).get(name)?;
        if object.finalizers().is_empty() {
            let gone = object.uid();
            K::table_mut(self).remove(name);
            self.next();
            let seen = Seen {
                change: K::change(name, None),
                object: (K::KIND, name.clone()),
                gone,
            };
            self.events.push(seen.clone());
            return Some(seen);
        }
        let now = Time(self.now);
        let marked = self.edit::<K>(name, |it| {
            it.meta_mut().deletion_timestamp.get_or_insert(now);
        });
        marked.map(|it| seen(name, &it))
    }

    /// Creates or changes a Secret; nothing happens where nothing differs.
    pub fn put_secret(&mut self, name: &Name, change: impl FnOnce(&mut Secret)) {
        let old = self.secrets.get(name).cloned();
        let mut new = old.clone().unwrap_or_default();
        change(&mut new);
        if old.as_ref() == Some(&new) {
            return;
        }
        new.version = self.next();
        if old.is_none() {
            new.uid = format!("uid-{}", new.version);
        }
        let was_enforcement = old.as_ref().is_some_and(Secret::is_enforcement);
        if new.is_enforcement() {
            self.events.push(enforcement(name, Some(&new)));
        } else if was_enforcement {
            // A watch by label tells of a lost label as of a deletion.
            let gone = old.map(|it| it.uid);
            self.events.push(Seen {
                gone,
                ..enforcement(name, None)
            });
        }
        self.events.push(source(name, Some(&new)));
        self.secrets.insert(name.clone(), new);
    }

    pub fn delete_secret(&mut self, name: &Name) -> Option<Secret> {
        let old = self.secrets.remove(name)?;
        self.next();
        let gone = Some(old.uid.clone());
        if old.is_enforcement() {
            self.events.push(Seen {
                gone: gone.clone(),
                ..enforcement(name, None)
            });
        }
        self.events.push(Seen {
            gone,
            ..source(name, None)
        });
        Some(old)
    }

    /// The garbage collector: what belongs to an owner that is gone.
    pub fn collect(&mut self) {
        let keys: Vec<_> = self.keys.values().filter_map(ResourceExt::uid).collect();
        let orphans = self.secrets.iter().filter(|(_, it)| {
            it.owner_uid
                .as_ref()
                .is_some_and(|owner| !keys.contains(owner))
        });
        for name in orphans.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.delete_secret(&name);
        }
        let requests: Vec<_> = self
            .requests
            .values()
            .filter_map(ResourceExt::uid)
            .collect();
        let orphans = self.approvals.iter().filter(|(_, it)| {
            let mut owners = it.owner_references().iter();
            owners.any(|owner| !requests.contains(&owner.uid))
        });
        for name in orphans.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.delete::<APIKeyApproval>(&name);
        }
    }
}
