//! When is everything told? By watches, as a person's `kubectl wait` sees it.

use std::collections::HashSet;
use std::fmt::Debug;

use anyhow::{Result, bail};
use devportal_api::id::{KeyId, ProductId, RequestId};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, name};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::shop::SHOP;

/// Of a version that the API server no longer has.
const EXPIRED: u16 = 410;

/// Follows the shop's keys, requests and approvals from a moment on.
pub(super) struct Waiter {
    client: Client,
    keys: String,
    requests: String,
    approvals: String,
}

impl Waiter {
    /// From now on.
    pub(super) async fn begin(client: &Client) -> Result<Self> {
        Ok(Self {
            client: client.clone(),
            keys: version::<APIKey>(client).await?,
            requests: version::<APIKeyRequest>(client).await?,
            approvals: version::<APIKeyApproval>(client).await?,
        })
    }

    /// Until the keys of these names work and say so, and so do their requests and approvals.
    pub(super) async fn told(self, keys: impl IntoIterator<Item = String>) -> Result<()> {
        let client = &self.client;
        let product = ProductId::new(SHOP, SHOP);
        let keys: HashSet<String> = keys.into_iter().collect();
        let requests = keys
            .iter()
            .map(|it| name::request(&KeyId::new(SHOP, it), &product));
        let requests: Vec<RequestId> = requests.collect();
        let approvals = requests.iter().map(|it| name::auto_approval(it).name);
        let approvals = approvals.map(|it| it.to_string()).collect();
        let requests = requests.iter().map(|it| it.name.to_string()).collect();
        let keys = follow::<APIKey>(client, self.keys, keys, |it| {
            it.status.as_ref().is_some_and(|it| works(&it.conditions))
        });
        let requests = follow::<APIKeyRequest>(client, self.requests, requests, |it| {
            it.status.as_ref().is_some_and(|it| works(&it.conditions))
        });
        let approvals =
            follow::<APIKeyApproval>(client, self.approvals, approvals, |it| it.status.is_some());
        tokio::try_join!(Box::pin(keys), Box::pin(requests), Box::pin(approvals))?;
        Ok(())
    }
}

fn works(conditions: &[Condition]) -> bool {
    let has = |name: &str| {
        conditions
            .iter()
            .any(|it| it.type_ == name && it.status == "True")
    };
    has("Approved") && has("Enforced")
}

async fn version<K>(client: &Client) -> Result<String>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), SHOP);
    let page = api.list_metadata(&ListParams::default().limit(1)).await?;
    Ok(page.metadata.resource_version.unwrap_or_default())
}

async fn follow<K>(
    client: &Client,
    mut version: String,
    mut missing: HashSet<String>,
    is_told: impl Fn(&K) -> bool,
) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), SHOP);
    loop {
        let params = WatchParams::default().timeout(290);
        let mut events = api.watch(&params, &version).await?.boxed();
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = object.resource_version().unwrap_or(version);
                    if is_told(&object) {
                        missing.remove(&object.name_any());
                    }
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Deleted(_) => {}
                // The API server forgets what was before it began to keep a new kind.
                WatchEvent::Error(status) if status.code == EXPIRED => {
                    let list = api.list(&ListParams::default()).await?;
                    version = list.metadata.resource_version.unwrap_or_default();
                    for object in list.items.iter().filter(|it| is_told(it)) {
                        missing.remove(&object.name_any());
                    }
                }
                WatchEvent::Error(status) => bail!("the watch ended: {}", status.message),
            }
            if missing.is_empty() {
                return Ok(());
            }
        }
    }
}
