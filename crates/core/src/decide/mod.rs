//! What follows from what is known? Three pure functions, one per kind.

mod approval;
mod credential;
mod key;
mod product;
mod ruling;
mod terms;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::decision::{Decision, Id};
use crate::world::World;

/// Decides one id at a time. Pure: the same World and time give the same
/// Decision. An id whose object is gone still decides: remove its children.
pub fn decide(id: &Id, world: &World, now: Timestamp) -> Decision {
    let mut decision = match id {
        Id::Product(id) => product::decide(id, world, now),
        Id::Key(id) => key::decide(id, world, now),
        Id::Approval(id) => approval::decide(id, world, now),
    };
    decision.writes.sort_by_key(|write| !write.revokes());
    decision
}

/// A moment after another; the last one there is where our clock ends.
fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The earlier of two times to wake at.
fn sooner(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
