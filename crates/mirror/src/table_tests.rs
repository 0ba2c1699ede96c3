//! The table: what is news, what has ended, and what is only not known.

use std::sync::Arc;

use devportal_api::APIKey;
use devportal_api::foreign::{AuthPolicy, AuthPolicySpec};
use devportal_api::id::{KeyId, ObjectId, PolicyId, SecretId};
use jiff::Timestamp;
use kube::Resource;

use super::*;
use crate::kind::Credential;
use crate::secret::{Pairs, SecretFacts, ValueFacts};

fn secret(uid: &str, version: u64) -> SecretFacts {
    SecretFacts {
        uid: uid.into(),
        version: Version(version),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        owner_uid: None,
        created: None,
        deleting: false,
        untouched: false,
        value: ValueFacts::NoEntry,
    }
}

fn id(name: &str) -> SecretId {
    SecretId::new("ns", name)
}

fn is(uid: &str, version: u64) -> Told<Credential> {
    Told::Is(id("a"), secret(uid, version))
}

fn gone(uid: &str, version: u64) -> Told<Credential> {
    Told::Ended(id("a"), uid.into(), Some(Version(version)))
}

/// One that has been told these, and found the same differences as one that folds all.
fn table(told: impl IntoIterator<Item = Told<Credential>>) -> Table<Credential> {
    let (mut table, mut folding) = (Table::default(), Table::folding(0));
    for told in told {
        let differences = |taken: Taken<Credential>| format!("{:?}", taken.differences);
        let taken = table.take(told.clone());
        assert_eq!(differences(folding.take(told)), differences(taken));
        folding.trim();
        let all = |table: &Table<Credential>| format!("{:?}", table.iter().collect::<Vec<_>>());
        assert_eq!(all(&folding), all(&table));
        folding.trim();
    }
    table
}

fn listed(version: u64) -> [Told<Credential>; 2] {
    [
        Told::ListBegins(Scope::Cluster),
        Told::ListEnds(Scope::Cluster, Version(version)),
    ]
}

fn uid_of(table: &Table<Credential>) -> Option<&str> {
    table.find(&id("a")).map(Kept::uid)
}

#[test]
fn an_answer_that_arrives_after_the_end_brings_nothing_back() {
    assert_eq!(
        uid_of(&table([is("a", 9), gone("a", 10), is("a", 9)])),
        None
    );
    let answered_404 = Told::Ended(id("a"), "a".into(), None);
    assert_eq!(uid_of(&table([answered_404, is("a", 9)])), None);
}

#[test]
fn a_late_word_about_an_earlier_object_does_not_replace_its_successor() {
    assert_eq!(
        uid_of(&table([is("a", 9), is("b", 11), is("a", 9)])),
        Some("b")
    );
    assert_eq!(uid_of(&table([is("b", 11), is("a", 9)])), Some("b"));
    assert_eq!(
        uid_of(&table([is("a", 9), is("b", 11), gone("a", 10)])),
        Some("b")
    );
}

#[test]
fn versions_are_compared_as_numbers() {
    let mut table = table([is("a", 10)]);
    assert!(table.take(is("a", 9)).differences.is_empty());
    assert!(table.take(is("a", 10)).differences.is_empty());
    assert_eq!(table.take(is("a", 11)).differences.len(), 1);
}

#[test]
fn an_object_that_a_watch_by_label_lost_can_come_back() {
    assert_eq!(
        uid_of(&table([is("a", 9), gone("a", 10), is("a", 12)])),
        Some("a")
    );
}

#[test]
fn what_a_list_does_not_show_has_ended_unless_it_is_newer_than_the_list() {
    let mut table = table([is("a", 9)]);
    table.take(Told::Is(id("b"), secret("b", 12)));
    let [begins, ends] = listed(10);
    table.take(begins);
    let ended = table.take(ends).differences;
    assert_eq!(
        ended.iter().map(|it| it.id.name()).collect::<Vec<_>>(),
        ["a"]
    );
    assert!(
        table.find(&id("b")).is_some(),
        "made after the list was read"
    );
    assert!(table.has_ended("a") && matches!(table.look(&id("a")), Found::Ended));
}

#[test]
fn an_answer_during_a_list_does_not_keep_what_the_list_does_not_show() {
    let mut table = table([is("a", 9)]);
    table.take(Told::ListBegins(Scope::Cluster));
    table.take(is("a", 10).answered());
    assert_eq!(
        table.version(&Scope::Cluster),
        Version(0),
        "no watch told of it"
    );
    table.take(Told::ListEnds(Scope::Cluster, Version(12)));
    assert_eq!(uid_of(&table), None);
}

#[test]
fn what_a_list_of_no_version_does_not_show_has_ended() {
    let mut table = table([is("a", 9)]);
    for told in listed(0) {
        table.take(told);
    }
    assert!(table.has_ended("a") && uid_of(&table).is_none());
}

#[test]
fn a_late_word_about_an_earlier_object_is_no_word_of_its_successor() {
    let mut table = table([is("b", 11)]);
    table.take(Told::ListBegins(Scope::Cluster));
    table.take(is("a", 9));
    table.take(Told::ListEnds(Scope::Cluster, Version(12)));
    assert_eq!(uid_of(&table), None, "the list did not show it");
}

#[test]
fn the_end_of_an_object_is_not_its_successors() {
    assert_eq!(
        uid_of(&table([is("a", 9), is("b", 11), gone("a", 12)])),
        Some("b")
    );
}

#[test]
fn what_a_list_shows_again_stays_also_where_lists_of_two_scopes_overlap() {
    let mut table = table([is("a", 9)]);
    table.take(Told::ListBegins(Scope::Namespace("ns".into())));
    assert!(table.take(is("a", 9)).differences.is_empty());
    table.take(Told::ListBegins(Scope::Namespace("other".into())));
    table.take(Told::ListEnds(Scope::Namespace("ns".into()), Version(20)));
    table.take(Told::ListEnds(
        Scope::Namespace("other".into()),
        Version(20),
    ));
    assert_eq!(uid_of(&table), Some("a"));
}

#[test]
fn what_is_not_listed_is_unknown_and_what_a_list_does_not_show_is_absent() {
    let mut table = table([]);
    assert!(matches!(table.look(&id("a")), Found::Unknown));
    table.take(Told::Lost(
        Scope::Cluster,
        Trouble::Forbidden,
        Timestamp::UNIX_EPOCH,
    ));
    assert!(matches!(table.look(&id("a")), Found::Unknown));
    assert_eq!(
        *table.sight(&Scope::Cluster),
        Sight::Blind(Trouble::Forbidden)
    );
    for told in listed(3) {
        table.take(told);
    }
    assert!(matches!(table.look(&id("a")), Found::Absent));
}

#[test]
fn a_broken_watch_forgets_nothing_and_says_since_when_it_is_blind() {
    let mut table = table(listed(3));
    table.take(is("a", 4));
    let lost = |seconds| {
        let why = Trouble::Failing("connection refused".into());
        Told::Lost(
            Scope::Cluster,
            why,
            Timestamp::from_second(seconds).unwrap(),
        )
    };
    assert!(table.take(lost(5)).sight_changed);
    assert!(!table.take(lost(6)).sight_changed);
    let Sight::Stale(_, since) = table.sight(&Scope::Cluster) else {
        panic!("{:?}", table.sight(&Scope::Cluster))
    };
    assert_eq!(since.as_second(), 5);
    assert_eq!(uid_of(&table), Some("a"));
    assert!(table.take(Told::Resumed(Scope::Cluster)).sight_changed);
    assert_eq!(*table.sight(&Scope::Cluster), Sight::Current);
}

#[test]
fn whoever_waits_for_a_version_is_told_when_it_was_seen() {
    let mut table = table(listed(3));
    assert_eq!(table.version(&Scope::Cluster), Version(3));
    table.take(is("a", 7));
    assert_eq!(table.version(&Scope::Cluster), Version(7));
    table.take(Told::Progress(Scope::Cluster, Version(9)));
    table.take(Told::Progress(Scope::Cluster, Version(8)));
    assert_eq!(table.version(&Scope::Cluster), Version(9));
}

#[test]
fn a_reader_keeps_what_it_looks_at_while_the_writer_goes_on() {
    let mut table = table([is("a", 9)]);
    let before = table.snapshot();
    table.take(gone("a", 10));
    assert_eq!(before.from("ns", "").count(), 1);
    assert_eq!(before.len(), 1);
    assert!(table.snapshot().is_empty());
}

fn flaw(uid: &str, version: u64) -> Arc<Flaw> {
    Arc::new(Flaw {
        uid: uid.into(),
        version: Version(version),
        ..Flaw::default()
    })
}

#[test]
fn of_a_spec_that_cannot_be_read_the_last_one_stands_until_it_can() {
    let key = |version: u64| {
        let spec = serde_json::json!({"apiProductRef": {"name": "games"}, "planTier": "gold",
            "requestedBy": {"userId": "alice", "email": "a@example.com"}});
        let mut key = APIKey::new("alice", serde_json::from_value(spec).unwrap());
        key.meta_mut().uid = Some("u".into());
        key.meta_mut().resource_version = Some(version.to_string());
        Arc::new(key)
    };
    let id = KeyId::new("consumer", "alice");
    let mut table = Table::<APIKey>::default();
    table.take(Told::Is(id.clone(), key(1)));
    table.take(Told::Flawed(id.clone(), None, flaw("u", 2)));
    assert!(matches!(table.look(&id), Found::Flawed(Some(_), _)));
    table.take(Told::Is(id.clone(), key(3)));
    assert!(matches!(table.look(&id), Found::Present(_)));
    table.take(Told::Flawed(id.clone(), None, flaw("another", 4)));
    assert!(
        matches!(table.look(&id), Found::Flawed(None, _)),
        "not of an earlier object"
    );
}

#[test]
fn an_answer_that_cannot_be_read_is_no_word_of_a_watch_either() {
    let id = KeyId::new("consumer", "alice");
    let mut table = Table::<APIKey>::default();
    table.take(Told::ListBegins(Scope::Cluster));
    table.take(Told::Flawed(id.clone(), None, flaw("u", 9)).answered());
    assert!(matches!(table.look(&id), Found::Flawed(None, _)));
    assert_eq!(table.version(&Scope::Cluster), Version(0));
    table.take(Told::ListEnds(Scope::Cluster, Version(12)));
    assert!(matches!(table.look(&id), Found::Absent | Found::Ended));
}

#[test]
fn of_a_foreign_object_the_last_that_could_be_read_as_a_whole_stands() {
    let policy = |version: u64, target: &str| {
        let mut policy = AuthPolicy::new("keys", AuthPolicySpec::default());
        policy.spec.target_ref.name = target.into();
        policy.metadata.uid = Some("u".into());
        policy.metadata.resource_version = Some(version.to_string());
        Arc::new(policy)
    };
    let id = PolicyId::new("owner", "keys");
    let mut table = Table::<AuthPolicy>::default();
    table.take(Told::Is(id.clone(), policy(1, "whole")));
    table.take(Told::Flawed(
        id.clone(),
        Some(policy(2, "in part")),
        flaw("u", 2),
    ));
    assert_eq!(table.find(&id).unwrap().spec.target_ref.name, "whole");
}
