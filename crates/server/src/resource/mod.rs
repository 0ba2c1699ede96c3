//! What is there to see and to do?

pub(crate) mod events;
pub(crate) mod grants;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod me;
pub(crate) mod products;
pub(crate) mod requests;
pub(crate) mod reveal;
pub(crate) mod routes;

use aide::transform::TransformOperation;
use axum::http::StatusCode;
use devportal_api::id::ObjectId;
use devportal_mirror::{Kind, Told};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::App;
use crate::access::Places;
use crate::answer::{Idempotency, List, MADE_BY_REQUEST, cursor, limit, place};
use crate::caller::Me;
use crate::problem::Problem;
use crate::reference;
use crate::shelf::{Mark, Page, Shelved, Topic, Wanted};
use crate::store::News;

/// What the document says of an operation.
fn about(
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> impl FnOnce(TransformOperation) -> TransformOperation {
    move |it| it.id(id).tag(tag).summary(summary)
}

/// What every list can be asked.
#[derive(Debug, Default)]
struct Search<'a> {
    namespace: Option<&'a str>,
    words: Option<&'a str>,
    limit: Option<usize>,
    after: Option<&'a str>,
}

/// The longest text that is searched for, in bytes.
const LONGEST_WORDS: usize = 200;

impl Search<'_> {
    /// What is looked for, where somebody may see it.
    ///
    /// # Errors
    ///
    /// When what is asked for is malformed.
    fn of<K: Shelved>(
        &self,
        sees: &Places,
        topic: &Topic,
        states: Vec<K::State>,
    ) -> Result<Wanted<K>, Problem>
    where
        K::Rank: serde::de::DeserializeOwned,
    {
        let words = self.words.unwrap_or_default().to_lowercase();
        if words.len() > LONGEST_WORDS {
            return Err(Problem::invalid(format!(
                "q is at most {LONGEST_WORDS} bytes"
            )));
        }
        Ok(Wanted {
            marks: marks(sees, self.namespace, topic),
            states,
            words,
            after: self.after.map(place::<K::Rank, K::Id>).transpose()?,
            limit: limit(self.limit)?,
        })
    }
}

/// Under what is looked, of what somebody may see.
fn marks(sees: &Places, namespace: Option<&str>, topic: &Topic) -> Vec<Mark> {
    let mark = |namespace: Option<String>| Mark {
        namespace,
        topic: topic.clone(),
    };
    match (sees, namespace) {
        (sees, Some(namespace)) if sees.has(namespace) => vec![mark(Some(namespace.to_owned()))],
        (_, Some(_)) => vec![],
        (Places::Everywhere, None) => vec![mark(None)],
        (Places::In(namespaces), None) => {
            let namespaces = namespaces.iter().cloned();
            namespaces.map(|it| mark(Some(it))).collect()
        }
    }
}

/// Creates an object as whoever asks, once for each `Idempotency-Key`: where the same
/// request made it before, that is the object.
async fn create<K>(
    app: &App,
    me: &Me,
    namespace: &str,
    mut object: Value,
    idempotency: Option<Idempotency>,
) -> Result<K::Id, Problem>
where
    K: Kind,
    News: From<Told<K>>,
{
    if let Some(it) = &idempotency {
        object["metadata"]["annotations"] = json!({MADE_BY_REQUEST: it.note()});
    }
    let made = app.kubernetes.create::<K>(&me.caller, namespace, &object);
    let mut problem = match made.await {
        Ok(written) => {
            app.store.take(written.told);
            return Ok(written.id);
        }
        Err(problem) => problem,
    };
    if problem.title == "AlreadyExists" {
        problem.blame("name");
    }
    let name = object["metadata"]["name"].as_str();
    let (Some(it), Some(name), StatusCode::CONFLICT) = (idempotency, name, problem.code()) else {
        return Err(problem);
    };
    let id = K::Id::named(namespace, name);
    let there = match app.kubernetes.get::<K>(&me.caller, &id).await {
        Ok(there) => there,
        // Who may not look is told what they were told.
        Err(other) if other.is_outage() => return Err(other),
        Err(_) => return Err(problem),
    };
    it.check(&there, problem)?;
    let there = K::keep(there, &app.kubernetes.lens);
    app.store.take(Told::<K>::Answered(id.clone(), there));
    Ok(id)
}

/// A page as it is answered.
fn list<K: Shelved, R>(page: Page<'_, K>, row: impl Fn(&K::Id, &K::Kept) -> R) -> List<R>
where
    K::Rank: Serialize,
{
    List {
        items: page
            .rows
            .into_iter()
            .map(|(id, kept)| row(id, kept))
            .collect(),
        next: page.next.as_ref().map(cursor),
    }
}

/// A reference to an object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// The object's namespace.
    pub(crate) namespace: String,
    /// The object's name.
    pub(crate) name: String,
}

impl Reference {
    fn to<I: ObjectId>(id: &I) -> Self {
        Self {
            namespace: id.namespace().to_owned(),
            name: id.name().to_owned(),
        }
    }
}

/// A condition: whether it is true, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// The condition's type.
    pub(crate) kind: String,
    /// Whether it is true.
    pub(crate) holds: bool,
    /// Why, in one word for programs.
    pub(crate) reason: String,
    /// Why, for people.
    pub(crate) message: String,
    /// What the reference says about it: what it means, and what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<&'static str>,
    /// Since when, RFC 3339.
    pub(crate) since: String,
}

impl From<&Condition> for Finding {
    fn from(condition: &Condition) -> Self {
        Self {
            kind: condition.type_.clone(),
            holds: condition.status == "True",
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            about: reference::about(&condition.type_, &condition.reason),
            since: condition.last_transition_time.0.to_string(),
        }
    }
}

fn created<K: Resource>(object: &K) -> String {
    let at = object.meta().creation_timestamp.as_ref();
    at.map_or_else(|| Timestamp::UNIX_EPOCH.to_string(), |at| at.0.to_string())
}

/// A text that is empty says nothing.
pub(crate) fn said(text: Option<&String>) -> Option<&String> {
    text.filter(|it| !it.trim().is_empty())
}
