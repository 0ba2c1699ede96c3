//! Which kinds are followed, and where?

use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
use devportal_metrics::Watches;
use devportal_mirror::{Credential, Kind, Lens, Scope, Stray, Told};
use devportal_watch::{Source, watch};
use kube::Client;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch::Receiver;

use crate::vital::Vital;

/// Starts a watch for each kind.
pub(crate) fn watch_all(
    client: &Client,
    lens: &Lens,
    news: &Sender<Change>,
    kuadrant: Receiver<Option<String>>,
    vital: &Vital,
    metrics: &Watches,
) {
    fn everywhere<K: Kind>(
        (client, lens, news): (&Client, &Lens, &Sender<Change>),
        vital: &Vital,
        metrics: &Watches,
    ) where
        Change: From<Told<K>>,
    {
        let source = Source {
            client: client.clone(),
            scope: Scope::Cluster,
            lens: lens.clone(),
            metrics: metrics.of(K::NAME, &Scope::Cluster),
        };
        vital.spawn(K::NAME, watch::<K, Change>(source, news.clone()));
    }
    let all = (client, lens, news);
    everywhere::<APIProduct>(all, vital, metrics);
    everywhere::<APIKey>(all, vital, metrics);
    everywhere::<APIKeyRequest>(all, vital, metrics);
    everywhere::<APIKeyApproval>(all, vital, metrics);
    everywhere::<HTTPRoute>(all, vital, metrics);
    everywhere::<Gateway>(all, vital, metrics);
    everywhere::<AuthPolicy>(all, vital, metrics);
    everywhere::<PlanPolicy>(all, vital, metrics);
    everywhere::<Kuadrant>(all, vital, metrics);
    let secrets = watch_credentials(
        client.clone(),
        lens.clone(),
        news.clone(),
        kuadrant,
        metrics.clone(),
    );
    vital.spawn("enforcement Secrets", secrets);
}

/// Credentials are watched in the Kuadrant namespace, wherever that is at the moment.
async fn watch_credentials(
    client: Client,
    lens: Lens,
    news: Sender<Change>,
    mut kuadrant: Receiver<Option<String>>,
    metrics: Watches,
) {
    loop {
        let namespace = kuadrant.borrow_and_update().clone();
        let Some(namespace) = namespace else {
            if kuadrant.changed().await.is_err() {
                return;
            }
            continue;
        };
        let scope = Scope::Namespace(namespace);
        let source = |name| Source {
            client: client.clone(),
            scope: scope.clone(),
            lens: lens.clone(),
            metrics: metrics.of(name, &scope),
        };
        let (credentials, strays) = (source(Credential::NAME), source(Stray::NAME));
        tokio::select! {
            () = watch::<Credential, Change>(credentials, news.clone()) => return,
            () = watch::<Stray, Change>(strays, news.clone()) => return,
            changed = kuadrant.changed() => if changed.is_err() { return },
        }
        let left = [
            Change::from(Told::<Credential>::Left(scope.clone())),
            Change::from(Told::<Stray>::Left(scope)),
        ];
        for change in left {
            if news.send(change).await.is_err() {
                return;
            }
        }
    }
}
