//! The API server as a model: objects with UIDs, generations and versions, and
//! the watch events that tell of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devportal_api::condition::whole_second;
use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{ObjectId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::{annotation, label};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use devportal_core::change::Source;
use devportal_mirror::{
    Credential, Fingerprint, Fit, Flaw, Scope, SecretFacts, Stray, Told, Trouble, ValueFacts,
    Version,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::portal::Portal;

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
}

/// A Secret, with its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    pub uid: String,
    pub version: u64,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub owner_uid: Option<String>,
    pub created: Option<Timestamp>,
    /// The `api_key` entry.
    pub value: Option<String>,
    /// Whether we made it, whatever became of it since.
    pub ours: bool,
    /// Whether a finalizer holds it.
    pub held: bool,
    pub deleting: bool,
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
                fit: fit(value),
                fits_cookie: !value.contains(';'),
                fingerprint: fingerprint(value),
                intact: self
                    .annotations
                    .get(annotation::DIGEST)
                    .map(|it| *it == digest(value)),
            },
        };
        SecretFacts {
            uid: self.uid.as_str().into(),
            version: Version(self.version),
            labels: self.labels.iter().collect(),
            annotations: self.annotations.iter().collect(),
            owner_uid: self.owner_uid.as_deref().map(Into::into),
            created: self.created,
            deleting: self.deleting,
            untouched: false,
            value,
        }
    }
}

/// Values of tests are short.
fn fit(value: &str) -> Fit {
    match value {
        "padded " => Fit::Padded,
        "weak" => Fit::Short,
        _ => Fit::Good,
    }
}

pub fn fingerprint(value: &str) -> Fingerprint {
    let mut bytes = [0; 16];
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
    pub gateways: Table<Gateway>,
    pub auth_policies: Table<AuthPolicy>,
    pub plan_policies: Table<PlanPolicy>,
    pub kuadrants: Table<Kuadrant>,
    pub secrets: Table<Secret>,
    /// Not yet taken by any watch.
    pub events: Vec<Seen>,
    pub counter: u64,
    /// Which key an approval was tied to, by UIDs: for as long as the test runs.
    pub bound: BTreeMap<String, String>,
    /// Which key a request was made for, by UIDs: likewise.
    pub asked: BTreeMap<String, String>,
    /// What an approval covers, by its UID, with what it decided by then: likewise.
    pub covered: BTreeMap<String, (String, ApprovedTerms)>,
    /// How many values were generated.
    pub generated: u64,
    /// What comes between a new Secret and the store.
    pub admission: Admission,
    /// Whether reading a Secret takes longer than anyone waits.
    pub reads_nothing: bool,
    /// Namespaces in which the hands may not read Secrets.
    pub forbidden: BTreeSet<String>,
    /// Objects of which not all can be read, and what not.
    pub flawed: BTreeMap<(&'static str, Name), Hole>,
    /// Kinds that the API server lets nobody write.
    pub refused: BTreeSet<&'static str>,
    /// What a portal saw and showed.
    pub portal: Portal,
    /// Status fields that the installed definitions lack, by kind.
    pub pruned: Vec<(&'static str, &'static str)>,
}

/// What cannot be read of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    Spec,
    Status(&'static str),
}

/// What an admission plugin does to new Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    #[default]
    Passes,
    AddsALabel,
    Changes(&'static str),
    /// Puts a finalizer on each that the gateway reads, and takes none off.
    Holds,
    Refuses,
}

/// A kind with a table in the model.
pub trait Kind:
    devportal_mirror::Kind<Object = Self, Kept = Arc<Self>>
    + Resource<DynamicType = ()>
    + Clone
    + PartialEq
    + Serialize
    + serde::de::DeserializeOwned
{
    fn table(cluster: &Cluster) -> &Table<Self>;
    fn table_mut(cluster: &mut Cluster) -> &mut Table<Self>;
    fn change(told: Told<Self>) -> Change;
    fn spec(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap()["spec"].take()
    }
}

macro_rules! kinds {
    ($($kind:ident, $table:ident;)*) => {
        $(impl Kind for $kind {
            fn table(cluster: &Cluster) -> &Table<Self> { &cluster.$table }
            fn table_mut(cluster: &mut Cluster) -> &mut Table<Self> { &mut cluster.$table }
            fn change(told: Told<Self>) -> Change { told.into() }
        })*

        /// Every kind that is followed in the whole cluster.
        pub const KINDS: [&str; 9] = [$(<$kind as devportal_mirror::Kind>::NAME),*];

        impl Cluster {
            /// What a list of a kind shows.
            pub fn list(&self, kind: &str) -> Vec<Seen> {
                $(if kind == <$kind as devportal_mirror::Kind>::NAME {
                    return self.$table.iter().map(|(name, it)| self.seen(name, it)).collect();
                })*
                let is_labelled = kind == ENFORCEMENT;
                let secrets = self.secrets.iter();
                secrets
                    .filter(|(_, it)| it.is_enforcement() == is_labelled)
                    .map(|(name, it)| if is_labelled { enforcement(name, it) } else { stray(name, it) })
                    .collect()
            }

            /// Something is told of a kind as a whole.
            pub fn of_kind(kind: &str, told: Whole) -> Change {
                $(if kind == <$kind as devportal_mirror::Kind>::NAME {
                    return told.of::<$kind>().into();
                })*
                if kind == ENFORCEMENT {
                    told.of::<Credential>().into()
                } else {
                    told.of::<Stray>().into()
                }
            }
        }
    };
}

kinds! {
    APIProduct, products;
    APIKey, keys;
    APIKeyRequest, requests;
    APIKeyApproval, approvals;
    HTTPRoute, routes;
    Gateway, gateways;
    AuthPolicy, auth_policies;
    PlanPolicy, plan_policies;
    Kuadrant, kuadrants;
}

/// What is told of a kind as a whole.
#[derive(Clone, Debug)]
pub enum Whole {
    Begins(Scope),
    Ends(Scope, u64),
    Lost(Scope, Trouble, Timestamp),
    Resumed(Scope),
    Left(Scope),
}

impl Whole {
    fn of<K: devportal_mirror::Kind>(self) -> Told<K> {
        match self {
            Self::Begins(scope) => Told::ListBegins(scope),
            Self::Ends(scope, version) => Told::ListEnds(scope, Version(version)),
            Self::Lost(scope, trouble, at) => Told::Lost(scope, trouble, at),
            Self::Resumed(scope) => Told::Resumed(scope),
            Self::Left(scope) => Told::Left(scope),
        }
    }
}

pub const ENFORCEMENT: &str = "enforcement Secret";
pub const STRAY: &str = "unlabelled Secret";
pub const SOURCE: &str = "source";

pub fn id<K: Kind>(name: &Name) -> K::Id {
    K::Id::named(&name.0, &name.1)
}

pub fn enforcement(name: &Name, secret: &Secret) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    Seen {
        change: Told::<Credential>::Is(id, secret.facts()).into(),
        object: (ENFORCEMENT, name.clone()),
    }
}

pub fn stray(name: &Name, secret: &Secret) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    let facts = SecretFacts {
        value: ValueFacts::Unread,
        ..secret.facts()
    };
    Seen {
        change: Told::<Stray>::Is(id, facts).into(),
        object: (STRAY, name.clone()),
    }
}

fn not_enforcement(name: &Name, uid: &str, version: Option<u64>) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    let told = Told::<Credential>::Ended(id, uid.to_owned(), version.map(Version));
    Seen {
        change: told.into(),
        object: (ENFORCEMENT, name.clone()),
    }
}

fn not_stray(name: &Name, uid: &str, version: Option<u64>) -> Seen {
    let id = SecretId::new(&name.0, &name.1);
    let told = Told::<Stray>::Ended(id, uid.to_owned(), version.map(Version));
    Seen {
        change: told.into(),
        object: (STRAY, name.clone()),
    }
}

/// What the answer to a deletion tells of a Secret that the gateway reads.
pub fn deleted(name: &Name, uid: &str) -> Vec<Seen> {
    vec![not_enforcement(name, uid, None), not_stray(name, uid, None)]
}

pub fn source(name: &Name, secret: Option<&Secret>) -> Seen {
    let source = secret.map_or(Source::Gone(None), |it| Source::Is(it.facts()));
    told_source(name, source)
}

pub fn told_source(name: &Name, source: Source) -> Seen {
    Seen {
        change: Change::Source(SecretId::new(&name.0, &name.1), source),
        object: (SOURCE, name.clone()),
    }
}

pub fn name_of<K: Resource>(object: &K) -> Name {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// An object of which not all can be read.
fn flawed<K: Kind>(name: &Name, object: &K, hole: Hole) -> Told<K> {
    let meta = object.meta();
    let raw = serde_json::to_value(object).unwrap();
    let path = match hole {
        Hole::Spec => "spec".to_owned(),
        Hole::Status(field) => format!("status.{field}"),
    };
    let kept = match hole {
        Hole::Spec => None,
        Hole::Status(field) => {
            let mut raw = raw.clone();
            if let Some(status) = raw["status"].as_object_mut() {
                status.remove(field);
            }
            serde_json::from_value(raw).ok().map(Arc::new)
        }
    };
    let flaw = Flaw {
        uid: meta.uid.clone().unwrap_or_default(),
        version: Version::of(meta.resource_version.as_deref()),
        generation: meta.generation,
        deleting: meta.deletion_timestamp.is_some(),
        created: meta.creation_timestamp.as_ref().map(|at| at.0),
        holes: vec![path],
        why: "not a time".to_owned(),
        raw,
    };
    Told::Flawed(id::<K>(name), kept, Arc::new(flaw))
}

impl Cluster {
    /// An object as a watch shows it.
    pub fn seen<K: Kind>(&self, name: &Name, object: &K) -> Seen {
        let hole = self.flawed.get(&(K::NAME, name.clone()));
        let told = match hole {
            None => Told::Is(id::<K>(name), Arc::new(object.clone())),
            Some(hole) => flawed(name, object, *hole),
        };
        Seen {
            change: K::change(told),
            object: (K::NAME, name.clone()),
        }
    }

    /// Makes an object unreadable, or readable again.
    pub fn flaw<K: Kind>(&mut self, name: &Name, hole: Option<Hole>) {
        if !K::table(self).contains_key(name) {
            return;
        }
        let before = match hole {
            Some(hole) => self.flawed.insert((K::NAME, name.clone()), hole),
            None => self.flawed.remove(&(K::NAME, name.clone())),
        };
        if before == hole {
            return;
        }
        let version = self.next();
        let mut object = K::table(self)[name].clone();
        object.meta_mut().resource_version = Some(version.to_string());
        self.events.push(self.seen(name, &object));
        K::table_mut(self).insert(name.clone(), object);
    }

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
        self.events.push(self.seen(&name, &object));
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
        self.events.push(self.seen(name, &new));
        K::table_mut(self).insert(name.clone(), new.clone());
        Some(new)
    }

    /// Deletes an object, or marks it as deleted where finalizers hold it.
    pub fn delete<K: Kind>(&mut self, name: &Name) -> Option<Seen> {
        let object = K::table(self).get(name)?;
        if object.finalizers().is_empty() {
            let uid = object.uid().unwrap_or_default();
            K::table_mut(self).remove(name);
            self.flawed.remove(&(K::NAME, name.clone()));
            let version = Version(self.next());
            let seen = Seen {
                change: K::change(Told::Ended(id::<K>(name), uid, Some(version))),
                object: (K::NAME, name.clone()),
            };
            self.events.push(seen.clone());
            return Some(seen);
        }
        let now = Time(self.now);
        let marked = self.edit::<K>(name, |it| {
            it.meta_mut().deletion_timestamp.get_or_insert(now);
        });
        marked.map(|it| self.seen(name, &it))
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
            new.created = Some(whole_second(self.now));
        }
        // A watch by label tells of a lost label as of a deletion.
        let was = old.as_ref().map(Secret::is_enforcement);
        let (uid, version) = (new.uid.clone(), Some(new.version));
        if new.is_enforcement() {
            if was == Some(false) {
                self.events.push(not_stray(name, &uid, version));
            }
            self.events.push(enforcement(name, &new));
        } else {
            if was == Some(true) {
                self.events.push(not_enforcement(name, &uid, version));
            }
            self.events.push(stray(name, &new));
        }
        self.events.push(source(name, Some(&new)));
        self.secrets.insert(name.clone(), new);
    }

    /// Whoever held it lets it go.
    pub fn delete_held(&mut self, name: &Name) {
        self.put_secret(name, |it| it.held = false);
        self.delete_secret(name);
    }

    pub fn delete_secret(&mut self, name: &Name) -> Option<Secret> {
        if self.secrets.get(name)?.held {
            self.put_secret(name, |it| it.deleting = true);
            return None;
        }
        let old = self.secrets.remove(name)?;
        let version = Some(self.next());
        if old.is_enforcement() {
            self.events.push(not_enforcement(name, &old.uid, version));
        } else {
            self.events.push(not_stray(name, &old.uid, version));
        }
        let gone = Source::Gone(Some(old.uid.clone()));
        self.events.push(told_source(name, gone));
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
