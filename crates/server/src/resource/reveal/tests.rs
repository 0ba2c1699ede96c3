//! What is shown of a key that the mirror does not have as it is.

use std::sync::Mutex;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, patch, post};
use devportal_api::foreign::Kuadrant;
use devportal_mirror::{Scope, Told, Version};
use k8s_openapi::ByteString;
use serde_json::Value;

use super::*;
use crate::store::News;
use crate::trial;

const VALUE: &str = "the value";

/// The key at a version: whether its value waits to be shown.
fn key(version: &str, waits: bool) -> Value {
    json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1",
        "kind": "APIKey",
        "metadata": {"name": "mine", "namespace": "consumer", "uid": "uid of mine",
            "resourceVersion": version, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"apiProductRef": {"name": "toys", "namespace": "toystore"}, "planTier": "gold",
            "useCase": "tests", "requestedBy": {"userId": "alice", "email": "alice@example.com"},
            "delivery": "Once"},
        "status": {
            "canReadSecret": waits,
            "credentials": [{"id": "enforced", "revision": 0, "digest": digest(VALUE.as_bytes())}],
            "conditions": [{"type": "Approved", "status": "True", "reason": "Approved",
                "message": "it is approved", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        },
    })
}

/// An API server that has the key so, allows everything but what it answers to a claim otherwise,
/// and counts looks at the key.
fn api_server(now: Value, claim: Option<u16>, looks: Arc<Mutex<usize>>) -> Router {
    const KEY: &str = "/apis/devportal.kuadrant.io/v1alpha1/namespaces/consumer/apikeys/mine";
    let secret = json!({
        "metadata": {"name": "enforced", "namespace": "kuadrant-system",
            "annotations": {annotation::KEY_UID: "uid of mine"}},
        "data": {"api_key": ByteString(VALUE.into())},
    });
    let look = move || {
        *looks.lock().unwrap() += 1;
        std::future::ready(Json(now.clone()))
    };
    Router::new()
        .route(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            post(async || Json(json!({"spec": {}, "status": {"allowed": true}}))),
        )
        .route(KEY, get(look))
        .route(
            &format!("{KEY}/status"),
            patch(async move || match claim {
                None => Json(key("9", false)).into_response(),
                Some(code) => {
                    let status = json!({"kind": "Status", "status": "Failure", "code": code,
                        "reason": "", "message": "no"});
                    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
                }
            }),
        )
        .route(
            "/api/v1/namespaces/kuadrant-system/secrets/enforced",
            get(async move || Json(secret.clone())),
        )
        .route(
            "/apis/events.k8s.io/v1/namespaces/consumer/events",
            post(async |event: Json<Value>| event),
        )
}

/// An app that has listed one object of a kind.
fn lists<K: Kind>(app: &App, object: Value)
where
    News: From<Told<K>>,
{
    let object = serde_json::from_value::<Guarded<K>>(object).unwrap();
    app.store.take(Told::<K>::ListBegins(Scope::Cluster));
    app.store.take(told(object, &app.kubernetes.lens));
    app.store
        .take(Told::<K>::ListEnds(Scope::Cluster, Version(5)));
}

/// What is answered where the mirror has the key as its value was shown, and the API server
/// has this one; and how often that was looked at.
async fn reveal_past(now: Value) -> (Result<Json<Revealed>, Problem>, usize) {
    reveal_where(now, None).await
}

async fn reveal_where(now: Value, claim: Option<u16>) -> (Result<Json<Revealed>, Problem>, usize) {
    let looks = Arc::<Mutex<usize>>::default();
    let app = trial::app(api_server(now, claim, Arc::clone(&looks)));
    lists::<APIKey>(&app, key("5", false));
    let kuadrant = json!({"apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
        "metadata": {"name": "kuadrant", "namespace": "kuadrant-system",
            "resourceVersion": "4"}});
    lists::<Kuadrant>(&app, kuadrant);
    let named = json!({"namespace": "consumer", "name": "mine"});
    let named: Named = serde_json::from_value(named).unwrap();
    let answer = reveal(State(app), trial::person("alice"), Path(named)).await;
    let count = *looks.lock().unwrap();
    (answer, count)
}

#[tokio::test]
async fn a_value_that_waits_is_shown_also_where_the_mirror_is_behind() {
    let (answer, looks) = reveal_past(key("6", true)).await;
    let Json(revealed) = answer.map_err(|it| it.detail).unwrap();
    assert_eq!(*revealed.value, VALUE);
    assert_eq!(looks, 1);
}

#[tokio::test]
async fn a_claim_that_is_refused_is_not_told_as_one_that_nobody_answered() {
    for (code, words) in [
        (403, "lacks a right of its own"),
        (429, "is busy"),
        (504, "nobody knows whether the value counts as shown"),
    ] {
        let (answer, _) = reveal_where(key("6", true), Some(code)).await;
        let problem = answer.map(|_| ()).unwrap_err();
        assert_eq!(problem.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.detail.contains(words), "{code}: {}", problem.detail);
    }
}

#[tokio::test]
async fn that_a_value_was_shown_is_said_of_the_key_as_it_is() {
    let (answer, looks) = reveal_past(key("6", false)).await;
    let problem = answer.map(|_| ()).unwrap_err();
    assert_eq!((problem.code(), looks), (StatusCode::GONE, 1));
}
