//! What is known of the objects of one kind, and how sure is it?
//!
//! Two streams tell of the same objects: the watch, and the answers to our own
//! writes. They are not ordered against each other, so an answer may arrive after the
//! watch has told of something newer, or of the object's end. Versions tell which is
//! news. Nothing ends for not being told of, but by a list that is newer.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::sync::Arc;

use devportal_api::id::ObjectId;
use imbl::OrdMap;

use crate::ended::Ended;
use crate::fold::{Foldable, Folder};
use crate::kind::{Kept, Kind, Version};
use crate::read::Flaw;
use crate::snapshot::Snapshot;
use crate::told::{Scope, Sight, Told, Trouble};

/// What is known of a name.
#[derive(Debug)]
pub enum Found<'a, T> {
    /// The object, as last seen.
    Present(&'a T),
    /// There is an object of the name, and not all of it can be read: what stands of
    /// it, if anything does, and why.
    Flawed(Option<&'a T>, &'a Flaw),
    /// It was seen to end.
    Ended,
    /// A list did not show it, and it was never seen to end.
    Absent,
    /// It may be there: its kind is not listed.
    Unknown,
}

/// An object before and after, where the two differ or where it is read otherwise.
#[derive(Clone, Debug)]
pub struct Difference<K: Kind> {
    /// The object.
    pub id: K::Id,
    /// What stood of it before.
    pub old: Option<K::Kept>,
    /// What stands of it now.
    pub new: Option<K::Kept>,
}

/// What came of an observation.
#[derive(Debug)]
pub struct Taken<K: Kind> {
    /// The objects that are not as they were.
    pub differences: Vec<Difference<K>>,
    /// Whether it is another [`Sight`] than before.
    pub sight_changed: bool,
    /// Whether what waited for it may go on: a kind is seen that was not, or it is known why
    /// it cannot be.
    pub is_gain: bool,
}

#[derive(Debug)]
pub(crate) struct Entry<K: Kind> {
    /// What stands of the object.
    pub(crate) kept: Option<Foldable<K::Kept>>,
    /// Of the object, known also while it is folded.
    version: Version,
    /// Why that is not all.
    flaw: Option<Arc<Flaw>>,
    /// The last list that showed it.
    list: u32,
}

impl<K: Kind> Clone for Entry<K> {
    fn clone(&self) -> Self {
        Self {
            kept: self.kept.clone(),
            version: self.version,
            flaw: self.flaw.clone(),
            list: self.list,
        }
    }
}

impl<K: Kind> Entry<K> {
    fn new(kept: Option<K::Kept>, flaw: Option<Arc<Flaw>>, list: u32) -> Self {
        let version = match (&flaw, &kept) {
            (Some(flaw), _) => flaw.version,
            (None, Some(kept)) => kept.version(),
            (None, None) => Version::default(),
        };
        Self {
            kept: kept.map(Foldable::new),
            version,
            flaw,
            list,
        }
    }

    /// What stands of it, where nobody may have it any more.
    fn into_kept(self: Arc<Self>) -> Option<K::Kept> {
        Arc::unwrap_or_clone(self).kept.map(Foldable::into_inner)
    }

    fn uid(&self) -> &str {
        match (&self.flaw, &self.kept) {
            (Some(flaw), _) => &flaw.uid,
            (None, Some(kept)) => kept.get().uid(),
            (None, None) => "",
        }
    }
}

/// A scope that is followed.
#[derive(Clone, Debug, Default)]
struct List {
    sight: Sight,
    version: Version,
    /// Which list of all was begun last here: what it shows bears no smaller number.
    begun: u32,
}

/// The objects of one kind, in the order of their ids.
#[derive(Debug)]
pub struct Table<K: Kind> {
    /// Each behind a pointer: the nodes of the map are half empty.
    entries: OrdMap<K::Id, Arc<Entry<K>>>,
    /// Those of which not all could be read.
    flawed: BTreeSet<K::Id>,
    scopes: BTreeMap<Scope, List>,
    /// Counts the lists that were begun.
    list: u32,
    ended: Ended<K::Id>,
    folder: Option<Folder<K::Id>>,
}

impl<K: Kind> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: OrdMap::new(),
            flawed: BTreeSet::new(),
            scopes: BTreeMap::new(),
            list: 0,
            ended: Ended::default(),
            folder: None,
        }
    }
}

impl<K: Kind> Table<K> {
    /// A table that keeps so many objects open, once [`trim`](Self::trim)med, and folds
    /// all others.
    pub fn folding(open: usize) -> Self {
        Self {
            folder: Some(Folder::new(open)),
            ..Self::default()
        }
    }

    /// Folds what was opened first, where more is open than was said.
    pub fn trim(&mut self) {
        let Some(folder) = &mut self.folder else {
            return;
        };
        while let Some(id) = folder.next() {
            let entry = self.entries.get_mut(&id);
            if let Some(kept) = entry.and_then(|it| Arc::make_mut(it).kept.as_mut()) {
                folder.fold(kept);
            }
        }
    }

    /// What stands of the object.
    pub fn find(&self, id: &K::Id) -> Option<&K::Kept> {
        self.open(id, self.entries.get(id)?)
    }

    /// Whether anything of the object stands. It stays folded.
    pub fn has(&self, id: &K::Id) -> bool {
        self.entries.get(id).is_some_and(|it| it.kept.is_some())
    }

    /// Whether it is known that there is no such object: it was seen to end, or a list did not show
    /// it. It is not looked into.
    pub fn is_gone(&self, id: &K::Id) -> bool {
        !self.entries.contains_key(id)
            && (self.ended.has_name(id) || self.is_listed(id.namespace()))
    }

    fn open<'a>(&self, id: &K::Id, entry: &'a Entry<K>) -> Option<&'a K::Kept> {
        let kept = entry.kept.as_ref()?;
        Some(match &self.folder {
            Some(folder) => folder.open(id, kept),
            None => kept.get(),
        })
    }

    /// What is known of the name.
    pub fn look(&self, id: &K::Id) -> Found<'_, K::Kept> {
        match self.entries.get(id) {
            Some(entry) => match (&entry.flaw, self.open(id, entry)) {
                (Some(flaw), kept) => Found::Flawed(kept, flaw),
                (None, Some(kept)) => Found::Present(kept),
                (None, None) => Found::Unknown,
            },
            None if self.ended.has_name(id) => Found::Ended,
            None if self.is_listed(id.namespace()) => Found::Absent,
            None => Found::Unknown,
        }
    }

    /// Why not all of an object could be read.
    pub fn flaw(&self, id: &K::Id) -> Option<&Arc<Flaw>> {
        self.entries.get(id)?.flaw.as_ref()
    }

    /// Whether an object was seen to end. Only the last of them are remembered.
    pub fn has_ended(&self, uid: &str) -> bool {
        self.ended.version(uid).is_some()
    }

    /// Every id there is, in order.
    pub fn ids(&self) -> impl Iterator<Item = &K::Id> {
        self.entries.keys()
    }

    /// What stands of every object, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&K::Id, &K::Kept)> {
        let entries = self.entries.iter();
        entries.filter_map(|(id, entry)| Some((id, self.open(id, entry)?)))
    }

    /// The objects of which not all could be read.
    pub fn flawed(&self) -> impl Iterator<Item = (&K::Id, &Flaw)> {
        let flawed = self.flawed.iter();
        flawed.filter_map(|id| Some((id, &**self.flaw(id)?)))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether everything in a namespace that was there at some moment is known.
    pub fn is_listed(&self, namespace: &str) -> bool {
        let mut scopes = self.scopes.iter();
        scopes.any(|(scope, list)| scope.covers(namespace) && list.sight.is_listed())
    }

    /// How sure the table is in a scope.
    pub fn sight(&self, scope: &Scope) -> &Sight {
        const UNLISTED: &Sight = &Sight::Unlisted;
        self.scopes.get(scope).map_or(UNLISTED, |list| &list.sight)
    }

    /// Every scope that is followed, and how sure the table is there.
    pub fn sights(&self) -> impl Iterator<Item = (&Scope, &Sight)> {
        self.scopes.iter().map(|(scope, list)| (scope, &list.sight))
    }

    /// Up to which version a scope has been told: whoever wrote at this version and
    /// waits for it reads their own write.
    pub fn version(&self, scope: &Scope) -> Version {
        self.scopes
            .get(scope)
            .map(|it| it.version)
            .unwrap_or_default()
    }

    /// Everything as it is now, for a reader beside the writer. Constant time.
    pub fn snapshot(&self) -> Snapshot<K> {
        Snapshot::of(self.entries.clone())
    }

    /// Takes an observation in.
    pub fn take(&mut self, told: Told<K>) -> Taken<K> {
        let mut differences = Vec::new();
        let mut sight_changed = false;
        let was_current =
            matches!(&told, Told::Lost(scope, ..) if *self.sight(scope) == Sight::Current);
        let is_departure = matches!(told, Told::Left(_));
        match told {
            Told::Is(id, kept) => {
                self.advance(id.namespace(), kept.version());
                let entry = Entry::new(Some(kept), None, self.list);
                differences.extend(self.put(id, entry));
            }
            Told::Answered(id, kept) => {
                let entry = Entry::new(Some(kept), None, self.list_of(&id));
                differences.extend(self.put(id, entry));
            }
            Told::Flawed(id, kept, flaw) => {
                self.advance(id.namespace(), flaw.version);
                differences.extend(self.put_flawed(id, kept, flaw, self.list));
            }
            Told::AnsweredFlawed(id, kept, flaw) => {
                let list = self.list_of(&id);
                differences.extend(self.put_flawed(id, kept, flaw, list));
            }
            Told::Ended(id, uid, version) => {
                self.advance(id.namespace(), version.unwrap_or_default());
                // Of what the API server does not have nothing older is news.
                let version = version.unwrap_or(Version(u64::MAX));
                differences.extend(self.end(&id, &uid, version));
            }
            Told::ListBegins(scope) => {
                self.list += 1;
                self.scopes.entry(scope).or_default().begun = self.list;
            }
            Told::ListEnds(scope, version) => {
                differences = self.end_unlisted(&scope, version);
                sight_changed = self.see(scope, |list| {
                    list.version = list.version.max(version);
                    Sight::Current
                });
            }
            Told::Lost(scope, trouble, at) => {
                sight_changed = self.see(scope, |list| match &list.sight {
                    Sight::Unlisted | Sight::Blind(_) => Sight::Blind(trouble),
                    Sight::Current => Sight::Stale(trouble, at),
                    Sight::Stale(_, since) => Sight::Stale(trouble, *since),
                });
            }
            Told::Resumed(scope) => {
                sight_changed = self.see(scope, |list| match &list.sight {
                    Sight::Stale(..) => Sight::Current,
                    other => other.clone(),
                });
            }
            Told::Progress(scope, version) => {
                if let Some(list) = self.scopes.get_mut(&scope) {
                    list.version = list.version.max(version);
                }
            }
            Told::Left(scope) => sight_changed = self.scopes.remove(&scope).is_some(),
        }
        Taken {
            differences,
            sight_changed,
            is_gain: sight_changed && !was_current && !is_departure,
        }
    }

    /// Whether it is another sight than before. The trouble's words do not matter.
    fn see(&mut self, scope: Scope, sight: impl FnOnce(&mut List) -> Sight) -> bool {
        let list = self.scopes.entry(scope).or_default();
        let new = sight(list);
        let kind = |it: &Sight| {
            let trouble = it.trouble().map(discriminant::<Trouble>);
            (discriminant(it), trouble)
        };
        let changed = kind(&new) != kind(&list.sight);
        list.sight = new;
        changed
    }

    fn advance(&mut self, namespace: &str, version: Version) {
        for (scope, list) in &mut self.scopes {
            if scope.covers(namespace) && list.sight == Sight::Current {
                list.version = list.version.max(version);
            }
        }
    }

    /// Puts an object in its place. `None` when nothing changed: a repeated or a late
    /// observation.
    fn put(&mut self, id: K::Id, new: Entry<K>) -> Option<Difference<K>> {
        // Versions are ordered across the objects of a kind, so that a late word
        // about an earlier object is told from news of its successor.
        let is_news = |known: Version| new.version == Version(0) || new.version > known;
        let ended = self.ended.version(new.uid());
        if ended.is_some_and(|at| !is_news(at)) {
            return None;
        }
        if let Some(live) = self.entries.get_mut(&id)
            && !is_news(live.version)
        {
            // No two objects of a kind have the same version.
            if live.version == new.version || live.uid() == new.uid() {
                let live = Arc::make_mut(live);
                live.list = live.list.max(new.list);
            }
            return None;
        }
        let kept = new.kept.as_ref().map(|it| it.get().clone());
        let uid: Box<str> = new.uid().into();
        if new.flaw.is_some() {
            self.flawed.insert(id.clone());
        } else {
            self.flawed.remove(&id);
        }
        let old = self.entries.insert(id.clone(), Arc::new(new));
        self.ended.rename(&id);
        if let Some(old) = &old
            && *old.uid() != *uid
        {
            self.ended
                .remember(old.uid().into(), old.version, id.clone());
            self.ended.rename(&id);
        }
        if let Some(folder) = &self.folder {
            folder.note(&id);
        }
        Some(Difference {
            id,
            old: old.and_then(Entry::into_kept),
            new: kept,
        })
    }

    /// The list that has shown an object, which an answer has no part in: one that goes on has shown
    /// it, or not, all the same.
    fn list_of(&self, id: &K::Id) -> u32 {
        self.entries.get(id).map_or(0, |it| it.list)
    }

    /// Of what cannot be read that stands which was read last, of the same object: all
    /// of it where others wrote it, or where the spec cannot be read.
    fn put_flawed(
        &mut self,
        id: K::Id,
        kept: Option<K::Kept>,
        flaw: Arc<Flaw>,
        shown_by: u32,
    ) -> Option<Difference<K>> {
        let last = self.entries.get(&id).filter(|it| *it.uid() == flaw.uid);
        let last = last.and_then(|it| Some(it.kept.as_ref()?.get().clone()));
        let kept = match (kept, last) {
            (Some(kept), Some(last)) => Some(if K::IS_FOREIGN { last } else { kept }),
            (None, Some(last)) => K::with_last_spec(&last, &flaw).or(Some(last)),
            (kept, None) => kept,
        };
        let entry = Entry::new(kept, Some(flaw), shown_by);
        self.put(id, entry)
    }

    fn end(&mut self, id: &K::Id, uid: &str, version: Version) -> Option<Difference<K>> {
        let is_it = self.entries.get(id).is_some_and(|it| {
            // A label that came back is newer than the end that its loss was told as.
            it.uid() == uid && (it.version <= version || it.version == Version(0))
        });
        let old = if is_it { self.entries.remove(id) } else { None };
        if old.is_some() {
            self.flawed.remove(id);
        }
        let has_other = self.entries.contains_key(id);
        self.ended.remember(uid.into(), version, id.clone());
        if has_other {
            self.ended.rename(id);
        }
        old.map(|old| Difference {
            id: id.clone(),
            old: old.into_kept(),
            new: None,
        })
    }

    /// What the list that ends did not show, unless it is newer than the list.
    fn end_unlisted(&mut self, scope: &Scope, version: Version) -> Vec<Difference<K>> {
        // A list without a version is newer than everything.
        let end = Some(version).filter(|it| *it != Version(0));
        let end = end.unwrap_or(Version(u64::MAX));
        let begun = self.scopes.get(scope).map_or(0, |it| it.begun);
        let is_ended = |id: &K::Id, entry: &Entry<K>| {
            scope.covers(id.namespace()) && entry.list < begun && entry.version <= end
        };
        let ended: Vec<_> = self
            .entries
            .iter()
            .filter(|(id, entry)| is_ended(id, entry))
            .map(|(id, entry)| (id.clone(), entry.uid().to_owned()))
            .collect();
        ended
            .into_iter()
            .filter_map(|(id, uid)| self.end(&id, &uid, end))
            .collect()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
