//! Requests: who asks an owner for access, and what the owner decides.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devportal_api::id::{ProductId, RequestId};
use devportal_api::key::RequestedBy;
use devportal_api::name::annotation;
use devportal_api::scheme::Limits;
use devportal_api::{APIKeyApproval, APIKeyRequest, GROUP, VERSION};
use devportal_core::discover::{look_around, route_of};
use devportal_mirror::Kept;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::keys::product_id;
use super::{Finding, Reference, Search, about, list, said};
use crate::App;
use crate::access::{DECIDE, DECIDE_OWN, SEE_REQUESTS};
use crate::answer::{Body, Created, IfMatch, List, Named, Path, Query, Tag, Versioned, changed};
use crate::caller::Me;
use crate::kinds::{State as RequestState, conditions_of_request, enforced};
use crate::problem::Problem;
use crate::shelf::{Shelved, Topic};
use crate::store::{Known, listed};

/// Which requests to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestSearch {
    /// Only requests in this namespace.
    namespace: Option<String>,
    /// Only requests for this product, as `namespace/name`.
    product: Option<String>,
    /// Only requests in this state; absent: all.
    state: Option<RequestState>,
    /// If true, only requests that wait for a decision: nobody has decided, or more is asked for
    /// than was approved.
    waiting: Option<bool>,
    /// Text to find in product, tier, requester, key or use case, ignoring case.
    q: Option<String>,
    /// How many rows to return, 1 to 200; absent: 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// The `next` of the previous page.
    after: Option<String>,
}

/// A request in a list; the oldest comes first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestRow {
    namespace: String,
    name: String,
    product: Reference,
    /// The requested tier.
    tier: String,
    requested_by: RequestedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_case: Option<String>,
    /// The key that the request is for.
    key: Reference,
    /// When the key should expire, RFC 3339; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    state: RequestState,
    /// Whether it waits for a decision: nobody has decided, or more is asked for than was approved.
    waiting: bool,
    /// The approved tier, if another one is requested now.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_tier: Option<String>,
    /// Why it is in this state, such as who decided and their message.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether the gateway enforces the key and, if not, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforced: Option<Finding>,
    created: String,
}

/// A request with all details.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    #[serde(flatten)]
    row: RequestRow,
    /// What the tier allows; absent if no plan has the tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    /// A hash of the terms shown here. An approval sends it back, so that it counts for
    /// these terms only.
    terms: String,
    conditions: Vec<Finding>,
    /// Whether the caller may decide.
    may_decide: bool,
}

/// A decision; a denial also revokes access that was granted.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewDecision {
    /// True grants access, false denies or revokes it.
    approved: bool,
    /// The `terms` of the request as it was shown; required to approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<String>,
    /// Why, for the requester to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Grants a tier other than the requested one.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_tier: Option<String>,
    /// Grants an end earlier than requested, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// A decision that was made.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    /// The APIKeyApproval that records it.
    approval: Reference,
    approved: bool,
    reviewed_by: String,
    /// When it was made, RFC 3339.
    reviewed_at: String,
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let about = |id, summary| about(id, "requests", summary);
    let list = about("listRequests", "List requests for access");
    let request = about("getRequest", "Get a request, with the terms to decide on");
    let decision = about("decideRequest", "Approve or deny, or revoke access");
    ApiRouter::new()
        .api_route("/v1/requests", get_with(all, list))
        .api_route("/v1/requests/{namespace}/{name}", get_with(one, request))
        .api_route(
            "/v1/requests/{namespace}/{name}/decision",
            post_with(decide, decision),
        )
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    Query(search): Query<RequestSearch>,
) -> Result<Json<List<RequestRow>>, Problem> {
    let sees = app.places::<APIKeyRequest>(&me, SEE_REQUESTS, |it| &it.requests);
    let sees = sees.await?;
    let product = search.product.as_deref().map(product_id).transpose()?;
    let topic = match (product, search.waiting) {
        (product, Some(true)) => Topic::Waiting(product),
        (Some(product), _) => Topic::Product(product),
        (None, _) => Topic::Anything,
    };
    let states = search
        .state
        .map_or(APIKeyRequest::STATES.to_vec(), |it| vec![it]);
    let wanted = Search {
        namespace: search.namespace.as_deref(),
        words: search.q.as_deref(),
        limit: search.limit,
        after: search.after.as_deref(),
    };
    let wanted = wanted.of::<APIKeyRequest>(&sees, &topic, states)?;
    let known = app.store.read();
    let page = listed(&known.requests)?.page(&wanted, |_, _| true);
    Ok(Json(list(page, |id, request| row(&known, id, request))))
}

pub(crate) async fn one(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
) -> Result<Versioned<Request>, Problem> {
    let id = named.id()?;
    let request = find(&app, &me, &id).await?;
    let may_decide = app.may(&me, DECIDE, &id.namespace).await?;
    let known = app.store.read();
    let detail = Request {
        row: row(&known, &id, &request),
        limits: limits(&known, &id, &request),
        terms: request.terms(),
        conditions: conditions_of_request(&request)
            .iter()
            .map(Finding::from)
            .collect(),
        may_decide,
    };
    let decisions = known.decisions_on(&request)?;
    let tag = Tag::with(request.version(), &decisions.basis);
    Ok(Versioned(detail, tag))
}

async fn find(app: &App, me: &Me, id: &RequestId) -> Result<Arc<APIKeyRequest>, Problem> {
    let sees = app.may(me, SEE_REQUESTS, &id.namespace).await?;
    let known = app.store.read();
    let request = listed(&known.requests)?.table.find(id).filter(|_| sees);
    request
        .cloned()
        .ok_or_else(|| Problem::not_found(format!("APIKeyRequest {id}")))
}

/// When a decision is taken that is made now: after the newest that there is, which may be by a
/// clock that is ahead, and not before the request was made, where ours is behind.
fn moment(now: Timestamp, made: Option<Timestamp>, newest: Option<Timestamp>) -> Timestamp {
    let after = |it: Timestamp| {
        it.saturating_add(SignedDuration::from_secs(1))
            .unwrap_or(it)
    };
    let moments = [made, newest.map(after)].into_iter().flatten();
    moments.fold(now, Timestamp::max)
}

/// Decides: as the person, in their name. To take access away is to deny what was
/// approved.
pub(crate) async fn decide(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
    IfMatch(seen): IfMatch,
    Body(new): Body<NewDecision>,
) -> Result<Created<Decision>, Problem> {
    let id = named.id()?;
    let request = find(&app, &me, &id).await?;
    let decisions = app.store.read().decisions_on(&request)?;
    if seen.is_some_and(|it| it != Tag::with(request.version(), &decisions.basis)) {
        return Err(changed());
    }
    if new.approved {
        let shown = new.terms.as_ref().ok_or_else(|| {
            Problem::of_field(
                "terms",
                "to approve is to say what was shown: send the request's terms",
            )
        })?;
        if *shown != request.terms() {
            return Err(Problem::conflict(
                "TermsChanged",
                "what is asked for has changed since it was shown: look again, then decide",
            ));
        }
    }
    let is_own = request.spec.requested_by.user_id == me.person.user;
    if new.approved && is_own && !app.may(&me, DECIDE_OWN, &id.namespace).await? {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "OwnRequest",
            "this request is your own: somebody else has to approve it",
        ));
    }
    let made = request.metadata.creation_timestamp.as_ref().map(|at| at.0);
    let reviewed_at = moment(Timestamp::now(), made, decisions.newest).to_string();
    let approval = decisions.next;
    let mut spec = json!({
        "apiKeyRequestRef": {"name": id.name},
        "reviewedBy": me.person.user,
        "reviewedAt": reviewed_at,
    });
    merge(&mut spec, &new);
    let mut object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "APIKeyApproval",
        "metadata": {"name": approval.name},
        "spec": spec,
    });
    if new.approved && is_own {
        object["metadata"]["annotations"] = json!({annotation::DECIDES_OWN: "true"});
    }
    let made = app
        .kubernetes
        .create::<APIKeyApproval>(&me.caller, &id.namespace, &object);
    let made = made.await.map_err(|problem| {
        if problem.code() == StatusCode::CONFLICT {
            let detail = "somebody has just decided on this request: look at it again";
            return Problem::conflict("DecidedAlready", detail);
        }
        problem
    })?;
    let version = made.version();
    app.store.take(made.told);
    let decision = Decision {
        approval: Reference::to(&approval),
        approved: new.approved,
        reviewed_by: me.person.user.clone(),
        reviewed_at,
    };
    Ok(Created(Versioned(decision, Tag::of(version))))
}

fn merge(spec: &mut serde_json::Value, new: &NewDecision) {
    let fields = serde_json::to_value(new).unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
}

/// What the tier that is asked for allows, around the product's route now.
fn limits(known: &Known, id: &RequestId, request: &APIKeyRequest) -> Option<Limits> {
    let product = ProductId::new(&id.namespace, &request.spec.api_product_ref.name);
    let product = known.products.table.find(&product)?;
    let found = look_around(&route_of(product), &known.around);
    found.limits(&request.spec.plan_tier).cloned()
}

/// The tier that was approved, where the key goes by another one than is asked for.
fn approved_tier(known: &Known, request: &APIKeyRequest) -> Option<String> {
    let key = known.keys.table.find(&request.key_id())?;
    let approved = key.status.as_ref()?.approved_terms.as_ref()?;
    let is_another = approved.plan_tier != request.spec.plan_tier;
    let is_its = request
        .key_uid()
        .is_none_or(|uid| Some(uid) == key.metadata.uid.as_deref());
    (is_another && is_its).then(|| approved.plan_tier.clone())
}

fn row(known: &Known, id: &RequestId, request: &APIKeyRequest) -> RequestRow {
    let spec = &request.spec;
    let conditions = conditions_of_request(request);
    let (state, told) = RequestState::of(conditions);
    RequestRow {
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        product: Reference {
            namespace: id.namespace.to_string(),
            name: spec.api_product_ref.name.clone(),
        },
        tier: spec.plan_tier.clone(),
        requested_by: spec.requested_by.clone(),
        use_case: said(Some(&spec.use_case)).cloned(),
        key: Reference::to(&request.key_id()),
        expires_at: spec.expires_at.as_ref().map(|it| it.0.to_string()),
        state,
        waiting: state.waits(conditions),
        approved_tier: approved_tier(known, request),
        message: told.map(|it| it.message.clone()),
        enforced: enforced(conditions).map(Finding::from),
        created: super::created(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_the_newest_and_none_is_older_than_its_request_whosever_clock_is_off() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(moment(at(10), Some(at(5)), None), at(10));
        assert_eq!(moment(at(10), Some(at(12)), None), at(12));
        assert_eq!(moment(at(10), Some(at(5)), Some(at(30))), at(31));
    }
}
