//! How is an object named inside the system? By a typed id: a route's id
//! cannot be passed where a product's is meant.

use std::fmt;
use std::hash::Hash;

use kube::{Resource, ResourceExt};

use crate::shared::Shared;

/// What every id here is: a namespace and a name.
pub trait ObjectId:
    Clone + fmt::Debug + fmt::Display + Eq + Ord + Hash + Send + Sync + 'static
{
    /// Names an object that may or may not exist.
    fn named(namespace: &str, name: &str) -> Self;
    /// The namespace, never empty.
    fn namespace(&self) -> &str;
    /// The object's name.
    fn name(&self) -> &str;
}

macro_rules! namespaced_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The namespace, never empty.
            pub namespace: Shared,
            /// The object's name.
            pub name: Shared,
        }

        impl $name {
            /// Names an object that may or may not exist.
            pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
                Self {
                    namespace: Shared::of(namespace.as_ref()),
                    name: Shared::of(name.as_ref()),
                }
            }

            /// The id of an object read from the API server.
            pub fn of<K: Resource>(object: &K) -> Self {
                Self::new(object.namespace().unwrap_or_default(), object.name_any())
            }
        }

        impl ObjectId for $name {
            fn named(namespace: &str, name: &str) -> Self {
                Self::new(namespace, name)
            }

            fn namespace(&self) -> &str {
                &self.namespace
            }

            fn name(&self) -> &str {
                &self.name
            }
        }

        /// `namespace/name`, as conditions and logs write it.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.namespace, self.name)
            }
        }
    };
}

namespaced_id!(/// Names an APIProduct.
    ProductId);
namespaced_id!(/// Names an APIKey.
    KeyId);
namespaced_id!(/// Names an APIKeyRequest.
    RequestId);
namespaced_id!(/// Names an APIKeyApproval.
    ApprovalId);
namespaced_id!(/// Names an HTTPRoute.
    RouteId);
namespaced_id!(/// Names a Gateway.
    GatewayId);
namespaced_id!(/// Names an AuthPolicy or a PlanPolicy; the map it is looked up in says which.
    PolicyId);
namespaced_id!(/// Names a Kuadrant custom resource.
    KuadrantId);
namespaced_id!(/// Names a Secret.
    SecretId);
