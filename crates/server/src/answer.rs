//! In which form is asked and answered? Everything that is wrong about a request is a
//! [`Problem`], also where it is the form that is wrong.

use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, Operation, Parameter, ParameterData, ParameterSchemaOrContent, ReferenceOr,
    Response as Documented, SchemaObject, StatusCode as Status,
};
use aide::{OperationInput, OperationOutput};
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devportal_api::id::ObjectId;
use devportal_api::name::is_object_name;
use devportal_mirror::Version;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// Wraps an extractor of axum's, whose refusals are plain text.
macro_rules! extractor {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<T>(pub(crate) T);

        impl<S, T> FromRequestParts<S> for $name<T>
        where
            S: Send + Sync,
            axum::extract::$name<T>: FromRequestParts<S>,
            <axum::extract::$name<T> as FromRequestParts<S>>::Rejection: std::fmt::Display,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let found = axum::extract::$name::<T>::from_request_parts(parts, state).await;
                let axum::extract::$name(found) =
                    found.map_err(|why| Problem::invalid(why.to_string()))?;
                Ok(Self(found))
            }
        }

        impl<T: JsonSchema> OperationInput for $name<T> {
            fn operation_input(context: &mut GenContext, operation: &mut Operation) {
                axum::extract::$name::<T>::operation_input(context, operation);
            }
        }
    };
}

extractor!(
    /// What the address names.
    Path
);
extractor!(
    /// What comes after the question mark.
    Query
);

/// A JSON body.
#[derive(Default)]
pub(crate) struct Body<T>(pub(crate) T);

/// A body that may be left out.
impl<S, T> OptionalFromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.body().is_end_stream() {
            return Ok(None);
        }
        let body = <Self as FromRequest<S>>::from_request(request, state).await?;
        Ok(Some(body))
    }
}

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let found = <Json<T> as FromRequest<S>>::from_request(request, state).await;
        let Json(found) = found.map_err(|why| {
            const WORDS: &str = "Failed to deserialize the JSON body into the target type: ";
            let detail = match why.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "the body is too large".to_owned(),
                _ => why.body_text().replace(WORDS, ""),
            };
            Problem::new(why.status(), "Invalid", detail)
        })?;
        Ok(Self(found))
    }
}

impl<T: JsonSchema> OperationInput for Body<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(context, operation);
    }
}

/// An object that a path names.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Named {
    /// The object's namespace.
    namespace: String,
    /// The object's name.
    name: String,
}

impl Named {
    /// # Errors
    ///
    /// When no object can have the name, so that no other path is made of it.
    pub(crate) fn id<I: ObjectId>(&self) -> Result<I, Problem> {
        if is_namespace(&self.namespace) && is_object_name(&self.name) {
            Ok(I::named(&self.namespace, &self.name))
        } else {
            Err(Problem::not_found("what the address names"))
        }
    }
}

pub(crate) fn is_namespace(text: &str) -> bool {
    const LONGEST: usize = 63;
    is_object_name(text) && text.len() <= LONGEST && !text.contains('.')
}

/// A name in a body, as the field that it is in.
pub(crate) fn checked_namespace(field: &str, text: &str) -> Result<(), Problem> {
    let problem = || Problem::of_field(field, "a namespace is lower-case letters, digits and -");
    is_namespace(text).then_some(()).ok_or_else(problem)
}

/// The same of an object's name.
pub(crate) fn checked_name(field: &str, text: &str) -> Result<(), Problem> {
    let problem = || {
        Problem::of_field(
            field,
            "a name is lower-case letters, digits, - and ., at most 253 characters",
        )
    };
    is_object_name(text).then_some(()).ok_or_else(problem)
}

/// What the document says of an answer with one status.
pub(crate) fn documented(
    status: StatusCode,
    response: Option<Documented>,
) -> Vec<(Option<Status>, Documented)> {
    let status = Status::Code(status.as_u16());
    response.map(|it| (Some(status), it)).into_iter().collect()
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub(crate) struct List<T> {
    /// The rows, in order.
    pub(crate) items: Vec<T>,
    /// What to send as `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How many rows a list has, unless said otherwise.
const ROWS: usize = 50;
/// How many it may have.
const MOST_ROWS: usize = 200;

/// How many rows are wanted.
pub(crate) fn limit(wanted: Option<usize>) -> Result<usize, Problem> {
    match wanted {
        None => Ok(ROWS),
        Some(rows @ 1..=MOST_ROWS) => Ok(rows),
        Some(_) => Err(Problem::invalid(format!("limit is 1 to {MOST_ROWS}"))),
    }
}

/// Where a page ended, opaque to whoever asks.
pub(crate) fn cursor<R: Serialize, I: ObjectId>((rank, id): &(R, I)) -> String {
    let place = serde_json::json!([rank, id.namespace(), id.name()]);
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// # Errors
///
/// When it is none of ours.
pub(crate) fn place<R: DeserializeOwned, I: ObjectId>(cursor: &str) -> Result<(R, I), Problem> {
    let read = || {
        let text = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (rank, namespace, name): (R, String, String) = serde_json::from_slice(&text).ok()?;
        Some((rank, I::named(&namespace, &name)))
    };
    read().ok_or_else(|| Problem::invalid("after is none of the cursors that lists give as next"))
}

/// An object with the tag of what was seen of it, to which a later change can be tied.
pub(crate) struct Versioned<T>(pub(crate) T, pub(crate) Tag);

/// Of an `ETag`: a resource version, and what else was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn of(version: Version) -> Self {
        Self(version.0.to_string())
    }

    /// With something else that was seen, in one word.
    pub(crate) fn with(version: Version, seen: &str) -> Self {
        let seen = hex::encode(&Sha256::digest(seen)[..4]);
        Self(format!("{}-{seen}", version.0))
    }

    fn header(&self) -> HeaderValue {
        let tag = format!("\"{}\"", self.0);
        HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, self.1.header())], Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Versioned<T> {
    type Inner = T;

    fn operation_response(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Option<Documented> {
        Json::<T>::operation_response(context, operation)
    }

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<Status>, Documented)> {
        Json::<T>::inferred_responses(context, operation)
    }
}

/// Something that was made.
pub(crate) struct Created<T>(pub(crate) Versioned<T>);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, self.0).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn operation_response(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Option<Documented> {
        Json::<T>::operation_response(context, operation)
    }

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<Status>, Documented)> {
        let response = Self::operation_response(context, operation);
        documented(StatusCode::CREATED, response)
    }
}

/// A header that an operation reads, as the document tells of it.
fn document_header(operation: &mut Operation, name: &str, description: &str) {
    let schema = schemars::json_schema!({"type": "string"});
    let parameter_data = ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(SchemaObject {
            json_schema: schema,
            external_docs: None,
            example: None,
        }),
        example: None,
        examples: std::iter::empty().collect(),
        explode: None,
        extensions: std::iter::empty().collect(),
    };
    operation
        .parameters
        .push(ReferenceOr::Item(Parameter::Header {
            parameter_data,
            style: HeaderStyle::Simple,
        }));
}

/// What `If-Match` asks for, if it asks for anything.
pub(crate) struct IfMatch(pub(crate) Option<Tag>);

impl IfMatch {
    /// The resource version that it asks for.
    pub(crate) fn version(self) -> Option<String> {
        self.0.map(|tag| tag.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(tag) = parts.headers.get(header::IF_MATCH) else {
            return Ok(Self(None));
        };
        let tag = tag.to_str().unwrap_or_default();
        if tag == "*" {
            return Ok(Self(None));
        }
        let tag = plain(tag);
        let is_ours = |tag: &&str| {
            let (version, seen) = tag.split_once('-').unwrap_or((tag, ""));
            version.parse::<u64>().is_ok_and(|it| it > 0)
                && seen.bytes().all(|it| it.is_ascii_hexdigit())
        };
        match tag.filter(is_ours) {
            Some(tag) => Ok(Self(Some(Tag(tag.to_owned())))),
            None => Err(Problem::invalid(
                "If-Match is the ETag of an earlier answer",
            )),
        }
    }
}

/// The tag of an answer that a proxy may have compressed: it makes the tag a weak one, or tells
/// the encoding at its end.
fn plain(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    let ends = ["-gzip", "-br", "-zstd"];
    let bare = ends.iter().find_map(|it| tag.strip_suffix(it));
    Some(bare.unwrap_or(tag))
}

impl OperationInput for IfMatch {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let about = "The `ETag` of the object as you read it: 412 if it has changed since.";
        document_header(operation, "If-Match", about);
    }
}

/// The number of a request that may be sent again.
pub(crate) struct IdempotencyKey(Option<Vec<u8>>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = parts.headers.get("idempotency-key");
        if key.is_some_and(|it| it.as_bytes().trim_ascii().is_empty()) {
            return Err(Problem::invalid("Idempotency-Key is empty"));
        }
        Ok(Self(key.map(|it| it.as_bytes().to_owned())))
    }
}

impl OperationInput for IdempotencyKey {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let about =
            "A text of your choice: a request repeated with the same text is carried out once.";
        document_header(operation, "Idempotency-Key", about);
    }
}

/// Where whoever listens was before.
pub(crate) struct LastEvent(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for LastEvent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let id = parts.headers.get("last-event-id");
        // What cannot be read is a place that nobody knows.
        Ok(Self(
            id.map(|it| it.to_str().unwrap_or_default().to_owned()),
        ))
    }
}

impl OperationInput for LastEvent {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let about = "The id of the last event received: the stream continues after it.";
        document_header(operation, "Last-Event-ID", about);
    }
}

/// The conflict that `If-Match` is there for.
pub(crate) fn stale_if_conflict(problem: Problem) -> Problem {
    if problem.code() == StatusCode::CONFLICT && problem.title == "Conflict" {
        return changed();
    }
    problem
}

pub(crate) fn changed() -> Problem {
    let detail = "it has changed since you looked: look again, then decide again";
    Problem::new(StatusCode::PRECONDITION_FAILED, "Changed", detail)
}

/// A request that may be sent again without being carried out twice: what it makes is
/// named after it, and notes what it was made from.
pub(crate) struct Idempotency {
    /// Of whose request, and which.
    which: String,
    /// The same, and what was asked for.
    whole: String,
}

/// The annotation that notes which request made an object.
pub(crate) const MADE_BY_REQUEST: &str = "devportal.kuadrant.io/request-sha256";

impl Idempotency {
    /// From the header `Idempotency-Key`, where it is there.
    pub(crate) fn of(key: &IdempotencyKey, user: &str, body: &impl Serialize) -> Option<Self> {
        let key = key.0.as_deref()?;
        let body = serde_json::to_vec(body).unwrap_or_default();
        let hash = |parts: &[&[u8]]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            hex::encode(hash.finalize())
        };
        Some(Self {
            which: hash(&[user.as_bytes(), key]),
            whole: hash(&[user.as_bytes(), key, &body]),
        })
    }

    /// Ends the name of what it makes.
    pub(crate) fn suffix(&self) -> &str {
        &self.which[..10]
    }

    /// What is noted on the object.
    pub(crate) fn note(&self) -> &str {
        &self.whole
    }

    /// Whether an object that has the name was made by this very request.
    ///
    /// # Errors
    ///
    /// When another request made it; `taken` where it was made without such a key.
    pub(crate) fn check<K: kube::Resource>(
        &self,
        object: &K,
        taken: Problem,
    ) -> Result<(), Problem> {
        let annotations = object.meta().annotations.as_ref();
        match annotations.and_then(|it| it.get(MADE_BY_REQUEST)) {
            Some(noted) if *noted == self.whole => Ok(()),
            Some(_) => Err(Problem {
                // Where a person chose the name, it may be that.
                causes: taken.causes,
                ..Problem::conflict(
                    "IdempotencyKeyUsed",
                    "this Idempotency-Key was sent with another request, or what it would make is there",
                )
            }),
            None => Err(taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::KeyId;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_nothing_else_is_one() {
        let here = (-7_i64, KeyId::new("ns", "name"));
        assert_eq!(place(&cursor(&here)).unwrap(), here);
        for text in ["", "?", "bm9uZQ", &cursor(&("text", KeyId::new("", "")))] {
            assert!(place::<i64, KeyId>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_is_known_again_after_a_proxy_compressed_the_answer() {
        for tag in [
            "\"12-ab\"",
            "W/\"12-ab\"",
            "\"12-ab-gzip\"",
            "W/\"12-ab-br\"",
        ] {
            assert_eq!(plain(tag), Some("12-ab"), "{tag}");
        }
        assert_eq!(plain("12-ab"), None);
    }

    #[test]
    fn an_address_names_objects_only() {
        for (namespace, name) in [
            ("ns", ".."),
            ("..", "name"),
            ("ns", "a/../b"),
            ("ns", ""),
            ("a.b", "name"),
            ("ns", "name?x=1"),
        ] {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            assert!(Named { namespace, name }.id::<KeyId>().is_err());
        }
    }

    #[test]
    fn the_same_request_of_another_person_is_another() {
        let key = IdempotencyKey(Some(b"k".to_vec()));
        let of = |user, body: &str| Idempotency::of(&key, user, &body).unwrap();
        assert_eq!(of("a", "x").note(), of("a", "x").note());
        assert_ne!(of("a", "x").suffix(), of("b", "x").suffix());
        assert_eq!(of("a", "x").suffix(), of("a", "y").suffix());
        assert_ne!(of("a", "x").note(), of("a", "y").note());
    }
}
