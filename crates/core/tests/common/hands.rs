//! The hands: writes carried out on the model, with the care they owe.
//!
//! * What is updated or deleted must still have the UID the World knows.
//! * What is created must not exist.
//! * No object gets a second controlling owner: the API server refuses that.
//! * `canReadSecret` belongs to portals and is left as it is, but where another value is
//!   to be shown once: that is told of the version that was seen.

use devportal_api::id::{KeyId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::annotation;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIKeyStatus, APIProduct};
use devportal_core::brake::{Cause, Failure};
use devportal_core::decision::{NewSecret, Owner, Presence, ValueSource};
use devportal_core::{Change, World, Write};
use devportal_mirror::{Told, Version};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::cluster::{
    self, Admission, Cluster, Hole, Kind, Name, Seen, deleted, digest, enforcement, fingerprint,
    source, told_source,
};

/// What the API server answered, or why nothing was written.
pub type Answer = Result<Vec<Seen>, Failure>;

/// Carries one write out.
pub fn apply(cluster: &mut Cluster, world: &World, write: &Write) -> Answer {
    let answer = carry_out(cluster, world, write);
    answer.map_err(|mut failure| {
        failure.target = write.target();
        failure
    })
}

pub fn passing(why: &str) -> Failure {
    Failure {
        cause: Cause::Passing,
        target: String::new(),
        reason: "Conflict".into(),
        message: why.into(),
    }
}

fn refused() -> Failure {
    Failure {
        cause: Cause::Refused,
        reason: "Forbidden".into(),
        message: "exceeded quota".into(),
        ..passing("")
    }
}

/// What a live look finds that must not be there.
fn look(cluster: &Cluster, unless: Option<&Presence>) -> Option<Vec<Seen>> {
    let one = |seen: Option<Seen>| seen.map(|it| vec![it]);
    match unless? {
        Presence::Key(id, uid) => one(find::<APIKey>(cluster, &id.namespace, &id.name, |it| {
            uid.is_none() || it.uid() == *uid
        })),
        Presence::Product(id) => one(find::<APIProduct>(cluster, &id.namespace, &id.name, |it| {
            it.meta().deletion_timestamp.is_none()
        })),
        Presence::Request(id, uid) => one(find::<APIKeyRequest>(
            cluster,
            &id.namespace,
            &id.name,
            |it| uid.is_none() || it.uid() == *uid,
        )),
        Presence::Approval(id, after) => {
            let found = cluster.approvals.iter().filter(|(_, it)| {
                it.request_id() == *id
                    && Version::of(it.meta().resource_version.as_deref()) > *after
            });
            let found: Vec<_> = found.map(|(name, it)| cluster.seen(name, it)).collect();
            (!found.is_empty()).then_some(found)
        }
    }
}

fn find<K: Kind>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    is_it: impl Fn(&K) -> bool,
) -> Option<Seen> {
    let name = pair(namespace, name);
    let object = K::table(cluster).get(&name).filter(|it| is_it(it))?;
    Some(cluster.seen(&name, object))
}

#[expect(clippy::too_many_lines, reason = "one arm for each write")]
fn carry_out(cluster: &mut Cluster, world: &World, write: &Write) -> Answer {
    let kind = write.target();
    if cluster
        .refused
        .iter()
        .any(|it| kind.starts_with(&format!("{it} ")))
    {
        return Err(refused());
    }
    match write {
        Write::CreateSecret(new) => create_secret(cluster, new),
        Write::DeleteCredential { id, uid, unless } => Ok(look(cluster, unless.as_ref())
            .unwrap_or_else(|| {
                delete_secret(cluster, id, uid);
                let name = pair(&id.namespace, &id.name);
                match cluster.secrets.get(&name).filter(|it| it.uid == *uid) {
                    Some(held) => vec![cluster::enforcement(&name, held)],
                    None => deleted(&name, uid),
                }
            })),
        Write::DeleteSource { id, uid, .. } => {
            delete_secret(cluster, id, uid);
            let gone = devportal_core::change::Source::Gone(Some(uid.clone()));
            Ok(vec![told_source(&pair(&id.namespace, &id.name), gone)])
        }
        Write::ReleaseKey(id) => {
            let known = world.find_key(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            let released = edit::<APIKey>(cluster, &name, known.as_deref(), |it| {
                it.finalizers_mut().clear();
            })?;
            let gone = cluster.delete::<APIKey>(&name);
            Ok(gone.map_or(released, |it| vec![it]))
        }
        Write::ApplyRequest { id, spec } => {
            let known = world.find_request(id).and_then(ResourceExt::uid);
            let pruned = cluster.pruned.contains(&("APIKeyRequest", "uid"));
            let mut spec = spec.clone();
            let uid = spec.api_key_ref.uid.clone();
            if pruned {
                spec.api_key_ref.uid = None;
                spec.expires_at = None;
            }
            let mut new = APIKeyRequest::new(&id.name, spec.clone());
            new.meta_mut().namespace = Some(id.namespace.to_string());
            let noted = uid.clone().map(|uid| (annotation::KEY_UID.to_owned(), uid));
            new.annotations_mut().extend(noted);
            let name = pair(&id.namespace, &id.name);
            if let Some(Hole::Spec) = cluster.flawed.get(&("APIKeyRequest", name.clone())) {
                cluster.flaw::<APIKeyRequest>(&name, None);
            }
            let mut answer = put(cluster, known, new, |it| it.spec = spec.clone());
            let made = cluster.requests.get(&name).and_then(ResourceExt::uid);
            if let (Some(made), Some(key)) = (made, uid) {
                cluster.asked.insert(made, key);
            }
            if let (Ok(seen), true) = (&mut answer, pruned) {
                let lost = ["spec.apiKeyRef.uid", "spec.expiresAt"];
                seen.extend(lost.map(|path| Seen {
                    change: Change::Unkept("APIKeyRequest", path.to_owned()),
                    object: ("unkept", name.clone()),
                }));
            }
            answer
        }
        Write::DeleteRequest { id, uid, unless } => Ok(look(cluster, unless.as_ref())
            .unwrap_or_else(|| {
                delete::<APIKeyRequest>(cluster, &pair(&id.namespace, &id.name), uid)
            })),
        Write::ApplyApproval { id, spec, owner } => {
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            let mut new = APIKeyApproval::new(&id.name, spec.clone());
            new.meta_mut().namespace = Some(id.namespace.to_string());
            tie(&mut new, owner);
            refuse_second_owner(cluster, &pair(&id.namespace, &id.name), owner)?;
            let is_new = known.is_none();
            let answer = put(cluster, known, new, |it| it.spec = spec.clone());
            if answer.is_ok() && is_new {
                bind(cluster, &pair(&id.namespace, &id.name), owner);
            }
            answer
        }
        Write::AdoptApproval { id, owner } => {
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            refuse_second_owner(cluster, &name, owner)?;
            let there = cluster.approvals.get(&name);
            let mut owners = there.iter().flat_map(|it| it.owner_references());
            if owners.any(|it| it.name != owner.name) {
                // It names another request by now.
                cluster.bound.retain(|uid, _| Some(uid) != known.as_ref());
            }
            let answer =
                edit::<APIKeyApproval>(cluster, &name, known.as_deref(), |it| tie(it, owner));
            if answer.is_ok() {
                bind(cluster, &name, owner);
            }
            answer
        }
        Write::ReleaseApproval(id) => {
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            // A denial that stands is of nobody's key.
            cluster.bound.retain(|uid, _| Some(uid) != known.as_ref());
            edit::<APIKeyApproval>(cluster, &name, known.as_deref(), |it| {
                it.meta_mut().owner_references = None;
            })
        }
        Write::DeleteApproval { id, uid, unless } => Ok(look(cluster, unless.as_ref())
            .unwrap_or_else(|| {
                delete::<APIKeyApproval>(cluster, &pair(&id.namespace, &id.name), uid)
            })),
        Write::ProductStatus(id, status) => {
            let known = world.find_product(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            tell::<APIProduct>(cluster, &name, known.as_deref(), |it| {
                it.status = Some(status.as_ref().clone());
            })
        }
        Write::KeyStatus(id, status) => {
            cover(cluster, status.approved_terms.as_ref());
            let seen = world.find_key(id);
            let known = seen.and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            offer(cluster, world, id, &name, status)?;
            let before = seen.and_then(|it| it.status.clone()).unwrap_or_default();
            tell::<APIKey>(cluster, &name, known.as_deref(), |it| {
                let shown = it.status.as_ref().and_then(|it| it.can_read_secret);
                let mut status = status.as_ref().clone();
                if status.can_read_secret == before.can_read_secret {
                    status.can_read_secret = shown;
                }
                it.status = Some(status);
            })
        }
        Write::RequestStatus(id, status) => {
            let known = world.find_request(id).and_then(ResourceExt::uid);
            let name = pair(&id.namespace, &id.name);
            tell::<APIKeyRequest>(cluster, &name, known.as_deref(), |it| {
                it.status = Some(status.as_ref().clone());
            })
        }
        Write::ApprovalStatus(id, status) => {
            let name = pair(&id.namespace, &id.name);
            reviewed(cluster, &name, status.terms.as_ref());
            uncover(cluster, &name);
            cover(cluster, status.terms.as_ref());
            let known = world.find_approval(id).and_then(ResourceExt::uid);
            tell::<APIKeyApproval>(cluster, &name, known.as_deref(), |it| {
                it.status = Some(status.as_ref().clone());
            })
        }
    }
}

/// Writes a status: what could not be read of it is written anew, and what the
/// definition lacks is dropped.
fn tell<K: Kind>(
    cluster: &mut Cluster,
    name: &Name,
    uid: Option<&str>,
    change: impl FnOnce(&mut K),
) -> Answer {
    if let Some(Hole::Status(_)) = cluster.flawed.get(&(K::NAME, name.clone())) {
        cluster.flaw::<K>(name, None);
    }
    let mut unkept = Vec::new();
    let pruned = cluster.pruned.clone();
    let mut answer = edit::<K>(cluster, name, uid, |it| {
        change(it);
        if pruned.is_empty() {
            return;
        }
        let mut raw = serde_json::to_value(&*it).unwrap();
        for (_, field) in pruned.iter().filter(|(kind, _)| *kind == K::NAME) {
            let path: Vec<_> = field.split('.').collect();
            if prune(&mut raw["status"], &path) {
                unkept.push((*field).to_owned());
            }
        }
        *it = serde_json::from_value(raw).unwrap();
    })?;
    answer.extend(unkept.into_iter().map(|field| Seen {
        change: Change::Unkept(K::NAME, format!("status.{field}")),
        object: ("unkept", name.clone()),
    }));
    Ok(answer)
}

/// Drops a field, in a list of every item; whether there was one.
fn prune(part: &mut Value, path: &[&str]) -> bool {
    match (part, path) {
        (Value::Array(items), _) => {
            let dropped = items.iter_mut().map(|it| prune(it, path));
            dropped.filter(|it| *it).count() > 0
        }
        (Value::Object(place), [name]) => place.remove(*name).is_some(),
        (Value::Object(place), [name, rest @ ..]) => {
            place.get_mut(*name).is_some_and(|it| prune(it, rest))
        }
        _ => false,
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
    let made = cluster
        .create(new)
        .ok_or_else(|| passing("already exists"))?;
    Ok(vec![cluster.seen(&name, &made)])
}

fn edit<K: Kind>(
    model: &mut Cluster,
    name: &Name,
    uid: Option<&str>,
    change: impl FnOnce(&mut K),
) -> Answer {
    let Some(have) = K::table(model).get(name) else {
        let gone = Told::Ended(
            cluster::id::<K>(name),
            uid.unwrap_or_default().to_owned(),
            None,
        );
        return Ok(vec![Seen {
            change: K::change(gone),
            object: (K::NAME, name.clone()),
        }]);
    };
    if have.meta().uid.as_deref() != uid {
        return Err(passing("conflict"));
    }
    let made = model
        .edit(name, change)
        .ok_or_else(|| passing("not found"))?;
    Ok(vec![model.seen(name, &made)])
}

/// What is gone, or another object by now, is not there either way.
fn delete<K: Kind>(model: &mut Cluster, name: &Name, uid: &str) -> Vec<Seen> {
    let is_it = K::table(model)
        .get(name)
        .is_some_and(|it| it.meta().uid.as_deref() == Some(uid));
    let done = if is_it { model.delete::<K>(name) } else { None };
    let gone = || Seen {
        change: K::change(Told::Ended(cluster::id::<K>(name), uid.to_owned(), None)),
        object: (K::NAME, name.clone()),
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

fn refuse_second_owner(cluster: &Cluster, approval: &Name, owner: &Owner) -> Result<(), Failure> {
    let have = cluster.approvals.get(approval);
    let mut owners = have.iter().flat_map(|it| it.owner_references());
    // What ties it to another than it names is dropped.
    if owners.any(|it| it.uid != owner.uid && it.name == owner.name) {
        return Err(passing("another owner"));
    }
    Ok(())
}

/// An approval is tied to one key for as long as it is tied.
fn bind(cluster: &mut Cluster, approval: &Name, owner: &Owner) {
    let key = cluster.asked.get(&owner.uid).cloned();
    let approval = cluster.approvals.get(approval).and_then(ResourceExt::uid);
    if let (Some(approval), Some(key)) = (approval, key) {
        let bound = cluster.bound.entry(approval).or_insert_with(|| key.clone());
        assert_eq!(*bound, key, "a decision moved from one key to another");
    }
}

/// What an approval covers never changes, whatever is asked for or decided later.
fn cover(cluster: &mut Cluster, terms: Option<&ApprovedTerms>) {
    let Some(terms) = terms else {
        return;
    };
    let mut approvals = cluster.approvals.values();
    let is_its = |it: &&APIKeyApproval| {
        let generation = it.metadata.generation.unwrap_or_default();
        terms.approval == format!("{}/{generation}", it.uid().unwrap())
    };
    if let Some(approval) = approvals.find(is_its) {
        let (uid, decided) = (approval.uid().unwrap(), decided(approval));
        match cluster.covered.get(&uid) {
            Some((was, covered)) if *was == decided => {
                let covered = ApprovedTerms {
                    approval: terms.approval.clone(),
                    ..covered.clone()
                };
                assert_eq!(covered, *terms);
            }
            _ => drop(cluster.covered.insert(uid, (decided, terms.clone()))),
        }
    }
}

/// What was noted of another decision than an approval is by now is out of use.
fn uncover(cluster: &mut Cluster, approval: &Name) {
    let Some(approval) = cluster.approvals.get(approval) else {
        return;
    };
    let (uid, decided) = (approval.uid().unwrap(), decided(approval));
    let covered = &mut cluster.covered;
    covered.retain(|it, (was, _)| *it != uid || *was == decided);
}

/// All of an approval but its words.
pub fn decided(approval: &APIKeyApproval) -> String {
    let mut spec = approval.spec.clone();
    (spec.reason, spec.message) = (None, None);
    format!("{spec:?}")
}

/// An approval of certain terms covers those, or less of them, and no others.
fn reviewed(cluster: &Cluster, approval: &Name, covered: Option<&ApprovedTerms>) {
    let (Some(approval), Some(covered)) = (cluster.approvals.get(approval), covered) else {
        return;
    };
    let id = approval.request_id();
    let request = cluster.requests.get(&pair(&id.namespace, &id.name));
    let (Some(terms), Some(request)) = (&approval.spec.terms, request) else {
        return;
    };
    let is_its =
        (approval.owner_references().iter()).all(|it| Some(&it.uid) == request.uid().as_ref());
    // Of a restored key whoever decided was shown the one before.
    let key = request.key_id();
    let key = cluster.keys.get(&pair(&key.namespace, &key.name));
    let created = key.and_then(|it| it.meta().creation_timestamp.clone());
    let is_restored = created.is_some_and(|it| approval.spec.reviewed_at.0 < it.0);
    if !is_its || is_restored {
        return;
    }
    let mut request = request.clone();
    request
        .spec
        .api_product_ref
        .name
        .clone_from(&covered.api_product_ref.name);
    request.spec.requested_by = covered.requested_by.clone();
    let asked = covered.asked.clone();
    let tier = asked.as_ref().map(|it| it.plan_tier.clone());
    request.spec.plan_tier = tier.unwrap_or_else(|| covered.plan_tier.clone());
    request.spec.expires_at = match asked {
        Some(asked) => asked.expires_at,
        None => covered.expires_at.clone(),
    };
    assert_eq!(
        *terms,
        request.terms(),
        "other terms are approved than were shown"
    );
}

/// What works of a key that is shown once is told of the version that was seen.
fn offer(
    cluster: &mut Cluster,
    world: &World,
    id: &KeyId,
    name: &Name,
    status: &APIKeyStatus,
) -> Result<(), Failure> {
    let seen = world.find_key(id).filter(|it| it.is_shown_once());
    let Some(seen) = seen else { return Ok(()) };
    let told = seen.status.as_ref().map(|it| &it.credentials);
    let is_offer = match told {
        Some(told) => *told != status.credentials,
        None => !status.credentials.is_empty(),
    };
    if !is_offer {
        return Ok(());
    }
    let version = match world.keys().flaw(id) {
        Some(flaw) => flaw.version,
        None => Version::of(seen.meta().resource_version.as_deref()),
    };
    let key = cluster.keys.get(name);
    let have = key.map(|it| Version::of(it.meta().resource_version.as_deref()));
    if have != Some(version) {
        return Err(passing("the object has been modified"));
    }
    let key = key.cloned();
    cluster.note_told(key.as_ref(), &status.credentials);
    Ok(())
}

fn delete_secret(cluster: &mut Cluster, id: &SecretId, uid: &str) {
    let name = pair(&id.namespace, &id.name);
    if let Some(secret) = cluster.secrets.get(&name).filter(|it| it.uid == uid) {
        assert!(secret.ours, "{id} is not ours to delete");
        cluster.delete_secret(&name);
    }
}

fn create_secret(cluster: &mut Cluster, new: &NewSecret) -> Answer {
    let name = pair(&new.id.namespace, &new.id.name);
    if cluster.admission == Admission::Refuses {
        return Err(refused());
    }
    if let Some(have) = cluster.secrets.get(&name) {
        let uid = new.annotations.get(annotation::KEY_UID);
        let is_seen = new.owner.is_some() || have.is_enforcement();
        let is_ours = have.annotations.get(annotation::KEY_UID) == uid && is_seen;
        if is_ours {
            return Ok(vec![fresh(&name, have)]);
        }
        return Err(Failure {
            cause: Cause::NameTaken,
            reason: "AlreadyExists".into(),
            ..passing("exists")
        });
    }
    let value = match &new.value {
        ValueSource::Generate => {
            cluster.generated += 1;
            format!("generated-{}", cluster.generated)
        }
        ValueSource::CopyOf {
            from,
            uid,
            value: want,
        } => {
            let secret = cluster.secrets.get(&pair(&from.namespace, &from.name));
            if let (None, Some(uid)) = (secret, uid) {
                return Ok(deleted(&pair(&from.namespace, &from.name), uid));
            }
            let value = secret
                .and_then(|it| it.value.clone())
                .ok_or_else(|| passing("nothing to copy"))?;
            if fingerprint(&value) != *want {
                return Err(passing("the value changed"));
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
        Admission::Passes | Admission::Holds | Admission::Refuses => {}
        Admission::AddsALabel => drop(labels.insert("team".into(), "payments".into())),
        Admission::Changes(label) => {
            if let Some(value) = labels.get_mut(label) {
                *value = "changed".into();
            }
        }
    }
    let uid = new.annotations.get(annotation::KEY_UID);
    let mut keys = cluster.keys.values().filter(|it| it.is_shown_once());
    let is_shown_once = keys.any(|it| it.uid().as_ref() == uid);
    assert!(
        !is_shown_once || new.owner.is_none(),
        "{name:?} holds a value that is nowhere but where the gateway reads it"
    );
    if new.owner.is_none() {
        // Also for a moment: no access but by a decision about this very key.
        let uid = &new.annotations[annotation::KEY_UID];
        let is_decided = cluster.bound.values().any(|it| it == uid);
        assert!(
            is_decided,
            "{name:?} is made although nobody decided about its key"
        );
    }
    let is_held = cluster.admission == Admission::Holds && new.owner.is_none();
    cluster.put_secret(&name, |it| {
        it.labels = labels;
        it.annotations = annotations;
        it.held = is_held;
        it.owner_uid = new.owner.as_ref().map(|owner| owner.uid.clone());
        it.value = Some(value);
        it.ours = true;
    });
    Ok(vec![fresh(&name, &cluster.secrets[&name])])
}

fn fresh(name: &Name, secret: &super::cluster::Secret) -> Seen {
    if secret.is_enforcement() {
        enforcement(name, secret)
    } else {
        source(name, Some(secret))
    }
}
