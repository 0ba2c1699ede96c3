//! By which paths do requests reach a route? Kuadrant computes the policies of each: a listener
//! of a Gateway, and a rule of the route (kuadrant-operator 1.5, policy-machinery 0.8).
//!
//! Paths that no policy tells apart are one here. Where a Gateway is not known, nor are its
//! listeners: those that no policy names are *any other listener*, whether or not there is one.

use std::collections::BTreeSet;
use std::fmt;

use devportal_api::foreign::{HTTPRoute, ParentRef, PolicyTarget};
use devportal_api::id::RouteId;

use super::listener::{self, Attached, Hosts};
use super::{holds, says};
use crate::surroundings::{Surroundings, Target, whole};

/// A path of requests to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    route: RouteId,
    gateway: Option<Target>,
    listener: Part,
    rule: Part,
    /// Whether requests come by it: a controller has accepted the route for it, or for no other.
    pub(super) is_open: bool,
    /// Whether the route is known to be attached to that listener: its parent names it, the Gateway
    /// tells, or no policy tells listeners apart.
    pub(super) is_certain: bool,
    /// For which hostnames requests come by it, where that is known.
    pub(super) hosts: Option<Hosts>,
}

/// The part of a target that a path leads through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// No policy names a part of it.
    Any,
    /// Those that no policy names, by name where they are known.
    Other(Vec<String>),
    /// The one of this name.
    Named(String),
}

impl Part {
    /// Whether it is, or is among, what is called so.
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Other(names) => names.iter().any(|it| it == name),
            Self::Named(it) => it == name,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Any | Self::Other(_) => None,
        }
    }
}

impl Path {
    /// Whether requests of this and another path are told apart by their hostnames alone:
    /// Kuadrant's filter does not know the listener that a request came by.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.gateway == other.gateway && self.rule == other.rule
    }

    /// What policies of this path are attached to, the most specific first: the target and the
    /// part of it.
    pub(super) fn levels(&self) -> impl Iterator<Item = (Target, Option<&str>)> {
        let route = Target::Route(self.route.clone());
        let on_rule = self.rule.name().map(|it| (route.clone(), Some(it)));
        let on_route = (route, None);
        let gateway = self.gateway.clone();
        let on_listener = gateway
            .clone()
            .and_then(|gateway| Some((gateway, Some(self.listener.name()?))));
        let on_gateway = gateway.map(|it| (it, None));
        let specific = on_rule.into_iter().chain([on_route]);
        specific.chain(on_listener).chain(on_gateway)
    }
}

/// As people would say it: `listener public of Gateway infra/external, rule rule-2`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listener {
            Part::Any => {}
            Part::Other(names) => match &names[..] {
                [] => f.write_str("any other listener of ")?,
                [name] => write!(f, "listener {name} of ")?,
                _ => f.write_str("other listeners of ")?,
            },
            Part::Named(name) => write!(f, "listener {name} of ")?,
        }
        match &self.gateway {
            Some(Target::Gateway(id)) => write!(f, "Gateway {id}")?,
            _ => write!(f, "HTTPRoute {}", self.route)?,
        }
        match &self.rule {
            Part::Any => Ok(()),
            Part::Other(_) => f.write_str(", other rules"),
            Part::Named(name) => write!(f, ", rule {name}"),
        }
    }
}

/// The paths to a route: open ones first, then in the order of its `parentRefs`; of the parts of
/// a target those that no policy names come first.
pub(super) fn paths(around: &Surroundings, id: &RouteId, route: &HTTPRoute) -> Vec<Path> {
    let named = named_parts(around, &Target::Route(id.clone()));
    let rules = rules_of(route);
    let (named, others): (Vec<_>, Vec<_>) = rules.into_iter().partition(|it| named.contains(it));
    let rules = parts(named, (!others.is_empty()).then_some(others));
    let parents: Vec<Option<&ParentRef>> = match &route.spec.parent_refs[..] {
        // Its own policies hold all the same.
        [] => vec![None],
        parents => parents.iter().map(Some).collect(),
    };
    let is_accepted = |it: &ParentRef| accepts(id, route, it);
    let is_any_accepted = route.spec.parent_refs.iter().any(is_accepted);
    let mut paths = Vec::new();
    for parent in parents {
        let is_open = !is_any_accepted || parent.is_some_and(is_accepted);
        let gateway = parent.and_then(|it| Target::of_parent(id, it));
        let named = parent.and_then(|it| it.section_name.clone());
        let attached = parent.and_then(|it| listener::attached(around, id, route, it));
        let listeners = match (parent, &gateway, named) {
            (Some(_), Some(_), Some(name)) => vec![(Part::Named(name), true)],
            (Some(_), Some(gateway), None) => {
                listeners(named_parts(around, gateway), attached.as_deref())
            }
            _ => vec![(Part::Any, true)],
        };
        for (listener, is_certain) in listeners {
            let hosts = attached.as_ref().map(|all| {
                let its = all.iter().filter(|it| listener.has(&it.listener.name));
                Hosts::of(its.map(|it| it.listener), &route.spec.hostnames)
            });
            for rule in &rules {
                let path = Path {
                    route: id.clone(),
                    gateway: gateway.clone(),
                    listener: listener.clone(),
                    rule: rule.clone(),
                    is_open,
                    is_certain,
                    hosts: hosts.clone(),
                };
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
    }
    paths.sort_by_key(|it| !it.is_open);
    paths
}

/// Whether any Gateway controller accepted the route for a parent. What is said of another
/// listener of a Gateway says nothing.
pub(super) fn accepts(id: &RouteId, route: &HTTPRoute, parent: &ParentRef) -> bool {
    let wanted = whole(id, parent);
    let said = route.status.iter().flat_map(|status| &status.parents);
    said.filter(|it| whole(id, &it.parent_ref) == wanted)
        .flat_map(|it| &it.conditions)
        .any(|condition| holds(condition, "Accepted"))
}

/// Whether any Gateway controller accepted the route for any of its parents.
pub(super) fn is_accepted(id: &RouteId, route: &HTTPRoute) -> bool {
    let mut parents = route.spec.parent_refs.iter();
    parents.any(|it| accepts(id, route, it))
}

/// The listeners that a route is attached to, of those that policies name and the others; and
/// whether it is known that it is.
fn listeners(named: BTreeSet<String>, attached: Option<&[Attached<'_>]>) -> Vec<(Part, bool)> {
    let Some(attached) = attached else {
        let is_certain = named.is_empty();
        let parts = parts(named, Some(Vec::new()));
        return parts.into_iter().map(|it| (it, is_certain)).collect();
    };
    let (named, others): (Vec<_>, Vec<_>) =
        (attached.iter()).partition(|it| named.contains(&it.listener.name));
    let is_certain = |part: &Part| match part {
        Part::Any => true,
        part => (attached.iter()).any(|it| part.has(&it.listener.name) && it.is_certain),
    };
    let called = |all: &[&Attached<'_>]| -> Vec<String> {
        all.iter().map(|it| it.listener.name.clone()).collect()
    };
    let rest = (!others.is_empty()).then(|| called(&others));
    let parts = parts(called(&named), rest).into_iter();
    parts
        .map(|part| {
            let is_certain = is_certain(&part);
            (part, is_certain)
        })
        .collect()
}

fn parts(named: impl IntoIterator<Item = String>, others: Option<Vec<String>>) -> Vec<Part> {
    let named: Vec<_> = named.into_iter().map(Part::Named).collect();
    if named.is_empty() {
        return vec![Part::Any];
    }
    let others = others.map(Part::Other);
    others.into_iter().chain(named).collect()
}

/// The names of a route's rules, as the operator counts them.
fn rules_of(route: &HTTPRoute) -> Vec<String> {
    let rules = route.spec.rules.iter().enumerate();
    rules
        .map(|(at, rule)| {
            let name = rule.name.clone();
            name.unwrap_or_else(|| format!("rule-{}", at + 1))
        })
        .collect()
}

/// The parts of a target that policies name. Of an AuthPolicy that is not accepted it is not
/// there; a PlanPolicy is not accepted either while its limits are not yet carried out.
fn named_parts(around: &Surroundings, target: &Target) -> BTreeSet<String> {
    let part = |target: &PolicyTarget| target.section_name.clone();
    let auth = around.auth_policies.at(target);
    let auth = auth.filter(|(_, it)| !says(it.status.as_ref(), "Accepted", "False"));
    let plans = around.plan_policies.at(target);
    let auth = auth.filter_map(|(_, it)| part(&it.spec.target_ref));
    auth.chain(plans.filter_map(|(_, it)| part(&it.spec.target_ref)))
        .collect()
}
