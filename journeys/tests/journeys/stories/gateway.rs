//! What does a caller get at the gateway? Answers of the real Envoy, Authorino
//! and Limitador's engine.

mod access;
mod authorino;
mod field;
mod limit;
mod paths;
mod plans;
mod restarts;
mod rotation;
mod routes;
mod untrue;

use super::Story;

/// All of them.
pub(super) fn stories() -> Vec<Story> {
    [
        // The longest first: they run while the others do.
        restarts::stories(),
        rotation::stories(),
        access::stories(),
        limit::stories(),
        plans::stories(),
        paths::stories(),
        routes::stories(),
        authorino::stories(),
        field::stories(),
        untrue::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
