//! Which routes are there, and how are they documented? Both are said here, once: the
//! OpenAPI document is made from the types that requests are read into.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use aide::openapi::{OpenApi, SecurityScheme};
use aide::transform::{TransformOpenApi, TransformOperation};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

use crate::App;
use crate::health::{readyz, tell_staleness};
use crate::problem::Problem;
use crate::resource::{events, keys, me, products, requests, reveal, routes};
use crate::trace::every_request;

/// Nothing that is sent here is longer: an APIProduct holds no documents.
const LONGEST_BODY: usize = 256 << 10;

/// Everything that is served.
pub(crate) fn router(app: App) -> Router {
    let (api, router) = documented();
    let document = Arc::new(serde_json::to_string(&api).unwrap_or_default());
    let answer = move || {
        let text = String::clone(&document);
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    router
        .layer(from_fn_with_state(app.clone(), tell_staleness))
        .route("/openapi.json", get(answer))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .fallback(async || Problem::not_found("this address").into_response())
        .method_not_allowed_fallback(async || {
            let detail = "this address takes another method: see /openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", detail).into_response()
        })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn(every_request))
        .with_state(app)
}

/// The OpenAPI 3.1 document of the server.
pub fn openapi() -> OpenApi {
    documented().0
}

fn documented() -> (OpenApi, Router<App>) {
    aide::generate::extract_schemas(true);
    aide::generate::infer_responses(true);
    let mut api = OpenApi::default();
    let router = resources().finish_api_with(&mut api, describe);
    (api, router)
}

fn describe(api: TransformOpenApi) -> TransformOpenApi {
    let scheme = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: None,
        description: Some(
            "A token that the cluster accepts. A portal sends its own, with Impersonate-User, \
             Impersonate-Group and Impersonate-Extra-devportal.kuadrant.io%2Femail of whoever \
             asks."
                .to_owned(),
        ),
        extensions: Default::default(),
    };
    api.title("Developer portal")
        .version(env!("CARGO_PKG_VERSION"))
        .description(
            "What people see of APIs on offer and of access to them, and what they do about it. \
             Everything is a Kubernetes object; who may do what is the cluster's RBAC.",
        )
        .security_scheme("token", scheme)
        .security_requirement("token")
        .default_response_with::<Problem, _>(|it| it.description("Why the request was refused."))
}

fn operation(
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation) -> TransformOperation {
    move |it| it.id(id).tag(tag).summary(summary)
}

fn resources() -> ApiRouter<App> {
    let about = operation;
    ApiRouter::new()
        .api_route(
            "/v1/me",
            get_with(
                me::one,
                about("getMe", "me", "Who asks, and what they may do at all"),
            ),
        )
        .api_route(
            "/v1/products",
            get_with(
                products::all,
                about("listProducts", "products", "The catalog"),
            )
            .post_with(
                products::create,
                about("createProduct", "products", "Offer a route as a product"),
            ),
        )
        .api_route(
            "/v1/products/{namespace}/{name}",
            get_with(products::one, about("getProduct", "products", "A product"))
                .patch_with(
                    products::edit,
                    about(
                        "editProduct",
                        "products",
                        "Edit, publish or withdraw a product",
                    ),
                )
                .delete_with(
                    products::delete,
                    about(
                        "deleteProduct",
                        "products",
                        "Delete a product, and with it the keys to it",
                    ),
                ),
        )
        .api_route(
            "/v1/products/{namespace}/{name}/openapi",
            get_with(
                products::openapi,
                about(
                    "getProductOpenapi",
                    "products",
                    "The OpenAPI document of a product's API",
                ),
            ),
        )
        .api_route(
            "/v1/routes",
            get_with(
                routes::all,
                about(
                    "listRoutes",
                    "routes",
                    "What can be published, and what is around each",
                ),
            ),
        )
        .api_route(
            "/v1/keys",
            get_with(keys::all, about("listKeys", "keys", "Keys"))
                .post_with(keys::create, about("createKey", "keys", "Ask for access")),
        )
        .api_route(
            "/v1/keys/{namespace}/{name}",
            get_with(keys::one, about("getKey", "keys", "A key, but its value")).delete_with(
                keys::delete,
                about("deleteKey", "keys", "Give access up, or take it away"),
            ),
        )
        .api_route(
            "/v1/keys/{namespace}/{name}/reveal",
            post_with(
                reveal::reveal,
                about("revealKey", "keys", "Show a key's value, once"),
            ),
        )
        .api_route(
            "/v1/keys/{namespace}/{name}/rotate",
            post_with(
                keys::rotate,
                about(
                    "rotateKey",
                    "keys",
                    "Make a new value; the one before goes on for a while",
                ),
            ),
        )
        .api_route(
            "/v1/requests",
            get_with(
                requests::all,
                about("listRequests", "requests", "Who asks for access"),
            ),
        )
        .api_route(
            "/v1/requests/{namespace}/{name}",
            get_with(
                requests::one,
                about(
                    "getRequest",
                    "requests",
                    "A request, with the terms to decide on",
                ),
            ),
        )
        .api_route(
            "/v1/requests/{namespace}/{name}/decision",
            post_with(
                requests::decide,
                about(
                    "decideRequest",
                    "requests",
                    "Approve, deny, or take access away",
                ),
            ),
        )
        .api_route(
            "/v1/events",
            get_with(
                events::all,
                about("watchEvents", "events", "What changes, as it changes"),
            ),
        )
}
