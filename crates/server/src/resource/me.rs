//! Who am I, and what may I do at all?

use std::collections::BTreeSet;
use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use devportal_api::name::label;
use devportal_watch::Plain;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::App;
use crate::access::{ASK_FOR_KEYS, DECIDE, MAKE_PRODUCTS, Places, SEE_KEYS, SEE_REQUESTS};
use crate::caller::Me;
use crate::kinds::State as KeyState;
use crate::problem::Problem;
use crate::resource::{about, marks};
use crate::shelf::Topic;
use crate::store::listed;

/// The caller.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Myself {
    /// The user name in the cluster.
    user: String,
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The namespaces in which the caller may request keys.
    request_in: Vec<String>,
    /// What to ask the platform team for, if `requestIn` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// The namespaces in which the caller may publish routes.
    publish_in: Vec<String>,
    /// Whether the caller may see keys in some namespace.
    sees_keys: bool,
    /// Whether the caller may see requests in some namespace.
    sees_requests: bool,
    /// Whether the caller may decide on requests in some namespace.
    decides: bool,
    /// How many requests wait for a decision.
    pending_requests: usize,
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let me = about("getMe", "me", "Get the caller, and what they may do");
    ApiRouter::new().api_route("/v1/me", get_with(one, me))
}

pub(crate) async fn one(State(app): State<App>, me: Me) -> Result<Json<Myself>, Problem> {
    let consumers = consumers(&app).await?;
    let with_routes = app.store.namespaces(|it| &it.routes);
    let with_keys = both(app.store.namespaces(|it| &it.keys), &consumers);
    let with_products = app.store.namespaces(|it| &it.products);
    let with_requests = both(app.store.namespaces(|it| &it.requests), &with_products);
    let (request, publish, keys, requests, decide) = tokio::try_join!(
        app.places_of(&me, ASK_FOR_KEYS, consumers.clone()),
        app.places_of(&me, MAKE_PRODUCTS, with_routes.clone()),
        app.places_of(&me, SEE_KEYS, with_keys),
        app.places_of(&me, SEE_REQUESTS, with_requests.clone()),
        app.places_of(&me, DECIDE, with_requests),
    )?;
    let known = app.store.read();
    let shelf = listed(&known.requests)?;
    let waiting = marks(&requests, None, &Topic::Waiting(None));
    let counts = waiting
        .iter()
        .flat_map(|it| KeyState::ALL.map(|state| shelf.count(it, state)));
    let request_in = of(&request, &consumers);
    let person = &me.person;
    Ok(Json(Myself {
        advice: request_in.is_empty().then(|| advice(&person.user)),
        request_in,
        publish_in: of(&publish, &with_routes),
        sees_keys: !keys.is_nowhere(),
        sees_requests: !requests.is_nowhere(),
        decides: !decide.is_nowhere(),
        pending_requests: counts.sum(),
        user: person.user.clone(),
        groups: person.groups.clone(),
        email: person.email.clone(),
    }))
}

fn of(places: &Places, namespaces: &BTreeSet<String>) -> Vec<String> {
    let namespaces = namespaces.iter().filter(|it| places.has(it));
    namespaces.cloned().collect()
}

/// Nearly always the second are among the first.
fn both(some: Arc<BTreeSet<String>>, more: &BTreeSet<String>) -> Arc<BTreeSet<String>> {
    if more.is_subset(&some) {
        some
    } else {
        Arc::new(&*some | more)
    }
}

/// The namespaces that a platform engineer has labelled for consumers.
async fn consumers(app: &App) -> Result<Arc<BTreeSet<String>>, Problem> {
    let ask = || async {
        type Names = Plain<PartialObjectMeta<Namespace>>;
        let api: Api<Names> = Api::all(app.kubernetes.own.clone());
        let selector = format!("{}=true", label::CONSUMERS);
        let params = ListParams::default().labels(&selector);
        let found = app.kubernetes.as_itself(api.list(&params)).await?;
        let names = found.items.iter().map(ResourceExt::name_any);
        Ok(Arc::new(names.collect()))
    };
    app.consumers.recall((), ask).await
}

fn advice(user: &str) -> String {
    format!(
        "You cannot request keys in any namespace yet. Ask your platform team for one:\n\
         kubectl label namespace TEAM {}=true\n\
         kubectl create rolebinding devportal-consumer -n TEAM \
         --clusterrole=devportal-consumer --user='{}'",
        label::CONSUMERS,
        user.replace('\'', r"'\''")
    )
}
