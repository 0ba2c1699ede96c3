//! How is a page found? Objects stand in order under every mark that they are looked
//! for by, so that a page costs what it shows.
//!
//! | asked for | cost |
//! |---|---|
//! | a page, from anywhere on | one search per namespace and state, then what it shows; who may see every namespace costs one per state |
//! | a page of a search | one reading of all texts (0.1 ms at 10 000 objects) and a sort of what it finds; where it finds many, the search ends and the page is looked for in order |
//! | how many there are | one look per namespace and state |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use devportal_api::id::{ObjectId, ProductId};
use devportal_mirror::table::Taken;
use devportal_mirror::{Difference, Kind, Order, Table, Told};
use itertools::Itertools;

use crate::texts::{Texts, Words};

/// What objects are looked for by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Of which namespace; `None`: of any.
    pub(crate) namespace: Option<String>,
    pub(crate) topic: Topic,
}

/// What they are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Anything,
    /// A product.
    Product(ProductId),
    /// What waits for a decision, of all products or of one.
    Waiting(Option<ProductId>),
    /// Access that was approved and that the gateway does not enforce.
    Unenforced,
    /// A product of which something is not as it should be.
    Troubled,
}

/// Where an object stands.
pub(crate) type Place<S, O> = (Mark, S, O);

/// What an object is looked for by, and ordered by.
pub(crate) struct Stand<S, O> {
    pub(crate) topics: Vec<Topic>,
    pub(crate) state: S,
    pub(crate) rank: O,
}

/// Where an object stands: in its namespace, and in the whole cluster.
fn places<K: Shelved>(id: &K::Id, kept: &K::Kept) -> Vec<Place<K::State, K::Rank>> {
    let Stand {
        topics,
        state,
        rank,
    } = K::stand(id, kept);
    let marks = topics.into_iter().flat_map(|topic| {
        [None, Some(id.namespace().to_owned())].map(|namespace| Mark {
            namespace,
            topic: topic.clone(),
        })
    });
    marks.map(|mark| (mark, state, rank.clone())).collect()
}

/// A kind that is listed.
pub(crate) trait Shelved: Kind {
    /// What objects are told apart by, in lists and counts.
    type State: Copy + Ord + Debug + Send + Sync + 'static;
    /// What they are ordered by, before their ids.
    type Rank: Clone + Ord + Debug + Send + Sync + 'static;

    /// Every state there is.
    const STATES: &'static [Self::State];
    /// Before everything.
    fn first() -> Self::Rank;
    fn stand(id: &Self::Id, kept: &Self::Kept) -> Stand<Self::State, Self::Rank>;
    /// What is searched.
    fn text(id: &Self::Id, kept: &Self::Kept) -> String;
}

/// The objects of a kind, in order.
#[derive(Debug)]
pub(crate) struct Shelf<K: Shelved> {
    pub(crate) table: Table<K>,
    order: Order<K, Place<K::State, K::Rank>>,
    tally: BTreeMap<(Mark, K::State), usize>,
    /// Those in which there is anything.
    pub(crate) namespaces: Arc<BTreeSet<String>>,
    texts: Texts<K::Id>,
}

impl<K: Shelved> Default for Shelf<K> {
    fn default() -> Self {
        Self {
            table: Table::default(),
            order: Order::new(places::<K>),
            tally: BTreeMap::new(),
            namespaces: Arc::default(),
            texts: Texts::default(),
        }
    }
}

/// Which objects are wanted.
#[derive(Debug)]
pub(crate) struct Wanted<K: Shelved> {
    pub(crate) marks: Vec<Mark>,
    pub(crate) states: Vec<K::State>,
    /// In lower case; empty: all.
    pub(crate) words: String,
    /// The last of the page before.
    pub(crate) after: Option<(K::Rank, K::Id)>,
    pub(crate) limit: usize,
}

/// A search that finds so many is not sorted: a page of them is soon found in order.
const MANY: usize = 500;

/// An object that is wanted.
struct Row<'a, K: Shelved> {
    rank: K::Rank,
    id: &'a K::Id,
    kept: &'a K::Kept,
}

/// Some of them, and where the next page begins.
pub(crate) struct Page<'a, K: Shelved> {
    pub(crate) rows: Vec<(&'a K::Id, &'a K::Kept)>,
    pub(crate) next: Option<(K::Rank, K::Id)>,
}

impl<K: Shelved> Shelf<K> {
    /// Takes an observation in.
    pub(crate) fn take(&mut self, told: Told<K>) -> Taken<K> {
        let taken = self.table.take(told);
        for difference in &taken.differences {
            self.note(difference);
        }
        taken
    }

    fn note(&mut self, difference: &Difference<K>) {
        self.order.note(difference);
        let Difference { id, old, new } = difference;
        let stood = |kept: &Option<K::Kept>| {
            let places = kept.iter().flat_map(|it| places::<K>(id, it));
            places.map(|(mark, state, _)| (mark, state)).collect_vec()
        };
        for place in stood(old) {
            if let Some(count) = self.tally.get_mut(&place) {
                *count -= 1;
                if *count == 0 {
                    self.tally.remove(&place);
                }
            }
        }
        for place in stood(new) {
            *self.tally.entry(place).or_default() += 1;
        }
        self.note_namespace(id.namespace());
        let text = new.as_ref().map(|kept| K::text(id, kept));
        self.texts.set(id, text.as_deref());
    }

    fn note_namespace(&mut self, namespace: &str) {
        let mark = Mark {
            namespace: Some(namespace.to_owned()),
            topic: Topic::Anything,
        };
        let has_any = K::STATES.iter().any(|it| self.count(&mark, *it) > 0);
        if has_any == self.namespaces.contains(namespace) {
            return;
        }
        let namespaces = Arc::make_mut(&mut self.namespaces);
        if has_any {
            namespaces.insert(namespace.to_owned());
        } else {
            namespaces.remove(namespace);
        }
    }

    /// How many there are under a mark, in a state.
    pub(crate) fn count(&self, mark: &Mark, state: K::State) -> usize {
        let place = (mark.clone(), state);
        self.tally.get(&place).copied().unwrap_or_default()
    }

    /// A page, in order; what `shows` does not let through is passed over.
    pub(crate) fn page(
        &self,
        wanted: &Wanted<K>,
        shows: impl Fn(&K::Id, &K::Kept) -> bool,
    ) -> Page<'_, K> {
        let words = (!wanted.words.is_empty()).then(|| Words::new(&wanted.words));
        let few = words.as_ref().and_then(|it| self.few(it));
        let mut found = match (few, words) {
            (Some(ids), _) => self.sorted(ids, wanted, shows),
            (None, words) => self.in_order(wanted, words.as_ref(), shows),
        };
        let has_more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        let next = found.last().filter(|_| has_more);
        Page {
            next: next.map(|it| (it.rank.clone(), it.id.clone())),
            rows: found.into_iter().map(|it| (it.id, it.kept)).collect(),
        }
    }

    /// The objects whose texts have the words, unless they are many.
    fn few(&self, words: &Words<'_>) -> Option<Vec<&K::Id>> {
        let found = self.texts.having(words).take(MANY).collect_vec();
        (found.len() < MANY).then_some(found)
    }

    /// Those of some objects that are wanted, in order; one more than the page has.
    fn sorted<'a>(
        &'a self,
        ids: Vec<&'a K::Id>,
        wanted: &Wanted<K>,
        shows: impl Fn(&K::Id, &K::Kept) -> bool,
    ) -> Vec<Row<'a, K>> {
        let after = wanted.after.as_ref().map(|(rank, id)| (rank, id));
        let rows = ids.into_iter().filter_map(|id| {
            let kept = self.table.find(id)?;
            let Stand {
                topics,
                state,
                rank,
            } = K::stand(id, kept);
            let is_marked = |mark: &Mark| {
                let namespace = mark.namespace.as_deref();
                namespace.is_none_or(|it| it == id.namespace()) && topics.contains(&mark.topic)
            };
            let is_wanted = wanted.states.contains(&state)
                && after.is_none_or(|it| it < (&rank, id))
                && wanted.marks.iter().any(is_marked)
                && shows(id, kept);
            is_wanted.then_some(Row { rank, id, kept })
        });
        let by_rank = |a: &Row<'_, K>, b: &Row<'_, K>| (&a.rank, a.id).cmp(&(&b.rank, b.id));
        rows.k_smallest_by(wanted.limit + 1, by_rank).collect()
    }

    /// Those that are wanted, from where the page begins; one more than it has.
    fn in_order(
        &self,
        wanted: &Wanted<K>,
        words: Option<&Words<'_>>,
        shows: impl Fn(&K::Id, &K::Kept) -> bool,
    ) -> Vec<Row<'_, K>> {
        let (rank, id) = match &wanted.after {
            Some((rank, id)) => (rank.clone(), id.clone()),
            None => (K::first(), K::Id::named("", "")),
        };
        let runs = wanted.marks.iter().cartesian_product(&wanted.states);
        let runs = runs.map(|(mark, state)| {
            let from = (mark.clone(), *state, rank.clone());
            self.order
                .page(from, id.clone(), wanted.after.is_some())
                .take_while(move |((at, of, _), _)| at == mark && of == state)
                .map(|((_, _, rank), id)| (rank, id))
        });
        let found = runs.kmerge().filter_map(|(rank, id)| {
            if words.is_some_and(|it| !self.texts.has(id, it)) {
                return None;
            }
            let kept = self.table.find(id)?;
            let rank = rank.clone();
            shows(id, kept).then_some(Row { rank, id, kept })
        });
        found.take(wanted.limit + 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use devportal_api::APIKey;
    use devportal_mirror::{Lens, Scope};
    use serde_json::json;

    use super::*;

    /// 1200 keys in four namespaces, some of them denied.
    fn shelf() -> Shelf<APIKey> {
        let lens = Lens::new([0; 32]);
        let mut shelf = Shelf::default();
        shelf.take(Told::ListBegins(Scope::Cluster));
        for number in 0..1200 {
            let condition = if number % 7 == 0 {
                "Denied"
            } else {
                "Approved"
            };
            let key: APIKey = serde_json::from_value(json!({
                "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
                "metadata": {
                    "name": format!("key-{number}"),
                    "namespace": format!("team-{}", number % 4),
                    "uid": number.to_string(), "resourceVersion": (number + 1).to_string(),
                    "creationTimestamp": format!("2026-01-01T00:{:02}:00Z", number % 50),
                },
                "spec": {
                    "apiProductRef": {"name": "toys", "namespace": "shop"}, "planTier": "gold",
                    "requestedBy": {"userId": "alice", "email": "alice@example.com"},
                },
                "status": {"conditions": [{
                    "type": condition, "status": "True", "reason": condition, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]},
            }))
            .expect("a key");
            let id = devportal_api::id::KeyId::of(&key);
            shelf.take(Told::Is(id, APIKey::keep(key, &lens)));
        }
        shelf
    }

    /// All pages of what is wanted.
    fn pages(shelf: &Shelf<APIKey>, wanted: Wanted<APIKey>) -> Vec<String> {
        let mut wanted = wanted;
        let mut found = vec![];
        loop {
            let page = shelf.page(&wanted, |id, _| !id.name.ends_with('3'));
            assert!(page.rows.len() <= wanted.limit);
            found.extend(page.rows.into_iter().map(|(id, _)| id.name.to_string()));
            wanted.after = match page.next {
                Some(next) => Some(next),
                None => return found,
            };
        }
    }

    #[test]
    fn a_search_shows_of_a_list_what_has_the_words_and_in_its_order() {
        let shelf = shelf();
        let mark = |namespace: Option<&str>| Mark {
            namespace: namespace.map(str::to_owned),
            topic: Topic::Anything,
        };
        let everywhere = vec![mark(None)];
        let two_teams = vec![mark(Some("team-1")), mark(Some("team-2"))];
        let denied = vec![crate::kinds::State::Denied];
        for marks in [everywhere, two_teams] {
            for states in [APIKey::STATES.to_vec(), denied.clone()] {
                let wanted = |words: &str, limit| Wanted {
                    marks: marks.clone(),
                    states: states.clone(),
                    words: words.to_owned(),
                    after: None,
                    limit,
                };
                let list = pages(&shelf, wanted("", 200));
                for words in ["key-11", "key-1", "gold", "nowhere"] {
                    let expected: Vec<_> = list
                        .iter()
                        .filter(|it| words == "gold" || it.contains(words))
                        .cloned()
                        .collect();
                    for limit in [7, 200] {
                        assert_eq!(pages(&shelf, wanted(words, limit)), expected, "{words}");
                    }
                }
            }
        }
    }
}
