//! How is a page found? Objects stand in order under every mark that they are looked
//! for by, so that a page costs what it shows.
//!
//! | asked for | cost |
//! |---|---|
//! | a page, from anywhere on | one search per namespace and state, then what it shows; who may see every namespace costs one per state |
//! | a page of a search | the same, and one look at the text of each object passed over: some milliseconds at 10 000 objects |
//! | how many there are | one look per namespace and state |

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use devportal_api::id::{ObjectId, ProductId};
use devportal_mirror::table::Taken;
use devportal_mirror::{Difference, Kind, Order, Table, Told};
use itertools::Itertools;

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
    /// Access that was approved and that the gateway does not enforce.
    Unenforced,
}

/// Where an object stands: in its namespace, and in the whole cluster.
pub(crate) fn places<S: Copy, O: Clone>(
    namespace: &str,
    topics: impl IntoIterator<Item = Topic>,
    state: S,
    rank: &O,
) -> Vec<Place<S, O>> {
    let marks = topics.into_iter().flat_map(|topic| {
        [None, Some(namespace.to_owned())].map(|namespace| Mark {
            namespace,
            topic: topic.clone(),
        })
    });
    marks.map(|mark| (mark, state, rank.clone())).collect()
}

/// Where an object stands.
pub(crate) type Place<S, O> = (Mark, S, O);

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
    fn places(id: &Self::Id, kept: &Self::Kept) -> Vec<Place<Self::State, Self::Rank>>;
    /// What is searched.
    fn text(id: &Self::Id, kept: &Self::Kept) -> String;
}

/// The objects of a kind, in order.
#[derive(Debug)]
pub(crate) struct Shelf<K: Shelved> {
    pub(crate) table: Table<K>,
    order: Order<K, Place<K::State, K::Rank>>,
    tally: BTreeMap<(Mark, K::State), usize>,
    /// In lower case.
    texts: HashMap<K::Id, Box<str>>,
}

impl<K: Shelved> Default for Shelf<K> {
    fn default() -> Self {
        Self {
            table: Table::default(),
            order: Order::new(K::places),
            tally: BTreeMap::new(),
            texts: HashMap::new(),
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
        let places = |kept: &Option<K::Kept>| {
            let places = kept.iter().flat_map(|it| K::places(id, it));
            places.map(|(mark, state, _)| (mark, state)).collect_vec()
        };
        for place in places(old) {
            if let Some(count) = self.tally.get_mut(&place) {
                *count -= 1;
                if *count == 0 {
                    self.tally.remove(&place);
                }
            }
        }
        for place in places(new) {
            *self.tally.entry(place).or_default() += 1;
        }
        match new {
            Some(kept) => {
                let text = K::text(id, kept).to_lowercase();
                self.texts.insert(id.clone(), text.into());
            }
            None => drop(self.texts.remove(id)),
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
            let is_named = wanted.words.is_empty()
                || (self.texts.get(id)).is_some_and(|it| it.contains(&wanted.words));
            let kept = if is_named {
                self.table.find(id)?
            } else {
                return None;
            };
            shows(id, kept).then_some((rank, id, kept))
        });
        let mut found = found.take(wanted.limit + 1).collect_vec();
        let has_more = found.len() > wanted.limit;
        found.truncate(wanted.limit);
        let next = found.last().filter(|_| has_more);
        Page {
            next: next.map(|(rank, id, _)| ((*rank).clone(), (*id).clone())),
            rows: found.into_iter().map(|(_, id, kept)| (id, kept)).collect(),
        }
    }
}
