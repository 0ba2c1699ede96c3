//! How does a key stand? Failed before Denied before Expired before Approved before
//! Pending, in the order of the wire contract; or it is not known.

use devportal_api::condition::{AuthPolicyState, Blocker, Lifecycle};
use devportal_api::id::ProductId;
use devportal_api::scheme::AuthenticationRule;
use devportal_mirror::{Fit, Found, Scope, SecretFacts, Sight, ValueFacts};
use kube::Resource;

use super::{Case, ruling};
use crate::change::Source;
use crate::decide::credential;
use crate::discover::selector;
use crate::world::{Doubt, World};

/// How a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decide) enum Standing {
    /// So.
    Known(Lifecycle),
    /// Something it rests on is not known.
    Doubtful(Doubt),
}

impl Case<'_> {
    pub(in crate::decide) fn standing(&self) -> Standing {
        let ruling = match &self.ruling {
            Err(doubt) => return Standing::Doubtful(doubt.clone()),
            Ok(ruling) => *ruling,
        };
        let decided = match ruling {
            None => Lifecycle::Pending,
            Some(ruling) if !ruling.spec.approved => Lifecycle::Denied(ruling::review(ruling)),
            Some(ruling) => match &self.terms.in_force.expires_at {
                Some(at) if at.0 <= self.now => Lifecycle::Expired(at.0),
                _ => Lifecycle::Approved(ruling::review(ruling)),
            },
        };
        // What was denied or is over is so, whatever else is not known.
        let is_final = matches!(decided, Lifecycle::Denied(_) | Lifecycle::Expired(_));
        match self.doubt() {
            Some(_) if is_final => return Standing::Known(decided),
            Some(doubt) => {
                return match self.removal() {
                    Some(removed) => Standing::Known(removed),
                    None => Standing::Doubtful(doubt),
                };
            }
            None => {}
        }
        match self.blocker(self.terms.product_id()) {
            Some(blocker) => Standing::Known(Lifecycle::Failed(blocker)),
            None => Standing::Known(decided),
        }
    }

    /// What was seen to be taken away, whatever else is not known: the decision, the
    /// product, or the Secret of a brought key.
    pub(super) fn removal(&self) -> Option<Lifecycle> {
        if self.is_undecided() && self.has_decision_ended() {
            return Some(Lifecycle::Pending);
        }
        let product = self.terms.product_id();
        let blocker = match self.world.products().look(&product) {
            Found::Ended => Some(Blocker::ProductNotFound(product)),
            Found::Present(it) if it.meta().deletion_timestamp.is_some() => {
                Some(Blocker::ProductDeleting(product))
            }
            _ => self.missing_secret(),
        };
        blocker.map(Lifecycle::Failed)
    }

    /// Whether the approval that the status tells of was seen to end.
    pub(super) fn has_decision_ended(&self) -> bool {
        let status = self.key.status.as_ref();
        let approval = status.and_then(|it| Some(&it.approved_terms.as_ref()?.approval));
        let uid = approval
            .and_then(|it| it.split_once('/'))
            .map(|(uid, _)| uid);
        uid.is_some_and(|uid| self.world.approvals().has_ended(uid))
    }

    /// What the standing rests on and is not known.
    fn doubt(&self) -> Option<Doubt> {
        let world = self.world;
        if let Some(flaw) = self.flaw.filter(|it| !it.has_spec()) {
            let what = format!("APIKey {}", self.id);
            return Some(Doubt::unreadable(what, flaw.words()));
        }
        if self.request.is_none() {
            let doubt = match world.requests().look(&self.home) {
                Found::Flawed(None, flaw) => {
                    let what = format!("APIKeyRequest {}", self.home);
                    Some(Doubt::unreadable(what, flaw.words()))
                }
                // What was granted by a request is not gone for one not being seen.
                _ if self.has_credentials() => unfollowed(world.requests().sight(&Scope::Cluster)),
                _ => World::blind(world.requests()),
            };
            if doubt.is_some() {
                return doubt;
            }
        }
        if let Some(doubt) = World::unseen(world.kuadrants()) {
            return Some(doubt);
        }
        let product = self.terms.product_id();
        match world.products().look(&product) {
            Found::Unknown => return World::blind(world.products()),
            Found::Flawed(None, flaw) => {
                let what = format!("APIProduct {product}");
                return Some(Doubt::unreadable(what, flaw.words()));
            }
            Found::Ended | Found::Absent => return None,
            Found::Present(_) | Found::Flawed(Some(_), _) => {}
        }
        self.doubt_around(&product)
    }

    /// Where no rule for keys is found it may be for not seeing it.
    fn doubt_around(&self, product: &ProductId) -> Option<Doubt> {
        let found = self.world.find_discovery(product)?;
        if found.auth.key_rule.is_some() {
            // Credentials are not made for another listener while nobody sees which there are.
            let gateways = World::failing(&self.world.around().gateways);
            return gateways.filter(|_| !found.auth.is_certain && self.has_credentials());
        }
        if let Some(what) = &found.unreadable {
            // The words may quote a policy, which is the owner's.
            let (what, _) = what.split_once(": ").unwrap_or((what, ""));
            return Some(Doubt::unreadable(what, "the APIProduct tells why"));
        }
        let around = self.world.around();
        World::unseen(&around.routes).or_else(|| World::unseen(around.auth_policies.table()))
    }

    /// The first thing that is missing, in the order of the wire contract.
    pub(super) fn blocker(&self, product_id: ProductId) -> Option<Blocker> {
        if self.world.kuadrant_namespace().is_none() {
            return Some(Blocker::KuadrantNotFound);
        }
        let Some(product) = self.world.find_product(&product_id) else {
            return Some(Blocker::ProductNotFound(product_id));
        };
        if product.meta().deletion_timestamp.is_some() {
            return Some(Blocker::ProductDeleting(product_id));
        }
        self.missing_secret()
            .or_else(|| self.missing_scheme(product_id))
    }

    /// Only a key that was brought can lack its Secret.
    fn missing_secret(&self) -> Option<Blocker> {
        if self.key.is_generated() {
            return None;
        }
        let secret = self.key.source_secret();
        let facts = match self.world.find_source(&secret)? {
            Source::Gone(_) => return Some(Blocker::SecretNotFound(secret)),
            Source::Forbidden => return None,
            Source::Is(facts) => facts,
        };
        match &facts.value {
            ValueFacts::NoEntry => Some(Blocker::SecretEntryNotFound(secret)),
            ValueFacts::Empty => Some(Blocker::SecretEntryEmpty(secret)),
            ValueFacts::Value {
                fit, fits_cookie, ..
            } => match words(*fit) {
                Some(Words::Unsendable(why)) => Some(Blocker::SecretValueUnsendable(secret, why)),
                _ if !fits_cookie && self.goes_in_a_cookie() => {
                    let why = "it has a semicolon, which ends a cookie; the API takes keys in one";
                    Some(Blocker::SecretValueUnsendable(secret, why))
                }
                Some(Words::Weak(why)) if self.world.settings().refuses_weak => {
                    Some(Blocker::SecretValueWeak(secret, why))
                }
                Some(Words::Weak(_)) | None => None,
            },
            ValueFacts::Unread => None,
        }
    }

    /// Whether the API takes this key in a cookie, and nowhere else: another rule may take
    /// others only.
    fn goes_in_a_cookie(&self) -> bool {
        let Some(auth) = self.found.map(|found| &found.auth) else {
            return false;
        };
        let mut labels = credential::labels(self.id, &self.terms.product_id());
        let used = auth.key_rule.as_ref().and_then(|it| it.api_key.as_ref());
        if let Some(used) = used.and_then(|it| it.selector.as_ref())
            && selector::satisfy(used, &mut labels).is_err()
        {
            return false;
        }
        let takes_it = |rule: &&AuthenticationRule| {
            let api_key = rule.api_key.as_ref();
            api_key.is_some_and(|it| selector::takes(it, &labels))
        };
        let rules = auth.scheme.iter().flat_map(|it| it.authentication.values());
        let mut places = rules
            .filter(takes_it)
            .map(|rule| rule.credentials.as_ref()?.cookie.as_ref())
            .peekable();
        places.peek().is_some() && places.all(|cookie| cookie.is_some())
    }

    /// Why a value that a brought key has, or that opens the API for it still, can be guessed,
    /// if it can.
    pub(super) fn weakness(&self) -> Option<&'static str> {
        if self.key.is_generated() {
            return None;
        }
        let source = match self.world.find_source(&self.key.source_secret()) {
            Some(Source::Is(facts)) => Some(facts),
            _ => None,
        };
        let enforced = self.world.credentials_of(self.id).map(|(_, facts)| facts);
        source.into_iter().chain(enforced).find_map(weakness)
    }

    /// A policy that is there but not accepted at the moment does not take a
    /// working key down.
    fn missing_scheme(&self, product: ProductId) -> Option<Blocker> {
        let found = self.world.find_discovery(&product);
        match found.map(|found| &found.auth) {
            Some(auth) if auth.key_rule.is_some() => None,
            Some(auth) if auth.scheme.is_some() => Some(Blocker::ApiKeyAuthSchemeNotFound(product)),
            Some(auth) if auth.state == AuthPolicyState::NotReady && self.has_credentials() => None,
            _ => Some(Blocker::AuthSchemeNotFound(product)),
        }
    }
}

/// A kind that is not followed at the moment: something may have come since.
fn unfollowed(sight: &Sight) -> Option<Doubt> {
    (*sight != Sight::Current).then(|| Doubt::unseen("APIKeyRequest", sight))
}

/// Why the value of a Secret can be guessed, if it can.
fn weakness(facts: &SecretFacts) -> Option<&'static str> {
    let ValueFacts::Value { fit, .. } = &facts.value else {
        return None;
    };
    match words(*fit)? {
        Words::Weak(why) => Some(why),
        Words::Unsendable(_) => None,
    }
}

/// What is wrong with a value.
enum Words {
    Unsendable(&'static str),
    Weak(&'static str),
}

fn words(fit: Fit) -> Option<Words> {
    Some(match fit {
        Fit::Good => return None,
        Fit::Padded => Words::Unsendable(
            "it begins or ends with white space or a line break, as echo adds; write it without",
        ),
        Fit::Unsendable => Words::Unsendable(
            "it has characters that no header can carry; use ASCII letters, digits and symbols",
        ),
        Fit::TooLong => Words::Unsendable("it is longer than 4096 bytes"),
        Fit::Short => Words::Weak("it is shorter than 16 characters"),
        Fit::Placeholder => Words::Weak("it looks like the placeholder of an example"),
    })
}
