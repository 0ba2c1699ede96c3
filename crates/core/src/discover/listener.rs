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

/// The hostnames that a route is called by: its own, or else those of the listeners it is attached
/// to, of parents that accepted it first. Those of listeners that it may be attached to count where
/// there are no others.
pub fn hostnames(around: &Surroundings, id: &RouteId, route: &HTTPRoute) -> Vec<String> {
    if !route.spec.hostnames.is_empty() {
        return route.spec.hostnames.clone();
    }
    let listeners = all_attached(around, id, route);
    let named = listeners.filter_map(|it| Some((it.is_certain, hostname_of(it.listener)?)));
    let (certain, uncertain): (Vec<_>, Vec<_>) = named.partition(|(is_certain, _)| *is_certain);
    let all = if certain.is_empty() {
        uncertain
    } else {
        certain
    };
    let mut hostnames: Vec<String> = Vec::new();
    for (_, hostname) in all {
        if hostnames.iter().all(|it| it != hostname) {
            hostnames.push(hostname.to_owned());
        }
    }
    hostnames
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
    let suffix = |it: &str| it.strip_prefix('*').map(str::to_owned);
    match (suffix(one), suffix(other)) {
        (None, None) => one == other,
        (Some(suffix), None) => other.ends_with(&suffix),
        (None, Some(suffix)) => one.ends_with(&suffix),
        (Some(a), Some(b)) => a.ends_with(&b) || b.ends_with(&a),
    }
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
