//! The words of the developer portal: kinds, conditions, names and ids.
//!
//! Everything another program can see on the wire is spelled here and nowhere
//! else. Where to change what:
//!
//! | to change | edit |
//! |---|---|
//! | a field, default, column or validation of our kinds | [`product`], [`key`], [`request`], [`approval`] |
//! | the text, reason or type of a condition | [`condition`] |
//! | what an Event says | [`event`] |
//! | the name, label or annotation of a derived object | [`name`] |
//! | which fields of foreign kinds we read | [`foreign`] |

#![deny(missing_docs)]

pub mod approval;
pub mod condition;
pub mod crd;
pub mod event;
pub mod foreign;
pub mod id;
pub mod key;
pub mod name;
pub mod product;
pub mod request;
pub mod right;
pub mod scheme;
pub mod shared;
mod time;

pub use approval::{APIKeyApproval, APIKeyApprovalSpec, APIKeyApprovalStatus};
pub use key::{APIKey, APIKeySpec, APIKeyStatus};
pub use product::{APIProduct, APIProductSpec, APIProductStatus};
pub use request::{APIKeyRequest, APIKeyRequestSpec, APIKeyRequestStatus};

/// The API group of our four kinds.
pub const GROUP: &str = "devportal.kuadrant.io";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
