//! What does an object take while nobody looks at it? As little as it says that others
//! of its kind do not: it is folded, which is JSON compressed beside a dictionary of
//! its like, and unfolded when it is asked for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use crate::kind::{Kept, Kind, Version};

/// How long a dictionary may be, in bytes: some objects.
const DICTIONARY: usize = 8 << 10;
/// How many are folded before the first dictionary is replaced; then twice as many each
/// time, so that objects that changed their looks are soon like their dictionary again.
const FIRST: usize = 16;

/// What is kept of an object: open, folded or both.
pub(crate) struct Foldable<K: Kind> {
    version: Version,
    open: OnceLock<K::Kept>,
    folded: Option<Box<Folded>>,
}

#[derive(Clone)]
struct Folded {
    bytes: Box<[u8]>,
    /// Of the text, in bytes.
    length: usize,
    dictionary: Arc<[u8]>,
}

impl<K: Kind> Foldable<K> {
    pub(crate) fn new(kept: K::Kept) -> Self {
        Self {
            version: kept.version(),
            open: OnceLock::from(kept),
            folded: None,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// What is kept, unfolded if need be.
    pub(crate) fn get(&self) -> &K::Kept {
        self.open.get_or_init(|| {
            let folded = self.folded.as_deref();
            folded
                .and_then(Folded::unfold::<K>)
                .expect("what was folded unfolds: nobody else has had the bytes")
        })
    }

    /// What is kept.
    pub(crate) fn into_kept(self) -> K::Kept {
        self.get();
        self.open.into_inner().expect("it was just unfolded")
    }

    fn is_open(&self) -> bool {
        self.open.get().is_some()
    }
}

impl<K: Kind> Clone for Foldable<K> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            open: self.open.clone(),
            folded: self.folded.clone(),
        }
    }
}

impl<K: Kind> fmt::Debug for Foldable<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Folded {
    fn unfold<K: Kind>(&self) -> Option<K::Kept> {
        let text = decompress_with_dict(&self.bytes, self.length, &self.dictionary).ok()?;
        K::unfold(&text)
    }
}

/// Folds the objects of a table, those first that were opened first.
#[derive(Debug)]
pub(crate) struct Folder<K: Kind> {
    /// How many may be open.
    limit: usize,
    /// Those that were opened, the first in front. Some may be folded or gone by now.
    opened: Mutex<VecDeque<K::Id>>,
    dictionary: Arc<[u8]>,
    /// The text of the last that were folded.
    last: VecDeque<Vec<u8>>,
    count: usize,
    next: usize,
}

impl<K: Kind> Folder<K> {
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

    /// What is kept of an object that is looked at.
    pub(crate) fn open<'a>(&self, id: &K::Id, object: &'a Foldable<K>) -> &'a K::Kept {
        if !object.is_open() {
            self.note(id);
        }
        object.get()
    }

    /// An object is open.
    pub(crate) fn note(&self, id: &K::Id) {
        self.opened().push_back(id.clone());
    }

    /// The next that is to be folded, if too many are open.
    pub(crate) fn next(&mut self) -> Option<K::Id> {
        let opened = self
            .opened
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        (opened.len() > self.limit).then(|| opened.pop_front())?
    }

    pub(crate) fn fold(&mut self, object: &mut Foldable<K>) {
        if object.folded.is_none() {
            let Some(text) = object.open.get().and_then(K::fold) else {
                return;
            };
            object.folded = Some(Box::new(Folded {
                bytes: compress_with_dict(&text, &self.dictionary).into(),
                length: text.len(),
                dictionary: Arc::clone(&self.dictionary),
            }));
            self.learn(text);
        }
        object.open.take();
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

    fn opened(&self) -> std::sync::MutexGuard<'_, VecDeque<K::Id>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
