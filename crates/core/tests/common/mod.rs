//! What the tests are told with: fixtures, and a simulated API server.

pub mod action;
pub mod chance;
pub mod cluster;
pub mod fault;
pub mod fixture;
pub mod hands;
pub mod oracle;
pub mod portal;
pub mod sight;
pub mod simulation;
mod stage;

pub use fixture::*;
pub use simulation::Simulation;
