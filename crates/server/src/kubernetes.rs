//! How is the API server asked and written to? As whoever asks us: their headers are
//! passed on, so that its rights, admission and audit log are about the person.

use std::time::Duration;

use axum::http::{Request, header};
use devportal_api::id::ObjectId;
use devportal_mirror::{Kept, Kind, Lens, Told, Version};
use devportal_watch::{Guarded, Plain, told};
use kube::api::{
    DeleteParams, GetParams, ListParams, ObjectList, PatchParams, PostParams, Preconditions,
};
use kube::client::ClientBuilder;
use kube::config::AuthInfo;
use kube::core::Request as Path;
use kube::{Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::problem::Problem;
use crate::remember::{Outage, silent};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The API server, as somebody.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    /// Without any account: what is asked has the caller's headers only.
    bare: Client,
    /// As the server's own account.
    pub(crate) own: Client,
    pub(crate) lens: Lens,
    pub(crate) outage: Outage,
}

impl Kubernetes {
    /// # Errors
    ///
    /// When the configuration is of no use.
    pub(crate) fn new(config: Config, lens: Lens) -> anyhow::Result<Self> {
        let mut bare = config.clone();
        // A client certificate would speak before any header.
        bare.auth_info = AuthInfo::default();
        bare.headers.clear();
        Ok(Self {
            bare: ClientBuilder::try_from(bare)?.build(),
            own: Client::try_from(config)?,
            lens,
            outage: Outage::new(),
        })
    }

    /// Over this connection, whoever asks.
    #[cfg(test)]
    pub(crate) fn over(client: Client, lens: Lens) -> Self {
        Self {
            bare: client.clone(),
            own: client,
            lens,
            outage: Outage::new(),
        }
    }

    /// Asks as the caller.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: Request<Vec<u8>>,
    ) -> Result<T, Problem> {
        let answer = self.as_caller(caller, request).await.ok_or_else(silent)?;
        answer.map_err(|error| Problem::of_kubernetes(&error))
    }

    /// Writes as the caller: without an answer nobody knows whether it was carried out.
    async fn write<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: Request<Vec<u8>>,
    ) -> Result<T, Problem> {
        let answer = self.as_caller(caller, request).await;
        let answer = answer.ok_or_else(Problem::maybe_done)?;
        answer.map_err(|error| {
            if may_be_done(&error) {
                Problem::maybe_done()
            } else {
                Problem::of_kubernetes(&error)
            }
        })
    }

    /// What the server asks by itself.
    pub(crate) async fn as_itself<T>(
        &self,
        ask: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Problem> {
        let answer = self.wait(ask).await.ok_or_else(silent)?;
        answer.map_err(|error| Problem::of_own(&error))
    }

    async fn as_caller<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        mut request: Request<Vec<u8>>,
    ) -> Option<kube::Result<T>> {
        for (name, value) in caller.headers() {
            request.headers_mut().append(name, value.clone());
        }
        self.wait(self.bare.request(request)).await
    }

    /// The answer, if there is one in time.
    pub(crate) async fn wait<T>(&self, ask: impl Future<Output = T>) -> Option<T> {
        let answer = timeout(PATIENCE, ask).await.ok();
        if answer.is_some() {
            self.outage.end();
        } else {
            self.outage.note();
        }
        answer
    }

    /// Asks the API server to review something: nothing is kept.
    pub(crate) async fn review<K>(&self, caller: &Caller, review: &K) -> Result<K, Problem>
    where
        K: Resource<DynamicType = ()> + serde::Serialize + DeserializeOwned,
    {
        let path = Path::new(K::url_path(&(), None));
        let request = path.create(&PostParams::default(), body(review)?);
        self.send(caller, checked(request)?).await
    }

    /// Everything of a kind, in all namespaces.
    pub(crate) async fn list<K>(&self, caller: &Caller) -> Result<Vec<K>, Problem>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
    {
        let request = Path::new(K::url_path(&(), None)).list(&ListParams::default());
        let list: ObjectList<Plain<K>> = self.send(caller, checked(request)?).await?;
        Ok(list.items.into_iter().map(|Plain(it)| it).collect())
    }

    pub(crate) async fn get<K: Kind>(
        &self,
        caller: &Caller,
        id: &K::Id,
    ) -> Result<K::Object, Problem> {
        let request = path::<K>(id.namespace()).get(id.name(), &GetParams::default());
        let Plain(object) = self.send(caller, checked(request)?).await?;
        Ok(object)
    }

    /// Creates an object. What the API server does not know it refuses.
    pub(crate) async fn create<K: Kind>(
        &self,
        caller: &Caller,
        namespace: &str,
        object: &Value,
    ) -> Result<Written<K>, Problem> {
        let path = K::Object::url_path(&(), Some(namespace));
        let request = Request::post(format!("{path}?fieldValidation=Strict"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body(object)?);
        self.written(caller, checked(request)?).await
    }

    /// Patches an object (RFC 7386).
    pub(crate) async fn patch<K: Kind>(
        &self,
        caller: &Caller,
        id: &K::Id,
        patch: &Value,
    ) -> Result<Written<K>, Problem> {
        let params = PatchParams::default().validation_strict();
        let patch = kube::api::Patch::Merge(patch);
        let request = path::<K>(id.namespace()).patch(id.name(), &params, &patch);
        self.written(caller, checked(request)?).await
    }

    /// Deletes an object, of a version where one is given. What became of the one of this
    /// UID: it may be held.
    pub(crate) async fn delete<K: Kind>(
        &self,
        caller: &Caller,
        id: &K::Id,
        uid: &str,
        version: Option<String>,
    ) -> Result<Told<K>, Problem> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                resource_version: version,
                uid: Some(uid.to_owned()),
            }),
            ..DeleteParams::default()
        };
        let request = path::<K>(id.namespace()).delete(id.name(), &params);
        let answer: Value = self.write(caller, checked(request)?).await?;
        let held = serde_json::from_value::<Guarded<K>>(answer).ok();
        let held = held.filter(|it| it.meta().deletion_timestamp.is_some());
        Ok(match held {
            Some(object) => told(object, &self.lens).answered(),
            None => Told::Ended(id.clone(), uid.to_owned(), None),
        })
    }

    async fn written<K: Kind>(
        &self,
        caller: &Caller,
        request: Request<Vec<u8>>,
    ) -> Result<Written<K>, Problem> {
        let object: Guarded<K> = self.write(caller, request).await?;
        Ok(Written {
            id: K::Id::named(&object.namespace().unwrap_or_default(), &object.name_any()),
            told: told(object, &self.lens).answered(),
        })
    }
}

/// Whether a write may have been carried out although it failed: it was sent, and the connection
/// broke, or the API server gave up waiting for its store.
pub(crate) fn may_be_done(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            status.code == 504 || status.code == 500 && status.message.contains("etcdserver")
        }
        kube::Error::HyperError(_) | kube::Error::ReadEvents(_) | kube::Error::SerdeError(_) => {
            true
        }
        kube::Error::Service(why) => {
            let mut why: Option<&(dyn std::error::Error + 'static)> = Some(&**why);
            while let Some(it) = why {
                if let Some(it) = it.downcast_ref::<hyper_util::client::legacy::Error>() {
                    return !it.is_connect();
                }
                why = it.source();
            }
            true
        }
        // It was not sent.
        _ => false,
    }
}

/// What the API server answered to a write.
pub(crate) struct Written<K: Kind> {
    pub(crate) id: K::Id,
    pub(crate) told: Told<K>,
}

impl<K: Kind> Written<K> {
    /// Which version of the object was written.
    pub(crate) fn version(&self) -> Version {
        match &self.told {
            Told::Answered(_, kept) => kept.version(),
            Told::AnsweredFlawed(_, _, flaw) => flaw.version,
            _ => Version::default(),
        }
    }
}

fn path<K: Kind>(namespace: &str) -> Path {
    Path::new(K::Object::url_path(&(), Some(namespace)))
}

fn body(object: &impl serde::Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(object).map_err(|error| Problem::invalid(error.to_string()))
}

fn checked<E: std::fmt::Display>(
    request: Result<Request<Vec<u8>>, E>,
) -> Result<Request<Vec<u8>>, Problem> {
    request.map_err(|error| Problem::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_may_be_done_and_what_was_refused_is_not() {
        let api = |code, message: &str| {
            let status = serde_json::json!({"status": "Failure", "code": code, "reason": "",
                "message": message});
            kube::Error::Api(serde_json::from_value(status).unwrap())
        };
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(may_be_done(&kube::Error::Service(Box::new(broken))));
        assert!(may_be_done(&api(504, "timeout")));
        assert!(may_be_done(&api(500, "etcdserver: request timed out")));
        assert!(!may_be_done(&api(500, "failed calling webhook")));
        assert!(!may_be_done(&api(429, "")));
    }

    #[tokio::test]
    async fn what_could_not_be_sent_is_not_done() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let failure = client.apiserver_version().await.unwrap_err();
        assert!(!may_be_done(&failure), "{failure}");
    }
}
