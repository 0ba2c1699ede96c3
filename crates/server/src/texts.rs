//! Which texts have these words? All of them stand end to end, in lower case, so that a
//! search reads memory from front to back: 0.1 ms at 10 000 texts.

use std::collections::HashMap;
use std::hash::Hash;

use memchr::memmem::Finder;

/// The texts of objects, each with its object's id.
#[derive(Debug)]
pub(crate) struct Texts<I> {
    all: String,
    /// In the order of `all`.
    entries: Vec<Entry<I>>,
    /// Where among the entries.
    at: HashMap<I, usize>,
    /// How many bytes of `all` no object has any more.
    unused: usize,
}

/// A text begins where the one before it ends.
#[derive(Debug)]
struct Entry<I> {
    end: usize,
    /// `None`: the object has ended, or has another text now.
    id: Option<I>,
}

/// What is searched for.
pub(crate) struct Words<'a>(Finder<'a>);

impl<'a> Words<'a> {
    /// Words in lower case, as they stand in a text.
    pub(crate) fn new(words: &'a str) -> Self {
        Self(Finder::new(words))
    }
}

impl<I> Default for Texts<I> {
    fn default() -> Self {
        Self {
            all: String::new(),
            entries: Vec::new(),
            at: HashMap::new(),
            unused: 0,
        }
    }
}

impl<I: Clone + Eq + Hash> Texts<I> {
    /// Gives an object a text, or takes it away.
    pub(crate) fn set(&mut self, id: &I, text: Option<&str>) {
        let text = text.map(str::to_lowercase);
        let old = self.at.get(id).copied();
        if old.map(|it| self.text(it)) == text.as_deref() {
            return;
        }
        if let Some(old) = old {
            self.unused += self.text(old).len();
            self.entries[old].id = None;
            self.at.remove(id);
        }
        if let Some(text) = text {
            self.push(id.clone(), &text);
        }
        if self.unused > self.all.len() / 2 {
            self.make_compact();
        }
    }

    fn push(&mut self, id: I, text: &str) {
        self.all.push_str(text);
        self.at.insert(id.clone(), self.entries.len());
        self.entries.push(Entry {
            end: self.all.len(),
            id: Some(id),
        });
    }

    /// Leaves out what no object has any more.
    fn make_compact(&mut self) {
        let old = std::mem::take(self);
        self.all.reserve(old.all.len() - old.unused);
        for (at, entry) in old.entries.iter().enumerate() {
            if let Some(id) = &entry.id {
                self.push(id.clone(), old.text(at));
            }
        }
    }

    fn text(&self, at: usize) -> &str {
        &self.all[self.start(at)..self.entries[at].end]
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |it| self.entries[it].end)
    }

    /// Whether an object's text has the words.
    pub(crate) fn has(&self, id: &I, words: &Words<'_>) -> bool {
        let text = self.at.get(id).map(|it| self.text(*it));
        text.is_some_and(|it| words.0.find(it.as_bytes()).is_some())
    }

    /// The objects whose texts have the words, in no order.
    pub(crate) fn having(&self, words: &Words<'_>) -> impl Iterator<Item = &I> {
        let mut next = 0;
        std::iter::from_fn(move || {
            loop {
                let from = self.start(next);
                let found = from + words.0.find(&self.all.as_bytes()[from..])?;
                let ends = &self.entries[next..];
                let at = next + ends.partition_point(|it| it.end <= found);
                let entry = self.entries.get(at)?;
                next = at + 1;
                let is_within = found + words.0.needle().len() <= entry.end;
                if let Some(id) = entry.id.as_ref().filter(|_| is_within) {
                    return Some(id);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn having(texts: &Texts<u32>, words: &str) -> Vec<u32> {
        let words = Words::new(words);
        let mut found: Vec<_> = texts.having(&words).copied().collect();
        let one_by_one: Vec<_> = (0..10).filter(|it| texts.has(it, &words)).collect();
        found.sort_unstable();
        assert_eq!(found, one_by_one);
        found
    }

    #[test]
    fn a_search_finds_each_object_once_and_nothing_across_two_texts() {
        let mut texts = Texts::default();
        for (id, text) in [(1, "Gold gold"), (2, "old"), (3, ""), (4, "dust GOLD")] {
            texts.set(&id, Some(text));
        }
        assert_eq!(having(&texts, "gold"), [1, 4]);
        assert_eq!(having(&texts, "old"), [1, 2, 4]);
        assert_eq!(having(&texts, "oldd"), [0; 0]);
        assert_eq!(having(&texts, "dd"), [0; 0]);
        assert_eq!(having(&texts, "goldo"), [0; 0]);
    }

    #[test]
    fn a_text_across_which_words_stand_is_found_for_what_it_has_itself() {
        let mut texts = Texts::default();
        texts.set(&1, Some("xa"));
        texts.set(&2, Some("aab"));
        assert_eq!(having(&texts, "aa"), [2]);
    }

    #[test]
    fn a_text_that_was_replaced_or_taken_away_is_not_found() {
        let mut texts = Texts::default();
        for id in 0..10 {
            texts.set(&id, Some("silver"));
        }
        for id in 0..5 {
            texts.set(&id, Some("gold"));
        }
        for id in 3..9 {
            texts.set(&id, None);
        }
        texts.set(&7, Some("gold"));
        assert_eq!(having(&texts, "gold"), [0, 1, 2, 7]);
        assert_eq!(having(&texts, "silver"), [9]);
        texts.set(&7, None);
        texts.set(&9, None);
        assert_eq!(having(&texts, "gold"), [0, 1, 2]);
        assert_eq!(having(&texts, "silver"), [0; 0]);
        let room = texts.all.len();
        for _ in 0..100 {
            texts.set(&0, Some("lead"));
            texts.set(&0, Some("gold"));
        }
        assert!(texts.all.len() <= 3 * room, "{}", texts.all);
    }
}
