//! Which values of a generated key work side by side, and until when?
//!
//! The successor of a value notes on its own Secret since when it is that, and
//! until when those before it go on. So nothing has to be remembered, and a
//! restart forgets nothing.

use std::cmp::Reverse;

use devportal_api::APIKey;
use devportal_api::condition::whole_second;
use devportal_api::id::{KeyId, SecretId};
use devportal_api::key::LiveCredential;
use devportal_api::name::annotation;
use devportal_mirror::{Fingerprint, SecretFacts};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Marks, after, delete, intact_fingerprint, may_be_generated};
use crate::change::Source;
use crate::decision::Write;
use crate::world::World;

/// What a Secret says of its place among the values of its key.
const OF_ROTATION: [&str; 3] = [
    annotation::REVISION,
    annotation::SINCE,
    annotation::OVERLAP_UNTIL,
];

/// How many values go on beside the current one: whoever rotates without end
/// fills nobody's memory.
const MOST: usize = 31;

/// What the Secret of the current value says of its revision, and of the
/// values before it when it is to take their place. One that is yet to be generated has
/// no fingerprint.
pub(super) fn place(
    key: &APIKey,
    existing: &[(&SecretId, &SecretFacts)],
    current: Option<Fingerprint>,
    now: Timestamp,
) -> Marks {
    let mut marks = Marks::new();
    if !key.is_generated() {
        return marks;
    }
    let revision = key.revision();
    if revision != 0 {
        marks.insert(annotation::REVISION.to_owned(), revision.to_string());
    }
    let same = existing
        .iter()
        .find(|(_, it)| current.is_some() && it.fingerprint() == current);
    let has_predecessor = existing
        .iter()
        .any(|(_, it)| is_earlier(it, key) && intact_fingerprint(it).is_some());
    match same {
        // Made again under other terms: the overlap goes on as it was.
        Some((_, facts)) => marks.extend(
            [annotation::SINCE, annotation::OVERLAP_UNTIL]
                .into_iter()
                .filter_map(|it| Some((it.to_owned(), facts.annotations.get(it)?.to_owned()))),
        ),
        None if has_predecessor => {
            let rotation = key.spec.rotation.clone().unwrap_or_default();
            let until = after(whole_second(now), rotation.overlap());
            let until = told_end(key, existing).map_or(until, |told| told.min(until));
            let last = existing.iter().filter_map(|(_, it)| since(it)).max();
            let since = last.map_or(now, |last| {
                now.max(after(last, SignedDuration::from_millis(1)))
            });
            marks.insert(annotation::SINCE.to_owned(), since.to_string());
            marks.insert(annotation::OVERLAP_UNTIL.to_owned(), until.to_string());
        }
        None => {}
    }
    marks
}

/// Whether a Secret has a value that a later revision took the place of. One that the consumer
/// brought has no revision.
fn is_earlier(facts: &SecretFacts, key: &APIKey) -> bool {
    may_be_generated(facts) && revision_of(facts) != key.revision()
}

/// When the values before the current one end, as was told while its own Secret was there: what is
/// made again prolongs nothing.
fn told_end(key: &APIKey, existing: &[(&SecretId, &SecretFacts)]) -> Option<Timestamp> {
    let told = &key.status.as_ref()?.credentials;
    let is_there = |it: &&LiveCredential| existing.iter().any(|(id, _)| *id.name == *it.id);
    let mut of_current = told.iter().filter(|it| it.revision == key.revision());
    of_current.next()?;
    let ends = told.iter().filter(is_there);
    ends.filter_map(|it| Some(it.ends_at.as_ref()?.0)).max()
}

/// What a replaced value's Secret goes on saying when it is made again.
pub(super) fn place_of(facts: &SecretFacts) -> Marks {
    let own = OF_ROTATION.iter();
    own.filter_map(|it| Some(((*it).to_owned(), facts.annotations.get(it)?.to_owned())))
        .collect()
}

/// Deletes the credentials whose overlap is over, whatever else is missing, and
/// tells when the next one's is.
pub(in crate::decide) fn retire(
    id: &KeyId,
    key: &APIKey,
    world: &World,
    now: Timestamp,
) -> (Vec<Write>, Option<Timestamp>) {
    let existing: Vec<_> = world.credentials_of(id).collect();
    let ends = existing
        .iter()
        .filter(|(_, facts)| is_earlier(facts, key))
        .filter_map(|secret| Some((*secret, end_of(secret.1, &existing)?)));
    let (over, going): (Vec<_>, Vec<_>) = ends.partition(|(_, end)| *end <= now);
    let next = going.into_iter().map(|(_, end)| end).min();
    let over = over.into_iter().map(|(secret, _)| secret);
    let over = over.filter(|(_, facts)| !is_all_there_is(facts, key, world));
    (over.map(delete).collect(), next)
}

/// Whether the consumer still reads this value, and cannot read the current one: it goes on until
/// they can, unless nothing was to go on.
fn is_all_there_is(facts: &SecretFacts, key: &APIKey, world: &World) -> bool {
    let rotation = key.spec.rotation.clone().unwrap_or_default();
    if key.is_shown_once() || rotation.overlap().is_zero() {
        return false;
    }
    match world.find_source(&key.source_secret()) {
        Some(Source::Is(source)) => {
            revision_of(source) != key.revision() && source.fingerprint() == facts.fingerprint()
        }
        _ => false,
    }
}

/// The credentials that open the API now, the one that stays last; those that are being
/// deleted and held come first. Without a Kuadrant none does, and nobody watches what becomes
/// of them.
pub(in crate::decide) fn live(
    id: &KeyId,
    key: &APIKey,
    world: &World,
    now: Timestamp,
) -> Vec<LiveCredential> {
    if world.kuadrant_namespace().is_none() {
        return vec![];
    }
    let existing: Vec<_> = world.credentials_of(id).collect();
    let mut live: Vec<_> = super::held_secrets(id, world)
        .chain(existing.iter().copied())
        .map(|(id, facts)| {
            let end = end_of(facts, &existing).filter(|_| is_earlier(facts, key));
            // Its time may be over while it is all that the consumer can read.
            let end = end.filter(|end| now < *end || !is_all_there_is(facts, key, world));
            let told = LiveCredential {
                id: id.name.to_string(),
                revision: revision_of(facts),
                created_at: facts.created.map(Time),
                digest: facts.annotations.get(annotation::DIGEST).map(str::to_owned),
                ends_at: end.map(Time),
            };
            (!facts.deleting, told)
        })
        .collect();
    live.sort_by_key(|(stays, it)| {
        let is_current = it.revision == key.revision();
        (*stays, is_current, it.ends_at.clone().map(|at| at.0))
    });
    live.into_iter().map(|(_, it)| it).collect()
}

/// The Secrets of values that go on for a while, the newest first.
pub(super) fn retiring<'a>(
    key: &APIKey,
    existing: &[(&'a SecretId, &'a SecretFacts)],
    current: Fingerprint,
    world: &World,
    now: Timestamp,
) -> Vec<(&'a SecretId, &'a SecretFacts)> {
    let goes_on = |facts: &SecretFacts| {
        let end = end_of(facts, existing);
        end.is_some_and(|end| now < end || is_all_there_is(facts, key, world))
    };
    let mut retiring: Vec<_> = existing
        .iter()
        .filter(|(_, facts)| facts.fingerprint() != Some(current))
        .filter(|(_, facts)| is_earlier(facts, key))
        .filter(|(_, facts)| goes_on(facts))
        .copied()
        .collect();
    retiring.sort_by_key(|(_, facts)| Reverse(since(facts)));
    retiring.truncate(MOST);
    retiring
}

/// When a credential ends: with the first overlap that a later one noted.
fn end_of(facts: &SecretFacts, existing: &[(&SecretId, &SecretFacts)]) -> Option<Timestamp> {
    existing
        .iter()
        .filter(|(_, other)| since(other) > since(facts))
        .filter_map(|(_, other)| time(other, annotation::OVERLAP_UNTIL))
        .min()
}

/// Since when a Secret's value is the successor of another.
fn since(facts: &SecretFacts) -> Option<Timestamp> {
    time(facts, annotation::SINCE)
}

fn time(facts: &SecretFacts, name: &str) -> Option<Timestamp> {
    facts.annotations.get(name)?.parse().ok()
}

/// Which revision of its key a Secret holds.
pub(super) fn revision_of(facts: &SecretFacts) -> i64 {
    let revision = facts.annotations.get(annotation::REVISION);
    revision.and_then(|it| it.parse().ok()).unwrap_or_default()
}
