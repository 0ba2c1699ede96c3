//! Which kinds are watched, and which Change tells of each?

use std::collections::{HashMap, HashSet};

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};
use devportal_api::name::label;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;

use crate::secret::Reader;
use crate::watch::{Kind, Known, News, shared, watch};

const OURS: &str = "install the definitions: devportal crds | kubectl apply --server-side -f -";
const GATEWAY: &str = "install the Gateway API";
const KUADRANT: &str = "install the Kuadrant operator";

/// Starts a watch per kind and answers with their names: each will tell that it
/// has listed everything.
pub(crate) fn watch_all(
    client: &Client,
    reader: &Reader,
    news: &Sender<News>,
    kuadrant: Receiver<Option<String>>,
) -> HashSet<String> {
    let mut names = HashSet::new();
    macro_rules! kind {
        ($kind:ident, $id:ident, $change:ident, $advice:expr) => {
            names.insert(stringify!($kind).to_owned());
            let kind = Kind::<$kind, $id> {
                name: stringify!($kind).to_owned(),
                api: Api::all(client.clone()),
                config: watcher::Config::default(),
                id: |namespace, name| $id::new(namespace, name),
                change: Box::new(|id, object| Change::$change(id, shared(object))),
                advice: $advice,
            };
            let news = news.clone();
            tokio::spawn(async move { watch(kind, news, &mut Known::new()).await });
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
    names
}

/// Enforcement Secrets are watched in the Kuadrant namespace, wherever that is
/// at the moment.
async fn watch_enforcement(
    client: Client,
    reader: Reader,
    news: Sender<News>,
    mut kuadrant: Receiver<Option<String>>,
) {
    // What was told of a namespace stays told when Kuadrant moves elsewhere and
    // back.
    let mut known: HashMap<String, Known<SecretId>> = HashMap::new();
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
            name: enforcement_in(&namespace),
            api: Api::namespaced(client.clone(), &namespace),
            config: watcher::Config::default().labels(&format!("{}=true", label::ENFORCEMENT)),
            id: |namespace, name| SecretId::new(namespace, name),
            change: Box::new(move |id, secret| {
                Change::EnforcementSecret(id, secret.map(|secret| reader.facts(&secret)))
            }),
            advice: "",
        };
        tokio::select! {
            () = watch(kind, news.clone(), known.entry(namespace).or_default()) => return,
            changed = kuadrant.changed() => if changed.is_err() { return },
        }
    }
}

/// The name under which the list of a namespace's enforcement Secrets is told.
pub(crate) fn enforcement_in(namespace: &str) -> String {
    format!("enforcement Secrets in {namespace}")
}
