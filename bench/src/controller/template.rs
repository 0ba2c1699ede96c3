//! What is written for a key? Taken from one that the controller made, so that whoever
//! writes the same cannot be found to write something else.

use anyhow::{Context, Result, ensure};
use devportal_api::id::KeyId;
use devportal_api::name;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use devportal_stack::NAMESPACE;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::{Api, Client, Resource};
use serde_json::Value;

use crate::shop::{SHOP, value};

/// How the consumer comes by the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sort {
    Brought,
    Generated,
}

/// Everything there is of a key that is issued, as JSON.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) sort: Sort,
    id: KeyId,
    pub(crate) key: Value,
    pub(crate) request: Value,
    pub(crate) approval: Value,
    /// The gateway's Secret.
    pub(crate) credential: Value,
    /// The consumer's Secret.
    pub(crate) source: Value,
}

impl Template {
    /// Reads what there is of a key.
    pub(crate) async fn read(client: &Client, sort: Sort, name: &str) -> Result<Self> {
        let id = KeyId::new(SHOP, name);
        let product = devportal_api::id::ProductId::new(SHOP, SHOP);
        let request = name::request(&id, &product).name;
        let source = match sort {
            Sort::Brought => name.to_owned(),
            Sort::Generated => name::generated_source(&id).name.into(),
        };
        let credential = name::enforcement_secret(&id, NAMESPACE).name;
        Ok(Self {
            sort,
            key: get::<APIKey>(client, SHOP, name).await?,
            approval: get::<APIKeyApproval>(client, SHOP, &format!("{request}-auto")).await?,
            request: get::<APIKeyRequest>(client, SHOP, &request).await?,
            credential: get::<Secret>(client, NAMESPACE, &credential).await?,
            source: get::<Secret>(client, SHOP, &source).await?,
            id,
        })
    }

    /// The same of another key. UIDs are told apart by a number.
    pub(crate) fn named(&self, name: &str, number: usize) -> Result<Self> {
        let other = KeyId::new(SHOP, name);
        let mut words = vec![
            (self.id.name.to_string(), name.to_owned()),
            (name::h8(&self.id), name::h8(&other)),
        ];
        if self.sort == Sort::Brought {
            words.push((encoded(&self.id.name), encoded(name)));
        }
        for object in self.all() {
            let uid = object["metadata"]["uid"].as_str().context("no UID")?;
            ensure!(uid.len() == 36, "a UID of another form: {uid}");
            words.push((uid.to_owned(), format!("{}-{number:012}", &uid[..23])));
        }
        let rename = |object: &Value| -> Result<Value> {
            let mut text = object.to_string();
            for (from, to) in &words {
                text = text.replace(from, to);
            }
            Ok(serde_json::from_str(&text)?)
        };
        Ok(Self {
            sort: self.sort,
            id: other,
            key: rename(&self.key)?,
            request: with_terms(rename(&self.request)?)?,
            approval: with_decision(rename(&self.approval)?)?,
            credential: rename(&self.credential)?,
            source: rename(&self.source)?,
        })
    }

    fn all(&self) -> [&Value; 5] {
        [
            &self.key,
            &self.request,
            &self.approval,
            &self.credential,
            &self.source,
        ]
    }
}

/// A request whose status tells the hash of what it asks for, names included.
fn with_terms(mut request: Value) -> Result<Value> {
    let terms = serde_json::from_value::<APIKeyRequest>(request.clone())?.terms();
    request["status"]["terms"] = serde_json::to_value(terms)?;
    Ok(request)
}

/// An approval whose status tells the hash of what it decides, names included.
fn with_decision(mut approval: Value) -> Result<Value> {
    let decides = serde_json::from_value::<APIKeyApproval>(approval.clone())?.decides();
    approval["status"]["decision"] = decides.into();
    Ok(approval)
}

/// The value of a brought key, as a Secret has it.
fn encoded(name: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(value(name, 0))
}

async fn get<K>(client: &Client, namespace: &str, name: &str) -> Result<Value>
where
    K: Resource<DynamicType = ()>,
{
    let kind = kube::api::ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let object = api.get(name).await;
    let object =
        object.with_context(|| format!("cannot read {} {namespace}/{name}", kind.plural))?;
    Ok(serde_json::to_value(object)?)
}
