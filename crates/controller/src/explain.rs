//! Why is a key as it is? The same facts and the same functions that the controller
//! decides by, looked at once from outside.

use anyhow::Result;
use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::KeyId;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::change::Source as Known;
use devportal_core::decide::{Explanation, explain as explained};
use devportal_core::{Change, Settings, World};
use devportal_metrics::watches::Watch;
use devportal_mirror::{Credential, Kind, Lens, Scope, Stray, Told};
use devportal_watch::{Source, list};
use jiff::Timestamp;

use crate::read::read;

/// Lists what bears on keys, with the rights of whoever asks, and explains one. What they
/// may not see is named as not seen.
///
/// # Errors
///
/// When the API server cannot be reached.
pub async fn explain(key: &KeyId, settings: Settings) -> Result<Explanation> {
    let (client, ..) = crate::connect().await?;
    let lens = Lens::new(rand::random());
    let mut world = World::new(settings);
    let source = |scope| Source {
        client: client.clone(),
        scope,
        lens: lens.clone(),
        metrics: Watch::default(),
    };
    let cluster = source(Scope::Cluster);
    observe::<APIProduct>(&mut world, &cluster).await;
    observe::<APIKey>(&mut world, &cluster).await;
    if !world.keys().is_listed(&key.namespace) {
        // Where consumers may see their own.
        let own = source(Scope::Namespace(key.namespace.to_string()));
        observe::<APIKey>(&mut world, &own).await;
    }
    observe::<APIKeyRequest>(&mut world, &cluster).await;
    observe::<APIKeyApproval>(&mut world, &cluster).await;
    observe::<HTTPRoute>(&mut world, &cluster).await;
    observe::<Gateway>(&mut world, &cluster).await;
    observe::<AuthPolicy>(&mut world, &cluster).await;
    observe::<PlanPolicy>(&mut world, &cluster).await;
    observe::<Kuadrant>(&mut world, &cluster).await;
    if let Some(namespace) = world.kuadrant_namespace().map(str::to_owned) {
        let secrets = source(Scope::Namespace(namespace));
        observe::<Credential>(&mut world, &secrets).await;
        observe::<Stray>(&mut world, &secrets).await;
    }
    if let Some(secret) = world.find_key(key).map(APIKey::source_secret) {
        let known = read(&client, &lens, &secret).await;
        world.observe(Change::Source(secret, known.unwrap_or(Known::Forbidden)));
    }
    Ok(explained(key, &world, Timestamp::now()))
}

async fn observe<K: Kind>(world: &mut World, source: &Source)
where
    Change: From<Told<K>>,
{
    for told in list::<K>(source).await {
        world.observe(told.into());
    }
}
