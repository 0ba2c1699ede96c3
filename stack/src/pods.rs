//! How do pods run on this machine? On a real node: kubelet, containerd and runc.
//!
//! All of it, pods too, lives in a room of its own: the folders, mounts, bridge and
//! addresses are seen by nobody else, so that several stacks have the same ones, and end
//! with the last process in there. Relays are the only ways in and out: pods reach the
//! API server at the address they expect, and the API server reaches the kubelet, for
//! `kubectl logs`, `exec` and `port-forward`.
//!
//! There is no kube-proxy and no DNS: of all Services, that of the API server alone has
//! an address that works.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::{
    cgroup,
    control_plane::{API_SERVER, args, client},
    core::Core,
    images,
    persona::{Persona, secret},
    pin::Program,
    port::loopback,
    process::{Launch, Probe},
    relay,
    room::Room,
};

pub(crate) const SCHEDULER: &str = "kube-scheduler";
pub(crate) const CONTAINERD: &str = "containerd";
pub(crate) const KUBELET: &str = "kubelet";

/// The node's name. The API server looks for the kubelet by it, and finds the relay.
const NAME: &str = "localhost";
/// The Service of the API server, the first address of its range.
const API_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The node's own address: a kubelet wants one that is not loopback.
const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const PODS: &str = "10.0.2.0/24";

/// containerd's folder, short enough for sockets in it.
pub(crate) const RUN: &str = "/run/containerd";
/// Where it listens, in that folder.
pub(crate) const SOCKET: &str = "containerd.sock";
const KUBELET_ROOT: &str = "/var/lib/kubelet";
/// Folders whose names are fixed in the programs or too long elsewhere.
const FOLDERS: [&str; 4] = [RUN, KUBELET_ROOT, "/var/lib/cni", "/var/log/containers"];
/// What a kubelet changes about the kernel, all of the machine.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

const PATIENCE: Duration = Duration::from_mins(1);
/// How long pods may take to end.
const GRACE: Duration = Duration::from_secs(15);

/// Whether [`Part::Node`](crate::Part::Node) can be had here at all.
///
/// # Errors
///
/// When it cannot, with the reason.
pub fn permitted() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the part node needs root, for networks, mounts and control groups: \
         run it as root, or leave it out"
    );
    Room::private(&[], &[])?;
    runc().map(drop)
}

/// The distribution's: built from its Go module it does without seccomp.
fn runc() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("runc"))
        .find(|file| file.is_file())
        .context("the part node needs runc: install it, for example with apt-get install runc")
}

/// Makes what the API server shows to the kubelet; the kubelet trusts nobody else.
pub(crate) fn write_client(folder: &Path) -> Result<()> {
    let key = rcgen::KeyPair::generate()?;
    let mut client = rcgen::CertificateParams::new(Vec::new())?;
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    client
        .distinguished_name
        .push(rcgen::DnType::CommonName, API_SERVER);
    let certificate = client.self_signed(&key)?;
    fs::write(folder.join("kubelet-client.crt"), certificate.pem())?;
    secret(&folder.join("kubelet-client.key"), &key.serialize_pem())
}

/// Starts a node and waits until it is ready for pods.
pub(crate) async fn start(core: &Core) -> Result<()> {
    let room = Arc::new(Room::private(&FOLDERS, &[API_ADDRESS, NODE_ADDRESS])?);
    room.run(keep_settings).await?;
    open_relays(core, &room).await?;
    cgroup::make(core.state_dir())?;
    start_scheduler(core).await?;
    start_containerd(core, &room).await?;
    let folder = core.fresh_folder("pause")?;
    let pause = folder.join("pause.tar");
    let program = core.program(Program::Pause).await?;
    fs::write(&pause, images::pause(&program)?)?;
    images::load(core.state_dir(), &pause, &[], core.progress()).await?;
    start_kubelet(core, &room).await?;
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    wait_ready(core, client).await
}

/// Lays copies over the settings of the kernel that a kubelet changes.
fn keep_settings() -> Result<()> {
    let none = None::<&str>;
    for setting in SETTINGS {
        let path = Path::new("/proc/sys").join(setting);
        let copy = Path::new(RUN).join(setting.replace('/', "."));
        fs::write(&copy, fs::read(&path)?)?;
        mount(Some(&copy), &path, none, MsFlags::MS_BIND, none)
            .with_context(|| format!("cannot hide {}", path.display()))?;
    }
    Ok(())
}

async fn open_relays(core: &Core, room: &Arc<Room>) -> Result<()> {
    let api = loopback(core.find_port(API_SERVER).context("no API server")?);
    let kubelet = loopback(core.choose_port(KUBELET)?);
    let outside = core.shared_room();
    for at in [api, SocketAddr::from((API_ADDRESS, 443))] {
        relay::start(Arc::clone(room), at, Arc::clone(&outside), api).await?;
    }
    relay::start(outside, kubelet, Arc::clone(room), kubelet).await
}

async fn start_scheduler(core: &Core) -> Result<()> {
    let port = core.choose_port(SCHEDULER)?;
    let kubeconfig = Persona::ClusterAdmin.kubeconfig(core.state_dir());
    let launch = Launch {
        name: SCHEDULER.into(),
        program: core.program(Program::KubeScheduler).await?,
        args: args(&[
            ("kubeconfig", &kubeconfig.display().to_string()),
            ("bind-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            ("leader-elect", "false"),
        ]),
        port: Some(port),
        probe: Probe::Listens(loopback(port)),
        ..Launch::default()
    };
    core.start(launch, PATIENCE).await
}

async fn start_containerd(core: &Core, room: &Arc<Room>) -> Result<()> {
    let folder = core.fresh_folder(CONTAINERD)?;
    let mut plugins = Vec::new();
    for program in [Program::Bridge, Program::Loopback, Program::HostLocal] {
        let plugin = core.program(program).await?;
        plugins.extend(plugin.parent().map(|it| it.display().to_string()));
    }
    let networks = folder.join("networks");
    fs::create_dir(&networks)?;
    fs::write(networks.join("pods.conflist"), network().to_string())?;
    let config = format!(
        r#"version = 3
root = "{folder}/root"
state = "{RUN}"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{RUN}/{SOCKET}"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
# A lower score than our own is not permitted everywhere.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = {plugins:?}
conf_dir = "{networks}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
"#,
        folder = folder.display(),
        pause = images::PAUSE,
        networks = networks.display(),
        runc = runc()?.display(),
    );
    // By its path it would find the shim for new pods only, and after a restart no pod again.
    let shim = core.program(Program::ContainerdShim).await?;
    let path = folder.join("config.toml");
    fs::write(&path, config)?;
    let launch = Launch {
        name: CONTAINERD.into(),
        program: core.program(Program::Containerd).await?,
        args: args(&[
            ("config", &path.display().to_string()),
            ("log-level", "warn"),
        ]),
        env: vec![("PATH".into(), path_with(&shim)?)],
        // The kubelet ends where nothing answers there.
        probe: Probe::ListensAt(Path::new(RUN).join(SOCKET)),
        ..Launch::default()
    };
    core.start_in(Arc::clone(room), launch, PATIENCE).await
}

/// Where programs are looked for, with the folder of this one first.
fn path_with(program: &Path) -> Result<String> {
    let first = program.parent().map(Path::to_path_buf);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&others)))?;
    Ok(all.to_string_lossy().into_owned())
}

/// Pods reach each other and the node, and nobody else.
fn network() -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isGateway": true,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": format!("{RUN}/addresses"),
            },
        }],
    })
}

async fn start_kubelet(core: &Core, room: &Arc<Room>) -> Result<()> {
    let folder = core.fresh_folder(KUBELET)?;
    let port = core.find_port(KUBELET).context("its relay comes first")?;
    let authority = core.state_dir().join(API_SERVER).join("kubelet-client.crt");
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "127.0.0.1",
        "port": port,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": false},
            "x509": {"clientCAFile": authority},
        },
        // Only the API server gets as far as that.
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{RUN}/{SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::name(core.state_dir()),
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        // The machine is the people's: its full disk is no reason to end pods.
        "evictionHard": {
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
            "memory.available": "0%",
            "nodefs.available": "0%", "nodefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": core.state_dir().join("logs/pods"),
        "volumePluginDir": format!("{KUBELET_ROOT}/plugins"),
        "resolvConf": "",
    });
    let path = folder.join("config.yaml");
    fs::write(&path, config.to_string())?;
    let kubeconfig = Persona::Node.kubeconfig(core.state_dir());
    let launch = Launch {
        name: KUBELET.into(),
        program: core.program(Program::Kubelet).await?,
        args: args(&[
            ("config", &path.display().to_string()),
            ("kubeconfig", &kubeconfig.display().to_string()),
            ("root-dir", KUBELET_ROOT),
            ("hostname-override", NAME),
            ("node-ip", &NODE_ADDRESS.to_string()),
        ]),
        port: Some(port),
        probe: Probe::Listens(loopback(port)),
        ..Launch::default()
    };
    core.start_in(Arc::clone(room), launch, PATIENCE).await
}

async fn wait_ready(core: &Core, client: Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client);
    let begun = tokio::time::Instant::now();
    loop {
        let node = nodes.get_opt(NAME).await?;
        if node.as_ref().is_some_and(is_ready) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let conditions = node.and_then(|it| it.status?.conditions);
            bail!(
                "the node was not ready within {PATIENCE:?}: {conditions:?}. \
                 The end of the kubelet's log:\n{}",
                core.tail(KUBELET)
            );
        }
        core.check_running(KUBELET)?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ready, and nothing keeps pods away from it any more.
fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter());
    let is_tainted = node
        .spec
        .as_ref()
        .is_some_and(|it| it.taints.as_ref().is_some_and(|taints| !taints.is_empty()));
    let mut ready = conditions.flatten().filter(|it| it.type_ == "Ready");
    ready.any(|it| it.status == "True") && !is_tainted
}

/// Ends the pods while there is a node to end them in good order. What is left ends
/// with the control group.
pub(crate) async fn end(core: &Core) {
    if let Err(error) = end_pods(core).await {
        tracing::debug!("pods are ended with their node: {error:#}");
    }
}

async fn end_pods(core: &Core) -> Result<()> {
    // Whoever makes new ones makes them for no node.
    core.find_process(SCHEDULER)?.stop().await;
    core.check_running(KUBELET)?;
    let client = client(core.state_dir(), Persona::ClusterAdmin).await?;
    let all: Api<Pod> = Api::all(client.clone());
    let here = ListParams::default().fields(&format!("spec.nodeName={NAME}"));
    let begun = tokio::time::Instant::now();
    loop {
        let pods = all.list(&here).await?.items;
        if pods.is_empty() || begun.elapsed() > GRACE {
            return Ok(());
        }
        for pod in pods.iter().map(|it| &it.metadata) {
            if pod.deletion_timestamp.is_none() {
                let of = pod.namespace.as_deref().unwrap_or_default();
                let name = pod.name.as_deref().unwrap_or_default();
                let soon = DeleteParams::default().grace_period(5);
                Api::<Pod>::namespaced(client.clone(), of)
                    .delete(name, &soon)
                    .await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
