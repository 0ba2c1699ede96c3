//! The hands: writes carried out on the model, with the care they owe.
//!
//! * What is updated or deleted must still have the UID the World knows.
//! * What is created must not exist.
//! * No object gets a second controlling owner: the API server refuses that.
//! * `canReadSecret` belongs to portals and is left as it is.

use devportal_api::id::{KeyId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::annotation;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::change::Obstacle;
use devportal_core::decision::{NewSecret, Owner, ValueSource};
use devportal_core::{Change, World, Write};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use super::cluster::{
    Admission, Cluster, Kind, Name, Secret, Seen, digest, enforcement, fingerprint, seen, source,
};

/// What the API server answered: an error leads to another decision.
pub type Answer = Result<Vec<Seen>, &'static str>;

/// Carries one write out.
pub fn apply(cluster: &mut Cluster, world: &World, write: &Write) -> Answer {
    match write {
        Write::CreateSecret(new) => create_secret(cluster, new),
        Write::DeleteCredential { id, uid } => Ok(delete_secret(cluster, id, uid, enforcement)),
        Write::DeleteCopy { id, uid } => Ok(delete_secret(cluster, id, uid, source)),
        Write::ApplyRequest { id, spec } => {
            let known = world.find_request(id).and_then(ResourceExt::uid);
            let mut new = APIKeyRequest::new(&id.name, spec.clone());
            new.meta_mut().namespace = Some(id.namespace.clone());
            put(cluster, known, new, |it| it.spec = spec.clone())
        }
        Write::DeleteRequest { id, uid } => Ok(delete::<APIKeyRequest>(
            cluster,
            &pair(&id.namespace, &id.name),
            uid,
        )),
        Write::ApplyApproval { id, spec, owner } => {
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            let mut new = APIKeyApproval::new(&id.name, spec.clone());
            new.meta_mut().namespace = Some(id.namespace.clone());
            tie(&mut new, owner);
            refuse_second_owner(cluster, &pair(&id.namespace, &id.name), owner)?;
            let answer = put(cluster, known, new, |it| {
                it.spec = spec.clone();
                tie(it, owner);
            });
            if answer.is_ok() {
                bind(cluster, &pair(&id.namespace, &id.name), owner);
            }
            answer
        }
        Write::AdoptApproval { id, owner } => {
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            refuse_second_owner(cluster, &name, owner)?;
            let answer =
                edit::<APIKeyApproval>(cluster, &name, known.as_deref(), |it| tie(it, owner));
            if answer.is_ok() {
                bind(cluster, &name, owner);
            }
            answer
        }
        Write::DeleteApproval { id, uid } => Ok(delete::<APIKeyApproval>(
            cluster,
            &pair(&id.namespace, &id.name),
            uid,
        )),
        Write::ProductStatus(id, status) => {
            let known = world.find_product(id).and_then(ResourceExt::uid);
            edit::<APIProduct>(
                cluster,
                &pair(&id.namespace, &id.name),
                known.as_deref(),
                |it| {
                    it.status = Some(status.as_ref().clone());
                },
            )
        }
        Write::KeyStatus(id, status) => {
            cover(cluster, status.approved_terms.as_ref());
            let known = world.find_key(id).and_then(ResourceExt::uid);
            edit::<APIKey>(
                cluster,
                &pair(&id.namespace, &id.name),
                known.as_deref(),
                |it| {
                    let shown = it.status.as_ref().and_then(|it| it.can_read_secret);
                    let mut status = status.as_ref().clone();
                    status.can_read_secret = shown;
                    it.status = Some(status);
                },
            )
        }
        Write::RequestStatus(id, status) => {
            let known = world.find_request(id).and_then(ResourceExt::uid);
            edit::<APIKeyRequest>(
                cluster,
                &pair(&id.namespace, &id.name),
                known.as_deref(),
                |it| {
                    it.status = Some(status.as_ref().clone());
                },
            )
        }
        Write::ApprovalStatus(id, status) => {
            cover(cluster, status.terms.as_ref());
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            edit::<APIKeyApproval>(
                cluster,
                &pair(&id.namespace, &id.name),
                known.as_deref(),
                |it| {
                    it.status = Some(status.as_ref().clone());
                },
            )
        }
    }
}

pub fn pair(namespace: &str, name: &str) -> Name {
    (namespace.to_owned(), name.to_owned())
}

/// Updates what the World knows, creates what it does not.
fn put<K: Kind>(
    cluster: &mut Cluster,
    known: Option<String>,
    new: K,
    change: impl FnOnce(&mut K),
) -> Answer {
    let name = super::cluster::name_of(&new);
    if let Some(uid) = known {
        return edit(cluster, &name, Some(&uid), change);
    }
    let made = cluster.create(new).ok_or("already exists")?;
    Ok(vec![seen(&name, &made)])
}

fn edit<K: Kind>(
    cluster: &mut Cluster,
    name: &Name,
    uid: Option<&str>,
    change: impl FnOnce(&mut K),
) -> Answer {
    let have = K::table(cluster).get(name).ok_or("not found")?;
    if have.meta().uid.as_deref() != uid {
        return Err("conflict");
    }
    let made = cluster.edit(name, change).ok_or("not found")?;
    Ok(vec![seen(name, &made)])
}

/// What is gone, or another object by now, is not there either way.
fn delete<K: Kind>(cluster: &mut Cluster, name: &Name, uid: &str) -> Vec<Seen> {
    let is_it = K::table(cluster)
        .get(name)
        .is_some_and(|it| it.meta().uid.as_deref() == Some(uid));
    let done = if is_it {
        cluster.delete::<K>(name)
    } else {
        None
    };
    let gone = || Seen {
        change: K::change(name, None),
        object: (K::KIND, name.clone()),
        gone: Some(uid.to_owned()),
    };
    vec![done.unwrap_or_else(gone)]
}

fn tie(approval: &mut APIKeyApproval, owner: &Owner) {
    approval.meta_mut().owner_references = Some(vec![OwnerReference {
        api_version: "devportal.kuadrant.io/v1alpha1".into(),
        kind: owner.kind.into(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
}

fn refuse_second_owner(
    cluster: &Cluster,
    approval: &Name,
    owner: &Owner,
) -> Result<(), &'static str> {
    let have = cluster.approvals.get(approval);
    let mut owners = have.iter().flat_map(|it| it.owner_references());
    if owners.any(|it| it.uid != owner.uid) {
        return Err("another owner");
    }
    Ok(())
}

/// An approval is tied to one key for ever.
fn bind(cluster: &mut Cluster, approval: &Name, owner: &Owner) {
    let uid_of = |it: &APIKeyRequest| it.spec.api_key_ref.uid.clone();
    let mut requests = cluster.requests.values();
    let key = requests
        .find(|it| it.meta().uid.as_deref() == Some(&owner.uid))
        .and_then(uid_of);
    let approval = cluster.approvals.get(approval).and_then(ResourceExt::uid);
    if let (Some(approval), Some(key)) = (approval, key) {
        let bound = cluster.bound.entry(approval).or_insert_with(|| key.clone());
        assert_eq!(*bound, key, "a decision moved from one key to another");
    }
}

/// What an approval covers never changes, whatever is asked for or decided later.
fn cover(cluster: &mut Cluster, terms: Option<&ApprovedTerms>) {
    if let Some(terms) = terms {
        let covered = cluster.covered.entry(terms.approval.clone());
        assert_eq!(covered.or_insert_with(|| terms.clone()), terms);
    }
}

fn delete_secret(
    cluster: &mut Cluster,
    id: &SecretId,
    uid: &str,
    told_as: fn(&Name, Option<&Secret>) -> Seen,
) -> Vec<Seen> {
    let name = pair(&id.namespace, &id.name);
    if let Some(secret) = cluster.secrets.get(&name).filter(|it| it.uid == uid) {
        assert!(secret.ours, "{id} is not ours to delete");
        cluster.delete_secret(&name);
    }
    let gone = Some(uid.to_owned());
    vec![Seen {
        gone,
        ..told_as(&name, None)
    }]
}

fn create_secret(cluster: &mut Cluster, new: &NewSecret) -> Answer {
    let name = pair(&new.id.namespace, &new.id.name);
    let key = &new.annotations[annotation::KEY];
    let (namespace, key) = key.split_once('/').unwrap();
    let key = KeyId::new(namespace, key);
    let hindered = |obstacle| {
        let change = Change::Hindered(new.id.clone(), obstacle, key, cluster.now);
        let object = ("hindered", name.clone());
        Ok(vec![Seen {
            change,
            object,
            gone: None,
        }])
    };
    if cluster.admission == Admission::Refuses {
        return hindered(Obstacle::Refused("Forbidden".to_owned()));
    }
    if let Some(have) = cluster.secrets.get(&name) {
        let uid = new.annotations.get(annotation::KEY_UID);
        let is_seen = new.owner.is_some() || have.is_enforcement();
        let is_ours = have.annotations.get(annotation::KEY_UID) == uid && is_seen;
        if is_ours {
            return Ok(vec![fresh(&name, have)]);
        }
        return hindered(Obstacle::NameTaken);
    }
    let value = match &new.value {
        ValueSource::Generate => {
            cluster.generated += 1;
            format!("generated-{}", cluster.generated)
        }
        ValueSource::CopyOf(from, want) => {
            let from = cluster.secrets.get(&pair(&from.namespace, &from.name));
            let value = from
                .and_then(|it| it.value.clone())
                .ok_or("nothing to copy")?;
            if fingerprint(&value) != *want {
                return Err("the value changed");
            }
            value
        }
    };
    let mut annotations = new.annotations.clone();
    if new.generated {
        annotations.insert(annotation::DIGEST.to_owned(), digest(&value));
    }
    let mut labels = new.labels.clone();
    match cluster.admission {
        Admission::Passes | Admission::Refuses => {}
        Admission::AddsALabel => drop(labels.insert("team".into(), "payments".into())),
        Admission::Changes(label) => {
            if let Some(value) = labels.get_mut(label) {
                *value = "changed".into();
            }
        }
    }
    cluster.put_secret(&name, |it| {
        it.labels = labels;
        it.annotations = annotations;
        it.owner_uid = new.owner.as_ref().map(|owner| owner.uid.clone());
        it.value = Some(value);
        it.ours = true;
    });
    Ok(vec![fresh(&name, &cluster.secrets[&name])])
}

fn fresh(name: &Name, secret: &super::cluster::Secret) -> Seen {
    if secret.is_enforcement() {
        enforcement(name, Some(secret))
    } else {
        source(name, Some(secret))
    }
}
