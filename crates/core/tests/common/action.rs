//! What people and the rest of the cluster do, at random.

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::key::Rotation;
use devportal_api::product::ApprovalMode;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::fault::{Fault, any_fault};
use super::fixture::*;
use super::hands::pair;
use super::simulation::Simulation;

pub const KEYS: [&str; 3] = ["alice", "bob", "carol"];
pub const PRODUCTS: [&str; 2] = ["games", "maps"];
const TIERS: [&str; 3] = ["gold", "silver", "unknown"];

#[derive(Clone, Debug)]
pub enum Action {
    CreateKey(usize, bool, Option<i64>),
    CreateShownOnce(usize, Option<i64>),
    DeleteKey(usize),
    RecreateKey(usize),
    ChangeTier(usize, usize),
    ChangeProduct(usize, usize),
    ChangeExpiry(usize, Option<i64>),
    SwitchSource(usize),
    Rotate(usize, i64, i64),
    CreateProduct(usize),
    DeleteProduct(usize),
    SetMode(usize, bool),
    SetRoute(usize, bool),
    SetPolicy(usize, bool),
    TellPolicy(usize, bool, bool),
    SetSelector(usize, usize),
    SetPlans(usize, bool),
    SetKuadrant(bool, bool),
    Decide(usize, usize, bool, i64),
    ReDecide(usize, usize, bool),
    /// Somebody opens the page of a key.
    Look(usize),
    /// Approves what was looked at, or whatever is asked for; all of it, or less.
    Grant(usize, usize, bool, Option<usize>, Option<i64>),
    /// Asks for the value on a page that may be old.
    Claim(usize),
    DropDecision(usize, usize),
    DropRequest(usize),
    Bring(usize, Option<u8>),
    TakeBack(usize),
    Tamper(usize, u8),
    Squat(usize),
    Pass(i64),
    Suffer(usize, u64),
    Fault(Fault),
    Crash,
    Relist,
    Collect,
    Settle,
}

pub fn any_action() -> impl Strategy<Value = Action> {
    use Action as A;
    let k = 0..KEYS.len();
    let p = 0..PRODUCTS.len();
    let t = 0..TIERS.len();
    let soon = proptest::option::of(1..600_i64);
    prop_oneof![
        4 => (k.clone(), any::<bool>(), soon.clone()).prop_map(|(k, b, e)| A::CreateKey(k, b, e)),
        3 => (k.clone(), soon.clone()).prop_map(|(k, e)| A::CreateShownOnce(k, e)),
        4 => k.clone().prop_map(A::Look),
        4 => (k.clone(), 0..2_usize, prop::bool::weighted(0.7), prop::option::of(t.clone()), soon.clone())
            .prop_map(|(k, n, s, t, e)| A::Grant(k, n, s, t, e)),
        4 => k.clone().prop_map(A::Claim),
        2 => k.clone().prop_map(A::DeleteKey),
        2 => k.clone().prop_map(A::RecreateKey),
        2 => (k.clone(), t).prop_map(|(k, t)| A::ChangeTier(k, t)),
        2 => (k.clone(), p.clone()).prop_map(|(k, p)| A::ChangeProduct(k, p)),
        2 => (k.clone(), soon).prop_map(|(k, e)| A::ChangeExpiry(k, e)),
        1 => k.clone().prop_map(A::SwitchSource),
        3 => (k.clone(), 0..4_i64, 0..300_i64).prop_map(|(k, r, o)| A::Rotate(k, r, o)),
        2 => p.clone().prop_map(A::CreateProduct),
        1 => p.clone().prop_map(A::DeleteProduct),
        2 => (p.clone(), any::<bool>()).prop_map(|(p, a)| A::SetMode(p, a)),
        1 => (p.clone(), any::<bool>()).prop_map(|(p, a)| A::SetRoute(p, a)),
        2 => (p.clone(), any::<bool>()).prop_map(|(p, a)| A::SetPolicy(p, a)),
        2 => (p.clone(), any::<bool>(), any::<bool>()).prop_map(|(p, a, e)| A::TellPolicy(p, a, e)),
        1 => (p.clone(), 0..4_usize).prop_map(|(p, n)| A::SetSelector(p, n)),
        1 => (p, any::<bool>()).prop_map(|(p, a)| A::SetPlans(p, a)),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(w, a)| A::SetKuadrant(w, a)),
        6 => (k.clone(), 0..2_usize, prop::bool::weighted(0.7), -5..5_i64)
            .prop_map(|(k, n, a, s)| A::Decide(k, n, a, s)),
        2 => (k.clone(), 0..2_usize, any::<bool>()).prop_map(|(k, n, a)| A::ReDecide(k, n, a)),
        1 => (k.clone(), 0..3_usize).prop_map(|(k, n)| A::DropDecision(k, n)),
        1 => k.clone().prop_map(A::DropRequest),
        3 => (k.clone(), proptest::option::of(0..3_u8)).prop_map(|(k, v)| A::Bring(k, v)),
        1 => k.clone().prop_map(A::TakeBack),
        2 => (k.clone(), 0..6_u8).prop_map(|(k, n)| A::Tamper(k, n)),
        1 => k.prop_map(A::Squat),
        3 => (1..400_i64).prop_map(A::Pass),
        8 => (1..30_usize, any::<u64>()).prop_map(|(n, s)| A::Suffer(n, s)),
        6 => any_fault().prop_map(A::Fault),
        2 => Just(A::Crash),
        2 => Just(A::Relist),
        1 => Just(A::Collect),
        2 => Just(A::Settle),
    ]
}

/// A cluster with the usual things in place.
pub fn usual() -> Simulation {
    let mut simulation = Simulation::default().with(kuadrant());
    for name in PRODUCTS {
        simulation.create(product_named(name));
        simulation.create(route(name));
        simulation.create(auth(name));
        simulation.create(plans(name));
    }
    for name in KEYS {
        simulation.bring(&format!("{name}-own"), Some(&format!("value of {name}")));
    }
    simulation
}

fn sources() -> usize {
    KEYS.len()
}

#[expect(clippy::too_many_lines, reason = "one arm for each action")]
pub fn act(simulation: &mut Simulation, action: &Action) {
    simulation.cluster.now += SignedDuration::from_secs(1);
    let now = simulation.cluster.now;
    let later = |seconds: Option<i64>| seconds.map(|it| Time(now + SignedDuration::from_secs(it)));
    let key_name = |k: usize| pair(CONSUMER, KEYS[k % sources()]);
    let own_name = |k: usize| pair(CONSUMER, &format!("{}-own", KEYS[k]));
    let product_name = |p: usize| pair(OWNER, PRODUCTS[p]);
    let cluster = &mut simulation.cluster;
    match *action {
        Action::CreateKey(k, is_brought, expiry) => {
            let mut new = key(KEYS[k]);
            new.spec.expires_at = later(expiry);
            if is_brought {
                new = new.brought(&own_name(k).1);
            }
            cluster.create(new);
        }
        Action::CreateShownOnce(k, expiry) => {
            let mut new = key(KEYS[k]).shown_once();
            new.spec.expires_at = later(expiry);
            cluster.create(new);
        }
        Action::Look(k) => cluster.look(&key_name(k)),
        Action::Claim(k) => drop(cluster.claim(&key_name(k))),
        Action::Grant(k, n, is_shown, tier, expiry) => {
            let mut new = approval(&format!("{}-{n}", KEYS[k]), KEYS[k], true, now);
            new.spec.plan_tier = tier.map(|t| TIERS[t].into());
            new.spec.expires_at = later(expiry);
            let shown = cluster.portal.terms.get(&key_name(k));
            new.spec.terms = shown.filter(|_| is_shown).cloned();
            cluster.create(new);
        }
        Action::DeleteKey(k) => drop(cluster.delete::<APIKey>(&key_name(k))),
        Action::RecreateKey(k) => {
            if let Some(old) = cluster.keys.get(&key_name(k)).cloned() {
                cluster.delete::<APIKey>(&key_name(k));
                let mut new = key(KEYS[k]);
                new.spec = old.spec;
                cluster.create(new);
            }
        }
        Action::ChangeTier(k, t) => drop(cluster.edit::<APIKey>(&key_name(k), |it| {
            it.spec.plan_tier = TIERS[t].into();
        })),
        Action::ChangeProduct(k, p) => drop(cluster.edit::<APIKey>(&key_name(k), |it| {
            it.spec.api_product_ref.name = PRODUCTS[p].into();
        })),
        Action::ChangeExpiry(k, expiry) => drop(cluster.edit::<APIKey>(&key_name(k), |it| {
            it.spec.expires_at = later(expiry);
        })),
        Action::SwitchSource(k) => drop(cluster.edit::<APIKey>(&key_name(k), |it| {
            let was = it.spec.secret_ref.take();
            // The definition lets no key that is shown once be brought.
            if was.is_none() && it.spec.delivery.is_none() {
                *it = it.clone().brought(&own_name(k).1);
            }
        })),
        Action::Rotate(k, revision, overlap) => drop(cluster.edit::<APIKey>(&key_name(k), |it| {
            it.spec.rotation = Some(Rotation {
                revision,
                overlap: Some(format!("{overlap}s")),
            });
        })),
        Action::CreateProduct(p) => drop(cluster.create(product_named(PRODUCTS[p]))),
        Action::DeleteProduct(p) => drop(cluster.delete::<APIProduct>(&product_name(p))),
        Action::SetMode(p, automatic) => {
            cluster.edit::<APIProduct>(&product_name(p), |it| {
                it.spec.approval_mode = if automatic {
                    ApprovalMode::Automatic
                } else {
                    ApprovalMode::Manual
                };
            });
        }
        Action::SetRoute(p, is_there) => {
            cluster.delete::<HTTPRoute>(&product_name(p));
            if is_there {
                cluster.create(route(PRODUCTS[p]));
            }
        }
        Action::SetPolicy(p, is_there) => {
            cluster.delete::<AuthPolicy>(&product_name(p));
            if is_there {
                cluster.create(auth(PRODUCTS[p]));
            }
        }
        Action::TellPolicy(p, accepted, enforced) => {
            cluster.edit::<AuthPolicy>(&product_name(p), |it| {
                it.tell(&[("Accepted", accepted), ("Enforced", enforced)]);
            });
        }
        Action::SetSelector(p, n) => drop(cluster.edit::<AuthPolicy>(&product_name(p), |it| {
            let rule = match n {
                0 => jwt("https://issuer.example.com"),
                1 => api_key(&[("devportal.kuadrant.io/apikey", "other")]),
                _ => api_key(&[("api", if n == 2 { "two" } else { "three" })]),
            };
            it.spec.rules = Some(rules([("keys", rule)]));
        })),
        Action::SetPlans(p, is_there) => {
            cluster.delete::<PlanPolicy>(&product_name(p));
            if is_there {
                cluster.create(plans(PRODUCTS[p]));
            }
        }
        Action::SetKuadrant(second, is_there) => {
            let namespace = if second { "other-kuadrant" } else { KUADRANT };
            // What was left where it was may be in force again when it moves back.
            cluster.portal.leave_behind();
            if is_there {
                cluster.create(kuadrant_in(namespace));
            } else {
                cluster.delete::<Kuadrant>(&pair(namespace, "kuadrant"));
            }
        }
        Action::Decide(k, n, approved, seconds) => {
            let at = now + SignedDuration::from_secs(seconds);
            cluster.create(approval(&format!("{}-{n}", KEYS[k]), KEYS[k], approved, at));
        }
        Action::ReDecide(k, n, approved) => {
            let name = pair(OWNER, &format!("{}-{n}", KEYS[k]));
            cluster.edit::<APIKeyApproval>(&name, |it| {
                it.spec.approved = approved;
                it.spec.reviewed_at = Time(now);
            });
        }
        Action::DropDecision(k, n) => {
            let auto: String = devportal_api::name::auto_approval(&request_id(KEYS[k]))
                .name
                .into();
            let name = if n == 2 {
                auto
            } else {
                format!("{}-{n}", KEYS[k])
            };
            cluster.delete::<APIKeyApproval>(&pair(OWNER, &name));
        }
        Action::DropRequest(k) => {
            let id = request_id(KEYS[k]);
            cluster.delete::<APIKeyRequest>(&pair(&id.namespace, &id.name));
        }
        Action::Bring(k, value) => cluster.put_secret(&own_name(k), |it| {
            it.value = value.map(|v| match v {
                0 => String::new(),
                1 => format!("{}{v}", KEYS[k]),
                _ => "of several".to_owned(),
            });
        }),
        Action::TakeBack(k) => drop(cluster.delete_secret(&own_name(k))),
        Action::Tamper(k, how) => tamper(simulation, KEYS[k], how),
        Action::Squat(k) => {
            let id = devportal_api::name::generated_source(&key_id(KEYS[k]));
            let name = pair(&id.namespace, &id.name);
            if !cluster.secrets.contains_key(&name) {
                cluster.put_secret(&name, |it| it.value = Some("foreign".into()));
            }
        }
        Action::Pass(seconds) => cluster.now += SignedDuration::from_secs(seconds),
        Action::Suffer(steps, seed) => simulation.suffer(steps, seed),
        Action::Fault(ref fault) => fault.strike(simulation),
        Action::Crash => simulation.restart(),
        Action::Relist => simulation.relist(),
        Action::Collect => cluster.collect(),
        Action::Settle => simulation.settle(),
    }
}

/// Someone lays hands on a key's Secrets.
fn tamper(simulation: &mut Simulation, key: &str, how: u8) {
    let enforced = simulation
        .enforced(key)
        .first()
        .map(|(name, _)| (*name).clone());
    let copy = devportal_api::name::generated_source(&key_id(key));
    let copy = Some(pair(&copy.namespace, &copy.name))
        .filter(|it| simulation.cluster.secrets.get(it).is_some_and(|it| it.ours));
    let target = if how < 4 { enforced } else { copy };
    let Some(name) = target else { return };
    let cluster = &mut simulation.cluster;
    match how {
        0 | 4 => drop(cluster.delete_secret(&name)),
        1 | 5 => cluster.put_secret(&name, |it| it.value = Some("tampered".into())),
        2 => cluster.put_secret(&name, |it| {
            it.annotations
                .insert("secret.kuadrant.io/plan-id".into(), "platinum".into());
        }),
        _ => cluster.put_secret(&name, |it| {
            it.labels.remove("api");
        }),
    }
}
