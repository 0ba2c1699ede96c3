//! What does a reader see while the writer goes on? Everything as it was when it began.

use std::sync::Arc;

use devportal_api::id::ObjectId;
use imbl::OrdMap;

use crate::kind::Kind;
use crate::table::Entry;

/// The objects of a kind at one moment, readable beside the writer.
#[derive(Debug)]
pub struct Snapshot<K: Kind> {
    entries: OrdMap<K::Id, Arc<Entry<K>>>,
}

impl<K: Kind> Clone for Snapshot<K> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
        }
    }
}

impl<K: Kind> Snapshot<K> {
    pub(crate) fn of(entries: OrdMap<K::Id, Arc<Entry<K>>>) -> Self {
        Self { entries }
    }

    /// What stands of the object.
    pub fn find(&self, id: &K::Id) -> Option<&K::Kept> {
        Some(self.entries.get(id)?.kept.as_ref()?.get())
    }

    /// The objects of a namespace from a name on, in order.
    pub fn from<'a>(
        &'a self,
        namespace: &'a str,
        name: &str,
    ) -> impl Iterator<Item = (&'a K::Id, &'a K::Kept)> {
        let start = K::Id::named(namespace, name);
        self.entries
            .range(start..)
            .take_while(move |(id, _)| id.namespace() == namespace)
            .filter_map(|(id, entry)| Some((id, entry.kept.as_ref()?.get())))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
