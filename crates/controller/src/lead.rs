//! Which replica acts? The one that holds the Lease; the others watch along and
//! are warm when it is their turn.
//!
//! As in client-go: whoever writes the Lease names the version they saw, so two
//! can never win; and a holder is given up for lost when their record has not
//! changed for the Lease's duration *by our clock*, so that clocks need not
//! agree. Unlike there the Lease is watched, so one that is given back is taken
//! at once.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use devportal_watch::brief;

/// The lease of the published operator.
pub const LEASE: &str = "6dd6d79d.kuadrant.io";
/// How long a lease outlives its holder.
const DURATION: Duration = Duration::from_secs(12);
/// How often the holder renews it.
const PERIOD: Duration = Duration::from_secs(4);
/// When a holder that cannot renew it stops writing: well before another may
/// begin.
const DEADLINE: Duration = Duration::from_secs(8);
/// When to try again what failed, and how long one try may take.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether this replica may write.
#[derive(Clone)]
pub(crate) struct Leads {
    told: watch::Receiver<bool>,
    /// Until when at most: a process that was stopped learns late that another leads.
    until: watch::Receiver<Option<Instant>>,
}

impl Leads {
    /// Whether it may write now.
    pub(crate) fn now(&self) -> bool {
        let is_over = self.until.borrow().is_some_and(|it| it <= Instant::now());
        *self.told.borrow() && !is_over
    }

    /// Waits until something else is told.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.told.changed().await
    }

    /// Waits until it may write no more.
    pub(crate) async fn lost(&mut self) {
        // Nobody tells anything where there is no other replica.
        if self.told.wait_for(|leads| !leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn until(until: Option<Instant>) -> Self {
        Self {
            told: watch::Sender::new(true).subscribe(),
            until: watch::Sender::new(until).subscribe(),
        }
    }
}

/// Whether this replica may write, and what gives the lease back at the end.
pub(crate) struct Leadership {
    pub(crate) leads: Leads,
    campaign: Option<(watch::Sender<()>, JoinHandle<()>)>,
}

impl Leadership {
    /// Leads always: there is no other replica.
    pub(crate) fn alone() -> Self {
        Self {
            leads: Leads {
                told: watch::Sender::new(true).subscribe(),
                until: watch::Sender::new(None).subscribe(),
            },
            campaign: None,
        }
    }

    /// Stands for election in a namespace.
    ///
    /// # Errors
    ///
    /// When the lease may not be read.
    pub(crate) async fn elected(client: Client, namespace: &str) -> Result<Self> {
        let api: Api<Lease> = Api::namespaced(client, namespace);
        // Whatever else goes wrong passes: the campaign asks again.
        if let Err(kube::Error::Api(refusal)) = api.get_opt(LEASE).await
            && refusal.code == 403
        {
            bail!(
                "cannot read the lease {namespace}/{LEASE}: {} (403); see deploy/chart/files/rights.yaml for the rights it takes, or set POD_NAMESPACE",
                refusal.message
            );
        }
        let (leads, told) = watch::channel(false);
        let (until, at_most) = watch::channel(None);
        let (stop, stopping) = watch::channel(());
        let campaign = Campaign {
            api,
            standing: Standing::new(identity(), Instant::now()),
            leads,
            until,
            complaint: None,
        };
        Ok(Self {
            leads: Leads {
                told,
                until: at_most,
            },
            campaign: Some((stop, tokio::spawn(campaign.run(stopping)))),
        })
    }

    /// Waits until nobody stands for the lease any more, though nobody resigned.
    pub(crate) async fn abandoned(&mut self) {
        match &mut self.campaign {
            Some((_, campaign)) => drop(campaign.await),
            None => std::future::pending().await,
        }
    }

    /// Stops writing and gives the lease back, so that another takes over at
    /// once.
    pub(crate) async fn resign(self) {
        if let Some((stop, campaign)) = self.campaign {
            stop.send_replace(());
            if let Err(error) = campaign.await {
                error!(%error, "giving the lease back was cut short");
            }
        }
    }
}

/// The namespace this process runs in: of its pod, else of its kubeconfig.
pub(crate) fn namespace(client: &Client) -> String {
    std::env::var("POD_NAMESPACE").unwrap_or_else(|_| client.default_namespace().to_owned())
}

/// Differs between any two processes.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "devportal".to_owned());
    format!("{host}_{}", hex::encode(rand::random::<[u8; 8]>()))
}

/// The one task that stands for election.
struct Campaign {
    api: Api<Lease>,
    standing: Standing,
    leads: watch::Sender<bool>,
    until: watch::Sender<Option<Instant>>,
    /// What was complained of last, and is not over.
    complaint: Option<String>,
}

impl Campaign {
    async fn run(mut self, mut stopping: watch::Receiver<()>) {
        let lease = watcher::watch_object(self.api.clone(), LEASE).default_backoff();
        let mut lease = std::pin::pin!(lease);
        loop {
            tokio::select! {
                _ = stopping.changed() => break,
                seen = lease.next() => match seen {
                    Some(Ok(lease)) => self.standing.seen(lease, Instant::now()),
                    Some(Err(error)) => {
                        self.complain(format!("cannot watch the lease: {}", brief(&error)));
                    }
                    None => break,
                },
                () = sleep_until(self.standing.due()) => self.try_for_it().await,
            }
            self.tell();
        }
        self.leads.send_replace(false);
        self.give_back().await;
    }

    /// Takes the lease or renews it.
    async fn try_for_it(&mut self) {
        let begun = Instant::now();
        let wanted = self.standing.claim(Timestamp::now());
        let params = PostParams::default();
        let answer = timeout(PAUSE, async {
            if wanted.metadata.resource_version.is_some() {
                self.api.replace(LEASE, &params, &wanted).await
            } else {
                self.api.create(&params, &wanted).await
            }
        });
        match answer.await {
            Ok(Ok(lease)) => {
                self.complaint = None;
                self.standing.written(lease, begun);
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                // The watch may have broken off without a word.
                if let Ok(Ok(lease)) = timeout(PAUSE, self.api.get_opt(LEASE)).await {
                    self.standing.seen(lease, Instant::now());
                }
                self.standing.retry_at(Instant::now() + PAUSE);
            }
            Ok(Err(error)) => {
                self.complain(format!("cannot write the lease: {}", brief(&error)));
                self.standing.retry_at(Instant::now() + PAUSE);
            }
            Err(_) => {
                self.complain("the API server does not answer about the lease".to_owned());
                self.standing.retry_at(Instant::now());
            }
        }
    }

    /// Once for each fault, not for each try.
    fn complain(&mut self, what: String) {
        if self.complaint.as_ref() != Some(&what) {
            warn!("{what}");
            self.complaint = Some(what);
        }
    }

    fn tell(&self) {
        let now = Instant::now();
        let leads = self.standing.leads(now);
        // Meanwhile nothing was written, and what was to be may be forgotten.
        let was_over = self.until.borrow().is_some_and(|it| it <= now);
        // At no moment may a replica write that does not lead.
        let deadline = leads.then(|| self.standing.deadline());
        self.until.send_replace(Some(deadline.unwrap_or(now)));
        let has_changed = self.leads.send_if_modified(|before| {
            let is_news = *before != leads || (leads && was_over);
            *before = leads;
            is_news
        });
        if has_changed {
            info!(leads, "leadership changed");
        }
    }

    async fn give_back(self) {
        let Some(lease) = self.standing.surrender() else {
            return;
        };
        let params = PostParams::default();
        match timeout(PAUSE, self.api.replace(LEASE, &params, &lease)).await {
            Ok(Ok(_)) => info!("gave the lease back"),
            Ok(Err(error)) => warn!(
                error = brief(&error),
                "the lease was not given back; it runs out by itself"
            ),
            Err(_) => warn!("the lease was not given back in time; it runs out by itself"),
        }
    }
}

/// Where a replica stands, by what it saw of the lease.
struct Standing {
    identity: String,
    lease: Option<Lease>,
    /// When the holder's record last changed, by our clock.
    changed: Instant,
    /// Not before this.
    retry: Option<Instant>,
}

impl Standing {
    fn new(identity: String, now: Instant) -> Self {
        Self {
            identity,
            lease: None,
            changed: now,
            // The first look at the lease comes first.
            retry: Some(now + PAUSE),
        }
    }

    fn spec(&self) -> Option<&LeaseSpec> {
        self.lease.as_ref()?.spec.as_ref()
    }

    fn holder(&self) -> Option<&str> {
        let holder = self.spec()?.holder_identity.as_deref();
        holder.filter(|holder| !holder.is_empty())
    }

    fn is_ours(&self) -> bool {
        self.holder() == Some(&self.identity)
    }

    /// Takes in the answer to a write of ours. It counts from before the
    /// request: the others count from when they see it.
    fn written(&mut self, lease: Lease, begun: Instant) {
        self.lease = Some(lease);
        self.changed = begun;
        self.retry = None;
    }

    /// Takes in what the watch tells, which may lag behind the answers. That we
    /// hold the lease any longer only an answer can say.
    fn seen(&mut self, lease: Option<Lease>, now: Instant) {
        let version = |lease: &Lease| -> Option<u64> {
            lease.metadata.resource_version.as_ref()?.parse().ok()
        };
        let (known, told) = (self.lease.as_ref(), lease.as_ref());
        if let (Some(known), Some(told)) = (known.and_then(version), told.and_then(version))
            && told <= known
        {
            return;
        }
        let record = self.record();
        self.lease = lease;
        if self.record() != record && !self.is_ours() {
            self.changed = now;
        }
        self.retry = None;
    }

    /// What a living holder changes.
    fn record(&self) -> Option<(Option<String>, Option<MicroTime>)> {
        let spec = self.spec()?;
        Some((spec.holder_identity.clone(), spec.renew_time.clone()))
    }

    fn retry_at(&mut self, at: Instant) {
        self.retry = Some(at);
    }

    /// When to write the lease next: to renew it, or to take it.
    fn due(&self) -> Instant {
        let due = if self.is_ours() {
            self.changed + PERIOD
        } else if self.holder().is_some() {
            let theirs = self.spec().and_then(|spec| spec.lease_duration_seconds);
            let theirs = theirs.and_then(|seconds| u64::try_from(seconds).ok());
            self.changed + theirs.map_or(DURATION, Duration::from_secs)
        } else {
            self.changed
        };
        self.retry.map_or(due, |retry| due.max(retry))
    }

    fn leads(&self, now: Instant) -> bool {
        self.is_ours() && now < self.deadline()
    }

    /// Until when we may write, if it is ours.
    fn deadline(&self) -> Instant {
        self.changed + DEADLINE
    }

    /// The lease with us as its holder, in the version we saw.
    fn claim(&self, now: Timestamp) -> Lease {
        let spec = self.spec().cloned().unwrap_or_default();
        let (acquired, transitions) = if self.is_ours() {
            (spec.acquire_time, spec.lease_transitions)
        } else {
            let before = spec.lease_transitions.unwrap_or_default();
            (Some(MicroTime(now)), Some(before.saturating_add(1)))
        };
        Lease {
            metadata: self.metadata(),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                acquire_time: acquired,
                renew_time: Some(MicroTime(now)),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                lease_transitions: transitions,
                ..LeaseSpec::default()
            }),
        }
    }

    /// The lease with no holder, if it is ours to give back.
    fn surrender(&self) -> Option<Lease> {
        let spec = self.spec()?.clone();
        self.is_ours().then(|| Lease {
            metadata: self.metadata(),
            spec: Some(LeaseSpec {
                holder_identity: Some(String::new()),
                renew_time: None,
                acquire_time: None,
                ..spec
            }),
        })
    }

    fn metadata(&self) -> ObjectMeta {
        self.lease.as_ref().map_or_else(
            || ObjectMeta {
                name: Some(LEASE.to_owned()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, Response};
    use kube::client::Body as Sent;
    use serde_json::json;

    use super::*;

    fn held(by: &str, version: i64, renewed: i64) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(LEASE.to_owned()),
                resource_version: Some(version.to_string()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(by.to_owned()),
                renew_time: Timestamp::from_second(renewed).ok().map(MicroTime),
                lease_duration_seconds: Some(12),
                ..LeaseSpec::default()
            }),
        }
    }

    fn stand() -> (Standing, Instant) {
        let now = Instant::now();
        (Standing::new("us".into(), now), now)
    }

    #[test]
    fn a_lease_that_is_given_back_is_taken_at_once() {
        let (mut us, now) = stand();
        us.seen(Some(held("them", 1, 1)), now);
        assert_eq!(us.due(), now + DURATION);
        us.seen(Some(held("", 2, 1)), now + PAUSE);
        assert_eq!(us.due(), now + PAUSE);
        assert!(!us.leads(now + PAUSE));
    }

    #[test]
    fn a_lease_that_does_not_exist_is_made_at_once() {
        let (mut us, now) = stand();
        us.seen(None, now);
        assert_eq!(us.due(), now);
        let claim = us.claim(Timestamp::UNIX_EPOCH);
        assert_eq!(claim.metadata.resource_version, None);
    }

    #[test]
    fn a_holder_is_given_up_by_our_clock_whatever_theirs_says() {
        let (mut us, now) = stand();
        us.seen(Some(held("them", 1, 4_000_000_000)), now);
        // Someone else's edit is no sign of life.
        us.seen(Some(held("them", 2, 4_000_000_000)), now + PERIOD);
        assert_eq!(us.due(), now + DURATION);
        us.seen(Some(held("them", 3, 4_000_000_004)), now + PERIOD);
        assert_eq!(us.due(), now + PERIOD + DURATION);
    }

    #[test]
    fn a_holder_that_cannot_renew_stops_before_another_may_begin() {
        let (mut us, now) = stand();
        us.written(held("us", 1, 1), now);
        assert!(us.leads(now + PERIOD));
        us.retry_at(now + PERIOD + PAUSE);
        assert_eq!(us.due(), now + PERIOD + PAUSE);
        assert!(!us.leads(now + DEADLINE));
        assert!(DEADLINE + PAUSE + PAUSE < DURATION);
    }

    #[test]
    fn a_late_watch_neither_ends_nor_prolongs_a_leadership() {
        let (mut us, now) = stand();
        us.written(held("us", 5, 5), now);
        us.seen(Some(held("them", 4, 4)), now + PAUSE);
        us.seen(Some(held("us", 5, 5)), now + PERIOD);
        us.seen(Some(held("us", 6, 5)), now + PERIOD);
        assert!(us.leads(now + PERIOD));
        assert!(!us.leads(now + DEADLINE));
        assert_eq!(
            us.claim(Timestamp::UNIX_EPOCH).metadata.resource_version,
            Some("6".to_owned())
        );
    }

    #[test]
    fn losing_the_lease_ends_the_leadership_at_once() {
        let (mut us, now) = stand();
        us.written(held("us", 5, 5), now);
        us.seen(Some(held("them", 6, 6)), now + PAUSE);
        assert!(!us.leads(now + PAUSE));
        assert_eq!(us.surrender(), None);
    }

    /// The watch has broken off without a word: only a read tells that the holder renewed.
    #[tokio::test(start_paused = true)]
    async fn a_claim_that_conflicts_is_made_on_what_is_there() {
        let there = held("them", 9, 9);
        let service = tower::service_fn(move |request: Request<Sent>| {
            let is_read = request.method() == "GET";
            let code = if is_read { 200 } else { 409 };
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": 409, "reason": "Conflict", "message": "changed"});
            let body = if is_read { json!(there) } else { status };
            let response = Response::builder().status(code);
            let response = response.body(Body::from(body.to_string())).unwrap();
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        let (mut us, now) = stand();
        us.seen(Some(held("them", 7, 7)), now);
        let mut campaign = Campaign {
            api: Api::namespaced(Client::new(service, "default"), "default"),
            standing: us,
            leads: watch::Sender::new(false),
            until: watch::Sender::new(None),
            complaint: None,
        };
        campaign.try_for_it().await;
        let claim = campaign.standing.claim(Timestamp::UNIX_EPOCH);
        assert_eq!(claim.metadata.resource_version.as_deref(), Some("9"));
    }

    #[test]
    fn whoever_was_told_long_ago_that_it_leads_does_not_any_more() {
        let (us, now) = stand();
        assert!(Leads::until(Some(us.deadline())).now());
        assert!(!Leads::until(now.checked_sub(PAUSE)).now());
        assert!(Leads::until(None).now(), "there is no other replica");
    }

    #[test]
    fn a_claim_names_the_version_it_was_made_on() {
        let (mut us, now) = stand();
        us.seen(Some(held("them", 7, 7)), now);
        let claim = us.claim(Timestamp::UNIX_EPOCH);
        assert_eq!(claim.metadata.resource_version.as_deref(), Some("7"));
        let spec = claim.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("us"));
        assert_eq!(spec.lease_transitions, Some(1));
    }
}
