//! What an outage of the API server held up is made good as soon as it is over.

use devportal_api::id::KeyId;
use devportal_core::brake::{Cause, Failure};
use devportal_core::{Change, Group, Id};
use devportal_mirror::Trouble;

use crate::common::*;

/// Whoever asked, or was approved, just before an outage does not wait for brakes that
/// outlive it.
#[test]
fn what_failed_in_an_outage_is_tried_again_the_moment_every_kind_is_seen_again() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    while it.deliver() {}
    let id = Id::Key(KeyId::new(CONSUMER, "alice"));
    let writes = |it: &mut Simulation| it.decisions().remove(&id).unwrap_or_default().writes;
    let wanted = writes(&mut it);
    assert!(!wanted.is_empty());
    for kind in ["APIKey", "PlanPolicy"] {
        it.lose(kind, Trouble::Failing("connection refused".into()));
    }
    // Minutes of failures.
    let failure = Failure {
        cause: Cause::Passing,
        target: String::new(),
        reason: "Unavailable".into(),
        message: "the API server does not answer".into(),
    };
    for group in Group::ALL {
        for _ in 0..12 {
            let (now, failure) = (it.cluster.now, Some(failure.clone()));
            let tried = Change::Tried(id.clone(), group, failure, now, 0.0);
            it.dirty.extend(it.world.observe(tried));
        }
    }
    assert_eq!(writes(&mut it), vec![], "it waits");
    it.regain("APIKey", false);
    while it.deliver() {}
    assert_eq!(writes(&mut it), vec![], "the other one is away yet");
    it.regain("PlanPolicy", false);
    while it.deliver() {}
    let again = writes(&mut it);
    assert_eq!(again, wanted, "and no time has passed");
    it.settle();
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
}
