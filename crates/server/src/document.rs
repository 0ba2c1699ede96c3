//! What is served, and how is it documented? The OpenAPI document is made from the types
//! that requests are read into and answers are written from.

use aide::axum::ApiRouter;
use aide::openapi::{OpenApi, SecurityScheme};
use aide::transform::TransformOpenApi;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

use crate::App;
use crate::health::{probes, tell_staleness};
use crate::problem::Problem;
use crate::resource::{events, grants, health, keys, me, products, requests, routes};
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
        .merge(probes())
        .fallback(async || Problem::not_found("this address").into_response())
        .method_not_allowed_fallback(async || {
            let detail = "this address takes another method: see /openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", detail).into_response()
        })
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(app.clone(), every_request))
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
             Impersonate-Group and Impersonate-Extra-devportal.kuadrant.io%2Femail of the \
             person who asks."
                .to_owned(),
        ),
        extensions: std::iter::empty().collect(),
    };
    api.title("Developer portal")
        .version(env!("CARGO_PKG_VERSION"))
        .description(
            "The APIs on offer, access to them, and what people can do about both. Everything is \
             a Kubernetes object; the cluster's RBAC decides who may do what.",
        )
        .security_scheme("token", scheme)
        .security_requirement("token")
        .default_response_with::<Problem, _>(|it| it.description("Why the request was refused."))
}

fn resources() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(me::addresses())
        .merge(health::addresses())
        .merge(grants::addresses())
        .merge(products::addresses())
        .merge(routes::addresses())
        .merge(keys::addresses())
        .merge(requests::addresses())
        .merge(events::addresses())
}
