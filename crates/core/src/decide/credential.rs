//! Which Secrets does an approved key need?
//!
//! A key's value lives in its *source* Secret, in the consumer's namespace: the
//! consumer's own, or one that we make for a generated key. An *enforcement*
//! Secret in the Kuadrant namespace repeats it for the gateway. Enforcement
//! Secrets are never edited: Authorino ignores updates that leave the value
//! alone, so a change makes a new Secret first and deletes the old one after.
//!
//! A rotation gives a generated key a new value. The successor notes how long the
//! credential before it goes on working; nobody has to remember it.
//!
//! A key that is shown once has no source: its value is generated into an enforcement
//! Secret, and those after it are copies of that.

mod rotation;
mod withdrawal;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use devportal_api::APIKey;
use devportal_api::condition::{Enforcement, Refused};
use devportal_api::id::{KeyId, ProductId, SecretId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::{self, annotation, label};
use devportal_api::scheme::{ApiKeyAuthentication, AuthenticationRule};
use devportal_mirror::secret::Pairs;
use devportal_mirror::{Fingerprint, SecretFacts, ValueFacts, Version};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::after;
use super::key::GRACE;
use super::ruling;
use crate::change::Source;
use crate::decision::{NewSecret, Owner, ValueSource, Write};
use crate::discover::{Settled, selector};
use crate::world::{Holder, World, claims, labels_of};

pub(super) use rotation::{live, retire};
pub(super) use withdrawal::{
    astray, expired, is_inherited, presence_of, withdraw, withdraw_source,
};
use withdrawal::{delete, delete_source, is_orphan, is_owned, may_be_made_by_us};

/// Labels, or annotations.
type Marks = BTreeMap<String, String>;

/// What is to be done about a key's Secrets.
pub(super) enum Step {
    /// Write this, then look again.
    Write(Vec<Write>),
    /// Everything is in place.
    Done,
    /// Something has to be observed first.
    Wait,
    /// It cannot be done for now.
    Stuck(Enforcement),
    /// Another key that had the value may come back for it until then.
    Yield(Timestamp),
}

/// What the Secrets of a key are made from.
pub(super) struct Recipe<'a> {
    pub(super) id: &'a KeyId,
    pub(super) key: &'a APIKey,
    pub(super) terms: &'a ApprovedTerms,
    pub(super) rule: &'a AuthenticationRule,
    pub(super) namespace: &'a str,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
    /// Whether the key is newer than the decision: both were restored from a backup.
    pub(super) is_restored: bool,
}

/// How many Secrets of one value may be held on their way out before no other is made.
const MOST_HELD: usize = 4;

/// How many Secrets of earlier selectors stay until the operator has carried out the latest.
const MOST_LINGERING: usize = 4;

/// Secrets that an earlier selector takes. After its change the gateway goes by it until the
/// operator has carried the policy out: who is let in by one of these is let in till then.
struct Before<'a> {
    /// What the Secrets of this key and product are labelled with in any case.
    own: BTreeMap<&'a String, &'a String>,
    rule: ApiKeyAuthentication,
}

impl Before<'_> {
    /// Whether a Secret has them; and whether the selector as it is now takes it as well: it is
    /// made anew once that counts, for of two of one value the gateway may go by either.
    fn are_of(&self, facts: &SecretFacts, is_taken: bool) -> bool {
        let mut own = self.own.iter();
        own.all(|(label, value)| facts.labels.get(label) == Some(value.as_str()))
            && selector::takes(&self.rule, &labels_of(facts)) == is_taken
    }
}

/// Who else has the value.
enum Contest {
    /// Nobody.
    None,
    /// This key was there first; the newest Secret of the others.
    Won(Version),
    /// Another was; what is to go.
    Lost(Vec<Write>),
    /// Nobody has it just now, and this one waits for it: who had it has until then to come
    /// back.
    Open(Timestamp),
}

/// A value that is to be accepted.
struct Wanted {
    /// Where it is read.
    from: SecretId,
    value: Fingerprint,
    /// What its Secret says of its place in a rotation.
    place: Marks,
}

impl Recipe<'_> {
    /// The next step towards one enforcement Secret that says what was approved,
    /// and one for each value that a rotation lets go on for a while.
    pub(super) fn next(&self) -> Step {
        let existing: Vec<_> = self.world.credentials_of(self.id).collect();
        let found = if self.key.is_shown_once() {
            let only = self.find_only();
            only.map(|(from, value)| self.wanted(from, value, &existing))
        } else {
            match self.source() {
                Ok(found) => found.map(|(from, value)| self.wanted(from, value, &existing)),
                // Whatever becomes of its source, the key goes on as it was approved.
                Err(Step::Stuck(why)) => {
                    return match self.without_source(&existing) {
                        Step::Done => Step::Stuck(why),
                        step => step,
                    };
                }
                Err(Step::Write(mut writes)) => {
                    if let Step::Write(more) = self.without_source(&existing) {
                        writes.extend(more);
                    }
                    return Step::Write(writes);
                }
                Err(step) => return step,
            }
        };
        let (labels, annotations) = match self.marks() {
            Ok(marks) => marks,
            Err(why) => return Step::Stuck(Enforcement::SelectorUnsatisfiable(why)),
        };
        match found {
            Some(wanted) => self.towards(&wanted, &existing, &labels, &annotations),
            None => self.generate(&existing, labels, annotations),
        }
    }

    /// The next step where the Secret that the value is read from is of no use: what is there is
    /// made to say what was approved.
    fn without_source(&self, existing: &[(&SecretId, &SecretFacts)]) -> Step {
        let is_earlier = |facts: &SecretFacts| rotation::revision_of(facts) != self.key.revision();
        // Of one value the newest is what others are copied from: it is the last to go.
        let mut newest = existing.to_vec();
        newest.sort_by_key(|(_, facts)| (is_earlier(facts), Reverse(facts.version)));
        let mut wanted = Vec::new();
        for secret in newest.iter().filter(|it| self.is_of_this_key(it.1)) {
            goes_on(*secret, &mut wanted);
        }
        match self.marks() {
            Ok((labels, annotations)) if !wanted.is_empty() => {
                self.towards(&wanted, existing, &labels, &annotations)
            }
            _ => Step::Done,
        }
    }

    /// The next step towards a Secret for each of these values, the current one first.
    fn towards(
        &self,
        wanted: &[Wanted],
        existing: &[(&SecretId, &SecretFacts)],
        labels: &Marks,
        annotations: &Marks,
    ) -> Step {
        let fingerprint = wanted[0].value;
        let newest_of_others = match self.contest(fingerprint, existing) {
            Contest::None => None,
            Contest::Won(version) => Some(version),
            Contest::Lost(writes) if writes.is_empty() => {
                return Step::Stuck(Enforcement::ValueInUse);
            }
            Contest::Lost(writes) => return Step::Write(writes),
            Contest::Open(until) => return Step::Yield(until),
        };
        // Each change of one that is held puts it in the place of another of its value.
        let held_ones: Vec<_> = held_secrets(self.id, self.world).collect();
        let is_in_place = |facts: &SecretFacts| {
            let mut twins = held_ones.iter().filter(|(_, it)| it.has_value_of(facts));
            twins.all(|(_, it)| it.version < facts.version)
        };
        // Whatever labels it has.
        let says_all = |facts: &SecretFacts, wanted: &Wanted| {
            facts.fingerprint() == Some(wanted.value)
                && says(&facts.annotations, annotations)
                && facts.annotations.get(annotation::REVISION)
                    == wanted.place.get(annotation::REVISION).map(String::as_str)
        };
        let is_right = |(id, facts): &&(&SecretId, &SecretFacts), wanted: &Wanted| {
            id.namespace == self.namespace
                && is_in_place(facts)
                && (wanted.value != fingerprint
                    || newest_of_others.is_none_or(|newest| facts.version > newest))
                && says_all(facts, wanted)
        };
        let before = self.labels_before(labels);
        let is_of_before =
            |facts: &SecretFacts, is_taken| before.iter().any(|it| it.are_of(facts, is_taken));
        let mut kept = Vec::new();
        let mut missing = Vec::new();
        for wanted in wanted {
            let right = || existing.iter().filter(|it| is_right(it, wanted));
            let labelled = right().find(|(_, facts)| is_labelled(facts, labels));
            match labelled.or_else(|| right().find(|(_, facts)| is_of_before(facts, true))) {
                Some((id, _)) => kept.push(*id),
                None => missing.push(wanted),
            }
        }
        let others = existing
            .iter()
            .copied()
            .filter(|(id, _)| !kept.contains(id));
        let (mut lingering, mut others): (Vec<_>, Vec<_>) = others.partition(|(_, facts)| {
            is_of_before(facts, false) && wanted.iter().any(|it| says_all(facts, it))
        });
        // The first of them are those by which the gateway goes still.
        lingering.sort_by_key(|(_, facts)| facts.version);
        others.extend(lingering.into_iter().skip(MOST_LINGERING));
        if !missing.is_empty() {
            // Whoever holds each that is to go is not fed for ever.
            let is_missing = |facts: &SecretFacts| {
                missing
                    .iter()
                    .any(|it| facts.fingerprint() == Some(it.value))
            };
            let mut twins = held_ones.iter().filter(|(_, facts)| is_missing(facts));
            if let Some((id, _)) = twins.nth(MOST_HELD - 1) {
                return Step::Stuck(held(id));
            }
            // A Secret goes before its successor is there only where another holds the
            // same value, and it is not copied: whatever alters what is written, or holds
            // what is to go, fills no namespace. Of two the gateway goes by the newer.
            others.sort_by_key(|(_, facts)| Reverse(facts.version));
            let mut held = Vec::new();
            let is_surplus = |(id, facts): &&(&SecretId, &SecretFacts)| {
                let value = intact_fingerprint(facts);
                let is_copied = missing.iter().any(|it| it.from == **id);
                let is_held = held.contains(&value) || !is_in_place(facts) && !is_copied;
                held.push(value);
                is_held
            };
            let surplus = others.iter().filter(is_surplus);
            let mut writes: Vec<Write> = surplus.map(|it| delete(*it)).collect();
            writes.extend(missing.into_iter().map(|it| {
                let annotations = annotations.clone().into_iter().chain(it.place.clone());
                self.create(it, labels.clone(), annotations.collect())
            }));
            return Step::Write(writes);
        }
        let writes: Vec<Write> = others.into_iter().map(delete).collect();
        if writes.is_empty() {
            Step::Done
        } else {
            Step::Write(writes)
        }
    }

    /// The labels by which the gateway may go on finding the key's Secrets; none where the
    /// operator has carried the policies out, as it has nearly always.
    fn labels_before<'b>(&self, labels: &'b Marks) -> Option<Before<'b>> {
        let product = self.terms.product_id();
        let is_settled = match self.world.find_discovery(&product)?.auth.settled {
            Settled::Yes => true,
            Settled::NotSince(_) => self.settles_at() <= Some(self.now),
            Settled::No => false,
        };
        if is_settled {
            return None;
        }
        let own = self::labels(self.id, &product);
        let own = labels.iter().filter(|(label, _)| own.contains_key(*label));
        Some(Before {
            own: own.collect(),
            rule: self.rule.api_key.clone().unwrap_or_default(),
        })
    }

    /// Until when the gateway may go by what its policies said before, although the operator
    /// has looked at them: something is in its way.
    pub(super) fn settles_at(&self) -> Option<Timestamp> {
        let found = self.world.find_discovery(&self.terms.product_id())?;
        match found.auth.settled {
            Settled::NotSince(since) => Some(after(since, GRACE)),
            Settled::Yes | Settled::No => None,
        }
    }

    /// Whether other keys that open the same API have the value, by their products or by what
    /// their Secrets still carry. The gateway goes by the Secret that it saw last, and forgets
    /// the value with that one: so the key that was there first makes its Secret anew, and only
    /// then the others' go.
    fn contest(&self, value: Fingerprint, existing: &[(&SecretId, &SecretFacts)]) -> Contest {
        let product = self.terms.product_id();
        let found = self.world.find_discovery(&product);
        let is_taken = |labels: &Marks| {
            let mut rules = found.into_iter().flat_map(|it| &it.auth.key_rules);
            rules.any(|(_, rule)| selector::takes(rule, labels))
        };
        let opens =
            |it: &Holder| self.world.share_keys(&product, &it.product) || is_taken(&it.labels());
        let holders = self.world.credentials_with(&value);
        let others: Vec<_> = holders
            .filter(|it| it.key != *self.id && opens(it))
            .collect();
        let Some(newest) = others.iter().map(Holder::version).max() else {
            return match self.yields_until(&value) {
                Some(until) => Contest::Open(until),
                None => Contest::None,
            };
        };
        let mine = existing
            .iter()
            .filter(|it| it.1.fingerprint() == Some(value));
        let newest_of_mine = mine.map(|it| it.1.version).max();
        let age = |key: &APIKey| {
            (
                key.meta().creation_timestamp.clone().map(|it| it.0),
                key.uid(),
            )
        };
        let is_first = |other: &KeyId| {
            let other = self.world.find_key(other);
            other.is_none_or(|other| age(self.key) < age(other))
        };
        match newest_of_mine {
            Some(_) if others.iter().all(|it| is_first(&it.key)) => Contest::Won(newest),
            // What the winner has made since is in force.
            Some(mine) if newest < mine => Contest::Lost(vec![]),
            _ => Contest::Lost(existing.iter().map(|it| delete(*it)).collect()),
        }
    }

    /// Until when a key that waits for its value leaves it to who had it: somebody replaces
    /// a Secret by deleting it and creating it again. A value that is newer than what the
    /// key says is none that it waits for.
    fn yields_until(&self, value: &Fingerprint) -> Option<Timestamp> {
        let told = Version::of(self.key.meta().resource_version.as_deref());
        let source = self.world.find_source(&self.key.source_secret());
        let is_newer = matches!(source, Some(Source::Is(facts)) if facts.version > told);
        if is_newer || !claims::waits(self.key) {
            return None;
        }
        let product = self.terms.product_id();
        let absent = self.world.absent_with(value, self.id, &product);
        let former = self.world.former_holders(value, self.id);
        let former = former.filter(|(key, _)| self.may_come_back(key, &product));
        let all = absent.chain(former.map(|(_, since)| since));
        let until = all.map(|since| after(since.unwrap_or(self.now), GRACE));
        until.filter(|until| self.now < *until).min()
    }

    /// Whether a key that had the value opens the same API, and nobody denied it.
    fn may_come_back(&self, key: &KeyId, product: &ProductId) -> bool {
        let world = self.world;
        let mut requests = world.requests_of(key);
        let is_denied = requests.any(|request| {
            let ruling = ruling::find(request, world, self.now);
            matches!(ruling, Ok(Some(ruling)) if !ruling.spec.approved)
        });
        let found = world.find_key(key).filter(|_| !is_denied);
        found.is_some_and(|it| {
            it.meta().deletion_timestamp.is_none() && world.share_keys(product, &it.product_id())
        })
    }

    /// The current value, and those that a rotation lets go on.
    fn wanted(
        &self,
        source: SecretId,
        current: Fingerprint,
        existing: &[(&SecretId, &SecretFacts)],
    ) -> Vec<Wanted> {
        let mut wanted = vec![Wanted {
            from: source,
            value: current,
            place: rotation::place(self.key, existing, Some(current), self.now),
        }];
        for secret in rotation::retiring(self.key, existing, current, self.world, self.now) {
            goes_on(secret, &mut wanted);
        }
        wanted
    }

    fn create(&self, wanted: &Wanted, labels: Marks, annotations: Marks) -> Write {
        Write::CreateSecret(NewSecret {
            id: self.free_name(wanted, &labels, &annotations),
            labels,
            annotations,
            owner: None,
            value: self.copy_of(&wanted.from, wanted.value),
            generated: self.is_generated(&wanted.from),
        })
    }

    /// Whether the value that is read there was generated: of one that was brought no digest is
    /// told.
    fn is_generated(&self, from: &SecretId) -> bool {
        match self.credential(from) {
            Some(facts) if facts.annotations.has(annotation::KEY) => {
                facts.annotations.has(annotation::DIGEST)
            }
            _ => self.key.is_generated(),
        }
    }

    /// One of the key's Secrets that the gateway reads; none where it is the source.
    fn credential(&self, id: &SecretId) -> Option<&SecretFacts> {
        let mut all = self.world.enforcement_of(self.id);
        all.find(|(it, _)| *it == id).map(|(_, facts)| facts)
    }

    fn copy_of(&self, from: &SecretId, value: Fingerprint) -> ValueSource {
        ValueSource::CopyOf {
            from: from.clone(),
            uid: self.credential(from).map(|it| it.uid.to_string()),
            value,
        }
    }

    /// A new value for a key that is shown once, straight into the Secret that the
    /// gateway reads. A revision has one name to be generated under, and what else there
    /// is of it goes first: whatever answer is lost, no two values of one are accepted.
    fn generate(
        &self,
        existing: &[(&SecretId, &SecretFacts)],
        labels: Marks,
        mut annotations: Marks,
    ) -> Step {
        let revision = self.key.revision();
        let is_of_revision = |(_, facts): &(&SecretId, &SecretFacts)| {
            rotation::revision_of(facts) == revision
                && may_be_generated(facts)
                && self.is_of_this_key(facts)
        };
        let mut held_ones = held_secrets(self.id, self.world);
        if let Some((id, _)) = held_ones.find(is_of_revision) {
            return Step::Stuck(held(id));
        }
        let of_revision: Vec<_> = existing.iter().copied().filter(is_of_revision).collect();
        if !of_revision.is_empty() {
            return Step::Write(of_revision.into_iter().map(delete).collect());
        }
        annotations.extend(rotation::place(self.key, existing, None, self.now));
        let place = format!("{}/{revision}", self.key.uid().unwrap_or_default());
        Step::Write(vec![Write::CreateSecret(NewSecret {
            id: name::revised_enforcement_secret(self.id, self.namespace, &place),
            labels,
            annotations,
            owner: None,
            value: ValueSource::Generate,
            generated: true,
        })])
    }

    /// The Secret that holds the value, put in place where it is ours to make; none where the
    /// gateway is to have another one first.
    fn source(&self) -> Result<Option<(SecretId, Fingerprint)>, Step> {
        let id = self.key.source_secret();
        if self.world.is_source_lost(&id) {
            return Err(Step::Stuck(Enforcement::SecretForbidden(id)));
        }
        let facts = match self.world.find_source(&id) {
            None => return Err(Step::Wait),
            Some(Source::Forbidden) => {
                return Err(Step::Stuck(Enforcement::SecretForbidden(id)));
            }
            Some(Source::Gone(_)) => None,
            Some(Source::Is(facts)) => Some(facts),
        };
        if !self.key.is_generated() {
            // Absence and emptiness were ruled out before.
            let value = facts.and_then(SecretFacts::fingerprint);
            return value.map(|value| Some((id, value))).ok_or(Step::Wait);
        }
        let Some(facts) = facts else {
            return Err(Step::Write(vec![self.make_source(id)]));
        };
        // One that a finalizer holds cannot be replaced. What it has the gateway may have, too;
        // but what was taken away does not come back from it.
        let replace = || {
            Err(if facts.deleting {
                Step::Stuck(Enforcement::SecretHeld(id.clone()))
            } else {
                Step::Write(vec![delete_source(&id, facts)])
            })
        };
        if !is_owned(facts, self.key) && !is_orphan(facts, self.id) {
            return Err(Step::Stuck(Enforcement::SecretConflict(id)));
        }
        // What an earlier key of the name left behind is no value for this one, unless the
        // key was restored.
        if !is_owned(facts, self.key) && !self.is_restored {
            return replace();
        }
        if rotation::revision_of(facts) != self.key.revision() {
            // Nobody is given a value that the gateway does not accept yet, and it goes on
            // accepting the one before.
            let mut working = self.world.credentials_of(self.id);
            return match self.enforced() {
                None if working.next().is_some() && !facts.deleting => Ok(None),
                _ => replace(),
            };
        }
        let intact = intact_fingerprint(facts);
        let enforced = self.enforced().map(|(_, value)| value);
        match (intact, enforced) {
            // One of version 0.1 is itself a credential: made anew it is not.
            (Some(value), Some(enforced)) if value == enforced && opens(facts) => replace(),
            // What was made before the key was brought one of its own is over with that.
            (Some(value), None) if self.was_brought_since(facts, value) => replace(),
            // Whoever may make Secrets there may also write whose they are.
            (Some(_), None) if !facts.deleting && !may_be_made_by_us(facts, self.key) => {
                Err(Step::Stuck(Enforcement::SecretConflict(id)))
            }
            (Some(value), None) if !facts.deleting => Ok(Some((id, value))),
            (Some(value), Some(enforced)) if value == enforced => Ok(Some((id, value))),
            // What the gateway accepts is the truth about a generated key: the
            // source lies in a namespace other people write to.
            _ => replace(),
        }
    }

    /// An enforcement Secret of the current revision that nobody tampered with.
    fn enforced(&self) -> Option<(&SecretId, Fingerprint)> {
        self.of_current()
            .find_map(|(id, facts)| Some((id, intact_fingerprint(facts)?)))
    }

    /// Whether the gateway accepts another value for the key, which was not generated, and has
    /// since its source was made.
    fn was_brought_since(&self, source: &SecretFacts, value: Fingerprint) -> bool {
        let mut all = self.world.credentials_of(self.id);
        all.any(|(_, facts)| {
            !facts.annotations.has(annotation::DIGEST)
                && facts.version > source.version
                && facts.fingerprint().is_some_and(|it| it != value)
        })
    }

    /// Where the value of a key that is shown once is: of several copies the newest stays.
    /// What opens another product goes at once, and its value with it.
    fn find_only(&self) -> Option<(SecretId, Fingerprint)> {
        let product = self.terms.product_id().to_string();
        let of_product =
            |facts: &SecretFacts| facts.annotations.get(annotation::PRODUCT) == Some(&product);
        self.of_current()
            .filter(|(_, facts)| of_product(facts) && intact_fingerprint(facts).is_some())
            .max_by_key(|(_, facts)| facts.version)
            .and_then(|(id, facts)| Some((id.clone(), intact_fingerprint(facts)?)))
    }

    /// The enforcement Secrets of the current revision.
    fn of_current(&self) -> impl Iterator<Item = (&SecretId, &SecretFacts)> {
        self.world.credentials_of(self.id).filter(|(_, facts)| {
            rotation::revision_of(facts) == self.key.revision()
                && may_be_generated(facts)
                && self.is_of_this_key(facts)
        })
    }

    /// Not of an earlier one of the same name. The published controller notes no UID.
    fn is_of_this_key(&self, facts: &SecretFacts) -> bool {
        let uid = facts.annotations.get(annotation::KEY_UID);
        uid.is_none_or(|uid| self.key.uid().as_deref() == Some(uid))
    }

    fn make_source(&self, id: SecretId) -> Write {
        let value = match self.enforced() {
            Some((from, fingerprint)) => self.copy_of(from, fingerprint),
            None => ValueSource::Generate,
        };
        let mut annotations = self.identity();
        if self.key.revision() != 0 {
            let revision = self.key.revision().to_string();
            annotations.insert(annotation::REVISION.to_owned(), revision);
        }
        let owner = Owner {
            kind: "APIKey",
            name: self.id.name.to_string(),
            uid: self.key.uid().unwrap_or_default(),
        };
        Write::CreateSecret(NewSecret {
            id,
            labels: BTreeMap::new(),
            annotations,
            owner: Some(owner),
            value,
            generated: true,
        })
    }

    /// The published name for the first credential, another one while an older
    /// credential still has it.
    fn free_name(&self, wanted: &Wanted, labels: &Marks, annotations: &Marks) -> SecretId {
        let first = name::enforcement_secret(self.id, self.namespace);
        let existing: Vec<_> = self.world.enforcement_of(self.id).collect();
        let is_current = wanted.from == self.key.source_secret();
        if is_current && existing.iter().all(|(id, _)| **id != first) {
            return first;
        }
        let uids: Vec<_> = existing.iter().map(|(_, facts)| &facts.uid).collect();
        let from = &wanted.from;
        let revision = format!("{labels:?}{annotations:?}{uids:?}{from}");
        name::revised_enforcement_secret(self.id, self.namespace, &revision)
    }

    /// Labels and annotations of the enforcement Secret.
    fn marks(&self) -> Result<(Marks, Marks), String> {
        let terms = self.terms;
        let product = self.terms.product_id();
        let mut labels = labels(self.id, &product);
        let selector = self
            .rule
            .api_key
            .as_ref()
            .and_then(|api_key| api_key.selector.as_ref());
        let every_key_has: BTreeSet<_> = labels.keys().cloned().collect();
        if let Some(selector) = selector {
            selector::satisfy(selector, &mut labels)?;
        }
        let added = labels
            .keys()
            .filter(|label| !every_key_has.contains(*label));
        let selected_by = added.map(String::as_str).collect::<Vec<_>>().join(",");
        let mut annotations = self.identity();
        annotations.insert(annotation::SELECTED_BY.to_owned(), selected_by);
        annotations.insert(annotation::PRODUCT.to_owned(), product.to_string());
        annotations.insert(annotation::PLAN.to_owned(), terms.plan_tier.clone());
        annotations.insert(
            annotation::USER.to_owned(),
            terms.requested_by.user_id.clone(),
        );
        if let Some(at) = &terms.expires_at {
            annotations.insert(annotation::EXPIRES_AT.to_owned(), at.0.to_string());
        }
        Ok((labels, annotations))
    }

    fn identity(&self) -> Marks {
        [
            (annotation::KEY.to_owned(), self.id.to_string()),
            (
                annotation::KEY_UID.to_owned(),
                self.key.uid().unwrap_or_default(),
            ),
        ]
        .into()
    }
}

/// Adds the value of a Secret as it is, unless it is wanted already or somebody tampered with it.
fn goes_on((id, facts): (&SecretId, &SecretFacts), wanted: &mut Vec<Wanted>) {
    if let Some(value) = intact_fingerprint(facts)
        && wanted.iter().all(|other| other.value != value)
    {
        wanted.push(Wanted {
            from: id.clone(),
            value,
            place: rotation::place_of(facts),
        });
    }
}

/// The labels of each enforcement Secret of a key, before those that a selector asks for.
pub(super) fn labels(id: &KeyId, product: &ProductId) -> Marks {
    let of_key = [
        (label::KEY, &id.name),
        (label::KEY_NAMESPACE, &id.namespace),
    ];
    let mut labels = selector::labels_for(product);
    labels.extend(of_key.map(|(label, whole)| (label.to_owned(), name::label_value(whole))));
    labels
}

/// The Secret of a key that is to go, is held by a finalizer, and has a value of its own.
pub(super) fn find_held<'a>(id: &KeyId, world: &'a World) -> Option<&'a SecretId> {
    let is_alone = |facts: &SecretFacts| {
        let mut staying = world.credentials_of(id);
        staying.all(|(_, other)| other.fingerprint() != facts.fingerprint())
    };
    let mut all = held_secrets(id, world);
    let held = all.find(|(_, facts)| is_alone(facts));
    held.map(|(id, _)| id)
}

/// The Secrets of a key that are to go, and that finalizers hold. Not those where Kuadrant was
/// before: nobody sees them go, and only a rule with `allNamespaces` takes them still.
fn held_secrets<'a>(
    id: &KeyId,
    world: &'a World,
) -> impl Iterator<Item = (&'a SecretId, &'a SecretFacts)> {
    let namespace = world.kuadrant_namespace();
    let all = world.enforcement_of(id);
    all.filter(move |(id, facts)| facts.deleting && Some(&*id.namespace) == namespace)
}

/// How it reads that a Secret is to go and the gateway reads it still.
pub(super) fn held(id: &SecretId) -> Enforcement {
    Enforcement::RevocationRefused(Refused {
        target: format!("Secret {id}"),
        reason: "Held".to_owned(),
        message: "it is being deleted, and a finalizer holds it".to_owned(),
    })
}

/// Whether a Secret's annotations say what is wanted. Those that bind the
/// Secret to its key are allowed to be missing: the published controller does
/// not write them.
fn says(have: &Pairs, want: &Marks) -> bool {
    let published = [annotation::PLAN, annotation::USER, annotation::EXPIRES_AT];
    let identity = [annotation::KEY, annotation::KEY_UID, annotation::PRODUCT];
    let wanted = |name: &str| want.get(name).map(String::as_str);
    published.iter().all(|name| have.get(name) == wanted(name))
        && identity
            .iter()
            .all(|name| !have.has(name) || have.get(name) == wanted(name))
}

/// Whether a Secret has the labels that are wanted, and none of ours besides:
/// one that is left over from another selector may open another API. What others
/// add, an admission webhook for example, is theirs.
fn is_labelled(have: &SecretFacts, want: &Marks) -> bool {
    let mut wanted = want.iter();
    wanted.all(|(label, value)| have.labels.get(label) == Some(value))
        && match have.annotations.get(annotation::SELECTED_BY) {
            Some(ours) => (ours.split(',')).all(|it| it.is_empty() || want.contains_key(it)),
            // Secrets of the published controller do not tell.
            None => have.labels.len() == want.len(),
        }
}

/// Whether a Secret may hold a value that was generated. Of ours those do that
/// note its digest; the published controller noted nothing.
fn may_be_generated(facts: &SecretFacts) -> bool {
    facts.annotations.has(annotation::DIGEST) || !facts.annotations.has(annotation::KEY)
}

/// Whether Authorino reads a Secret of a consumer's namespace, as those of version 0.1.
fn opens(facts: &SecretFacts) -> bool {
    facts.labels.has(label::MANAGED_BY)
}

/// The value of a Secret nobody is known to have tampered with. Without a
/// digest there is nothing to tell by: Secrets of the first generation.
fn intact_fingerprint(facts: &SecretFacts) -> Option<Fingerprint> {
    match facts.value {
        ValueFacts::Value {
            intact: Some(false),
            ..
        } => None,
        _ => facts.fingerprint(),
    }
}
