//! Which listeners of its Gateways is a route attached to, and by which hostnames is it called?
//! As the Gateway API says, where the Gateway is known.

use devportal_api::foreign::{GATEWAY_GROUP, HTTPRoute, Listener, ParentRef};
use devportal_api::id::RouteId;
use kube::Resource;

use super::path::accepts;
use crate::surroundings::Surroundings;

/// A listener that a route is attached to.
pub(super) struct Attached<'a> {
    pub(super) listener: &'a Listener,
    /// Whether the parent says that it took the route.
    is_accepted: bool,
    /// Whether that is known: labels of namespaces, by which a listener may choose, are not.
    pub(super) is_certain: bool,
}

/// The listeners of a parent that a route is attached to. `None` where it is not known: the
/// Gateway is not seen, or no listener of it takes the route.
pub(super) fn attached<'a>(
    around: &'a Surroundings,
    id: &RouteId,
    route: &HTTPRoute,
    parent: &ParentRef,
) -> Option<Vec<Attached<'a>>> {
    let gateway = around.find_gateway(id, parent)?;
    let is_accepted = accepts(id, route, parent);
    let is_home = gateway.meta().namespace.as_deref() == Some(&*id.namespace);
    let listeners = gateway.spec.listeners.iter();
    let all = listeners
        .filter(|it| {
            parent
                .section_name
                .as_ref()
                .is_none_or(|name| *name == it.name)
        })
        .filter(|it| parent.port.is_none_or(|port| port == it.port))
        .filter(|it| takes_http_routes(it) && takes_hosts(it, &route.spec.hostnames))
        .filter_map(|listener| {
            let is_certain = takes_namespace(listener, is_home)?;
            Some(Attached {
                listener,
                is_accepted,
                is_certain,
            })
        });
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then_some(all)
}

/// The hostnames that a route is called by: its own, as far as listeners that it is or may be
/// attached to take them, or else those of the listeners, of parents that accepted it first. Of these
/// the listeners that it may be attached to count where there are no others.
pub fn hostnames(around: &Surroundings, id: &RouteId, route: &HTTPRoute) -> Vec<String> {
    let own = &route.spec.hostnames;
    let listeners = all_attached(around, id, route);
    let (certain, uncertain): (Vec<_>, Vec<_>) = listeners.partition(|it| it.is_certain);
    let all: Vec<_> = if own.is_empty() && !certain.is_empty() {
        certain.iter().map(|it| it.listener).collect()
    } else {
        let all = certain.iter().chain(&uncertain);
        all.map(|it| it.listener).collect()
    };
    if all.is_empty() {
        return own.clone();
    }
    let served = if own.is_empty() {
        let named = all.iter().filter_map(|it| hostname_of(it));
        named.map(str::to_owned).collect()
    } else {
        served(&all, own)
    };
    distinct(served)
}

/// Each of these once, in order.
fn distinct(all: Vec<String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for it in all {
        if !distinct.contains(&it) {
            distinct.push(it);
        }
    }
    distinct
}

/// What listeners serve of a route's hostnames: of two that stand for each other the narrower.
fn served(listeners: &[&Listener], hostnames: &[String]) -> Vec<String> {
    let each = hostnames.iter().flat_map(|hostname| {
        listeners.iter().filter_map(|it| match hostname_of(it) {
            Some(own) if !intersect(own, hostname) => None,
            Some(own) if !is_within(hostname, own) => Some(own.to_owned()),
            Some(_) | None => Some(hostname.clone()),
        })
    });
    each.collect()
}

/// Every name.
const ANY: &str = "*";

/// For which hostnames requests come by some listeners of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosts {
    /// Those by which a Gateway serves the route.
    pub(super) served: Vec<String>,
    /// Those by which Kuadrant's filter knows it: of the route's own only those that lie within the
    /// listener's (kuadrant-operator 1.5).
    pub(super) guarded: Vec<String>,
}

impl Hosts {
    pub(super) fn of<'a>(
        listeners: impl Iterator<Item = &'a Listener>,
        hostnames: &[String],
    ) -> Self {
        let listeners: Vec<_> = listeners.collect();
        let any = || listeners.iter().map(|it| hostname_of(it).unwrap_or(ANY));
        if hostnames.is_empty() {
            let all: Vec<_> = any().map(str::to_owned).collect();
            return Self {
                served: all.clone(),
                guarded: all,
            };
        }
        let within = hostnames
            .iter()
            .filter(|it| any().any(|own| is_within(it, own)));
        Self {
            served: distinct(served(&listeners, hostnames)),
            guarded: within.cloned().collect(),
        }
    }
}

/// Whether every name that one stands for the other stands for, too.
pub(super) fn is_within(one: &str, other: &str) -> bool {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (Some(one), Some(other)) => one.len() >= other.len() && one.ends_with(other),
        (Some(_), None) => false,
        (None, Some(suffix)) => one.ends_with(suffix),
        (None, None) => one == other,
    }
}

/// The listeners that a route is attached to, of parents that accepted it first.
fn all_attached<'a>(
    around: &'a Surroundings,
    id: &'a RouteId,
    route: &'a HTTPRoute,
) -> impl Iterator<Item = Attached<'a>> {
    let parents = route.spec.parent_refs.iter();
    let listeners = parents.filter_map(|it| attached(around, id, route, it));
    let mut listeners: Vec<_> = listeners.flatten().collect();
    listeners.sort_by_key(|it| !it.is_accepted);
    listeners.into_iter()
}

/// An address that a route is called at, as far as its rules and listeners tell: the first of its
/// [`hostnames`], over TLS where a listener that took the route has it, and the first path. A
/// listener that is not known is taken to be the usual one for TLS.
pub fn address(around: &Surroundings, id: &RouteId, route: &HTTPRoute) -> Option<String> {
    let hostname = hostnames(around, id, route).into_iter().next()?;
    let is_its = |it: &Attached| {
        let own = hostname_of(it.listener);
        own.is_none_or(|own| intersect(own, &hostname))
    };
    let listeners = all_attached(around, id, route).filter(is_its);
    let best = listeners.min_by_key(|it| {
        (
            !it.is_accepted,
            !it.is_certain,
            it.listener.protocol != "HTTPS",
        )
    });
    let (scheme, port) = match best.map(|it| (&*it.listener.protocol, it.listener.port)) {
        None | Some(("HTTPS", 443)) => ("https", None),
        Some(("HTTP", 80)) => ("http", None),
        Some(("HTTP", port)) => ("http", Some(port)),
        Some((_, port)) => ("https", Some(port)),
    };
    let port = port.map(|it| format!(":{it}")).unwrap_or_default();
    let path = first_path(route);
    Some(format!("{scheme}://{hostname}{port}{path}"))
}

/// The first path that a rule names as it is.
fn first_path(route: &HTTPRoute) -> &str {
    let matches = route.spec.rules.iter().flat_map(|it| &it.matches);
    let mut paths = matches.filter_map(|it| it.path.as_ref());
    let literal = paths.find(|it| it.kind.as_deref() != Some("RegularExpression"));
    let path = literal.and_then(|it| it.value.as_deref());
    path.filter(|it| it.starts_with('/')).unwrap_or("/")
}

/// The hostname of a listener; an empty one is none.
fn hostname_of(listener: &Listener) -> Option<&str> {
    listener.hostname.as_deref().filter(|it| !it.is_empty())
}

/// Whether routes from a namespace may be attached, and whether that is certain; `None` if not.
fn takes_namespace(listener: &Listener, is_home: bool) -> Option<bool> {
    let allowed = listener.allowed_routes.as_ref();
    let from = allowed.and_then(|it| it.namespaces.as_ref()?.from.as_deref());
    match from.unwrap_or("Same") {
        "All" => Some(true),
        "Same" => is_home.then_some(true),
        "None" => None,
        // By labels of the namespace, or by what is yet to be invented.
        _ => Some(false),
    }
}

fn takes_http_routes(listener: &Listener) -> bool {
    let kinds = listener.allowed_routes.as_ref().map(|it| &it.kinds[..]);
    match kinds {
        None | Some([]) => !matches!(&*listener.protocol, "TLS" | "TCP" | "UDP"),
        Some(kinds) => kinds.iter().any(|it| {
            it.kind == "HTTPRoute" && it.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
        }),
    }
}

fn takes_hosts(listener: &Listener, hostnames: &[String]) -> bool {
    match hostname_of(listener) {
        Some(own) if !hostnames.is_empty() => hostnames.iter().any(|it| intersect(own, it)),
        _ => true,
    }
}

/// Whether there is a name that both stand for: `*.` is one label or more.
fn intersect(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames_intersect_as_the_gateway_api_says() {
        for (one, other) in [
            ("toys.example.com", "toys.example.com"),
            ("*.example.com", "toys.example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.example.com", "*.toys.example.com"),
            ("*.example.com", "*.example.com"),
        ] {
            assert!(
                intersect(one, other) && intersect(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("toys.example.com", "games.example.com"),
            ("*.example.com", "example.com"),
            ("*.example.com", "toys.anexample.com"),
            ("*.example.com", "*.example.org"),
        ] {
            assert!(
                !intersect(one, other) && !intersect(other, one),
                "{one} {other}"
            );
        }
    }
}
