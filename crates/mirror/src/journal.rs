//! What has changed since? The last changes of all kinds, numbered, so that whoever
//! lost the connection goes on where they were.

use std::collections::VecDeque;

/// One change: which object, and whether it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the change; each is one more than the last.
    pub number: u64,
    /// The kind's name.
    pub kind: &'static str,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Whether the object ended.
    pub ended: bool,
}

/// A bounded record of changes.
#[derive(Debug)]
pub struct Journal {
    next: u64,
    room: usize,
    entries: VecDeque<Entry>,
}

impl Journal {
    /// Remembers the last `room` changes.
    pub fn new(room: usize) -> Self {
        Self {
            next: 1,
            room,
            entries: VecDeque::new(),
        }
    }

    /// Notes a change and answers with its number.
    pub fn note(&mut self, kind: &'static str, namespace: &str, name: &str, ended: bool) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.entries.len() == self.room {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            number,
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ended,
        });
        number
    }

    /// The number of the last change; 0 before the first.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Everything after a number, in order; `None` when some of it is forgotten, and
    /// whoever asks must look at everything anew.
    pub fn since(&self, number: u64) -> Option<impl Iterator<Item = &Entry>> {
        let first = self.next - self.entries.len() as u64;
        (number >= first - 1 && number < self.next)
            .then(|| self.entries.iter().filter(move |it| it.number > number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_on_where_it_was_or_is_told_that_it_cannot() {
        let mut journal = Journal::new(2);
        assert_eq!(journal.since(0).unwrap().count(), 0);
        for name in ["a", "b", "c"] {
            journal.note("APIKey", "ns", name, false);
        }
        let names = |from| {
            let entries = journal.since(from)?;
            Some(entries.map(|it| it.name.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(names(3), Some(vec![]));
        assert_eq!(names(1), Some(vec!["b", "c"]));
        assert_eq!(names(0), None, "the first is forgotten");
        assert_eq!(names(4), None, "of another journal");
    }
}
