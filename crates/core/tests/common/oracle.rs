//! What always holds once nothing is left to do: the invariants, told a second
//! time and from the objects alone.

use std::collections::BTreeMap;

use devportal_api::condition::{AuthPolicyState, kind};
use devportal_api::id::{KeyId, ProductId};
use devportal_api::key::ApprovedTerms;
use devportal_api::name::{self, annotation, label};
use devportal_api::scheme::AuthenticationRule;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use devportal_core::decide;
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::cluster::{Name, Secret};
use super::fixture::CONSUMER;
use super::hands::{decided, pair};
use super::portal::offered;
use super::simulation::Simulation;

/// Checks a cluster at rest.
pub fn check(simulation: &Simulation) {
    idle(simulation);
    same_as_rebuilt(simulation);
    for key in simulation.cluster.keys.values() {
        one_lifecycle(simulation, key);
        credentials(simulation, key);
        shown_once(simulation, key);
    }
    nothing_unexplained(simulation);
}

/// Deciding again writes nothing.
fn idle(simulation: &Simulation) {
    for (id, decision) in simulation.decisions() {
        assert_eq!(decision.writes, vec![], "{id:?} is not at rest");
    }
}

/// What was gathered change by change equals what is listed at once.
fn same_as_rebuilt(simulation: &Simulation) {
    if simulation.remembers_an_earlier_place() {
        return;
    }
    let rebuilt = Simulation::of(simulation.cluster.clone());
    let mut rebuilt = rebuilt.set(simulation.world.settings());
    rebuilt.settle();
    assert_eq!(
        rebuilt.wrote(),
        Vec::<&str>::new(),
        "a restart is no reason to write"
    );
    for (id, decision) in simulation.decisions() {
        let again = decide(&id, &rebuilt.world, simulation.cluster.now);
        // The Secrets that are in the way of others' names are found out anew.
        assert_eq!(again.writes, decision.writes, "{id:?}");
        assert_eq!(again.needs, decision.needs, "{id:?}");
        assert_eq!(again.wake_at, decision.wake_at, "{id:?}");
    }
}

const LIFECYCLE: [&str; 5] = [
    kind::FAILED,
    kind::DENIED,
    kind::EXPIRED,
    kind::APPROVED,
    kind::PENDING,
];

/// Exactly one lifecycle condition, the right one, and the request says the
/// same.
fn one_lifecycle(simulation: &Simulation, key: &APIKey) {
    let conditions = &key.status.as_ref().expect("a status").conditions;
    let states: Vec<_> = conditions
        .iter()
        .filter(|it| LIFECYCLE.contains(&it.type_.as_str()))
        .collect();
    let [state] = states[..] else {
        panic!("{states:?}")
    };
    assert_eq!(state.status, "True");
    assert_eq!(state.observed_generation, key.meta().generation);
    assert_eq!(
        (state.type_.as_str(), state.reason.as_str()),
        expected(simulation, key)
    );
    if let Some(request) = request(simulation, key) {
        let shown = &request.status.as_ref().expect("a status").conditions;
        assert_eq!(shown, conditions);
    }
}

fn request<'a>(simulation: &'a Simulation, key: &APIKey) -> Option<&'a APIKeyRequest> {
    let id = name::request(&KeyId::of(key), &key.product_id());
    let request = simulation
        .cluster
        .requests
        .get(&pair(&id.namespace, &id.name))?;
    assert_eq!(
        request.key_uid(),
        key.meta().uid.as_deref(),
        "a request of another key"
    );
    Some(request)
}

/// The decision that counts, found in another way than the core does.
fn ruling<'a>(simulation: &'a Simulation, key: &APIKey) -> Option<&'a APIKeyApproval> {
    let request = request(simulation, key)?;
    let mut approvals: Vec<_> = simulation
        .cluster
        .approvals
        .values()
        .filter(|it| it.request_id().namespace == request.namespace().unwrap())
        .filter(|it| it.request_id().name == request.name_any())
        .collect();
    // No approval counts that a denial came after, whatever is asked for by now; nor one that was
    // a denial which stands, of something else.
    let now = simulation.cluster.now;
    let denied = |it: &APIKeyApproval| it.status.clone().unwrap_or_default().denies;
    let is_denial = |it: &&APIKeyApproval| !it.spec.approved || !denied(it).is_empty();
    let alive = |it: &&APIKeyApproval| it.meta().deletion_timestamp.is_none();
    let denials = approvals.iter().copied().filter(alive).filter(is_denial);
    let last = denials.map(|it| order(it, now)).max();
    approvals.retain(|it| {
        let is_after = last.as_ref().is_none_or(|at| *at < order(it, now));
        !it.spec.approved || (is_after && denied(it).is_empty())
    });
    // An approval of other terms than are asked for is no decision, unless it was noted
    // what it covers when they were asked for.
    approvals.retain(|it| {
        let terms = it.spec.terms.as_ref().filter(|_| it.spec.approved);
        let is_noted = noted(simulation, it).is_some();
        // Nor is one's own, where that is refused.
        let is_own = it.spec.approved
            && it.spec.reviewed_by == key.spec.requested_by.user_id
            && !it.annotations().contains_key(annotation::DECIDES_OWN);
        let is_refused = is_own && simulation.world.settings().refuses_own;
        is_noted || (!is_refused && terms.is_none_or(|terms| *terms == request.terms()))
    });
    approvals.retain(|it| it.meta().deletion_timestamp.is_none());
    // What nothing ties is about whom it was noted for.
    approvals.retain(|it| {
        let covered = noted(simulation, it);
        let is_tied = !it.owner_references().is_empty();
        let is_its = |it: &ApprovedTerms| {
            it.requested_by == key.spec.requested_by
                && it.api_product_ref.name == request.spec.api_product_ref.name
        };
        is_tied || covered.is_none_or(is_its)
    });
    // A denial is about requesters and products.
    approvals.retain(|it| {
        let denied = denied(it);
        let spec = &request.spec;
        let mut denied = denied.iter();
        it.spec.approved
            || denied.any(|it| {
                it.user_id == spec.requested_by.user_id
                    && it.api_product == spec.api_product_ref.name
            })
    });
    for approval in &approvals {
        let owner = approval.owner_references().first().map(|it| it.uid.clone());
        if owner.is_none() && stands(approval) {
            continue;
        }
        assert_eq!(
            owner,
            request.uid(),
            "a decision that is not tied to its request"
        );
        let uid = approval.uid().unwrap();
        assert_eq!(
            simulation.cluster.bound.get(&uid),
            key.meta().uid.as_ref(),
            "of another key"
        );
    }
    // A machine overrules nobody.
    if approvals.iter().any(|it| !it.spec.approved) {
        approvals.retain(|it| !is_machine_s(it));
    }
    approvals.sort_by_key(|it| order(it, now));
    approvals.pop()
}

/// What was noted that an approval covers, as it decides now.
fn noted<'a>(simulation: &'a Simulation, approval: &APIKeyApproval) -> Option<&'a ApprovedTerms> {
    let (was, terms) = simulation.cluster.covered.get(&approval.uid()?)?;
    (*was == decided(approval)).then_some(terms)
}

/// Whether the controller decided, and nobody took anything off that.
fn is_machine_s(approval: &APIKeyApproval) -> bool {
    let spec = &approval.spec;
    spec.reviewed_by == "system" && spec.plan_tier.is_none() && spec.expires_at.is_none()
}

fn order(approval: &APIKeyApproval, now: Timestamp) -> (Timestamp, Timestamp, bool, String) {
    let created = approval.meta().creation_timestamp.as_ref().unwrap().0;
    let is_denial = !approval.spec.approved;
    (
        taken(approval, now),
        created,
        is_denial,
        approval.name_any(),
    )
}

/// When a decision counts as taken: not after it was made.
fn taken(approval: &APIKeyApproval, now: Timestamp) -> Timestamp {
    let at = approval.spec.reviewed_at.0;
    let status = approval.status.clone().unwrap_or_default();
    let made = if approval.meta().generation == Some(1) {
        approval.meta().creation_timestamp.clone().unwrap().0
    } else if status.decision == Some(approval.decides()) {
        let created = approval.meta().creation_timestamp.clone().unwrap();
        let first = (status.observed_generation == Some(1)).then_some(created.0);
        status.counts_from.map(|it| it.0).or(first).unwrap_or(now)
    } else {
        now
    };
    let is_ahead = at.duration_since(made) > SignedDuration::from_secs(1);
    if is_ahead { made } else { at }
}

/// Whether a denial says that it holds whatever becomes of its request.
fn stands(approval: &APIKeyApproval) -> bool {
    let mut told = approval.status.iter().flat_map(|it| &it.conditions);
    !approval.spec.approved && told.any(|it| it.type_ == "Stands")
}

fn terms<'a>(simulation: &Simulation, key: &'a APIKey) -> Option<&'a ApprovedTerms> {
    ruling(simulation, key).filter(|it| it.spec.approved)?;
    key.status.as_ref()?.approved_terms.as_ref()
}

/// The product the key is under: as approved, else as asked.
fn product_of(simulation: &Simulation, key: &APIKey) -> ProductId {
    match terms(simulation, key).map(|it| &it.api_product_ref) {
        Some(it) => ProductId::new(it.namespace.clone().unwrap(), &it.name),
        None => key.product_id(),
    }
}

fn is_over(simulation: &Simulation, key: &APIKey) -> bool {
    let bound = terms(simulation, key).and_then(|it| it.expires_at.clone());
    let asked = key.spec.expires_at.clone();
    [bound, asked]
        .into_iter()
        .flatten()
        .map(|it| it.0)
        .min()
        .is_some_and(|at| at <= simulation.cluster.now && terms(simulation, key).is_some())
}

fn source_name(key: &APIKey) -> Name {
    let id = key.source_secret();
    pair(&id.namespace, &id.name)
}

fn expected(simulation: &Simulation, key: &APIKey) -> (&'static str, &'static str) {
    let cluster = &simulation.cluster;
    let product = product_of(simulation, key);
    let found = simulation.world.find_discovery(&product).map(|it| &it.auth);
    let source = cluster
        .secrets
        .get(&source_name(key))
        .map(|it| it.value.as_deref());
    let has_credentials = !simulation.in_sight(&key.name_any()).is_empty();
    if simulation.world.kuadrant_namespace().is_none() {
        return (kind::FAILED, "KuadrantNotFound");
    }
    let Some(found_product) = cluster
        .products
        .get(&pair(&product.namespace, &product.name))
    else {
        return (kind::FAILED, "APIProductNotFound");
    };
    if found_product.meta().deletion_timestamp.is_some() {
        return (kind::FAILED, "APIProductDeleting");
    }
    let in_cookie = found.is_some_and(|it| {
        let rules = it.scheme.iter().flat_map(|it| it.authentication.values());
        let used = it.key_rule.as_ref();
        // Selectors of these tests have labels only: fewer of them take more.
        let asked = |rule: &AuthenticationRule| {
            let selector = rule.api_key.clone().and_then(|it| it.selector);
            selector.and_then(|it| it.match_labels).unwrap_or_default()
        };
        let is_same = |rule: &&AuthenticationRule| {
            let asked_of = used.map(asked).unwrap_or_default();
            let mut asks = asked(rule).into_iter();
            rule.api_key.is_some() && asks.all(|(name, it)| asked_of.get(&name) == Some(&it))
        };
        let is_cookie = |rule: &AuthenticationRule| {
            let place = rule.credentials.as_ref();
            place.is_some_and(|it| it.cookie.is_some())
        };
        used.is_some_and(is_cookie) && rules.filter(is_same).all(is_cookie)
    });
    match source {
        _ if key.is_generated() => {}
        None => return (kind::FAILED, "SecretNotFound"),
        Some(None) => return (kind::FAILED, "SecretAPIKeyNotFound"),
        Some(Some("")) => return (kind::FAILED, "SecretAPIKeyEmpty"),
        Some(Some("padded ")) => return (kind::FAILED, "SecretAPIKeyUnsendable"),
        Some(Some(value)) if value.contains(';') && in_cookie => {
            return (kind::FAILED, "SecretAPIKeyUnsendable");
        }
        Some(Some("weak")) if simulation.world.settings().refuses_weak => {
            return (kind::FAILED, "SecretAPIKeyWeak");
        }
        Some(Some(_)) => {}
    }
    match found {
        Some(auth) if auth.key_rule.is_some() => {}
        Some(auth) if auth.scheme.is_some() => return (kind::FAILED, "APIKeyAuthSchemeNotFound"),
        Some(auth) if auth.state == AuthPolicyState::NotReady && has_credentials => {}
        _ => return (kind::FAILED, "AuthSchemeNotFound"),
    }
    match ruling(simulation, key) {
        None => (kind::PENDING, "AwaitingApproval"),
        Some(it) if !it.spec.approved => (kind::DENIED, "Denied"),
        Some(_) if is_over(simulation, key) => (kind::EXPIRED, "KeyExpired"),
        Some(_) => (kind::APPROVED, "Approved"),
    }
}

/// What keeps a key from a credential until somebody does something about it.
const STUCK: [&str; 4] = [
    "SecretConflict",
    "SecretHeld",
    "SelectorUnsatisfiable",
    "ValueInUse",
];

/// An approved key under a ready policy has exactly one credential of the right
/// value, and others only as long as a rotation lets them; a key that is not
/// granted has none.
fn credentials(simulation: &Simulation, key: &APIKey) {
    let enforced = simulation.in_sight(&key.name_any());
    let is_granted = terms(simulation, key).is_some() && !is_over(simulation, key);
    if !is_granted {
        assert_eq!(enforced, vec![], "{} is not granted", key.name_any());
        return;
    }
    let granted = &ruling(simulation, key).unwrap().spec;
    let covered = terms(simulation, key).unwrap();
    let tier = granted.plan_tier.as_ref();
    assert!(tier.is_none_or(|tier| *tier == covered.plan_tier));
    let until = granted.expires_at.as_ref().map(|at| at.0);
    let covered = covered.expires_at.as_ref().map(|at| at.0);
    assert!(until.is_none_or(|until| covered.is_some_and(|at| at <= until)));

    let product = product_of(simulation, key);
    let found = simulation.world.find_discovery(&product);
    let is_ready = found.is_some_and(|it| matches!(it.auth.state, AuthPolicyState::Found(_)));
    let (state, _) = expected(simulation, key);
    let mut told = key.status.as_ref().unwrap().conditions.iter();
    let is_stuck = told.any(|it| STUCK.contains(&it.reason.as_str()));
    if state != kind::APPROVED || !is_ready || is_stuck {
        return;
    }
    let terms = terms(simulation, key).unwrap();
    let is_current = |secret: &Secret| {
        if key.is_shown_once() {
            return revision(secret) == key.revision();
        }
        let source = simulation.cluster.secrets.get(&source_name(key));
        secret.value == source.expect("a source").value
    };
    let (current, replaced): (Vec<_>, Vec<_>) =
        (enforced.iter()).partition(|(_, secret)| is_current(secret));
    for (name, _) in &replaced {
        let is_going_on = enforced.iter().any(|(other, secret)| {
            let until = secret.annotations.get(annotation::OVERLAP_UNTIL);
            let until = until.map(|it| it.parse::<jiff::Timestamp>().unwrap());
            other != name && until.is_some_and(|it| it > simulation.cluster.now)
        });
        assert!(
            is_going_on && key.is_generated(),
            "{name:?} goes on for ever"
        );
    }
    let [(name, secret)] = current[..] else {
        panic!("{} has {enforced:?}", key.name_any())
    };
    assert_eq!(Some(name.0.as_str()), simulation.world.kuadrant_namespace());
    assert_eq!(
        secret.annotations.get(annotation::PLAN),
        Some(&terms.plan_tier)
    );
    assert_eq!(
        secret.annotations.get(annotation::USER),
        Some(&terms.requested_by.user_id)
    );
    assert_eq!(
        secret.annotations.get(annotation::KEY_UID),
        key.meta().uid.as_ref()
    );
    let named = secret.labels.get(label::PRODUCT).map(String::as_str);
    assert_eq!(named, Some(&*product.name));
    let ends = [&terms.expires_at, &key.spec.expires_at];
    let end = ends.into_iter().flatten().map(|at| at.0.to_string()).min();
    assert_eq!(secret.annotations.get(annotation::EXPIRES_AT), end.as_ref());
    let conditions = &key.status.as_ref().unwrap().conditions;
    let waits = conditions
        .iter()
        .any(|it| it.reason == "AwaitingReapproval");
    assert_eq!(waits, asks_for_more(key, terms), "{terms:?} {:?}", key.spec);
}

/// Whether a key asks for what was neither granted nor known to whoever granted less.
fn asks_for_more(key: &APIKey, terms: &ApprovedTerms) -> bool {
    let spec = &key.spec;
    let product = key.product_id();
    let reference = &terms.api_product_ref;
    let is_same = spec.requested_by == terms.requested_by
        && product.name == reference.name
        && Some(&*product.namespace) == reference.namespace.as_deref();
    let granted = (&terms.plan_tier, &terms.expires_at);
    let asked = terms.asked.as_ref();
    let asked = asked.map(|it| (&it.plan_tier, &it.expires_at));
    let is_within = [Some(granted), asked]
        .into_iter()
        .flatten()
        .any(|(tier, until)| {
            let until = until.as_ref().map(|at| at.0);
            let ends = spec.expires_at.as_ref().map(|at| at.0);
            *tier == spec.plan_tier && until.is_none_or(|until| ends.is_some_and(|at| at <= until))
        });
    !(is_same && is_within)
}

/// The value of a key that is shown once is only where the gateway reads it, one for each
/// revision; and it can be shown unless it was, or was to be once already.
fn shown_once(simulation: &Simulation, key: &APIKey) {
    if !key.is_shown_once() {
        return;
    }
    let cluster = &simulation.cluster;
    let status = key.status.as_ref().expect("a status");
    assert_eq!(status.secret_ref, None);
    let enforced = simulation.in_sight(&key.name_any());
    let mut values = BTreeMap::new();
    for (name, secret) in &enforced {
        let value = values.entry(revision(secret)).or_insert(&secret.value);
        assert_eq!(
            *value, &secret.value,
            "{name:?}: two values of one revision"
        );
        let elsewhere = cluster.secrets.iter().find(|(other, it)| {
            it.value == secret.value && (!it.is_enforcement() || other.0 == CONSUMER)
        });
        assert_eq!(elsewhere, None, "the value of {name:?} is elsewhere, too");
    }
    let is_current = |(_, secret): &&(&Name, &Secret)| revision(secret) == key.revision();
    let Some((_, current)) = enforced.iter().find(is_current) else {
        return;
    };
    // Without a Kuadrant nothing opens anything, and what is new is told when it is back.
    if simulation.world.kuadrant_namespace().is_none() {
        return;
    }
    let digest = &current.annotations[annotation::DIGEST];
    let is_told = offered(key) == Some(digest);
    assert!(is_told, "{digest} is not told: {status:?}");
    assert!(
        cluster.portal.was_offered(digest) || status.can_read_secret == Some(true),
        "{digest} can never be shown"
    );
}

fn revision(secret: &Secret) -> i64 {
    let noted = secret.annotations.get(annotation::REVISION);
    noted.map_or(0, |it| it.parse().unwrap())
}

/// No credential and no request without its key.
fn nothing_unexplained(simulation: &Simulation) {
    let cluster = &simulation.cluster;
    let live: Vec<_> = cluster.keys.values().filter_map(ResourceExt::uid).collect();
    for (name, secret) in &cluster.secrets {
        let of = secret.annotations.get(annotation::KEY_UID);
        let is_explained = !secret.is_enforcement()
            || of.is_some_and(|uid| live.contains(uid))
            || simulation.is_out_of_sight(name);
        assert!(is_explained, "{name:?} outlives its key: {secret:?}");
    }
    for request in cluster.requests.values() {
        let uid = request.key_uid().unwrap().to_owned();
        assert!(
            live.contains(&uid),
            "{} outlives its key",
            request.name_any()
        );
    }
    for approval in cluster.approvals.values() {
        let requests: Vec<_> = cluster
            .requests
            .values()
            .filter_map(ResourceExt::uid)
            .collect();
        let mut owners = approval.owner_references().iter();
        assert!(
            owners.all(|it| requests.contains(&it.uid)),
            "{}",
            approval.name_any()
        );
    }
}
