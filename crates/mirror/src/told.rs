//! What can a watch tell, and how sure is the mirror of what it was told?

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::kind::{Kind, Version};
use crate::read::Flaw;

/// What is listed together: every namespace, or one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole cluster.
    Cluster,
    /// One namespace.
    Namespace(String),
}

impl<K: Kind> Told<K> {
    /// What the API server answers to a request, not what a watch shows.
    #[must_use]
    pub fn answered(self) -> Self {
        match self {
            Self::Is(id, kept) => Self::Answered(id, kept),
            Self::Flawed(id, kept, flaw) => Self::AnsweredFlawed(id, kept, flaw),
            other => other,
        }
    }
}

impl Scope {
    /// Whether what lies in a namespace is listed with this scope.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(it) => it == namespace,
        }
    }
}

/// One observation of a kind: by a watch, or as the answer to a write of our own.
#[derive(Clone, Debug)]
pub enum Told<K: Kind> {
    /// The object is there, as kept.
    Is(K::Id, K::Kept),
    /// The same as the answer to a write of our own: no list shows it.
    Answered(K::Id, K::Kept),
    /// The object is there, and not all of it can be read: what could be, and the rest.
    Flawed(K::Id, Option<K::Kept>, Arc<Flaw>),
    /// The same as the answer to a request of our own.
    AnsweredFlawed(K::Id, Option<K::Kept>, Arc<Flaw>),
    /// The object of this UID ended, when the kind was at this version.
    Ended(K::Id, String, Option<Version>),
    /// A list of everything in a scope begins.
    ListBegins(Scope),
    /// The list is complete: what it did not show, and is not newer, has ended.
    ListEnds(Scope, Version),
    /// The kind cannot be followed in a scope since this moment.
    Lost(Scope, Trouble, Timestamp),
    /// It is followed again, from where it was left.
    Resumed(Scope),
    /// Everything up to this version has been told.
    Progress(Scope, Version),
    /// A scope is not of interest any more. What is known of it stays, unfollowed.
    Left(Scope),
}

/// Why a kind cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The right to list or watch it is missing.
    Forbidden,
    /// Its definition is not installed.
    NotInstalled,
    /// Anything else, in words for a person.
    Failing(Arc<str>),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden => f.write_str("the right to list and watch it is missing"),
            Self::NotInstalled => f.write_str("its definition is not installed"),
            Self::Failing(why) => f.write_str(why),
        }
    }
}

/// How sure the mirror is of a kind in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Sight {
    /// The first list is still out: what is not known may be there.
    #[default]
    Unlisted,
    /// Listed, and followed since.
    Current,
    /// Listed once, and not followed since that moment.
    Stale(Trouble, Timestamp),
    /// Never listed, and why not.
    Blind(Trouble),
}

impl Sight {
    /// Whether everything that there was at some moment is known.
    pub fn is_listed(&self) -> bool {
        matches!(self, Self::Current | Self::Stale(..))
    }

    /// Whether a list was tried, with whatever outcome.
    pub fn has_answered(&self) -> bool {
        *self != Self::Unlisted
    }

    /// What is amiss, for whoever asks after health; nothing while it is followed.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::Current => None,
            Self::Unlisted => Some("still listing".to_owned()),
            Self::Blind(why) => Some(format!("not seen: {why}")),
            Self::Stale(why, since) => Some(format!("not followed since {since:.0}: {why}")),
        }
    }

    /// What keeps the kind from being followed now.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Unlisted | Self::Current => None,
            Self::Stale(trouble, _) | Self::Blind(trouble) => Some(trouble),
        }
    }
}
