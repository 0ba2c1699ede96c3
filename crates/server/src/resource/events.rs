//! What changes, as it changes: a stream of names, never of contents. Whoever lost it
//! goes on where they were, or is told to look at everything anew.

use std::convert::Infallible;
use std::time::Duration;

use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as Documented, StatusCode as Status};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use devportal_api::foreign::HTTPRoute;
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use devportal_mirror::Kind;
use devportal_mirror::journal::Entry;
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::about;
use crate::App;
use crate::access::{Right, SEE_KEYS, SEE_PRODUCTS, SEE_REQUESTS, SEE_ROUTES};
use crate::caller::Me;
use crate::problem::Problem;

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

/// How often whoever listens is looked at again: their token may have ended.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many events wait for who listens slowly. Nothing is lost: they are in the journal.
const WAITING: usize = 64;

/// The changes that somebody may see.
pub(crate) struct Changes(Response);

pub(crate) fn addresses() -> ApiRouter<App> {
    let stream = about("watchEvents", "events", "What changes, as it changes");
    ApiRouter::new().api_route("/v1/events", get_with(all, stream))
}

pub(crate) async fn all(
    State(app): State<App>,
    me: Me,
    headers: HeaderMap,
) -> Result<Changes, Problem> {
    let last = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let reader = Reader::from(&app, last);
    let (events, heard) = channel(WAITING);
    tokio::spawn(async move {
        // Ends with the connection, the token or the server.
        let _ = reader.run(&app, &me, &events).await;
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

    async fn run(
        mut self,
        app: &App,
        me: &Me,
        events: &Sender<Result<Event, Infallible>>,
    ) -> Result<(), Over> {
        let mut changed = app.store.changed.subscribe();
        let mut stops = app.stops.clone();
        loop {
            changed.mark_unchanged();
            self.tell(app, me, events).await?;
            tokio::select! {
                _ = timeout(LOOK_AGAIN, changed.changed()) => {}
                _ = stops.changed() => return Err(Over),
                () = events.closed() => return Err(Over),
            }
            let admitted = app.door.admit(&app.kubernetes, &me.caller).await;
            if let Err(problem) = admitted {
                let event = Event::default().event("end").data(problem.detail);
                let _ = events.send(Ok(event)).await;
                return Err(Over);
            }
        }
    }

    async fn tell(
        &mut self,
        app: &App,
        me: &Me,
        events: &Sender<Result<Event, Infallible>>,
    ) -> Result<(), Over> {
        let (entries, last) = {
            let known = app.store.read();
            let since = self.at.and_then(|at| known.journal.since(at));
            let entries = since.map(|it| {
                let entries = it.map(|it| (it.clone(), known.audiences(it.number).cloned()));
                entries.collect::<Vec<(Entry, _)>>()
            });
            (entries, known.journal.last())
        };
        self.at = Some(last);
        let id = |number| format!("{}-{number}", app.store.journal);
        let Some(entries) = entries else {
            let event = Event::default().event("reset").id(id(last)).data("{}");
            return events.send(Ok(event)).await.map_err(|_| Over);
        };
        for (mut entry, audiences) in entries {
            let Some((kind, right)) = kind(entry.kind) else {
                continue;
            };
            let namespace = &entry.namespace;
            if !app.may(me, right, namespace).await.unwrap_or(false) {
                continue;
            }
            // A product that is withdrawn is gone for those it was published for.
            if let Some((before, after)) = audiences
                && !app.may(me, SEE_REQUESTS, namespace).await.unwrap_or(false)
            {
                let (saw, sees) = (before.has(&me.person), after.has(&me.person));
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
                .id(id(entry.number))
                .data(data);
            events.send(Ok(event)).await.map_err(|_| Over)?;
        }
        Ok(())
    }
}

/// How a kind is told of, and what it takes to be told.
fn kind(name: &str) -> Option<(&'static str, Right)> {
    [
        (APIProduct::NAME, "apiproducts", SEE_PRODUCTS),
        (APIKey::NAME, "apikeys", SEE_KEYS),
        (APIKeyRequest::NAME, "apikeyrequests", SEE_REQUESTS),
        (HTTPRoute::NAME, "httproutes", SEE_ROUTES),
    ]
    .into_iter()
    .find_map(|(kind, plural, right)| (kind == name).then_some((plural, right)))
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
                          look at everything anew; `end`: the token has ended."
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
        let ok = Status::Code(StatusCode::OK.as_u16());
        response
            .into_iter()
            .map(|it| (Some(ok.clone()), it))
            .collect()
    }
}
