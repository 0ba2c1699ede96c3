//! What follows from what is known? Three pure functions, one per kind.

mod approval;
mod credential;
mod explain;
mod key;
mod product;
mod ruling;
mod terms;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use self::explain::{Explanation, Held, explain};

use crate::decision::{Decision, Id, Write};
use crate::world::World;

/// Decides one id at a time. Pure: the same World and time give the same
/// Decision. An id whose object is gone still decides: remove its children.
pub fn decide(id: &Id, world: &World, now: Timestamp) -> Decision {
    let mut decision = wish(id, world, now);
    decision.writes.sort_by_key(|write| !write.revokes());
    decision.unsettled = decision.writes.iter().map(Write::group).collect();
    for group in &decision.unsettled.clone() {
        if let Some(until) = world.brakes().until(id, *group, now) {
            decision.writes.retain(|it| it.group() != *group);
            decision.wake(Some(until));
        }
    }
    decision
}

/// What an id needs, whatever holds its writes back.
fn wish(id: &Id, world: &World, now: Timestamp) -> Decision {
    match id {
        Id::Product(id) => product::decide(id, world, now),
        Id::Key(id) => key::decide(id, world, now),
        Id::Approval(id) => approval::decide(id, world, now),
    }
}

/// A moment after another; the last one there is where our clock ends.
fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
