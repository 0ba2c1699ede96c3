//! Which routes should Envoy have, given all the objects?
//!
//! In a cluster Istio turns HTTPRoutes into Envoy's routes, and Kuadrant's wasm
//! shim, a filter in Envoy, asks Authorino and Limitador about each request as
//! the operator configured it in an `EnvoyFilter`. Here the routes are rendered
//! from the same HTTPRoutes, and what the shim is told becomes settings of
//! Envoy's own filters for these two services.

mod expression;

use std::collections::{BTreeMap, BTreeSet};

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::Seen;
use super::kind::{CONTROLLER_NAME, Kind, array, text};

/// The name of the one route configuration.
pub(crate) const ROUTES: &str = "gateway";
/// The cluster of the sample upstream, which stands for every Service.
pub(crate) const UPSTREAM: &str = "upstream";

const AUTH_FILTER: &str = "envoy.filters.http.ext_authz";
const LIMIT_FILTER: &str = "envoy.filters.http.ratelimit";

/// Envoy's route configuration, as the file of a discovery service.
pub(super) fn routes(seen: &Seen) -> Value {
    let protection = Protection::read(seen);
    let mut hosts: BTreeMap<String, Vec<(Precedence, Value)>> = BTreeMap::new();
    for ((kind, namespace, name), route) in seen {
        if *kind != Kind::HttpRoute || !is_accepted(route) || unsupported(route).is_some() {
            continue;
        }
        let rendered = render(namespace, name, route, &protection);
        for host in hostnames(seen, namespace, route) {
            let routes = hosts.entry(host).or_default();
            routes.extend(rendered.iter().cloned());
        }
    }
    let hosts: Vec<Value> = hosts
        .into_iter()
        .map(|(host, mut routes)| {
            routes.sort_by(|(a, _), (b, _)| a.cmp(b));
            let routes: Vec<Value> = routes.into_iter().map(|(_, route)| route).collect();
            json!({"name": host, "domains": [host], "routes": routes})
        })
        .collect();
    json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": hosts,
    }]})
}

/// Whether we let a route have traffic.
fn is_accepted(route: &DynamicObject) -> bool {
    let parents = array(&route.data["status"]["parents"]);
    let is_accepted = parents
        .filter(|parent| parent["controllerName"] == CONTROLLER_NAME)
        .flat_map(|parent| array(&parent["conditions"]))
        .any(|condition| condition["type"] == "Accepted" && condition["status"] == "True");
    is_accepted && route.metadata.deletion_timestamp.is_none()
}

/// What a route asks for that this data plane cannot do. Such a route is not
/// accepted: half of it would mislead.
pub(super) fn unsupported(route: &DynamicObject) -> Option<String> {
    array(&route.data["spec"]["rules"]).find_map(|rule| {
        let filter = array(&rule["filters"])
            .chain(array(&rule["backendRefs"]).flat_map(|backend| array(&backend["filters"])))
            .next();
        if let Some(filter) = filter {
            return Some(format!("the filter {}", text(&filter["type"])));
        }
        let broken = array(&rule["matches"])
            .flat_map(regular_expressions)
            .find(|it| !expression::is_taken(it));
        if let Some(broken) = broken {
            // Envoy would refuse the routes of everyone with it.
            return Some(format!(
                "the regular expression {broken:?}, which Envoy does not take"
            ));
        }
        let fields = ["timeouts", "retry", "sessionPersistence"];
        fields
            .iter()
            .find(|field| !rule[**field].is_null())
            .map(|field| format!("rules.{field}"))
    })
}

fn regular_expressions(wanted: &Value) -> impl Iterator<Item = &str> {
    let named = ["headers", "queryParams"]
        .into_iter()
        .flat_map(|field| array(&wanted[field]));
    std::iter::once(&wanted["path"])
        .chain(named)
        .filter(|it| it["type"] == "RegularExpression")
        .filter_map(|it| it["value"].as_str())
}

/// Those of the route, else those of the listeners it is attached to.
fn hostnames(seen: &Seen, namespace: &str, route: &DynamicObject) -> BTreeSet<String> {
    let own: BTreeSet<String> = array(&route.data["spec"]["hostnames"]).map(text).collect();
    if !own.is_empty() {
        return own;
    }
    let any = || "*".to_owned();
    array(&route.data["spec"]["parentRefs"])
        .filter_map(|parent| {
            let of = parent["namespace"].as_str().unwrap_or(namespace).to_owned();
            let gateway = seen.get(&(Kind::Gateway, of, text(&parent["name"])))?;
            Some((parent["sectionName"].as_str(), gateway))
        })
        .flat_map(|(section, gateway)| {
            array(&gateway.data["spec"]["listeners"])
                .filter(move |listener| section.is_none_or(|section| listener["name"] == section))
        })
        .map(|listener| {
            listener["hostname"]
                .as_str()
                .map_or_else(any, str::to_owned)
        })
        .collect()
}

/// Which of several matching routes wins, by the rules of the Gateway API: an
/// exact path, the longer path, a method, more headers, more parameters, the
/// older route, the first by name. Smaller wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Precedence {
    is_inexact: bool,
    path: std::cmp::Reverse<usize>,
    has_no_method: bool,
    headers: std::cmp::Reverse<usize>,
    parameters: std::cmp::Reverse<usize>,
    created: String,
    name: String,
    rule: usize,
}

fn render(
    namespace: &str,
    name: &str,
    route: &DynamicObject,
    protection: &Protection,
) -> Vec<(Precedence, Value)> {
    let created = (route.metadata.creation_timestamp.as_ref()).map(|at| at.0.to_string());
    let created = created.unwrap_or_default();
    let any = [json!({"path": {"type": "PathPrefix", "value": "/"}})];
    let mut rendered = Vec::new();
    for (at, rule) in array(&route.data["spec"]["rules"]).enumerate() {
        let id = format!("{namespace}/{name}#rule-{}", at + 1);
        let matches = rule["matches"]
            .as_array()
            .filter(|matches| !matches.is_empty());
        for wanted in matches.map_or(&any[..], Vec::as_slice) {
            let count = |field: &str| std::cmp::Reverse(array(&wanted[field]).count());
            let path = wanted["path"]["value"].as_str().unwrap_or("/");
            let precedence = Precedence {
                is_inexact: wanted["path"]["type"] != "Exact",
                path: std::cmp::Reverse(path.len()),
                has_no_method: wanted["method"].is_null(),
                headers: count("headers"),
                parameters: count("queryParams"),
                created: created.clone(),
                name: format!("{namespace}/{name}"),
                rule: at,
            };
            let (filters, limits) = protection.of(&id, &format!("{namespace}/{name}"));
            let route = json!({
                "name": id,
                "match": request_match(wanted),
                "route": {"cluster": UPSTREAM, "rate_limits": limits},
                "typed_per_filter_config": filters,
            });
            rendered.push((precedence, route));
        }
    }
    rendered
}

fn request_match(wanted: &Value) -> Value {
    let value = wanted["path"]["value"].as_str().unwrap_or("/");
    let mut envoy = match wanted["path"]["type"].as_str() {
        Some("Exact") => json!({"path": value}),
        Some("RegularExpression") => json!({"safe_regex": {"regex": value}}),
        _ => match value.trim_end_matches('/') {
            "" => json!({"prefix": "/"}),
            prefix => json!({"path_separated_prefix": prefix}),
        },
    };
    let text_match = |wanted: &Value| match wanted["type"].as_str() {
        Some("RegularExpression") => json!({"safe_regex": {"regex": wanted["value"]}}),
        _ => json!({"exact": wanted["value"]}),
    };
    let named = |field: &str| -> Vec<Value> {
        array(&wanted[field])
            .map(|it| json!({"name": it["name"], "string_match": text_match(it)}))
            .collect()
    };
    let mut headers = named("headers");
    if let Some(method) = wanted["method"].as_str() {
        headers.push(json!({"name": ":method", "string_match": {"exact": method}}));
    }
    envoy["headers"] = headers.into();
    envoy["query_parameters"] = named("queryParams").into();
    envoy
}

/// What the operator wants asked about requests.
struct Protection {
    /// By `namespace/route#rule-N`: the name by which Authorino knows the rule.
    auth_hosts: BTreeMap<String, String>,
    /// What the wasm shim would do, each with the requests it is for.
    action_sets: Vec<Value>,
}

impl Protection {
    fn read(seen: &Seen) -> Self {
        let of = |wanted: Kind| {
            seen.iter()
                .filter(move |((kind, ..), _)| *kind == wanted)
                .map(|(_, object)| object)
        };
        let auth_hosts = of(Kind::AuthConfig).filter_map(|config| {
            let annotations = config.metadata.annotations.as_ref()?;
            let rule = annotations.get("HTTPRouteRule.gateway.networking.k8s.io")?;
            let rule = rule.strip_prefix("httproute.gateway.networking.k8s.io:")?;
            let host = config.data["spec"]["hosts"][0].as_str()?;
            Some((rule.to_owned(), host.to_owned()))
        });
        let action_sets = of(Kind::EnvoyFilter)
            .flat_map(|filter| array(&filter.data["spec"]["configPatches"]))
            .filter_map(|patch| {
                let wasm = &patch["patch"]["value"]["typed_config"]["value"]["config"];
                let text = wasm["configuration"]["value"].as_str()?;
                serde_json::from_str::<Value>(text).ok()
            })
            .flat_map(|shim| array(&shim["actionSets"]).cloned().collect::<Vec<_>>());
        Self {
            auth_hosts: auth_hosts.collect(),
            action_sets: action_sets.collect(),
        }
    }

    /// The settings of the filters for a rule, and its rate limits.
    fn of(&self, rule: &str, route: &str) -> (Value, Value) {
        let host = self.auth_hosts.get(rule);
        let auth = host.map_or_else(
            || json!({"disabled": true}),
            |host| json!({"check_settings": {"context_extensions": {"host": host}}}),
        );
        let auth = typed(
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            auth,
        );
        let mut filters = json!({AUTH_FILTER: auth});
        let Some(limit) = self.limit_of(host.map(String::as_str), route) else {
            return (filters, json!([]));
        };
        filters[LIMIT_FILTER] = typed(
            "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
            json!({"domain": limit["scope"]}),
        );
        let descriptor: Vec<Value> = array(&limit["conditionalData"])
            .flat_map(|when| array(&when["data"]).map(|data| entry(data, &when["predicates"])))
            .collect();
        (filters, json!([{"actions": descriptor}]))
    }

    /// What the shim would ask Limitador. It is the same for every match of a
    /// rule; a rule without an AuthConfig is known by its route's scope.
    fn limit_of(&self, host: Option<&str>, route: &str) -> Option<&Value> {
        let of_service = |set: &'_ Value, service: &str| {
            array(&set["actions"]).position(|action| action["service"] == service)
        };
        self.action_sets.iter().find_map(|set| {
            let auth = of_service(set, "auth-service");
            let limit = &set["actions"][of_service(set, "ratelimit-service")?];
            let is_its = match (auth, host) {
                (Some(auth), Some(host)) => set["actions"][auth]["scope"] == host,
                (None, None) => limit["scope"] == route,
                _ => false,
            };
            is_its.then_some(limit)
        })
    }
}

/// An entry of the descriptor for Limitador: left out when its predicates do
/// not hold, or cannot be told.
fn entry(data: &Value, predicates: &Value) -> Value {
    let (of, value) = if data["static"].is_null() {
        (
            &data["expression"],
            localise(&text(&data["expression"]["value"])),
        )
    } else {
        (&data["static"], data["static"]["value"].to_string())
    };
    let predicates: Vec<String> = array(predicates)
        .map(|predicate| format!("({})", localise(&text(predicate))))
        .collect();
    // Envoy leaves an entry out whose expression fails, as a look-up of what is
    // not in a map does.
    let expression = if predicates.is_empty() {
        value
    } else {
        format!("{{true: {value}}}[{}]", predicates.join(" && "))
    };
    json!({"extension": {
        "name": "envoy.rate_limit_descriptors.expr",
        "typed_config": typed(
            "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor",
            json!({"descriptor_key": of["key"], "skip_if_error": true, "text": expression}),
        ),
    }})
}

/// The shim's `auth` is what Authorino answered; Envoy has it as metadata,
/// which no client can send.
fn localise(expression: &str) -> String {
    const AUTH: &str = "auth";
    let mut local = String::new();
    let mut quote = None;
    let mut is_escaped = false;
    let mut before = ' ';
    let mut rest = expression;
    while let Some(next) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let after = rest.strip_prefix(AUTH).and_then(|rest| rest.chars().next());
        if quote.is_none() && !is_word(before) && matches!(after, Some('.' | '[')) {
            local.extend(["metadata.filter_metadata[\"", AUTH_FILTER, "\"]"]);
            rest = &rest[AUTH.len()..];
            before = 'h';
            continue;
        }
        match quote {
            None if matches!(next, '"' | '\'') => quote = Some(next),
            Some(open) if next == open && !is_escaped => quote = None,
            _ => {}
        }
        is_escaped = next == '\\' && !is_escaped;
        local.push(next);
        before = next;
        rest = &rest[next.len_utf8()..];
    }
    local
}

fn typed(kind: &str, mut value: Value) -> Value {
    value["@type"] = format!("type.googleapis.com/{kind}").into();
    value
}

#[cfg(test)]
mod tests;
