//! Which limits hold? Those of all Limitador objects, as they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use limitador::RateLimiter;
use limitador::errors::LimitadorError;
use limitador::limit::{Expression, Limit, Predicate};
use serde::Deserialize;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

/// A limit as limitador-operator's CRD has it.
#[derive(Debug, Deserialize)]
struct Spec {
    namespace: String,
    max_value: u64,
    /// The window.
    seconds: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default)]
    variables: Vec<String>,
}

/// Keeps the limiter at what the Limitador objects say; tells when it is so for
/// the first time. Counters of limits that stay are kept.
pub(crate) async fn follow(client: Client, limiter: Arc<RateLimiter>, listed: oneshot::Sender<()>) {
    let mut listed = Some(listed);
    let mut objects: BTreeMap<String, Vec<Limit>> = BTreeMap::new();
    let mut listing = BTreeMap::new();
    let api: Api<DynamicObject> = Api::all_with(client, &resource());
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            // Until a list is complete the limits of before hold.
            Ok(watcher::Event::Init) => {
                listing = BTreeMap::new();
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listing.insert(id(&object), limits(&object));
                continue;
            }
            Ok(watcher::Event::InitDone) => objects = std::mem::take(&mut listing),
            Ok(watcher::Event::Apply(object)) => {
                objects.insert(id(&object), limits(&object));
            }
            Ok(watcher::Event::Delete(object)) => {
                objects.remove(&id(&object));
            }
            Err(failure) => {
                warn!(error = %failure, "cannot watch limits; those known go on");
                continue;
            }
        }
        let all: Vec<Limit> = objects.values().flatten().cloned().collect();
        let count = all.len();
        match put_in_force(&limiter, &all) {
            Ok(()) => info!(limits = count, "limits are in force"),
            Err(failure) => error!(error = %failure, "limits are not in force"),
        }
        // Nobody waits any more after the first time.
        let _ = listed.take().map(|listed| listed.send(()));
    }
}

/// Makes `limits` the limiter's only ones.
///
/// # Errors
///
/// When the engine's store of counters fails.
pub(crate) fn put_in_force(limiter: &RateLimiter, limits: &[Limit]) -> Result<(), LimitadorError> {
    // Twice: the engine (0.14) walks over the larger of the old and the new
    // set, so one that shrinks keeps the old maximum of each limit that stays.
    // The second time both are of one size, and it takes the new ones.
    limiter.configure_with(limits.iter().cloned())?;
    limiter.configure_with(limits.iter().cloned())
}

fn resource() -> ApiResource {
    ApiResource {
        group: "limitador.kuadrant.io".into(),
        version: "v1alpha1".into(),
        api_version: "limitador.kuadrant.io/v1alpha1".into(),
        kind: "Limitador".into(),
        plural: "limitadors".into(),
    }
}

fn id(object: &DynamicObject) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("{namespace}/{}", object.name_any())
}

/// The limits of an object. One that cannot be read is told and left out.
fn limits(object: &DynamicObject) -> Vec<Limit> {
    let specs = object.data["spec"]["limits"].as_array();
    let parsed = specs.into_iter().flatten().map(|spec| {
        let spec: Spec = serde_json::from_value(spec.clone())?;
        limit(spec)
    });
    parsed
        .filter_map(|limit: anyhow::Result<Limit>| {
            limit
                .inspect_err(|failure| {
                    error!(object = id(object), error = %failure, "a limit is left out");
                })
                .ok()
        })
        .collect()
}

fn limit(spec: Spec) -> anyhow::Result<Limit> {
    let conditions: Result<Vec<_>, _> = spec.conditions.iter().map(Predicate::parse).collect();
    let variables: Result<Vec<_>, _> = spec.variables.iter().map(Expression::parse).collect();
    let mut limit = Limit::new(
        spec.namespace,
        spec.max_value,
        spec.seconds,
        conditions?,
        variables?,
    );
    if let Some(name) = spec.name {
        limit.set_name(name);
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(limits: &Value) -> DynamicObject {
        DynamicObject::new("limitador", &resource()).data(json!({"spec": {"limits": limits}}))
    }

    #[test]
    fn a_limit_is_read_as_the_operator_writes_it() {
        let read = limits(&object(&json!([{
            "conditions": ["descriptors[0][\"limit.gold__8ad47fb5\"] == \"1\""],
            "max_value": 100, "name": "gold", "namespace": "toystore/toystore",
            "seconds": 10, "variables": [],
        }])));
        let [limit] = &read[..] else {
            panic!("{read:?}")
        };
        assert_eq!(limit.max_value(), 100);
        assert_eq!(limit.seconds(), 10);
        assert_eq!(limit.name(), Some("gold"));
        assert_eq!(limit.namespace(), &"toystore/toystore".into());
    }

    #[test]
    fn a_limit_that_cannot_be_read_leaves_the_others_alone() {
        let good = json!({"conditions": [], "max_value": 1, "namespace": "a", "seconds": 1, "variables": []});
        let bad = json!({"conditions": ["(("], "max_value": 1, "namespace": "b", "seconds": 1, "variables": []});
        let read = limits(&object(&json!([bad, {"max_value": "many"}, good])));
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].namespace(), &"a".into());
    }

    #[test]
    fn a_limit_that_goes_does_not_keep_another_at_its_old_maximum() {
        let limit = |seconds, most| Limit::new("a", most, seconds, [], []);
        let limiter = RateLimiter::new(100);
        put_in_force(&limiter, &[limit(1, 1), limit(2, 2), limit(3, 3)]).unwrap();
        put_in_force(&limiter, &[limit(2, 20)]).unwrap();
        let held = limiter.get_limits(&"a".into());
        let held: Vec<_> = held
            .iter()
            .map(|it| (it.seconds(), it.max_value()))
            .collect();
        assert_eq!(held, [(2, 20)]);
    }
}
