//! What is to be started, and where?

use std::path::PathBuf;

use crate::{part::Part, progress::Progress};

/// Which CRDs of others there are: each costs the API server a part of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignCrds {
    /// None.
    None,
    /// What our programs follow: enough where nobody else is at work.
    Followed,
    /// All that Kuadrant needs.
    All,
}

/// What to start, and where it keeps its files.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where logs, kubeconfigs and data go; one stack per folder.
    pub state_dir: PathBuf,
    /// What to start; parts needed by others come by themselves.
    pub parts: Vec<Part>,
    /// Which CRDs of Kuadrant and the Gateway API to apply. With [`Part::Kuadrant`]
    /// they are all applied in any case.
    pub foreign_crds: ForeignCrds,
    /// Whether to apply our admission policies.
    pub policies: bool,
    /// Our binary; built with cargo when not given.
    pub devportal: Option<PathBuf>,
    /// Arguments of our controller beyond those the stack gives it.
    pub controller_arguments: Vec<String>,
    /// Environment variables of our controller beyond those the stack gives it.
    pub controller_variables: Vec<(String, String)>,
    /// How steps are reported.
    pub progress: Progress,
}

impl Options {
    /// Everything that needs no root.
    pub fn everything(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            parts: Part::ALL
                .into_iter()
                .filter(|part| part.is_usual())
                .collect(),
            foreign_crds: ForeignCrds::All,
            policies: true,
            devportal: None,
            controller_arguments: Vec::new(),
            controller_variables: Vec::new(),
            progress: Progress::default(),
        }
    }

    /// etcd and the API server with our CRDs, ready in about three seconds.
    pub fn control_plane(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            parts: vec![Part::ControlPlane],
            foreign_crds: ForeignCrds::None,
            ..Self::everything(state_dir)
        }
    }

    /// The same with these parts as well.
    #[must_use]
    pub fn with(mut self, parts: &[Part]) -> Self {
        self.parts.extend(parts);
        self
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}
