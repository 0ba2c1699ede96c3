//! What does `kubectl describe apikey` tell of what happened? An Event for each change of
//! a status that somebody would ask about, made of the change that was written.
//!
//! Events cost writes, and say nothing that conditions do not: there is none for what
//! goes by itself, none is tried twice, and nothing waits for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use devportal_api::condition::{auto, kind};
use devportal_api::event::{News, event};
use devportal_core::Change;
use devportal_mirror::Told;
use devportal_watch::brief;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::vital::Vital;

/// Who tells.
const REPORTER: &str = "devportal.kuadrant.io/controller";
/// Events that may wait. Beyond that they are left out, as when a product takes thousands
/// of keys with it: conditions tell of each.
const BACKLOG: usize = 1000;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Events are handed in.
#[derive(Clone)]
pub(crate) struct Events {
    queue: Sender<Event>,
    has_overflowed: Arc<AtomicBool>,
}

impl Events {
    /// Events that one task creates, one after the other.
    pub(crate) fn start(client: Client, vital: &Vital) -> Self {
        let (events, queue) = Self::queue();
        vital.spawn("Events", publish(client, queue));
        events
    }

    pub(crate) fn queue() -> (Self, Receiver<Event>) {
        let (queue, waiting) = channel(BACKLOG);
        let events = Self {
            queue,
            has_overflowed: Arc::default(),
        };
        (events, waiting)
    }

    /// Tells what has become of a status, by the answer to its write: `seen` is the version
    /// that was replaced.
    pub(crate) fn tell(&self, seen: &Value, answers: &[Change]) {
        let before = &seen["status"]["conditions"];
        let before = Option::<Vec<Condition>>::deserialize(before);
        // Who cannot tell how it was does not know what is new.
        let Ok(before) = before else { return };
        let before = before.unwrap_or_default();
        match answers.last() {
            Some(Change::Key(Told::Answered(_, key))) => {
                let after = conditions(key.status.as_ref().map(|it| &it.conditions));
                let reviewer = key.status.as_ref().and_then(|it| it.reviewed_by.as_deref());
                self.hand_in(&**key, of_key(&before, after, reviewer));
            }
            Some(Change::Product(Told::Answered(_, product))) => {
                let after = conditions(product.status.as_ref().map(|it| &it.conditions));
                self.hand_in(&**product, of_product(&before, after));
            }
            _ => {}
        }
    }

    fn hand_in<K: Resource<DynamicType = ()>>(&self, about: &K, news: Vec<&Condition>) {
        for it in news {
            let event = event_of(about.object_ref(&()), it);
            let is_left_out = self.queue.try_send(event).is_err();
            if is_left_out && !self.has_overflowed.swap(true, Ordering::Relaxed) {
                warn!(
                    "more happens than Events can tell of: some are left out, from now on unsaid"
                );
            }
        }
    }
}

fn conditions(all: Option<&Vec<Condition>>) -> &[Condition] {
    all.map_or(&[], Vec::as_slice)
}

fn find<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|it| it.type_ == kind)
}

fn holds(all: &[Condition], kind: &str) -> bool {
    find(all, kind).is_some_and(|it| it.status == "True")
}

/// What is new of a key: how it stands, unless it was let in by itself, and that the gateway
/// no longer holds it to its plan.
fn of_key<'a>(
    before: &[Condition],
    after: &'a [Condition],
    reviewer: Option<&str>,
) -> Vec<&'a Condition> {
    let is_approved = holds(after, kind::APPROVED);
    let is_news = |it: &&Condition| {
        let was = find(before, &it.type_);
        match it.type_.as_str() {
            kind::FAILED => was.is_none_or(|was| was.reason != it.reason),
            // What was decided before anything was told, as of keys that were restored.
            _ if before.is_empty() => false,
            kind::DENIED | kind::EXPIRED => was.is_none(),
            kind::APPROVED => was.is_none() && reviewer != Some(auto::REVIEWER),
            // These pass, or were asked for.
            kind::ENFORCED if ["Issuing", "Ending"].contains(&it.reason.as_str()) => false,
            kind::ENFORCED => {
                is_approved && it.status == "False" && was.is_some_and(|was| was.status == "True")
            }
            _ => false,
        }
    };
    after.iter().filter(is_news).collect()
}

/// What a product has lost: the policies that guard it, or plans that held.
fn of_product<'a>(before: &[Condition], after: &'a [Condition]) -> Vec<&'a Condition> {
    let doubted = find(before, kind::PLANS_IN_FORCE).filter(|it| it.status == "False");
    let had_plans = holds(before, kind::PLAN_POLICY_DISCOVERED) && doubted.is_none();
    let is_news = |it: &&Condition| {
        it.status == "False"
            && match it.type_.as_str() {
                kind::AUTH_POLICY_DISCOVERED | kind::PLAN_POLICY_DISCOVERED => {
                    holds(before, &it.type_)
                }
                kind::PLANS_IN_FORCE => had_plans,
                _ => false,
            }
    };
    after.iter().filter(is_news).collect()
}

/// The Event that tells of a condition.
fn event_of(regarding: ObjectReference, condition: &Condition) -> Event {
    let news = News {
        is_warning: condition.type_ != kind::APPROVED,
        reason: &condition.reason,
        action: "UpdateStatus",
        note: &condition.message,
    };
    let instance = std::env::var("HOSTNAME").ok();
    let now = Timestamp::now();
    event(regarding, news, REPORTER, instance.as_deref(), now)
}

/// Creates each, once. What goes wrong is told once for each kind of it.
async fn publish(client: Client, mut queue: Receiver<Event>) {
    let mut told = BTreeSet::new();
    while let Some(event) = queue.recv().await {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), namespace);
        let params = PostParams::default();
        let (kind, error) = match timeout(PATIENCE, api.create(&params, &event)).await {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => match &error {
                kube::Error::Api(status) => (status.reason.clone(), brief(&error)),
                _ => ("Unsent".to_owned(), brief(&error)),
            },
            Err(_) => {
                let words = "the API server does not answer".to_owned();
                ("Timeout".to_owned(), words)
            }
        };
        if told.insert(kind) {
            warn!(%error, "an Event could not be created; going on without, and not saying so again");
        } else {
            debug!(%error, "an Event could not be created");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use devportal_api::condition::{
        Attachment, AuthPolicyState, Blocker, Enforcement, Fact, Lifecycle, Limiter, PlanFault,
        PlanPolicyState, Review, render,
    };
    use devportal_api::id::{PolicyId, ProductId, SecretId};
    use devportal_api::{APIKey, APIProduct};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    fn told(facts: &[Fact]) -> Vec<Condition> {
        render(facts, &[], None, Timestamp::UNIX_EPOCH)
    }

    fn review(by: &str) -> Review {
        Review {
            by: by.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            message: None,
        }
    }

    fn approved(by: &str, enforcement: &Enforcement) -> Vec<Condition> {
        let lifecycle = Lifecycle::Approved(review(by));
        told(&[lifecycle.fact(), enforcement.fact()])
    }

    fn pending() -> Vec<Condition> {
        told(&[Lifecycle::Pending.fact()])
    }

    /// The reasons of what is told of a key that a person decides on.
    fn of(before: &[Condition], after: &[Condition]) -> Vec<String> {
        reasons(of_key(before, after, Some("olivia")))
    }

    fn reasons(news: Vec<&Condition>) -> Vec<String> {
        news.into_iter().map(|it| it.reason.clone()).collect()
    }

    #[test]
    fn each_way_a_key_can_turn_is_told_once() {
        let denied = told(&[Lifecycle::Denied(review("olivia")).fact()]);
        let expired = told(&[Lifecycle::Expired(Timestamp::UNIX_EPOCH).fact()]);
        let is_good = approved("olivia", &Enforcement::Enforced);
        assert_eq!(of(&pending(), &is_good), ["Approved"]);
        assert_eq!(of(&is_good, &denied), ["Denied"]);
        assert_eq!(of(&is_good, &expired), ["KeyExpired"]);
        assert_eq!(of(&denied, &is_good), ["Approved"]);
        for same in [&is_good, &denied, &expired] {
            assert!(of(same, same).is_empty(), "{same:?}");
        }
        let nothing: [String; 0] = [];
        assert_eq!(of(&is_good, &pending()), nothing);
    }

    #[test]
    fn a_key_that_fails_is_told_from_the_start_and_for_each_reason() {
        let failed = |blocker| told(&[Lifecycle::Failed(blocker).fact()]);
        let lost = failed(Blocker::ProductNotFound(ProductId::new("ns", "p")));
        let bare = failed(Blocker::SecretNotFound(SecretId::new("ns", "s")));
        assert_eq!(of(&[], &lost), ["APIProductNotFound"]);
        assert_eq!(of(&pending(), &lost), ["APIProductNotFound"]);
        assert_eq!(of(&lost, &bare), ["SecretNotFound"]);
        assert!(of(&lost, &lost).is_empty());
    }

    #[test]
    fn what_goes_by_itself_is_not_told() {
        let waits = approved(auto::REVIEWER, &Enforcement::Issuing);
        let is_good = approved(auto::REVIEWER, &Enforcement::Enforced);
        let is_free = approved(auto::REVIEWER, &Enforcement::NoPlans);
        let path = [vec![], pending(), waits, is_good, is_free.clone()];
        for step in path[..4].windows(2) {
            let news = of_key(&step[0], &step[1], Some(auto::REVIEWER));
            assert!(news.is_empty(), "{news:?}");
        }
        let news = of_key(&pending(), &is_free, Some(auto::REVIEWER));
        assert!(news.is_empty(), "{news:?}");
    }

    #[test]
    fn a_key_that_is_enforced_no_more_is_told_once() {
        let is_good = approved("olivia", &Enforcement::Enforced);
        let is_free = approved("olivia", &Enforcement::NoPlans);
        let unplanned = approved(
            "olivia",
            &Enforcement::UnknownTier("gold".into(), Limiter::Nothing),
        );
        assert_eq!(of(&is_good, &is_free), ["NoPlans"]);
        assert!(of(&is_free, &unplanned).is_empty());
        assert!(of(&is_free, &is_good).is_empty());
        for passing in [Enforcement::Issuing, Enforcement::Ending] {
            assert!(of(&is_good, &approved("olivia", &passing)).is_empty());
        }
    }

    #[test]
    fn decisions_of_keys_that_were_restored_are_no_news() {
        let is_good = approved("olivia", &Enforcement::Enforced);
        let denied = told(&[Lifecycle::Denied(review("olivia")).fact()]);
        assert!(of(&[], &is_good).is_empty());
        assert!(of(&[], &denied).is_empty());
    }

    #[test]
    fn what_a_product_loses_is_told_and_what_it_never_had_is_not() {
        let policy = || Attachment {
            policy: PolicyId::new("ns", "p"),
            target_kind: "HTTPRoute".into(),
            target_name: "r".into(),
        };
        let guarded = AuthPolicyState::Found(policy()).fact();
        let planned = PlanPolicyState::Found(policy()).fact();
        let idle = PlanFault::fact(&[PlanFault::NotEnforced(PolicyId::new("ns", "p"))]).unwrap();
        let bare = told(&[
            AuthPolicyState::NotFound.fact(),
            PlanPolicyState::NotFound.fact(),
        ]);
        let whole = told(&[guarded.clone(), planned.clone()]);
        let slack = told(&[guarded, planned, idle]);
        let of = |before: &[Condition], after: &[Condition]| reasons(of_product(before, after));
        assert_eq!(of(&whole, &bare), ["NotFound", "NotFound"]);
        assert_eq!(of(&whole, &slack), ["PlanPolicyNotEnforced"]);
        for (before, after) in [
            (&vec![], &bare),
            (&vec![], &slack),
            (&bare, &slack),
            (&slack, &slack),
            (&slack, &whole),
            (&bare, &bare),
        ] {
            assert_eq!(of(before, after), Vec::<String>::new());
        }
    }

    fn key(name: &str, conditions: &[Condition]) -> Value {
        json!({"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": name, "namespace": "ns", "uid": "u"},
            "spec": {"apiProductRef": {"name": "p"}, "planTier": "gold",
                "requestedBy": {"userId": "alice", "email": "a@example.com"}},
            "status": {"conditions": conditions, "reviewedBy": "olivia"}})
    }

    fn answer(object: &Value) -> Vec<Change> {
        let key: APIKey = serde_json::from_value(object.clone()).unwrap();
        let id = devportal_api::id::KeyId::of(&key);
        vec![Change::Key(Told::Answered(id, Arc::new(key)))]
    }

    #[test]
    fn an_event_is_on_the_key_and_says_what_its_condition_does() {
        let (events, mut queue) = Events::queue();
        let mut long = review("olivia");
        long.message = Some("ä".repeat(2000));
        let denied = told(&[Lifecycle::Denied(long).fact()]);
        let (seen, written) = (key("mine", &pending()), key("mine", &denied));
        events.tell(&seen, &answer(&written));
        let event = queue.try_recv().unwrap();
        let regarding = event.regarding.unwrap();
        assert_eq!(regarding.kind.as_deref(), Some("APIKey"));
        assert_eq!(regarding.name.as_deref(), Some("mine"));
        assert_eq!(regarding.uid.as_deref(), Some("u"));
        assert_eq!(event.metadata.namespace.as_deref(), Some("ns"));
        assert_eq!(event.reason.as_deref(), Some("Denied"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let note = event.note.unwrap();
        assert!(
            note.starts_with("API key request denied by olivia: ä"),
            "{note}"
        );
        queue.try_recv().unwrap_err();
        // A status that was before as it is now, and one that nobody knows.
        events.tell(&written, &answer(&written));
        let mut odd = seen;
        odd["status"]["conditions"] = json!("odd");
        events.tell(&odd, &answer(&written));
        queue.try_recv().unwrap_err();
    }

    #[test]
    fn an_event_is_on_the_product_too() {
        let (events, mut queue) = Events::queue();
        let product = |facts: &[Fact]| {
            json!({"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
                "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
                "spec": {"displayName": "P", "approvalMode": "manual",
                    "publishStatus": "Published", "targetRef": {
                        "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"}},
                "status": {"conditions": told(facts)}})
        };
        let before = Fact {
            holds: true,
            ..AuthPolicyState::NotFound.fact()
        };
        let after: APIProduct =
            serde_json::from_value(product(&[AuthPolicyState::NotFound.fact()])).unwrap();
        let id = ProductId::of(&after);
        let answers = vec![Change::Product(Told::Answered(id, Arc::new(after)))];
        events.tell(&product(&[before]), &answers);
        let event = queue.try_recv().unwrap();
        assert_eq!(event.regarding.unwrap().kind.as_deref(), Some("APIProduct"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }

    #[test]
    fn a_flood_is_cut_off_and_holds_nothing_up() {
        let (events, mut queue) = Events::queue();
        let denied = told(&[Lifecycle::Denied(review("olivia")).fact()]);
        for _ in 0..=BACKLOG {
            events.tell(&key("k", &pending()), &answer(&key("k", &denied)));
        }
        let waiting = std::iter::from_fn(|| queue.try_recv().ok()).count();
        assert_eq!(waiting, BACKLOG);
    }

    #[tokio::test]
    async fn an_event_that_is_refused_is_not_tried_again_and_the_next_is_created() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: axum::http::Request<Body>| {
            log.lock().unwrap().push(request.uri().path().to_owned());
            async {
                let refusal = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "code": 403, "reason": "Forbidden", "message": "no"});
                let body = axum::body::Body::from(refusal.to_string());
                let response = axum::http::Response::builder().status(403).body(body);
                Ok::<_, Infallible>(response.unwrap())
            }
        });
        let (events, queue) = Events::queue();
        let denied = told(&[Lifecycle::Denied(review("olivia")).fact()]);
        for _ in 0..2 {
            events.tell(&key("k", &pending()), &answer(&key("k", &denied)));
        }
        drop(events);
        publish(Client::new(service, "default"), queue).await;
        let asked = asked.lock().unwrap();
        assert_eq!(*asked, ["/apis/events.k8s.io/v1/namespaces/ns/events"; 2]);
    }
}
