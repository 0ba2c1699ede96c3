//! Which CRDs does Kuadrant need, and where do they come from?
//!
//! From the Go modules that ship them, kept in the cache: a warm start needs
//! no Go.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    cache, go,
    kuadrant::NAMESPACE,
    obtain,
    pin::{CRDS, CrdSource, OPERATOR},
    progress::Progress,
};

/// What our programs follow of others, and what that hangs on.
const FOLLOWED: [&str; 6] = [
    "gatewayclasses.gateway.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "authpolicies.kuadrant.io",
    "kuadrants.kuadrant.io",
    "planpolicies.extensions.kuadrant.io",
];

/// Whether a CRD is of what our programs follow.
pub(crate) fn is_followed(crd: &Value) -> bool {
    let name = crd["metadata"]["name"].as_str();
    name.is_some_and(|it| FOLLOWED.contains(&it))
}

/// The CRDs of everything around us, read once for all stacks of this process.
pub async fn foreign(progress: Progress) -> Result<Vec<Value>> {
    static READ: OnceCell<Vec<Value>> = OnceCell::const_new();
    READ.get_or_try_init(|| read_all(progress)).await.cloned()
}

async fn read_all(progress: Progress) -> Result<Vec<Value>> {
    let file = match std::env::var_os(obtain::BIN_VARIABLE) {
        Some(folder) if Path::new(&folder).join("crds.yaml").is_file() => {
            Path::new(&folder).join("crds.yaml")
        }
        _ => cached(progress).await?,
    };
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    documents(&text).with_context(|| format!("{} is not what it should be", file.display()))
}

/// What the chart of kuadrant-operator brings for the controller of a developer portal:
/// the published definitions, its account and its rights.
pub async fn operator_chart(progress: Progress) -> Result<Vec<Value>> {
    let folder = go::module_folder(OPERATOR, progress).await?;
    let file = folder.join("charts/kuadrant-operator/templates/manifests.yaml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut all = documents(&text.replace("{{ .Release.Namespace }}", NAMESPACE))?;
    all.retain(|it| {
        let name = it["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("developer-portal-") || name.ends_with(".devportal.kuadrant.io")
    });
    Ok(all)
}

async fn cached(progress: Progress) -> Result<PathBuf> {
    let entry = cache::entry(
        &cache::root()?,
        "crds",
        &key(CRDS),
        progress,
        |into| async move {
            progress
                .step("collect the CRDs of Kuadrant and the Gateway API", async {
                    let mut all = Vec::new();
                    for source in CRDS {
                        let folder = go::module_folder(source.module, progress).await?;
                        all.extend(read(&folder, source)?);
                    }
                    let mut text = String::new();
                    for crd in all {
                        text.push_str("---\n");
                        text.push_str(&serde_yaml_ng::to_string(&crd)?);
                    }
                    fs::write(into.join("crds.yaml"), text)?;
                    Ok(())
                })
                .await
        },
    )
    .await?;
    Ok(entry.join("crds.yaml"))
}

fn read(module: &Path, source: &CrdSource) -> Result<Vec<Value>> {
    let path = module.join(source.path);
    let mut files = if path.is_dir() {
        fs::read_dir(&path)?
            .map(|e| Ok(e?.path()))
            .collect::<Result<Vec<_>>>()?
    } else {
        vec![path]
    };
    files.sort();
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "yaml"))
    {
        let text = fs::read_to_string(file)
            .with_context(|| format!("{} has no {}", source.module, source.path))?;
        found.extend(documents(&text)?.into_iter().filter(|crd| {
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
            crd["kind"] == "CustomResourceDefinition"
                && (source.kinds.is_empty() || source.kinds.contains(&kind))
        }));
    }
    Ok(found)
}

/// The objects in a YAML text of several documents.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let value = Value::deserialize(document)?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(found)
}

/// Changes whenever a version, path or kind does.
fn key(sources: &[CrdSource]) -> String {
    let mut digest = Sha256::new();
    for source in sources {
        digest.update(source.module);
        digest.update([0]);
        digest.update(source.path);
        digest.update([0]);
        digest.update(source.kinds.join(","));
        digest.update([0]);
    }
    hex::encode(&digest.finalize()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_a_module_is_another_cache_key() {
        let one = CrdSource {
            module: "a@v1",
            path: "p",
            kinds: &[],
        };
        let two = CrdSource {
            module: "a@v2",
            ..one
        };
        assert_ne!(key(&[one]), key(&[two]));
    }

    #[test]
    fn empty_documents_are_no_objects() {
        assert_eq!(documents("---\n---\nkind: A\n---\n").unwrap().len(), 1);
    }
}
