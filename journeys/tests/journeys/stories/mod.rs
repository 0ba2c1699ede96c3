//! Which stories are there? One module per kind of person or promise; numbers
//! in comments are those of `docs/explanation/behaviours.md`.

mod backstage;
mod brought;
mod decisions;
mod delivery;
mod events;
mod faults;
mod gateway;
mod generated;
mod install;
mod monitoring;
mod names;
mod node;
mod operate;
mod portal;
mod product;
mod quiet;
mod refused;
mod replicas;
mod sight;
mod traces;
mod unprivileged;
mod upgrade;

use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;

use crate::stage::Stage;

type Run = Box<dyn FnOnce(Arc<Stage>) -> Pin<Box<dyn Future<Output = Result<()>>>> + Send>;

/// A sentence about a user, and how to watch it come true.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    /// What the machine lacks for it.
    pub(crate) lack: Option<String>,
}

/// Lists functions as stories named after their module and them; `where` something succeeds,
/// if not everywhere.
macro_rules! stories {
    (where $permitted:expr; $($story:ident),* $(,)?) => {
        pub(crate) fn stories() -> Vec<$crate::stories::Story> {
            let lack = $permitted.err().map(|it: anyhow::Error| format!("{it:#}"));
            vec![$($crate::stories::Story {
                name: concat!(module_path!(), "::", stringify!($story)),
                run: Box::new(|stage| Box::pin($story(stage))),
                lack: lack.clone(),
            }),*]
        }
    };
    ($($story:ident),* $(,)?) => {
        $crate::stories::stories![where anyhow::Ok(()); $($story),*];
    };
}
use stories;

/// All of them. There is one node at a time: its stories are spread among the others, so that they
/// do not wait for their turn on all threads.
pub(crate) fn all() -> Vec<Story> {
    let others = [
        backstage::stories(),
        generated::stories(),
        install::stories(),
        unprivileged::stories(),
        gateway::stories(),
        brought::stories(),
        decisions::stories(),
        delivery::stories(),
        events::stories(),
        faults::stories(),
        monitoring::stories(),
        names::stories(),
        operate::stories(),
        portal::stories(),
        product::stories(),
        refused::stories(),
        quiet::stories(),
        replicas::stories(),
        sight::stories(),
        traces::stories(),
        upgrade::stories(),
    ]
    .into_iter()
    .flatten();
    spread(node::stories(), others.collect())
}

/// Puts some stories among others, as far from each other as can be.
fn spread(some: Vec<Story>, others: Vec<Story>) -> Vec<Story> {
    let between = (others.len() / (some.len() + 1)).max(1);
    let mut some = some.into_iter();
    let mut all = Vec::new();
    for (at, other) in others.into_iter().enumerate() {
        if at % between == 0 {
            all.extend(some.next());
        }
        all.push(other);
    }
    all.extend(some);
    all
}
