//! Do people get what they came for? Stories on the real stack: etcd,
//! kube-apiserver, kube-controller-manager, kuadrant-operator and Authorino,
//! with our controller under the rights it has in a cluster.
//!
//! One stack serves all stories but those that need a quiet or a damaged one of
//! their own. Run some with `cargo test -p devportal-journeys -- PART_OF_A_NAME`,
//! for example `-- gateway::`.

mod audit;
mod outcome;
mod person;
mod portal;
mod quiet;
mod rights;
mod shop;
mod stage;
mod stories;
mod wait;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::outcome::Outcomes;
use crate::stage::Stage;
use crate::stories::Story;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Stories wait more than they compute, and a story sees a slow answer of a
    // crowded machine as a failure.
    arguments.test_threads.get_or_insert(4);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    match play(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the stage could not be set or struck: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stage = Arc::new(runtime.block_on(Stage::set())?);
    let mut lacks = BTreeMap::<String, usize>::new();
    for lack in stories::all().into_iter().filter_map(|it| it.lack) {
        *lacks.entry(lack).or_default() += 1;
    }
    for (lack, count) in &lacks {
        eprintln!("{count} stories are left out: {lack}");
    }
    let outcomes = Outcomes::default();
    let on = (&stage, runtime.handle(), &outcomes);
    let conclusion = libtest_mimic::run(arguments, trials(Some(on)));
    if conclusion.has_failed() {
        eprintln!("{}\n", stage.last_words());
    }
    eprintln!("{outcomes}");
    if let Some(stage) = Arc::into_inner(stage) {
        runtime.block_on(stage.strike())?;
    }
    let unused = audit::sum_up()?;
    // Of some stories only, not all is to be expected.
    let impossible = u64::try_from(lacks.values().sum::<usize>())?;
    let are_all = conclusion.num_filtered_out == 0 && conclusion.num_ignored == impossible;
    ensure!(
        unused.is_empty() || !are_all || conclusion.has_failed(),
        "no story needs these rights of deploy/chart/files/rights.yaml: {unused:#?}"
    );
    Ok(conclusion.exit_code())
}

fn trials(on: Option<(&Arc<Stage>, &tokio::runtime::Handle, &Outcomes)>) -> Vec<Trial> {
    let on =
        on.map(|(stage, handle, outcomes)| (Arc::clone(stage), handle.clone(), outcomes.clone()));
    let trial = |story: Story| {
        let Story { name, run, lack } = story;
        let on = on.clone();
        let name = name.trim_start_matches("journeys::stories::");
        Trial::test(name, move || {
            audit::begin(name);
            let Some((stage, handle, outcomes)) = on else {
                return Ok(());
            };
            let begun = Instant::now();
            let played = catch_unwind(AssertUnwindSafe(|| {
                handle.block_on(run(Arc::clone(&stage)))
            }));
            if let Err(error) = handle.block_on(shop::close_all(&stage)) {
                eprintln!("the shops of {name} stay open: {error:#}");
            }
            let failure = match played {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some("it panicked, as is told above".to_owned()),
            };
            outcomes.add(name, begun.elapsed(), failure.clone());
            failure.map_or(Ok(()), |why| Err(Failed::from(why)))
        })
        .with_ignored_flag(lack.is_some())
    };
    stories::all().into_iter().map(trial).collect()
}
