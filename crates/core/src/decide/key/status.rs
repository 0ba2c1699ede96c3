//! What does a key's status say? It mirrors what is, never what is being done.

use devportal_api::condition::{Enforcement, Fact, Lifecycle, render};
use devportal_api::key::SecretKeyRef;
use devportal_api::name::API_KEY_ENTRY;
use devportal_api::scheme::AuthScheme;
use devportal_api::{APIKeyRequestStatus, APIKeyStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use super::{Case, Course, credential, ruling};
use crate::decision::{Decision, Write};

impl Case<'_> {
    /// The key's status, and the request's with the same conditions.
    pub(super) fn tell(
        &self,
        lifecycle: &Lifecycle,
        enforcement: Option<Enforcement>,
        decision: &mut Decision,
    ) {
        let mut facts: Vec<Fact> = vec![lifecycle.fact()];
        if matches!(lifecycle, Lifecycle::Approved(_)) {
            facts.push(enforcement.unwrap_or(Enforcement::Issuing).fact());
        }
        let generation = self.key.meta().generation;
        let conditions = render(&facts, self.conditions(), generation, self.now);
        let previous = self.key.status.clone().unwrap_or_default();
        let status = self.status(lifecycle, conditions.clone(), &previous);
        if status != previous {
            decision
                .writes
                .push(Write::KeyStatus(self.id.clone(), Box::new(status)));
        }
        let shown = self
            .request
            .filter(|request| request.meta().deletion_timestamp.is_none());
        if let Some(request) = shown {
            let status = APIKeyRequestStatus { conditions };
            if request.status.as_ref() != Some(&status) {
                let write = Write::RequestStatus(self.request_id.clone(), Box::new(status));
                decision.writes.push(write);
            }
        }
    }

    fn status(
        &self,
        lifecycle: &Lifecycle,
        conditions: Vec<Condition>,
        previous: &APIKeyStatus,
    ) -> APIKeyStatus {
        let found = self.found;
        let rule = found.and_then(|found| found.auth.key_rule.as_ref());
        let review = match lifecycle {
            Lifecycle::Failed(_) | Lifecycle::Pending => None,
            _ => self.ruling.map(ruling::review),
        };
        let source = self.key.source_secret();
        let is_approved = matches!(lifecycle, Lifecycle::Approved(_));
        let is_there = matches!(self.world.find_source(&source), Some(Some(_)));
        APIKeyStatus {
            observed_generation: self.key.meta().generation,
            api_hostname: found.and_then(|found| found.hostname.clone()),
            limits: found
                .and_then(|found| found.limits(&self.terms.in_force.plan_tier))
                .cloned(),
            auth_scheme: rule.map(|rule| AuthScheme {
                authentication_spec: rule.api_key.clone(),
                credentials: rule.credentials.clone(),
            }),
            conditions,
            phase: Some(lifecycle.phase()),
            reviewed_by: review.as_ref().map(|review| review.by.clone()),
            reviewed_at: review.map(|review| Time(review.at)),
            secret_ref: (is_approved && is_there).then(|| SecretKeyRef {
                name: source.name,
                key: API_KEY_ENTRY.to_owned(),
            }),
            can_read_secret: previous.can_read_secret,
            approved_terms: self.terms.noted.clone(),
            grace_until: match self.course(lifecycle) {
                Course::Hold(until) => until.map(Time),
                Course::Issue | Course::Withdraw => None,
            },
            credentials: credential::live(self.id, self.key, self.world),
        }
    }
}
