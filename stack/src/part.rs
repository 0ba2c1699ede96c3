//! Which parts of the stack can be left out, or taken along?

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::pin::Program;

/// A part of the stack; each needs the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// etcd and the API server.
    ControlPlane,
    /// The controller manager: real garbage collection and namespace deletion.
    ControllerManager,
    /// kuadrant-operator, Authorino, and the stand-in for a Gateway controller.
    Kuadrant,
    /// Envoy, the rate-limit service, and an upstream that echoes.
    Gateway,
    /// An OpenTelemetry Collector, which is told the traces of ours. Only on request.
    Collector,
    /// Our controller.
    Controller,
    /// The portal's server.
    Portal,
    /// The sample products, and a server for their OpenAPI documents.
    Sample,
    /// Backstage, with our plugins and the people of the demo.
    Backstage,
    /// A node: scheduler, kubelet and containerd, so that pods run. Only on request,
    /// for it needs root.
    Node,
}

impl Part {
    /// Every part, in the order of starting.
    pub const ALL: [Self; 10] = [
        Self::ControlPlane,
        Self::ControllerManager,
        Self::Kuadrant,
        Self::Gateway,
        Self::Collector,
        Self::Controller,
        Self::Portal,
        Self::Sample,
        Self::Backstage,
        Self::Node,
    ];

    /// Whether it starts when nobody says which parts are wanted.
    pub const fn is_usual(self) -> bool {
        !matches!(self, Self::Collector | Self::Node)
    }

    /// As people write it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::ControllerManager => "controller-manager",
            Self::Kuadrant => "kuadrant",
            Self::Gateway => "gateway",
            Self::Collector => "collector",
            Self::Controller => "controller",
            Self::Portal => "portal",
            Self::Sample => "sample",
            Self::Backstage => "backstage",
            Self::Node => "node",
        }
    }

    /// The programs it takes that this repository does not hold.
    pub const fn programs(self) -> &'static [Program] {
        match self {
            Self::ControlPlane => &[Program::Etcd, Program::KubeApiserver],
            Self::ControllerManager => &[Program::KubeControllerManager],
            Self::Kuadrant => &[
                Program::Authorino,
                Program::KuadrantOperator,
                Program::PlanPolicy,
            ],
            Self::Gateway => &[Program::Envoy],
            Self::Collector => &[Program::Collector],
            Self::Node => &[
                Program::KubeScheduler,
                Program::Kubelet,
                Program::Containerd,
                Program::ContainerdShim,
                Program::Ctr,
                Program::Bridge,
                Program::Loopback,
                Program::HostLocal,
                Program::Pause,
            ],
            Self::Controller | Self::Portal | Self::Sample | Self::Backstage => &[],
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|p| p.name()).collect();
                format!(
                    "no part is called {text}: it is one of {}",
                    names.join(", ")
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_as_it_is_read() {
        for part in Part::ALL {
            assert_eq!(part.name().parse(), Ok(part));
        }
    }

    #[test]
    fn an_unknown_part_is_answered_with_the_known_ones() {
        assert!("kuadrnt".parse::<Part>().unwrap_err().contains("kuadrant"));
    }
}
