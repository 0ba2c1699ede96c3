//! Which kinds are followed, and where?

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_core::Change;
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
) {
    fn everywhere<K: Kind>((client, lens, news): (&Client, &Lens, &Sender<Change>), vital: &Vital)
    where
        Change: From<Told<K>>,
    {
        let source = Source {
            client: client.clone(),
            scope: Scope::Cluster,
            lens: lens.clone(),
        };
        vital.spawn(K::NAME, watch::<K, Change>(source, news.clone()));
    }
    let all = (client, lens, news);
    everywhere::<APIProduct>(all, vital);
    everywhere::<APIKey>(all, vital);
    everywhere::<APIKeyRequest>(all, vital);
    everywhere::<APIKeyApproval>(all, vital);
    everywhere::<HTTPRoute>(all, vital);
    everywhere::<AuthPolicy>(all, vital);
    everywhere::<PlanPolicy>(all, vital);
    everywhere::<Kuadrant>(all, vital);
    let secrets = watch_credentials(client.clone(), lens.clone(), news.clone(), kuadrant);
    vital.spawn("enforcement Secrets", secrets);
}

/// Credentials are watched in the Kuadrant namespace, wherever that is at the moment.
async fn watch_credentials(
    client: Client,
    lens: Lens,
    news: Sender<Change>,
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
        let scope = Scope::Namespace(namespace);
        let source = Source {
            client: client.clone(),
            scope: scope.clone(),
            lens: lens.clone(),
        };
        tokio::select! {
            () = watch::<Credential, Change>(source.clone(), news.clone()) => return,
            () = watch::<Stray, Change>(source, news.clone()) => return,
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
