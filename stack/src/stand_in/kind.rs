//! Which kinds does the stand-in look at, and as whom?

use kube::api::ApiResource;
use serde_json::Value;

/// The Gateway controller we stand in for.
pub(crate) const CONTROLLER_NAME: &str = "istio.io/gateway-controller";

/// The kinds whose statuses nobody else sets here, and those that Envoy needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    GatewayClass,
    Gateway,
    HttpRoute,
    GrpcRoute,
    Authorino,
    Limitador,
    /// Watched for Envoy's sake only.
    AuthConfig,
    /// Watched for Envoy's sake only.
    EnvoyFilter,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::GatewayClass,
        Self::Gateway,
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::Authorino,
        Self::Limitador,
        Self::AuthConfig,
        Self::EnvoyFilter,
    ];

    pub(super) fn resource(self) -> ApiResource {
        let gateway_api = "gateway.networking.k8s.io";
        let (group, version, kind, plural) = match self {
            Self::GatewayClass => (gateway_api, "v1", "GatewayClass", "gatewayclasses"),
            Self::Gateway => (gateway_api, "v1", "Gateway", "gateways"),
            Self::HttpRoute => (gateway_api, "v1", "HTTPRoute", "httproutes"),
            Self::GrpcRoute => (gateway_api, "v1", "GRPCRoute", "grpcroutes"),
            Self::Authorino => (
                "operator.authorino.kuadrant.io",
                "v1beta1",
                "Authorino",
                "authorinos",
            ),
            Self::Limitador => (
                "limitador.kuadrant.io",
                "v1alpha1",
                "Limitador",
                "limitadors",
            ),
            Self::AuthConfig => (
                "authorino.kuadrant.io",
                "v1beta3",
                "AuthConfig",
                "authconfigs",
            ),
            Self::EnvoyFilter => (
                "networking.istio.io",
                "v1alpha3",
                "EnvoyFilter",
                "envoyfilters",
            ),
        };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

pub(super) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
