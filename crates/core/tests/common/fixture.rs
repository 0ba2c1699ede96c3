//! Objects by adjectives: `key("alice").brought("my-secret")`.

use std::collections::BTreeMap;

use devportal_api::approval::{APIKeyApprovalSpec, ApiKeyRequestRef};
use devportal_api::foreign::{
    AuthPolicy, AuthPolicySpec, AuthRules, AuthRulesBlock, AuthenticationSpec, GATEWAY_GROUP,
    Gateway, GatewaySpec, HTTPRoute, HttpRouteSpec, HttpRouteStatus, Kuadrant, Listener, ParentRef,
    PlanPolicy, PlanPolicySpec, PlanSpec, PolicyStatus, PolicyTarget, RouteParentStatus, RouteRule,
    Strategy,
};
use devportal_api::id::{KeyId, ProductId, RequestId};
use devportal_api::key::{ApiProductRef, Delivery, RequestedBy, SecretRef};
use devportal_api::product::{ApprovalMode, PublishStatus, TargetRef};
use devportal_api::scheme::{ApiKeyAuthentication, JwtAuthentication, Limits, Plan};
use devportal_api::{APIKey, APIKeyApproval, APIKeySpec, APIProduct, APIProductSpec, name};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::Resource;

/// Where consumers have their keys.
pub const CONSUMER: &str = "consumer";
/// Where the owners have products, routes and policies.
pub const OWNER: &str = "owner";
/// Where the gateway reads credentials.
pub const KUADRANT: &str = "kuadrant-system";

/// So many seconds after the beginning of the test.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub fn key_id(name: &str) -> KeyId {
    KeyId::new(CONSUMER, name)
}

pub fn product_id(name: &str) -> ProductId {
    ProductId::new(OWNER, name)
}

/// The request of a key for a product in the owner's namespace.
pub fn request_id(key: &str) -> RequestId {
    name::request(&key_id(key), &product_id("any"))
}

/// A key of the generated kind, for the product `games`, on the tier `gold`.
pub fn key(name: &str) -> APIKey {
    let spec = APIKeySpec {
        api_product_ref: ApiProductRef {
            name: "games".into(),
            namespace: Some(OWNER.into()),
        },
        secret_ref: None,
        delivery: None,
        plan_tier: "gold".into(),
        use_case: None,
        requested_by: RequestedBy {
            user_id: name.into(),
            email: "someone@example.com".into(),
        },
        expires_at: None,
        rotation: None,
    };
    let mut key = APIKey::new(name, spec);
    key.meta_mut().namespace = Some(CONSUMER.into());
    key
}

pub trait KeyAdjectives: Sized {
    fn brought(self, secret: &str) -> Self;
    fn shown_once(self) -> Self;
    fn on_tier(self, tier: &str) -> Self;
    fn expiring(self, at: Timestamp) -> Self;
    fn asking_for(self, product: &str) -> Self;
}

impl KeyAdjectives for APIKey {
    fn brought(mut self, secret: &str) -> Self {
        let name = secret.into();
        self.spec.secret_ref = Some(SecretRef { name });
        self
    }

    fn shown_once(mut self) -> Self {
        self.spec.delivery = Some(Delivery::Once);
        self
    }

    fn on_tier(mut self, tier: &str) -> Self {
        self.spec.plan_tier = tier.into();
        self
    }

    fn expiring(mut self, at: Timestamp) -> Self {
        self.spec.expires_at = Some(Time(at));
        self
    }

    fn asking_for(mut self, product: &str) -> Self {
        self.spec.api_product_ref.name = product.into();
        self
    }
}

/// The product `games`, approved by a person, on the route `games`.
pub fn product() -> APIProduct {
    product_named("games")
}

/// A product on the route of the same name.
pub fn product_named(name: &str) -> APIProduct {
    let spec = APIProductSpec {
        display_name: name.into(),
        description: None,
        version: None,
        approval_mode: ApprovalMode::Manual,
        tags: vec![],
        target_ref: TargetRef {
            group: GATEWAY_GROUP.into(),
            kind: "HTTPRoute".into(),
            name: name.into(),
        },
        documentation: None,
        contact: None,
        publish_status: PublishStatus::Published,
        owner: None,
        visibility: None,
        auth_rule: None,
    };
    let mut product = APIProduct::new(name, spec);
    product.meta_mut().namespace = Some(OWNER.into());
    product
}

pub trait ProductAdjectives: Sized {
    fn automatic(self) -> Self;
    fn finalized(self) -> Self;
}

impl ProductAdjectives for APIProduct {
    fn automatic(mut self) -> Self {
        self.spec.approval_mode = ApprovalMode::Automatic;
        self
    }

    fn finalized(mut self) -> Self {
        self.meta_mut().finalizers = Some(vec!["example.com/slow".into()]);
        self
    }
}

/// A condition as the cluster's other controllers write it.
pub fn condition(kind: &str, status: bool) -> Condition {
    Condition {
        type_: kind.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: "Told".into(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(at(0)),
    }
}

/// An accepted route on the Gateway `gateway`.
pub fn route(name: &str) -> HTTPRoute {
    let spec = HttpRouteSpec {
        hostnames: vec![format!("{name}.example.com")],
        rules: vec![RouteRule::default()],
        ..HttpRouteSpec::default()
    };
    let mut route = HTTPRoute::new(name, spec);
    route.meta_mut().namespace = Some(OWNER.into());
    route.status = Some(HttpRouteStatus {
        parents: vec![RouteParentStatus {
            parent_ref: parent("gateway"),
            conditions: vec![condition("Accepted", true)],
        }],
    });
    route.on(parent("gateway"))
}

/// The Gateway `gateway`, with these listeners for routes of its namespace, all of one port.
pub fn gateway(listeners: &[(&str, Option<&str>)]) -> Gateway {
    let listeners = listeners.iter().map(|&(name, hostname)| Listener {
        name: name.into(),
        hostname: hostname.map(str::to_owned),
        port: 80,
        protocol: "HTTP".into(),
        allowed_routes: None,
    });
    let spec = GatewaySpec {
        listeners: listeners.collect(),
    };
    let mut gateway = Gateway::new("gateway", spec);
    gateway.meta_mut().namespace = Some(OWNER.into());
    gateway
}

pub fn parent(name: &str) -> ParentRef {
    ParentRef {
        name: name.into(),
        ..ParentRef::default()
    }
}

pub trait RouteAdjectives: Sized {
    fn on(self, parent: ParentRef) -> Self;
    fn unattached(self) -> Self;
    fn not_accepted(self) -> Self;
}

impl RouteAdjectives for HTTPRoute {
    fn on(mut self, parent: ParentRef) -> Self {
        self.spec.parent_refs.push(parent);
        self
    }

    fn unattached(mut self) -> Self {
        self.spec.parent_refs.clear();
        self
    }

    fn not_accepted(mut self) -> Self {
        self.status = None;
        self
    }
}

pub fn target(kind: &str, name: &str) -> PolicyTarget {
    PolicyTarget {
        group: GATEWAY_GROUP.into(),
        kind: kind.into(),
        name: name.into(),
        section_name: None,
    }
}

/// An accepted and enforced policy on the route of the same name, that takes
/// API keys by the label `api`.
pub fn auth(name: &str) -> AuthPolicy {
    let spec = AuthPolicySpec {
        target_ref: target("HTTPRoute", name),
        rules: Some(rules([("keys", api_key(&[("api", name)]))])),
        ..AuthPolicySpec::default()
    };
    let mut policy = AuthPolicy::new(name, spec);
    policy.meta_mut().namespace = Some(OWNER.into());
    policy.status = Some(PolicyStatus {
        conditions: vec![condition("Accepted", true), condition("Enforced", true)],
        ..PolicyStatus::default()
    });
    policy
}

pub fn rules<const N: usize>(named: [(&str, AuthenticationSpec); N]) -> AuthRules {
    AuthRules {
        authentication: named.map(|(name, rule)| (name.to_owned(), rule)).into(),
        ..AuthRules::default()
    }
}

/// A rule for API keys of these labels.
pub fn api_key(labels: &[(&str, &str)]) -> AuthenticationSpec {
    let labels: BTreeMap<_, _> = labels
        .iter()
        .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
        .collect();
    AuthenticationSpec {
        api_key: Some(ApiKeyAuthentication {
            selector: Some(LabelSelector {
                match_labels: Some(labels),
                match_expressions: None,
            }),
            all_namespaces: false,
        }),
        ..AuthenticationSpec::default()
    }
}

pub fn jwt(issuer: &str) -> AuthenticationSpec {
    AuthenticationSpec {
        jwt: Some(JwtAuthentication {
            issuer_url: Some(issuer.into()),
        }),
        ..AuthenticationSpec::default()
    }
}

pub trait PolicyAdjectives: Sized {
    fn on_gateway(self, gateway: &str) -> Self;
    fn on_section(self, section: &str) -> Self;
    fn with(self, rules: AuthRules) -> Self;
    fn defaulting(self, strategy: Strategy) -> Self;
    fn overriding(self, strategy: Strategy) -> Self;
    fn saying(self, conditions: &[(&str, bool)]) -> Self;
    fn tell(&mut self, conditions: &[(&str, bool)]);
}

impl PolicyAdjectives for AuthPolicy {
    fn on_gateway(mut self, gateway: &str) -> Self {
        self.spec.target_ref = target("Gateway", gateway);
        self
    }

    fn on_section(mut self, section: &str) -> Self {
        self.spec.target_ref.section_name = Some(section.into());
        self
    }

    fn with(mut self, rules: AuthRules) -> Self {
        self.spec.rules = Some(rules);
        self
    }

    fn defaulting(mut self, strategy: Strategy) -> Self {
        let rules = self.spec.rules.take();
        self.spec.defaults = Some(AuthRulesBlock {
            strategy,
            rules,
            ..AuthRulesBlock::default()
        });
        self
    }

    fn overriding(mut self, strategy: Strategy) -> Self {
        let rules = self.spec.rules.take();
        self.spec.overrides = Some(AuthRulesBlock {
            strategy,
            rules,
            ..AuthRulesBlock::default()
        });
        self
    }

    fn saying(mut self, conditions: &[(&str, bool)]) -> Self {
        self.tell(conditions);
        self
    }

    fn tell(&mut self, conditions: &[(&str, bool)]) {
        let conditions = conditions
            .iter()
            .map(|(kind, status)| condition(kind, *status))
            .collect();
        self.status = Some(PolicyStatus {
            conditions,
            ..PolicyStatus::default()
        });
    }
}

/// The same under another name.
pub fn named<K: kube::Resource>(mut object: K, name: &str) -> K {
    object.meta_mut().name = Some(name.into());
    object
}

/// Gold and silver, for the route of the same name.
pub fn plans(name: &str) -> PlanPolicy {
    let spec = PlanPolicySpec {
        target_ref: target("HTTPRoute", name),
        plans: vec![plan("gold", 1000), plan("silver", 100)],
    };
    let mut policy = PlanPolicy::new(name, spec);
    policy.meta_mut().namespace = Some(OWNER.into());
    policy
}

pub fn plan(tier: &str, daily: i64) -> PlanSpec {
    let limits = Limits {
        daily: Some(daily),
        ..Limits::default()
    };
    plan_of(tier, limits)
}

/// Plans as a product shows them.
pub fn shown(plans: &[PlanSpec]) -> Vec<Plan> {
    plans.iter().map(Plan::from).collect()
}

/// A plan for the keys of its tier.
pub fn plan_of(tier: &str, limits: Limits) -> PlanSpec {
    PlanSpec {
        tier: tier.into(),
        limits,
        predicate: format!(
            "auth.identity.metadata.annotations[\"{}\"] == \"{tier}\"",
            name::annotation::PLAN
        ),
    }
}

pub fn kuadrant() -> Kuadrant {
    kuadrant_in(KUADRANT)
}

pub fn kuadrant_in(namespace: &str) -> Kuadrant {
    let mut kuadrant = Kuadrant::default();
    kuadrant.metadata.name = Some("kuadrant".into());
    kuadrant.metadata.namespace = Some(namespace.into());
    kuadrant
}

/// A person's decision about the request of a key, in the owner's namespace.
pub fn approval(name: &str, key: &str, approved: bool, reviewed_at: Timestamp) -> APIKeyApproval {
    let spec = APIKeyApprovalSpec {
        api_key_request_ref: ApiKeyRequestRef {
            name: request_id(key).name.into(),
        },
        approved,
        reviewed_by: "olga".into(),
        reviewed_at: Time(reviewed_at),
        reason: None,
        message: None,
        plan_tier: None,
        expires_at: None,
        terms: None,
    };
    let mut approval = APIKeyApproval::new(name, spec);
    approval.meta_mut().namespace = Some(OWNER.into());
    approval
}

pub trait ApprovalAdjectives: Sized {
    fn granting(self, tier: &str) -> Self;
    fn until(self, at: Timestamp) -> Self;
    /// Of whoever was shown these terms.
    fn of_terms(self, terms: String) -> Self;
}

impl ApprovalAdjectives for APIKeyApproval {
    fn granting(mut self, tier: &str) -> Self {
        self.spec.plan_tier = Some(tier.into());
        self
    }

    fn until(mut self, at: Timestamp) -> Self {
        self.spec.expires_at = Some(Time(at));
        self
    }

    fn of_terms(mut self, terms: String) -> Self {
        self.spec.terms = Some(terms);
        self
    }
}
