//! How does an object that does not parse come through a list? Beside the others,
//! with what can be read of it.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::LazyLock;

use devportal_mirror::Kind;
use devportal_mirror::read::{Read, read, read_plain};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object and what reading it came to. Unlike kube's own guard it reads a status
/// field by field.
#[derive(Debug)]
pub struct Guarded<K: Kind> {
    /// Of an object that does not parse as a whole.
    meta: Option<Box<ObjectMeta>>,
    /// What reading it came to.
    pub read: Read<K::Object>,
    kind: PhantomData<K>,
}

impl<K: Kind> Clone for Guarded<K> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            read: self.read.clone(),
            kind: PhantomData,
        }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let (meta, read) = read(raw.get(), K::mend).map_err(D::Error::custom)?;
        Ok(Self {
            meta: meta.map(Box::new),
            read,
            kind: PhantomData,
        })
    }
}

/// An object that is read as a whole, whatever its writers say of when they wrote.
#[derive(Clone, Debug)]
pub struct Plain<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read_plain(raw.get()).map(Self).map_err(D::Error::custom)
    }
}

impl<T: Resource<DynamicType = ()>> Resource for Plain<T> {
    type DynamicType = ();
    type Scope = T::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        T::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        T::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        T::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        T::plural(dt)
    }

    fn metadata_api() -> bool {
        T::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

impl<K: Kind> Resource for Guarded<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::Object::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::Object::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::Object::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::Object::plural(dt)
    }

    fn metadata_api() -> bool {
        K::Object::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        match (&self.meta, &self.read) {
            (Some(meta), _) => meta,
            (None, Read::Whole(object)) => object.meta(),
            // What was read in part came with its metadata.
            (None, Read::Flawed(..)) => &NOTHING,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.read {
            Read::Whole(object) => object.meta_mut(),
            Read::Flawed(..) => self.meta.get_or_insert_default(),
        }
    }
}

static NOTHING: LazyLock<ObjectMeta> = LazyLock::new(ObjectMeta::default);

#[cfg(test)]
mod tests {
    use devportal_api::APIKey;
    use kube::core::WatchEvent;

    use super::*;

    #[test]
    fn an_event_is_read_as_the_api_server_writes_it() {
        let event = r#"{"type":"ADDED","object":{
            "apiVersion":"devportal.kuadrant.io/v1alpha1","kind":"APIKey",
            "metadata":{"name":"mine","uid":"u","managedFields":[{"manager":"kubectl"}]},
            "spec":{"apiProductRef":{"name":"toys"},"planTier":"gold",
                "requestedBy":{"userId":"alice","email":"a@example.com"}}}}"#;
        let event = serde_json::from_str::<WatchEvent<Guarded<APIKey>>>(event).unwrap();
        let WatchEvent::Added(object) = event else {
            panic!("it was added")
        };
        assert!(matches!(object.read, Read::Whole(_)));
        assert_eq!(object.meta().uid.as_deref(), Some("u"));
    }
}
