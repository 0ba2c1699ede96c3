//! Why is a key as it is, and why is something not written? The same facts that
//! decisions are made of, for people.

use devportal_api::APIKeyApproval;
use devportal_api::condition::{Fact, Lifecycle, kind};
use devportal_api::id::{ApprovalId, KeyId, RequestId};
use devportal_api::key::ApprovedTerms;
use devportal_mirror::{Found, Sight};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;

use super::key::{Standing, inspect, is_lifecycle};
use super::wish;
use crate::brake::Hindrance;
use crate::decision::{Group, Id};
use crate::world::World;

/// What is known of a key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The key, as `namespace/name`.
    pub key: String,
    /// Whether there is such a key, as far as can be seen.
    pub found: bool,
    /// How it stands: a condition's type, reason and message.
    pub standing: String,
    /// The approval that counts, as `namespace/name`, and what it says.
    pub ruling: Option<String>,
    /// The product, tier, requester and expiry that hold now.
    pub terms: Option<ApprovedTerms>,
    /// Whether the spec asks for more than was approved.
    pub exceeded: bool,
    /// What the controller told last, besides how the key stands: why a write is refused,
    /// or why a decision does not count.
    pub told: Vec<String>,
    /// What would be written now, and what holds it back if anything does.
    pub writes: Vec<Held>,
    /// The kinds that are not seen, or not followed at the moment, and why.
    pub unseen: Vec<String>,
}

/// A write and what holds it back.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The kind and `namespace/name` of what is written.
    pub target: String,
    /// With what it fails together.
    pub group: String,
    /// Why it is not written; absent: it is about to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Explains a key.
pub fn explain(id: &KeyId, world: &World, now: Timestamp) -> Explanation {
    let queued = Id::Key(id.clone());
    let unseen = world
        .followed()
        .into_iter()
        .filter_map(|it| match &it.sight {
            Sight::Current => None,
            Sight::Unlisted => Some(format!("{}: the first list is not complete", it.kind)),
            Sight::Blind(why) => Some(format!("{}: {why}", it.kind)),
            Sight::Stale(why, since) => {
                Some(format!("{}: not followed since {since}: {why}", it.kind))
            }
        });
    let mut explanation = Explanation {
        key: id.to_string(),
        found: is_there(id, world),
        standing: absent(id, world),
        ruling: None,
        terms: None,
        exceeded: false,
        told: told(id, world, false),
        writes: wish(&queued, world, now)
            .writes
            .iter()
            .map(|write| held(&queued, write.group(), write.target(), world, now))
            .collect(),
        unseen: unseen.collect(),
    };
    if let Some((case, standing)) = inspect(id, world, now) {
        explanation.standing = words(&standing);
        if matches!(standing, Standing::Doubtful(_)) {
            explanation.told = told(id, world, true);
        }
        explanation.ruling = case.ruling().map(|ruling| {
            let verb = if ruling.spec.approved {
                "approved"
            } else {
                "denied"
            };
            let id = ApprovalId::of(ruling);
            let (by, at) = (&ruling.spec.reviewed_by, ruling.spec.reviewed_at.0);
            format!("{id}: {verb} by {by} at {at}")
        });
        explanation.exceeded = case.terms.exceeded;
        explanation.terms = Some(case.terms.in_force.clone());
        let requests: Vec<_> = world.requests_of(id).map(RequestId::of).collect();
        let approvals = requests.iter().flat_map(|it| world.approvals_of(it));
        let approvals: Vec<_> = approvals.collect();
        explanation
            .told
            .extend(approvals.iter().flat_map(|it| remarks(it)));
        for approval in approvals.iter().map(|it| Id::Approval(ApprovalId::of(*it))) {
            let writes = wish(&approval, world, now).writes;
            explanation.writes.extend(
                writes
                    .iter()
                    .map(|write| held(&approval, write.group(), write.target(), world, now)),
            );
        }
    }
    explanation
}

/// The conditions that are no lifecycle, or all.
fn told(id: &KeyId, world: &World, is_all: bool) -> Vec<String> {
    let status = world.find_key(id).and_then(|key| key.status.as_ref());
    let conditions = status.iter().flat_map(|it| &it.conditions);
    let told = conditions.filter(|it| is_all || !is_lifecycle(it));
    told.map(line).collect()
}

/// What a decision says of itself but that it is valid.
fn remarks(approval: &APIKeyApproval) -> Vec<String> {
    let id = ApprovalId::of(approval);
    let conditions = approval.status.iter().flat_map(|it| &it.conditions);
    conditions
        .filter(|it| it.type_ != kind::VALID || it.status == "False")
        .map(|it| format!("APIKeyApproval {id}: {}", line(it)))
        .collect()
}

fn line(it: &Condition) -> String {
    format!("{}={} {}: {}", it.type_, it.status, it.reason, it.message)
}

fn held(id: &Id, group: Group, target: String, world: &World, now: Timestamp) -> Held {
    let until = world.brakes().until(id, group, now);
    let because = world.hindrance(id, group).map(|why| match why {
        Hindrance::Failed(failure) => format!("{} ({})", failure.message, failure.reason),
        Hindrance::DoesNotStay => "what is written does not stay".to_owned(),
    });
    Held {
        target,
        group: format!("{group:?}"),
        because,
        until: until.map(|at| at.to_string()),
    }
}

fn is_there(id: &KeyId, world: &World) -> bool {
    let found = world.keys().look(id);
    matches!(found, Found::Present(_) | Found::Flawed(..))
}

fn absent(id: &KeyId, world: &World) -> String {
    match world.keys().look(id) {
        Found::Ended => "it was deleted".to_owned(),
        Found::Absent => "there is no such APIKey".to_owned(),
        Found::Unknown => "APIKeys cannot be seen".to_owned(),
        Found::Flawed(_, flaw) => format!("it cannot be read: {}", flaw.words()),
        Found::Present(_) => "it is being deleted".to_owned(),
    }
}

fn words(standing: &Standing) -> String {
    match standing {
        Standing::Known(lifecycle) => sentence(lifecycle),
        Standing::Doubtful(doubt) => format!("in doubt: {}: {}", doubt.what, doubt.why),
    }
}

fn sentence(lifecycle: &Lifecycle) -> String {
    let fact: Fact = lifecycle.fact();
    format!("{}/{}: {}", fact.kind, fact.reason, fact.message)
}
