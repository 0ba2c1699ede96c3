use super::*;

fn see(seen: &mut Seen, kind: Kind, namespace: &str, name: &str, spec: &Value) {
    let resource = kind.resource();
    let mut object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
    object.metadata.generation = Some(1);
    if !namespace.is_empty() {
        object.metadata.namespace = Some(namespace.to_owned());
    }
    seen.insert((kind, namespace.to_owned(), name.to_owned()), object);
}

fn gateway() -> Seen {
    let mut seen = Seen::new();
    see(
        &mut seen,
        Kind::GatewayClass,
        "",
        "istio",
        &json!({"controllerName": CONTROLLER_NAME}),
    );
    let listener = json!({"name": "http", "allowedRoutes": {"namespaces": {"from": "All"}}});
    let spec = json!({"gatewayClassName": "istio", "listeners": [listener]});
    see(&mut seen, Kind::Gateway, "infra", "public", &spec);
    seen
}

fn route(seen: &mut Seen, parent: &str) {
    let spec = json!({"parentRefs": [{"name": parent, "namespace": "infra"}]});
    see(seen, Kind::HttpRoute, "toystore", "toystore", &spec);
}

/// Writes what is missing until nothing is, as the loop does.
fn settle(seen: &mut Seen) -> usize {
    let mut writes = 0;
    loop {
        let missing = missing(seen);
        if missing.is_empty() {
            return writes;
        }
        for (key, status) in missing {
            writes += 1;
            seen.get_mut(&key).unwrap().data["status"] = status;
        }
        assert!(writes < 100, "it never settles");
    }
}

fn status(seen: &Seen, kind: Kind, namespace: &str, name: &str) -> Value {
    seen[&(kind, namespace.to_owned(), name.to_owned())].data["status"].clone()
}

#[test]
fn a_route_on_an_existing_gateway_is_accepted_and_counted() {
    let mut seen = gateway();
    route(&mut seen, "public");
    settle(&mut seen);
    let parent = &status(&seen, Kind::HttpRoute, "toystore", "toystore")["parents"][0];
    assert_eq!(parent["conditions"][0]["status"], "True");
    let listener = &status(&seen, Kind::Gateway, "infra", "public")["listeners"][0];
    assert_eq!(listener["attachedRoutes"], 1);
}

#[test]
fn a_route_whose_gateway_does_not_exist_is_not_accepted() {
    let mut seen = gateway();
    route(&mut seen, "privat");
    settle(&mut seen);
    let parent = &status(&seen, Kind::HttpRoute, "toystore", "toystore")["parents"][0];
    assert_eq!(parent["conditions"][0]["status"], "False");
    assert_eq!(parent["conditions"][0]["reason"], "NoMatchingParent");
}

#[test]
fn a_listener_for_its_own_namespace_accepts_no_route_from_another() {
    let mut seen = gateway();
    let spec = json!({"gatewayClassName": "istio", "listeners": [{"name": "http"}]});
    see(&mut seen, Kind::Gateway, "infra", "public", &spec);
    route(&mut seen, "public");
    settle(&mut seen);
    let parent = &status(&seen, Kind::HttpRoute, "toystore", "toystore")["parents"][0];
    assert_eq!(parent["conditions"][0]["status"], "False");
}

#[test]
fn a_class_of_another_controller_is_left_alone() {
    let mut seen = Seen::new();
    see(
        &mut seen,
        Kind::GatewayClass,
        "",
        "envoy",
        &json!({"controllerName": "example.com/x"}),
    );
    assert_eq!(settle(&mut seen), 0);
}

#[test]
fn a_status_that_is_right_is_not_written_again() {
    let mut seen = gateway();
    route(&mut seen, "public");
    assert_eq!(settle(&mut seen), 3);
    assert_eq!(settle(&mut seen), 0);
}

#[test]
fn a_condition_keeps_its_time_while_only_the_generation_changes() {
    let mut seen = gateway();
    settle(&mut seen);
    let key = (Kind::GatewayClass, String::new(), "istio".to_owned());
    let class = seen.get_mut(&key).unwrap();
    class.metadata.generation = Some(2);
    class.data["status"]["conditions"][0]["lastTransitionTime"] = "2020-01-01T00:00:00Z".into();
    settle(&mut seen);
    let condition = &seen[&key].data["status"]["conditions"][0];
    assert_eq!(condition["lastTransitionTime"], "2020-01-01T00:00:00Z");
    assert_eq!(condition["observedGeneration"], 2);
}

#[test]
fn what_another_controller_says_about_a_route_stays() {
    let mut seen = gateway();
    route(&mut seen, "public");
    let theirs = json!({
        "controllerName": "kuadrant.io/policy-controller",
        "parentRef": {"name": "public", "namespace": "infra"},
        "conditions": [{"type": "kuadrant.io/AuthPolicyAffected", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    });
    let key = (
        Kind::HttpRoute,
        "toystore".to_owned(),
        "toystore".to_owned(),
    );
    seen.get_mut(&key).unwrap().data["status"] = json!({"parents": [theirs]});
    settle(&mut seen);
    let parents = status(&seen, Kind::HttpRoute, "toystore", "toystore")["parents"].clone();
    assert_eq!(parents[0]["controllerName"], CONTROLLER_NAME);
    assert_eq!(parents[1]["conditions"], theirs["conditions"]);
    assert_eq!(settle(&mut seen), 0);
}

#[test]
fn conditions_of_others_stay_and_nothing_is_written_for_them() {
    let mut seen = gateway();
    settle(&mut seen);
    let key = (Kind::Gateway, "infra".to_owned(), "public".to_owned());
    let gateway = seen.get_mut(&key).unwrap();
    let affected = json!({"type": "kuadrant.io/AuthPolicyAffected", "status": "True"});
    for path in ["/status/conditions", "/status/listeners/0/conditions"] {
        let conditions = gateway.data.pointer_mut(path).unwrap();
        conditions.as_array_mut().unwrap().push(affected.clone());
    }
    assert_eq!(settle(&mut seen), 0);
    seen.get_mut(&key).unwrap().metadata.generation = Some(2);
    assert_eq!(settle(&mut seen), 1);
    for path in ["/conditions", "/listeners/0/conditions"] {
        let status = status(&seen, Kind::Gateway, "infra", "public");
        let all = array(status.pointer(path).unwrap());
        let types: Vec<_> = all.filter_map(|it| it["type"].as_str()).collect();
        assert!(
            types.contains(&"kuadrant.io/AuthPolicyAffected"),
            "{types:?}"
        );
        assert!(types.contains(&"Accepted"), "{types:?}");
    }
}
