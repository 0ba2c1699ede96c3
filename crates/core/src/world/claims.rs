//! Who waits for a value that another key had, and who may come back for it?
//!
//! Of two keys of one value the one that had it first works. While its Secret, its decision or
//! its product is replaced nobody has the value, and the one that waits is not to take it
//! meanwhile. That a Secret is missing is read from statuses and Secrets, so that a restart
//! forgets nothing; who had a value last is remembered.

use devportal_api::APIKey;
use devportal_api::condition::{Enforcement, kind};
use devportal_api::id::{KeyId, ProductId};
use devportal_mirror::Fingerprint;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;

use super::{Dirty, World, products_of};
use crate::change::Source;
use crate::decision::Id;

impl World {
    /// Notes whether a key waits for a value, or lacks the Secret that it had; those that
    /// wait are looked at where that may matter to them.
    pub(super) fn claims_changed(&mut self, id: &KeyId, key: Option<&APIKey>, dirty: &mut Dirty) {
        let waits = key.filter(|it| waits(it));
        self.waiting
            .set(id, waits.into_iter().flat_map(products_of));
        let lacks = key.filter(|it| self.lacks_its_secret(it));
        let after: Vec<_> = lacks.into_iter().flat_map(products_of).collect();
        let before: Vec<_> = self.lacking.targets(id).cloned().collect();
        for product in before.iter().chain(&after) {
            for product in self.sharing_keys_with(product) {
                let waiting = self.waiting.referrers(&product);
                dirty.extend(waiting.cloned().map(Id::Key));
            }
        }
        self.lacking.set(id, after);
    }

    /// The keys that may have had this value and lack their Secret: since when each does,
    /// where its status tells that already.
    pub(crate) fn absent_with<'a>(
        &'a self,
        value: &'a Fingerprint,
        id: &'a KeyId,
        product: &ProductId,
    ) -> impl Iterator<Item = Option<Timestamp>> + 'a {
        let products = self.sharing_keys_with(product);
        let keys = products.flat_map(|it| self.lacking.referrers(&it).cloned().collect::<Vec<_>>());
        keys.filter(move |key| key != id).filter_map(|key| {
            let key = self.find_key(&key)?;
            self.may_have(key, value)
                .then(|| find(key, kind::FAILED).map(|it| it.last_transition_time.0))
        })
    }

    /// The keys that had this value last, have nothing now and may come back for it: since
    /// when each has been without, where its status tells that already.
    pub(crate) fn former_holders<'a>(
        &'a self,
        value: &'a Fingerprint,
        id: &'a KeyId,
    ) -> impl Iterator<Item = (&'a KeyId, Option<Timestamp>)> + 'a {
        let former = self.had.referrers(value).filter(move |key| *key != id);
        former.filter_map(|key| {
            let found = self.find_key(key).filter(|it| self.may_have(it, value))?;
            if self.credentials_of(key).next().is_some() {
                return None;
            }
            let [pending, failed] = [kind::PENDING, kind::FAILED].map(|it| find(found, it));
            let since = pending.or(failed).map(|it| it.last_transition_time.0);
            // Its status may not tell yet that its credential is gone.
            let status = found.status.as_ref();
            let lists_one = status.is_some_and(|it| !it.credentials.is_empty());
            let is_news = find(found, kind::APPROVED).is_some() && lists_one;
            (since.is_some() || is_news).then_some((key, since))
        })
    }

    /// Whether a key's Secret may come back with a value: it has that, or nothing.
    fn may_have(&self, key: &APIKey, value: &Fingerprint) -> bool {
        match self.find_source(&key.source_secret()) {
            Some(Source::Is(facts)) => facts.fingerprint().is_none_or(|it| it == *value),
            _ => true,
        }
    }

    /// Whether a key was granted access, and the Secret that it brings is not there.
    fn lacks_its_secret(&self, key: &APIKey) -> bool {
        let status = key.status.as_ref();
        let is_granted = status.is_some_and(|it| it.approved_terms.is_some());
        if key.is_generated() || !is_granted || key.meta().deletion_timestamp.is_some() {
            return false;
        }
        let is_missing = match self.find_source(&key.source_secret()) {
            Some(Source::Gone(_)) => true,
            Some(Source::Is(facts)) => facts.fingerprint().is_none(),
            Some(Source::Forbidden) | None => false,
        };
        is_missing || find(key, kind::FAILED).is_some_and(|it| it.reason.starts_with("Secret"))
    }

    /// A product, and those that it has keys in common with.
    fn sharing_keys_with(&self, product: &ProductId) -> impl Iterator<Item = ProductId> + use<> {
        let others = self.overlap_of(product).others();
        std::iter::once(product.clone()).chain(others)
    }
}

/// Whether a key says that another has its value.
pub(crate) fn waits(key: &APIKey) -> bool {
    let reason = Enforcement::ValueInUse.fact().reason;
    find(key, kind::ENFORCED).is_some_and(|it| it.reason == reason)
}

fn find<'a>(key: &'a APIKey, kind: &str) -> Option<&'a Condition> {
    let mut conditions = key.status.iter().flat_map(|it| &it.conditions);
    conditions.find(|it| it.type_ == kind)
}
