//! What does a write replace? The object as last seen goes with it, so that nothing is
//! patched that was not.

use std::sync::Arc;

use devportal_core::{Need, Write};
use devportal_mirror::{Digest, Table};
use kube::Resource;
use kube::core::object::{HasSpec, HasStatus};
use serde::Serialize;
use serde_json::{Value, json};

use super::Engine;

impl Engine {
    /// Each write with what it changes of an object, null where there is none yet.
    pub(super) fn with_seen(&mut self, writes: Vec<Write>) -> Vec<(Write, Value)> {
        let paired = writes.into_iter().filter_map(|write| {
            let world = &self.world;
            let seen = match &write {
                Write::ProductStatus(id, _) => seen(world.products(), id, status),
                Write::KeyStatus(id, _) => seen(world.keys(), id, status),
                Write::ReleaseKey(id) => seen(world.keys(), id, metadata),
                Write::RequestStatus(id, _) => seen(world.requests(), id, status),
                Write::ApplyRequest { id, .. } => seen(world.requests(), id, spec),
                Write::ApprovalStatus(id, _) => seen(world.approvals(), id, status),
                Write::ApplyApproval { id, .. } => seen(world.approvals(), id, spec),
                Write::AdoptApproval { id, .. } | Write::ReleaseApproval(id) => {
                    seen(world.approvals(), id, metadata)
                }
                _ => Value::Null,
            };
            self.with_document(write, seen)
        });
        paired.collect()
    }

    /// In the World a document is its digest: where it is another than before, the text
    /// is put in its place. Nothing is written while that has to be fetched anew.
    fn with_document(&mut self, mut write: Write, mut seen: Value) -> Option<(Write, Value)> {
        let Write::ProductStatus(id, status) = &mut write else {
            return Some((write, seen));
        };
        let before = seen.pointer_mut("/status/openapi/raw");
        if let Some(Value::String(text)) = before
            && text.parse::<Digest>().is_err()
        {
            *text = Digest::of(text).to_string();
        }
        let before = seen.pointer("/status/openapi/raw").and_then(Value::as_str);
        if let Some(document) = &mut status.openapi
            && before != Some(&document.raw)
        {
            let Some(text) = self.world.find_text(&document.raw) else {
                let url = self.world.find_product(id)?.spec.documentation.as_ref()?;
                let need = Need::OpenApi(url.open_api_spec_url.clone()?);
                self.world.forget(&need);
                self.fetcher.forget(&need);
                self.fetcher.follow(need);
                return None;
            };
            document.raw = text.to_string();
        }
        Some((write, seen))
    }
}

/// A part of an object as last seen, with its metadata: all as it is where not all of it
/// can be read.
fn seen<K>(table: &Table<K>, id: &K::Id, part: fn(&K) -> Value) -> Value
where
    K: devportal_mirror::Kind<Kept = Arc<K>>,
{
    match table.flaw(id) {
        Some(flaw) => flaw.raw.clone(),
        None => table.find(id).map(|it| part(it)).unwrap_or_default(),
    }
}

fn metadata<K: Resource>(object: &K) -> Value {
    json!({"metadata": object.meta()})
}

fn spec<K: Resource + HasSpec<Spec: Serialize>>(object: &K) -> Value {
    json!({"metadata": object.meta(), "spec": object.spec()})
}

fn status<K: Resource + HasStatus<Status: Serialize>>(object: &K) -> Value {
    json!({"metadata": object.meta(), "status": object.status()})
}
