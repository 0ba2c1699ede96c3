//! What must go before the controller does? The Secrets that open APIs: with nobody to
//! revoke them they would for ever.
//!
//! The controller is stopped first, for it would make each of them anew. What it has made
//! for people, APIKeys and the copies of generated values, stays; of keys that a pre-release
//! of 0.1 holds by its finalizer they are let go, for nobody else would.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use devportal_api::APIKey;
use devportal_api::foreign::Kuadrant;
use devportal_api::id::{KeyId, ObjectId, SecretId};
use devportal_api::name::LEGACY_FINALIZER;
use devportal_core::discover::oldest_kuadrant;
use devportal_mirror::{Credential, Kind, SecretFacts, Stray};
use devportal_watch::{Plain, brief};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::lead;

/// The Deployment that the chart makes.
const DEPLOYMENT: &str = "devportal-controller";
/// How many objects are listed at a time.
const PAGE: u32 = 500;
/// How many Secrets are deleted at a time.
const AT_ONCE: usize = 8;
const PAUSE: Duration = Duration::from_secs(1);
/// For how long nobody may hold the lease; whoever wants it looks at it every two seconds.
const QUIET: Duration = Duration::from_secs(4);
/// How often is looked whether all are gone.
const ROUNDS: usize = 5;

/// What to take away.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the controller runs.
    pub namespace: String,
    /// Where the Secrets are.
    pub kuadrant_namespace: String,
    /// How long the controller may take to end.
    pub patience: Duration,
    /// No controller runs, or one that neither the chart nor a lease tells of.
    pub without_controller: bool,
    /// Only tells what would go.
    pub dry_run: bool,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Whether a controller was stopped for it.
    pub stopped: bool,
    /// The Secrets that were deleted, or would be.
    pub secrets: BTreeSet<SecretId>,
    /// Those that something keeps although they are deleted: they open APIs still.
    pub held: BTreeSet<SecretId>,
    /// The keys whose finalizer of a pre-release was taken off, or would be.
    pub released: BTreeSet<KeyId>,
    /// The keys that it could not be taken off, and why.
    pub kept: BTreeMap<KeyId, String>,
    /// Whether it was seen where the Kuadrant resource is, and with it where Secrets lie, and
    /// which keys there are.
    pub is_certain: bool,
}

/// Stops the controller and deletes what opens APIs, until nothing of it is there.
///
/// # Errors
///
/// When the API server cannot be reached or refuses, Kuadrant is in another namespace, a
/// controller does not end, or somebody makes the Secrets anew. What was deleted until then
/// is gone; it can be run again.
pub async fn uninstall(options: &Options) -> Result<Gone> {
    let (client, ..) = crate::connect().await?;
    let mut gone = Gone {
        is_certain: is_there(&client, &options.kuadrant_namespace).await?,
        ..Gone::default()
    };
    if !options.dry_run && !options.without_controller {
        gone.stopped = stop(&client, &options.namespace, options.patience).await?;
    }
    revoke(&client, options, &mut gone).await?;
    release(&client, options.dry_run, &mut gone).await?;
    Ok(gone)
}

/// Whether the Kuadrant resource that the controller goes by, the oldest, is in a namespace;
/// false where that may not be seen, or where there is none.
async fn is_there(client: &Client, namespace: &str) -> Result<bool> {
    let kuadrants: Api<Kuadrant> = Api::all(client.clone());
    let found = match kuadrants.list_metadata(&ListParams::default()).await {
        Ok(found) => found.items,
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => return Ok(false),
        Err(error) => bail!("cannot list the Kuadrant resources: {}", brief(&error)),
    };
    let oldest = oldest_kuadrant(found.iter().map(|it| &it.metadata));
    let Some(place) = oldest.and_then(|it| it.namespace.as_deref()) else {
        return Ok(false);
    };
    ensure!(
        place == namespace,
        "the Kuadrant resource is in namespace {place}, and with it the Secrets that open \
         APIs: say --kuadrant-namespace={place}, or kuadrantNamespace={place} to the chart"
    );
    Ok(true)
}

/// Deletes the Secrets that open APIs, those that have lost our label included.
async fn revoke(client: &Client, options: &Options, gone: &mut Gone) -> Result<()> {
    let namespace = &options.kuadrant_namespace;
    for _ in 0..ROUNDS {
        gone.held.clear();
        let labelled = revoke_all(client, options, Credential::SELECTOR, |_| true, gone).await?;
        let is_stray =
            |it: &PartialObjectMeta<Secret>| SecretFacts::of_metadata(&it.metadata).is_stray();
        let strays = revoke_all(client, options, Stray::SELECTOR, is_stray, gone).await?;
        if labelled && strays || options.dry_run {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    bail!(
        "Secrets are made anew in {namespace}: a controller runs that was not stopped; name its \
         namespace with --namespace, stop it, and run this again"
    )
}

/// Deletes those of a selector that are ours. Whether there were none but what is held.
async fn revoke_all(
    client: &Client,
    options: &Options,
    selector: &str,
    is_ours: impl Fn(&PartialObjectMeta<Secret>) -> bool,
    gone: &mut Gone,
) -> Result<bool> {
    let namespace = &options.kuadrant_namespace;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let listing = Api::namespaced(client.clone(), namespace);
    let mut is_clean = true;
    let listed = list(&listing, selector, async |page| {
        let id = |it: &PartialObjectMeta<Secret>| SecretId::new(namespace, it.name_any());
        let is_held = |it: &PartialObjectMeta<Secret>| it.metadata.deletion_timestamp.is_some();
        let ours = page.into_iter().filter(&is_ours);
        let (held, there): (Vec<_>, Vec<_>) = ours.partition(is_held);
        gone.held.extend(held.iter().map(id));
        gone.secrets.extend(there.iter().map(id));
        is_clean &= there.is_empty();
        if options.dry_run {
            return Ok(());
        }
        delete(&secrets, there).await
    });
    match listed.await? {
        Listed::Whole => Ok(is_clean),
        Listed::BrokenOff => Ok(false),
        Listed::Failed(error) => bail!("cannot list Secrets in {namespace}: {}", brief(&error)),
    }
}

/// Takes the finalizer of a pre-release of 0.1 off keys: nobody else would, and they could
/// never be deleted. What does not go is told: every key is revoked by now.
async fn release(client: &Client, is_dry_run: bool, gone: &mut Gone) -> Result<()> {
    let all: Api<Plain<PartialObjectMeta<APIKey>>> = Api::all(client.clone());
    for _ in 0..ROUNDS {
        gone.kept.clear();
        let listed = list(&all, "", async |page| {
            for key in page.iter().filter(|it| holds(it)) {
                let id = KeyId::new(key.namespace().unwrap_or_default(), key.name_any());
                let released = if is_dry_run {
                    Ok(())
                } else {
                    let_go(client, &id, key).await
                };
                match released {
                    Ok(()) => drop(gone.released.insert(id)),
                    Err(error) => drop(gone.kept.insert(id, brief(&error))),
                }
            }
            Ok(())
        });
        match listed.await? {
            Listed::Whole if gone.kept.is_empty() => return Ok(()),
            Listed::Whole | Listed::BrokenOff => {}
            // There is no such kind, and so no key; or nobody may see them.
            Listed::Failed(kube::Error::Api(status)) if [403, 404].contains(&status.code) => {
                gone.is_certain &= status.code == 404;
                return Ok(());
            }
            Listed::Failed(error) => bail!(
                "every Secret is deleted, but APIKeys cannot be listed, of which a pre-release of \
                 0.1 may hold some: {}",
                brief(&error)
            ),
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn holds(key: &PartialObjectMeta<APIKey>) -> bool {
    key.finalizers().iter().any(|it| it == LEGACY_FINALIZER)
}

async fn let_go(client: &Client, id: &KeyId, key: &PartialObjectMeta<APIKey>) -> kube::Result<()> {
    let others = key.finalizers().iter().filter(|it| *it != LEGACY_FINALIZER);
    let patch = json!({"metadata": {
        "finalizers": others.collect::<Vec<_>>(),
        "uid": key.uid(), "resourceVersion": key.resource_version(),
    }});
    let keys: Api<APIKey> = Api::namespaced(client.clone(), id.namespace());
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    match keys.patch_metadata(id.name(), &params, &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer.map(drop),
    }
}

/// What came of a list.
enum Listed {
    /// All of it was seen.
    Whole,
    /// It cannot go on where it was, and is to be begun anew.
    BrokenOff,
    Failed(kube::Error),
}

/// Does something about each page of a list: there may be more than fit into memory.
async fn list<K>(
    api: &Api<Plain<PartialObjectMeta<K>>>,
    labels: &str,
    mut act: impl AsyncFnMut(Vec<PartialObjectMeta<K>>) -> Result<()>,
) -> Result<Listed>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Resource<DynamicType = ()>,
{
    let mut params = ListParams::default().labels(labels).limit(PAGE);
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(Listed::BrokenOff),
            Err(error) => return Ok(Listed::Failed(error)),
        };
        act(page.items.into_iter().map(|Plain(it)| it).collect()).await?;
        params.continue_token = page.metadata.continue_.filter(|it| !it.is_empty());
        if params.continue_token.is_none() {
            return Ok(Listed::Whole);
        }
    }
}

/// Deletes all of them; what is refused harms no other.
async fn delete(secrets: &Api<Secret>, all: Vec<PartialObjectMeta<Secret>>) -> Result<()> {
    let count = all.len();
    let answers = stream::iter(all).map(|it| async move {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: it.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match secrets.delete(&it.name_any(), &params).await {
            Ok(_) => None,
            // Gone already, or another one by now, which the next round finds.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => None,
            Err(error) => Some(format!("Secret {}: {}", it.name_any(), brief(&error))),
        }
    });
    let refused: Vec<String> = answers
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let Some(first) = refused.first() else {
        return Ok(());
    };
    bail!(
        "{} of {count} Secrets cannot be deleted and open APIs still, the others are gone; the \
         first refusal: {first}",
        refused.len()
    )
}

/// Stops the controller and waits until nobody has held the lease for a while: of two
/// replicas the other takes it when the first gives it back. Whether there was one.
async fn stop(client: &Client, namespace: &str, patience: Duration) -> Result<bool> {
    let begun = Instant::now();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let is_there = deployments.get_opt(DEPLOYMENT).await?.is_some();
    ensure!(
        is_there || leases.get_opt(lead::LEASE).await?.is_some(),
        "no controller is found in namespace {namespace}, neither a Deployment {DEPLOYMENT} nor \
         its lease: name its namespace with --namespace, or say --without-controller where none \
         runs"
    );
    if is_there {
        let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
        let params = PatchParams::default();
        deployments.patch_scale(DEPLOYMENT, &params, &none).await?;
    }
    let mut quiet_since = None;
    loop {
        let deployment = deployments.get_opt(DEPLOYMENT).await?;
        let replicas = deployment.and_then(|it| it.status?.replicas).unwrap_or(0);
        let holder = holder(leases.get_opt(lead::LEASE).await?);
        if replicas == 0 && holder.is_none() {
            let since = *quiet_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= QUIET {
                return Ok(is_there);
            }
        } else {
            quiet_since = None;
        }
        if begun.elapsed() > patience {
            let who = holder.unwrap_or_else(|| format!("{replicas} replicas"));
            bail!(
                "a controller still runs after {} s ({who}): stop it, for it would make each \
                 Secret anew, then run this again; one that kuadrant-operator runs stops when \
                 spec.components.developerPortal.enabled of the Kuadrant resource is false",
                patience.as_secs()
            );
        }
        sleep(PAUSE).await;
    }
}

/// Who holds the lease, unless it has run out.
fn holder(lease: Option<Lease>) -> Option<String> {
    let spec = lease?.spec?;
    let holder = spec.holder_identity.filter(|it| !it.is_empty())?;
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    let end = spec.renew_time?.0 + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    (end > Timestamp::now()).then_some(holder)
}
