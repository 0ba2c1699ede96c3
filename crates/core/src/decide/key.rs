//! What happens to a key?
//!
//! Read [`Case::decide`] from top to bottom: the order *is* the specification. What is
//! known gives a standing, the standing a course for its Secrets; then three groups
//! of writes, of which none waits for another:
//!
//! | group | what | where |
//! |---|---|---|
//! | access | Secrets | [`access`] |
//! | records | requests and approvals | [`record`] |
//! | status | what the key and its request say | [`status`] |

mod access;
mod delivery;
mod inherit;
mod record;
mod standing;
mod status;

use devportal_api::id::{KeyId, RequestId};
use devportal_api::name;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use devportal_mirror::{Flaw, Found};
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

pub(super) use self::standing::Standing;
pub(super) use self::status::is_lifecycle;

use self::access::Access;
use self::record::delete_request;
pub(super) use self::record::shadows;
use super::terms::{self, Terms};
use super::{credential, instant, ruling};
use crate::brake::Hindrance;
use crate::decision::{Decision, Id, Need, Write};
use crate::discover::Discovery;
use crate::world::{Doubt, World, find_alive};

/// How long credentials outlive the AuthPolicy they are for. Someone who
/// replaces a policy by deleting and recreating it takes no key down.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn decide(id: &KeyId, world: &World, now: Timestamp) -> Decision {
    match world.keys().look(id) {
        Found::Unknown => Decision::default(),
        Found::Ended | Found::Absent => forget(id, world),
        Found::Flawed(None, flaw) if !flaw.deleting => unreadable(id, flaw, world, now),
        Found::Flawed(None, _) => leave(id, None, world, now),
        Found::Present(key) if key.meta().deletion_timestamp.is_none() => {
            Case::gather(id, key, None, world, now).decide()
        }
        Found::Flawed(Some(key), flaw) if !flaw.deleting => {
            Case::gather(id, key, Some(flaw), world, now).decide()
        }
        Found::Present(key) | Found::Flawed(Some(key), _) => leave(id, Some(key), world, now),
    }
}

/// Nothing remains of a key that is gone: what was made for it is deleted, after a look
/// for the key where it was not seen to end. The source of a generated key goes with
/// its owner.
fn forget(id: &KeyId, world: &World) -> Decision {
    let uid_of = |facts: &devportal_mirror::SecretFacts| {
        let uid = facts.annotations.get(name::annotation::KEY_UID);
        uid.map(str::to_owned)
    };
    let mut writes = credential::withdraw(id, world, |facts| {
        credential::presence_of(id, uid_of(facts), world)
    });
    let requests = world.requests_of(id);
    let requests = requests.filter(|it| !ruling::awaits_note(it, world));
    writes.extend(requests.filter_map(|request| {
        let uid = request.key_uid().map(str::to_owned);
        delete_request(request, credential::presence_of(id, uid, world))
    }));
    Decision {
        writes,
        ..Decision::default()
    }
}

/// Nothing remains of a key that is being deleted, also while a finalizer holds it.
fn leave(id: &KeyId, key: Option<&APIKey>, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision {
        writes: credential::withdraw(id, world, |_| None),
        ..Decision::default()
    };
    let requests = world.requests_of(id);
    let requests = requests.filter(|it| !ruling::awaits_note(it, world));
    decision
        .writes
        .extend(requests.filter_map(|request| delete_request(request, None)));
    if let Some(key) = key {
        decision.needs.extend(source_need(key));
        let source = credential::withdraw_source(id, key, world);
        decision.writes.extend(source);
        let is_held = key
            .finalizers()
            .iter()
            .any(|it| it == name::LEGACY_FINALIZER);
        if decision.writes.is_empty() {
            decision.writes.extend(if is_held {
                Some(Write::ReleaseKey(id.clone()))
            } else {
                status::ending(id, key, &[], world, now)
            });
        } else if decision.writes.iter().any(|it| is_refused(id, it, world)) {
            // The key is there for as long, and says so.
            let told = status::ending(id, key, &decision.writes, world, now);
            decision.writes.extend(told);
        }
    }
    decision
}

/// Whether a write for a key failed the last time.
fn is_refused(id: &KeyId, write: &Write, world: &World) -> bool {
    let why = world.hindrance(&Id::Key(id.clone()), write.group());
    matches!(why, Some(Hindrance::Failed(_)))
}

/// The Secret that the value of a key comes from is to be read.
fn source_need(key: &APIKey) -> Option<Need> {
    access::find_source_id(key).map(Need::Secret)
}

/// Of a key whose spec was never read only this is certain: what was denied or is over
/// goes, and nothing else changes.
fn unreadable(id: &KeyId, flaw: &Flaw, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let is_its = |request: &&APIKeyRequest| request.key_uid().is_none_or(|uid| uid == flaw.uid);
    let request = world.requests_of(id).find(is_its);
    let ruling = request.and_then(|request| ruling::find(request, world, now).ok().flatten());
    if ruling.is_some_and(|ruling| !ruling.spec.approved) {
        decision.writes = credential::withdraw(id, world, |_| None);
    } else {
        let (writes, next) = credential::expired(id, world, now);
        decision.writes = writes;
        decision.wake(next);
    }
    if let Some(request) = request {
        let doubt = Doubt::unreadable(format!("APIKey {id}"), flaw.words());
        decision
            .writes
            .extend(status::doubtful_request(request, &doubt, now));
    }
    decision
}

/// A key and everything that bears on it.
pub(super) struct Case<'a> {
    id: &'a KeyId,
    key: &'a APIKey,
    /// What of the key cannot be read.
    flaw: Option<&'a Flaw>,
    world: &'a World,
    now: Timestamp,
    found: Option<&'a Discovery>,
    /// Where the key's request belongs.
    home: RequestId,
    request: Option<&'a APIKeyRequest>,
    ruling: Result<Option<&'a APIKeyApproval>, Doubt>,
    pub(super) terms: Terms,
}

impl<'a> Case<'a> {
    pub(super) fn gather(
        id: &'a KeyId,
        key: &'a APIKey,
        flaw: Option<&'a Flaw>,
        world: &'a World,
        now: Timestamp,
    ) -> Self {
        let asked = key.product_id();
        let home = name::request(id, &asked);
        let is_mine = |request: &&APIKeyRequest| shadows(request, id, key);
        let is_open = find_alive(&world.products().look(&asked)).is_some();
        // A product that is not there takes no request: the one there was stays.
        let elsewhere = || world.requests_of(id).find(is_mine).filter(|_| !is_open);
        let request = world.find_request(&home).filter(is_mine).or_else(elsewhere);
        let ruling = match request {
            Some(request) => ruling::find(request, world, now),
            None => Ok(None),
        };
        let terms = terms::of(key, request, ruling.as_ref().ok().copied().flatten());
        Self {
            found: world.find_discovery(&terms.product_id()),
            id,
            key,
            flaw,
            world,
            now,
            home,
            request,
            ruling,
            terms,
        }
    }

    fn decide(&self) -> Decision {
        let mut decision = Decision::default();
        decision.needs.extend(source_need(self.key));

        let standing = self.standing();
        let course = self.course(&standing);

        let access = self.access(&standing, &course, &mut decision);
        let records = self.records(&mut decision);
        decision.wake(self.expiry());
        decision.wake(self.change_ends());

        // A status tells what is, not what is being done: while something is under way
        // it waits, unless the API server does not let it happen.
        let is_under_way = match &access {
            Access::Settled(_) | Access::Hindered(_) => false,
            Access::Writing | Access::Waiting => true,
        };
        let refused = self.refused_record();
        let is_recording = !records.is_empty() && refused.is_none();
        decision.writes.extend(records);
        if !is_under_way && !is_recording && !self.awaits_inheritance() {
            let enforcement = access.enforcement();
            self.tell(
                &standing,
                &course,
                enforcement,
                refused.as_ref(),
                &mut decision,
            );
        }
        decision
    }

    fn queue_id(&self) -> Id {
        Id::Key(self.id.clone())
    }

    fn has_credentials(&self) -> bool {
        self.world.credentials_of(self.id).next().is_some()
    }

    /// The decision that counts, where that is known and there is one.
    pub(super) fn ruling(&self) -> Option<&'a APIKeyApproval> {
        self.ruling.as_ref().ok().copied().flatten()
    }

    /// Whether nobody has decided, so far as that is known.
    fn is_undecided(&self) -> bool {
        matches!(self.ruling, Ok(None))
    }

    /// Whether a decision gives access now.
    fn is_granted(&self) -> bool {
        self.ruling().is_some_and(|ruling| ruling.spec.approved) && !self.is_over()
    }

    /// When access that is given now ends, whatever is missing meanwhile.
    fn expiry(&self) -> Option<Timestamp> {
        let at = instant(self.terms.in_force.expires_at.as_ref());
        at.filter(|_| self.is_granted())
    }

    /// When a change of what was approved is of no use any more.
    fn change_ends(&self) -> Option<Timestamp> {
        let at = instant(self.key.spec.expires_at.as_ref());
        at.filter(|at| self.terms.exceeded && self.now < *at)
    }

    /// Whether the approved time is over.
    fn is_over(&self) -> bool {
        let at = self.terms.in_force.expires_at.as_ref();
        at.is_some_and(|at| at.0 <= self.now)
    }
}

/// How a key stands and what holds it, for [`explain`](super::explain).
pub(super) fn inspect<'a>(
    id: &'a KeyId,
    world: &'a World,
    now: Timestamp,
) -> Option<(Case<'a>, Standing)> {
    let (key, flaw) = match world.keys().look(id) {
        Found::Present(key) => (key, None),
        Found::Flawed(Some(key), flaw) if !flaw.deleting => (key, Some(flaw)),
        _ => return None,
    };
    if key.meta().deletion_timestamp.is_some() {
        return None;
    }
    let case = Case::gather(id, key, flaw, world, now);
    let standing = case.standing();
    Some((case, standing))
}
