//! The mind of the developer portal: no I/O, no async, no clock.
//!
//! ```text
//! Change ─► World::observe ─► dirty Ids ─► decide(id, world, now) ─► Decision
//! ```
//!
//! | to change | edit |
//! |---|---|
//! | what an event makes us look at again | [`world`] |
//! | what is known around a route | [`surroundings`] |
//! | which policy applies to a route | [`discover`] |
//! | what happens to a key, a product, an approval | [`decide`] |
//! | when a write that failed is tried again | [`brake`] |

#![deny(missing_docs)]

pub mod brake;
pub mod change;
pub mod decide;
pub mod decision;
pub mod discover;
mod setting;
pub mod surroundings;
pub mod world;

pub use change::Change;
pub use decide::decide;
pub use decision::{Decision, Group, Id, Need, Write};
pub use setting::Settings;
pub use world::World;
