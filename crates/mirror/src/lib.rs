//! The memory of the developer portal: a typed copy of chosen kinds, and how sure
//! it is. No I/O, no async, no clock.
//!
//! ```text
//! Told<K> ─► Table<K>::take ─► Difference<K> ─► Index, Order, Journal
//! ```
//!
//! | to change | edit |
//! |---|---|
//! | which kinds there are, and what is kept of each | [`kind`] |
//! | which observation of an object is the newest, and what a list ends | [`table`] |
//! | what is done with an object that does not parse | [`read`] |
//! | what an object takes while nobody looks at it | [`fold`] |
//! | what is known of a Secret | [`secret`] |

#![deny(missing_docs)]

mod ended;
pub mod fold;
pub mod index;
pub mod journal;
pub mod kind;
pub mod order;
pub mod read;
pub mod secret;
mod snapshot;
pub mod table;
pub mod text;
mod told;

pub use fold::FoldingMap;
pub use index::Index;
pub use journal::Journal;
pub use kind::{Credential, Kept, Kind, Named, Stray, Version};
pub use order::Order;
pub use read::{Flaw, Read};
pub use secret::{Copied, FIELD_MANAGER, Fingerprint, Fit, Lens, SecretFacts, ValueFacts};
pub use snapshot::Snapshot;
pub use table::{Difference, Found, Table};
pub use text::{Digest, Texts};
pub use told::{Scope, Sight, Told, Trouble};
