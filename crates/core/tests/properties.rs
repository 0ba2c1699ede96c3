//! Whatever happens, in whatever order: the invariants.

use devportal_api::APIKey;
use devportal_api::name::{self, annotation};
use devportal_core::{Need, decide};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use proptest::prelude::*;

use crate::common::action::{Action, KEYS, act, any_action, usual};
use crate::common::chance::Dice;
use crate::common::cluster::{Cluster, source};
use crate::common::fault::{Fault, any_fault};
use crate::common::fixture::{CONSUMER, OWNER, approval, at, key_id, product_id};
use crate::common::hands::pair;
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
            simulation.heal();
            simulation.settle();
            oracle::check(&simulation);
        }
    }
    simulation.heal();
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

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_decided_stands_until_something_says_that_it_is_to_be_decided_again(
        actions in prop::collection::vec(any_action(), 1..40),
        seed in any::<u64>(),
    ) {
        let mut simulation = usual();
        let mut dice = Dice::new(seed);
        // For what is not seen any more nothing is written, until it bears on something.
        let is_loss = |it: &&Action| matches!(it, Action::Fault(Fault::Lose(..)));
        for action in actions.iter().filter(|it| !is_loss(it)) {
            act(&mut simulation, action);
            for _ in 0..dice.roll(12) {
                simulation.step();
                prop_assert_eq!(simulation.overlooked(), vec![], "{:?}", action);
            }
        }
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
        let kinds = Simulation::kinds();
        let mut seen: Vec<_> = kinds.flat_map(|kind| simulation.cluster.list(kind)).collect();
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

/// What a fault is to leave alone: who asked, who decided, and what opens what.
fn holdings(simulation: &Simulation) -> Vec<String> {
    let cluster = &simulation.cluster;
    let requests = cluster.requests.iter();
    let requests = requests.map(|(name, it)| format!("{name:?} {:?} {:?}", it.uid(), it.spec));
    let approvals = cluster.approvals.iter();
    let approvals = approvals.map(|(name, it)| format!("{name:?} {:?} {:?}", it.uid(), it.spec));
    let secrets = cluster.secrets.iter();
    let secrets = secrets.map(|(name, it)| format!("{name:?} {} {:?}", it.uid, it.value));
    requests.chain(approvals).chain(secrets).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_fault_gives_nothing_and_takes_nothing(
        actions in prop::collection::vec(any_action(), 1..30),
        faults in prop::collection::vec(any_fault(), 1..8),
    ) {
        let mut simulation = live(&actions);
        prop_assume!(!simulation.remembers_an_earlier_place());
        let before = holdings(&simulation);
        for fault in &faults {
            fault.strike(&mut simulation);
            simulation.settle();
            let after = holdings(&simulation);
            let gone: Vec<_> = before.iter().filter(|it| !after.contains(it)).collect();
            let new: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
            prop_assert!(gone.is_empty() && new.is_empty(), "{fault:?} takes {gone:#?} and gives {new:#?}");
        }
        simulation.heal();
        simulation.settle();
        prop_assert_eq!(holdings(&simulation), before);
        oracle::check(&simulation);
    }

    #[test]
    fn access_goes_whatever_else_cannot_be_seen_or_read(
        actions in prop::collection::vec(any_action(), 1..30),
        k in 0..KEYS.len(),
        denied in any::<bool>(),
        fault in 0..12_usize,
        takes_over in any::<bool>(),
    ) {
        let mut simulation = live(&actions);
        let granted = everything().into_iter().chain([
            Action::CreateKey(k, false, None),
            Action::ChangeProduct(k, 0),
            Action::ChangeExpiry(k, None),
            Action::Bring(k, Some(1)),
            Action::Settle,
            Action::Decide(k, 1, true, 60),
            Action::ReDecide(k, 1, true),
        ]);
        for action in granted {
            act(&mut simulation, &action);
        }
        simulation.settle();
        prop_assume!(!simulation.remembers_an_earlier_place());
        prop_assume!(!simulation.enforced(KEYS[k]).is_empty());
        let others = ["HTTPRoute", "AuthPolicy", "PlanPolicy", "APIProduct", "unlabelled Secret"];
        match others.get(fault) {
            Some(kind) if takes_over => simulation.restart_without(&[kind]),
            Some(kind) => simulation.lose(kind, devportal_mirror::Trouble::Forbidden),
            None => {
                let hole = (fault % 2 == 0).then_some(0);
                Fault::Flaw([0, 3, 4, 5, 6][fault % 5], 1, hole).strike(&mut simulation);
            }
        }
        simulation.settle();
        if denied {
            let at = simulation.cluster.now + jiff::SignedDuration::from_mins(9);
            let request = name::request(&key_id(KEYS[k]), &product_id("any"));
            prop_assume!(simulation.cluster.requests.contains_key(&pair(OWNER, &request.name)));
            simulation.create(approval("no-more", KEYS[k], false, at));
        } else {
            simulation.delete::<APIKey>(CONSUMER, KEYS[k]);
        }
        simulation.settle();
        prop_assert_eq!(simulation.in_sight(KEYS[k]), vec![]);
    }
}

/// Found at random: what was read for an earlier key of the name is remembered for a while.
#[test]
fn a_key_that_is_shown_once_names_no_secret_in_its_namespace() {
    use Action as A;
    let actions = [
        A::CreateKey(0, false, None),
        A::DeleteKey(0),
        A::Squat(0),
        A::CreateShownOnce(0, None),
        A::Suffer(5, 1_349_942_473_171_840_486),
        A::CreateKey(0, false, None),
        A::CreateKey(0, false, None),
        A::Grant(0, 0, false, None, None),
    ];
    oracle::check(&live(&actions));
}
