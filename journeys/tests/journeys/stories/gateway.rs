//! What does a caller get at the gateway? Answers of the real Envoy, Authorino
//! and Limitador's engine.

mod access;
mod authorino;
mod limit;
mod restarts;
mod rotation;

use super::Story;

/// All of them.
pub(super) fn stories() -> Vec<Story> {
    [
        access::stories(),
        limit::stories(),
        rotation::stories(),
        authorino::stories(),
        restarts::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
