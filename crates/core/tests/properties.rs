//! Whatever happens, in whatever order: the invariants.

use devportal_api::name::annotation;
use devportal_core::{Need, decide};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::prelude::*;

use crate::common::action::{Action, act, any_action, usual};
use crate::common::chance::Dice;
use crate::common::cluster::{Cluster, source};
use crate::common::fixture::at;
use crate::common::oracle;
use crate::common::simulation::Simulation;

/// A failure becomes a table test, not a file. CONTRIBUTING tells how to try more.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// No garbage collector runs but where an action says so.
fn live(actions: &[Action]) -> Simulation {
    let mut simulation = usual();
    for action in actions {
        act(&mut simulation, action);
        if matches!(action, Action::Settle) {
            simulation.settle();
            oracle::check(&simulation);
        }
    }
    simulation.settle();
    simulation
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_people_and_faults_do_the_invariants_hold_in_the_end(
        actions in prop::collection::vec(any_action(), 1..60)
    ) {
        oracle::check(&live(&actions));
    }
}

/// The objects of a cluster at rest, without what depends on the moment: UIDs,
/// versions and times.
fn outcome(simulation: &Simulation) -> Vec<String> {
    let cluster = &simulation.cluster;
    let told = |conditions: &[Condition]| {
        let one =
            |it: &Condition| format!("{}={} {}: {}", it.type_, it.status, it.reason, it.message);
        conditions.iter().map(one).collect::<Vec<_>>()
    };
    let keys = cluster.keys.iter().map(|(name, it)| {
        let status = it.status.clone().unwrap_or_default();
        format!(
            "{name:?} {:?} {:?} {:?}",
            told(&status.conditions),
            status.phase,
            status.limits
        )
    });
    let products = cluster.products.iter().map(|(name, it)| {
        let status = it.status.clone().unwrap_or_default();
        format!(
            "{name:?} {:?} {:?}",
            told(&status.conditions),
            status.discovered_plans
        )
    });
    let requests = cluster.requests.iter().map(|(name, it)| {
        let status = it.status.clone().unwrap_or_default();
        format!(
            "{name:?} {} {:?}",
            it.spec.plan_tier,
            told(&status.conditions)
        )
    });
    let approvals = cluster.approvals.iter().map(|(name, it)| {
        let status = it.status.clone().unwrap_or_default();
        format!(
            "{name:?} {} {:?}",
            it.spec.approved,
            told(&status.conditions)
        )
    });
    let secrets = cluster.secrets.iter().map(|(name, it)| {
        let plan = it.annotations.get(annotation::PLAN);
        format!("{name:?} {:?} {plan:?} {}", it.labels, it.value.is_some())
    });
    keys.chain(products)
        .chain(requests)
        .chain(approvals)
        .chain(secrets)
        .collect()
}

/// What a person may create, in no order.
fn everything() -> Vec<Action> {
    let mut all = vec![Action::SetKuadrant(false, true)];
    for p in 0..2 {
        all.extend([Action::CreateProduct(p), Action::SetRoute(p, true)]);
        all.extend([Action::SetPolicy(p, true), Action::SetPlans(p, true)]);
    }
    for k in 0..3 {
        all.extend([
            Action::CreateKey(k, k == 1, None),
            Action::Bring(k, Some(1)),
        ]);
    }
    // Said at one moment, so that no order makes one of them the newer.
    all.extend([
        Action::Decide(0, 0, true, 0),
        Action::Decide(1, 0, false, 0),
    ]);
    all
}

/// A few tens of steps of foul weather now and then.
fn weather() -> impl Strategy<Value = Vec<Option<(usize, u64)>>> {
    prop::collection::vec(prop::option::of((1..25_usize, any::<u64>())), 24)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_of_creation_in_any_weather_ends_the_same(
        order in Just(everything()).prop_shuffle(),
        weather in weather(),
    ) {
        let mut calm = Simulation::default();
        for action in everything() {
            act(&mut calm, &action);
            calm.settle();
        }
        let mut stormy = Simulation::default();
        for (action, weather) in order.iter().zip(weather) {
            act(&mut stormy, action);
            if let Some((steps, seed)) = weather {
                stormy.suffer(steps, seed);
            }
        }
        stormy.settle();
        oracle::check(&stormy);
        prop_assert_eq!(outcome(&stormy), outcome(&calm));
    }

    #[test]
    fn a_world_knows_the_same_in_whatever_order_it_was_told(
        actions in prop::collection::vec(any_action(), 1..40),
        seed in any::<u64>(),
    ) {
        let simulation = live(&actions);
        prop_assume!(!simulation.remembers_an_earlier_place());
        let mut other = Simulation::of(Cluster { now: at(0), ..Cluster::default() });
        let mut seen = simulation.cluster.list();
        seen.retain(|it| simulation.shows(it));
        for (name, secret) in &simulation.cluster.secrets {
            seen.push(source(name, Some(secret)));
        }
        let mut dice = Dice::new(seed);
        while !seen.is_empty() {
            let one = seen.swap_remove(dice.roll(seen.len()));
            other.world.observe(one.change.clone());
            let again = other.world.observe(one.change);
            prop_assert!(again.is_empty(), "{again:?} from a repeated change");
        }
        for (id, decision) in simulation.decisions() {
            let told = decide(&id, &other.world, simulation.cluster.now);
            let is_read = |need: &Need| match need {
                Need::Secret(id) => other.world.find_source(id).is_some(),
                _ => false,
            };
            if told.needs.iter().all(is_read) {
                prop_assert_eq!(told.writes, decision.writes, "{:?}", id);
            }
        }
    }

    #[test]
    fn nothing_happens_where_nothing_happens(
        actions in prop::collection::vec(any_action(), 1..40)
    ) {
        let mut simulation = live(&actions);
        prop_assume!(!simulation.remembers_an_earlier_place());
        simulation.wrote();
        simulation.relist();
        simulation.settle();
        simulation.restart();
        simulation.settle();
        prop_assert_eq!(simulation.wrote(), Vec::<&str>::new());
    }
}
