//! How does a request reach an API? Through Envoy, which asks Authorino who is
//! there and the rate-limit service whether there is room.
//!
//! Envoy's routes come from a file that the [stand-in](crate::stand_in) writes;
//! the rest of its configuration stays as it is made here.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    core::Core,
    kuadrant,
    ours::{self, KUBECONFIG},
    persona::Persona,
    pin::Program,
    port::loopback,
    process::{Launch, Probe},
    stand_in::{
        self,
        envoy::{ROUTES, UPSTREAM},
    },
    upstream,
};

/// The port that clients call; also the name in `env`.
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const ENVOY: &str = "envoy";
pub(crate) const LIMITER: &str = "rate-limit";
const ADMIN: &str = "envoy-admin";

const PATIENCE: Duration = Duration::from_mins(1);
/// How long Authorino and the rate-limit service may take. Kuadrant's 200 ms
/// and 100 ms are for machines that do less besides.
const ASK_WITHIN: &str = "1s";

/// Starts the rate-limit service, the upstream and Envoy.
pub(crate) async fn start(core: &Core, limiter: PathBuf) -> Result<()> {
    let limits = loopback(core.choose_port(LIMITER)?);
    core.start(
        Launch {
            name: LIMITER.into(),
            program: limiter,
            args: vec![format!("--listen={limits}")],
            env: vec![(
                KUBECONFIG.into(),
                Persona::ClusterAdmin
                    .kubeconfig(core.state_dir())
                    .display()
                    .to_string(),
            )],
            port: Some(limits.port()),
            probe: Probe::Listens(limits),
        },
        PATIENCE,
    )
    .await?;
    let echo = core.choose_port(UPSTREAM)?;
    upstream::serve(echo).await?;
    let authorino = core
        .find_port(kuadrant::AUTHORINO_GRPC)
        .context("the gateway asks Authorino: start the part kuadrant too")?;
    let around = Around {
        listen: loopback(core.choose_port(GATEWAY)?),
        admin: loopback(core.choose_port(ADMIN)?),
        authorino: loopback(authorino),
        limits,
        upstream: loopback(echo),
        routes: stand_in::routes_path(core.state_dir()),
    };
    let folder = core.fresh_folder(ENVOY)?;
    let config = folder.join("envoy.json");
    fs::write(&config, serde_json::to_vec_pretty(&around.config())?)?;
    core.start(
        Launch {
            name: ENVOY.into(),
            program: core.program(Program::Envoy).await?,
            args: vec![
                "--config-path".into(),
                config.display().to_string(),
                "--concurrency".into(),
                "1".into(),
                "--disable-hot-restart".into(),
                "--log-level".into(),
                "warn".into(),
            ],
            env: Vec::new(),
            port: Some(around.listen.port()),
            probe: Probe::Answers(around.admin, "/ready".into()),
        },
        PATIENCE,
    )
    .await
}

/// Our rate-limit service, built now.
pub(crate) async fn build_limiter() -> Result<PathBuf> {
    ours::build("devportal-ratelimit").await
}

/// Where Envoy listens, and whom it meets.
struct Around {
    listen: SocketAddr,
    admin: SocketAddr,
    authorino: SocketAddr,
    limits: SocketAddr,
    upstream: SocketAddr,
    routes: PathBuf,
}

impl Around {
    fn config(&self) -> Value {
        let folder = self.routes.parent().unwrap_or(&self.routes);
        let filters = json!([
            filter(
                "envoy.filters.http.ext_authz",
                "ext_authz.v3.ExtAuthz",
                json!({
                    "transport_api_version": "V3",
                    "grpc_service": ask("authorino"),
                    // Who cannot be checked does not get in; Kuadrant's shim answers
                    // 500 as well.
                    "failure_mode_allow": false,
                    "status_on_error": {"code": "InternalServerError"},
                })
            ),
            filter(
                "envoy.filters.http.ratelimit",
                "ratelimit.v3.RateLimit",
                json!({
                    // Each route says its own.
                    "domain": "none",
                    "timeout": ASK_WITHIN,
                    "rate_limit_service": {
                        "transport_api_version": "V3",
                        "grpc_service": ask("rate-limit"),
                    },
                    // As the operator tells the shim: without the service, no limits.
                    "failure_mode_deny": false,
                })
            ),
            filter("envoy.filters.http.router", "router.v3.Router", json!({})),
        ]);
        let manager = json!({
            "@type": format!("{NETWORK_FILTER}.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "gateway",
            "strip_any_host_port": true,
            "rds": {
                "route_config_name": ROUTES,
                "config_source": {
                    "resource_api_version": "V3",
                    "path_config_source": {
                        "path": self.routes,
                        "watched_directory": {"path": folder},
                    },
                },
            },
            "http_filters": filters,
        });
        json!({
            // Asked for by its file watch; nobody reads it.
            "node": {"id": "gateway", "cluster": "local"},
            "admin": {"address": address(self.admin)},
            "static_resources": {
                "listeners": [{
                    "name": "gateway",
                    "address": address(self.listen),
                    "filter_chains": [{"filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }]}],
                }],
                "clusters": [
                    cluster(UPSTREAM, self.upstream),
                    grpc(cluster("authorino", self.authorino)),
                    grpc(cluster("rate-limit", self.limits)),
                ],
            },
        })
    }
}

const NETWORK_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.network";
const HTTP_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http";

fn filter(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = format!("{HTTP_FILTER}.{kind}").into();
    json!({"name": name, "typed_config": config})
}

fn ask(cluster: &str) -> Value {
    json!({"envoy_grpc": {"cluster_name": cluster}, "timeout": ASK_WITHIN})
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip(), "port_value": at.port()}})
}

fn cluster(name: &str, at: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(at)}}]}],
        },
    })
}

fn grpc(mut cluster: Value) -> Value {
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    cluster
}
