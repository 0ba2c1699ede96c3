//! Who sets the statuses that a Gateway controller would set?
//!
//! In a cluster Istio (or another Gateway controller), the Authorino operator
//! and the Limitador operator do; here this **stand-in** does, for any such
//! object that anyone creates. It reports what it can check (a route whose
//! gateway does not exist is not accepted) and writes only what changes. And it
//! keeps Envoy's routes in a file, from which Envoy takes them without dropping
//! a connection.

pub(crate) mod envoy;
mod kind;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures::{StreamExt, stream::SelectAll};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};

pub(crate) use kind::CONTROLLER_NAME;
use kind::Kind;

const MANAGER: &str = "devportal-stand-in";

/// Where Envoy's routes are, within the state folder: Envoy watches it.
pub(crate) const ROUTES_FOLDER: &str = "routes";

/// The file with Envoy's routes.
pub(crate) fn routes_path(state_dir: &Path) -> PathBuf {
    state_dir.join(ROUTES_FOLDER).join("routes.json")
}

/// What the stand-in has seen, by kind, namespace and name.
pub(crate) type Seen = BTreeMap<(Kind, String, String), DynamicObject>;

/// Watches, sets statuses and writes Envoy's routes to a file, until the runtime
/// it is started on ends.
pub(crate) fn start(client: Client, routes: PathBuf) -> Result<()> {
    let mut routes = RoutesFile::create(routes)?;
    tokio::spawn(async move {
        if let Err(error) = run(&client, &mut routes).await {
            tracing::error!("the stand-in for a Gateway controller ended: {error:#}");
        }
    });
    Ok(())
}

/// Where Envoy reads its routes. Replaced as a whole, by a rename, which is what
/// Envoy watches for.
struct RoutesFile {
    path: PathBuf,
    written: serde_json::Value,
}

impl RoutesFile {
    /// A file with no routes: Envoy listens once it has read one.
    fn create(path: PathBuf) -> Result<Self> {
        let mut file = Self {
            path,
            written: serde_json::Value::Null,
        };
        file.write(envoy::routes(&Seen::new()))?;
        Ok(file)
    }

    fn write(&mut self, routes: serde_json::Value) -> Result<()> {
        if self.written == routes {
            return Ok(());
        }
        let partial = self.path.with_extension("partial");
        let replace = |path: &Path| {
            std::fs::write(&partial, serde_json::to_vec_pretty(&routes)?)?;
            std::fs::rename(&partial, path)
        };
        replace(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.written = routes;
        Ok(())
    }
}

async fn run(client: &Client, routes: &mut RoutesFile) -> Result<()> {
    let mut events = SelectAll::new();
    for kind in Kind::ALL {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
        let stream = watcher(api, watcher::Config::default())
            .default_backoff()
            .map(move |event| (kind, event));
        events.push(stream.boxed());
    }
    let mut seen = Seen::new();
    let mut listing = BTreeSet::from(Kind::ALL);
    let mut events = events.ready_chunks(256);
    while let Some(batch) = events.next().await {
        for (kind, event) in batch {
            match event {
                Ok(event) => {
                    match event {
                        watcher::Event::Init => drop(listing.insert(kind)),
                        watcher::Event::InitDone => drop(listing.remove(&kind)),
                        _ => {}
                    }
                    observe(&mut seen, kind, event);
                }
                Err(error) => tracing::debug!("watching {kind:?}: {error}"),
            }
        }
        // While a list comes in, what is not listed yet is not gone.
        if !listing.is_empty() {
            continue;
        }
        for (key, status) in status::missing(&seen) {
            match write(client, &key, &status).await {
                Ok(object) => drop(seen.insert(key, object)),
                Err(kube::Error::Api(refusal)) if matches!(refusal.code, 400 | 403 | 422) => {
                    tracing::error!("status of {key:?} refused: {}", refusal.message);
                }
                // Changed or gone meanwhile: the next event tells.
                Err(error) => tracing::debug!("status of {key:?}: {error}"),
            }
        }
        // Tried again with the next event; Envoy goes on with what it has.
        if let Err(error) = routes.write(envoy::routes(&seen)) {
            tracing::error!("{error:#}");
        }
    }
    Ok(())
}

fn observe(seen: &mut Seen, kind: Kind, event: watcher::Event<DynamicObject>) {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    match event {
        Init => seen.retain(|(other, _, _), _| *other != kind),
        Apply(object) | InitApply(object) => {
            let key = key(kind, &object);
            if seen.get(&key).is_none_or(|known| !is_older(&object, known)) {
                seen.insert(key, object);
            }
        }
        Delete(object) => drop(seen.remove(&key(kind, &object))),
        InitDone => {}
    }
}

/// An event may arrive after the answer to our own, later, write.
fn is_older(event: &DynamicObject, known: &DynamicObject) -> bool {
    let version = |object: &DynamicObject| {
        object
            .metadata
            .resource_version
            .as_ref()
            .and_then(|v| v.parse::<u64>().ok())
    };
    event.metadata.uid == known.metadata.uid && version(event) < version(known)
}

fn key(kind: Kind, object: &DynamicObject) -> (Kind, String, String) {
    let meta = &object.metadata;
    (
        kind,
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

async fn write(
    client: &Client,
    (kind, namespace, name): &(Kind, String, String),
    status: &serde_json::Value,
) -> Result<DynamicObject, kube::Error> {
    let resource: ApiResource = kind.resource();
    let api: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    };
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = serde_json::json!({ "status": status });
    api.patch_status(name, &params, &Patch::Merge(&patch)).await
}
