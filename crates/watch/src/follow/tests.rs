//! What is told after answers that a real API server gives only once it has compacted
//! its history.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use devportal_api::foreign::Kuadrant;
use devportal_api::id::KuadrantId;
use devportal_mirror::{Found, Sight, Table};
use futures::stream;
use kube::client::Body as Sent;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::*;

/// How long something is waited for that is to come at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers the requests in this order, and notes them; those after the last wait.
fn source(answers: Vec<(u16, Value)>) -> (Source, UnboundedReceiver<String>) {
    let (log, asked) = mpsc::unbounded_channel();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let service = tower::service_fn(move |request: Request<Sent>| {
        let (log, answers) = (log.clone(), answers.clone());
        async move {
            // Whoever asked may have heard enough.
            let _ = log.send(request.uri().to_string());
            let answer = answers.lock().unwrap().next();
            let Some((code, answer)) = answer else {
                return std::future::pending().await;
            };
            let response = Response::builder().status(code);
            // Nothing stays open, as a watch does.
            let body = match answer {
                Value::Null => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
                answer => Body::from(format!("{answer}\n")),
            };
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    let source = Source {
        client: Client::new(service, "default"),
        scope: Scope::Cluster,
        lens: Lens::new([7; 32]),
        metrics: devportal_metrics::watches::Watch::default(),
    };
    (source, asked)
}

/// A list of this version that shows these objects, each with its own.
fn list_of(version: &str, objects: &[(&str, &str)]) -> (u16, Value) {
    let items: Vec<_> = objects
        .iter()
        .map(|(name, version)| {
            json!({"metadata": {"name": name, "namespace": "ns", "uid": name,
                "resourceVersion": version}})
        })
        .collect();
    let list = json!({"kind": "KuadrantList", "apiVersion": "kuadrant.io/v1beta1",
        "metadata": {"resourceVersion": version}, "items": items});
    (200, list)
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_listed_anew_and_what_ended_meanwhile_is_told() {
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 10 (15)"});
    for forgotten in [
        (410, gone.clone()),
        (200, json!({"type": "ERROR", "object": gone})),
    ] {
        let (source, mut asked) = source(vec![
            list_of("10", &[("kept", "5"), ("old", "6")]),
            forgotten,
            list_of("20", &[("kept", "5"), ("new", "17")]),
        ]);
        let (news, mut heard) = mpsc::channel(1);
        let watch = tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
        let mut table = Table::<Kuadrant>::default();
        let mut told = Vec::new();
        while let Ok(Some(it)) = timeout(PATIENCE, heard.recv()).await {
            told.push(match &it {
                Told::ListBegins(_) => "a list begins".to_owned(),
                Told::Is(id, _) => id.name.to_string(),
                Told::ListEnds(_, version) => format!("it is of {}", version.0),
                other => format!("{other:?}"),
            });
            let is_end = told.last().is_some_and(|it| it == "it is of 20");
            let ended: Vec<_> = table
                .take(it)
                .differences
                .into_iter()
                .filter(|it| it.new.is_none())
                .map(|it| it.id)
                .collect();
            if is_end {
                assert_eq!(ended, [KuadrantId::new("ns", "old")]);
                break;
            }
            assert!(ended.is_empty(), "{ended:?} ended before it was known");
        }
        let expected = [
            "a list begins",
            "kept",
            "old",
            "it is of 10",
            "a list begins",
            "kept",
            "new",
            "it is of 20",
        ];
        assert_eq!(told, expected, "and of no trouble");
        assert_eq!(*table.sight(&Scope::Cluster), Sight::Current);
        let look = |name| table.look(&KuadrantId::new("ns", name));
        assert!(matches!(look("kept"), Found::Present(_)));
        assert!(matches!(look("old"), Found::Ended));

        let mut versions = Vec::new();
        for _ in 0..4 {
            let uri = timeout(PATIENCE, asked.recv()).await.expect("a request");
            let uri = uri.expect("it goes on");
            let is_watch = uri.contains("watch=true");
            let from = ["10", "20"].map(|it| uri.contains(&format!("resourceVersion={it}")));
            versions.push((is_watch, from));
        }
        let list = (false, [false, false]);
        let from = |which| (true, which);
        let expected = [list, from([true, false]), list, from([false, true])];
        assert_eq!(versions, expected, "it is followed from the new list on");
        watch.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_right_is_missing_it_is_asked_for_every_ten_seconds_at_most() {
    let refusal = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "no"});
    let (source, mut asked) = source(vec![(403, refusal); 100]);
    let (news, mut heard) = mpsc::channel(9);
    let watch = tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
    let ignored = tokio::spawn(async move { while heard.recv().await.is_some() {} });
    asked.recv().await.expect("it is asked at once");
    for _ in 0..9 {
        let before = Instant::now();
        asked.recv().await.expect("it goes on");
        let pause = before.elapsed().as_secs_f64();
        assert!((4.9..10.1).contains(&pause), "{pause} s");
    }
    watch.abort();
    ignored.abort();
}

/// Or else it is told as silent for ever, beside that it cannot be listed.
#[tokio::test]
async fn a_kind_that_is_refused_is_not_one_of_which_nothing_was_heard_for_long() {
    let refusal = |code: u16, reason: &str| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": code, "reason": reason, "message": "no"});
        (code, status)
    };
    for (answer, is_heard) in [
        (refusal(403, "Forbidden"), false),
        (refusal(500, "InternalError"), true),
    ] {
        let mut registry = devportal_metrics::registry("1", "c");
        let watches = devportal_metrics::Watches::register(&mut registry);
        let (mut source, _asked) = source(vec![list_of("10", &[]), answer]);
        source.metrics = watches.of("Kuadrant", &Scope::Cluster);
        let (news, mut heard) = mpsc::channel(9);
        let watch = tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
        let series = r#"watch_heard_timestamp_seconds{kind="Kuadrant""#;
        loop {
            let told = timeout(PATIENCE, heard.recv()).await.expect("it goes on");
            if matches!(told.expect("it goes on"), Told::Lost(..)) {
                break;
            }
        }
        let text = devportal_metrics::endpoint::text(&registry).unwrap();
        assert_eq!(text.contains(series), is_heard, "{text}");
        watch.abort();
    }
}

/// As of a kind that never changed since the API server started: it marks no progress of it.
#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_is_opened_anew_then_all_is_listed_and_no_answer_is_told() {
    let nothing = || (200, Value::Null);
    let (source, mut asked) = source(vec![list_of("10", &[]), nothing(), nothing()]);
    let (news, mut heard) = mpsc::channel(9);
    let watch = tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
    let mut uris = Vec::new();
    for _ in 0..4 {
        uris.push(asked.recv().await.expect("it goes on"));
    }
    let watches = uris.iter().map(|it| it.contains("watch=true"));
    assert_eq!(watches.collect::<Vec<_>>(), [false, true, true, false]);
    let mut told = Vec::new();
    while let Ok(it) = heard.try_recv() {
        told.push(it);
    }
    let is_list = |it: &Told<Kuadrant>| matches!(it, Told::ListBegins(_) | Told::ListEnds(..));
    assert!(told.iter().all(is_list), "{told:?}");
    // The fourth is not answered.
    let lost = heard.recv().await.expect("it goes on");
    assert!(matches!(lost, Told::Lost(..)), "{lost:?}");
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn whatever_is_forgotten_before_it_can_be_followed_is_not_listed_without_a_pause() {
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 10 (15)"});
    let answers = (0..8).flat_map(|_| [list_of("10", &[]), (410, gone.clone())]);
    let (source, _asked) = source(answers.collect());
    let (news, mut heard) = mpsc::channel(1);
    tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
    let mut lists = Vec::new();
    while lists.len() < 8 {
        if let Some(Told::ListEnds(..)) = heard.recv().await {
            lists.push(Instant::now());
        }
    }
    let pauses: Vec<_> = lists.windows(2).map(|it| it[1] - it[0]).collect();
    assert_eq!(
        pauses[0],
        Duration::ZERO,
        "the first is listed anew at once"
    );
    assert!(
        pauses[2..]
            .iter()
            .all(|it| *it > Duration::from_millis(100)),
        "{pauses:?}"
    );
}

#[tokio::test]
async fn one_object_with_a_time_that_is_no_moment_holds_up_no_other() {
    let (code, mut list) = list_of("10", &[("odd", "5"), ("other", "6")]);
    list["items"][0]["metadata"]["managedFields"] =
        json!([{"manager": "x", "operation": "Update", "time": "9999-12-31T23:59:59Z"}]);
    let (source, _asked) = source(vec![(code, list)]);
    let (news, mut heard) = mpsc::channel(1);
    tokio::spawn(watch::<Kuadrant, Told<Kuadrant>>(source, news));
    let mut names = Vec::new();
    loop {
        match timeout(PATIENCE, heard.recv()).await.unwrap().unwrap() {
            Told::Is(id, _) => names.push(id.name.to_string()),
            Told::ListBegins(_) => {}
            Told::ListEnds(..) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(names, ["odd", "other"]);
}
