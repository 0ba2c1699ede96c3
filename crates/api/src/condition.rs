//! What do conditions say? Every type, reason and message, once.
//!
//! A state of the world is an enum variant; [`Fact`] is how it reads on the
//! wire. The published texts are a contract: other people's clients match them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::id::{ApprovalId, PolicyId, ProductId, RequestId, RouteId, SecretId};
use crate::key::Phase;
use crate::name::{API_KEY_ENTRY, annotation, label};

/// Condition types.
pub mod kind {
    /// APIProduct: the route is accepted.
    pub const READY: &str = "Ready";
    /// APIProduct: a PlanPolicy applies.
    pub const PLAN_POLICY_DISCOVERED: &str = "PlanPolicyDiscovered";
    /// APIProduct, ours: whether plans hold as they are shown. Absent where they do.
    pub const PLANS_IN_FORCE: &str = "PlansInForce";
    /// APIProduct: an AuthPolicy applies.
    pub const AUTH_POLICY_DISCOVERED: &str = "AuthPolicyDiscovered";
    /// APIProduct, ours: whether the rule that `spec.authRule` names is there. Absent where it
    /// is, and where none is named.
    pub const AUTH_RULE_FOUND: &str = "AuthRuleFound";
    /// APIProduct, ours: whether keys are accepted by every way to the API. Absent where they
    /// are.
    pub const ACCEPTED_EVERYWHERE: &str = "AcceptedEverywhere";
    /// APIProduct, ours: by some paths, or under some conditions, requests need no credential.
    /// Absent where that is not so, and where no AuthPolicy holds at all.
    pub const PARTLY_OPEN: &str = "PartlyOpen";
    /// APIProduct, ours: what is taken away goes on for a while, because the gateway remembers
    /// whom it let in. Absent where it does not.
    pub const ACCESS_CACHED: &str = "AccessCached";
    /// APIProduct, ours: whether kuadrant-operator has looked at the policies as they are now.
    /// Absent where it has.
    pub const POLICIES_OBSERVED: &str = "PoliciesObserved";
    /// APIProduct, ours: keys are good for other products, too. Absent where they are not.
    pub const SELECTOR_SHARED: &str = "SelectorShared";
    /// APIProduct, ours: Secrets of every namespace are keys. Absent where they are not.
    pub const SELECTOR_OPEN: &str = "SelectorOpen";
    /// APIProduct, ours: Secrets open the API that no APIKey stands for. Absent where there are
    /// none.
    pub const UNMANAGED_KEYS: &str = "UnmanagedKeys";
    /// APIProduct: the issuer's discovery document was read.
    pub const OIDC_DISCOVERED: &str = "OIDCDiscovered";
    /// APIProduct: the OpenAPI document was read.
    pub const OPENAPI_SPEC_READY: &str = "OpenAPISpecReady";
    /// APIKey lifecycle: something is missing.
    pub const FAILED: &str = "Failed";
    /// APIKey lifecycle: the owner said no.
    pub const DENIED: &str = "Denied";
    /// APIKey lifecycle: its time is over.
    pub const EXPIRED: &str = "Expired";
    /// APIKey lifecycle: the key may be used.
    pub const APPROVED: &str = "Approved";
    /// APIKey lifecycle: nobody has decided.
    pub const PENDING: &str = "Pending";
    /// APIKey, ours: whether the gateway holds the key to its plan.
    pub const ENFORCED: &str = "Enforced";
    /// APIKey and APIKeyRequest, ours: others can guess the key's value. Absent where they
    /// cannot.
    pub const VALUE_GUESSABLE: &str = "ValueGuessable";
    /// APIKey and APIProduct, ours: whether requests and approvals are written. Absent
    /// where they are.
    pub const RECORDED: &str = "Recorded";
    /// APIProduct, ours: something around the route cannot be read or seen. Absent
    /// where all can.
    pub const READABLE: &str = "Readable";
    /// APIKeyApproval: the decision counts.
    pub const VALID: &str = "Valid";
    /// APIKeyApproval, ours: another decision counts, although this one was made after it.
    /// Absent where that is not so.
    pub const OVERRULED: &str = "Overruled";
    /// APIKeyApproval, ours: the denial keeps the requester from automatic approvals. Absent
    /// where it does not.
    pub const STANDS: &str = "Stands";
    /// APIKey and APIKeyRequest, ours: why a product that approves by itself does not.
    /// Absent where it does.
    pub const AUTOMATIC_APPROVAL: &str = "AutomaticApproval";
    /// APIKey and APIKeyRequest, ours: more is asked for than was approved, and nobody has
    /// decided about it, or can. Absent where that is not so.
    pub const CHANGE_APPROVED: &str = "ChangeApproved";
}

/// The condition by which a key, or the request for it, says that it waits for a decision.
pub fn awaits_decision(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|it| match it.type_.as_str() {
        kind::PENDING => it.status == "True",
        kind::CHANGE_APPROVED => it.status == "False" && it.reason == AWAITING_REAPPROVAL,
        _ => false,
    })
}

/// Whether a condition `Enforced` says that the gateway does not hold a key to what was approved.
pub fn is_unenforced(it: &Condition) -> bool {
    it.status != "True" && it.reason != AWAITING_REAPPROVAL
}

/// What was approved holds, and more is asked for.
const AWAITING_REAPPROVAL: &str = "AwaitingReapproval";

/// The document was read, and Authorino refuses the tokens of its issuer.
const ISSUER_DIFFERS: &str = "IssuerDiffers";

/// Whether a condition of a product says that something is not as it should be.
pub fn is_problem(it: &Condition) -> bool {
    match it.type_.as_str() {
        kind::SELECTOR_SHARED
        | kind::SELECTOR_OPEN
        | kind::UNMANAGED_KEYS
        | kind::PARTLY_OPEN
        | kind::ACCESS_CACHED => it.status == "True",
        kind::OIDC_DISCOVERED if it.status == "True" => it.reason == ISSUER_DIFFERS,
        // That an API has no OpenID Connect is no fault of it.
        _ => it.status != "True" && it.reason != "NoOIDCAuth",
    }
}

/// A condition before it is placed in a status: what is true, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The condition's type, of [`kind`].
    pub kind: &'static str,
    /// The condition's status.
    pub holds: bool,
    /// One CamelCase word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Fact {
    fn new(
        kind: &'static str,
        holds: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            holds,
            reason,
            message: message.into(),
        }
    }
}

/// Renders facts as a status' conditions: in the order given, each keeping the
/// `lastTransitionTime` of its predecessor while its status is the same.
pub fn render(
    facts: &[Fact],
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let render_one = |fact: &Fact| {
        let status = if fact.holds { "True" } else { "False" };
        let since = previous
            .iter()
            .find(|old| old.type_ == fact.kind && old.status == status)
            .map_or_else(
                || Time(whole_second(now)),
                |old| old.last_transition_time.clone(),
            );
        Condition {
            type_: fact.kind.to_owned(),
            status: status.to_owned(),
            reason: fact.reason.to_owned(),
            message: cut(&fact.message),
            observed_generation: generation,
            last_transition_time: since,
        }
    };
    facts.iter().map(render_one).collect()
}

/// As much of a message as Kubernetes takes: 32 768 characters, where a definition says so.
fn cut(message: &str) -> String {
    const MOST: usize = 32_768;
    match message.char_indices().nth(MOST) {
        None => message.to_owned(),
        Some(_) => message.chars().take(MOST - 1).chain(['…']).collect(),
    }
}

/// The API server keeps whole seconds; anything finer would differ for ever
/// from what is read back.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The one lifecycle state of a key. An enum, so that no key can be in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Something is missing; nothing was lost.
    Failed(Blocker),
    /// The newest decision is a denial.
    Denied(Review),
    /// Approved once, and its time is over.
    Expired(Timestamp),
    /// The newest decision is an approval.
    Approved(Review),
    /// Nobody has decided.
    Pending,
}

/// Who decided, and what they said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The reviewer.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Their words to the requester.
    pub message: Option<String>,
}

impl Review {
    fn sentence(&self, verb: &str) -> String {
        match self
            .message
            .as_deref()
            .filter(|message| !message.is_empty())
        {
            Some(message) => format!("API key request {verb} by {}: {message}", self.by),
            None => format!("API key request {verb} by {}", self.by),
        }
    }
}

/// Why a key cannot be decided or issued at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// There is nowhere to put credentials.
    KuadrantNotFound,
    /// The product does not exist.
    ProductNotFound(ProductId),
    /// The product is going away.
    ProductDeleting(ProductId),
    /// The consumer's Secret does not exist.
    SecretNotFound(SecretId),
    /// The consumer's Secret lacks the entry.
    SecretEntryNotFound(SecretId),
    /// The consumer's Secret has an empty entry.
    SecretEntryEmpty(SecretId),
    /// The consumer's Secret has a value that clients cannot send: why.
    SecretValueUnsendable(SecretId, &'static str),
    /// The consumer's Secret has a value that others can guess: why. Where that is refused.
    SecretValueWeak(SecretId, &'static str),
    /// No authentication is known for the product.
    AuthSchemeNotFound(ProductId),
    /// The product authenticates, but not by API key.
    ApiKeyAuthSchemeNotFound(ProductId),
}

impl Blocker {
    /// The condition's reason and message.
    pub fn text(&self) -> (&'static str, String) {
        match self {
            Self::KuadrantNotFound => (
                "KuadrantNotFound",
                "Kuadrant CR not found in cluster".into(),
            ),
            Self::ProductNotFound(id) => (
                "APIProductNotFound",
                format!("Referenced APIProduct {id} not found"),
            ),
            Self::ProductDeleting(id) => (
                "APIProductDeleting",
                format!("Referenced APIProduct {id} is being deleted"),
            ),
            Self::SecretNotFound(id) => (
                "SecretNotFound",
                format!("Referenced secret {id} not found"),
            ),
            Self::SecretEntryNotFound(id) => (
                "SecretAPIKeyNotFound",
                format!("Secret {id} does not contain \"{API_KEY_ENTRY}\" entry"),
            ),
            Self::SecretEntryEmpty(id) => (
                "SecretAPIKeyEmpty",
                format!("Secret {id} has empty \"{API_KEY_ENTRY}\" entry"),
            ),
            Self::SecretValueUnsendable(id, why) => (
                "SecretAPIKeyUnsendable",
                format!("No client can send the value of secret {id}: {why}"),
            ),
            Self::SecretValueWeak(id, why) => (
                "SecretAPIKeyWeak",
                format!("The value of secret {id} can be guessed: {why}"),
            ),
            Self::AuthSchemeNotFound(id) => (
                "AuthSchemeNotFound",
                format!("APIProduct {id} does not have a discovered authentication scheme"),
            ),
            Self::ApiKeyAuthSchemeNotFound(id) => (
                "APIKeyAuthSchemeNotFound",
                format!(
                    "APIProduct {id} does not have an API key authentication scheme configured"
                ),
            ),
        }
    }
}

impl Lifecycle {
    /// How the state reads on the wire.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Failed(blocker) => {
                let (reason, message) = blocker.text();
                Fact::new(kind::FAILED, true, reason, message)
            }
            Self::Denied(review) => {
                Fact::new(kind::DENIED, true, "Denied", review.sentence("denied"))
            }
            Self::Expired(at) => Fact::new(
                kind::EXPIRED,
                true,
                "KeyExpired",
                format!("API key expired at {}", whole_second(*at)),
            ),
            Self::Approved(review) => Fact::new(
                kind::APPROVED,
                true,
                "Approved",
                review.sentence("approved"),
            ),
            Self::Pending => Fact::new(
                kind::PENDING,
                true,
                "AwaitingApproval",
                "API key request is awaiting approval",
            ),
        }
    }

    /// The state in the one word of the first generation of this API.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Failed(_) | Self::Pending => Phase::Pending,
            // The first generation has no word for what is over.
            Self::Denied(_) | Self::Expired(_) => Phase::Rejected,
            Self::Approved(_) => Phase::Approved,
        }
    }
}

/// Whether the gateway holds an approved key to what was approved (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// The credential is accepted and limited.
    Enforced,
    /// The credential is being written.
    Issuing,
    /// The spec changed after the approval; the key goes on under the old
    /// terms.
    AwaitingReapproval,
    /// The controller may not read the Secret with the key's value.
    SecretForbidden(SecretId),
    /// A Secret that is not ours has the name we need.
    SecretConflict(SecretId),
    /// A Secret is to be made anew, and a finalizer holds the one before it.
    SecretHeld(SecretId),
    /// The API server refuses to create a Secret, for this reason.
    SecretRefused(SecretId, String),
    /// Whatever Secrets are made in this namespace, they do not stay as they were
    /// made.
    SecretsAltered(String),
    /// Access is to go and the API server does not let it: what is in the way.
    RevocationRefused(Refused),
    /// What the key rests on cannot be read: what, and why.
    Unreadable(String, String),
    /// What the key rests on cannot be seen: what, and why.
    Unknown(String, String),
    /// A label the selector needs cannot be given.
    SelectorUnsatisfiable(String),
    /// The AuthPolicy is not in force at the moment.
    AuthPolicyNotEnforced,
    /// No PlanPolicy applies: nothing limits the key.
    NoPlans,
    /// The tier is in no plan; what limits the key.
    UnknownTier(String, Limiter),
    /// The plans may not hold as they are shown.
    PlansNotEnforced,
    /// Some ways to the API refuse the key.
    RefusedInPart,
    /// By some ways to the API other plans hold, or none.
    PlansDiffer,
    /// No Gateway controller has accepted the route.
    RouteNotAccepted,
    /// Requests with the key may count as anybody's, by this rule.
    Outrun(String),
    /// The plan of the tier is for keys of another one; what limits the key.
    PlanForAnother(String, Limiter),
    /// The plan of the second tier comes before that of the first, and takes its requests; what
    /// limits the key.
    TierTaken(String, String, Limiter),
    /// The tier's plan has no limits.
    Unlimited(String),
    /// Several plans have the tier, and the last of them holds: whether it has limits.
    DuplicateTier(String, bool),
    /// Another key of the API has the same value, and was there first.
    ValueInUse,
    /// The key is being deleted, and opens nothing any more.
    Ending,
}

/// What limits a key that its own plan does not limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// The plan of this tier.
    Tier(String),
    /// No plan does.
    Nothing,
    /// Plans may.
    Unknown,
}

impl Limiter {
    fn words(&self) -> String {
        match self {
            Self::Tier(tier) => format!("the limits of tier {tier:?} apply"),
            Self::Nothing => "requests are not limited".to_owned(),
            Self::Unknown => "the limits of another tier may apply".to_owned(),
        }
    }
}

impl Enforcement {
    /// How it reads on the wire.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn fact(&self) -> Fact {
        let (holds, reason, message) = match self {
            Self::Enforced => (
                true,
                "Enforced",
                "The gateway accepts the key; the limits of its tier are shared by all keys of the tier"
                    .into(),
            ),
            Self::Issuing => (false, "Issuing", "The credential is being written".into()),
            Self::AwaitingReapproval => (
                false,
                AWAITING_REAPPROVAL,
                "The request changed after it was approved; the key keeps the approved terms until \
                 the change is approved"
                    .into(),
            ),
            Self::SecretForbidden(id) => (
                false,
                "SecretForbidden",
                format!(
                    "The controller may not read Secrets in namespace {}; it needs Secret {id}",
                    id.namespace
                ),
            ),
            Self::SecretConflict(id) => (
                false,
                "SecretConflict",
                format!(
                    "Secret {id} exists but is not the controller's: delete it, so that it can be made"
                ),
            ),
            Self::SecretHeld(id) => (
                false,
                "SecretHeld",
                format!(
                    "Secret {id} is being deleted and a finalizer keeps it; a new one is made once \
                     it is gone"
                ),
            ),
            Self::SecretRefused(id, reason) => (
                false,
                "SecretRefused",
                format!(
                    "The API server refuses to create Secret {id} ({reason}); the controller's log says why"
                ),
            ),
            Self::SecretsAltered(namespace) => (
                false,
                "SecretsAltered",
                format!(
                    "Something else keeps changing this key's Secrets in {namespace}; the \
                     controller retries less and less often"
                ),
            ),
            Self::RevocationRefused(refused) => (
                true,
                "RevocationRefused",
                format!("The key still opens the API: {}", refused.sentence("delete")),
            ),
            Self::Unreadable(what, why) => (
                false,
                "Unreadable",
                format!(
                    "{what} cannot be read ({why}); until it is corrected nothing is granted or \
                     revoked because of it"
                ),
            ),
            Self::Unknown(what, why) => (
                false,
                "Unknown",
                format!(
                    "{what} cannot be listed ({why}); meanwhile nothing is granted or revoked \
                     because of them"
                ),
            ),
            Self::SelectorUnsatisfiable(why) => (
                false,
                "SelectorUnsatisfiable",
                format!("The AuthPolicy's selector cannot select this key: {why}"),
            ),
            Self::AuthPolicyNotEnforced => (
                false,
                "AuthPolicyNotEnforced",
                "The AuthPolicy is not enforced at the moment; the credential is kept".into(),
            ),
            Self::NoPlans => (
                false,
                "NoPlans",
                "No PlanPolicy applies to the route: requests are not limited".into(),
            ),
            Self::UnknownTier(tier, limiter) => (
                false,
                "UnknownTier",
                format!(
                    "Tier {tier:?} is in no plan of the product: {}",
                    limiter.words()
                ),
            ),
            Self::PlansNotEnforced => (
                false,
                "PlansNotEnforced",
                "The PlanPolicy is not enforced at the moment: requests may not be limited".into(),
            ),
            Self::RefusedInPart => (
                false,
                "AuthPoliciesDiffer",
                "The gateway accepts the key, but refuses it on some paths to the API: see \
                 AcceptedEverywhere of the product"
                    .into(),
            ),
            Self::PlansDiffer => (
                false,
                "PlansDiffer",
                "The gateway accepts the key; on some paths to the API its limits may not apply: \
                 see PlansInForce of the product"
                    .into(),
            ),
            Self::RouteNotAccepted => (
                false,
                "HTTPRouteNotAccepted",
                "No Gateway controller has accepted the HTTPRoute: requests do not reach the API".into(),
            ),
            Self::Outrun(rule) => (
                false,
                "AnonymousFirst",
                format!(
                    "The gateway accepts the key, but rule {rule:?} of the AuthPolicy may let its \
                     requests in as anonymous: they are not limited"
                ),
            ),
            Self::PlanForAnother(tier, limiter) => (
                false,
                "PredicateOfAnotherTier",
                format!(
                    "The gateway accepts the key, but the plan of tier {tier:?} is for keys of \
                     another tier: {}",
                    limiter.words()
                ),
            ),
            Self::TierTaken(tier, by, limiter) => (
                false,
                "TierTaken",
                format!(
                    "The gateway accepts the key, but the plan of tier {by:?} comes before that of \
                     tier {tier:?} and takes its requests: {}",
                    limiter.words()
                ),
            ),
            Self::Unlimited(tier) => (
                true,
                "Unlimited",
                format!("The gateway accepts the key; tier {tier:?} has no limits"),
            ),
            Self::DuplicateTier(tier, is_limited) => (
                true,
                "DuplicateTier",
                format!(
                    "The gateway accepts the key and applies the last of several plans with tier \
                     {tier:?}, {}",
                    if *is_limited {
                        "whose limits are in status.limits"
                    } else {
                        "which has no limits"
                    }
                ),
            ),
            Self::Ending => (
                false,
                "Ending",
                "The key is being deleted and no longer works; a finalizer keeps the object".into(),
            ),
            Self::ValueInUse => (
                false,
                "ValueInUse",
                "Another key that opens this API has the same value: give this key its own value"
                    .into(),
            ),
        };
        Fact::new(kind::ENFORCED, holds, reason, message)
    }
}

/// How it reads on a key that others can guess its value: why.
pub fn value_guessable(why: &str) -> Fact {
    let message =
        format!("The value of the key can be guessed: {why}. Write a random one into its Secret");
    Fact::new(kind::VALUE_GUESSABLE, true, "WeakValue", message)
}

/// A write that the API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kind and `namespace/name` of what was to be written.
    pub target: String,
    /// The API server's reason, in one word.
    pub reason: String,
    /// Its message.
    pub message: String,
}

impl Refused {
    fn sentence(&self, verb: &str) -> String {
        format!(
            "the controller cannot {verb} {} ({}): {}",
            self.target, self.reason, self.message
        )
    }

    /// How it reads on a key that its request or its approval is not written.
    pub fn of_key(&self) -> Fact {
        let message = format!("Not recorded for the owner: {}", self.sentence("write"));
        Fact::new(kind::RECORDED, false, "WriteRefused", message)
    }

    /// How it reads on a product that the requests of so many keys are not written.
    pub fn of_product(&self, keys: usize) -> Fact {
        let sentence = self.sentence("write");
        let message = match keys {
            1 => format!("One request is not recorded: {sentence}"),
            _ => format!("{keys} requests are not recorded: {sentence}"),
        };
        Fact::new(kind::RECORDED, false, "WriteRefused", message)
    }
}

/// How it reads on a product that something around its route cannot be read.
pub fn not_readable(what_and_why: &str) -> Fact {
    let message = format!("Cannot read {what_and_why}; the last known state is kept");
    Fact::new(kind::READABLE, false, "Unreadable", message)
}

/// How it reads on a product that a kind around its route cannot be seen.
pub fn not_seen(what: &str, why: &str) -> Fact {
    let message = format!("{what} cannot be listed: {why}; the last known state is kept");
    Fact::new(kind::READABLE, false, "Unknown", message)
}

/// What became of a product's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteState {
    /// A Gateway controller accepted it.
    Accepted(RouteId),
    /// It exists, and no Gateway controller accepted it.
    NotAccepted(RouteId),
    /// It does not exist.
    NotFound(RouteId),
}

impl RouteState {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Accepted(id) => Fact::new(
                kind::READY,
                true,
                "HTTPRouteAccepted",
                format!("HTTPRoute {id} accepted"),
            ),
            Self::NotAccepted(id) => Fact::new(
                kind::READY,
                false,
                "HTTPRouteNotAccepted",
                format!("HTTPRoute {id} not accepted"),
            ),
            Self::NotFound(id) => Fact::new(
                kind::READY,
                false,
                "HTTPRouteNotFound",
                format!("HTTPRoute {id} not found"),
            ),
        }
    }
}

/// A policy and what it is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The policy.
    pub policy: PolicyId,
    /// `HTTPRoute` or `Gateway`.
    pub target_kind: String,
    /// The target's name.
    pub target_name: String,
}

impl Attachment {
    fn sentence(&self, kind: &str) -> String {
        format!(
            "Discovered {kind} {} targeting {} {}",
            self.policy.name, self.target_kind, self.target_name
        )
    }
}

/// Whether a PlanPolicy applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanPolicyState {
    /// It does.
    Found(Attachment),
    /// None does.
    NotFound,
}

impl PlanPolicyState {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Found(at) => Fact::new(
                kind::PLAN_POLICY_DISCOVERED,
                true,
                "Found",
                at.sentence("PlanPolicy"),
            ),
            Self::NotFound => Fact::new(
                kind::PLAN_POLICY_DISCOVERED,
                false,
                "NotFound",
                "PlanPolicy not found",
            ),
        }
    }
}

/// Why plans may not hold as a product shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanFault {
    /// The PlanPolicy is not accepted or not enforced.
    NotEnforced(PolicyId),
    /// Of several PlanPolicies on one target the first is shown.
    Several(PolicyId, Vec<PolicyId>),
    /// By other ways to the API other policies hold, or none: each way with its policy.
    InPart(PolicyId, Vec<(String, Option<PolicyId>)>),
    /// Beside the PlanPolicy that is shown, others may tell which tier a request has.
    TiersDiffer(PolicyId, Vec<PolicyId>),
    /// This rule lets requests in as anybody's, whose plan nobody knows, before their key counts.
    Outrun(String),
    /// The plan of this tier is for keys of another one.
    ForAnother(String),
    /// Whether the plan of this tier is for its keys is not known.
    ForWhom(String),
    /// The plan of another tier stands before that of this one, and takes its requests.
    Taken {
        /// The tier without requests.
        tier: String,
        /// The tier that they count for.
        by: String,
    },
    /// Several plans have this tier.
    Twice(String),
    /// This tier has no limits, which holds as it is shown, and may not be meant.
    Unlimited(String),
}

impl PlanFault {
    /// The reason that is told while plans are not enforced, before whatever else is wrong.
    pub const NOT_ENFORCED: &str = "PlanPolicyNotEnforced";

    fn text(&self) -> (&'static str, String) {
        match self {
            Self::NotEnforced(id) => (
                Self::NOT_ENFORCED,
                format!("PlanPolicy {id} is not accepted or not enforced: see its conditions"),
            ),
            Self::Several(shown, others) => (
                "SeveralPlanPolicies",
                format!(
                    "PlanPolicy {shown} is shown; also on the same target: {}. Delete all but one",
                    few(others)
                ),
            ),
            Self::InPart(shown, others) => {
                let others = others.iter().map(|(way, policy)| match policy {
                    Some(policy) => format!("PlanPolicy {policy} on {way}"),
                    None => format!("none on {way}"),
                });
                let others: Vec<_> = others.collect();
                (
                    "PlansDiffer",
                    format!(
                        "PlanPolicy {shown} is shown but does not apply everywhere: {}",
                        few(&others)
                    ),
                )
            }
            Self::TiersDiffer(shown, others) => (
                "TiersDiffer",
                format!(
                    "PlanPolicy {shown} is shown, but kuadrant-operator may tell the tier of a \
                     request by the predicates of {} instead. Let all have the same tiers and \
                     predicates, or delete all but one",
                    few(others)
                ),
            ),
            Self::Outrun(rule) => (
                "AnonymousFirst",
                format!(
                    "Rule {rule:?} of the AuthPolicy lets requests in as anonymous before their key \
                     counts, and without a plan. Give it a higher priority number than the apiKey \
                     rule"
                ),
            ),
            Self::ForAnother(tier) => (
                "PredicateOfAnotherTier",
                format!(
                    "The predicate of tier {tier:?} compares {} with another tier: keys of {tier:?} \
                     do not have its limits",
                    annotation::PLAN
                ),
            ),
            Self::ForWhom(tier) => (
                "PredicateUnclear",
                format!(
                    "The predicate of tier {tier:?} does not compare {} with it: whether it limits \
                     keys of {tier:?} is not known",
                    annotation::PLAN
                ),
            ),
            Self::Taken { tier, by } => (
                "TierTaken",
                format!(
                    "The plan of tier {by:?} takes the requests of tier {tier:?}, too, and comes \
                     first: keys of {tier:?} have the limits of {by:?}. Move it behind that of \
                     {tier:?}"
                ),
            ),
            Self::Twice(tier) => (
                "DuplicateTier",
                format!(
                    "Several plans have tier {tier:?}: the gateway applies the limits of the last"
                ),
            ),
            Self::Unlimited(tier) => (
                "UnlimitedTier",
                format!("Tier {tier:?} has no limits: nothing limits its keys"),
            ),
        }
    }

    /// How they read on the wire, where there are any: the first with its reason. It is true
    /// where no more is told than that a tier is unlimited.
    pub fn fact(faults: &[Self]) -> Option<Fact> {
        let hold = faults.iter().all(|it| matches!(it, Self::Unlimited(_)));
        several(kind::PLANS_IN_FORCE, hold, faults.iter().map(Self::text))
    }
}

/// How it reads that keys for a product open others, or theirs open it, because
/// the selectors of the AuthPolicies overlap.
pub fn selector_shared(
    id: &ProductId,
    opens: &BTreeSet<ProductId>,
    opened_by: &BTreeSet<ProductId>,
) -> Fact {
    let opened =
        (!opened_by.is_empty()).then(|| format!("Keys for {} open this API too. ", few(opened_by)));
    let open = (!opens.is_empty()).then(|| format!("Keys for this API open {} too. ", few(opens)));
    let mut all = opens.iter().chain(opened_by);
    let is_across = all.any(|it| it.namespace != id.namespace);
    let (reason, advice) = if is_across {
        let by = format!("{} and {}", label::PRODUCT, label::PRODUCT_NAMESPACE);
        (
            "AcrossNamespaces",
            format!("Let the AuthPolicies select by {by}"),
        )
    } else {
        let advice = "A decision about one applies to the other, unless each has a route and a \
                      selector of its own";
        ("WithinNamespace", advice.to_owned())
    };
    let (opened, open) = (opened.unwrap_or_default(), open.unwrap_or_default());
    let message = format!("{opened}{open}{advice}");
    Fact::new(kind::SELECTOR_SHARED, true, reason, message)
}

/// How it reads on a product that its keys are refused on some paths to the API, each with the
/// policy that says so, or are taken from some requests only by this rule; where that is so.
pub fn refused_on_paths(refusals: &[(&str, &PolicyId)], conditional: Option<&str>) -> Option<Fact> {
    let differ = format!(
        "Keys are refused on {}: make the apiKey rules select and read keys alike",
        few_ways(refusals.iter().copied())
    );
    let differ = (!refusals.is_empty()).then_some(("AuthPoliciesDiffer", differ));
    let conditional = conditional.map(|rule| {
        let message = format!(
            "Rule {rule:?}, which keys are made for, is tried only for requests that its `when` \
             selects: all others are refused with a key"
        );
        ("RuleConditional", message)
    });
    several(
        kind::ACCEPTED_EVERYWHERE,
        false,
        differ.into_iter().chain(conditional),
    )
}

/// Where requests need no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// On these paths no AuthPolicy holds.
    NoPolicy(Vec<String>),
    /// For these hostnames the AuthPolicy is not carried out: those of the route are broader than
    /// those of its listeners.
    HostnameTooBroad(BTreeSet<String>),
    /// On these paths the AuthPolicy has no authentication rule.
    NoRule(Vec<(String, PolicyId)>),
    /// These AuthPolicies ask for a credential under conditions only.
    Conditional(BTreeSet<PolicyId>),
}

impl Opening {
    fn text(&self) -> (&'static str, String) {
        match self {
            Self::NoPolicy(ways) => (
                "NoAuthPolicy",
                format!(
                    "No AuthPolicy applies to {}: anybody who calls the API there gets in. Attach \
                     one to the route or to the Gateway",
                    few(ways)
                ),
            ),
            Self::HostnameTooBroad(hosts) => (
                "HostnameTooBroad",
                format!(
                    "The gateway serves {} and applies no AuthPolicy there, because the HTTPRoute has \
                     only hostnames that are broader than its listener's: anybody who calls the API \
                     there gets in. Name these hosts in the HTTPRoute",
                    few(hosts)
                ),
            ),
            Self::NoRule(ways) => {
                let ways = ways.iter().map(|(way, policy)| (&**way, policy));
                (
                    "NoAuthenticationRule",
                    format!(
                        "The AuthPolicy has no authentication rule on {}: anybody who calls the \
                         API there gets in",
                        few_ways(ways)
                    ),
                )
            }
            Self::Conditional(policies) => (
                "PolicyConditional",
                format!(
                    "Requests that `when` of AuthPolicy {} does not select get in without a key, \
                     and are not limited",
                    few(policies)
                ),
            ),
        }
    }

    /// How they read on a product, where there are any: the first with its reason.
    pub fn fact(all: &[Self]) -> Option<Fact> {
        several(kind::PARTLY_OPEN, true, all.iter().map(Self::text))
    }
}

/// One condition for all that is wrong of its kind: the first reason, and each message.
fn several(
    kind: &'static str,
    holds: bool,
    all: impl IntoIterator<Item = (&'static str, String)>,
) -> Option<Fact> {
    let (reasons, messages): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    Some(Fact::new(
        kind,
        holds,
        reasons.first()?,
        messages.join(". "),
    ))
}

/// How it reads on a product that the gateway may go on letting in whom it let in before, by these
/// rules and for so many seconds; where that is so.
pub fn access_cached(rules: &BTreeMap<String, i64>) -> Option<Fact> {
    let rules = rules.iter();
    let each: Vec<_> = rules
        .map(|(rule, seconds)| format!("rule {rule:?} for {seconds} s"))
        .collect();
    let message = format!(
        "The AuthPolicy may remember whom it let in ({}): only after that does it notice that a key \
         was denied, revoked, rotated or moved to another plan, or has expired. Remove `cache` from \
         the apiKey rule",
        few(&each)
    );
    let fact = Fact::new(kind::ACCESS_CACHED, true, "RuleCaches", message);
    (!each.is_empty()).then_some(fact)
}

/// How it reads on a product that kuadrant-operator has not looked at these policies as they are
/// now, each with its kind; where there are any.
pub fn operator_behind<'a>(
    policies: impl IntoIterator<Item = (&'static str, &'a PolicyId)>,
) -> Option<Fact> {
    let each = policies
        .into_iter()
        .map(|(kind, id)| format!("{kind} {id}"));
    let each: Vec<_> = each.collect();
    let message = format!(
        "kuadrant-operator has not looked at the current version of {}: the gateway applies the \
         version before",
        few(&each)
    );
    let fact = Fact::new(kind::POLICIES_OBSERVED, false, "OperatorBehind", message);
    (!each.is_empty()).then_some(fact)
}

/// How it reads that Secrets of every namespace are keys of a product, by these rules.
pub fn selector_open(rules: &BTreeSet<String>) -> Fact {
    let message = format!(
        "The AuthPolicy accepts Secrets of every namespace (allNamespaces) in rule {}: whoever may \
         create a Secret anywhere can make a key, on any plan. Set allNamespaces to false there",
        few(rules)
    );
    Fact::new(kind::SELECTOR_OPEN, true, "AllNamespaces", message)
}

/// How it reads that so many Secrets of the Kuadrant namespace open a product's API, of which no
/// APIKey is known.
pub fn unmanaged_keys(count: usize, namespace: &str) -> Fact {
    let secrets = match count {
        1 => "1 Secret".to_owned(),
        _ => format!("{count} Secrets"),
    };
    let message = format!(
        "{secrets} in {namespace}, none of them a credential of an APIKey, may open this API, each with \
         the plan that it states itself. A denial of a key does not end access by the same value in \
         such a Secret. Replace them by APIKeys"
    );
    Fact::new(kind::UNMANAGED_KEYS, true, "SecretsWithoutAPIKey", message)
}

/// How it reads that the AuthPolicy has no API key rule of the name that the product chose, but
/// these.
pub fn auth_rule_missing(chosen: &str, there: &BTreeSet<&str>) -> Fact {
    let there = if there.is_empty() {
        "no apiKey rule at all".to_owned()
    } else {
        format!("these apiKey rules: {}", few(there))
    };
    let message = format!(
        "spec.authRule is {chosen:?}, but the AuthPolicy has {there}. Keys fail until both agree"
    );
    Fact::new(kind::AUTH_RULE_FOUND, false, "AuthRuleNotFound", message)
}

/// The first of many paths, each with the policy that holds there.
fn few_ways<'a>(ways: impl IntoIterator<Item = (&'a str, &'a PolicyId)>) -> String {
    let each = ways.into_iter();
    let each = each.map(|(way, policy)| format!("{way} (AuthPolicy {policy})"));
    few(&each.collect::<Vec<_>>())
}

/// The first of many: a status is no list of all products.
fn few<'a, T: ToString + 'a>(ids: impl IntoIterator<Item = &'a T>) -> String {
    const FEW: usize = 3;
    let mut ids = ids.into_iter();
    let names: Vec<_> = ids.by_ref().take(FEW).map(ToString::to_string).collect();
    match ids.count() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Whether an AuthPolicy applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthPolicyState {
    /// It does.
    Found(Attachment),
    /// None does.
    NotFound,
    /// One is attached, and is not accepted or not enforced.
    NotReady,
}

impl AuthPolicyState {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Found(at) => Fact::new(
                kind::AUTH_POLICY_DISCOVERED,
                true,
                "Found",
                at.sentence("AuthPolicy"),
            ),
            Self::NotFound => Fact::new(
                kind::AUTH_POLICY_DISCOVERED,
                false,
                "NotFound",
                "AuthPolicy not found",
            ),
            Self::NotReady => Fact::new(
                kind::AUTH_POLICY_DISCOVERED,
                false,
                "AuthPolicyNotReady",
                "AuthPolicy not accepted or not enforced",
            ),
        }
    }
}

/// What became of the issuer's discovery document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OidcState {
    /// It was read from this address.
    Discovered(String),
    /// It was read, and its issuer has a slash more or less at the end than in the AuthPolicy.
    SlashDiffers {
        /// The address asked.
        url: String,
        /// The issuer, as the document names it.
        issuer: String,
    },
    /// No rule accepts tokens.
    NoOidcAuth,
    /// It could not be read.
    Failed {
        /// The address asked.
        url: String,
        /// What went wrong, in words that tell nothing about our network.
        why: String,
    },
}

impl OidcState {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        let (holds, reason, message) = match self {
            Self::Discovered(url) => (
                true,
                "Discovered",
                format!("OIDC discovery fetched from {url}"),
            ),
            Self::SlashDiffers { url, issuer } => (
                true,
                ISSUER_DIFFERS,
                format!(
                    "OIDC discovery fetched from {url}; it names its issuer {issuer:?}, and Authorino \
                     refuses its tokens until the AuthPolicy does so"
                ),
            ),
            Self::NoOidcAuth => (
                false,
                "NoOIDCAuth",
                "No JWT/OIDC authentication configured in AuthPolicy".into(),
            ),
            Self::Failed { url, why } => (
                false,
                "DiscoveryFailed",
                format!("Failed to fetch OIDC discovery from {url}: {why}"),
            ),
        };
        Fact::new(kind::OIDC_DISCOVERED, holds, reason, message)
    }
}

/// What became of the OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenApiState {
    /// It was read.
    Fetched,
    /// The server did not give it.
    FetchFailed(String),
    /// The server's answer could not be read.
    ReadFailed(String),
    /// It is larger than this many bytes.
    TooLarge(u64),
    /// It takes this many bytes in the cluster, which can hold no more than so many.
    Unkeepable(u64, u64),
    /// It was read, and the API server takes no status that has it in it.
    Refused(String),
}

impl OpenApiState {
    /// Whether it is too large to be shown.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Unkeepable(..))
    }
}

impl OpenApiState {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        let (holds, reason, message) = match self {
            Self::Fetched => (
                true,
                "SpecFetched",
                "OpenAPI spec was successfully fetched".to_owned(),
            ),
            Self::FetchFailed(why) => (
                false,
                "FetchFailed",
                format!("Failed to fetch OpenAPI spec: {why}"),
            ),
            Self::ReadFailed(why) => (
                false,
                "ReadFailed",
                format!("Failed to read OpenAPI spec: {why}"),
            ),
            Self::TooLarge(cap) => (
                false,
                "SpecSizeTooLarge",
                format!("OpenAPI spec is larger than the limit of {cap} bytes"),
            ),
            Self::Unkeepable(bytes, most) => (
                false,
                "SpecSizeTooLarge",
                format!(
                    "OpenAPI spec takes {bytes} bytes when stored in the cluster, which holds no \
                     more than {most}: publish a smaller one"
                ),
            ),
            Self::Refused(why) => (
                false,
                "SpecRefused",
                format!("The API server refuses the OpenAPI spec in the status: {why}"),
            ),
        };
        Fact::new(kind::OPENAPI_SPEC_READY, holds, reason, message)
    }
}

/// Whether a decision counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Its request exists.
    Valid(RequestId),
    /// Its request does not exist.
    RequestNotFound(RequestId),
    /// Its request is going away.
    RequestDeleting(RequestId),
    /// It was given for other terms than its request has.
    TermsChanged(RequestId),
    /// It is by whoever asks.
    OwnRequest(RequestId),
    /// It is a denial, of something else than its request asks for.
    NotDenied(RequestId),
    /// It was a denial that stands, of something else, and would go with the request.
    DenialStands(RequestId),
}

impl Validity {
    /// How it reads on the wire.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Valid(id) => Fact::new(
                kind::VALID,
                true,
                "Valid",
                format!("References existing APIKeyRequest {id}"),
            ),
            Self::RequestNotFound(id) => Fact::new(
                kind::VALID,
                false,
                "APIKeyRequestNotFound",
                format!("Referenced APIKeyRequest {id} not found"),
            ),
            Self::RequestDeleting(id) => Fact::new(
                kind::VALID,
                false,
                "APIKeyRequestDeleting",
                format!("Referenced APIKeyRequest {id} is being deleted"),
            ),
            Self::TermsChanged(id) => Fact::new(
                kind::VALID,
                false,
                "TermsChanged",
                format!("APIKeyRequest {id} has changed since it was reviewed: review it again"),
            ),
            Self::OwnRequest(id) => Fact::new(
                kind::VALID,
                false,
                "OwnRequest",
                format!(
                    "APIKeyRequest {id} is the reviewer's own: somebody else has to approve it"
                ),
            ),
            Self::NotDenied(id) => Fact::new(
                kind::VALID,
                false,
                "NotDenied",
                format!(
                    "APIKeyRequest {id} asks for something else than this denies: see status.denies"
                ),
            ),
            Self::DenialStands(id) => Fact::new(
                kind::VALID,
                false,
                "DenialStands",
                format!(
                    "This was a denial that stands and would be lost with APIKeyRequest {id}: \
                     approve that with an APIKeyApproval of another name"
                ),
            ),
        }
    }
}

/// How it reads on a decision that another counts in its place.
pub fn overruled(by: &ApprovalId, review: &Review) -> Fact {
    let message = format!(
        "APIKeyApproval {by} by {} counts instead: it was made at {}, which is no earlier. Decide \
         again with a later reviewedAt",
        review.by, review.at
    );
    Fact::new(kind::OVERRULED, true, "NewerDecision", message)
}

/// How it reads on a denial that it holds whatever becomes of the request: whom it keeps from
/// what.
pub fn denial_stands<'a>(denied: impl IntoIterator<Item = (&'a str, ProductId)>) -> Fact {
    let each = denied.into_iter().map(|(user, product)| {
        format!("APIProduct {product} approves nothing automatically for {user}")
    });
    let each: Vec<_> = each.collect();
    let message = format!(
        "{} until this denial is deleted or overruled: a person decides",
        each.join(", ")
    );
    Fact::new(kind::STANDS, true, "RequesterDenied", message)
}

/// How it reads on a key that it is not approved by itself.
pub fn requester_denied(denial: &ApprovalId) -> Fact {
    let message = format!(
        "The owner denied this requester ({denial}): the product does not approve automatically, a \
         person decides"
    );
    Fact::new(kind::AUTOMATIC_APPROVAL, false, "RequesterDenied", message)
}

/// How it reads on a key that a person decided, and not for all that was asked for: so they decide
/// about more, too.
pub fn person_decided(approval: &ApprovalId) -> Fact {
    let message = format!(
        "A person decided about this request ({approval}): the product does not approve more \
         automatically, a person decides"
    );
    Fact::new(kind::AUTOMATIC_APPROVAL, false, "PersonDecided", message)
}

/// How it reads on a key, and its request, that more is asked for than was approved.
pub fn change_awaits_decision() -> Fact {
    let message = "More is asked for than was approved, and nobody has decided about it yet";
    Fact::new(kind::CHANGE_APPROVED, false, AWAITING_REAPPROVAL, message)
}

/// How it reads on a key, and its request, that it asks for another product than was approved, which
/// is not there to be decided about.
pub fn change_is_blocked(by: &Blocker) -> Fact {
    let (reason, words) = by.text();
    let message = format!("{words}: nobody can decide about it. What was approved goes on");
    Fact::new(kind::CHANGE_APPROVED, false, reason, message)
}

/// How it reads on a key that its product is a draft.
pub fn product_is_draft(product: &ProductId) -> Fact {
    let message = format!(
        "APIProduct {product} is a draft and approves nothing automatically until it is published: \
         a person decides"
    );
    Fact::new(kind::AUTOMATIC_APPROVAL, false, "ProductDraft", message)
}

/// The words of an automatic approval.
pub mod auto {
    /// `reviewedBy`.
    pub const REVIEWER: &str = "system";
    /// `reason`.
    pub const REASON: &str = "AutoApproved";
    /// `message`.
    pub const MESSAGE: &str = "Automatically approved based on APIProduct approval mode";
}

/// The words of a decision that was taken by patching `status.phase`.
pub mod by_phase {
    /// `reviewedBy` where the patch named nobody.
    pub const NOBODY: &str = "unknown";
    /// `reason`.
    pub const REASON: &str = "PhasePatched";
    /// `reason` of a decision that version 0.1 left in the status.
    pub const INHERITED: &str = "Inherited";
}
