//! How do manifests reach the API server?

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
    discovery::{self, Scope},
};
use serde_json::{Value, json};

use crate::crds::documents;

const MANAGER: &str = "devportal-stack";
const PATIENCE: Duration = Duration::from_mins(1);

/// Applies CRDs, many at a time, and waits until each is served.
pub async fn crds(client: &Client, crds: Vec<Value>) -> Result<()> {
    stream::iter(crds)
        .map(|crd| async move {
            object(client, &crd).await?;
            established(client, crd["metadata"]["name"].as_str().unwrap_or_default()).await
        })
        .buffer_unordered(8)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Applies objects in their order.
pub async fn objects(client: &Client, objects: &[Value]) -> Result<()> {
    for value in objects {
        object(client, value).await?;
    }
    Ok(())
}

/// Says of a route that a Gateway controller accepted it for a Gateway of its namespace, where none
/// runs.
pub async fn accept_route(
    client: &Client,
    namespace: &str,
    name: &str,
    gateway: &str,
) -> Result<()> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    let kind = ApiResource::from_gvk(&kind);
    let routes: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let accepted = json!({"type": "Accepted", "status": "True", "reason": "Accepted",
        "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let parent = json!({"parentRef": {"name": gateway}, "conditions": [accepted],
        "controllerName": "example.com/gateway"});
    let status = Patch::Merge(json!({"status": {"parents": [parent]}}));
    routes
        .patch_status(name, &PatchParams::default(), &status)
        .await?;
    Ok(())
}

/// The objects in a folder's YAML files, by name of file; none without folder.
/// Each `${NAME}` is replaced by its value first.
pub fn read_folder(folder: &Path, values: &[(&str, &str)]) -> Result<Vec<Value>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        found.extend(read_file(&file, values)?);
    }
    Ok(found)
}

/// The objects in one YAML file, likewise.
pub(crate) fn read_file(file: &Path, values: &[(&str, &str)]) -> Result<Vec<Value>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = values.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value)
    });
    documents(&text).with_context(|| format!("in {}", file.display()))
}

async fn object(client: &Client, value: &Value) -> Result<()> {
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    let what = format!(
        "{} {name}",
        value["kind"].as_str().unwrap_or("object without kind")
    );
    let attempt = async {
        let mut pause = Duration::from_millis(50);
        let begun = tokio::time::Instant::now();
        loop {
            match once(client, value, name).await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE || !may_pass(&error) => return Err(error),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    };
    attempt
        .await
        .with_context(|| format!("cannot apply {what}"))
}

/// A kind may not be served yet, nor a namespace be there.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 404 | 409 | 429 | 500..),
        kube::Error::Discovery(_) | kube::Error::Service(_) | kube::Error::HyperError(_) => true,
        _ => false,
    }
}

async fn once(client: &Client, value: &Value, name: &str) -> Result<(), kube::Error> {
    let object: DynamicObject =
        serde_json::from_value(value.clone()).map_err(kube::Error::SerdeError)?;
    let types = object.types.clone().unwrap_or_default();
    let gvk = GroupVersionKind::try_from(&types)
        .map_err(|error| kube::Error::Service(Box::new(error)))?;
    let (resource, capabilities) = discovery::pinned_kind(client, &gvk).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::default_namespaced_with(client.clone(), &resource),
        },
    };
    api.patch(
        name,
        &PatchParams::apply(MANAGER).force(),
        &Patch::Apply(value),
    )
    .await?;
    Ok(())
}

async fn established(client: &Client, name: &str) -> Result<()> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Crd;
    let api: Api<Crd> = Api::all(client.clone());
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        let crd = api.get(name).await?;
        let conditions = crd.status.and_then(|s| s.conditions).unwrap_or_default();
        if conditions
            .iter()
            .any(|c| c.type_ == "Established" && c.status == "True")
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    bail!("the CRD {name} was not established within {PATIENCE:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_by_name_with_their_variables_filled_in() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("20-b.yaml"), "url: ${DOCUMENTS_URL}/b.json").unwrap();
        fs::write(dir.path().join("10-a.yaml"), "url: a").unwrap();
        fs::write(dir.path().join("notes.txt"), "url: c").unwrap();
        let found = read_folder(dir.path(), &[("DOCUMENTS_URL", "http://x")]).unwrap();
        let urls: Vec<_> = found.iter().map(|v| v["url"].as_str().unwrap()).collect();
        assert_eq!(urls, ["a", "http://x/b.json"]);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        assert_eq!(
            read_folder(Path::new("/nowhere"), &[]).unwrap(),
            Vec::<Value>::new()
        );
    }
}
