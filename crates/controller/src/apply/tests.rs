//! What is sent for a write, and what is made of answers that a real API server gives in
//! races and behind webhooks only.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devportal_api::id::{ApprovalId, KeyId, RequestId};
use devportal_api::product::OpenApiStatus;
use devportal_core::brake::Cause;
use devportal_core::decision::{NewSecret, Presence, ValueSource};
use devportal_mirror::Version;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::client::Body as Sent;

use super::*;

const VALUE: &str = "dpk_s3cret";

/// A request as an API server sees it: method, path with query, and body.
type Seen = (String, String, Value);

/// Answers the requests in this order, and notes them.
fn writer(answers: Vec<(u16, Value)>) -> (Writer, Arc<Mutex<Vec<Seen>>>) {
    let mut answers = answers.into_iter();
    writer_by(move |_| answers.next().expect("an answer"))
}

/// Answers each request by what it is, and notes it.
fn writer_by(
    answer: impl FnMut(&Seen) -> (u16, Value) + Send + 'static,
) -> (Writer, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, answer) = (seen.clone(), Arc::new(Mutex::new(answer)));
    let service = tower::service_fn(move |request: Request<Sent>| {
        let (log, answer) = (log.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let asked = (head.method.to_string(), head.uri.to_string(), body);
            let (code, answer) = (*answer.lock().unwrap())(&asked);
            log.lock().unwrap().push(asked);
            let response = Response::builder().status(code);
            let body = Body::from(answer.to_string());
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    let client = Client::new(service, "default");
    let lens = Lens::new([7; 32]);
    let (events, _) = Events::queue();
    let writer = Writer::new(client, lens, Leads::until(None), Writes::default(), events);
    (writer, seen)
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message});
    (code, status)
}

/// What a look at the metadata finds.
fn there(uid: &str) -> (u16, Value) {
    let metadata = json!({"name": "k", "namespace": "ns", "uid": uid, "resourceVersion": "9"});
    let found = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata});
    (200, found)
}

fn deletion() -> Write {
    Write::DeleteCredential {
        id: SecretId::new("ns", "k"),
        uid: "old".into(),
        unless: None,
    }
}

async fn apply(writer: &Writer, write: Write, seen: Value) -> Outcome {
    writer.apply(vec![(write, seen)]).await
}

/// The one failure.
fn failure(outcome: &Outcome) -> &Failure {
    let [(_, Some(failure))] = &outcome.groups[..] else {
        panic!("{:?}", outcome.groups);
    };
    failure
}

#[tokio::test]
async fn a_deletion_that_meets_a_conflict_is_not_done() {
    let conflict = || refusal(409, "Conflict", "the object has been modified");
    for (delete, is_source) in [
        (deletion(), false),
        (
            Write::DeleteSource {
                id: SecretId::new("ns", "k"),
                uid: "old".into(),
                opens: false,
            },
            true,
        ),
    ] {
        let (writer, seen) = writer(vec![conflict(), there("old")]);
        let outcome = apply(&writer, delete, Value::Null).await;
        assert_eq!(failure(&outcome).cause, Cause::Passing, "{is_source}");
        assert!(outcome.answers.is_empty(), "{:?}", outcome.answers);
        let asked = seen.lock().unwrap();
        assert_eq!(asked[0].0, "DELETE");
        assert_eq!(asked[0].2["preconditions"]["uid"], "old");
    }
}

#[tokio::test]
async fn of_a_conflict_with_another_object_of_the_name_only_the_old_one_is_told_gone() {
    let conflict = refusal(409, "Conflict", "Precondition failed: UID in precondition");
    let (writer, seen) = writer(vec![conflict, there("new")]);
    let outcome = apply(&writer, deletion(), Value::Null).await;
    for answer in &outcome.answers {
        match answer {
            Change::Credential(Told::Ended(_, uid, _)) | Change::Stray(Told::Ended(_, uid, _)) => {
                assert_eq!(uid, "old");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outcome.answers.len(), 2);
    assert_eq!(seen.lock().unwrap().len(), 2, "the new one is left alone");
}

#[tokio::test]
async fn a_conflict_after_which_nobody_answers_is_not_done() {
    let conflict = refusal(409, "Conflict", "the object has been modified");
    let away = refusal(503, "ServiceUnavailable", "away");
    let (writer, _) = writer(vec![conflict, away]);
    let outcome = apply(&writer, deletion(), Value::Null).await;
    assert_eq!(failure(&outcome).cause, Cause::Passing);
    assert!(outcome.answers.is_empty(), "{:?}", outcome.answers);
}

#[tokio::test]
async fn the_words_of_whoever_refuses_a_secrets_deletion_are_left_out() {
    let words = format!("admission webhook \"w\" denied the request: {{api_key: {VALUE}}}");
    // The API server's own word for a missing right, in front of a webhook's.
    let posing = format!("secrets \"k\" is forbidden: {words}");
    for (code, reason) in [
        (400, "BadRequest"),
        (403, "Forbidden"),
        (409, "Conflict"),
        (422, "Invalid"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ] {
        for words in [&words, &posing] {
            let (writer, _) = writer(vec![refusal(code, reason, words), there("old")]);
            let outcome = apply(&writer, deletion(), Value::Null).await;
            let failure = failure(&outcome);
            assert!(
                !format!("{failure:?}").contains(VALUE),
                "{code}: {failure:?}"
            );
            assert!(failure.message.contains("left out"), "{failure:?}");
            assert_eq!(
                failure.reason, reason,
                "what kind of refusal it is, is told"
            );
        }
    }
    let (refusing, _) = writer(vec![refusal(403, VALUE, &words)]);
    let outcome = apply(&refusing, deletion(), Value::Null).await;
    let told = format!("{:?}", failure(&outcome));
    assert!(!told.contains(VALUE), "a webhook makes up a reason: {told}");

    let own = "secrets \"k\" is forbidden: User \"us\" cannot delete resource \"secrets\"";
    let (writer, _) = writer(vec![refusal(403, "Forbidden", own)]);
    let outcome = apply(&writer, deletion(), Value::Null).await;
    assert_eq!(failure(&outcome).message, own);
}

fn creation(value: ValueSource) -> Write {
    Write::CreateSecret(NewSecret {
        id: SecretId::new("kuadrant", "k"),
        labels: [].into(),
        annotations: [].into(),
        owner: None,
        generated: matches!(value, ValueSource::Generate),
        value,
    })
}

#[tokio::test]
async fn the_words_of_whoever_refuses_a_secret_are_left_out_where_they_quote_its_value() {
    const BROUGHT: &str = "a-value-of-the-consumers-own-0123456789";
    let source: Secret = serde_json::from_value(json!({
        "metadata": {"name": "own", "namespace": "ns", "uid": "own"},
        "data": {"api_key": STANDARD.encode(BROUGHT)},
    }))
    .unwrap();
    let fingerprint = Lens::new([7; 32]).fingerprint(BROUGHT.as_bytes());
    let copy = || ValueSource::CopyOf {
        from: SecretId::new("ns", "own"),
        uid: None,
        value: fingerprint,
    };
    let spellings: [fn(&str) -> String; 4] = [
        str::to_owned,
        |value| STANDARD.encode(value),
        |value| STANDARD.encode(format!(r#"{{"api_key":"{value}"}}"#)),
        |value| value[..value.len() / 2].to_owned(),
    ];
    for (code, reason) in [
        (409, "AlreadyExists"),
        (409, "Conflict"),
        (422, "Invalid"),
        (500, "InternalError"),
        (500, ""),
    ] {
        for quote in spellings {
            for value in [ValueSource::Generate, copy()] {
                let secret = serde_json::to_value(&source).unwrap();
                let sent = Arc::new(Mutex::new(String::new()));
                let note = sent.clone();
                let (writer, _) = writer_by(move |(method, path, body)| {
                    if method == "GET" && path.contains("/namespaces/ns/") {
                        return (200, secret.clone());
                    }
                    if method == "GET" {
                        return refusal(404, "NotFound", "secrets \"k\" not found");
                    }
                    let encoded = body["data"]["api_key"].as_str().expect("a value");
                    let value = STANDARD.decode(encoded).unwrap();
                    let value = String::from_utf8(value).unwrap();
                    let words = quote(&value);
                    *note.lock().unwrap() = value;
                    let reason = if reason.is_empty() {
                        words.as_str()
                    } else {
                        reason
                    };
                    refusal(code, reason, &format!("denied the request: {words}"))
                });
                let outcome = apply(&writer, creation(value), Value::Null).await;
                let failure = failure(&outcome);
                let value = sent.lock().unwrap();
                let told = format!("{failure:?}");
                assert!(value.len() > 16, "{told}");
                assert!(!told.contains(&quote(&value)), "{code} {reason}: {told}");
                assert!(failure.message.contains("left out"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn what_refuses_a_secret_and_does_not_quote_it_is_told() {
    let words = "secrets \"k\" is forbidden: exceeded quota: few, requested: secrets=1";
    let (writer, _) = writer(vec![refusal(403, "Forbidden", words)]);
    let outcome = apply(&writer, creation(ValueSource::Generate), Value::Null).await;
    let failure = failure(&outcome);
    assert_eq!(failure.message, words);
    assert_eq!(failure.reason, "Forbidden");
}

/// What was seen of an object.
fn object() -> Value {
    json!({"metadata": {"name": "k", "namespace": "ns", "uid": "old", "resourceVersion": "8"}})
}

#[tokio::test]
async fn a_status_is_of_the_object_and_the_version_that_were_seen() {
    let statuses = [
        Write::ProductStatus(ProductId::new("ns", "k"), Box::default()),
        Write::KeyStatus(KeyId::new("ns", "k"), Box::default()),
        Write::RequestStatus(RequestId::new("ns", "k"), Box::default()),
        Write::ApprovalStatus(ApprovalId::new("ns", "k"), Box::default()),
    ];
    for status in statuses {
        let kind = status.kind();
        let (writer, seen) = writer(vec![refusal(409, "Conflict", "another version")]);
        let outcome = apply(&writer, status, object()).await;
        assert_eq!(failure(&outcome).cause, Cause::Passing, "{kind}");
        assert!(outcome.answers.is_empty(), "{:?}", outcome.answers);
        let asked = seen.lock().unwrap();
        let (method, _, body) = &asked[0];
        assert_eq!(method, "PATCH");
        let expected = json!({"uid": "old", "resourceVersion": "8"});
        assert_eq!(body["metadata"], expected, "{kind}");
    }
}

#[tokio::test]
async fn what_was_written_is_told_and_what_was_refused_or_met_nobody_is_not() {
    let failed = json!([{"type": "Failed", "status": "True", "reason": "SecretNotFound",
        "message": "none", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let mut written = object();
    written["spec"] = json!({"apiProductRef": {"name": "p"}, "planTier": "gold",
        "requestedBy": {"userId": "alice", "email": "a@example.com"}});
    written["status"] = json!({"conditions": failed});
    let absent = refusal(404, "NotFound", "apikeys \"k\" not found");
    for (answer, count) in [
        ((200, written), 1),
        (refusal(409, "Conflict", "another version"), 0),
        (absent, 0),
    ] {
        let (mut writer, _) = writer(vec![answer]);
        let (events, mut queue) = Events::queue();
        writer.events = events;
        let write = Write::KeyStatus(KeyId::new("ns", "k"), Box::default());
        apply(&writer, write, object()).await;
        let told = std::iter::from_fn(|| queue.try_recv().ok()).count();
        assert_eq!(told, count);
    }
}

fn documented(raw: &str) -> Write {
    let status = APIProductStatus {
        observed_generation: Some(2),
        openapi: Some(OpenApiStatus {
            raw: raw.into(),
            url: None,
            last_sync_time: Time(jiff::Timestamp::UNIX_EPOCH),
            max_size_used: None,
        }),
        ..APIProductStatus::default()
    };
    Write::ProductStatus(ProductId::new("ns", "k"), Box::new(status))
}

#[tokio::test]
async fn a_status_that_is_refused_is_tried_without_its_new_document() {
    let refusals = [
        (400, "BadRequest", "denied"),
        (413, "RequestEntityTooLarge", "limit is 3145728"),
        (422, "Invalid", "denied"),
        (500, "", "etcdserver: request is too large"),
        (
            500,
            "",
            "rpc error: trying to send message larger than max (3 vs. 2)",
        ),
    ];
    for (code, reason, words) in refusals {
        let answers = vec![refusal(code, reason, words), (200, object())];
        let (writer, seen) = writer(answers);
        let outcome = apply(&writer, documented("openapi: 3.1.0"), object()).await;
        let [Change::Unshown(id, digest, why)] = &outcome.answers[..] else {
            panic!("{code}: {:?}", outcome.answers);
        };
        assert_eq!(id, &ProductId::new("ns", "k"));
        assert_eq!(digest, &Digest::of("openapi: 3.1.0").to_string());
        assert_eq!(why, words);
        let asked = seen.lock().unwrap();
        let (_, path, body) = &asked[1];
        assert!(path.contains("dryRun=All"), "{path}");
        assert_eq!(body["status"].get("openapi"), Some(&Value::Null));
        assert_eq!(body["status"]["observedGeneration"], 2);
    }
}

#[tokio::test]
async fn a_document_that_is_there_gives_way_to_the_rest_of_its_status() {
    let too_large = refusal(500, "", "etcdserver: request is too large");
    let (writer, seen) = writer(vec![too_large, (200, object())]);
    let mut kept = object();
    kept["status"] = json!({"openapi": {"raw": "sha256:00"}});
    let outcome = apply(&writer, documented("sha256:00"), kept).await;
    let [Change::Unshown(_, digest, _)] = &outcome.answers[..] else {
        panic!("{:?}", outcome.answers);
    };
    assert_eq!(digest, "sha256:00");
    let asked = seen.lock().unwrap();
    assert_eq!(asked[1].2["status"].get("openapi"), Some(&Value::Null));
}

#[tokio::test]
async fn a_document_is_not_blamed_for_what_is_refused_without_it_too() {
    let denied = || refusal(403, "Forbidden", "no right to do that");
    let mut kept = object();
    kept["status"] = json!({"openapi": {"raw": "sha256:00"}});
    for (answers, write, seen) in [
        (vec![denied(), denied()], documented("openapi: 3"), object()),
        (vec![denied()], documented("sha256:00"), kept),
        (
            vec![refusal(503, "ServiceUnavailable", "away")],
            documented("openapi: 3"),
            object(),
        ),
    ] {
        let (writer, _) = writer(answers);
        let outcome = apply(&writer, write, seen).await;
        assert!(outcome.answers.is_empty(), "{:?}", outcome.answers);
        failure(&outcome);
    }
}

#[tokio::test]
async fn once_the_lease_is_over_no_write_is_begun() {
    let now = tokio::time::Instant::now();
    let conflict = || refusal(409, "Conflict", "another version");
    let status = || Write::KeyStatus(KeyId::new("ns", "k"), Box::default());
    let both = || vec![(status(), object()), (deletion(), Value::Null)];

    let (mut writer, seen) = writer(vec![conflict(), conflict(), there("old")]);
    writer.leads = Leads::until(now.checked_sub(Duration::from_millis(1)));
    let outcome = writer.apply(both()).await;
    assert!(seen.lock().unwrap().is_empty());
    assert!(outcome.groups.is_empty(), "nothing has failed either");

    writer.leads = Leads::until(Some(now + Duration::from_mins(1)));
    writer.apply(both()).await;
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn many_revocations_at_one_time_share_the_look_for_what_was_decided_meanwhile() {
    let approval = |name: &str, version: &str, request: &str| {
        let metadata = json!({"name": name, "namespace": "owner", "uid": name,
            "resourceVersion": version});
        json!({"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
            "metadata": metadata, "spec": {"apiKeyRequestRef": {"name": request},
            "approved": true, "reviewedBy": "olivia", "reviewedAt": "2026-01-01T00:00:00Z"}})
    };
    let (writer, seen) = writer_by(move |(method, path, _)| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (method.as_str(), path.rsplit('/').next().unwrap()) {
            ("GET", "apikeyapprovals") => {
                let is_second = query.contains("continue=more");
                let (name, version, next) = if is_second {
                    ("news", "7", "")
                } else {
                    ("known", "5", "more")
                };
                let metadata = json!({"name": name, "namespace": "owner", "uid": name,
                    "resourceVersion": version});
                let items = json!([{"kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1", "metadata": metadata}]);
                let list = json!({"kind": "PartialObjectMetadataList",
                    "apiVersion": "meta.k8s.io/v1", "items": items,
                    "metadata": {"resourceVersion": "9", "continue": next}});
                (200, list)
            }
            ("GET", "news") => (200, approval("news", "7", "request-3")),
            ("DELETE", _) => (200, json!({"kind": "Status", "status": "Success"})),
            other => panic!("{other:?}"),
        }
    });
    let revoke = |number: usize| {
        let request = RequestId::new("owner", format!("request-{number}"));
        let write = Write::DeleteCredential {
            id: SecretId::new("kuadrant-system", format!("key-{number}")),
            uid: format!("uid-{number}"),
            unless: Some(Presence::Approval(request, Version(6))),
        };
        let writer = &writer;
        async move { writer.apply(vec![(write, Value::Null)]).await }
    };
    let outcomes = futures::future::join_all((0..10).map(revoke)).await;
    let kept: Vec<_> = (0..10)
        .filter(|it| outcomes[*it].groups[0].1.is_some())
        .collect();
    assert_eq!(kept, [3], "what was approved meanwhile stays");
    // No watch has told it yet.
    assert!(matches!(
        outcomes[3].answers[..],
        [Change::Approval(Told::Answered(..))]
    ));
    let seen = seen.lock().unwrap();
    let lists = seen
        .iter()
        .filter(|(_, path, _)| path.contains("limit=") && !path.contains("continue="));
    assert_eq!(
        lists.count(),
        2,
        "one for the first, and one for all others"
    );
}
