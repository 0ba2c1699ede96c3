//! Which kinds are watched, and which Change tells of each?

use std::collections::HashSet;

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};
use devportal_api::name::label;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use devportal_core::world::Listed;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;

use crate::secret::Reader;
use crate::watch::{Kind, News, shared, watch};

const OURS: &str = "install the definitions: devportal crds | kubectl apply --server-side -f -";
const GATEWAY: &str = "install the Gateway API";
const KUADRANT: &str = "install the Kuadrant operator";

/// Starts a watch per kind and answers with what they list: each will tell that it has
/// listed everything.
pub(crate) fn watch_all(
    client: &Client,
    reader: &Reader,
    news: &Sender<News>,
    kuadrant: Receiver<Option<String>>,
) -> HashSet<Listed> {
    let mut lists = HashSet::new();
    macro_rules! kind {
        ($kind:ident, $id:ident, $change:ident, $advice:expr) => {
            lists.insert(Listed::$kind);
            let kind = Kind::<$kind, $id> {
                list: Listed::$kind,
                api: Api::all(client.clone()),
                config: watcher::Config::default(),
                id: |namespace, name| $id::new(namespace, name),
                change: Box::new(|id, object| Change::$change(id, shared(object))),
                advice: $advice,
            };
            tokio::spawn(watch(kind, news.clone()));
        };
    }
    kind!(APIProduct, ProductId, Product, OURS);
    kind!(APIKey, KeyId, Key, OURS);
    kind!(APIKeyRequest, RequestId, Request, OURS);
    kind!(APIKeyApproval, ApprovalId, Approval, OURS);
    kind!(HTTPRoute, RouteId, Route, GATEWAY);
    kind!(AuthPolicy, PolicyId, AuthPolicy, KUADRANT);
    kind!(PlanPolicy, PolicyId, PlanPolicy, KUADRANT);
    kind!(Kuadrant, KuadrantId, Kuadrant, KUADRANT);
    tokio::spawn(watch_enforcement(
        client.clone(),
        reader.clone(),
        news.clone(),
        kuadrant,
    ));
    lists
}

/// Enforcement Secrets are watched in the Kuadrant namespace, wherever that is
/// at the moment.
async fn watch_enforcement(
    client: Client,
    reader: Reader,
    news: Sender<News>,
    mut kuadrant: Receiver<Option<String>>,
) {
    loop {
        let namespace = kuadrant.borrow_and_update().clone();
        let Some(namespace) = namespace else {
            if kuadrant.changed().await.is_err() {
                return;
            }
            continue;
        };
        let reader = reader.clone();
        let kind = Kind::<Secret, SecretId> {
            list: Listed::EnforcementSecrets(namespace.clone()),
            api: Api::namespaced(client.clone(), &namespace),
            config: watcher::Config::default().labels(&format!("{}=true", label::ENFORCEMENT)),
            id: |namespace, name| SecretId::new(namespace, name),
            change: Box::new(move |id, secret| {
                Change::EnforcementSecret(id, secret.map(|secret| reader.facts(&secret)))
            }),
            advice: "",
        };
        tokio::select! {
            () = watch(kind, news.clone()) => return,
            changed = kuadrant.changed() => if changed.is_err() { return },
        }
    }
}
