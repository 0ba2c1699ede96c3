//! The eyes of the developer portal: lists and watches that keep a mirror true.
//!
//! ```text
//! API server ─► watch::<K> ─► Told<K> ─► whoever holds the Table<K>
//! ```
//!
//! | to change | edit |
//! |---|---|
//! | how a kind is listed and followed, and after which failure what is tried | [`follow`] |
//! | how long is waited after a failure | [`pause`] |
//! | how an object that does not parse comes through | [`guard`] |
//! | how a failure is told in one line | [`brief`] |
//! | which cluster it is | [`connect`] |

#![deny(missing_docs)]

mod brief;
mod cluster;
mod follow;
mod guard;
mod pause;

pub use brief::brief;
pub use cluster::{CONSTRAINED_IMPERSONATION, connect, minor, without_retries};
pub use follow::{Source, list, told, watch};
pub use guard::{Guarded, Plain};
pub use pause::Pause;
