//! What do the processes tell of themselves? OpenMetrics at `/metrics`, and how they are
//! asked.
//!
//! Each process makes a [`Registry`], and each part registers what it counts where it
//! counts it. Here is what both have: the process, and the watches it lives on.
//!
//! | to change | edit |
//! |---|---|
//! | what is told of the process | [`process`] |
//! | what is told of watches | [`watches`] |
//! | how it is answered | [`endpoint`] |
//! | how connections are served, bounded and ended | [`serve`] |

#![deny(missing_docs)]

pub mod endpoint;
mod process;
pub mod serve;
pub mod watches;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::registry::Registry;

pub use crate::watches::Watches;

/// What every metric of ours begins with.
pub const PREFIX: &str = "devportal";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: String,
    commit: String,
}

/// A registry that tells of the process and of what it was built from.
pub fn registry(version: &str, commit: &str) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process));
    let build = Family::<Build, Gauge>::default();
    let labels = Build {
        version: version.to_owned(),
        commit: commit.to_owned(),
    };
    build.get_or_create(&labels).set(1);
    ours(&mut registry).register("build_info", "What the process was built from", build);
    registry
}

/// Where metrics of ours are registered, without the prefix.
pub fn ours(registry: &mut Registry) -> &mut Registry {
    registry.sub_registry_with_prefix(PREFIX)
}

/// The upper bounds, in seconds, of histograms of how long something takes: from a
/// millisecond to a minute.
pub const SECONDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
