//! Which objects were seen to end? The last of them, so that a late word about one
//! brings nothing back, and what was made for it can go without a second look.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::kind::Version;

/// How many are remembered: more than answers can be under way.
const REMEMBERED: usize = 1024;

/// The objects of one kind that ended.
#[derive(Debug)]
pub(crate) struct Ended<I> {
    /// The version of the end, by UID.
    versions: HashMap<Box<str>, Version>,
    /// Names that nothing has since.
    names: HashMap<I, Box<str>>,
    order: VecDeque<(Box<str>, I)>,
}

impl<I> Default for Ended<I> {
    fn default() -> Self {
        Self {
            versions: HashMap::new(),
            names: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<I: Clone + Eq + Hash> Ended<I> {
    /// When an object ended.
    pub(crate) fn version(&self, uid: &str) -> Option<Version> {
        self.versions.get(uid).copied()
    }

    /// Whether the last that had a name ended, and nothing has it since.
    pub(crate) fn has_name(&self, id: &I) -> bool {
        self.names.contains_key(id)
    }

    /// Something has the name again.
    pub(crate) fn rename(&mut self, id: &I) {
        self.names.remove(id);
    }

    pub(crate) fn remember(&mut self, uid: Box<str>, version: Version, id: I) {
        if let Some(known) = self.versions.get_mut(&uid) {
            *known = version.max(*known);
        } else {
            self.versions.insert(uid.clone(), version);
            self.order.push_back((uid.clone(), id.clone()));
        }
        self.names.insert(id, uid);
        if self.order.len() > REMEMBERED
            && let Some((oldest, id)) = self.order.pop_front()
        {
            self.versions.remove(&oldest);
            if self.names.get(&id) == Some(&oldest) {
                self.names.remove(&id);
            }
        }
    }
}
