//! Does the installed definition have a place for what is written? The answer to a write
//! shows it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an answer speaks for all writes of its shape: definitions are changed by hand,
/// and in a burst every write looks like the others.
const FRESH: Duration = Duration::from_secs(10);
/// How many shapes are remembered: more than there are, unless somebody makes them up.
const REMEMBERED: usize = 256;

/// The fields of a kind that were just written and came back, as a hash of their names.
type Shape = (&'static str, u64);

/// What was just seen to be kept.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptShapes(Arc<Mutex<HashMap<Shape, Instant>>>);

impl KeptShapes {
    /// Whether all fields of a write were kept a moment ago.
    pub(super) fn has(&self, kind: &'static str, sent: &Value) -> bool {
        let shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = shapes.get(&(kind, shape(sent)));
        noted.is_some_and(|at| at.elapsed() < FRESH)
    }

    /// All of them were kept.
    pub(super) fn note(&self, kind: &'static str, sent: &Value) {
        let mut shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.len() >= REMEMBERED {
            shapes.clear();
        }
        shapes.insert((kind, shape(sent)), Instant::now());
    }
}

fn shape(sent: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_names(sent, &mut hasher);
    hasher.finish()
}

/// Names and nesting, not values.
fn hash_names(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(fields) => {
            fields.len().hash(hasher);
            for (name, value) in fields {
                name.hash(hasher);
                hash_names(value, hasher);
            }
        }
        Value::Array(items) => {
            items.len().hash(hasher);
            for item in items {
                hash_names(item, hasher);
            }
        }
        // To take a field away needs no place for it.
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 1_u8.hash(hasher),
    }
}

/// The fields of spec and status that were sent and that the answer does not have.
pub(super) fn missing(sent: &Value, kept: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for part in ["spec", "status"] {
        look(part, &sent[part], &kept[part], &mut paths);
    }
    paths
}

fn look(path: &str, sent: &Value, kept: &Value, paths: &mut Vec<String>) {
    if let (Value::Array(sent), Value::Array(kept)) = (sent, kept) {
        for (sent, kept) in sent.iter().zip(kept) {
            look(path, sent, kept, paths);
        }
    }
    for (name, value) in sent.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match kept.get(name) {
            _ if value.is_null() => {}
            None => paths.push(path),
            Some(kept) => look(&path, value, kept, paths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_answer_lacks_is_missing_and_what_was_taken_away_is_not() {
        let sent = json!({"metadata": {"uid": "u"}, "spec": {"tier": "gold"},
            "status": {"phase": null, "terms": [{"tier": "gold", "end": "x"}, {"tier": "tin"}]}});
        let kept = json!({"spec": {}, "status": {"terms": [{"tier": "gold"}, {"tier": "tin"}]}});
        assert_eq!(missing(&sent, &kept), ["spec.tier", "status.terms.end"]);
        assert_eq!(missing(&sent, &sent), Vec::<String>::new());
    }

    #[test]
    fn a_write_speaks_for_those_with_its_fields_and_for_no_others() {
        let kept = KeptShapes::default();
        let write = |phase: &str| json!({"status": {"phase": phase}});
        kept.note("APIKey", &write("Pending"));
        assert!(kept.has("APIKey", &write("Approved")));
        assert!(!kept.has("APIKeyRequest", &write("Approved")));
        let more = json!({"status": {"phase": "Approved", "terms": {}}});
        assert!(!kept.has("APIKey", &more));
        assert!(!kept.has("APIKey", &json!({"status": {"phase": null}})));
        let nested = json!({"status": {"phase": {"phase": "Approved"}}});
        assert!(!kept.has("APIKey", &nested));
    }

    #[test]
    fn shapes_that_somebody_makes_up_take_no_more_room() {
        let kept = KeptShapes::default();
        for n in 0..10_000 {
            kept.note("APIKey", &json!({"status": {n.to_string(): 1}}));
        }
        assert!(kept.0.lock().unwrap().len() <= REMEMBERED);
    }
}
