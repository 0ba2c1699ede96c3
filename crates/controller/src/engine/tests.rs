//! What is made of what writers report.

use std::convert::Infallible;
use std::future::pending;

use axum::body::Body;
use axum::http::{Request, Response};
use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::{APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::change::Source;
use devportal_mirror::{Kind, Lens, Told, Version};
use k8s_openapi::api::core::v1::Secret;
use kube::client::Body as Sent;
use kube::{Client, Config};
use serde_json::json;

use super::*;
use crate::event::Events;
use crate::fetch::FetchConfig;
use crate::lead::Leadership;
use crate::line::Lines;
use crate::metrics::{Fetches, Writes};

/// An engine that has listed nothing yet, and an API server that never answers.
fn engine() -> Engine {
    let service =
        tower::service_fn(|_: Request<Sent>| pending::<Result<Response<Body>, Infallible>>());
    let client = Client::new(service, "default");
    let lens = Lens::new([7; 32]);
    let leads = Leadership::alone().leads;
    let (vital, _) = Vital::new();
    let (events, _) = Events::queue();
    let (news, _) = mpsc::channel(1);
    let (documents, _) = mpsc::channel(1);
    let lines = Lines::new(
        Config::new("http://127.0.0.1:9".parse().unwrap()),
        client.clone(),
    );
    let parts = Parts {
        settings: Settings::default(),
        writer: Writer::new(
            client.clone(),
            lens.clone(),
            leads.clone(),
            Writes::default(),
            events,
        ),
        follower: Follower::new(client, lines, lens, news, vital.clone()),
        fetcher: Fetcher::new(FetchConfig::default(), documents, Fetches::default()).unwrap(),
        vital,
        leads,
        ready: watch::Sender::new(Readiness::unknown()),
        kuadrant: watch::Sender::new(None),
        metrics: Metrics::register(&mut devportal_metrics::Registry::default()),
    };
    let (done, _) = mpsc::unbounded_channel();
    Engine::new(parts, done)
}

/// Where the value of a key is, as it is read, and what the engine knows of it once a writer told
/// that there is none.
fn after_a_late_answer(secret_ref: Option<&str>) -> Option<Source> {
    let mut engine = engine();
    let id = KeyId::new("ns", "mine");
    let mut spec = json!({"apiProductRef": {"name": "toys"}, "planTier": "gold",
        "requestedBy": {"userId": "alice", "email": "a@example.com"}});
    if let Some(name) = secret_ref {
        spec["secretRef"] = json!({"name": name});
    }
    let key: APIKey = serde_json::from_value(json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
        "metadata": {"name": "mine", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
        "spec": spec,
    }))
    .unwrap();
    let source = key.source_secret();
    engine.observe(Told::<APIKey>::Is(id.clone(), Arc::new(key)).into());
    let id = Id::Key(id);
    engine
        .needs
        .set(&id, &[Need::Secret(source.clone())].into());
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"uid": "s", "resourceVersion": "5"}, "data": {"api_key": "c2VjcmV0"},
    }))
    .unwrap();
    let facts = Lens::new([7; 32]).facts(&secret);
    engine.observe(Change::Source(source.clone(), Source::Is(facts)));
    engine.finish(Done {
        id,
        before: None,
        outcome: Outcome {
            answers: vec![Change::Source(source.clone(), Source::Gone(None))],
            groups: vec![],
        },
    });
    engine.world.find_source(&source).cloned()
}

#[tokio::test]
async fn what_a_writer_read_of_a_consumers_secret_is_no_news_but_a_reason_to_read_it_again() {
    assert!(after_a_late_answer(Some("own")).is_none());
    assert!(after_a_late_answer(Some("mine-apikey-secret")).is_none());
    // Of one that we made it is.
    let gone = after_a_late_answer(None);
    assert!(matches!(gone, Some(Source::Gone(_))), "{gone:?}");
}

/// All kinds that are followed from the start, listed but for one, which cannot be at the moment.
fn list_all_but_plans(engine: &mut Engine) {
    fn list<K: Kind>(engine: &mut Engine)
    where
        Change: From<Told<K>>,
    {
        engine.hear(Told::<K>::ListBegins(Scope::Cluster).into());
        engine.hear(Told::<K>::ListEnds(Scope::Cluster, Version(1)).into());
    }
    list::<APIProduct>(engine);
    list::<APIKey>(engine);
    list::<APIKeyRequest>(engine);
    list::<APIKeyApproval>(engine);
    list::<HTTPRoute>(engine);
    list::<Gateway>(engine);
    list::<AuthPolicy>(engine);
    list::<Kuadrant>(engine);
    let trouble = Trouble::Failing("500".into());
    engine.hear(Told::<PlanPolicy>::Lost(Scope::Cluster, trouble, Timestamp::now()).into());
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_goes_on_failing_holds_the_beginning_up_for_a_moment_only() {
    let mut engine = engine();
    list_all_but_plans(&mut engine);
    assert!(!engine.has_begun);
    let patience = engine.patience().expect("a time");
    tokio::time::sleep_until(patience).await;
    engine.notice_sight();
    assert!(engine.has_begun);
    assert_eq!(engine.patience(), None);
}

#[test]
fn a_decision_that_panics_harms_no_other() {
    let id = Id::Key(KeyId::new("ns", "poison"));
    assert_eq!(survive(&id, || panic!("on purpose")), None::<()>);
    assert_eq!(survive(&id, || 1), Some(1));
}
