//! What does it take to name the same object in many places? One copy of its name.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{LazyLock, Mutex, PoisonError};

use arcstr::ArcStr;
use serde::{Serialize, Serializer};

/// A text that the process keeps once, however many hold it; to clone it costs a count.
/// An object's name stands in every relation it is in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shared(ArcStr);

/// Every text that is held, and some that are not any more.
#[derive(Default)]
struct Known {
    texts: HashSet<ArcStr>,
    /// How many there may be before those that nobody holds are dropped.
    limit: usize,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl Shared {
    /// The one copy of a text.
    pub fn of(text: &str) -> Self {
        // Nothing that panics is done while it is locked.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        Self(known.find_or_add(text))
    }
}

impl Known {
    fn find_or_add(&mut self, text: &str) -> ArcStr {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= self.limit {
            // Those that are held elsewhere, and room for as many again: each text is
            // looked at a constant number of times.
            self.texts.retain(|it| ArcStr::strong_count(it) != Some(1));
            self.limit = (2 * self.texts.len()).max(1024);
        }
        let new = ArcStr::from(text);
        self.texts.insert(new.clone());
        new
    }
}

impl Deref for Shared {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Shared {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Shared {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq<str> for Shared {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Shared {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Shared {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl From<Shared> for String {
    fn from(text: Shared) -> Self {
        text.to_string()
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let (one, other) = (Shared::of("toystore"), Shared::of("toystore"));
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert_ne!(one, Shared::of("bookstore"));
        assert_eq!(format!("{one:>9}|{one:?}"), " toystore|\"toystore\"");
    }

    #[test]
    fn what_nobody_holds_goes_and_what_is_held_stays() {
        let mut known = Known::default();
        let held = known.find_or_add("held");
        for n in 0..100_000 {
            known.find_or_add(&n.to_string());
        }
        assert!(known.texts.len() <= 2048);
        assert_eq!(known.find_or_add("held").as_ptr(), held.as_ptr());
    }
}
