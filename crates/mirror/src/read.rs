//! What is done with an object that does not parse?
//!
//! Its status is read field by field, so that one bad field costs no other. A spec
//! is read whole or not at all: half a wish is another wish.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::kind::Version;

/// What reading an object came to.
#[derive(Clone, Debug)]
pub enum Read<K> {
    /// All of it.
    Whole(Box<K>),
    /// Not all of it: what could be read, and the rest.
    Flawed(Option<Box<K>>, Arc<Flaw>),
}

/// What is known of an object although it cannot be read as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flaw {
    /// The object's UID.
    pub uid: String,
    /// Which version of the object it is.
    pub version: Version,
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// What cannot be read, as paths: `spec`, `status.reviewedAt`.
    pub holes: Vec<String>,
    /// The parser's words about the first of them.
    pub why: String,
    /// The spec and the status as they are.
    pub raw: Value,
}

impl Flaw {
    /// Whether the spec can be read as a whole.
    pub fn has_spec(&self) -> bool {
        !self.holes.iter().any(|it| it.starts_with(SPEC))
    }

    /// Whether a part of the status cannot be read.
    pub fn has_status_hole(&self) -> bool {
        self.holes.iter().any(|it| it.starts_with("status."))
    }

    /// Whether a field, such as `status.terms`, cannot be read.
    pub fn has_hole(&self, path: &str) -> bool {
        self.holes.iter().any(|it| it == path)
    }

    /// What cannot be read and why, for a person.
    pub fn words(&self) -> String {
        /// The parser may quote what it read.
        const LONGEST: usize = 200;
        let why = &self.why[..self.why.floor_char_boundary(LONGEST)];
        format!("{}: {why}", self.holes.join(", "))
    }
}

const SPEC: &str = "spec";

/// Reads an object's text as the API server writes it; `mend` is
/// [`Kind::mend`](crate::Kind::mend). The metadata come apart where not all of it can be read.
///
/// # Errors
///
/// When it is no JSON or has no metadata: what the API server serves always has.
pub fn read<K: DeserializeOwned>(
    text: &str,
    mend: impl FnOnce(&mut Value) -> Option<&'static str>,
) -> Result<(Option<ObjectMeta>, Read<K>), serde_json::Error> {
    let text = without_managed_fields(text);
    match serde_json::from_str(&text) {
        Ok(object) => Ok((None, Read::Whole(Box::new(object)))),
        Err(_) => read_value(serde_json::from_str(&text)?, mend),
    }
}

/// The same of an object that is read as a whole or not at all.
///
/// # Errors
///
/// When it is none of this kind.
pub fn read_plain<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = without_managed_fields(text);
    serde_json::from_str(&text).or_else(|_| {
        let mut raw = serde_json::from_str(&text)?;
        forget_odd_times(&mut raw);
        T::deserialize(raw)
    })
}

/// Drops when somebody wrote, where that is no moment. Whoever may write an object may say so of
/// any time, and the API server keeps it: one such object would stop the watch of its whole kind.
fn forget_odd_times(raw: &mut Value) {
    let writes = raw.pointer_mut("/metadata/managedFields");
    let writes = writes.and_then(Value::as_array_mut).into_iter().flatten();
    for write in writes.filter_map(Value::as_object_mut) {
        if write
            .get("time")
            .is_some_and(|it| Time::deserialize(it).is_err())
        {
            write.remove("time");
        }
    }
}

/// Which fields each writer manages is half of an object, and read by nobody here. Who wrote
/// when stays.
fn without_managed_fields(text: &str) -> Cow<'_, str> {
    /// As the API server writes them, without white space. In a string its quotes are escaped,
    /// and of the parts of an object the metadata come first.
    const WRITES: &str = "\"managedFields\":[";
    const FIELDS: &str = ",\"fieldsV1\":{";
    let begin = text.find(WRITES).map(|at| at + WRITES.len() - 1);
    let Some((begin, length)) = begin.and_then(|at| Some((at, value_length(&text[at..])?))) else {
        return text.into();
    };
    let end = begin + length;
    let mut kept = text[..begin].to_owned();
    let mut rest = &text[begin..end];
    while let Some(at) = rest.find(FIELDS) {
        let fields = at + FIELDS.len() - 1;
        let Some(length) = value_length(&rest[fields..]) else {
            break;
        };
        kept.push_str(&rest[..at]);
        rest = &rest[fields + length..];
    }
    kept.push_str(rest);
    kept.push_str(&text[end..]);
    kept.into()
}

/// How long the list or object at the beginning of a text is, in bytes; `None` where it does
/// not end.
fn value_length(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The same of an object that is no text any more.
pub(crate) fn read_value<K: DeserializeOwned>(
    mut raw: Value,
    mend: impl FnOnce(&mut Value) -> Option<&'static str>,
) -> Result<(Option<ObjectMeta>, Read<K>), serde_json::Error> {
    forget_odd_times(&mut raw);
    let why = match K::deserialize(&raw) {
        Ok(object) => return Ok((None, Read::Whole(Box::new(object)))),
        // In words that do not say where in the text: that is elsewhere after each write.
        Err(why) => why.to_string(),
    };
    let meta = ObjectMeta::deserialize(raw.get("metadata").unwrap_or(&Value::Null))?;
    let mut flaw = Flaw {
        uid: meta.uid.clone().unwrap_or_default(),
        version: Version::of(meta.resource_version.as_deref()),
        generation: meta.generation,
        deleting: meta.deletion_timestamp.is_some(),
        created: meta.creation_timestamp.as_ref().map(|at| at.0),
        why,
        ..Flaw::default()
    };
    let kept = salvage(&raw, mend, &mut flaw.holes);
    if let Value::Object(mut object) = raw {
        object.retain(|part, _| part == SPEC || part == "status" || part == "metadata");
        flaw.raw = Value::Object(object);
    }
    Ok((Some(meta), Read::Flawed(kept.map(Box::new), Arc::new(flaw))))
}

/// The object with those fields of its status that can be read; `None` when it is the
/// spec that cannot. Notes what is missing.
fn salvage<K: DeserializeOwned>(
    raw: &Value,
    mend: impl FnOnce(&mut Value) -> Option<&'static str>,
    holes: &mut Vec<String>,
) -> Option<K> {
    let mut bare = raw.clone();
    let fields = match bare.as_object_mut().and_then(|it| it.remove("status")) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    if K::deserialize(&bare).is_err() {
        let mended = mend(&mut bare);
        let Some(hole) = mended.filter(|_| K::deserialize(&bare).is_ok()) else {
            holes.push(SPEC.to_owned());
            return None;
        };
        holes.push(hole.to_owned());
    }
    let mut readable = Map::new();
    for (name, value) in fields {
        let one: Map<String, Value> = [(name.clone(), value.clone())].into_iter().collect();
        bare["status"] = Value::Object(one);
        if K::deserialize(&bare).is_ok() {
            readable.insert(name, value);
        } else {
            holes.push(format!("status.{name}"));
        }
    }
    bare["status"] = Value::Object(readable);
    K::deserialize(&bare).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use devportal_api::{APIKey, APIKeyApproval};
    use serde_json::json;

    fn key() -> Value {
        json!({
            "metadata": {"name": "alice", "namespace": "consumer", "uid": "u", "resourceVersion": "7"},
            "spec": {"apiProductRef": {"name": "games"}, "planTier": "gold",
                "requestedBy": {"userId": "alice", "email": "a@example.com"}},
            "status": {"canReadSecret": false, "reviewedAt": "2030-01-01T00:00:00Z"},
        })
    }

    fn read_key(raw: &Value) -> Read<APIKey> {
        read(&raw.to_string(), |_| None).unwrap().1
    }

    #[test]
    fn what_parses_is_read_whole() {
        assert!(matches!(read_key(&key()), Read::Whole(_)));
    }

    #[test]
    fn of_managed_fields_it_is_read_who_wrote_when_and_of_all_else_every_word() {
        let words = "a \\ and ,\"fieldsV1\":{ and }";
        let mut raw = key();
        raw["spec"]["useCase"] = json!(words);
        raw["metadata"]["annotations"] = json!({"fieldsV1": words});
        raw["metadata"]["managedFields"] = json!([
            {"manager": "alice", "apiVersion": "v1", "fieldsV1": {"f:spec": {words: {}}, "f": {}}},
            {"manager": "devportal", "apiVersion": "v1", "fieldsV1": {}},
        ]);
        let Read::Whole(key) = read_key(&raw) else {
            panic!("all of it can be read")
        };
        assert_eq!(key.spec.use_case.as_deref(), Some(words));
        assert_eq!(key.metadata.annotations.unwrap()["fieldsV1"], words);
        let writes = key.metadata.managed_fields.unwrap();
        let managers = writes.iter().map(|it| it.manager.as_deref());
        assert_eq!(
            managers.collect::<Vec<_>>(),
            [Some("alice"), Some("devportal")]
        );
        assert!(writes.iter().all(|it| it.fields_v1.is_none()));
        // As the name of a rule of an AuthPolicy, for example.
        raw["spec"]["rules"] = json!({"a": {}, "fieldsV1": {"b": 1}});
        let text = raw.to_string();
        let kept: Value = serde_json::from_str(&without_managed_fields(&text)).unwrap();
        assert_eq!(kept["spec"], raw["spec"]);
    }

    #[test]
    fn a_time_of_a_write_that_is_no_moment_stops_nobody() {
        let mut raw = key();
        // As the API server keeps it where a client writes it.
        raw["metadata"]["managedFields"] = json!([
            {"manager": "alice", "operation": "Update", "time": "9999-12-31T23:59:59Z"},
            {"manager": "devportal", "operation": "Update", "time": "2030-01-01T00:00:00Z"},
        ]);
        let Read::Whole(read) = read_key(&raw) else {
            panic!("all of it can be read")
        };
        let writes = read.metadata.managed_fields.unwrap();
        let times: Vec<_> = writes.iter().map(|it| it.time.is_some()).collect();
        assert_eq!(times, [false, true]);
        assert!(read_plain::<APIKey>(&raw.to_string()).is_ok());
        raw["spec"]["expiresAt"] = json!("never");
        assert!(matches!(read_key(&raw), Read::Flawed(None, _)));
    }

    #[test]
    fn why_an_object_cannot_be_read_is_told_in_the_same_words_wherever_in_the_text_it_is() {
        let why = |name: &str| {
            let mut raw = key();
            raw["metadata"]["name"] = json!(name);
            raw["spec"]["expiresAt"] = json!("never");
            match read_key(&raw) {
                Read::Flawed(_, flaw) => flaw.words(),
                Read::Whole(_) => panic!("it cannot be read"),
            }
        };
        assert_eq!(why("a"), why("a-longer-name"));
    }

    #[test]
    fn one_bad_field_of_a_status_costs_no_other() {
        let mut raw = key();
        raw["status"]["reviewedAt"] = json!("2030-01-01T00:00:00+99:99");
        let Read::Flawed(Some(kept), flaw) = read_key(&raw) else {
            panic!("a part of it can be read")
        };
        let status = kept.status.unwrap();
        assert_eq!(status.can_read_secret, Some(false));
        assert_eq!(status.reviewed_at, None);
        assert_eq!(flaw.holes, ["status.reviewedAt"]);
        assert!(flaw.has_spec());
        assert_eq!(flaw.version, Version(7));
    }

    #[test]
    fn of_a_spec_all_is_read_or_nothing() {
        let mut raw = key();
        raw["spec"]["expiresAt"] = json!("2030-01-01T00:00:00+99:99");
        let Read::Flawed(None, flaw) = read_key(&raw) else {
            panic!("half a wish is another wish")
        };
        assert_eq!(flaw.holes, ["spec"]);
        assert_eq!(flaw.uid, "u");
    }

    #[test]
    fn a_denial_of_an_unreadable_moment_is_a_denial() {
        let raw = json!({
            "metadata": {"name": "d", "namespace": "owner", "creationTimestamp": "2030-01-01T00:00:00Z"},
            "spec": {"apiKeyRequestRef": {"name": "r"}, "approved": false, "reviewedBy": "olivia",
                "reviewedAt": "2030-01-01T00:00:00+99:99"},
        });
        let (_, read) = read::<APIKeyApproval>(&raw.to_string(), APIKeyApproval::mend).unwrap();
        let Read::Flawed(Some(kept), flaw) = read else {
            panic!("it can be read but for when")
        };
        assert!(!kept.spec.approved);
        assert!(kept.spec.reviewed_at.0.to_string().starts_with("9999"));
        assert_eq!(flaw.holes, ["spec.reviewedAt"]);
        assert!(!flaw.has_spec());
    }
}
