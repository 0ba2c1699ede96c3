//! Products: the catalog, and what owners do with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented, StatusCode as Status};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, NoContent, Response};
use devportal_api::condition::{is_problem, kind};
use devportal_api::id::ProductId;
use devportal_api::product::{ApprovalMode, ProductOwner, PublishStatus};
use devportal_api::scheme::{DiscoveredAuthScheme, Plan};
use devportal_api::{APIProduct, APIProductSpec, GROUP, VERSION};
use devportal_core::discover::{hostnames, route_of};
use devportal_mirror::Kept;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Finding, Search, about, list};
use crate::App;
use crate::access::{EDIT_PRODUCTS, Places, SEE_ALL_PUBLISHED, SEE_PRODUCTS, SEE_REQUESTS};
use crate::answer::{
    Body, Created, Idempotency, IdempotencyKey, IfMatch, List, Named, Path, Query, Tag, Versioned,
    checked_name, checked_namespace, documented, stale_if_conflict,
};
use crate::caller::{Me, Person};
use crate::convention::Gap;
use crate::kinds::State as KeyState;
use crate::problem::Problem;
use crate::shelf::{Mark, Shelved, Topic};
use crate::store::{Audience, Known, listed};

/// Which products to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProductSearch {
    /// Only products in this namespace.
    namespace: Option<String>,
    /// Only drafts or only published products; absent: both.
    status: Option<PublishStatus>,
    /// `true`: only products with `problems`.
    troubled: Option<bool>,
    /// `true`: only products with `gaps`.
    incomplete: Option<bool>,
    /// Text to find in name, description, tags, owner or namespace, ignoring case.
    q: Option<String>,
    /// How many rows to return, 1 to 200; absent: 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// The `next` of the previous page.
    after: Option<String>,
}

/// Of which products to list the namespaces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamespaceSearch {
    /// Only of drafts or only of published products; absent: of both.
    status: Option<PublishStatus>,
}

/// A product in the catalog.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductRow {
    namespace: String,
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    tags: Vec<String>,
    publish_status: PublishStatus,
    approval_mode: ApprovalMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<ProductOwner>,
    /// The team to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    /// The tiers that can be requested, in the order of the PlanPolicy.
    tiers: Vec<String>,
    /// What is wrong with the product; empty if nothing is.
    problems: Vec<Finding>,
    /// What it lacks by the organisation's conventions; only for those who may see requests.
    gaps: Vec<Gap>,
    /// How many keys it has in each state; only for those who may see the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Counts>,
    /// When it was created, RFC 3339.
    created: String,
}

/// How many keys a product has in each state.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Those that wait for a decision: the pending ones, and changes of what was approved.
    waiting: usize,
    pending: usize,
    approved: usize,
    denied: usize,
    expired: usize,
    failed: usize,
}

/// A product with all details.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    namespace: String,
    name: String,
    /// As its owner wrote it.
    spec: APIProductSpec,
    /// The hostnames of the API.
    hostnames: Vec<String>,
    /// An address at which the API is called; in a wildcard host any label may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The plans that can be requested, with their limits.
    plans: Vec<Plan>,
    /// How to authenticate.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_scheme: Option<DiscoveredAuthScheme>,
    /// Where OpenID Connect clients get tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    /// Whether there is an OpenAPI document, at `…/openapi`.
    has_openapi: bool,
    /// The conditions that the controller reports.
    conditions: Vec<Finding>,
    /// The conditions that report something wrong; empty if none does.
    problems: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Counts>,
    may: MayWithProduct,
    created: String,
}

/// What the caller may do with a product.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MayWithProduct {
    /// Edit, publish, withdraw and delete it.
    edit: bool,
    /// See who requests access to it.
    see_requests: bool,
}

/// A product to create.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    /// The product's namespace, which is that of its route.
    namespace: String,
    name: String,
    /// As in an APIProduct. The API server refuses fields that it does not know.
    #[schemars(with = "APIProductSpec")]
    spec: Value,
}

/// Changes to a product: a JSON merge patch (RFC 7386).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductPatch {
    /// The fields of the spec to change; `null` removes one. To publish:
    /// `{"publishStatus": "Published"}`.
    spec: serde_json::Map<String, Value>,
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let about = |id, summary| about(id, "products", summary);
    let list = get_with(all, about("listProducts", "List the catalog"))
        .post_with(create, about("createProduct", "Offer a route as a product"));
    let product = get_with(one, about("getProduct", "Get a product"))
        .patch_with(
            edit,
            about("editProduct", "Edit, publish or withdraw a product"),
        )
        .delete_with(
            delete,
            about("deleteProduct", "Delete a product: its keys stop working"),
        );
    let document = about(
        "getProductOpenapi",
        "Get the OpenAPI document of a product's API",
    );
    let spaces = about(
        "listProductNamespaces",
        "List the namespaces of the products in the catalog",
    );
    ApiRouter::new()
        .api_route("/v1/products", list)
        .api_route("/v1/products/namespaces", get_with(namespaces, spaces))
        .api_route("/v1/products/{namespace}/{name}", product)
        .api_route(
            "/v1/products/{namespace}/{name}/openapi",
            get_with(openapi, document),
        )
}

/// Who sees a product: whoever sees the requests for it, in any state; of others those
/// whom it is published for.
fn shows(product: &APIProduct, is_insider: bool, sees_all: bool, person: &Person) -> bool {
    is_insider || Audience::of(product).has(person, sees_all)
}

/// What somebody sees of products.
pub(super) struct Sees {
    products: Places,
    insiders: Places,
    /// Whatever is published.
    all: bool,
}

impl Sees {
    pub(super) fn has(&self, product: &APIProduct, id: &ProductId, person: &Person) -> bool {
        let is_insider = self.insiders.has(&id.namespace);
        self.products.has(&id.namespace) && shows(product, is_insider, self.all, person)
    }

    pub(super) async fn of(app: &App, me: &Me) -> Result<Self, Problem> {
        let (products, insiders, all) = tokio::try_join!(
            app.places::<APIProduct>(me, SEE_PRODUCTS, |it| &it.products),
            app.places::<APIProduct>(me, SEE_REQUESTS, |it| &it.products),
            app.may(me, SEE_ALL_PUBLISHED, ""),
        )?;
        Ok(Self {
            products,
            insiders,
            all,
        })
    }
}

/// # Errors
///
/// When there is no such product, or none that this person sees.
pub(crate) async fn find(app: &App, me: &Me, id: &ProductId) -> Result<Arc<APIProduct>, Problem> {
    let (sees, is_insider, sees_all) = tokio::try_join!(
        app.may(me, SEE_PRODUCTS, &id.namespace),
        app.may(me, SEE_REQUESTS, &id.namespace),
        app.may(me, SEE_ALL_PUBLISHED, ""),
    )?;
    let known = app.store.read();
    let product = listed(&known.products)?.table.find(id);
    let product = product.filter(|it| sees && shows(it, is_insider, sees_all, &me.person));
    product
        .cloned()
        .ok_or_else(|| Problem::not_found(format!("APIProduct {id}")))
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    Query(search): Query<ProductSearch>,
) -> Result<Json<List<ProductRow>>, Problem> {
    let sees = Sees::of(&app, &me).await?;
    let states = match search.status {
        Some(status) => vec![status],
        None => APIProduct::STATES.to_vec(),
    };
    let wanted = Search {
        namespace: search.namespace.as_deref(),
        words: search.q.as_deref(),
        limit: search.limit,
        after: search.after.as_deref(),
    };
    let topic = match search.troubled {
        Some(true) => Topic::Troubled,
        _ => Topic::Anything,
    };
    let wanted = wanted.of::<APIProduct>(&sees.products, &topic, states)?;
    let only_incomplete = search.incomplete == Some(true);
    let gaps = |id: &ProductId, product: &APIProduct| app.conventions.gaps(&id.name, product);
    let known = app.store.read();
    let page = listed(&known.products)?.page(&wanted, |id, product| {
        let is_wanted =
            !only_incomplete || (sees.insiders.has(&id.namespace) && !gaps(id, product).is_empty());
        sees.has(product, id, &me.person) && is_wanted
    });
    let rows = list(page, |id, product| {
        let is_insider = sees.insiders.has(&id.namespace);
        let inside = is_insider.then(|| (gaps(id, product), counts(&known, id)));
        row(id, product, inside)
    });
    Ok(Json(rows))
}

/// Of all products that somebody sees, whatever page of them is shown.
pub(crate) async fn namespaces(
    State(app): State<App>,
    me: Me,
    Query(search): Query<NamespaceSearch>,
) -> Result<Json<List<String>>, Problem> {
    let sees = Sees::of(&app, &me).await?;
    let known = app.store.read();
    let products = listed(&known.products)?.table.iter();
    let shown = products.filter(|(id, product)| {
        let status = product.spec.publish_status;
        search.status.is_none_or(|it| it == status) && sees.has(product, id, &me.person)
    });
    let namespaces: BTreeSet<_> = shown.map(|(id, _)| id.namespace.to_string()).collect();
    Ok(Json(List {
        items: namespaces.into_iter().collect(),
        next: None,
    }))
}

pub(crate) async fn one(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
) -> Result<Versioned<Product>, Problem> {
    let id = named.id::<ProductId>()?;
    let product = find(&app, &me, &id).await?;
    let may = MayWithProduct::find(&app, &me, &id.namespace).await?;
    Ok(detail(&app, may, &id, &product))
}

/// The OpenAPI document, as the controller fetched it.
pub(crate) async fn openapi(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
) -> Result<Document, Problem> {
    let id = named.id::<ProductId>()?;
    find(&app, &me, &id).await?;
    // The mirror keeps no texts.
    let product = app.kubernetes.get::<APIProduct>(&me.caller, &id).await?;
    let text = product.status.and_then(|it| it.openapi).map(|it| it.raw);
    let absent = || Problem::not_found(format!("an OpenAPI document of APIProduct {id}"));
    text.filter(|it| !it.is_empty())
        .map(Document)
        .ok_or_else(absent)
}

/// The text of a document: somebody else's words.
pub(crate) struct Document(String);

impl OperationOutput for Document {
    type Inner = String;

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<Documented> {
        let kinds = ["application/json", "application/yaml"];
        let content = kinds.map(|kind| (kind.to_owned(), MediaType::default()));
        Some(Documented {
            description: "The text of the document, as it was fetched.".to_owned(),
            content: content.into_iter().collect(),
            ..Documented::default()
        })
    }

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<Status>, Documented)> {
        let response = Self::operation_response(context, operation);
        documented(StatusCode::OK, response)
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let is_json = self.0.trim_start().starts_with('{');
        let kind = if is_json {
            "application/json"
        } else {
            "application/yaml"
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; sandbox"),
            ),
        ];
        (headers, self.0).into_response()
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    me: Me,
    key: IdempotencyKey,
    Body(new): Body<NewProduct>,
) -> Result<Created<Product>, Problem> {
    checked_namespace("namespace", &new.namespace)?;
    checked_name("name", &new.name)?;
    let idempotency = Idempotency::of(&key, &me.person.user, &new);
    let object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "APIProduct",
        "metadata": {"name": new.name},
        "spec": new.spec,
    });
    // Before: what was done is not answered with an error.
    let may = MayWithProduct::find(&app, &me, &new.namespace).await?;
    let id = super::create::<APIProduct>(&app, &me, &new.namespace, object, idempotency).await?;
    let product = written(&app, &id)?;
    Ok(Created(detail(&app, may, &id, &product)))
}

pub(crate) async fn edit(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
    seen: IfMatch,
    Body(patch): Body<ProductPatch>,
) -> Result<Versioned<Product>, Problem> {
    let id = named.id::<ProductId>()?;
    find(&app, &me, &id).await?;
    let mut object = json!({"spec": patch.spec});
    if let Some(version) = seen.version() {
        object["metadata"] = json!({"resourceVersion": version});
    }
    let may = MayWithProduct::find(&app, &me, &id.namespace).await?;
    let patched = app.kubernetes.patch::<APIProduct>(&me.caller, &id, &object);
    app.store
        .take(patched.await.map_err(stale_if_conflict)?.told);
    let product = written(&app, &id)?;
    Ok(detail(&app, may, &id, &product))
}

/// Deletes a product: the keys to it open nothing any more.
pub(crate) async fn delete(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
    seen: IfMatch,
) -> Result<NoContent, Problem> {
    let id = named.id::<ProductId>()?;
    let product = find(&app, &me, &id).await?;
    let (caller, uid) = (&me.caller, product.uid());
    let deleted = app
        .kubernetes
        .delete::<APIProduct>(caller, &id, uid, seen.version());
    app.store.take(deleted.await.map_err(stale_if_conflict)?);
    Ok(NoContent)
}

fn written(app: &App, id: &ProductId) -> Result<Arc<APIProduct>, Problem> {
    let known = app.store.read();
    let product = known.products.table.find(id).cloned();
    product.ok_or_else(|| Problem::not_found(format!("APIProduct {id}")))
}

/// With what insiders see of it.
fn row(id: &ProductId, product: &APIProduct, inside: Option<(Vec<Gap>, Counts)>) -> ProductRow {
    let (gaps, keys) = inside.unzip();
    let spec = &product.spec;
    let status = product.status.as_ref();
    ProductRow {
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        display_name: spec.display_name.clone(),
        description: spec.description.clone(),
        version: spec.version.clone(),
        tags: spec.tags.clone(),
        publish_status: spec.publish_status,
        approval_mode: spec.approval_mode,
        owner: spec.owner.clone(),
        team: spec.contact.as_ref().and_then(|it| it.team.clone()),
        tiers: status.map_or(vec![], |it| {
            let plans = it.discovered_plans.iter();
            plans.map(|plan| plan.tier.clone()).collect()
        }),
        problems: status.map_or(vec![], |it| problems(shown(&it.conditions, keys.is_some()))),
        gaps: gaps.unwrap_or_default(),
        keys,
        created: super::created(product),
    }
}

/// What of a product's conditions somebody is shown. Which other products its keys open, and
/// that there are other keys to it, is the owner's concern.
fn shown(conditions: &[Condition], is_insider: bool) -> impl Iterator<Item = &Condition> {
    let inside = [
        kind::SELECTOR_SHARED,
        kind::SELECTOR_OPEN,
        kind::UNMANAGED_KEYS,
    ];
    let is_inside = move |it: &Condition| inside.contains(&it.type_.as_str());
    let conditions = conditions.iter();
    conditions.filter(move |it| is_insider || !is_inside(it))
}

fn problems<'a>(shown: impl Iterator<Item = &'a Condition>) -> Vec<Finding> {
    shown
        .filter(|it| is_problem(it))
        .map(Finding::from)
        .collect()
}

fn counts(known: &Known, id: &ProductId) -> Counts {
    let mark = |topic| Mark {
        namespace: None,
        topic,
    };
    let (all, waiting) = (
        mark(Topic::Product(id.clone())),
        mark(Topic::Waiting(Some(id.clone()))),
    );
    let count = |state| known.requests.count(&all, state);
    let waiting = KeyState::ALL.map(|state| known.requests.count(&waiting, state));
    Counts {
        waiting: waiting.iter().sum(),
        pending: count(KeyState::Pending),
        approved: count(KeyState::Approved),
        denied: count(KeyState::Denied),
        expired: count(KeyState::Expired),
        failed: count(KeyState::Failed),
    }
}

impl MayWithProduct {
    async fn find(app: &App, me: &Me, namespace: &str) -> Result<Self, Problem> {
        let (edit, see_requests) = tokio::try_join!(
            app.may(me, EDIT_PRODUCTS, namespace),
            app.may(me, SEE_REQUESTS, namespace),
        )?;
        Ok(Self { edit, see_requests })
    }
}

fn detail(
    app: &App,
    may: MayWithProduct,
    id: &ProductId,
    product: &Arc<APIProduct>,
) -> Versioned<Product> {
    let see_requests = may.see_requests;
    let known = app.store.read();
    let status = product.status.clone().unwrap_or_default();
    let route_id = route_of(product);
    let route = known.routes.table.find(&route_id);
    let detail = Product {
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        spec: product.spec.clone(),
        hostnames: route.map_or(vec![], |it| hostnames(&known.around, &route_id, it)),
        url: known.address_of(id),
        plans: status.discovered_plans,
        auth_scheme: status.discovered_auth_scheme,
        token_endpoint: status.oidc_discovery.map(|it| it.token_endpoint),
        has_openapi: status.openapi.is_some(),
        conditions: shown(&status.conditions, see_requests)
            .map(Finding::from)
            .collect(),
        problems: problems(shown(&status.conditions, see_requests)),
        keys: see_requests.then(|| counts(&known, id)),
        may,
        created: super::created(&**product),
    };
    Versioned(detail, Tag::of(product.version()))
}
