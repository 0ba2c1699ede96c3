//! What goes wrong between the API server and a controller that is right: objects that
//! cannot be read, kinds that cannot be seen, writes that are refused, and another
//! replica that takes over without seeing all. None of it is anybody's wish, so none
//! of it gives or takes anything.

use devportal_api::foreign::{AuthPolicy, HTTPRoute, PlanPolicy};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_mirror::Trouble;
use proptest::prelude::*;

use super::action::{KEYS, PRODUCTS};
use super::cluster::{Cluster, Hole, Kind};
use super::fixture::{CONSUMER, OWNER};
use super::hands::pair;
use super::simulation::Simulation;

#[derive(Clone, Debug)]
pub enum Fault {
    /// Objects of a kind, one in so many, cannot be read: the spec, or a field of the
    /// status.
    Flaw(usize, usize, Option<usize>),
    /// The watch of a kind breaks off.
    Lose(usize, bool),
    /// It goes on, or lists anew.
    Regain(usize, bool),
    /// Another replica takes over and cannot list a kind.
    TakeOver(usize),
    /// Nobody may write a kind any more.
    Refuse(usize),
}

pub fn any_fault() -> impl Strategy<Value = Fault> {
    let kind = 0..11_usize;
    prop_oneof![
        3 => (0..7_usize, 1..3_usize, prop::option::of(0..4_usize))
            .prop_map(|(kind, each, hole)| Fault::Flaw(kind, each, hole)),
        2 => (kind.clone(), any::<bool>()).prop_map(|(kind, forbidden)| Fault::Lose(kind, forbidden)),
        2 => (kind.clone(), any::<bool>()).prop_map(|(kind, anew)| Fault::Regain(kind, anew)),
        2 => kind.prop_map(Fault::TakeOver),
        1 => (0..4_usize).prop_map(Fault::Refuse),
    ]
}

const WRITTEN: [&str; 4] = ["APIKeyRequest", "APIKeyApproval", "APIKey", "Secret"];

impl Fault {
    pub fn strike(&self, simulation: &mut Simulation) {
        let kind = |number: usize| Simulation::kinds().nth(number).unwrap();
        match *self {
            Self::Flaw(kind, each, hole) => {
                let cluster = &mut simulation.cluster;
                match kind {
                    0 => flaw::<APIKey>(
                        cluster,
                        each,
                        hole,
                        &["reviewedAt", "graceUntil", "approvedTerms", "credentials"],
                    ),
                    1 => flaw::<APIKeyRequest>(cluster, each, hole, &["conditions"]),
                    2 => flaw::<APIKeyApproval>(cluster, each, hole, &["terms", "conditions"]),
                    3 => flaw::<APIProduct>(cluster, each, hole, &["openapi", "conditions"]),
                    4 => flaw::<AuthPolicy>(cluster, each, hole, &["conditions"]),
                    5 => flaw::<PlanPolicy>(cluster, each, hole, &["conditions"]),
                    _ => flaw::<HTTPRoute>(cluster, each, hole, &["parents"]),
                }
            }
            Self::Lose(number, forbidden) => {
                let trouble = if forbidden {
                    Trouble::Forbidden
                } else {
                    Trouble::Failing("connection refused".into())
                };
                simulation.lose(kind(number), trouble);
            }
            Self::Regain(number, anew) => simulation.regain(kind(number), anew),
            Self::TakeOver(number) => simulation.restart_without(&[kind(number)]),
            Self::Refuse(number) => drop(simulation.cluster.refused.insert(WRITTEN[number])),
        }
    }
}

fn flaw<K: Kind>(cluster: &mut Cluster, each: usize, hole: Option<usize>, fields: &[&'static str]) {
    let names: Vec<_> = K::table(cluster).keys().cloned().collect();
    for name in names.into_iter().step_by(each) {
        let hole = hole.map_or(Hole::Spec, |field| {
            Hole::Status(fields[field % fields.len()])
        });
        cluster.flaw::<K>(&name, Some(hole));
    }
}

impl Simulation {
    /// Everything can be read, seen and written again.
    pub fn heal(&mut self) {
        self.cluster.refused.clear();
        for name in KEYS.map(|it| pair(CONSUMER, it)) {
            self.cluster.flaw::<APIKey>(&name, None);
        }
        heal::<APIKeyRequest>(&mut self.cluster);
        heal::<APIKeyApproval>(&mut self.cluster);
        for name in PRODUCTS.map(|it| pair(OWNER, it)) {
            self.cluster.flaw::<APIProduct>(&name, None);
            self.cluster.flaw::<AuthPolicy>(&name, None);
            self.cluster.flaw::<PlanPolicy>(&name, None);
            self.cluster.flaw::<HTTPRoute>(&name, None);
        }
        self.regain_all();
    }
}

fn heal<K: Kind>(cluster: &mut Cluster) {
    let names: Vec<_> = K::table(cluster).keys().cloned().collect();
    for name in names {
        cluster.flaw::<K>(&name, None);
    }
}
