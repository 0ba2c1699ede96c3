//! What does an object take while nobody looks at it? As little as it says that others
//! of its kind do not: it is folded, which is JSON compressed beside a dictionary of
//! its like, and unfolded when it is asked for.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long a dictionary may be, in bytes: some objects.
const DICTIONARY: usize = 8 << 10;
/// How many are folded before the first dictionary is replaced; then twice as many each
/// time, so that objects that changed their looks are soon like their dictionary again.
const FIRST: usize = 16;

/// What can be folded.
pub trait Fold: Sized {
    /// As text; `None` where that cannot be, and it stays open.
    fn fold(&self) -> Option<Vec<u8>>;
    /// The same again, from its own text.
    fn unfold(text: &[u8]) -> Option<Self>;
}

impl<T: Serialize + DeserializeOwned> Fold for Arc<T> {
    fn fold(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&**self).ok()
    }

    fn unfold(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().map(Self::new)
    }
}

/// Something that is open, folded or both.
pub(crate) struct Foldable<V> {
    /// Behind a pointer, so that it takes no room while it is folded.
    open: OnceLock<Box<V>>,
    folded: Option<Box<Folded>>,
}

#[derive(Clone)]
struct Folded {
    bytes: Box<[u8]>,
    /// Of the text, in bytes.
    length: usize,
    dictionary: Arc<[u8]>,
}

impl<V: Fold> Foldable<V> {
    pub(crate) fn new(value: V) -> Self {
        Self {
            open: OnceLock::from(Box::new(value)),
            folded: None,
        }
    }

    /// What it is, unfolded if need be.
    pub(crate) fn get(&self) -> &V {
        self.open.get_or_init(|| {
            let unfolded = self.folded.as_deref().and_then(Folded::unfold);
            Box::new(unfolded.expect("what was folded unfolds: nobody else has had the text"))
        })
    }

    /// What it is.
    pub(crate) fn into_inner(self) -> V {
        self.get();
        *self.open.into_inner().expect("it was just unfolded")
    }

    fn is_open(&self) -> bool {
        self.open.get().is_some()
    }
}

impl<V: Clone> Clone for Foldable<V> {
    fn clone(&self) -> Self {
        Self {
            open: self.open.clone(),
            folded: self.folded.clone(),
        }
    }
}

/// What is open: to unfold all for a debug print would open all.
impl<V: fmt::Debug> fmt::Debug for Foldable<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.open.get() {
            Some(value) => value.fmt(f),
            None => f.write_str("folded"),
        }
    }
}

impl Folded {
    fn unfold<V: Fold>(&self) -> Option<V> {
        let text = decompress_with_dict(&self.bytes, self.length, &self.dictionary).ok()?;
        V::unfold(&text)
    }
}

/// Folds what was opened first.
#[derive(Debug)]
pub(crate) struct Folder<I> {
    /// How many may be open.
    limit: usize,
    /// Those that were opened, the first in front. Some may be folded or gone by now.
    opened: Mutex<VecDeque<I>>,
    dictionary: Arc<[u8]>,
    /// The texts that were folded last, of which the next dictionary is made.
    last: VecDeque<Vec<u8>>,
    /// How many were folded.
    count: usize,
    /// How many must be until the next dictionary is made.
    next: usize,
}

impl<I: Clone> Folder<I> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            opened: Mutex::default(),
            dictionary: Arc::from([]),
            last: VecDeque::new(),
            count: 0,
            next: 1,
        }
    }

    /// Something that is looked at.
    pub(crate) fn open<'a, V: Fold>(&self, id: &I, value: &'a Foldable<V>) -> &'a V {
        if !value.is_open() {
            self.note(id);
        }
        value.get()
    }

    /// Something is open.
    pub(crate) fn note(&self, id: &I) {
        self.opened().push_back(id.clone());
    }

    /// The next that is to be folded, if too many are open.
    pub(crate) fn next(&mut self) -> Option<I> {
        let opened = self.opened.get_mut();
        let opened = opened.unwrap_or_else(PoisonError::into_inner);
        (opened.len() > self.limit).then(|| opened.pop_front())?
    }

    pub(crate) fn fold<V: Fold>(&mut self, value: &mut Foldable<V>) {
        if value.folded.is_none() {
            let Some(text) = value.open.get().and_then(|it| it.fold()) else {
                return;
            };
            value.folded = Some(Box::new(Folded {
                bytes: compress_with_dict(&text, &self.dictionary).into(),
                length: text.len(),
                dictionary: Arc::clone(&self.dictionary),
            }));
            self.learn(text);
        }
        value.open.take();
    }

    fn learn(&mut self, text: Vec<u8>) {
        self.last.push_back(text);
        let mut total: usize = self.last.iter().map(Vec::len).sum();
        while total > DICTIONARY
            && let Some(oldest) = self.last.pop_front()
        {
            total -= oldest.len();
        }
        self.count += 1;
        if self.count >= self.next {
            self.next = (2 * self.next).max(FIRST);
            self.dictionary = self.last.make_contiguous().concat().into();
        }
    }

    fn opened(&self) -> MutexGuard<'_, VecDeque<I>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A map that keeps so many of its values open, once [`trim`](Self::trim)med, and folds
/// all others.
#[derive(Debug)]
pub struct FoldingMap<I, V> {
    entries: HashMap<I, Foldable<V>>,
    folder: Folder<I>,
}

impl<I: Clone + Eq + Hash, V: Fold> FoldingMap<I, V> {
    /// One that keeps so many open.
    pub fn new(open: usize) -> Self {
        Self {
            entries: HashMap::new(),
            folder: Folder::new(open),
        }
    }

    /// The value of a key.
    pub fn get(&self, id: &I) -> Option<&V> {
        Some(self.folder.open(id, self.entries.get(id)?))
    }

    /// Gives a key another value.
    pub fn insert(&mut self, id: I, value: V) {
        self.folder.note(&id);
        self.entries.insert(id, Foldable::new(value));
    }

    /// Whether there was one.
    pub fn remove(&mut self, id: &I) -> bool {
        self.entries.remove(id).is_some()
    }

    /// Folds what was opened first, where more is open than was said.
    pub fn trim(&mut self) {
        while let Some(id) = self.folder.next() {
            if let Some(value) = self.entries.get_mut(&id) {
                self.folder.fold(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn open(map: &FoldingMap<u32, Arc<Value>>) -> usize {
        map.entries.values().filter(|it| it.is_open()).count()
    }

    fn size(map: &FoldingMap<u32, Arc<Value>>, id: u32) -> usize {
        let folded = map.entries[&id].folded.as_ref();
        folded.map(|it| it.bytes.len()).unwrap_or_default()
    }

    fn object(id: u32) -> Arc<Value> {
        let text = "what all of them say, each time in the same words, and more of that";
        Arc::new(json!({"uid": id, "status": {"message": text}}))
    }

    #[test]
    fn what_was_looked_at_first_is_folded_first_and_is_what_it_was() {
        let mut map = FoldingMap::new(2);
        for id in 0..100 {
            map.insert(id, object(id));
            map.trim();
            assert!(open(&map) <= 2);
        }
        assert!(size(&map, 50) < 20, "{}", size(&map, 50));
        for id in 0..100 {
            assert_eq!(map.get(&id), Some(&object(id)));
        }
        map.trim();
        assert_eq!(open(&map), 2);
        assert!(map.entries[&97].is_open(), "98 and 99 were open before");
        assert!(map.remove(&7) && map.get(&7).is_none());
    }

    #[test]
    fn a_new_value_takes_the_place_of_a_folded_one() {
        let mut map = FoldingMap::new(0);
        for id in [1, 1, 2, 1] {
            map.insert(1, object(id));
            map.trim();
            assert_eq!(map.get(&1), Some(&object(id)));
        }
        map.trim();
        assert_eq!(open(&map), 0);
        assert_eq!(map.get(&1), Some(&object(1)));
    }

    #[test]
    fn objects_that_change_their_looks_find_a_dictionary_of_their_like() {
        let mut map = FoldingMap::new(0);
        let other = |id: u32| {
            let words = "other words that the first of them had never heard of before these came";
            Arc::new(json!({"uid": id, "status": {"later": words}}))
        };
        for id in 0..40 {
            map.insert(id, object(id));
            map.trim();
        }
        for id in 100..200 {
            map.insert(id, other(id));
            map.trim();
        }
        assert!(size(&map, 100) > 60, "it was the first");
        assert!(size(&map, 199) < 20, "{}", size(&map, 199));
        assert_eq!(map.get(&3), Some(&object(3)));
        assert_eq!(map.get(&100), Some(&other(100)));
    }
}
