//! Which authentication rules hold on a route? The effective AuthPolicy.
//!
//! From the route back to the Gateway, with `S` the less specific policy and
//! `T` what is accumulated (kuadrant-operator 1.5):
//!
//! | strategy of `S` | result |
//! |---|---|
//! | defaults/atomic or bare | `T`, or `S` when `T` has no rules at all |
//! | overrides/atomic | `S` |
//! | defaults/merge | `T`'s rules, plus those of `S` that `T` lacks |
//! | overrides/merge | `S`'s rules, plus those of `T` that `S` lacks |
//!
//! A policy counts when it is accepted and not being deleted. That it is not
//! *enforced* at the moment takes nothing away: the scheme stays, and the state
//! says so.

use std::collections::BTreeMap;

use devportal_api::condition::{Attachment, AuthPolicyState};
use devportal_api::foreign::{
    AuthPolicy, AuthRules, AuthRulesBlock, AuthenticationSpec, HTTPRoute, ParentRef, Strategy,
};
use devportal_api::id::{PolicyId, RouteId};
use devportal_api::scheme::{AuthenticationRule, DiscoveredAuthScheme, JwtAuthentication};
use kube::Resource;

use super::{AuthFindings, Prefer, holds_now, selector};
use crate::surroundings::{Surroundings, Target};

/// A policy with the facts that decide its place.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    id: &'a PolicyId,
    policy: &'a AuthPolicy,
}

impl Candidate<'_> {
    fn holds(&self, kind: &str) -> bool {
        let conditions = self
            .policy
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.conditions);
        holds_now(self.policy, conditions, kind)
    }

    fn attachment(&self) -> Attachment {
        let target = &self.policy.spec.target_ref;
        Attachment {
            policy: self.id.clone(),
            target_kind: target.kind.clone(),
            target_name: target.name.clone(),
        }
    }
}

/// The rules gathered so far, each with the policy it is from.
#[derive(Default)]
struct Effective<'a> {
    rules: BTreeMap<&'a str, (Candidate<'a>, &'a AuthenticationSpec)>,
    has_rules: bool,
    /// The most specific policy that has a say.
    main: Option<Candidate<'a>>,
}

impl<'a> Effective<'a> {
    /// Those whose rules hold; one that is overridden in all it says is not enforced
    /// for good, and has no say.
    fn contributors(&self) -> Vec<Candidate<'a>> {
        let mut all: Vec<Candidate> = self.rules.values().map(|(from, _)| *from).collect();
        if all.is_empty() {
            all.extend(self.main);
        }
        all
    }

    /// The one to name: the most specific that contributes.
    fn named(&self) -> Option<Candidate<'a>> {
        let contributors = self.contributors();
        let is_main = |it: &&Candidate| self.main.is_some_and(|main| main.id == it.id);
        let main = contributors.iter().find(is_main);
        main.or(contributors.first()).copied()
    }
}

pub(super) fn discover(
    around: &Surroundings,
    id: &RouteId,
    route: Option<&HTTPRoute>,
    rule: Prefer<'_>,
) -> AuthFindings {
    let Some(route) = route else {
        return nothing(AuthPolicyState::NotFound);
    };
    let mut attached = false;
    for parent in parents(route) {
        let path = path(around, id, parent);
        attached |= !path.is_empty();
        let accepted: Vec<_> = path.into_iter().filter(|c| c.holds("Accepted")).collect();
        if !accepted.is_empty() {
            return findings(&effective(&accepted), rule);
        }
    }
    nothing(if attached {
        AuthPolicyState::NotReady
    } else {
        AuthPolicyState::NotFound
    })
}

fn nothing(state: AuthPolicyState) -> AuthFindings {
    AuthFindings {
        state,
        scheme: None,
        key_rule: None,
        key_rule_name: None,
        issuer: None,
    }
}

/// The route's parents; a route without any still has its own policies.
fn parents(route: &HTTPRoute) -> Vec<Option<&ParentRef>> {
    if route.spec.parent_refs.is_empty() {
        vec![None]
    } else {
        route.spec.parent_refs.iter().map(Some).collect()
    }
}

/// The policies from the route back to one Gateway, most specific first.
fn path<'a>(
    around: &'a Surroundings,
    id: &RouteId,
    parent: Option<&ParentRef>,
) -> Vec<Candidate<'a>> {
    let mut path = Vec::new();
    let on_route = at(around, &Target::Route(id.clone()));
    path.extend(first(&on_route, |section| section.is_none()));
    if path.is_empty() {
        // Only single rules of the route are protected.
        path.extend(first(&on_route, |section| section.is_some()));
    }
    let gateway = parent.and_then(|parent| Some((parent, Target::of_parent(id, parent)?)));
    if let Some((parent, gateway)) = gateway {
        let on_gateway = at(around, &gateway);
        let listener = parent.section_name.as_deref();
        path.extend(first(&on_gateway, |section| {
            section.is_some() && section == listener
        }));
        path.extend(first(&on_gateway, |section| section.is_none()));
    }
    path
}

fn at<'a>(around: &'a Surroundings, target: &Target) -> Vec<Candidate<'a>> {
    around
        .auth_policies
        .at(target)
        .map(|(id, policy)| (id, &**policy))
        .filter(|(_, policy)| policy.meta().deletion_timestamp.is_none())
        .map(|(id, policy)| Candidate { id, policy })
        .collect()
}

/// Of several policies on one target the operator picks one: the one that is
/// enforced, else accepted, else the oldest, else the first by name.
fn first<'a>(
    candidates: &[Candidate<'a>],
    section: impl Fn(Option<&str>) -> bool,
) -> Option<Candidate<'a>> {
    candidates
        .iter()
        .filter(|c| section(c.policy.spec.target_ref.section_name.as_deref()))
        .min_by_key(|c| {
            let age = c.policy.meta().creation_timestamp.as_ref().map(|at| at.0);
            (!c.holds("Enforced"), !c.holds("Accepted"), age, c.id)
        })
        .copied()
}

fn effective<'a>(path: &[Candidate<'a>]) -> Effective<'a> {
    path.iter().fold(Effective::default(), |acc, candidate| {
        combine(acc, *candidate)
    })
}

/// How a policy's rules take part.
enum Part {
    Default(Strategy),
    Override(Strategy),
}

fn combine<'a>(specific: Effective<'a>, general: Candidate<'a>) -> Effective<'a> {
    let spec = &general.policy.spec;
    let block = |block: &'a Option<AuthRulesBlock>| {
        block
            .as_ref()
            .and_then(|block| Some((block.strategy, block.rules.as_ref()?)))
    };
    let (part, rules) = if let Some((strategy, rules)) = block(&spec.overrides) {
        (Part::Override(strategy), rules)
    } else if let Some((strategy, rules)) = block(&spec.defaults) {
        (Part::Default(strategy), rules)
    } else if let Some(rules) = &spec.rules {
        (Part::Default(Strategy::Atomic), rules)
    } else {
        return specific;
    };
    match part {
        Part::Default(Strategy::Atomic) if specific.has_rules => specific,
        Part::Default(Strategy::Atomic) | Part::Override(Strategy::Atomic) => Effective {
            rules: named(rules)
                .map(|(name, rule)| (name, (general, rule)))
                .collect(),
            has_rules: has_rules(rules),
            main: Some(general),
        },
        Part::Default(Strategy::Merge) => merged(specific, general, rules, false),
        Part::Override(Strategy::Merge) => merged(specific, general, rules, true),
    }
}

fn merged<'a>(
    mut into: Effective<'a>,
    general: Candidate<'a>,
    rules: &'a AuthRules,
    overriding: bool,
) -> Effective<'a> {
    for (name, rule) in named(rules) {
        if overriding {
            into.rules.insert(name, (general, rule));
        } else {
            into.rules.entry(name).or_insert((general, rule));
        }
    }
    into.has_rules |= has_rules(rules);
    into.main.get_or_insert(general);
    into
}

fn named(rules: &AuthRules) -> impl Iterator<Item = (&str, &AuthenticationSpec)> {
    rules
        .authentication
        .iter()
        .map(|(name, rule)| (name.as_str(), rule))
}

fn has_rules(rules: &AuthRules) -> bool {
    !rules.authentication.is_empty()
        || [
            rules.metadata,
            rules.authorization,
            rules.callbacks,
            rules.response,
        ]
        .iter()
        .any(Option::is_some)
}

fn findings(effective: &Effective<'_>, prefer: Prefer<'_>) -> AuthFindings {
    let contributors = effective.contributors();
    let enforced = contributors.iter().all(|it| it.holds("Enforced"));
    let state = match effective.named() {
        Some(main) if enforced => AuthPolicyState::Found(main.attachment()),
        _ => AuthPolicyState::NotReady,
    };
    let rules = effective.rules.iter();
    let mut ordered: Vec<_> = rules.map(|(name, (_, rule))| (name, *rule)).collect();
    ordered.sort_by_key(|(name, rule)| (rule.priority, **name));
    let mut key_rules = ordered.iter().filter(|(_, rule)| rule.api_key.is_some());
    let by_name = |wanted: &str| key_rules.clone().find(|(name, _)| **name == wanted);
    let key_rule = match prefer {
        Prefer::Only(name) => by_name(name),
        Prefer::If(name) => by_name(name).or_else(|| key_rules.next()),
        Prefer::Selecting(labels) => {
            let takes = |rule: &AuthenticationSpec| {
                let api_key = rule.api_key.as_ref();
                api_key.is_some_and(|it| selector::takes(it, labels))
            };
            let taking = key_rules.clone().find(|(_, rule)| takes(rule));
            taking.or_else(|| key_rules.next())
        }
        Prefer::None => key_rules.next(),
    };
    let issuer = ordered.iter().find_map(|(_, rule)| {
        rule.jwt
            .as_ref()?
            .issuer_url
            .clone()
            .filter(|url| !url.is_empty())
    });
    let shown = ordered
        .iter()
        .filter(|(_, rule)| rule.api_key.is_some() || rule.jwt.is_some());
    let authentication = shown.map(|(name, rule)| ((**name).to_owned(), published(rule)));
    AuthFindings {
        state,
        key_rule: key_rule.map(|(_, rule)| published(rule)),
        key_rule_name: key_rule.map(|(name, _)| (**name).to_owned()),
        issuer,
        scheme: Some(DiscoveredAuthScheme {
            authentication: authentication.collect(),
        }),
    }
}

/// What a status tells of a rule: nothing but how to satisfy it.
fn published(rule: &AuthenticationSpec) -> AuthenticationRule {
    AuthenticationRule {
        api_key: rule.api_key.clone(),
        jwt: rule.jwt.as_ref().map(|jwt| JwtAuthentication {
            issuer_url: jwt.issuer_url.clone(),
        }),
        credentials: rule.credentials.clone(),
    }
}
