//! Routes: what can be published, and what is around each.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use devportal_api::condition::{Attachment, AuthPolicyState, PlanPolicyState, RouteState};
use devportal_api::foreign::HTTPRoute;
use devportal_api::id::RouteId;
use devportal_api::scheme::{DiscoveredAuthScheme, Plan};
use devportal_core::discover::{hostnames, look_around};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::products::Sees;
use super::{Reference, Search, about, list};
use crate::access::{EDIT_ROUTES, SEE_ROUTES};
use crate::answer::{List, Query};
use crate::caller::Me;
use crate::problem::Problem;
use crate::shelf::{Shelved, Topic};
use crate::store::{Audience, Known, listed};
use crate::{App, Routes};

/// Which routes to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RouteSearch {
    /// Only routes in this namespace.
    namespace: Option<String>,
    /// Text to find in name, namespace or hostnames, ignoring case.
    q: Option<String>,
    /// How many rows to return, 1 to 200; absent: 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// The `next` of the previous page.
    after: Option<String>,
}

/// A route, and what the controller would find for a product on it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteRow {
    namespace: String,
    name: String,
    hostnames: Vec<String>,
    /// Whether a Gateway has accepted it.
    accepted: bool,
    /// Whether it is offered to owners.
    exposed: bool,
    auth_policy: Policy,
    /// How consumers would authenticate.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_scheme: Option<DiscoveredAuthScheme>,
    plan_policy: Policy,
    /// The plans that consumers could request, with their limits.
    plans: Vec<Plan>,
    /// The products on it that the caller may see.
    products: Vec<Reference>,
}

/// The policy that applies to a route, if any.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy {
    /// Whether one applies.
    found: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Reference>,
    /// The kind that it targets: `HTTPRoute` or `Gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    /// Why none applies, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Policy {
    fn attached(it: &Attachment) -> Self {
        Self {
            found: true,
            name: Some(Reference::to(&it.policy)),
            on: Some(it.target_kind.clone()),
            message: None,
        }
    }

    fn missing(message: &str) -> Self {
        Self {
            found: false,
            name: None,
            on: None,
            message: Some(message.to_owned()),
        }
    }
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let list = about(
        "listRoutes",
        "routes",
        "List the routes that can be published, with their policies",
    );
    ApiRouter::new().api_route("/v1/routes", get_with(all, list))
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    Query(search): Query<RouteSearch>,
) -> Result<Json<List<RouteRow>>, Problem> {
    let products = Sees::of(&app, &me).await?;
    let (sees, runs) = tokio::try_join!(
        app.places::<HTTPRoute>(&me, SEE_ROUTES, |it| &it.routes),
        app.places::<HTTPRoute>(&me, EDIT_ROUTES, |it| &it.routes),
    )?;
    let wanted = Search {
        namespace: search.namespace.as_deref(),
        words: search.q.as_deref(),
        limit: search.limit,
        after: search.after.as_deref(),
    };
    let states = HTTPRoute::STATES.to_vec();
    let wanted = wanted.of::<HTTPRoute>(&sees, &Topic::Anything, states)?;
    let known = app.store.read();
    // Who runs the routes sees those that owners are not offered, too.
    let page = listed(&known.routes)?.page(&wanted, |id, route| {
        is_exposed(&app, route) || runs.has(&id.namespace)
    });
    Ok(Json(list(page, |id, route| {
        let on_it = known.products_by_route.referrers(id);
        let shown = on_it.filter(|it| {
            let product = known.products.table.find(it);
            product.is_some_and(|product| products.has(product, it, &me.person))
        });
        row(
            &app,
            &known,
            (id, route),
            shown.map(Reference::to).collect(),
        )
    })))
}

fn is_exposed(app: &App, route: &HTTPRoute) -> bool {
    app.routes == Routes::All || Audience::of_route(route) == Audience::Everybody
}

fn row(
    app: &App,
    known: &Known,
    (id, route): (&RouteId, &Arc<HTTPRoute>),
    products: Vec<Reference>,
) -> RouteRow {
    let found = look_around(id, &known.around);
    let auth_policy = match &found.auth.state {
        AuthPolicyState::Found(it) => Policy::attached(it),
        AuthPolicyState::NotReady => Policy::missing("AuthPolicy not accepted or not enforced"),
        AuthPolicyState::NotFound => Policy::missing("no AuthPolicy: anyone gets in"),
    };
    let plan_policy = match &found.plan.state {
        PlanPolicyState::Found(it) => Policy::attached(it),
        PlanPolicyState::NotFound => Policy::missing("no PlanPolicy: nothing is limited"),
    };
    RouteRow {
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        hostnames: hostnames(&known.around, id, route),
        accepted: matches!(found.route, RouteState::Accepted(_)),
        exposed: is_exposed(app, route),
        auth_policy,
        auth_scheme: found.auth.scheme,
        plan_policy,
        plans: found.plan.plans,
        products,
    }
}
