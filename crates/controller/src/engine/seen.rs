//! What does a write replace? The object as last seen goes with it, so that nothing is
//! patched that was not.

use std::sync::Arc;

use devportal_core::{Need, Write};
use devportal_mirror::{Digest, Table};
use serde::Serialize;
use serde_json::{Value, json};

use super::Engine;

impl Engine {
    /// Each write with the object it changes, null where there is none yet.
    pub(super) fn with_seen(&mut self, writes: Vec<Write>) -> Vec<(Write, Value)> {
        let paired = writes.into_iter().filter_map(|write| {
            let world = &self.world;
            let seen = match &write {
                Write::ProductStatus(id, _) => raw(world.products(), id),
                Write::KeyStatus(id, _) | Write::ReleaseKey(id) => raw(world.keys(), id),
                Write::RequestStatus(id, _) | Write::ApplyRequest { id, .. } => {
                    raw(world.requests(), id)
                }
                Write::ApprovalStatus(id, _)
                | Write::ApplyApproval { id, .. }
                | Write::AdoptApproval { id, .. }
                | Write::ReleaseApproval(id) => raw(world.approvals(), id),
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

/// An object as last seen: as it is where not all of it can be read.
fn raw<K>(table: &Table<K>, id: &K::Id) -> Value
where
    K: devportal_mirror::Kind<Kept = Arc<K>> + Serialize,
{
    match table.flaw(id) {
        Some(flaw) => flaw.raw.clone(),
        None => table.find(id).map(|it| json!(**it)).unwrap_or_default(),
    }
}
