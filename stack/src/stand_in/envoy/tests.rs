use super::*;

fn object(
    kind: Kind,
    namespace: &str,
    name: &str,
    data: Value,
) -> ((Kind, String, String), DynamicObject) {
    let mut object = DynamicObject::new(name, &kind.resource()).within(namespace);
    if kind == Kind::AuthConfig {
        let rule = format!(
            "httproute.gateway.networking.k8s.io:{}",
            text(&data["rule"])
        );
        let annotation = ("HTTPRouteRule.gateway.networking.k8s.io".to_owned(), rule);
        object.metadata.annotations = Some([annotation].into());
    }
    object.data = data;
    ((kind, namespace.to_owned(), name.to_owned()), object)
}

fn route(name: &str, hostname: &str, rules: &Value) -> ((Kind, String, String), DynamicObject) {
    let accepted = json!({"controllerName": CONTROLLER_NAME,
        "conditions": [{"type": "Accepted", "status": "True"}]});
    let data = json!({
        "spec": {"hostnames": [hostname], "rules": rules, "parentRefs": [{"name": "gateway"}]},
        "status": {"parents": [accepted]},
    });
    object(Kind::HttpRoute, "toys", name, data)
}

fn auth_config(rule: &str, host: &str) -> ((Kind, String, String), DynamicObject) {
    let data = json!({"rule": rule, "spec": {"hosts": [host]}});
    object(Kind::AuthConfig, "kuadrant-system", host, data)
}

fn shim(action_sets: &Value) -> ((Kind, String, String), DynamicObject) {
    let configuration = json!({"actionSets": action_sets}).to_string();
    let data = json!({"spec": {"configPatches": [{"patch": {"value": {"typed_config": {"value":
        {"config": {"configuration": {"value": configuration}}}}}}}]}});
    object(
        Kind::EnvoyFilter,
        "gateway-system",
        "kuadrant-external",
        data,
    )
}

/// The routes of each host, in Envoy's order.
fn rendered(
    objects: impl IntoIterator<Item = ((Kind, String, String), DynamicObject)>,
) -> BTreeMap<String, Vec<Value>> {
    let envoy = routes(&objects.into_iter().collect());
    array(&envoy["resources"][0]["virtual_hosts"])
        .map(|host| {
            assert_eq!(host["domains"], json!([host["name"]]));
            (
                text(&host["name"]),
                array(&host["routes"]).cloned().collect(),
            )
        })
        .collect()
}

fn path(kind: &str, value: &str) -> Value {
    json!({"matches": [{"path": {"type": kind, "value": value}}]})
}

#[test]
fn a_rule_with_an_auth_config_asks_authorino_by_its_name_and_others_do_not() {
    let hosts = rendered([
        route(
            "toys",
            "toys.example.com",
            &json!([path("Exact", "/a"), path("Exact", "/b")]),
        ),
        auth_config("toys/toys#rule-2", "hash"),
    ]);
    let filters =
        |at: usize| hosts["toys.example.com"][at]["typed_per_filter_config"][AUTH_FILTER].clone();
    assert_eq!(filters(0)["disabled"], true);
    assert_eq!(
        filters(1)["check_settings"]["context_extensions"]["host"],
        "hash"
    );
}

#[test]
fn the_shims_conditions_become_entries_of_one_descriptor() {
    let limit = json!({"service": "ratelimit-service", "scope": "toys/toys", "conditionalData": [
        {"predicates": ["auth.kuadrant.plan == \"gold\""],
            "data": [{"expression": {"key": "limit.gold__1", "value": "1"}}]},
        {"data": [{"expression": {"key": "auth.identity.userid", "value": "auth.identity.userid"}},
            {"static": {"key": "fixed", "value": "it"}}]},
    ]});
    let auth = json!({"service": "auth-service", "scope": "hash"});
    let hosts = rendered([
        route("toys", "toys.example.com", &json!([{}])),
        auth_config("toys/toys#rule-1", "hash"),
        shim(&json!([{"actions": [auth, limit]}])),
    ]);
    let route = &hosts["toys.example.com"][0];
    assert_eq!(
        route["typed_per_filter_config"][LIMIT_FILTER]["domain"],
        "toys/toys"
    );
    let limits = route["route"]["rate_limits"].as_array().unwrap();
    assert_eq!(limits.len(), 1);
    let entries: Vec<(String, String)> = array(&limits[0]["actions"])
        .map(|action| &action["extension"]["typed_config"])
        .map(|entry| (text(&entry["descriptor_key"]), text(&entry["text"])))
        .collect();
    let metadata = "metadata.filter_metadata[\"envoy.filters.http.ext_authz\"]";
    assert_eq!(
        entries,
        [
            (
                "limit.gold__1".into(),
                format!("{{true: 1}}[({metadata}.kuadrant.plan == \"gold\")]")
            ),
            (
                "auth.identity.userid".into(),
                format!("{metadata}.identity.userid")
            ),
            ("fixed".into(), "\"it\"".into()),
        ]
    );
}

#[test]
fn another_routes_limits_are_not_taken() {
    let limit = json!({"service": "ratelimit-service", "scope": "toys/other"});
    let auth = json!({"service": "auth-service", "scope": "another"});
    let hosts = rendered([
        route("toys", "toys.example.com", &json!([{}])),
        auth_config("toys/toys#rule-1", "hash"),
        shim(&json!([{"actions": [auth, limit]}, {"actions": [limit]}])),
    ]);
    assert_eq!(
        hosts["toys.example.com"][0]["route"]["rate_limits"],
        json!([])
    );
}

#[test]
fn only_the_words_of_the_shim_are_translated() {
    let metadata = "metadata.filter_metadata[\"envoy.filters.http.ext_authz\"]";
    assert_eq!(
        localise("auth.a == 'auth.b'"),
        format!("{metadata}.a == 'auth.b'")
    );
    assert_eq!(localise("has(auth['x'])"), format!("has({metadata}['x'])"));
    assert_eq!(
        localise(r#""\\" + auth.a"#),
        format!(r#""\\" + {metadata}.a"#)
    );
    for same in ["request.auth.x", "oauth.x", "authority.x", r#""\"auth.x""#] {
        assert_eq!(localise(same), same);
    }
}

#[test]
fn of_several_matching_routes_the_more_particular_comes_first() {
    let header = json!({"matches": [{"path": {"type": "PathPrefix", "value": "/a"},
        "headers": [{"name": "x", "value": "1"}]}]});
    let hosts = rendered([
        route(
            "b",
            "toys.example.com",
            &json!([path("PathPrefix", "/"), path("PathPrefix", "/a")]),
        ),
        route(
            "a",
            "toys.example.com",
            &json!([header, path("Exact", "/a")]),
        ),
    ]);
    let names: Vec<String> = hosts["toys.example.com"]
        .iter()
        .map(|it| text(&it["name"]))
        .collect();
    assert_eq!(
        names,
        [
            "toys/a#rule-2",
            "toys/a#rule-1",
            "toys/b#rule-2",
            "toys/b#rule-1"
        ]
    );
}

#[test]
fn a_match_says_the_same_to_envoy() {
    let wanted = json!({"path": {"type": "PathPrefix", "value": "/v1/"}, "method": "GET",
        "headers": [{"name": "x", "value": "y"}],
        "queryParams": [{"name": "q", "type": "RegularExpression", "value": "a+"}]});
    assert_eq!(
        request_match(&wanted),
        json!({
            "path_separated_prefix": "/v1",
            "headers": [
                {"name": "x", "string_match": {"exact": "y"}},
                {"name": ":method", "string_match": {"exact": "GET"}},
            ],
            "query_parameters": [{"name": "q", "string_match": {"safe_regex": {"regex": "a+"}}}],
        })
    );
}

#[test]
fn a_route_that_asks_for_more_than_this_can_do_says_so() {
    let (_, route) = route(
        "toys",
        "toys.example.com",
        &json!([{"filters": [{"type": "URLRewrite"}]}]),
    );
    assert_eq!(
        unsupported(&route).as_deref(),
        Some("the filter URLRewrite")
    );
    assert!(rendered([((Kind::HttpRoute, "toys".into(), "toys".into()), route)]).is_empty());
}

#[test]
fn a_route_with_a_broken_regular_expression_spoils_no_others() {
    let by = |kind: &str, value: &str| {
        let (_, route) = route("toys", "toys.example.com", &json!([path(kind, value)]));
        unsupported(&route)
    };
    let broken = "the regular expression \"/a(\", which Envoy does not take";
    assert_eq!(by("RegularExpression", "/a(").as_deref(), Some(broken));
    assert_eq!(by("RegularExpression", "/a(b|c)+"), None);
    assert_eq!(by("Exact", "/a("), None);
    let header = json!({"matches": [{"headers": [
        {"name": "x", "type": "RegularExpression", "value": "[z-a]"}]}]});
    let (_, route) = route("toys", "toys.example.com", &json!([header]));
    assert!(unsupported(&route).is_some());
}

#[test]
fn a_route_that_is_not_accepted_has_no_traffic() {
    let (key, mut route) = route("toys", "toys.example.com", &json!([{}]));
    route.data["status"] = json!({});
    assert!(rendered([(key, route)]).is_empty());
}
