//! By what are products, keys, requests and routes listed, ordered and searched?

use std::sync::Arc;

use devportal_api::condition::{awaits_decision, is_problem, is_unenforced, kind};
use devportal_api::foreign::HTTPRoute;
use devportal_api::id::{KeyId, ObjectId, ProductId, RequestId, RouteId};
use devportal_api::key::RequestedBy;
use devportal_api::product::PublishStatus;
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shelf::{Shelved, Stand, Topic};

/// The state of a key or of the request for it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub(crate) enum State {
    /// Nobody has decided.
    Pending,
    /// The key works, or is about to.
    Approved,
    /// The newest decision is a denial.
    Denied,
    /// It was approved and has expired.
    Expired,
    /// Something is missing; the message says what.
    Failed,
}

impl State {
    pub(crate) const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Failed,
    ];

    /// What the conditions say, with the one that says why. Before the controller has
    /// seen a key it is pending.
    pub(crate) fn of(conditions: &[Condition]) -> (Self, Option<&Condition>) {
        let of = |it: &Condition| match it.type_.as_str() {
            kind::FAILED => Some(Self::Failed),
            kind::DENIED => Some(Self::Denied),
            kind::EXPIRED => Some(Self::Expired),
            kind::APPROVED => Some(Self::Approved),
            kind::PENDING => Some(Self::Pending),
            _ => None,
        };
        let found = conditions
            .iter()
            .filter(|it| it.status == "True")
            .find_map(|it| Some((of(it)?, Some(it))));
        let (state, why) = found.unwrap_or((Self::Pending, None));
        // Why a product that approves by itself does not.
        let mut others = conditions.iter();
        let hindrance = others.find(|it| it.type_ == kind::AUTOMATIC_APPROVAL);
        let hindrance = hindrance.filter(|_| state == Self::Pending);
        (state, hindrance.or(why))
    }

    /// Whether a request that stands so waits for a decision, also about a change of what was
    /// approved.
    pub(crate) fn waits(self, conditions: &[Condition]) -> bool {
        self == Self::Pending || awaits_decision(conditions).is_some()
    }
}

/// The condition that says whether the gateway enforces a key.
pub(crate) fn enforced(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|it| it.type_ == kind::ENFORCED)
}

pub(crate) fn conditions_of_key(key: &APIKey) -> &[Condition] {
    key.status.as_ref().map_or(&[], |it| &it.conditions)
}

pub(crate) fn conditions_of_request(request: &APIKeyRequest) -> &[Condition] {
    request.status.as_ref().map_or(&[], |it| &it.conditions)
}

/// When something was created, in seconds.
fn created<K: Resource>(object: &K) -> i64 {
    let at = object.meta().creation_timestamp.as_ref();
    at.map_or(0, |at| at.0.as_second())
}

impl Shelved for APIProduct {
    type State = PublishStatus;
    /// The name that people read, in lower case.
    type Rank = String;
    const STATES: &'static [PublishStatus] = &[PublishStatus::Draft, PublishStatus::Published];

    fn first() -> String {
        String::new()
    }

    fn stand(_: &ProductId, product: &Arc<Self>) -> Stand<PublishStatus, String> {
        let status = product.status.as_ref();
        let is_troubled = status.is_some_and(|it| it.conditions.iter().any(is_problem));
        let mut topics = vec![Topic::Anything];
        topics.extend(is_troubled.then_some(Topic::Troubled));
        Stand {
            topics,
            state: product.spec.publish_status,
            rank: product.spec.display_name.to_lowercase(),
        }
    }

    fn text(id: &ProductId, product: &Arc<Self>) -> String {
        let spec = &product.spec;
        let team = spec.contact.as_ref().and_then(|it| it.team.as_deref());
        let texts = [
            Some(&*id.namespace),
            Some(&*id.name),
            Some(spec.display_name.as_str()),
            spec.description.as_deref(),
            spec.owner.as_ref().map(|it| it.name.as_str()),
            team,
        ];
        let texts = texts.into_iter().flatten();
        let tags = spec.tags.iter().map(String::as_str);
        texts.chain(tags).collect::<Vec<_>>().join("\n")
    }
}

impl Shelved for APIKey {
    type State = State;
    /// The newest first.
    type Rank = i64;
    const STATES: &'static [State] = &State::ALL;

    fn first() -> i64 {
        i64::MIN
    }

    fn stand(_: &KeyId, key: &Arc<Self>) -> Stand<State, i64> {
        let conditions = conditions_of_key(key);
        let enforced = enforced(conditions);
        let unenforced = enforced.filter(|it| is_unenforced(it));
        let mut topics = vec![Topic::Anything, Topic::Product(key.product_id())];
        topics.extend(unenforced.map(|_| Topic::Unenforced));
        Stand {
            topics,
            state: State::of(conditions).0,
            rank: -created(&**key),
        }
    }

    fn text(id: &KeyId, key: &Arc<Self>) -> String {
        let spec = &key.spec;
        let use_case = spec.use_case.as_deref().unwrap_or_default();
        let RequestedBy { user_id, email } = &spec.requested_by;
        let product = &spec.api_product_ref.name;
        let (namespace, name) = (&*id.namespace, &*id.name);
        let tier = &spec.plan_tier;
        [namespace, name, product, tier, user_id, email, use_case].join("\n")
    }
}

impl Shelved for APIKeyRequest {
    type State = State;
    /// The oldest first: who has waited longest.
    type Rank = i64;
    const STATES: &'static [State] = &State::ALL;

    fn first() -> i64 {
        i64::MIN
    }

    fn stand(id: &RequestId, request: &Arc<Self>) -> Stand<State, i64> {
        let product = ProductId::new(&id.namespace, &request.spec.api_product_ref.name);
        let conditions = conditions_of_request(request);
        let state = State::of(conditions).0;
        let mut topics = vec![Topic::Anything, Topic::Product(product.clone())];
        if state.waits(conditions) {
            topics.extend([Topic::Waiting(None), Topic::Waiting(Some(product))]);
        }
        Stand {
            topics,
            state,
            rank: created(&**request),
        }
    }

    fn text(id: &RequestId, request: &Arc<Self>) -> String {
        let spec = &request.spec;
        let RequestedBy { user_id, email } = &spec.requested_by;
        let key = &spec.api_key_ref;
        let product = &spec.api_product_ref.name;
        let texts: [&str; 8] = [
            id.namespace(),
            product,
            &spec.plan_tier,
            user_id,
            email,
            &spec.use_case,
            &key.namespace,
            &key.name,
        ];
        texts.join("\n")
    }
}

impl Shelved for HTTPRoute {
    type State = ();
    type Rank = ();
    const STATES: &'static [()] = &[()];

    fn first() {}

    fn stand(_: &RouteId, _: &Arc<Self>) -> Stand<(), ()> {
        Stand {
            topics: vec![Topic::Anything],
            state: (),
            rank: (),
        }
    }

    fn text(id: &RouteId, route: &Arc<Self>) -> String {
        let hostnames = route.spec.hostnames.join("\n");
        format!("{}\n{}\n{hostnames}", id.namespace, id.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::condition::{Lifecycle, render, requester_denied};
    use devportal_api::id::ApprovalId;
    use jiff::Timestamp;

    #[test]
    fn a_key_that_waits_says_why_its_product_does_not_approve_by_itself() {
        let denial = requester_denied(&ApprovalId::new("toystore", "no"));
        let facts = [Lifecycle::Pending.fact(), denial];
        let conditions = render(&facts, &[], None, Timestamp::UNIX_EPOCH);
        let (state, why) = State::of(&conditions);
        assert_eq!(state, State::Pending);
        assert_eq!(why.map(|it| it.reason.as_str()), Some("RequesterDenied"));
        let (_, why) = State::of(&conditions[..1]);
        assert_eq!(why.map(|it| it.reason.as_str()), Some("AwaitingApproval"));
    }
}
