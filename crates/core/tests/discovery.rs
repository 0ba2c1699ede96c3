//! What is found around a route.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devportal_api::APIProduct;
use devportal_api::condition::{
    Attachment, AuthPolicyState, Opening, PlanFault, PlanPolicyState, RouteState,
};
use devportal_api::foreign::{
    AllowedRoutes, AuthPolicy, AuthenticationSpec, GATEWAY_GROUP, Gateway, HTTPRoute, Listener,
    ParentRef, PathMatch, PlanPolicy, PlanPolicySpec, PolicyStatus, PolicyTarget, RouteGroupKind,
    RouteMatch, RouteNamespaces, RouteParentStatus, RouteRule, Strategy, Unread,
};
use devportal_api::id::{GatewayId, PolicyId, RouteId};
use devportal_api::scheme::{Credentials, JwtAuthentication, Named, Prefixed};
use devportal_core::discover::{self, AuthFindings, Discovery, Settled};
use devportal_core::surroundings::Surroundings;
use devportal_mirror::Told;

use crate::common::*;

/// A cluster where `games` is on a route and nothing protects it.
fn bare() -> Simulation {
    bare_on(route("games"))
}

fn bare_on(route: HTTPRoute) -> Simulation {
    Simulation::default().with(product()).with(route)
}

fn look(mut simulation: Simulation) -> Discovery {
    simulation.settle();
    let found = simulation.world.find_discovery(&product_id("games"));
    found.expect("a discovery").clone()
}

fn auth_of(simulation: Simulation) -> AuthFindings {
    look(simulation).auth
}

/// The paths on which no AuthPolicy holds.
fn bare_ways(auth: &AuthFindings) -> Vec<String> {
    match &auth.openings[..] {
        [] => vec![],
        [Opening::NoPolicy(ways)] => ways.clone(),
        others => panic!("no other openings than bare ones: {others:?}"),
    }
}

/// The names of the rules that hold.
fn rule_names(simulation: Simulation) -> Vec<String> {
    let scheme = auth_of(simulation).scheme.expect("a scheme");
    scheme.authentication.into_keys().collect()
}

fn found(policy: &str, kind: &str, name: &str) -> AuthPolicyState {
    AuthPolicyState::Found(attachment(policy, kind, name))
}

fn attachment(policy: &str, kind: &str, name: &str) -> Attachment {
    Attachment {
        policy: PolicyId::new(OWNER, policy),
        target_kind: kind.into(),
        target_name: name.into(),
    }
}

/// A policy on the Gateway with the one rule `general`.
fn general() -> AuthPolicy {
    let mut policy = auth("games").on_gateway("gateway");
    policy.metadata.name = Some("general".into());
    policy.with(rules([("general", api_key(&[("from", "gateway")]))]))
}

fn specific() -> AuthPolicy {
    auth("games").with(rules([("specific", api_key(&[("from", "route")]))]))
}

/// On two Gateways, `gateway` and `second`, which both have accepted it.
fn on_two_gateways() -> HTTPRoute {
    let mut route = route("games").on(parent("second"));
    let parents = &mut route.status.as_mut().unwrap().parents;
    parents.push(RouteParentStatus {
        parent_ref: parent("second"),
        ..parents[0].clone()
    });
    route
}

/// By which paths keys are refused, by which policy, and whether requests are known to come by it.
fn refusals(auth: &AuthFindings) -> Vec<(&str, &str, bool)> {
    let refusals = auth.refusals.iter();
    refusals
        .map(|it| (&*it.path, &*it.policy.name, it.is_certain))
        .collect()
}

fn on_listener(section: Option<&str>) -> ParentRef {
    ParentRef {
        section_name: section.map(str::to_owned),
        ..parent("gateway")
    }
}

/// Has a listener take routes from these namespaces, of these kinds.
fn allow(listener: &mut Listener, from: Option<&str>, kinds: &[&str]) {
    let kinds = kinds.iter().map(|&kind| RouteGroupKind {
        group: None,
        kind: kind.into(),
    });
    listener.allowed_routes = Some(AllowedRoutes {
        namespaces: Some(RouteNamespaces {
            from: from.map(str::to_owned),
        }),
        kinds: kinds.collect(),
    });
}

#[test]
fn a_policy_on_the_route_beats_one_on_the_gateway() {
    let auth = auth_of(bare().with(general()).with(specific()));
    assert_eq!(auth.state, found("games", "HTTPRoute", "games"));
    assert_eq!(
        auth.scheme
            .unwrap()
            .authentication
            .into_keys()
            .collect::<Vec<_>>(),
        ["specific"]
    );
}

#[test]
fn a_policy_on_the_gateway_protects_a_route_without_its_own() {
    let auth = auth_of(bare().with(general()));
    assert_eq!(auth.state, found("general", "Gateway", "gateway"));
}

#[test]
fn defaults_and_overrides_combine_as_the_operator_combines_them() {
    let cases: [(AuthPolicy, &[&str]); 5] = [
        (general(), &["specific"]),
        (general().defaulting(Strategy::Atomic), &["specific"]),
        (general().overriding(Strategy::Atomic), &["general"]),
        (
            general().defaulting(Strategy::Merge),
            &["general", "specific"],
        ),
        (
            general().overriding(Strategy::Merge),
            &["general", "specific"],
        ),
    ];
    for (policy, names) in cases {
        assert_eq!(
            rule_names(bare().with(specific()).with(policy.clone())),
            names,
            "{policy:?}"
        );
    }
}

#[test]
fn a_merge_of_equal_names_asks_who_may_override() {
    let general = || general().with(rules([("same", api_key(&[("from", "gateway")]))]));
    let specific = || specific().with(rules([("same", api_key(&[("from", "route")]))]));
    let from = |policy: AuthPolicy| {
        let rule = auth_of(bare().with(specific()).with(policy))
            .key_rule
            .expect("a rule");
        rule.api_key
            .unwrap()
            .selector
            .unwrap()
            .match_labels
            .unwrap()["from"]
            .clone()
    };
    assert_eq!(from(general().defaulting(Strategy::Merge)), "route");
    assert_eq!(from(general().overriding(Strategy::Merge)), "gateway");
}

#[test]
fn a_route_policy_that_is_overridden_does_not_make_the_gateways_look_unready() {
    let overridden = specific().saying(&[("Accepted", true), ("Enforced", false)]);
    let auth = auth_of(
        bare()
            .with(overridden)
            .with(general().overriding(Strategy::Atomic)),
    );
    assert_eq!(auth.state, found("general", "Gateway", "gateway"));
}

#[test]
fn a_gateway_policy_that_contributes_no_rule_does_not_make_the_routes_look_unready() {
    // The route has a rule of the same name, so that of the Gateway's policy nothing
    // is enforced, for good.
    let gateway = general()
        .with(rules([("specific", api_key(&[("from", "gateway")]))]))
        .defaulting(Strategy::Merge)
        .saying(&[("Accepted", true), ("Enforced", false)]);
    let found_by = auth_of(bare().with(specific()).with(gateway));
    assert_eq!(found_by.state, found("games", "HTTPRoute", "games"));
}

#[test]
fn a_gateway_policy_without_rules_leaves_the_routes_rules_alone() {
    let mut empty = general();
    empty.spec.rules = None;
    assert_eq!(
        rule_names(bare().with(specific()).with(empty)),
        ["specific"]
    );
}

#[test]
fn a_listeners_policy_applies_to_routes_on_that_listener_or_on_all() {
    let attached = |section| route("games").unattached().on(on_listener(section));
    let policy = || general().on_section("public");
    let auth = |route| auth_of(bare_on(route).with(policy()));
    let there = found("general", "Gateway", "gateway");
    assert_eq!(auth(attached(Some("public"))).state, there);
    let none = auth(attached(Some("private"))).state;
    assert_eq!(none, AuthPolicyState::NotFound);
    // A parent without a section is every listener of the Gateway: where there are others, nothing
    // protects the API there.
    let auth = auth(attached(None));
    assert_eq!(auth.state, there);
    let others = "any other listener of Gateway owner/gateway";
    assert_eq!(bare_ways(&auth), [others]);
}

#[test]
fn keys_are_for_the_listener_that_takes_keys_where_the_gateway_itself_does_not() {
    let tokens = general().with(rules([("tokens", jwt("https://b"))]));
    let listener = general().on_section("public");
    let listener = named(listener.with(rules([("keys", api_key(&[]))])), "listener");
    let route = route("games").unattached().on(on_listener(None));
    let auth = auth_of(bare_on(route).with(tokens).with(listener));
    assert_eq!(auth.key_rule_name.as_deref(), Some("keys"));
    let others = "any other listener of Gateway owner/gateway";
    assert_eq!(refusals(&auth), [(others, "general", false)]);
    assert_eq!(bare_ways(&auth), [""; 0]);
}

#[test]
fn policies_count_of_the_listeners_that_a_route_is_attached_to_where_the_gateway_is_known() {
    let attached = || route("games").unattached().on(on_listener(None));
    let on = |gateway: Gateway| bare_on(attached()).with(gateway);
    let public = || general().on_section("public");
    let unprotected = |simulation| bare_ways(&auth_of(simulation));

    // The only listener is protected.
    let auth = auth_of(on(gateway(&[("public", None)])).with(public()));
    assert_eq!(auth.state, found("general", "Gateway", "gateway"));
    assert_eq!(bare_ways(&auth), [""; 0]);
    // Another is for other hosts.
    let others = || gateway(&[("public", None), ("other", Some("*.example.org"))]);
    assert_eq!(unprotected(on(others()).with(public())), [""; 0]);
    // Others take the route, too, for no host that the first does not have.
    let two = || gateway(&[("public", None), ("games", Some("*.example.com"))]);
    assert_eq!(unprotected(on(two()).with(public())), [""; 0]);
    let three = gateway(&[("public", None), ("a", None), ("b", None)]);
    assert_eq!(unprotected(on(three).with(public())), [""; 0]);
    // Another one does for a host of its own.
    let mut both = attached();
    both.spec.hostnames.push("games.example.org".into());
    let apart = gateway(&[
        ("public", Some("*.example.com")),
        ("other", Some("*.example.org")),
    ]);
    let bare = "listener other of Gateway owner/gateway";
    let apart = bare_on(both).with(apart).with(public());
    assert_eq!(unprotected(apart), [bare]);

    // A policy of a listener that the route is not attached to is none.
    let private = || general().on_section("other");
    let state = auth_of(on(others()).with(private())).state;
    assert_eq!(state, AuthPolicyState::NotFound);
    let mut elsewhere = gateway(&[("other", None), ("public", None)]);
    elsewhere.spec.listeners[0].port = 443;
    let mut by_port = on_listener(None);
    by_port.port = Some(80);
    let by_port = bare_on(route("games").unattached().on(by_port));
    let state = auth_of(by_port.with(elsewhere).with(private())).state;
    assert_eq!(state, AuthPolicyState::NotFound);

    // As soon as the listener takes it, it is one.
    let mut simulation = on(others()).with(private());
    simulation.settle();
    simulation.edit::<Gateway>(OWNER, "gateway", |it| {
        it.spec.listeners[1].hostname = None;
    });
    let state = auth_of(simulation).state;
    assert_eq!(state, found("general", "Gateway", "gateway"));
}

#[test]
fn a_host_that_only_the_listener_names_is_served_without_a_policy() {
    let openings = |listeners: &[(&str, Option<&str>)], hostnames: &[&str]| {
        let mut route = route("games").unattached().on(on_listener(None));
        route.spec.hostnames = hostnames.iter().map(|&it| it.to_owned()).collect();
        let simulation = bare_on(route).with(gateway(listeners)).with(general());
        auth_of(simulation).openings
    };
    let broad = |host: &str| vec![Opening::HostnameTooBroad([host.to_owned()].into())];
    let narrow = ("narrow", Some("api.example.com"));
    assert_eq!(
        openings(&[narrow], &["*.example.com"]),
        broad("api.example.com")
    );
    let toys = ("toys", Some("*.toys.example.com"));
    assert_eq!(
        openings(&[toys], &["*.example.com"]),
        broad("*.toys.example.com")
    );
    // Named in the route, or known from another listener, it is protected.
    assert_eq!(
        openings(&[narrow], &["*.example.com", "api.example.com"]),
        []
    );
    assert_eq!(openings(&[narrow, ("any", None)], &["*.example.com"]), []);
    assert_eq!(
        openings(&[("any", Some("*.example.com"))], &["a.example.com"]),
        []
    );
    assert_eq!(openings(&[narrow], &[]), []);
}

#[test]
fn hostnames_are_those_that_the_listeners_serve() {
    let called = |listeners: &[(&str, Option<&str>)], hostnames: &[&str]| {
        let mut route = route("games").unattached().on(on_listener(None));
        route.spec.hostnames = hostnames.iter().map(|&it| it.to_owned()).collect();
        let mut around = Surroundings::default();
        let id = GatewayId::new(OWNER, "gateway");
        around
            .gateways
            .take(Told::Is(id, Arc::new(gateway(listeners))));
        discover::hostnames(&around, &RouteId::new(OWNER, "games"), &route)
    };
    let public = [("public", Some("*.example.com"))];
    let own = ["games.corp.internal", "games.example.com"];
    assert_eq!(called(&public, &own), ["games.example.com"]);
    assert_eq!(
        called(&[("narrow", Some("api.example.com"))], &["*.example.com"]),
        ["api.example.com"]
    );
    // Where no listener takes it, its own are all that is known.
    assert_eq!(
        called(&public, &["games.corp.internal"]),
        ["games.corp.internal"]
    );
    assert_eq!(called(&[("any", None)], &own), own);
}

#[test]
fn what_a_listener_takes_is_as_the_gateway_api_says() {
    let takes = |change: fn(&mut Listener)| {
        let mut gateway = gateway(&[("public", None)]);
        let mut private = gateway.spec.listeners[0].clone();
        private.name = "private".into();
        change(&mut private);
        gateway.spec.listeners.push(private);
        let attached = route("games").unattached().on(on_listener(None));
        let policy = general().on_section("private");
        auth_of(bare_on(attached).with(gateway).with(policy))
            .scheme
            .is_some()
    };
    assert!(takes(|_| ()));
    assert!(takes(|it| allow(it, Some("Same"), &[])));
    assert!(takes(|it| allow(it, Some("All"), &["HTTPRoute"])));
    assert!(takes(|it| it.protocol = "HTTPS".into()));
    assert!(takes(|it| it.hostname = Some(String::new())));
    // By labels of the namespace, which are not read.
    assert!(takes(|it| allow(it, Some("Selector"), &[])));
    assert!(!takes(|it| allow(it, Some("None"), &[])));
    assert!(!takes(|it| allow(it, None, &["GRPCRoute"])));
    assert!(!takes(|it| it.protocol = "TLS".into()));
    assert!(!takes(|it| it.hostname = Some("example.com".into())));
}

#[test]
fn nothing_is_certain_of_a_listener_that_chooses_by_labels_of_namespaces() {
    let mut two = gateway(&[("public", None), ("chosen", None)]);
    allow(&mut two.spec.listeners[1], Some("Selector"), &[]);
    let attached = || route("games").unattached().on(on_listener(None));
    let tokens = general().with(rules([("tokens", jwt("https://b"))]));
    let chosen = named(tokens.on_section("chosen"), "chosen");
    let keys = named(general().with(rules([("keys", api_key(&[]))])), "keys");
    let auth = auth_of(bare_on(attached()).with(two).with(keys).with(chosen));
    assert_eq!(auth.key_rule_name.as_deref(), Some("keys"));
    let chosen = "listener chosen of Gateway owner/gateway";
    assert_eq!(refusals(&auth), [(chosen, "chosen", false)]);
}

#[test]
fn a_route_without_hostnames_is_called_by_those_of_its_listeners() {
    let mut bare = route("games").unattached().on(on_listener(None));
    bare.spec.hostnames.clear();
    let hostname = |gateway: Gateway| look(bare_on(bare.clone()).with(gateway)).hostname;
    let listeners = [("any", None), ("toys", Some("toys.example.com"))];
    assert_eq!(
        hostname(gateway(&listeners)).as_deref(),
        Some("toys.example.com")
    );
    assert_eq!(hostname(gateway(&[("any", None)])), None);
    let mut closed = gateway(&listeners);
    allow(&mut closed.spec.listeners[1], Some("None"), &[]);
    assert_eq!(hostname(closed), None);
    // It is not known whether the first takes the route.
    let listeners = [("a", Some("a.example.com")), ("b", Some("b.example.com"))];
    let mut chosen = gateway(&listeners);
    allow(&mut chosen.spec.listeners[0], Some("Selector"), &[]);
    assert_eq!(hostname(chosen.clone()).as_deref(), Some("b.example.com"));
    // Of its own none is left out for that.
    let mut both = route("games").unattached().on(on_listener(None));
    both.spec.hostnames = vec!["a.example.com".into(), "b.example.com".into()];
    let both = bare_on(both).with(chosen);
    assert_eq!(look(both).hostname.as_deref(), Some("a.example.com"));
    // Its own go before.
    let own = look(bare_on(route("games")).with(gateway(&listeners))).hostname;
    assert_eq!(own.as_deref(), Some("games.example.com"));
}

#[test]
fn while_gateways_cannot_be_seen_no_credential_is_made_for_another_listener() {
    let mut route = route("games").unattached().on(on_listener(None));
    route.spec.hostnames.clear();
    let of = |listener: &str| {
        let rules = rules([("keys", api_key(&[("for", listener)]))]);
        named(general().on_section(listener).with(rules), listener)
    };
    let listeners = [("a", Some("a.example.org")), ("b", Some("b.example.com"))];
    let mut two = gateway(&listeners);
    allow(&mut two.spec.listeners[0], Some("None"), &[]);
    let mut it = Simulation::ready(product().automatic());
    it.delete::<HTTPRoute>(OWNER, "games");
    it.delete::<AuthPolicy>(OWNER, "games");
    it = it.with(route).with(of("a")).with(of("b")).with(two);
    it.create(key("alice"));
    it.settle();
    let of_b = |it: &Simulation| {
        assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
        assert_eq!(it.enforced("alice")[0].1.labels["for"], "b");
        let status = it.key("alice").status.clone().unwrap();
        assert_eq!(status.api_hostname.as_deref(), Some("b.example.com"));
    };
    of_b(&it);
    it.restart_without(&["Gateway"]);
    it.settle();
    let labels = &it.enforced("alice")[0].1.labels;
    assert_eq!(labels["for"], "b");
    let status = it.key("alice").status.clone().unwrap();
    assert_eq!(status.api_hostname.as_deref(), Some("b.example.com"));
    it.regain("Gateway", true);
    it.settle();
    of_b(&it);
}

#[test]
fn a_gateway_that_only_counts_its_routes_changes_nothing() {
    let attached = route("games").unattached().on(on_listener(None));
    let mut simulation = bare_on(attached).with(gateway(&[("public", None)]));
    simulation.settle();
    let mut again = gateway(&[("public", None)]);
    again.metadata.resource_version = Some("1000".into());
    let id = GatewayId::new(OWNER, "gateway");
    let told = Told::<Gateway>::Is(id, Arc::new(again));
    assert!(simulation.world.observe(told.into()).is_empty());
}

#[test]
fn a_policy_of_a_rule_goes_before_one_of_the_whole_route() {
    let of_rule = |rule: &str| named(auth("games").on_section(rule), rule);
    let two_rules = || {
        let mut route = route("games");
        route.spec.rules = vec![RouteRule::default(), RouteRule::default()];
        route
    };
    let tokens = || named(auth("games"), "all").with(rules([("tokens", jwt("https://b"))]));
    // The second rule takes keys, whatever holds on the rest.
    let second = of_rule("rule-2").with(rules([("keys", api_key(&[]))]));
    let auth = auth_of(bare_on(two_rules()).with(tokens()).with(second));
    assert_eq!(auth.key_rule_name.as_deref(), Some("keys"));
    assert_eq!(auth.state, found("rule-2", "HTTPRoute", "games"));
    let rest = "Gateway owner/gateway, other rules";
    assert_eq!(refusals(&auth), [(rest, "all", true)]);

    // Where all rules have a policy nothing is left for the one of the route.
    let first = || of_rule("rule-1").with(rules([("keys", api_key(&[]))]));
    let auth = auth_of(bare().with(tokens()).with(first()));
    assert_eq!(auth.refusals, []);

    // A name of its own takes the place of the number.
    let mut named_rule = two_rules();
    named_rule.spec.rules[0].name = Some("search".into());
    let auth = auth_of(bare_on(named_rule).with(first()));
    assert_eq!(auth.state, AuthPolicyState::NotFound);
}

#[test]
fn policies_on_one_target_combine_the_newer_as_the_more_specific() {
    let with = |name: &str, rule: &str| {
        let rules = rules([(rule, api_key(&[("from", name)]))]);
        named(auth("games"), name).with(rules)
    };
    // Of the older and the newer, and the rules that hold.
    let cases: [(AuthPolicy, AuthPolicy, &[&str]); 5] = [
        (with("older", "a"), with("newer", "b"), &["b"]),
        (
            with("older", "a").defaulting(Strategy::Merge),
            with("newer", "b"),
            &["a", "b"],
        ),
        (
            with("older", "a"),
            with("newer", "b").defaulting(Strategy::Merge),
            &["b"],
        ),
        (
            with("older", "a").overriding(Strategy::Atomic),
            with("newer", "b"),
            &["a"],
        ),
        (
            with("older", "a").overriding(Strategy::Merge),
            with("newer", "b"),
            &["a", "b"],
        ),
    ];
    for (older, newer, expected) in cases {
        let mut simulation = bare().with(older.clone());
        simulation.cluster.now = at(1);
        let names = rule_names(simulation.with(newer.clone()));
        assert_eq!(names, expected, "{older:?} {newer:?}");
    }
    // One that asks for something else than keys takes none away from another's keys.
    let mut guard = with("guard", "x").defaulting(Strategy::Merge);
    let rules = guard
        .spec
        .defaults
        .as_mut()
        .unwrap()
        .rules
        .as_mut()
        .unwrap();
    rules.authentication.clear();
    rules.authorization = Some(Unread);
    let mut simulation = bare().with(guard);
    simulation.cluster.now = at(1);
    let auth = auth_of(simulation.with(with("keys", "a")));
    assert_eq!(auth.key_rule_name.as_deref(), Some("a"));
    assert_eq!(auth.state, found("keys", "HTTPRoute", "games"));
}

#[test]
fn paths_that_refuse_the_keys_of_the_first_are_told() {
    let second = |rule: AuthenticationSpec| {
        let policy = named(general().on_gateway("second"), "second");
        policy.with(rules([("other", rule)]))
    };
    let refused = |rule: AuthenticationSpec| {
        let simulation = bare_on(on_two_gateways()).with(general());
        let auth = auth_of(simulation.with(second(rule)));
        !refusals(&auth).is_empty()
    };
    let simulation = bare_on(on_two_gateways()).with(general());
    let auth = auth_of(simulation.with(second(jwt("https://b"))));
    assert_eq!(refusals(&auth), [("Gateway owner/second", "second", true)]);
    let same = || api_key(&[("from", "gateway")]);
    assert!(refused(api_key(&[("from", "elsewhere")])));
    assert!(!refused(same()));
    assert!(!refused(api_key(&[])), "it takes any");
    let in_header = |name: &str| AuthenticationSpec {
        credentials: Some(Credentials {
            custom_header: Some(Named { name: name.into() }),
            ..Credentials::default()
        }),
        ..same()
    };
    assert!(refused(in_header("x-key")));
    let bearer = Prefixed {
        prefix: "Bearer".into(),
    };
    let said_in_full = AuthenticationSpec {
        credentials: Some(Credentials {
            authorization_header: Some(bearer),
            ..Credentials::default()
        }),
        ..same()
    };
    assert!(!refused(said_in_full));
    let anonymous = AuthenticationSpec {
        anonymous: Some(Unread),
        ..AuthenticationSpec::default()
    };
    assert!(!refused(anonymous), "it lets anybody in");
}

#[test]
fn what_the_rules_of_every_path_select_is_told() {
    let mut open = api_key(&[]);
    open.api_key.as_mut().unwrap().all_namespaces = true;
    let second = named(general().on_gateway("second"), "second").with(rules([("open", open)]));
    let mut simulation = bare_on(on_two_gateways()).with(general()).with(second);
    simulation.settle();
    let product = &simulation.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
    let conditions = &product.status.as_ref().unwrap().conditions;
    let is_told = conditions.iter().any(|it| it.type_ == "SelectorOpen");
    assert!(is_told, "{conditions:?}");
}

#[test]
fn a_listeners_policy_is_more_specific_than_its_gateways() {
    let listener = named(
        general()
            .on_section("public")
            .with(rules([("listener", api_key(&[]))])),
        "listener",
    );
    let simulation = bare_on(route("games").unattached().on(on_listener(Some("public"))));
    assert_eq!(
        rule_names(simulation.with(general()).with(listener)),
        ["listener"]
    );
}

#[test]
fn a_parent_is_in_the_routes_namespace_unless_it_says_otherwise() {
    let elsewhere = ParentRef {
        namespace: Some("infra".into()),
        ..parent("gateway")
    };
    let mut policy = general();
    policy.metadata.namespace = Some("infra".into());
    let state = |route: HTTPRoute| auth_of(bare_on(route).with(policy.clone())).state;
    let there = Attachment {
        policy: PolicyId::new("infra", "general"),
        ..attachment("general", "Gateway", "gateway")
    };
    assert_eq!(state(route("games")), AuthPolicyState::NotFound);
    assert_eq!(
        state(route("games").unattached().on(elsewhere)),
        AuthPolicyState::Found(there)
    );
}

#[test]
fn a_parent_that_is_no_gateway_has_no_gateway_policies() {
    let service = ParentRef {
        kind: Some("Service".into()),
        ..parent("gateway")
    };
    let state = auth_of(bare_on(route("games").unattached().on(service)).with(general())).state;
    assert_eq!(state, AuthPolicyState::NotFound);
}

#[test]
fn of_several_gateways_the_first_that_is_protected_decides() {
    let second = named(general().on_gateway("second"), "second");
    let route = route("games").on(parent("second"));
    let state = auth_of(bare_on(route.clone()).with(second.clone())).state;
    assert_eq!(state, found("second", "Gateway", "second"));
    let state = auth_of(bare_on(route).with(second).with(general())).state;
    assert_eq!(state, found("general", "Gateway", "gateway"));
}

#[test]
fn a_policy_that_is_not_accepted_gives_no_scheme() {
    let auth = auth_of(bare().with(auth("games").saying(&[("Accepted", false)])));
    let expected = AuthFindings {
        state: AuthPolicyState::NotReady,
        scheme: None,
        key_rule: None,
        key_rule_name: None,
        issuer: None,
        key_rules: vec![],
        refusals: vec![],
        openings: vec![],
        outrun_by: None,
        is_conditional: false,
        caches: BTreeMap::new(),
        behind: BTreeSet::new(),
        settled: Settled::Yes,
        is_certain: true,
    };
    assert_eq!(auth, expected);
}

#[test]
fn a_policy_that_is_not_enforced_keeps_its_scheme() {
    let policy = auth("games").saying(&[("Accepted", true), ("Enforced", false)]);
    let auth = auth_of(bare().with(policy));
    assert_eq!(auth.state, AuthPolicyState::NotReady);
    assert!(auth.key_rule.is_some());
}

#[test]
fn a_status_of_an_earlier_generation_does_not_count() {
    let mut policy = auth("games");
    let status = policy.status.as_mut().unwrap();
    status
        .conditions
        .iter_mut()
        .for_each(|it| it.observed_generation = Some(1));
    let mut simulation = bare().with(policy);
    simulation.settle();
    simulation.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("other", api_key(&[]))]));
    });
    assert_eq!(auth_of(simulation).state, AuthPolicyState::NotReady);
}

#[test]
fn a_policy_that_is_being_deleted_does_not_count() {
    let mut policy = auth("games");
    policy.metadata.finalizers = Some(vec!["kuadrant.io/slow".into()]);
    let mut simulation = bare().with(policy);
    simulation.settle();
    simulation.delete::<AuthPolicy>(OWNER, "games");
    assert_eq!(auth_of(simulation).state, AuthPolicyState::NotFound);
}

#[test]
fn of_several_key_rules_the_lowest_priority_number_wins_then_the_name() {
    let rule = |label: &str, priority| AuthenticationSpec {
        priority,
        ..api_key(&[("rule", label)])
    };
    let chosen = |policy: AuthPolicy| {
        let rule = auth_of(bare().with(policy)).key_rule.unwrap();
        rule.api_key
            .unwrap()
            .selector
            .unwrap()
            .match_labels
            .unwrap()["rule"]
            .clone()
    };
    let three = [
        ("c", rule("c", 0)),
        ("a", rule("a", 1)),
        ("b", rule("b", 0)),
    ];
    assert_eq!(chosen(auth("games").with(rules(three))), "b");
}

#[test]
fn the_issuer_is_that_of_the_first_token_rule_that_has_one() {
    let unnamed = AuthenticationSpec {
        jwt: Some(JwtAuthentication::default()),
        ..Default::default()
    };
    let both = rules([
        ("a", unnamed),
        ("b", jwt("https://b")),
        ("c", jwt("https://c")),
    ]);
    let auth = auth_of(bare().with(auth("games").with(both)));
    assert_eq!(auth.issuer.as_deref(), Some("https://b"));
    assert_eq!(auth.key_rule, None);
}

#[test]
fn a_rule_that_gives_no_keys_is_not_shown_to_consumers() {
    let both = rules([
        ("keys", api_key(&[])),
        ("x509", AuthenticationSpec::default()),
    ]);
    assert_eq!(rule_names(bare().with(auth("games").with(both))), ["keys"]);
}

#[test]
fn a_route_is_accepted_not_accepted_or_not_there() {
    let id = RouteId::new(OWNER, "games");
    assert_eq!(look(bare()).route, RouteState::Accepted(id.clone()));
    assert_eq!(
        look(bare_on(route("games").not_accepted())).route,
        RouteState::NotAccepted(id.clone())
    );
    let absent = look(Simulation::default().with(product()).with(auth("games")));
    assert_eq!(absent.route, RouteState::NotFound(id));
    assert_eq!(absent.auth.state, AuthPolicyState::NotFound);
}

#[test]
fn plans_come_from_the_route_else_from_its_gateways() {
    let mut on_gateway = named(plans("games"), "general");
    on_gateway.spec.target_ref = target("Gateway", "gateway");
    on_gateway.spec.plans = vec![plan("bronze", 1)];
    let tiers = |found: &Discovery| {
        let plans = found.plan.plans.iter();
        plans.map(|it| it.tier.clone()).collect::<Vec<_>>()
    };

    let found = look(bare().with(on_gateway.clone()));
    assert_eq!(tiers(&found), ["bronze"]);
    let state = PlanPolicyState::Found(attachment("general", "Gateway", "gateway"));
    assert_eq!(found.plan.state, state);

    let found = look(bare().with(on_gateway).with(plans("games")));
    assert_eq!(tiers(&found), ["gold", "silver"]);
}

#[test]
fn plans_that_hold_by_some_paths_only_are_told() {
    let on_gateway = |name: &str| {
        let mut policy = named(plans("games"), name);
        policy.spec.target_ref = target("Gateway", name);
        policy
    };
    let faults = |simulation: Simulation| look(simulation).plan.faults;
    let in_part = |shown: &str, others: &[(&str, Option<&str>)]| {
        let others = others.iter().map(|(way, policy)| {
            let policy = policy.map(|it| PolicyId::new(OWNER, it));
            ((*way).to_owned(), policy)
        });
        vec![PlanFault::InPart(
            PolicyId::new(OWNER, shown),
            others.collect(),
        )]
    };
    let two_gateways = || bare_on(on_two_gateways());
    let second = "Gateway owner/second";
    assert_eq!(
        faults(two_gateways().with(on_gateway("gateway"))),
        in_part("gateway", &[(second, None)])
    );
    let both = two_gateways().with(on_gateway("gateway"));
    assert_eq!(
        faults(both.with(on_gateway("second"))),
        in_part("gateway", &[(second, Some("second"))])
    );
    assert_eq!(faults(two_gateways().with(plans("games"))), vec![]);
    // One rule of two, and a listener that the route is not on.
    let mut of_rule = plans("games");
    of_rule.spec.target_ref.section_name = Some("rule-1".into());
    let mut route = route("games");
    route.spec.rules = vec![RouteRule::default(), RouteRule::default()];
    assert_eq!(
        faults(bare_on(route).with(of_rule.clone())),
        in_part("games", &[("Gateway owner/gateway, other rules", None)])
    );
    let mut of_listener = on_gateway("gateway");
    of_listener.spec.target_ref.section_name = Some("private".into());
    let public = crate::common::route("games")
        .unattached()
        .on(on_listener(Some("public")));
    let found = look(bare_on(public).with(of_listener));
    assert_eq!(found.plan.state, PlanPolicyState::NotFound);
    // A rule that is not there is none.
    let nowhere = PlanPolicy {
        spec: PlanPolicySpec {
            target_ref: PolicyTarget {
                section_name: Some("rule-9".into()),
                ..of_rule.spec.target_ref.clone()
            },
            ..of_rule.spec.clone()
        },
        ..of_rule.clone()
    };
    let found = look(bare().with(nowhere));
    assert_eq!(found.plan.state, PlanPolicyState::NotFound);
    // The operator accepts none while its limits are not yet carried out.
    of_rule.status = Some(PolicyStatus {
        conditions: vec![condition("Accepted", false)],
        ..PolicyStatus::default()
    });
    let found = look(bare().with(of_rule));
    let state = PlanPolicyState::Found(attachment("games", "HTTPRoute", "games"));
    assert_eq!(found.plan.state, state);
    assert!(matches!(found.plan.faults[..], [PlanFault::NotEnforced(_)]));
}

#[test]
fn what_is_told_is_of_parents_that_accepted_the_route() {
    let second = named(general().on_gateway("second"), "second");
    let mut route = route("games").on(parent("second"));
    route.status.as_mut().unwrap().parents[0].parent_ref = parent("second");
    let auth = auth_of(bare_on(route).with(general()).with(second));
    assert_eq!(auth.state, found("second", "Gateway", "second"));
    assert_eq!(auth.refusals, []);
    // Also where keys were made for the other one before.
    let mut simulation = bare_on(on_two_gateways()).with(general()).with(
        named(general().on_gateway("second"), "second").with(rules([("other", api_key(&[]))])),
    );
    simulation.settle();
    let rule = |it: &Simulation| {
        let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
        product.status.clone().unwrap().auth_rule.unwrap()
    };
    assert_eq!(rule(&simulation), "general");
    // Where the one that accepted it has no policy keys stay, and that it is open is told.
    let mut bare = bare_on(on_two_gateways()).with(general());
    bare.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.status.as_mut().unwrap().parents.remove(0);
    });
    let auth = auth_of(bare);
    assert_eq!(auth.state, found("general", "Gateway", "gateway"));
    assert_eq!(auth.key_rules.len(), 1);
    assert_eq!(bare_ways(&auth), ["Gateway owner/second"]);
    simulation.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.status.as_mut().unwrap().parents.remove(0);
    });
    simulation.settle();
    assert_eq!(rule(&simulation), "other");
}

#[test]
fn of_two_plan_policies_the_one_that_the_gateway_holds_is_shown_and_the_other_told() {
    let policy = |name: &str, saying: &[(&str, bool)]| -> PlanPolicy {
        let mut policy = named(plans("games"), name);
        let conditions = saying.iter().map(|(kind, holds)| condition(kind, *holds));
        policy.status = Some(PolicyStatus {
            conditions: conditions.collect(),
            ..PolicyStatus::default()
        });
        policy
    };
    let held = [("Accepted", true), ("Enforced", true)];
    let lost = [("Accepted", false)];
    // Of the older and the newer, what each says, and which is shown.
    for (older, newer, shown) in [
        (&held[..], &lost[..], "older"),
        (&lost[..], &held[..], "newer"),
        (&held[..], &held[..], "newer"),
        (&[][..], &[][..], "newer"),
    ] {
        let mut simulation = bare().with(policy("older", older));
        simulation.cluster.now = at(1);
        let found = look(simulation.with(policy("newer", newer)));
        let state = PlanPolicyState::Found(attachment(shown, "HTTPRoute", "games"));
        assert_eq!(found.plan.state, state, "{older:?} {newer:?}");
        let faults = &found.plan.faults;
        assert!(
            matches!(&faults[..], [PlanFault::Several(it, _)] if it.name == shown),
            "{faults:?}"
        );
    }
}

#[test]
fn of_several_plans_of_a_tier_the_gateway_holds_the_last() {
    let mut policy = plans("games");
    policy.spec.plans.push(plan("gold", 7));
    let found = look(bare().with(policy));
    assert_eq!(found.limits("gold").and_then(|it| it.daily), Some(7));
    assert_eq!(found.plan.plans.len(), 3, "all are shown");
    assert_eq!(found.plan.faults, [PlanFault::Twice("gold".into())]);
}

#[test]
fn what_is_said_of_a_parent_that_a_route_has_no_more_is_no_acceptance() {
    let route = route("games").unattached().on(parent("another"));
    let id = RouteId::new(OWNER, "games");
    assert_eq!(look(bare_on(route)).route, RouteState::NotAccepted(id));
}

#[test]
fn what_is_said_of_another_listener_of_the_gateway_is_no_acceptance() {
    let on = |section: Option<&str>, port: Option<i32>| ParentRef {
        section_name: section.map(str::to_owned),
        port,
        ..parent("gateway")
    };
    let whole = |parent: ParentRef| ParentRef {
        group: Some(GATEWAY_GROUP.into()),
        kind: Some("Gateway".into()),
        namespace: Some(OWNER.into()),
        ..parent
    };
    let service = || ParentRef {
        kind: Some("Service".into()),
        ..parent("gateway")
    };
    let table = [
        (on(None, None), on(None, None), true),
        (on(Some("a"), Some(1)), on(Some("a"), Some(1)), true),
        (on(Some("b"), None), on(Some("a"), None), false),
        (on(Some("b"), None), on(None, None), false),
        (on(None, None), on(Some("a"), None), false),
        (on(None, Some(2)), on(None, Some(1)), false),
        (on(None, Some(2)), on(None, None), false),
        (service(), service(), true),
        (on(None, None), service(), false),
    ];
    let id = RouteId::new(OWNER, "games");
    for (wanted, told, is_accepted) in table {
        for told in [
            told.clone(),
            ParentRef {
                namespace: Some(OWNER.into()),
                ..told.clone()
            },
        ] {
            let mut route = route("games").unattached().on(wanted.clone());
            let status = route.status.as_mut().unwrap();
            status.parents[0].parent_ref = told.clone();
            let expected = if is_accepted {
                RouteState::Accepted(id.clone())
            } else {
                RouteState::NotAccepted(id.clone())
            };
            assert_eq!(look(bare_on(route)).route, expected, "{wanted:?} {told:?}");
        }
    }
    let mut route = route("games");
    route.status.as_mut().unwrap().parents[0].parent_ref = whole(parent("gateway"));
    assert_eq!(look(bare_on(route)).route, RouteState::Accepted(id));
}

#[test]
fn a_route_that_moves_to_another_listener_is_accepted_once_that_is_said() {
    let on = |section: &str| ParentRef {
        section_name: Some(section.into()),
        ..parent("gateway")
    };
    let mut first = route("games").unattached().on(on("first"));
    let status = first.status.as_mut().unwrap();
    status.parents[0].parent_ref = on("first");
    let mut simulation = bare_on(first);
    simulation.settle();
    let ready = |it: &Simulation| {
        let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
        product.status.clone().unwrap().conditions[0].reason.clone()
    };
    assert_eq!(ready(&simulation), "HTTPRouteAccepted");
    simulation.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.spec.parent_refs = vec![on("second")];
    });
    simulation.settle();
    assert_eq!(ready(&simulation), "HTTPRouteNotAccepted");
    simulation.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.status.as_mut().unwrap().parents[0].parent_ref = on("second");
    });
    simulation.settle();
    assert_eq!(ready(&simulation), "HTTPRouteAccepted");
}

#[test]
fn a_product_that_moves_to_another_route_finds_what_is_there() {
    let mut simulation = bare().with(route("maps")).with(auth("maps"));
    simulation.settle();
    simulation.edit::<APIProduct>(OWNER, "games", |it| it.spec.target_ref.name = "maps".into());
    let found_there = look(simulation);
    assert_eq!(found_there.auth.state, found("maps", "HTTPRoute", "maps"));
    assert_eq!(found_there.hostname.as_deref(), Some("maps.example.com"));
}

#[test]
fn a_policy_that_moves_away_leaves_its_old_target_bare() {
    let mut simulation = bare().with(auth("games"));
    simulation.settle();
    simulation.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.target_ref = target("HTTPRoute", "elsewhere");
    });
    assert_eq!(auth_of(simulation).state, AuthPolicyState::NotFound);
}

#[test]
fn the_address_of_an_api_is_as_its_listeners_and_its_rules_say() {
    let rule = |kind: &str, path: &str| RouteRule {
        matches: vec![RouteMatch {
            path: Some(PathMatch {
                kind: Some(kind.into()),
                value: Some(path.into()),
            }),
        }],
        ..RouteRule::default()
    };
    let listener = |protocol: &str, port, hostname: Option<&str>| {
        let mut gateway = gateway(&[("a", hostname)]);
        gateway.spec.listeners[0].protocol = protocol.into();
        gateway.spec.listeners[0].port = port;
        gateway
    };
    let address_at = |gateway: Option<Gateway>, rules: Vec<RouteRule>| {
        let mut route = route("games").unattached().on(on_listener(None));
        route.spec.rules = rules;
        let mut around = Surroundings::default();
        let id = GatewayId::new(OWNER, "gateway");
        if let Some(gateway) = gateway {
            around.gateways.take(Told::Is(id, Arc::new(gateway)));
        }
        discover::address(&around, &RouteId::new(OWNER, "games"), &route).unwrap()
    };
    let host = &route("games").spec.hostnames[0];
    let toys = || {
        vec![
            rule("RegularExpression", "/.*"),
            rule("PathPrefix", "/toys"),
        ]
    };
    // Of a Gateway that is not seen nothing else is known.
    assert_eq!(address_at(None, vec![]), format!("https://{host}/"));
    let http = listener("HTTP", 80, None);
    assert_eq!(
        address_at(Some(http), toys()),
        format!("http://{host}/toys")
    );
    let mut both = listener("HTTP", 8080, None);
    assert_eq!(
        address_at(Some(both.clone()), toys()),
        format!("http://{host}:8080/toys")
    );
    let tls = listener("HTTPS", 443, Some("*.example.com"));
    both.spec.listeners.extend(tls.spec.listeners.clone());
    assert_eq!(
        address_at(Some(both.clone()), toys()),
        format!("https://{host}/toys")
    );
    both.spec.listeners[1].port = 8443;
    assert_eq!(
        address_at(Some(both), vec![]),
        format!("https://{host}:8443/")
    );
    // Of two Gateways, one of which took the route.
    let mut route = route("games");
    route.spec.parent_refs.insert(0, parent("external"));
    let mut around = Surroundings::default();
    let all = [("gateway", listener("HTTP", 80, None)), ("external", tls)];
    for (name, gateway) in all {
        let id = GatewayId::new(OWNER, name);
        around.gateways.take(Told::Is(id, Arc::new(gateway)));
    }
    let id = RouteId::new(OWNER, "games");
    let address = discover::address(&around, &id, &route);
    assert_eq!(address, Some(format!("http://{host}/")));
}
