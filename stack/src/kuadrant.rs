//! How do kuadrant-operator and Authorino run without a cluster?
//!
//! Both listen on all interfaces and have no option against it. So they get a
//! network of their own where that is permitted, and are reached by relays.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    apply,
    control_plane::{API_SERVER, client},
    core::Core,
    images,
    persona::Persona,
    pin::Program,
    port::loopback,
    process::{Launch, Probe},
    relay,
    room::Room,
    stand_in,
};

/// The namespace of Kuadrant, where enforcement Secrets live.
pub const NAMESPACE: &str = "kuadrant-system";

/// Where the operator talks to its extensions, under a name that cannot be changed.
pub(crate) const SOCKETS: &str = "/tmp/kuadrant";

pub(crate) const OPERATOR: &str = "kuadrant-operator";
pub(crate) const AUTHORINO: &str = "authorino";
/// The port of Authorino's gRPC service, as reached from the machine.
pub(crate) const AUTHORINO_GRPC: &str = "authorino-grpc";

const PATIENCE: Duration = Duration::from_mins(1);

/// A listener of these two, with the port it has in a network of its own.
const LISTENERS: [(&str, u16); 9] = [
    (AUTHORINO, 5001),
    (AUTHORINO_GRPC, 50051),
    ("authorino-oidc", 8083),
    ("authorino-metrics", 8080),
    ("authorino-health", 8081),
    ("authorino-pprof", 8084),
    ("operator-metrics", 8180),
    ("operator-health", 8181),
    ("operator-extensions", 50052),
];
const OPERATOR_WASM: (&str, u16) = ("operator-wasm", 18082);

/// Where each of the two listens, seen from where it runs.
struct Inside {
    private: bool,
    ports: Vec<(&'static str, u16)>,
}

impl Inside {
    fn port(&self, name: &str) -> u16 {
        self.ports
            .iter()
            .find(|(other, _)| *other == name)
            .map_or(0, |(_, port)| *port)
    }

    fn addr(&self, name: &str) -> String {
        loopback(self.port(name)).to_string()
    }
}

pub(crate) async fn start(core: &Core) -> Result<()> {
    let room = core.enter_private_room();
    let listeners = LISTENERS.into_iter().chain([OPERATOR_WASM]);
    let inside = if room.is_private() {
        // The same ports in each such network: nothing else is in there.
        Inside {
            private: true,
            ports: listeners.collect(),
        }
    } else {
        core.progress().warn(
            "no network namespace permitted (not root?): authorino and kuadrant-operator \
             listen on all interfaces of this machine",
        );
        let ports: Result<Vec<_>> = listeners
            .map(|(name, _)| Ok((name, core.choose_port(name)?)))
            .collect();
        Inside {
            private: false,
            ports: ports?,
        }
    };
    if inside.private {
        open_relays(core, &room, &inside).await?;
    }
    core.fresh_folder(stand_in::ROUTES_FOLDER)?;
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    stand_in::start(client, stand_in::routes_path(core.state_dir()))?;
    core.start_in(Arc::clone(&room), operator(core, &inside).await?, PATIENCE)
        .await?;
    core.start_in(room, authorino(core, &inside).await?, PATIENCE)
        .await
}

/// The objects that make Kuadrant exist; its operator makes the rest.
pub(crate) async fn configure(state_dir: &Path) -> Result<()> {
    let client = client(state_dir, Persona::ClusterAdmin).await?;
    apply::objects(
        &client,
        &[
            json!({
                "apiVersion": "kuadrant.io/v1beta1",
                "kind": "Kuadrant",
                "metadata": {"name": "kuadrant", "namespace": NAMESPACE},
            }),
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": {"name": "istio"},
                "spec": {"controllerName": stand_in::CONTROLLER_NAME},
            }),
        ],
    )
    .await
}

async fn open_relays(core: &Core, room: &Arc<Room>, inside: &Inside) -> Result<()> {
    let api = loopback(
        core.find_port(API_SERVER)
            .context("the API server comes first")?,
    );
    relay::start(Arc::clone(room), api, core.shared_room(), api).await?;
    for name in [AUTHORINO, AUTHORINO_GRPC] {
        let outside = loopback(core.choose_port(name)?);
        let within = loopback(inside.port(name));
        relay::start(core.shared_room(), outside, Arc::clone(room), within).await?;
    }
    Ok(())
}

async fn operator(core: &Core, inside: &Inside) -> Result<Launch> {
    // The operator looks for <folder>/<name>/<name>.
    let extensions = core.fresh_folder("extensions")?;
    let plan_policy = extensions.join("plan-policy");
    std::fs::create_dir_all(&plan_policy)?;
    std::os::unix::fs::symlink(
        core.program(Program::PlanPolicy).await?,
        plan_policy.join("plan-policy"),
    )?;
    Ok(Launch {
        name: OPERATOR.into(),
        program: core.program(Program::KuadrantOperator).await?,
        args: vec![
            format!("--metrics-bind-address={}", inside.addr("operator-metrics")),
            format!(
                "--health-probe-bind-address={}",
                inside.addr("operator-health")
            ),
        ],
        env: vec![
            kubeconfig(core),
            ("OPERATOR_NAMESPACE".into(), NAMESPACE.into()),
            // What it runs once its Kuadrant resource asks for a developer portal.
            ("RELATED_IMAGE_DEVELOPERPORTAL".into(), images::ours()),
            ("EXTENSIONS_DIR".into(), extensions.display().to_string()),
            (
                "EXTENSIONS_DESCRIPTOR_SERVICE_PORT".into(),
                inside.port("operator-extensions").to_string(),
            ),
            (
                "WASM_SERVER_PORT".into(),
                inside.port(OPERATOR_WASM.0).to_string(),
            ),
        ],
        port: None,
        probe: Probe::Answers(loopback(inside.port("operator-health")), "/readyz".into()),
    })
}

async fn authorino(core: &Core, inside: &Inside) -> Result<Launch> {
    Ok(Launch {
        name: AUTHORINO.into(),
        program: core.program(Program::Authorino).await?,
        args: vec![
            "server".into(),
            format!("--ext-auth-http-port={}", inside.port(AUTHORINO)),
            // Of the usual one it keeps nothing larger than 1 KiB, which a Secret is.
            "--evaluator-cache-size=8".into(),
            format!("--ext-auth-grpc-port={}", inside.port(AUTHORINO_GRPC)),
            format!("--oidc-http-port={}", inside.port("authorino-oidc")),
            format!("--metrics-addr={}", inside.addr("authorino-metrics")),
            format!("--health-probe-addr={}", inside.addr("authorino-health")),
            format!("--pprof-bind-address={}", inside.addr("authorino-pprof")),
        ],
        env: vec![kubeconfig(core)],
        port: core.find_port(AUTHORINO),
        probe: Probe::Listens(loopback(inside.port(AUTHORINO))),
    })
}

fn kubeconfig(core: &Core) -> (String, String) {
    let path = Persona::ClusterAdmin.kubeconfig(core.state_dir());
    ("KUBECONFIG".into(), path.display().to_string())
}
