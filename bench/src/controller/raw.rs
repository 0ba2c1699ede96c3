//! How long do the writes alone take? A client that knows beforehand what to write, as
//! many at a time as the controller writes, and makes no decision.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::template::{Sort, Template};
use super::{CLIENTS, key_name};

/// As many as issue at a time in the controller.
const WRITERS: usize = 8;

/// Issues so many keys: clients create them, writers do the rest of each in order.
pub(super) async fn issue(client: &Client, template: &Template, keys: usize) -> Result<()> {
    let (made, waiting) = mpsc::unbounded_channel();
    let create = async move {
        let made = &made;
        stream::iter(0..keys)
            .map(|number| template.named(&key_name(number), number))
            .try_for_each_concurrent(CLIENTS, |key| async move {
                let created = create(client, &key.key).await?;
                made.send((key, uid(&created)?)).context("nobody writes")
            })
            .await
    };
    let write = UnboundedReceiverStream::new(waiting)
        .map(Ok)
        .try_for_each_concurrent(WRITERS, |(key, uid)| write(client, key, uid));
    tokio::try_join!(create, write)?;
    Ok(())
}

/// What the controller writes for a key, in its order.
async fn write(client: &Client, mut key: Template, key_uid: String) -> Result<()> {
    replace(&mut key, &key_uid)?;
    if key.sort == Sort::Generated {
        create(client, &key.source).await?;
    }
    let request = create(client, &key.request).await?;
    key.approval["metadata"]["ownerReferences"][0]["uid"] = uid(&request)?.into();
    create(client, &key.approval).await?;
    patch_status(client, &key.approval).await?;
    create(client, &key.credential).await?;
    patch_status(client, &key.key).await?;
    patch_status(client, &key.request).await
}

/// The API server has given the key another UID than the template's.
fn replace(key: &mut Template, uid: &str) -> Result<()> {
    let of_template = key.key["metadata"]["uid"].as_str().context("no UID")?;
    let of_template = of_template.to_owned();
    for object in [&mut key.source, &mut key.request, &mut key.credential] {
        *object = serde_json::from_str(&object.to_string().replace(&of_template, uid))?;
    }
    Ok(())
}

fn uid(object: &Value) -> Result<String> {
    let uid = object["metadata"]["uid"].as_str();
    Ok(uid.context("the API server gave no UID")?.to_owned())
}

/// The collection that an object is in.
fn collection(object: &Value) -> Result<String> {
    let namespace = object["metadata"]["namespace"].as_str();
    let namespace = namespace.context("no namespace")?;
    let (root, plural) = match object["kind"].as_str() {
        Some("Secret") => ("/api/v1", "secrets"),
        Some("APIKey") => (OURS, "apikeys"),
        Some("APIKeyRequest") => (OURS, "apikeyrequests"),
        Some("APIKeyApproval") => (OURS, "apikeyapprovals"),
        other => anyhow::bail!("{other:?} is not written"),
    };
    Ok(format!("{root}/namespaces/{namespace}/{plural}"))
}

const OURS: &str = "/apis/devportal.kuadrant.io/v1alpha1";

async fn create(client: &Client, object: &Value) -> Result<Value> {
    let mut new = object.clone();
    if let Some(fields) = new.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = new["metadata"].as_object_mut() {
        for given in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
        ] {
            meta.remove(given);
        }
    }
    let request = http::Request::post(collection(object)?)
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(&new)?)?;
    Ok(client.request(request).await?)
}

async fn patch_status(client: &Client, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let path = format!("{}/{name}/status", collection(object)?);
    let request = http::Request::patch(path)
        .header("Content-Type", "application/merge-patch+json")
        .body(serde_json::to_vec(&json!({"status": object["status"]}))?)?;
    client.request::<Value>(request).await?;
    Ok(())
}
