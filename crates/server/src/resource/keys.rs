//! Keys: what somebody asked for, and what became of it.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::NoContent;
use devportal_api::id::{KeyId, ProductId};
use devportal_api::key::{Delivery, LiveCredential, RequestedBy};
use devportal_api::scheme::{Credentials, Limits};
use devportal_api::{APIKey, GROUP, VERSION};
use devportal_mirror::Kept;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reveal::reveal;
use super::{Finding, Reference, Search, about, list, products, said};
use crate::App;
use crate::access::{CHANGE_KEYS, DELETE_KEYS, REVEAL, SEE_KEYS};
use crate::answer::{
    Body, Created, Idempotency, IdempotencyKey, IfMatch, List, Named, Path, Query, Tag, Versioned,
    checked_name, checked_namespace, stale_if_conflict,
};
use crate::caller::Me;
use crate::kinds::{State as KeyState, conditions_of_key, enforced};
use crate::problem::Problem;
use crate::shelf::{Shelved, Topic};
use crate::store::listed;

/// Which keys to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeySearch {
    /// Only keys in this namespace.
    namespace: Option<String>,
    /// Only keys for this product, as `namespace/name`.
    product: Option<String>,
    /// Only keys in this state; absent: all.
    state: Option<KeyState>,
    /// `true`: only keys that were approved but that the gateway does not enforce.
    unenforced: Option<bool>,
    /// Text to find in name, product, tier, requester or use case, ignoring case.
    q: Option<String>,
    /// How many rows to return, 1 to 200; absent: 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    /// The `next` of the previous page.
    after: Option<String>,
}

/// A key in a list; the newest comes first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyRow {
    namespace: String,
    name: String,
    product: Reference,
    /// The tier in force: the granted one or, before a decision, the requested one.
    tier: String,
    /// The requested tier.
    asked_tier: String,
    state: KeyState,
    /// Why it is in this state, and what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    requested_by: RequestedBy,
    /// When the key expires, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    delivery: Delivery,
    /// Whether its value can still be shown, once.
    can_reveal: bool,
    /// Whether the gateway enforces the key and, if not, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforced: Option<Finding>,
    created: String,
}

/// A key with all details except its value.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    #[serde(flatten)]
    row: KeyRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_case: Option<String>,
    /// The hostname of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    /// An address at which the API is called; in a wildcard host any label may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Where the key goes in a request; absent: `Authorization: Bearer KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    /// The Secret that holds the value, if the key is delivered in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The values that the gateway accepts: more than one during a rotation.
    values: Vec<LiveValue>,
    conditions: Vec<Finding>,
    may: MayWithKey,
}

/// What the caller may do with a key.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MayWithKey {
    /// Be shown its value, while `canReveal` is true.
    reveal: bool,
    /// Replace its value by a new one; never a value of the consumer's own.
    rotate: bool,
    /// Delete it.
    delete: bool,
}

/// A value that the gateway accepts.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveValue {
    /// The value's revision: each rotation makes the next.
    revision: i64,
    /// When its credential was made: with the value or, where the key's terms changed since,
    /// later. RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    /// When it stops working because a newer one replaced it, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
}

/// A key to request.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewKey {
    /// The key's namespace, one of the consumer's team.
    namespace: String,
    /// The key's name; absent: made from the product's.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    product: Reference,
    plan_tier: String,
    /// What the key is for; whoever decides reads this.
    #[serde(skip_serializing_if = "Option::is_none")]
    use_case: Option<String>,
    /// When the key should expire, RFC 3339; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// How the key reaches the consumer; absent: `Once`.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
    /// The requester's e-mail address, if the cluster does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// How to replace a key's value.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRotation {
    /// How long the previous value keeps working, such as `2h` or `0s`; absent: two hours.
    overlap: Option<String>,
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let about = |id, summary| about(id, "keys", summary);
    let list = get_with(all, about("listKeys", "List keys"))
        .post_with(create, about("createKey", "Request a key"));
    let key = get_with(one, about("getKey", "Get a key, without its value")).delete_with(
        delete,
        about("deleteKey", "Delete a key, which ends its access"),
    );
    let show = about("revealKey", "Show a key's value, once");
    let replace = about(
        "rotateKey",
        "Make a new value; the previous one keeps working for a while",
    );
    ApiRouter::new()
        .api_route("/v1/keys", list)
        .api_route("/v1/keys/{namespace}/{name}", key)
        .api_route(
            "/v1/keys/{namespace}/{name}/reveal",
            post_with(reveal, show),
        )
        .api_route(
            "/v1/keys/{namespace}/{name}/rotate",
            post_with(rotate, replace),
        )
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    Query(search): Query<KeySearch>,
) -> Result<Json<List<KeyRow>>, Problem> {
    let sees = app.places::<APIKey>(&me, SEE_KEYS, |it| &it.keys).await?;
    let topic = match (&search.product, search.unenforced) {
        (Some(_), Some(true)) => {
            return Err(Problem::invalid(
                "ask for product or for unenforced, not for both",
            ));
        }
        (Some(product), _) => Topic::Product(product_id(product)?),
        (None, Some(true)) => Topic::Unenforced,
        (None, _) => Topic::Anything,
    };
    let states = search.state.map_or(APIKey::STATES.to_vec(), |it| vec![it]);
    let wanted = Search {
        namespace: search.namespace.as_deref(),
        words: search.q.as_deref(),
        limit: search.limit,
        after: search.after.as_deref(),
    };
    let wanted = wanted.of::<APIKey>(&sees, &topic, states)?;
    let known = app.store.read();
    let page = listed(&known.keys)?.page(&wanted, |_, _| true);
    Ok(Json(list(page, |id, key| row(id, key))))
}

pub(super) fn product_id(text: &str) -> Result<ProductId, Problem> {
    match text.split_once('/') {
        Some((namespace, name)) => Ok(ProductId::new(namespace, name)),
        None => Err(Problem::invalid("product is namespace/name")),
    }
}

pub(crate) async fn one(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
) -> Result<Versioned<Key>, Problem> {
    let id = named.id()?;
    let key = find(&app, &me, &id).await?;
    let may = May::find(&app, &me, &id.namespace).await?;
    Ok(detail(&app, may, &id, &key))
}

/// # Errors
///
/// When there is no such key, or none that this person sees.
pub(super) async fn find(app: &App, me: &Me, id: &KeyId) -> Result<Arc<APIKey>, Problem> {
    let sees = app.may(me, SEE_KEYS, &id.namespace).await?;
    let known = app.store.read();
    let key = listed(&known.keys)?.table.find(id).filter(|_| sees);
    key.cloned()
        .ok_or_else(|| Problem::not_found(format!("APIKey {id}")))
}

pub(crate) async fn create(
    State(app): State<App>,
    me: Me,
    key: IdempotencyKey,
    Body(new): Body<NewKey>,
) -> Result<Created<Key>, Problem> {
    checked_namespace("namespace", &new.namespace)?;
    if let Some(name) = &new.name {
        checked_name("name", name)?;
    }
    let product = ProductId::new(&new.product.namespace, &new.product.name);
    products::find(&app, &me, &product).await?;
    let may = May::find(&app, &me, &new.namespace).await?;
    let Some(email) = me.person.email.clone().or_else(|| new.email.clone()) else {
        return Err(Problem::of_field(
            "email",
            "the cluster knows none of yours: give one",
        ));
    };
    let idempotency = Idempotency::of(&key, &me.person.user, &new);
    let stem = stem(&product.name);
    let metadata = match (&new.name, &idempotency) {
        (Some(name), _) => json!({"name": name}),
        (None, Some(it)) => json!({"name": format!("{stem}-{}", it.suffix())}),
        (None, None) => json!({"generateName": format!("{stem}-")}),
    };
    let object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "APIKey",
        "metadata": metadata,
        "spec": without_nulls(json!({
            "apiProductRef": new.product,
            "planTier": new.plan_tier,
            "useCase": new.use_case,
            "expiresAt": new.expires_at,
            "delivery": new.delivery.unwrap_or(Delivery::Once),
            "requestedBy": {"userId": me.person.user, "email": email},
        })),
    });
    let id = super::create::<APIKey>(&app, &me, &new.namespace, object, idempotency).await?;
    let key = app.store.read().keys.table.find(&id).cloned();
    let key = key.ok_or_else(|| Problem::not_found(format!("APIKey {id}")))?;
    Ok(Created(detail(&app, may, &id, &key)))
}

/// What a name begins with that is made for somebody: short enough for what is added.
fn stem(product: &str) -> &str {
    const LONGEST: usize = 200;
    let stem = product.get(..LONGEST).unwrap_or(product);
    stem.trim_end_matches(['-', '.'])
}

fn without_nulls(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

pub(crate) async fn delete(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
    seen: IfMatch,
) -> Result<NoContent, Problem> {
    let id = named.id()?;
    let key = find(&app, &me, &id).await?;
    let (caller, uid) = (&me.caller, Kept::uid(&key));
    let deleted = app
        .kubernetes
        .delete::<APIKey>(caller, &id, uid, seen.version());
    app.store.take(deleted.await.map_err(stale_if_conflict)?);
    Ok(NoContent)
}

/// How often a rotation is asked for anew because something else of the key changed.
const TRIES: usize = 3;

/// Makes a new value; the one before goes on for a while.
pub(crate) async fn rotate(
    State(app): State<App>,
    me: Me,
    Path(named): Path<Named>,
    seen: IfMatch,
    rotation: Option<Body<NewRotation>>,
) -> Result<Versioned<Key>, Problem> {
    let Body(rotation) = rotation.unwrap_or_default();
    let id = named.id()?;
    let key = find(&app, &me, &id).await?;
    let may = May::find(&app, &me, &id.namespace).await?;
    if !key.is_generated() {
        return Err(Problem::conflict(
            "Brought",
            "this key's value is in a Secret of your own: change it there",
        ));
    }
    // One rotation, also where the button was pressed twice.
    let revision = key.revision() + 1;
    let seen = seen.version();
    let mut version = seen.clone().or_else(|| key.resource_version());
    for tries in 1.. {
        let patch = json!({
            "metadata": {"resourceVersion": version},
            "spec": {"rotation": {"revision": revision, "overlap": rotation.overlap}},
        });
        let written = app.kubernetes.patch::<APIKey>(&me.caller, &id, &patch);
        match written.await.map_err(stale_if_conflict) {
            Ok(written) => {
                app.store.take(written.told);
                break;
            }
            Err(problem) => {
                let is_stale = problem.code() == StatusCode::PRECONDITION_FAILED;
                if !is_stale || seen.is_some() || tries == TRIES {
                    return Err(problem);
                }
                let now = app.kubernetes.get::<APIKey>(&me.caller, &id).await?;
                if now.uid() != ResourceExt::uid(&*key) || now.revision() != key.revision() {
                    return Err(problem);
                }
                version = now.resource_version();
            }
        }
    }
    let key = app
        .store
        .read()
        .keys
        .table
        .find(&id)
        .cloned()
        .unwrap_or(key);
    Ok(detail(&app, may, &id, &key))
}

/// The value that stays, of those that open the API now.
pub(super) fn current(key: &APIKey) -> Option<&LiveCredential> {
    let live = &key.status.as_ref()?.credentials;
    live.iter().rev().find(|it| it.revision == key.revision())
}

/// Whether a value waits to be shown.
pub(super) fn can_reveal(key: &APIKey) -> bool {
    let is_shown = key.status.as_ref().and_then(|it| it.can_read_secret) == Some(false);
    let is_there = current(key).is_some_and(|it| it.digest.is_some());
    key.is_shown_once() && is_there && !is_shown
}

fn row(id: &KeyId, key: &APIKey) -> KeyRow {
    let conditions = conditions_of_key(key);
    let (state, told) = KeyState::of(conditions);
    let status = key.status.as_ref();
    let approved = status.and_then(|it| it.approved_terms.as_ref());
    let asked = &key.spec.plan_tier;
    let expires_at = match approved {
        Some(terms) => terms.expires_at.as_ref(),
        None => key.spec.expires_at.as_ref(),
    };
    KeyRow {
        namespace: id.namespace.to_string(),
        name: id.name.to_string(),
        product: Reference::to(&key.product_id()),
        tier: approved.map_or(asked, |it| &it.plan_tier).clone(),
        asked_tier: asked.clone(),
        state,
        message: told.map(|it| it.message.clone()),
        requested_by: key.spec.requested_by.clone(),
        expires_at: expires_at.map(|it| it.0.to_string()),
        delivery: key.spec.delivery.unwrap_or_default(),
        can_reveal: can_reveal(key),
        enforced: enforced(conditions).map(Finding::from),
        created: super::created(key),
    }
}

/// What somebody may do with the keys of a namespace. It is asked for before anything is written:
/// what was done is not answered with an error.
#[derive(Clone, Copy)]
struct May {
    reveal: bool,
    change: bool,
    delete: bool,
}

impl May {
    async fn find(app: &App, me: &Me, namespace: &str) -> Result<Self, Problem> {
        let (reveal, change, delete) = tokio::try_join!(
            app.may(me, REVEAL, namespace),
            app.may(me, CHANGE_KEYS, namespace),
            app.may(me, DELETE_KEYS, namespace),
        )?;
        Ok(Self {
            reveal,
            change,
            delete,
        })
    }
}

fn detail(app: &App, may: May, id: &KeyId, key: &Arc<APIKey>) -> Versioned<Key> {
    let status = key.status.clone().unwrap_or_default();
    let values = status.credentials.iter().map(|it| LiveValue {
        revision: it.revision,
        created_at: it.created_at.as_ref().map(|at| at.0.to_string()),
        ends_at: it.ends_at.as_ref().map(|at| at.0.to_string()),
    });
    let detail = Key {
        row: row(id, key),
        use_case: said(key.spec.use_case.as_ref()).cloned(),
        hostname: status.api_hostname,
        url: app.store.read().address_of(&key.opened_product_id()),
        credentials: status.auth_scheme.and_then(|it| it.credentials),
        limits: status.limits,
        secret: status.secret_ref.map(|it| it.name),
        values: values.collect(),
        conditions: status.conditions.iter().map(Finding::from).collect(),
        may: MayWithKey {
            reveal: may.reveal && key.is_shown_once(),
            rotate: may.change && key.is_generated(),
            delete: may.delete,
        },
    };
    Versioned(detail, Tag::of(key.version()))
}
