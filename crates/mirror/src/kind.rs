//! Which kinds are mirrored, and what is kept of each? Each is declared here, once.

use std::fmt::Debug;
use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, GatewayId, KeyId, KuadrantId, ObjectId, PolicyId, ProductId, RequestId, RouteId,
    SecretId,
};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fold::Fold;
use crate::read::{Flaw, Read, read_value};
use crate::secret::{Lens, SecretFacts};
use crate::text::Digest;

/// A kind that is mirrored.
pub trait Kind: Debug + Sized + Send + Sync + 'static {
    /// What the API server serves.
    type Object: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static;
    /// What is kept of it.
    type Kept: Kept;
    /// How one is named.
    type Id: ObjectId;

    /// For people: in logs, conditions and `/readyz`.
    const NAME: &'static str;
    /// What to do when the kind is not installed.
    const ADVICE: &'static str = "";
    /// Which of them, by labels.
    const SELECTOR: &'static str = "";
    /// How many a page of a list holds: large objects come in small pages.
    const PAGE: u32 = 500;
    /// Whether others write its status. What of our own statuses cannot be read is
    /// written anew; of others' objects the last that was read stands.
    const IS_FOREIGN: bool = false;

    /// The part of an object that is kept.
    fn keep(object: Self::Object, lens: &Lens) -> Self::Kept;

    /// Puts something in the place of a part of the spec that may be what cannot be
    /// read, and says of which: what is left must mean no more than the whole.
    fn mend(_raw: &mut Value) -> Option<&'static str> {
        None
    }

    /// The last spec that could be read, in an object whose spec cannot be.
    fn with_last_spec(_last: &Self::Kept, _flaw: &Flaw) -> Option<Self::Kept> {
        None
    }
}

/// What is kept of an object: it has a UID and a version.
pub trait Kept: Clone + Debug + Fold + Send + Sync + 'static {
    /// The object's UID.
    fn uid(&self) -> &str;
    /// Which version of the object it is.
    fn version(&self) -> Version;
}

/// A resource version. Those of one kind are ordered numbers (KEP-5504).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Version(pub u64);

impl Version {
    /// Text that is no number orders before everything, so that it hides no news.
    pub fn of(text: Option<&str>) -> Self {
        Self(text.and_then(|it| it.parse().ok()).unwrap_or_default())
    }
}

impl<K> Kept for Arc<K>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Debug + Send + Sync + 'static,
{
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    fn version(&self) -> Version {
        Version::of(self.meta().resource_version.as_deref())
    }
}

/// An object without what nobody reads, which is the larger part of it: who manages
/// which field, and what `kubectl apply` noted.
fn slim<K: Resource>(mut object: K) -> K {
    const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    object.meta_mut().managed_fields = None;
    object.annotations_mut().remove(APPLIED);
    object
}

const OURS: &str = "install the definitions: devportal crds | kubectl apply --server-side -f -";
const GATEWAY_API: &str = "install the Gateway API";
const KUADRANT: &str = "install the Kuadrant operator";

macro_rules! whole {
    ($($kind:ident, $id:ident, $advice:expr, $foreign:literal, {$($more:tt)*};)*) => {$(
        impl Kind for $kind {
            type Object = Self;
            type Kept = Arc<Self>;
            type Id = $id;
            const NAME: &'static str = stringify!($kind);
            const ADVICE: &'static str = $advice;
            const IS_FOREIGN: bool = $foreign;

            fn keep(object: Self, _: &Lens) -> Arc<Self> {
                Arc::new(slim(object))
            }

            $($more)*
        }
    )*};
}

/// The spec of one object in another.
fn graft<K>(last: &Arc<K>, flaw: &Flaw) -> Option<Arc<K>>
where
    K: Resource + Serialize + DeserializeOwned,
{
    let mut raw = flaw.raw.clone();
    raw["spec"] = serde_json::to_value(&**last).ok()?["spec"].take();
    match read_value::<K>(raw, |_| None).ok()?.1 {
        Read::Whole(object) => Some(Arc::new(slim(*object))),
        Read::Flawed(object, _) => object.map(|it| Arc::new(slim(*it))),
    }
}

whole! {
    APIKey, KeyId, OURS, false, {
        fn with_last_spec(last: &Arc<Self>, flaw: &Flaw) -> Option<Arc<Self>> {
            graft(last, flaw)
        }
    };
    APIKeyRequest, RequestId, OURS, false, {
        fn with_last_spec(last: &Arc<Self>, flaw: &Flaw) -> Option<Arc<Self>> {
            graft(last, flaw)
        }
    };
    APIKeyApproval, ApprovalId, OURS, false, {
        /// When it was decided may be unreadable, and that it is a denial not: such a
        /// denial is outlived by no approval, and such an approval by every denial made
        /// after it.
        fn mend(raw: &mut Value) -> Option<&'static str> {
            raw["spec"]["reviewedAt"] = if raw["spec"]["approved"] == true {
                raw["metadata"]["creationTimestamp"].clone()
            } else {
                "9999-12-31T23:59:59Z".into()
            };
            Some("spec.reviewedAt")
        }

        fn with_last_spec(last: &Arc<Self>, flaw: &Flaw) -> Option<Arc<Self>> {
            graft(last, flaw)
        }
    };
    HTTPRoute, RouteId, GATEWAY_API, true, {};
    Gateway, GatewayId, GATEWAY_API, true, {};
    AuthPolicy, PolicyId, KUADRANT, true, {};
    PlanPolicy, PolicyId, KUADRANT, true, {};
    Kuadrant, KuadrantId, KUADRANT, true, {};
}

/// Of a product's OpenAPI document only the digest is kept, in the document's place:
/// the text is in the object, and for a while in [`Texts`](crate::Texts).
impl Kind for APIProduct {
    type Object = Self;
    type Kept = Arc<Self>;
    type Id = ProductId;
    const NAME: &'static str = "APIProduct";
    const ADVICE: &'static str = OURS;
    /// Half a megabyte each, if their documents are as large as they may be.
    const PAGE: u32 = 20;

    fn keep(mut object: Self, _: &Lens) -> Arc<Self> {
        if let Some(document) = object.status.as_mut().and_then(|it| it.openapi.as_mut()) {
            document.raw = Digest::of(&document.raw).to_string();
        }
        Arc::new(slim(object))
    }

    fn with_last_spec(last: &Arc<Self>, flaw: &Flaw) -> Option<Arc<Self>> {
        graft(last, flaw)
    }
}

/// A Secret that the gateway reads, by our label. See [`SecretFacts`].
#[derive(Clone, Copy, Debug)]
pub struct Credential;

impl Kind for Credential {
    type Object = Secret;
    type Kept = SecretFacts;
    type Id = SecretId;
    const NAME: &'static str = "enforcement Secret";
    const SELECTOR: &'static str = "devportal.kuadrant.io/enforcement=true";

    fn keep(object: Secret, lens: &Lens) -> SecretFacts {
        lens.facts(&object)
    }
}

/// A Secret beside the credentials that has lost our label, or never had it: only its
/// metadata is read. Those that note a key are credentials still.
#[derive(Clone, Copy, Debug)]
pub struct Stray;

impl Kind for Stray {
    type Object = PartialObjectMeta<Secret>;
    type Kept = SecretFacts;
    type Id = SecretId;
    const NAME: &'static str = "unlabelled Secret";
    const SELECTOR: &'static str = "devportal.kuadrant.io/enforcement!=true";

    fn keep(object: Self::Object, _: &Lens) -> SecretFacts {
        SecretFacts::of_metadata(&object.metadata)
    }
}

/// A Secret of a consumer's namespace: only its metadata is listed. Those that keys
/// refer to are then read by name.
#[derive(Clone, Copy, Debug)]
pub struct Named;

impl Kind for Named {
    type Object = PartialObjectMeta<Secret>;
    type Kept = SecretFacts;
    type Id = SecretId;
    const NAME: &'static str = "Secret";

    fn keep(object: Self::Object, _: &Lens) -> SecretFacts {
        SecretFacts::of_metadata(&object.metadata)
    }
}

#[cfg(test)]
mod tests {
    use devportal_api::name::label;

    use super::*;

    #[test]
    fn the_selectors_spell_the_enforcement_label_out() {
        assert_eq!(Credential::SELECTOR, format!("{}=true", label::ENFORCEMENT));
        assert_eq!(Stray::SELECTOR, format!("{}!=true", label::ENFORCEMENT));
    }
}
