//! How does a consumer present a credential? The shared vocabulary of
//! AuthPolicy, `APIProduct.status` and `APIKey.status`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The authentication rules discovered for a route, by rule name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoveredAuthScheme {
    /// The rules a consumer can satisfy: API keys and JWTs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authentication: BTreeMap<String, AuthenticationRule>,
}

/// One authentication rule, reduced to what a consumer needs to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationRule {
    /// Set when the rule accepts API keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyAuthentication>,
    /// Set when the rule accepts JSON Web Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtAuthentication>,
    /// Where the credential goes in a request; absent means
    /// `Authorization: Bearer <credential>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// Which Secrets hold valid API keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyAuthentication {
    /// The labels a Secret must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Whether Secrets in every namespace count, or only those in the Kuadrant
    /// namespace.
    #[serde(default)]
    pub all_namespaces: bool,
}

/// Who issues accepted tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtAuthentication {
    /// The OpenID Connect issuer; discovery is at
    /// `{issuerUrl}/.well-known/openid-configuration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_url: Option<String>,
}

/// Where a credential goes in a request: exactly one of four places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// `Authorization: <prefix> <credential>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_header: Option<Prefixed>,
    /// A custom header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_header: Option<Named>,
    /// A parameter of the query string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_string: Option<Named>,
    /// A cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Named>,
}

impl Credentials {
    /// Where a credential goes, said in full: nothing said means `Authorization: Bearer`.
    pub fn or_bearer(it: Option<&Self>) -> Self {
        let mut whole = it.cloned().unwrap_or_default();
        let Self {
            authorization_header,
            custom_header,
            query_string,
            cookie,
        } = &mut whole;
        if custom_header.is_none() && query_string.is_none() && cookie.is_none() {
            let header = authorization_header.get_or_insert_default();
            if header.prefix.is_empty() {
                "Bearer".clone_into(&mut header.prefix);
            }
        }
        whole
    }
}

/// The word before the credential in the Authorization header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prefixed {
    /// Matched exactly and case-sensitively, followed by one space.
    #[serde(default)]
    pub prefix: String,
}

/// The name of a header, query parameter or cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// The `authScheme` of an APIKey's status: the rule its credential satisfies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthScheme {
    /// Which Secrets the gateway accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_spec: Option<ApiKeyAuthentication>,
    /// Where to put the key in a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// How many requests a plan allows per period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Requests per day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<i64>,
    /// Requests per week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<i64>,
    /// Requests per month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<i64>,
    /// Requests per year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yearly: Option<i64>,
    /// Limits over other periods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<Rate>,
}

/// A limit over a period of the owner's choosing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Requests per window.
    pub limit: i64,
    /// The period, for example `10s` or `1h30m`.
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub window: String,
}

/// One plan a consumer can ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The tier's name, unique in its PlanPolicy.
    pub tier: String,
    /// What the tier allows.
    #[serde(default)]
    pub limits: Limits,
}
