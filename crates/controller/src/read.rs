//! How is one object read, and what does it mean that there is none?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use devportal_api::id::SecretId;
use devportal_api::name;
use devportal_api::shared::Shared;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use devportal_core::change::Source;
use devportal_core::decision::Presence;
use devportal_mirror::{Kind, Lens, Read, Told, Version};
use devportal_watch::{Guarded, Plain, told};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use tokio::time::Instant;

/// Reads a Secret that a key names. A key may name whatever its author likes: what is
/// no name at all is not asked for, so that no other request can be made of it.
pub(crate) async fn read(client: &Client, lens: &Lens, id: &SecretId) -> kube::Result<Source> {
    if !name::is_object_name(&id.name) {
        return Ok(Source::Gone(None));
    }
    Ok(match find_secret(client, id).await? {
        Some(secret) => Source::Is(lens.facts(&secret)),
        None => Source::Gone(None),
    })
}

/// A Secret, or that there is none.
pub(crate) async fn find_secret(client: &Client, id: &SecretId) -> kube::Result<Option<Secret>> {
    let api: Api<Plain<Secret>> = Api::namespaced(client.clone(), &id.namespace);
    Ok(find(&api, &id.name).await?.map(|Plain(it)| it))
}

/// An object, or that there is none. That a kind is not served is no answer: the API
/// server names the object that it does not find.
async fn find<K>(api: &Api<K>, name: &str) -> kube::Result<Option<K>>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.get(name).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_absence(&error, name) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a refusal says that the object of this name does not exist.
pub(crate) fn is_absence(error: &kube::Error, name: &str) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let named = status.details.as_ref().is_some_and(|it| it.name == name);
    status.code == 404 && named
}

/// Which approvals of each namespace are newer than what was known, as they were listed last: many
/// keys that ask at one time share a list.
#[derive(Clone, Default)]
pub(crate) struct Looks(Arc<Mutex<HashMap<Shared, Arc<Look>>>>);

type Look = tokio::sync::Mutex<Option<Listed>>;

struct Listed {
    begun: Instant,
    after: Version,
    news: Vec<(String, Version)>,
}

impl Looks {
    /// The names of the approvals in a namespace that are newer than a version: by a list that was
    /// begun after this was asked.
    async fn approvals(
        &self,
        client: &Client,
        namespace: &Shared,
        after: Version,
    ) -> kube::Result<Vec<String>> {
        let asked = Instant::now();
        let look = {
            let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever is still looking has it.
            looks.retain(|_, it| Arc::strong_count(it) > 1);
            Arc::clone(looks.entry(namespace.clone()).or_default())
        };
        let mut last = look.lock().await;
        let is_of_use = |it: &Listed| it.begun >= asked && it.after <= after;
        if !last.as_ref().is_some_and(is_of_use) {
            let begun = Instant::now();
            let news = newer(client, namespace, after).await?;
            *last = Some(Listed { begun, after, news });
        }
        let news = last.as_ref().into_iter().flat_map(|it| it.news.iter());
        let news = news.filter(|(_, version)| *version > after);
        Ok(news.map(|(name, _)| name.clone()).collect())
    }
}

/// Lists what the approvals of a namespace are called and how new they are, page by page.
async fn newer(
    client: &Client,
    namespace: &str,
    after: Version,
) -> kube::Result<Vec<(String, Version)>> {
    type Names = Plain<PartialObjectMeta<APIKeyApproval>>;
    let api: Api<Names> = Api::namespaced(client.clone(), namespace);
    let mut params = ListParams::default().limit(APIKeyApproval::PAGE);
    let mut news = Vec::new();
    loop {
        let page = api.list(&params).await?;
        news.extend(page.items.into_iter().filter_map(|Plain(it)| {
            let version = Version::of(it.metadata.resource_version.as_deref());
            Some((it.metadata.name?, version)).filter(|_| version > after)
        }));
        match page.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(next) => params.continue_token = Some(next),
            None => return Ok(news),
        }
    }
}

/// A live look for what must not be there. What is found, as told.
pub(crate) async fn look(
    client: &Client,
    lens: &Lens,
    looks: &Looks,
    unless: &Presence,
) -> kube::Result<Vec<Change>> {
    let is_uid = |want: &Option<String>, have: Option<String>| want.is_none() || *want == have;
    let (namespace, name) = match unless {
        Presence::Key(id, _) => (&id.namespace, &id.name),
        Presence::Product(id) => (&id.namespace, &id.name),
        Presence::Request(id, _) | Presence::Approval(id, _) => (&id.namespace, &id.name),
    };
    // What is no name, which objects of people may say, is nobody's: it is not asked for.
    if !name::is_object_name(namespace) || !name::is_object_name(name) {
        return Ok(Vec::new());
    }
    match unless {
        Presence::Key(id, uid) => {
            let api = guarded::<APIKey>(client, &id.namespace);
            let found = find(&api, &id.name).await?;
            Ok(tell(
                found.into_iter().filter(|it| is_uid(uid, it.uid())),
                lens,
            ))
        }
        Presence::Product(id) => {
            let api = guarded::<APIProduct>(client, &id.namespace);
            let found = find(&api, &id.name).await?;
            let alive = found
                .into_iter()
                .filter(|it| it.meta().deletion_timestamp.is_none());
            Ok(tell(alive, lens))
        }
        Presence::Request(id, uid) => {
            let api = guarded::<APIKeyRequest>(client, &id.namespace);
            let found = find(&api, &id.name).await?;
            Ok(tell(
                found.into_iter().filter(|it| is_uid(uid, it.uid())),
                lens,
            ))
        }
        Presence::Approval(request, after) => {
            let names = looks.approvals(client, &request.namespace, *after).await?;
            let api = guarded::<APIKeyApproval>(client, &request.namespace);
            let mut news = Vec::new();
            for name in names {
                news.extend(find(&api, &name).await?);
            }
            let is_about = |it: &Guarded<APIKeyApproval>| match &it.read {
                Read::Whole(approval) | Read::Flawed(Some(approval), _) => {
                    approval.request_id() == *request
                }
                Read::Flawed(None, _) => true,
            };
            Ok(tell(news.into_iter().filter(is_about), lens))
        }
    }
}

/// Objects of a kind in a namespace, also those that do not parse.
pub(crate) fn guarded<K: Kind>(client: &Client, namespace: &str) -> Api<Guarded<K>> {
    Api::namespaced(client.clone(), namespace)
}

fn tell<K: Kind>(found: impl Iterator<Item = Guarded<K>>, lens: &Lens) -> Vec<Change>
where
    Change: From<Told<K>>,
{
    // As the answers to writes: a watch has yet to tell it.
    found
        .map(|object| told(object, lens).answered().into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(code: u16, details: &serde_json::Value) -> kube::Error {
        let status =
            json!({"status": "Failure", "code": code, "reason": "NotFound", "details": details});
        kube::Error::Api(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn only_an_answer_that_names_the_object_says_that_it_is_not_there() {
        assert!(is_absence(
            &refusal(404, &json!({"name": "k", "kind": "apikeys"})),
            "k"
        ));
        assert!(
            !is_absence(&refusal(404, &json!({})), "k"),
            "the kind is not served"
        );
        assert!(!is_absence(&refusal(403, &json!({"name": "k"})), "k"));
        assert!(!is_absence(
            &refusal(404, &json!({"name": "consumer"})),
            "k"
        ));
    }
}
