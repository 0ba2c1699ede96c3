//! What changes, as it changes: a stream of names, never of contents. Whoever lost it
//! goes on where they were, or is told to look at everything anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented, StatusCode as Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use devportal_api::foreign::HTTPRoute;
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use devportal_mirror::Kind;
use devportal_mirror::journal::Entry as Noted;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::about;
use crate::access::{
    EDIT_ROUTES, Right, SEE_ALL_PUBLISHED, SEE_KEYS, SEE_PRODUCTS, SEE_REQUESTS, SEE_ROUTES,
};
use crate::answer::{LastEvent, documented};
use crate::caller::{Me, Person};
use crate::problem::Problem;
use crate::{App, Routes};

/// One change.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    /// The kind's plural, such as `apikeys`.
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    /// Whether the object is gone.
    ended: bool,
}

/// How often whoever listens is looked at again while nothing changes, unless their token
/// tells when it ends.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How many events wait for who listens slowly. Nothing is lost: they are in the journal.
const WAITING: usize = 64;

type Events = Sender<Result<Event, Infallible>>;

/// How many streams one person may have: one for each page that is open.
const STREAMS: usize = 32;

/// Who listens, by the user's name, and how often: somebody may have any number of tokens.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<Mutex<HashMap<String, usize>>>);

/// A place among them, given back at its end.
struct Listening {
    all: Listeners,
    user: String,
}

impl Listeners {
    fn enter(&self, person: &Person) -> Result<Listening, Problem> {
        let user = person.user.clone();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(user.clone()).or_default();
        if *count == STREAMS {
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyStreams",
                format!("you listen {STREAMS} times already: close a page"),
            ));
        }
        *count += 1;
        let all = self.clone();
        Ok(Listening { all, user })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = all.entry(std::mem::take(&mut self.user)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The changes that somebody may see.
pub(crate) struct Changes(Response);

pub(crate) fn addresses() -> ApiRouter<App> {
    let stream = about("watchEvents", "events", "Stream changes as they happen");
    ApiRouter::new().api_route("/v1/events", get_with(all, stream))
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    LastEvent(last): LastEvent,
) -> Result<Changes, Problem> {
    let place = app.listeners.enter(&me.person)?;
    let reader = Reader::from(&app, last.as_deref());
    let (events, heard) = channel(WAITING);
    tokio::spawn(async move {
        let _place = place;
        let _open = app.metrics.open_stream();
        // Ends with the connection, the token or the server.
        let _ = reader.run(&app, me, &events).await;
    });
    let stream = Sse::new(ReceiverStream::new(heard));
    Ok(Changes(
        stream.keep_alive(KeepAlive::default()).into_response(),
    ))
}

/// Where somebody is in the journal.
struct Reader {
    /// The last that was told; `None`: everything is to be looked at anew.
    at: Option<u64>,
}

/// Nobody listens any more, or nobody may.
struct Over;

impl Reader {
    /// From an event's id on: `JOURNAL-NUMBER`, of this very server.
    fn from(app: &App, last: Option<&str>) -> Self {
        let now = app.store.read().journal.last();
        let at = match last {
            None => Some(now),
            Some(id) => id.split_once('-').and_then(|(journal, number)| {
                let is_ours = journal == app.store.journal;
                number.parse().ok().filter(|_| is_ours)
            }),
        };
        Self { at }
    }

    async fn run(mut self, app: &App, mut me: Me, events: &Events) -> Result<(), Over> {
        let mut changed = app.store.changed.subscribe();
        let mut stops = app.stops.clone();
        // From where on, for whoever is cut off before anything changes.
        if let Some(at) = self.at {
            send(events, Event::default().id(place(app, at))).await?;
        }
        loop {
            changed.mark_unchanged();
            tokio::select! {
                told = self.tell(app, &me, events) => told?,
                _ = stops.changed() => return Err(Over),
            }
            let until = me
                .caller
                .until()
                .map(|at| at.duration_since(Timestamp::now()));
            let until = until.map(|it| Duration::try_from(it).unwrap_or_default());
            tokio::select! {
                changed = timeout(until.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN), changed.changed()) => {
                    drop(changed);
                }
                _ = stops.changed() => return Err(Over),
                () = events.closed() => return Err(Over),
            }
            match app.door.admit(&app.kubernetes, &me.caller).await {
                Ok(person) => me.person = person,
                Err(problem) => {
                    // Any other failure may pass: whoever listens comes again.
                    if problem.code() == StatusCode::UNAUTHORIZED {
                        send(events, Event::default().event("end").data(problem.detail)).await?;
                    }
                    return Err(Over);
                }
            }
        }
    }

    async fn tell(&mut self, app: &App, me: &Me, events: &Events) -> Result<(), Over> {
        let (entries, last) = {
            let known = app.store.read();
            let since = self.at.and_then(|at| known.journal.since(at));
            let entries = since.map(|it| {
                let entries = it.map(|it| (it.clone(), known.audiences(it.number).cloned()));
                entries.collect::<Vec<(Noted, _)>>()
            });
            (entries, known.journal.last())
        };
        self.at = Some(last);
        let Some(entries) = entries else {
            let event = Event::default().event("reset").id(place(app, last));
            return send(events, event.data("{}")).await;
        };
        for (mut entry, audiences) in entries {
            let Some((kind, right, insiders)) = kind(entry.kind) else {
                continue;
            };
            let namespace = &entry.namespace;
            // Who cannot be answered for comes again, and is told then.
            if !app.may(me, right, namespace).await.map_err(|_| Over)? {
                continue;
            }
            let is_open = kind == ROUTES && app.routes == Routes::All;
            // What is withdrawn is gone for those it was there for.
            if let Some((before, after)) = audiences.filter(|_| !is_open)
                && !app.may(me, insiders, namespace).await.map_err(|_| Over)?
            {
                let all = kind == PRODUCTS
                    && app.may(me, SEE_ALL_PUBLISHED, "").await.map_err(|_| Over)?;
                let (saw, sees) = (before.has(&me.person, all), after.has(&me.person, all));
                if !saw && !sees {
                    continue;
                }
                entry.ended = !sees;
            }
            let change = Change {
                kind,
                namespace: &entry.namespace,
                name: &entry.name,
                ended: entry.ended,
            };
            let data = serde_json::to_string(&change).unwrap_or_default();
            let event = Event::default()
                .event("change")
                .id(place(app, entry.number));
            send(events, event.data(data)).await?;
        }
        Ok(())
    }
}

/// The id of an event.
fn place(app: &App, number: u64) -> String {
    format!("{}-{number}", app.store.journal)
}

async fn send(events: &Events, event: Event) -> Result<(), Over> {
    events.send(Ok(event)).await.map_err(|_| Over)
}

const PRODUCTS: &str = "apiproducts";
const ROUTES: &str = "httproutes";

/// How a kind is told of, what it takes to be told, and to be told of all of it.
fn kind(name: &str) -> Option<(&'static str, Right, Right)> {
    [
        (APIProduct::NAME, PRODUCTS, SEE_PRODUCTS, SEE_REQUESTS),
        (APIKey::NAME, "apikeys", SEE_KEYS, SEE_KEYS),
        (
            APIKeyRequest::NAME,
            "apikeyrequests",
            SEE_REQUESTS,
            SEE_REQUESTS,
        ),
        (HTTPRoute::NAME, ROUTES, SEE_ROUTES, EDIT_ROUTES),
    ]
    .into_iter()
    .find_map(|(kind, plural, right, all)| (kind == name).then_some((plural, right, all)))
}

impl IntoResponse for Changes {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Changes {
    type Inner = String;

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<Documented> {
        let kind = "text/event-stream".to_owned();
        Some(Documented {
            description: "Events `change` with the data {kind, namespace, name, ended}; `reset`: \
                          load everything again; `end`: the token has expired."
                .to_owned(),
            content: [(kind, MediaType::default())].into_iter().collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial;

    #[test]
    fn a_person_has_so_many_streams_whatever_their_tokens_and_others_have_theirs() {
        let listeners = Listeners::default();
        let enter = |user| listeners.enter(&trial::person(user).person);
        let mut places: Vec<_> = (0..STREAMS).map(|_| enter("alice").unwrap()).collect();
        let refusal = enter("alice").map(drop).unwrap_err();
        assert_eq!(refusal.code(), StatusCode::TOO_MANY_REQUESTS);
        assert!(enter("bob").is_ok());
        places.pop();
        assert!(enter("alice").is_ok());
        drop(places);
        assert!(listeners.0.lock().unwrap().is_empty());
    }
}
