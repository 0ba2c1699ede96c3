//! Which status should an object have, given all the others?

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::kind::{CONTROLLER_NAME, Kind, array, text};
use super::{Seen, envoy};

const MESSAGE: &str = "Set by the stand-in of the local stack";

type Key = (Kind, String, String);

/// The statuses that differ from what they should be.
pub(super) fn missing(seen: &Seen) -> Vec<(Key, Value)> {
    let attached = attached_routes(seen);
    seen.iter()
        .filter(|(_, object)| object.metadata.deletion_timestamp.is_none())
        .filter_map(|(key, object)| {
            let wanted = wanted(seen, &attached, key, object)?;
            let found = &object.data["status"];
            let filled = keep(&wanted, found);
            (!agrees(&filled, found)).then(|| (key.clone(), stamp(filled)))
        })
        .collect()
}

fn wanted(
    seen: &Seen,
    attached: &BTreeMap<(String, String, String), u32>,
    (kind, namespace, name): &Key,
    object: &DynamicObject,
) -> Option<Value> {
    let generation = object.metadata.generation.unwrap_or(1);
    let yes = |kind: &str, reason: &str| condition(generation, kind, true, reason);
    match kind {
        Kind::GatewayClass => (object.data["spec"]["controllerName"] == CONTROLLER_NAME)
            .then(|| json!({"conditions": [yes("Accepted", "Accepted")]})),
        Kind::Gateway => {
            if !is_ours(seen, object) {
                return None;
            }
            let listeners: Vec<Value> = array(&object.data["spec"]["listeners"])
                .map(|listener| {
                    let listener_name = text(&listener["name"]);
                    let at = (namespace.clone(), name.clone(), listener_name.clone());
                    json!({
                        "name": listener_name,
                        "attachedRoutes": attached.get(&at).copied().unwrap_or(0),
                        "supportedKinds": [
                            {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"},
                            {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute"},
                        ],
                        "conditions": [
                            yes("Accepted", "Accepted"),
                            yes("Programmed", "Programmed"),
                            yes("ResolvedRefs", "ResolvedRefs"),
                        ],
                    })
                })
                .collect();
            Some(json!({
                "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
                "conditions": [yes("Accepted", "Accepted"), yes("Programmed", "Programmed")],
                "listeners": listeners,
            }))
        }
        Kind::HttpRoute | Kind::GrpcRoute => {
            let unsupported = match kind {
                Kind::HttpRoute => envoy::unsupported(object),
                _ => Some("GRPCRoutes".to_owned()),
            };
            let parents: Vec<Value> = array(&object.data["spec"]["parentRefs"])
                .map(|parent| {
                    let accepted = match attachment(seen, namespace, parent) {
                        Attachment::None => {
                            condition(generation, "Accepted", false, "NoMatchingParent")
                        }
                        Attachment::Listeners(_) => match &unsupported {
                            Some(what) => json!({
                                "type": "Accepted",
                                "status": "False",
                                "reason": "UnsupportedValue",
                                "message": format!("The local stack cannot do {what}"),
                                "observedGeneration": generation,
                            }),
                            None => yes("Accepted", "Accepted"),
                        },
                    };
                    json!({
                        "controllerName": CONTROLLER_NAME,
                        "parentRef": parent,
                        "conditions": [accepted, yes("ResolvedRefs", "ResolvedRefs")],
                    })
                })
                .collect();
            Some(json!({"parents": parents}))
        }
        Kind::Authorino => Some(json!({"conditions": [ready("Provisioned")]})),
        Kind::Limitador => Some(json!({
            "observedGeneration": generation,
            "conditions": [ready("Ready")],
            "service": {
                "host": format!("limitador-{name}.{namespace}.svc.cluster.local"),
                "ports": {"http": 8080, "grpc": 8081},
            },
        })),
        Kind::AuthConfig | Kind::EnvoyFilter => None,
    }
}

enum Attachment {
    Listeners(Vec<String>),
    None,
}

fn attachment(seen: &Seen, route_namespace: &str, parent: &Value) -> Attachment {
    let namespace = parent["namespace"].as_str().unwrap_or(route_namespace);
    let key = (Kind::Gateway, namespace.to_owned(), text(&parent["name"]));
    let is_gateway = parent["kind"].as_str().is_none_or(|kind| kind == "Gateway");
    let Some(gateway) = seen
        .get(&key)
        .filter(|gateway| is_gateway && is_ours(seen, gateway))
    else {
        return Attachment::None;
    };
    let section = parent["sectionName"].as_str();
    let listeners: Vec<String> = array(&gateway.data["spec"]["listeners"])
        .map(|listener| (listener, text(&listener["name"])))
        .filter(|(_, name)| section.is_none_or(|section| section == name))
        .filter(|(listener, _)| {
            let from = listener["allowedRoutes"]["namespaces"]["from"].as_str();
            namespace == route_namespace || matches!(from, Some("All" | "Selector"))
        })
        .map(|(_, name)| name)
        .collect();
    if listeners.is_empty() {
        Attachment::None
    } else {
        Attachment::Listeners(listeners)
    }
}

fn attached_routes(seen: &Seen) -> BTreeMap<(String, String, String), u32> {
    let mut attached = BTreeMap::new();
    let routes = seen
        .iter()
        .filter(|((kind, ..), _)| matches!(kind, Kind::HttpRoute | Kind::GrpcRoute));
    for ((_, namespace, _), route) in routes {
        for parent in array(&route.data["spec"]["parentRefs"]) {
            if let Attachment::Listeners(listeners) = attachment(seen, namespace, parent) {
                let gateway_namespace = parent["namespace"].as_str().unwrap_or(namespace);
                for listener in listeners {
                    let at = (
                        gateway_namespace.to_owned(),
                        text(&parent["name"]),
                        listener,
                    );
                    *attached.entry(at).or_default() += 1;
                }
            }
        }
    }
    attached
}

fn is_ours(seen: &Seen, gateway: &DynamicObject) -> bool {
    let class = text(&gateway.data["spec"]["gatewayClassName"]);
    seen.get(&(Kind::GatewayClass, String::new(), class))
        .is_some_and(|class| class.data["spec"]["controllerName"] == CONTROLLER_NAME)
}

fn condition(generation: i64, kind: &str, holds: bool, reason: &str) -> Value {
    json!({
        "type": kind,
        "status": if holds { "True" } else { "False" },
        "reason": reason,
        "message": MESSAGE,
        "observedGeneration": generation,
    })
}

fn ready(reason: &str) -> Value {
    json!({"type": "Ready", "status": "True", "reason": reason, "message": MESSAGE})
}

/// Takes over the time of each condition whose status did not change, and what others say:
/// kuadrant-operator notes on Gateways, listeners and routes which policies affect them.
fn keep(wanted: &Value, found: &Value) -> Value {
    match (wanted, found) {
        (Value::Object(fields), _) => {
            let mut kept = fields.clone();
            for (name, value) in &mut kept {
                *value = keep(value, &found[name.as_str()]);
            }
            if is_condition(wanted) && found["status"] == wanted["status"] {
                kept.insert(
                    "lastTransitionTime".into(),
                    found["lastTransitionTime"].clone(),
                );
            }
            Value::Object(kept)
        }
        (Value::Array(items), _) => {
            let kept = items
                .iter()
                .enumerate()
                .map(|(at, item)| keep(item, counterpart(item, at, found)));
            let others = array(found).filter(|it| is_of_others(it, items));
            kept.chain(others.cloned()).collect()
        }
        _ => wanted.clone(),
    }
}

/// Whether another controller says something beside what is wanted: about a parent of a route, or
/// by a condition.
fn is_of_others(found: &Value, wanted: &[Value]) -> bool {
    let controller = &found["controllerName"];
    let is_another = |it: &Value| is_condition(it) && it["type"] != found["type"];
    controller.is_string() && *controller != CONTROLLER_NAME
        || is_condition(found) && wanted.iter().all(is_another)
}

/// An address has a type, too.
fn is_condition(value: &Value) -> bool {
    value["type"].is_string() && value["status"].is_string()
}

fn counterpart<'a>(item: &Value, at: usize, found: &'a Value) -> &'a Value {
    const NONE: &Value = &Value::Null;
    const IDENTITIES: [&[&str]; 3] = [&["controllerName", "parentRef"], &["type"], &["name"]];
    for identity in IDENTITIES {
        // An address has a type too, and a value.
        if identity.iter().all(|field| !item[field].is_null()) && item["value"].is_null() {
            let is_same = |other: &&Value| identity.iter().all(|f| other[f] == item[f]);
            return array(found).find(is_same).unwrap_or(NONE);
        }
    }
    found.get(at).unwrap_or(NONE)
}

/// Whether everything wanted is found; what others added does not matter.
fn agrees(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| agrees(value, found))),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted.iter().enumerate().all(|(at, item)| {
                    agrees(item, counterpart(item, at, &Value::Array(found.clone())))
                })
        }
        _ => wanted == found,
    }
}

/// Gives each condition that changes the time of now.
fn stamp(mut value: Value) -> Value {
    let is_untimed = is_condition(&value) && value["lastTransitionTime"].is_null();
    match &mut value {
        Value::Object(fields) => {
            if is_untimed {
                let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                fields.insert("lastTransitionTime".into(), now.into());
            }
            for field in fields.values_mut() {
                *field = stamp(field.take());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = stamp(item.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests;
