//! How do etcd, the API server and the controller manager run on one machine?

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    core::Core,
    part::Part,
    persona::{Persona, secret},
    pin::Program,
    pods,
    port::loopback,
    process::{Launch, Probe},
};

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ETCD: &str = "etcd";
pub(crate) const API_SERVER: &str = "kube-apiserver";
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// The API server's certificate and its authority, in the folder of a stack.
const CERTIFICATE: &str = "kube-apiserver/apiserver.crt";

const CONTROLLERS: [&str; 4] = [
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
];

/// What makes pods of what is deployed, and gives them what they count on.
const CONTROLLERS_OF_PODS: [&str; 11] = [
    "deployment-controller",
    "replicaset-controller",
    "daemonset-controller",
    "job-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    // Takes away the taint of a node that has become ready.
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
];

const AUDIT_POLICY: &str = "\
# Who changed what, never with content: bodies may hold keys.
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

pub(crate) async fn start_etcd(core: &Core) -> Result<()> {
    let (client, peer) = (core.choose_port(ETCD)?, core.choose_port("etcd-peer")?);
    let (client_url, peer_url) = (
        format!("http://{}", loopback(client)),
        format!("http://{}", loopback(peer)),
    );
    let data = core.fresh_folder("etcd")?;
    let launch = Launch {
        name: ETCD.into(),
        program: core.program(Program::Etcd).await?,
        args: args(&[
            ("name", "devportal"),
            ("data-dir", &data.display().to_string()),
            ("listen-client-urls", &client_url),
            ("advertise-client-urls", &client_url),
            ("listen-peer-urls", &peer_url),
            ("initial-advertise-peer-urls", &peer_url),
            ("initial-cluster", &format!("devportal={peer_url}")),
            // Nothing here must outlive a power cut.
            ("unsafe-no-fsync", "true"),
            ("log-level", "warn"),
        ]),
        env: Vec::new(),
        port: Some(client),
        probe: Probe::Answers(loopback(client), "/health".into()),
    };
    core.start(launch, PATIENCE).await
}

pub(crate) async fn start_api_server(core: &Core) -> Result<()> {
    let (etcd, port) = (
        core.find_port(ETCD).context("etcd comes first")?,
        core.choose_port(API_SERVER)?,
    );
    let folder = core.fresh_folder("kube-apiserver")?;
    let file = |name: &str| folder.join(name).display().to_string();
    let signing_key = rcgen::KeyPair::generate()?;
    secret(&folder.join("sa.key"), &signing_key.serialize_pem())?;
    fs::write(folder.join("sa.pub"), signing_key.public_key_pem())?;
    core.tokens().write(&folder.join("tokens.csv"))?;
    fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
    let audit_log = core.audit_log();
    if audit_log.exists() {
        fs::remove_file(&audit_log)?;
    }
    let (certificate, key) = (file("kubelet-client.crt"), file("kubelet-client.key"));
    let of_node = if core.options.has(Part::Node) {
        pods::write_client(&folder)?;
        vec![
            ("authorization-mode", "Node,RBAC"),
            ("enable-admission-plugins", "NodeRestriction"),
            ("kubelet-client-certificate", certificate.as_str()),
            ("kubelet-client-key", key.as_str()),
            ("kubelet-preferred-address-types", "Hostname"),
        ]
    } else {
        vec![
            ("authorization-mode", "RBAC"),
            ("disable-admission-plugins", "ServiceAccount"),
        ]
    };
    let launch = Launch {
        name: API_SERVER.into(),
        program: core.program(Program::KubeApiserver).await?,
        args: [
            args(&[
                ("etcd-servers", &format!("http://{}", loopback(etcd))),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &port.to_string()),
                ("cert-dir", &folder.display().to_string()),
                ("anonymous-auth", "false"),
                ("token-auth-file", &file("tokens.csv")),
                ("service-account-key-file", &file("sa.pub")),
                ("service-account-signing-key-file", &file("sa.key")),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-cluster-ip-range", "10.0.0.0/24"),
                ("endpoint-reconciler-type", "none"),
                ("audit-policy-file", &file("audit-policy.yaml")),
                ("audit-log-path", &audit_log.display().to_string()),
                ("audit-log-mode", "blocking"),
                ("shutdown-delay-duration", "0s"),
                // A watch would keep a polite shutdown waiting for a minute.
                ("shutdown-watch-termination-grace-period", "0s"),
            ]),
            args(&of_node),
        ]
        .concat(),
        env: Vec::new(),
        port: Some(port),
        probe: Probe::Listens(loopback(port)),
    };
    core.start(launch, PATIENCE).await?;
    publish_certificate(core)?;
    wait_ready(core).await
}

/// Writes kubeconfigs that trust the API server.
fn publish_certificate(core: &Core) -> Result<()> {
    let port = core.find_port(API_SERVER).context("no API server")?;
    let server = format!("https://{}", loopback(port));
    // It made itself a certificate, followed by the authority that signed it.
    let authority = fs::read(core.state_dir().join(CERTIFICATE))
        .context("the API server made no certificate")?;
    core.tokens()
        .write_kubeconfigs(core.state_dir(), &server, &authority)
}

/// Has the API server make itself a certificate by another authority.
pub(crate) async fn replace_certificate(core: &Core) -> Result<()> {
    core.find_process(API_SERVER)?.stop().await;
    let certificate = core.state_dir().join(CERTIFICATE);
    fs::remove_file(certificate.with_extension("key"))?;
    fs::remove_file(certificate)?;
    core.restart(API_SERVER).await?;
    publish_certificate(core)?;
    wait_ready(core).await
}

/// Waits until the API server says that all its parts are ready.
pub(crate) async fn wait_ready(core: &Core) -> Result<()> {
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    let begun = tokio::time::Instant::now();
    loop {
        let request = http_get("/readyz")?;
        match client.request_text(request).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > PATIENCE => bail!(
                "{API_SERVER} was not ready within {PATIENCE:?} ({error}). The end of its log:\n{}",
                core.tail(API_SERVER)
            ),
            Err(_) => core.check_running(API_SERVER)?,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn start_controller_manager(core: &Core) -> Result<()> {
    let port = core.choose_port(CONTROLLER_MANAGER)?;
    let folder = core.state_dir().join(API_SERVER);
    let (key, authority) = (folder.join("sa.key"), core.state_dir().join(CERTIFICATE));
    let mut controllers = CONTROLLERS.to_vec();
    if core.options.has(Part::Node) {
        controllers.extend(CONTROLLERS_OF_PODS);
    }
    let controllers = controllers.join(",");
    let launch = Launch {
        name: CONTROLLER_MANAGER.into(),
        program: core.program(Program::KubeControllerManager).await?,
        args: args(&[
            (
                "kubeconfig",
                &Persona::ClusterAdmin
                    .kubeconfig(core.state_dir())
                    .display()
                    .to_string(),
            ),
            ("bind-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            ("leader-elect", "false"),
            // As in a cluster: each of its controllers with an account of its own.
            ("use-service-account-credentials", "true"),
            (
                "service-account-private-key-file",
                &key.display().to_string(),
            ),
            ("root-ca-file", &authority.display().to_string()),
            ("controllers", &controllers),
        ]),
        env: Vec::new(),
        port: Some(port),
        probe: Probe::Listens(loopback(port)),
    };
    core.start(launch, PATIENCE).await
}

/// A client that acts as a persona.
pub(crate) async fn client(state_dir: &Path, persona: Persona) -> Result<Client> {
    let path = persona.kubeconfig(state_dir);
    let kubeconfig =
        Kubeconfig::read_from(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    Ok(Client::try_from(config)?)
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

pub(crate) fn args(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
