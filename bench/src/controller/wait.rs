//! When is everything told? By watches, as a person's `kubectl wait` sees it.

use std::collections::HashSet;
use std::fmt::Debug;
use std::pin::pin;

use anyhow::{Result, bail};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use futures::TryStreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::shop::SHOP;

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

    /// Until so many keys work and say so, and so do their requests and approvals.
    pub(super) async fn told(self, count: usize) -> Result<()> {
        let client = &self.client;
        let keys = follow::<APIKey>(client, self.keys, count, |it| {
            it.status.as_ref().is_some_and(|it| works(&it.conditions))
        });
        let requests = follow::<APIKeyRequest>(client, self.requests, count, |it| {
            it.status.as_ref().is_some_and(|it| works(&it.conditions))
        });
        let approvals =
            follow::<APIKeyApproval>(client, self.approvals, count, |it| it.status.is_some());
        tokio::try_join!(keys, requests, approvals)?;
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
    count: usize,
    is_told: impl Fn(&K) -> bool,
) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), SHOP);
    let mut told = HashSet::new();
    loop {
        let params = WatchParams::default().timeout(290);
        let mut events = pin!(api.watch(&params, &version).await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = object.resource_version().unwrap_or(version);
                    if is_told(&object) {
                        told.insert(object.name_any());
                    }
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Deleted(_) => {}
                WatchEvent::Error(status) => bail!("the watch ended: {}", status.message),
            }
            if told.len() >= count {
                return Ok(());
            }
        }
    }
}
