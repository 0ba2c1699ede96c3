//! Which authentication rules hold on a route? The effective AuthPolicy.
//!
//! For each [path](super::path), from the route's rule back to the Gateway, with `S` the less
//! specific policy and `T` what is accumulated (kuadrant-operator 1.5):
//!
//! | strategy of `S` | result |
//! |---|---|
//! | defaults/atomic or bare | `T`, or `S` when `T` has no rules at all |
//! | overrides/atomic | `S` |
//! | defaults/merge | `T`'s rules, plus those of `S` that `T` lacks |
//! | overrides/merge | `S`'s rules, plus those of `T` that `S` lacks |
//!
//! Several policies on one target combine in the same way, the newer as the more specific. A
//! policy counts when it is accepted and not being deleted. That it is not
//! *enforced* at the moment takes nothing away: the scheme stays, and the state
//! says so.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use devportal_api::condition::{Attachment, AuthPolicyState, Opening};
use devportal_api::foreign::{AuthPolicy, AuthRules, AuthRulesBlock, AuthenticationSpec, Strategy};
use devportal_api::id::{PolicyId, ProductId};
use devportal_api::scheme::{
    AuthenticationRule, Credentials, DiscoveredAuthScheme, JwtAuthentication,
};
use kube::Resource;

use super::listener::is_within;
use super::path::Path;
use super::{AuthFindings, Keys, Prefer, Refusal, Settled, holds_now, is_behind, selector};
use crate::surroundings::Surroundings;

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

    /// Whether the operator has not looked at the policy as it is now.
    fn is_behind(&self) -> bool {
        is_behind(self.policy, self.policy.status.as_ref())
    }

    /// Whether the operator has carried the policy out as it is now.
    fn settled(&self) -> Settled {
        if self.is_behind() {
            return Settled::No;
        }
        let status = self.policy.status.as_ref();
        let mut conditions = status.iter().flat_map(|it| &it.conditions);
        let enforced = conditions.find(|it| it.type_ == "Enforced");
        match enforced {
            Some(it) if it.status == "True" => Settled::Yes,
            Some(it) => Settled::NotSince(it.last_transition_time.0),
            None => Settled::No,
        }
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
    /// The policy whose conditions tell which requests need a credential at all.
    conditional: Option<Candidate<'a>>,
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

    /// The rules as they are tried.
    fn ordered(&self) -> Vec<(&'a str, &'a AuthenticationSpec)> {
        let rules = self.rules.iter();
        let mut rules: Vec<_> = rules.map(|(name, (_, rule))| (*name, *rule)).collect();
        rules.sort_by_key(|(name, rule)| (rule.priority, *name));
        rules
    }

    /// Those that take API keys; first those that take them from every request.
    fn key_rules(&self) -> impl Iterator<Item = (&'a str, &'a AuthenticationSpec)> {
        let mut rules = self.ordered();
        rules.retain(|(_, rule)| rule.api_key.is_some());
        rules.sort_by_key(|(_, rule)| !rule.when.is_empty());
        rules.into_iter()
    }

    /// The one that is preferred, where it is there.
    fn preferred(&self, prefer: Prefer<'_>) -> Option<(&'a str, &'a AuthenticationSpec)> {
        let mut rules = self.key_rules();
        match prefer {
            Prefer::None => None,
            Prefer::Only(wanted) | Prefer::If(wanted) => rules.find(|(name, _)| *name == wanted),
            Prefer::Selecting(labels) => rules.find(|(_, rule)| {
                let api_key = rule.api_key.as_ref();
                api_key.is_some_and(|it| selector::takes(it, labels))
            }),
        }
    }

    /// The one that keys are made for.
    fn key_rule(&self, prefer: Prefer<'_>) -> Option<(&'a str, &'a AuthenticationSpec)> {
        match (self.preferred(prefer), prefer) {
            (None, Prefer::Only(_)) => None,
            (preferred, _) => preferred.or_else(|| self.key_rules().next()),
        }
    }

    /// How well it does to make keys for: less is better.
    fn place(&self, prefer: Prefer<'_>) -> u8 {
        match self.key_rules().next() {
            Some(_) if self.preferred(prefer).is_some() => 0,
            Some(_) => 1,
            None => 2,
        }
    }

    /// Whether somebody is let in by a key that was made for a rule and has these labels.
    fn takes(&self, made: &AuthenticationRule, labels: &BTreeMap<String, String>) -> bool {
        let is_taken = |rule: &AuthenticationSpec| {
            let api_key = rule.api_key.as_ref();
            api_key.is_some_and(|it| selector::takes(it, labels))
                && place_of(rule.credentials.as_ref()) == place_of(made.credentials.as_ref())
        };
        let mut rules = self.rules.values();
        self.is_open() || rules.any(|(_, it)| lets_all_in(it) || is_taken(it))
    }

    /// Whether nothing authenticates: Authorino lets everybody in then.
    fn is_open(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule that lets everybody in before, or as soon as, a rule has looked at the key: what
    /// succeeds first is who it is.
    fn outruns(&self, key_rule: &str) -> Option<&'a str> {
        let (_, keys) = self.rules.get(key_rule)?;
        let mut rules = self.rules.iter();
        let first = rules.find(|(_, (_, it))| lets_all_in(it) && it.priority <= keys.priority);
        first.map(|(name, _)| *name)
    }
}

/// Where a key is read. Names of headers have no case.
fn place_of(credentials: Option<&Credentials>) -> Credentials {
    let mut place = Credentials::or_bearer(credentials);
    if let Some(header) = &mut place.custom_header {
        header.name.make_ascii_lowercase();
    }
    place
}

fn lets_all_in(rule: &AuthenticationSpec) -> bool {
    rule.anonymous.is_some() && rule.when.is_empty()
}

/// What holds on a path.
struct Way<'a> {
    path: &'a Path,
    effective: Effective<'a>,
}

/// The findings, and by which of the paths they are told.
pub(super) fn discover<'a>(
    around: &'a Surroundings,
    paths: &'a [Path],
    keys: Keys<'_>,
) -> (AuthFindings, Option<&'a Path>) {
    let mut is_attached = false;
    let mut ways = Vec::new();
    for path in paths {
        let candidates = along(around, path);
        is_attached |= !candidates.is_empty();
        let accepted: Vec<_> = candidates
            .into_iter()
            .filter(|it| it.holds("Accepted"))
            .collect();
        if !accepted.is_empty() {
            let effective = effective(&accepted);
            ways.push(Way { path, effective });
        }
    }
    // The first by which keys of the rule that is preferred are taken, else of any.
    let told = ways.iter().min_by_key(|it| {
        let place = it.effective.place(keys.prefer);
        (!it.path.is_open, place, !it.path.is_certain)
    });
    let Some(told) = told else {
        let state = if is_attached {
            AuthPolicyState::NotReady
        } else {
            AuthPolicyState::NotFound
        };
        return (AuthFindings::nothing(state), None);
    };
    let mut findings = findings(&told.effective, keys.prefer);
    let open = || ways.iter().filter(|it| it.path.is_open);
    findings.openings = openings(paths, &ways);
    let closed = Some(told).filter(|it| !it.path.is_open);
    let all = open().chain(closed).flat_map(|it| it.effective.key_rules());
    for (name, rule) in all.filter_map(|(name, rule)| Some((name, rule.api_key.as_ref()?))) {
        let entry = (name.to_owned(), rule.clone());
        if !findings.key_rules.contains(&entry) {
            findings.key_rules.push(entry);
        }
    }
    findings.is_certain = told.path.is_certain;
    findings.refusals = refusals(&findings, &ways, keys.of);
    findings.caches = caches(open());
    let outrun = findings.key_rule_name.as_deref().and_then(|rule| {
        let mut certain = open().filter(|it| it.path.is_certain);
        certain.find_map(|it| it.effective.outruns(rule))
    });
    findings.outrun_by = outrun.map(str::to_owned);
    let contributors = open().flat_map(|it| it.effective.contributors());
    findings.settled = contributors
        .map(|it| it.settled())
        .max()
        .unwrap_or_default();
    (findings, Some(told.path))
}

/// Where requests need no credential.
fn openings(paths: &[Path], ways: &[Way<'_>]) -> Vec<Opening> {
    let is_protected = |path: &Path| {
        let mut its = ways.iter().filter(|it| it.path == path);
        its.any(|it| it.effective.named().is_some())
    };
    // Where a hostname is known from another listener, Kuadrant's filter takes it for that one's.
    let unguarded = |path: &Path| -> Option<Vec<String>> {
        let beside = paths
            .iter()
            .filter(|it| it.is_beside(path) && is_protected(it));
        let guarded: Vec<_> = beside.filter_map(|it| it.hosts.as_ref()).collect();
        let is_guarded = |host: &String| {
            let mut names = guarded.iter().flat_map(|it| &it.guarded);
            names.any(|it| is_within(host, it))
        };
        let served = path.hosts.as_ref()?.served.iter();
        Some(served.filter(|it| !is_guarded(it)).cloned().collect())
    };
    let mut bare = Vec::new();
    let mut broad = Vec::new();
    for path in paths.iter().filter(|it| it.is_open) {
        match (is_protected(path), unguarded(path)) {
            (false, None) => bare.push(path.to_string()),
            (false, Some(hosts)) if !hosts.is_empty() => bare.push(path.to_string()),
            (true, Some(hosts)) if path.is_certain => broad.extend(hosts),
            (_, Some(_)) | (true, None) => {}
        }
    }
    let open = || ways.iter().filter(|it| it.path.is_open);
    let without = open().filter(|it| it.effective.is_open());
    let without: Vec<_> = without
        .filter_map(|it| Some((it.path.to_string(), it.effective.named()?.id.clone())))
        .collect();
    let conditional: BTreeSet<_> = open()
        .filter_map(|it| Some(it.effective.conditional?.id.clone()))
        .collect();
    let all = [
        (!bare.is_empty()).then_some(Opening::NoPolicy(bare)),
        (!broad.is_empty()).then(|| Opening::HostnameTooBroad(broad.into_iter().collect())),
        (!without.is_empty()).then_some(Opening::NoRule(without)),
        (!conditional.is_empty()).then_some(Opening::Conditional(conditional)),
    ];
    all.into_iter().flatten().collect()
}

/// The rules that remember whom they let in by a key, and for how many seconds.
fn caches<'a>(ways: impl Iterator<Item = &'a Way<'a>>) -> BTreeMap<String, i64> {
    let rules = ways.flat_map(|it| it.effective.key_rules());
    let cached = rules.filter_map(|(name, rule)| Some((name.to_owned(), rule.cache.as_ref()?.ttl)));
    cached.filter(|(_, ttl)| *ttl > 0).collect()
}

/// The paths by which the keys that are made are refused, and the policy that says so.
fn refusals(
    findings: &AuthFindings,
    ways: &[Way<'_>],
    product: Option<&ProductId>,
) -> Vec<Refusal> {
    let labels = |rule: &AuthenticationRule| {
        let mut labels = selector::labels_for(product?);
        let selector = rule.api_key.as_ref()?.selector.clone().unwrap_or_default();
        selector::satisfy(&selector, &mut labels).ok()?;
        Some(labels)
    };
    let made = findings.key_rule.as_ref();
    let Some((rule, labels)) = made.and_then(|rule| Some((rule, labels(rule)?))) else {
        return Vec::new();
    };
    let open = ways.iter().filter(|it| it.path.is_open);
    let refusing = open.filter(|it| !it.effective.takes(rule, &labels));
    refusing
        .filter_map(|it| {
            Some(Refusal {
                path: it.path.to_string(),
                policy: it.effective.named()?.id.clone(),
                is_certain: it.path.is_certain,
            })
        })
        .collect()
}

/// The policies along a path, the most specific first. Of several on one target the newest is the
/// most specific, and of those of one second the last by name.
fn along<'a>(around: &'a Surroundings, path: &Path) -> Vec<Candidate<'a>> {
    let mut along = Vec::new();
    for (target, part) in path.levels() {
        let mut here: Vec<_> = around
            .auth_policies
            .on(&target, part)
            .map(|(id, policy)| Candidate { id, policy })
            .collect();
        here.sort_by_key(|it| {
            let created = it.policy.meta().creation_timestamp.as_ref();
            Reverse((created.map(|at| at.0), it.id))
        });
        along.extend(here);
    }
    along
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
    let block = |block: &'a AuthRulesBlock| {
        Some(Says {
            rules: block.rules.as_ref()?,
            is_conditional: !block.when.is_empty(),
        })
    };
    let (part, says) = if let Some(it) = &spec.overrides
        && let Some(says) = block(it)
    {
        (Part::Override(it.strategy), says)
    } else if let Some(it) = &spec.defaults
        && let Some(says) = block(it)
    {
        (Part::Default(it.strategy), says)
    } else if let Some(rules) = &spec.rules {
        let is_conditional = !spec.when.is_empty();
        let says = Says {
            rules,
            is_conditional,
        };
        (Part::Default(Strategy::Atomic), says)
    } else {
        return specific;
    };
    match part {
        Part::Default(Strategy::Atomic) if specific.has_rules => specific,
        Part::Default(Strategy::Atomic) | Part::Override(Strategy::Atomic) => {
            merged(Effective::default(), general, &says, true)
        }
        Part::Default(Strategy::Merge) => merged(specific, general, &says, false),
        Part::Override(Strategy::Merge) => merged(specific, general, &says, true),
    }
}

/// What a policy has a say with.
struct Says<'a> {
    rules: &'a AuthRules,
    /// Whether that is for some requests only.
    is_conditional: bool,
}

impl Says<'_> {
    /// Whether there is anything: conditions are rules, too.
    fn is_any(&self) -> bool {
        let rules = self.rules;
        let others = [
            rules.metadata,
            rules.authorization,
            rules.callbacks,
            rules.response,
        ];
        self.is_conditional
            || !rules.authentication.is_empty()
            || others.iter().any(Option::is_some)
    }
}

fn merged<'a>(
    mut into: Effective<'a>,
    general: Candidate<'a>,
    says: &Says<'a>,
    overriding: bool,
) -> Effective<'a> {
    for (name, rule) in &says.rules.authentication {
        if overriding {
            into.rules.insert(name, (general, rule));
        } else {
            into.rules.entry(name).or_insert((general, rule));
        }
    }
    let conditional = says.is_conditional.then_some(general);
    into.conditional = if overriding {
        conditional.or(into.conditional)
    } else {
        into.conditional.or(conditional)
    };
    into.has_rules |= says.is_any();
    into.main.get_or_insert(general);
    into
}

fn findings(effective: &Effective<'_>, prefer: Prefer<'_>) -> AuthFindings {
    let contributors = effective.contributors();
    let enforced = contributors.iter().all(|it| it.holds("Enforced"));
    let state = match effective.named() {
        Some(main) if enforced => AuthPolicyState::Found(main.attachment()),
        _ => AuthPolicyState::NotReady,
    };
    let rules = effective.ordered();
    let key_rule = effective.key_rule(prefer);
    let issuer = rules.iter().find_map(|(_, rule)| {
        rule.jwt
            .as_ref()?
            .issuer_url
            .clone()
            .filter(|url| !url.is_empty())
    });
    let shown = rules
        .iter()
        .filter(|(_, rule)| rule.api_key.is_some() || rule.jwt.is_some());
    let authentication = shown.map(|(name, rule)| ((*name).to_owned(), published(rule)));
    AuthFindings {
        key_rule: key_rule.map(|(_, rule)| published(rule)),
        key_rule_name: key_rule.map(|(name, _)| name.to_owned()),
        is_conditional: key_rule.is_some_and(|(_, rule)| !rule.when.is_empty()),
        behind: contributors
            .iter()
            .filter(|it| it.is_behind())
            .map(|it| it.id.clone())
            .collect(),
        issuer,
        scheme: Some(DiscoveredAuthScheme {
            authentication: authentication.collect(),
        }),
        ..AuthFindings::nothing(state)
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
