//! What is known, and who depends on it?

use std::collections::BTreeSet;

use crate::change::Change;
use crate::decision::Id;

/// Every observed object and the edges between them.
#[derive(Debug, Default)]
pub struct World {}

impl World {
    /// Takes an observation in and returns what must be decided again:
    /// whatever referred to the object before or refers to it now.
    pub fn observe(&mut self, change: Change) -> BTreeSet<Id> {
        let _ = change;
        BTreeSet::new()
    }
}
