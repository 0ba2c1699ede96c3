//! How does the whole system run on one machine, without a cluster?
//!
//! The real etcd, kube-apiserver, kube-controller-manager, kuadrant-operator and
//! Authorino, started in order, watched, and stopped in the reverse order. What
//! is not real: a [stand-in](stand_in) sets the statuses that a Gateway
//! controller and the operators of Authorino and Limitador would set.
//!
//! Linux only: it relies on `/proc` and on network namespaces.
//!
//! ```no_run
//! use devportal_stack::{Options, Persona, Stack};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let dir = std::env::temp_dir().join("my-stack");
//! let stack = Stack::start(Options::control_plane(&dir)).await?;
//! let client = stack.client(Persona::ClusterAdmin).await?;
//! println!("{}", client.apiserver_version().await?.git_version);
//! stack.kill("etcd").await?;
//! stack.restart("etcd").await?;
//! stack.stop().await?;
//! # Ok(())
//! # }
//! ```

mod apply;
mod backstage;
mod cache;
mod cgroup;
mod collector;
mod control_plane;
mod core;
mod crds;
mod documents;
mod download;
mod gateway;
mod go;
mod images;
mod kuadrant;
mod leftovers;
mod node;
mod obtain;
mod options;
mod ours;
mod part;
mod persona;
mod pin;
mod pods;
mod port;
mod proc;
mod process;
mod progress;
mod relay;
mod room;
mod stack;
pub mod stand_in;
mod state;
mod upstream;
mod wheel;

pub use apply::{accept_route, crds as apply_crds, objects as apply_objects, read_folder};
pub use cache::root as cache_root;
pub use crds::{foreign as foreign_crds, operator_chart};
pub use go::toolchain as go_toolchain;
pub use images::{IMAGE, load_image};
pub use kuadrant::NAMESPACE;
pub use leftovers::{end as end_leftovers, find as find_leftovers};
pub use node::Workspace;
pub use obtain::{all as obtain, program as obtain_program};
pub use options::{ForeignCrds, Options};
pub use ours::{build_shipped, cargo, repository};
pub use part::Part;
pub use persona::Persona;
pub use pin::Program;
pub use pods::permitted as node_permitted;
pub use port::{Ports, is_free};
pub use proc::Identity;
pub use process::{Death, Launch, Probe, log_path, tail};
pub use progress::{Progress, seconds};
pub use stack::{Stack, uptime};
pub use state::{Phase, Record, State};
pub use wheel::pip_install;
