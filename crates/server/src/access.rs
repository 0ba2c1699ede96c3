//! What may somebody do? What the API server says, asked as themselves.
//!
//! Who sees what is decided by namespace, never by object: first whether they may
//! everywhere, then in each namespace that holds anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devportal_api::GROUP;
use devportal_api::foreign::GATEWAY_GROUP;
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::caller::{CallerId, Me};
use crate::kubernetes::Kubernetes;
use crate::problem::Problem;
use crate::remember::{Memory, Outage};

/// Something that can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right {
        verb,
        group,
        resource,
        subresource: "",
    }
}

impl Right {
    /// Whether a rule grants it. Not where that is for certain names only.
    pub(crate) fn is_granted_by(self, rule: &PolicyRule) -> bool {
        let has = |list: Option<&Vec<String>>, wanted: &[&str]| {
            list.is_some_and(|it| it.iter().any(|it| wanted.contains(&it.as_str())))
        };
        let resource = match self.subresource {
            "" => self.resource.to_owned(),
            part => format!("{}/{part}", self.resource),
        };
        let any = format!("*/{}", self.subresource);
        let is_of_names = rule
            .resource_names
            .as_ref()
            .is_some_and(|it| !it.is_empty());
        !is_of_names
            && has(Some(&rule.verbs), &[self.verb, "*"])
            && has(rule.api_groups.as_ref(), &[self.group, "*"])
            && has(rule.resources.as_ref(), &[&resource, &any, "*"])
    }
}

pub(crate) const SEE_PRODUCTS: Right = right("list", GROUP, "apiproducts");
/// To see every published product, whomever it is for: a catalog that tells them apart
/// by itself. Nothing that Kubernetes itself does.
pub(crate) const SEE_ALL_PUBLISHED: Right = Right {
    subresource: "published",
    ..right("list", GROUP, "apiproducts")
};
pub(crate) const EDIT_PRODUCTS: Right = right("update", GROUP, "apiproducts");
pub(crate) const MAKE_PRODUCTS: Right = right("create", GROUP, "apiproducts");
pub(crate) const SEE_KEYS: Right = right("list", GROUP, "apikeys");
pub(crate) const ASK_FOR_KEYS: Right = right("create", GROUP, "apikeys");
pub(crate) const CHANGE_KEYS: Right = right("patch", GROUP, "apikeys");
pub(crate) const DELETE_KEYS: Right = right("delete", GROUP, "apikeys");
/// To ask for a key in the name of somebody else: nothing that Kubernetes itself does.
pub(crate) const REQUEST_FOR_OTHERS: Right = right("request-for-others", GROUP, "apikeys");
pub(crate) const SEE_REQUESTS: Right = right("list", GROUP, "apikeyrequests");
pub(crate) const DECIDE: Right = right("create", GROUP, "apikeyapprovals");
/// To approve a request of one's own: nothing that Kubernetes itself does.
pub(crate) const DECIDE_OWN: Right = right("decide-own", GROUP, "apikeyrequests");
pub(crate) const SEE_ROUTES: Right = right("list", GATEWAY_GROUP, "httproutes");
pub(crate) const EDIT_ROUTES: Right = right("update", GATEWAY_GROUP, "httproutes");
/// To be shown the value of a key: nothing that Kubernetes itself does.
pub(crate) const REVEAL: Right = Right {
    subresource: "reveal",
    ..right("create", GROUP, "apikeys")
};

/// Where somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    Everywhere,
    In(Arc<BTreeSet<String>>),
}

impl Places {
    pub(crate) fn has(&self, namespace: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::In(namespaces) => namespaces.contains(namespace),
        }
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, Self::In(namespaces) if namespaces.is_empty())
    }
}

/// What was said about rights.
pub(crate) struct Access {
    said: Memory<(CallerId, Right, String), bool>,
    /// The same put together, for lists.
    together: moka::sync::Cache<(CallerId, Right), Arc<Together>>,
}

/// Where somebody may do something, of certain namespaces, as it was said at a time.
struct Together {
    of: Arc<BTreeSet<String>>,
    places: Places,
    at: Instant,
}

/// For how long answers that were put together are not looked at one by one.
pub(crate) const TOGETHER: Duration = Duration::from_secs(1);
/// Of how many callers, times rights.
const MOST: u64 = 10_000;

/// How many questions are under way at a time, for one who asks.
const AT_A_TIME: usize = 16;

impl Access {
    pub(crate) fn new(outage: &Outage) -> Self {
        Self {
            said: Memory::new(outage),
            together: moka::sync::Cache::builder()
                .max_capacity(MOST)
                .time_to_live(TOGETHER)
                .build(),
        }
    }

    /// Whether somebody may do something in a namespace; `""` is all of them.
    pub(crate) async fn may(
        &self,
        kubernetes: &Kubernetes,
        me: &Me,
        right: Right,
        namespace: &str,
    ) -> Result<bool, Problem> {
        // Not by person: a token may be good for less than its person is.
        let question = (me.caller.id(), right, namespace.to_owned());
        let ask = || ask(kubernetes, me, right, namespace, "");
        self.said.recall(question, ask).await
    }

    /// Where somebody may do something, of the namespaces given.
    pub(crate) async fn places(
        &self,
        kubernetes: &Kubernetes,
        me: &Me,
        right: Right,
        namespaces: Arc<BTreeSet<String>>,
    ) -> Result<Places, Problem> {
        let question = (me.caller.id(), right);
        if let Some(together) = self.together.get(&question)
            && together.at.elapsed() < TOGETHER
            && together.of == namespaces
        {
            return Ok(together.places.clone());
        }
        let at = Instant::now();
        let places = self.look(kubernetes, me, right, &namespaces).await?;
        let together = Together {
            of: namespaces,
            places: places.clone(),
            at,
        };
        self.together.insert(question, Arc::new(together));
        Ok(places)
    }

    async fn look(
        &self,
        kubernetes: &Kubernetes,
        me: &Me,
        right: Right,
        namespaces: &BTreeSet<String>,
    ) -> Result<Places, Problem> {
        if self.may(kubernetes, me, right, "").await? {
            return Ok(Places::Everywhere);
        }
        let allowed = stream::iter(namespaces.clone())
            .map(|namespace| async move {
                let is_allowed = self.may(kubernetes, me, right, &namespace).await?;
                Ok::<_, Problem>(is_allowed.then_some(namespace))
            })
            .buffer_unordered(AT_A_TIME)
            .try_filter_map(|it| async move { Ok(it) });
        Ok(Places::In(Arc::new(allowed.try_collect().await?)))
    }
}

/// Asks now, whatever is remembered, of one object where a name is given.
pub(crate) async fn ask(
    kubernetes: &Kubernetes,
    me: &Me,
    right: Right,
    namespace: &str,
    name: &str,
) -> Result<bool, Problem> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: some(right.group),
                verb: some(right.verb),
                resource: some(right.resource),
                subresource: some(right.subresource),
                namespace: some(namespace),
                name: some(name),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let review = kubernetes.review(&me.caller, &review).await?;
    Ok(review.status.is_some_and(|it| it.allowed))
}
