//! What is there, and does it say that it is well?

use std::collections::BTreeSet;

use anyhow::Result;
use devportal_api::condition::{is_problem, kind};
use devportal_api::id::KuadrantId;
use devportal_api::name::{annotation, label};
use devportal_api::{GROUP, VERSION, crd};
use devportal_controller::{CONSTRAINED_IMPERSONATION, LEASE, minor, oldest_kuadrant};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value;

use super::{Finding, Level};

const INSTALL: &str = "devportal crds | kubectl apply --server-side --force-conflicts -f -";
/// The oldest minor version of Kubernetes 1 whose admission policies can be relied on.
const OLDEST: u32 = 30;
/// How far clocks may be apart, in seconds.
const SKEW: i64 = 5;
/// The reason of a credential that does not go.
const REFUSED: &str = "RevocationRefused";
/// The policies of the chart.
const POLICIES: [&str; 3] = [
    include_str!("../../../../deploy/chart/files/policies/controller.yaml"),
    include_str!("../../../../deploy/chart/files/policies/identity.yaml"),
    include_str!("../../../../deploy/chart/files/policies/text.yaml"),
];

/// By which the chart runs the controller.
pub(super) const DEPLOYMENT: &str = "devportal-controller";

/// What is looked at: where the controller runs, and as which Deployment.
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) deployment: &'a str,
}

pub(super) async fn at_everything(client: &Client, place: &Place<'_>) -> Result<Vec<Finding>> {
    let mut all = vec![at_the_server(client).await?];
    all.extend(at_the_clock(client).await);
    all.extend(at_definitions(client).await);
    all.extend(at_foreign_kinds(client).await);
    all.push(at_kuadrant(client).await);
    all.push(at_the_controller(client, place).await);
    all.extend(at_the_version(client, place.namespace).await);
    all.extend(at_policies(client).await?);
    all.extend(at_products(client).await);
    all.extend(at_keys(client).await);
    all.extend(at_credentials_left(client).await);
    Ok(all)
}

/// What the API server answers to a path: nothing where there is nothing.
async fn get(client: &Client, path: &str) -> Result<Option<Value>, String> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(|it| it.to_string())?;
    match client.request(request).await {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => Err(error.to_string()),
    }
}

async fn at_the_server(client: &Client) -> Result<Finding> {
    let version = client.apiserver_version().await?;
    Ok(of_version(
        minor(&version),
        format!("Kubernetes {}", version.git_version),
    ))
}

fn of_version(minor: u32, text: String) -> Finding {
    if minor < OLDEST {
        Finding::new("kubernetes", Level::Fault, text).then(format!(
            "upgrade to 1.{OLDEST} or later: admission policies are not stable before"
        ))
    } else if minor < CONSTRAINED_IMPERSONATION {
        Finding::new("kubernetes", Level::Warning, text).then(format!(
            "before 1.{CONSTRAINED_IMPERSONATION} there is no constrained impersonation: \
             deploy/backstage/rights.yaml lets a portal's account act for nobody. With the verb \
             impersonate its token may do all that the groups may that are listed for it, also \
             beside products and keys: list few, see docs/how-to/run-the-portal-server.md. \
             Without a portal that acts for people nothing is lost"
        ))
    } else {
        Finding::new("kubernetes", Level::Ok, text)
    }
}

/// An expiry bites when the controller's clock says so.
async fn at_the_clock(client: &Client) -> Option<Finding> {
    let request = http::Request::get("/version").body(kube::client::Body::empty());
    let answer = client.send(request.ok()?).await.ok()?;
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    let theirs = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    let apart = Timestamp::now().as_second() - theirs.as_second();
    let text = format!(
        "this clock and the API server's are {} s apart",
        apart.abs()
    );
    Some(if apart.abs() > SKEW {
        Finding::new("clock", Level::Warning, text)
            .then("set both by NTP: keys expire, and decisions count, by these clocks")
    } else {
        Finding::new("clock", Level::Ok, text)
    })
}

async fn at_definitions(client: &Client) -> Vec<Finding> {
    let mut found = Vec::new();
    for ours in crd::definitions() {
        let name = ours.metadata.name.as_deref().unwrap_or_default();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        found.push((get(client, &path).await, ours));
    }
    let mut there = found
        .iter()
        .filter_map(|(it, _)| it.as_ref().ok()?.as_ref());
    let next = there.find_map(find_release).map_or_else(
        || INSTALL.to_owned(),
        |release| {
            format!(
                "helm upgrade {release} with the chart of this version; its next update undoes \
                 what is applied beside it"
            )
        },
    );
    let tell = |(found, ours)| of_definition(found, &ours, &next);
    found.into_iter().map(tell).collect()
}

/// The Helm release that an object is of.
fn find_release(object: &Value) -> Option<String> {
    let noted = |name: &str| object["metadata"]["annotations"][name].as_str();
    let name = noted("meta.helm.sh/release-name")?;
    let namespace = noted("meta.helm.sh/release-namespace")?;
    Some(format!("{name} -n {namespace}"))
}

fn of_definition(
    found: Result<Option<Value>, String>,
    ours: &CustomResourceDefinition,
    next: &str,
) -> Finding {
    const CHECK: &str = "definitions";
    let name = ours.metadata.name.as_deref().unwrap_or_default();
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => {
            let text = format!("{name} is not installed");
            return Finding::new(CHECK, Level::Fault, text).then(next);
        }
        Err(error) => return Finding::new(CHECK, Level::NotSeen, error),
    };
    let schema = |it: &Value| it["spec"]["versions"][0]["schema"].clone();
    let wanted = serde_json::to_value(ours).unwrap_or_default();
    if lacks(&schema(&found), &schema(&wanted)) {
        let text = format!("{name} is of another version: it has no place for all that is written");
        Finding::new(CHECK, Level::Warning, text).then(next)
    } else {
        Finding::new(CHECK, Level::Ok, name)
    }
}

/// Whether anything that we have properties for has none there.
fn lacks(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().any(|(name, wanted)| {
            // Words may differ, and the API server fills in what is the default.
            name != "description"
                && wanted.is_object()
                && found.get(name).is_none_or(|found| lacks(found, wanted))
        }),
        _ => false,
    }
}

/// Whether everything that is wanted is there as it is; the API server fills in the rest.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let is_there = |(name, wanted)| found.get(name).is_some_and(|it| holds(it, wanted));
            wanted.iter().all(is_there)
        }
        (Value::Array(found), Value::Array(wanted)) => {
            let mut pairs = found.iter().zip(wanted);
            found.len() == wanted.len() && pairs.all(|(found, wanted)| holds(found, wanted))
        }
        _ => found == wanted,
    }
}

async fn at_foreign_kinds(client: &Client) -> Vec<Finding> {
    const KINDS: [(&str, Level, &str); 4] = [
        (
            "httproutes.gateway.networking.k8s.io",
            Level::Fault,
            "install the Gateway API",
        ),
        (
            "kuadrants.kuadrant.io",
            Level::Fault,
            "install kuadrant-operator",
        ),
        (
            "authpolicies.kuadrant.io",
            Level::Fault,
            "install kuadrant-operator",
        ),
        (
            "planpolicies.extensions.kuadrant.io",
            Level::Warning,
            "install kuadrant-operator 1.4 or later for plans; keys have no limits without",
        ),
    ];
    let mut all = Vec::new();
    for (name, level, next) in KINDS {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        all.push(match get(client, &path).await {
            Ok(Some(_)) => Finding::new("kuadrant", Level::Ok, name),
            Ok(None) => {
                Finding::new("kuadrant", level, format!("{name} is not installed")).then(next)
            }
            Err(error) => Finding::new("kuadrant", Level::NotSeen, error),
        });
    }
    all
}

async fn at_kuadrant(client: &Client) -> Finding {
    let items = match get(client, "/apis/kuadrant.io/v1beta1/kuadrants").await {
        Ok(list) => items(list),
        Err(error) => return Finding::new("kuadrant", Level::NotSeen, error),
    };
    match items.as_slice() {
        [] => Finding::new(
            "kuadrant",
            Level::Fault,
            "there is no Kuadrant resource: no key is issued",
        )
        .then("create one: kubectl apply -f - with kind Kuadrant, apiVersion kuadrant.io/v1beta1"),
        [one] => match conditions(one).into_iter().find(|it| it.type_ == "Ready") {
            Some(ready) if ready.status == "True" => {
                Finding::new("kuadrant", Level::Ok, format!("{} is ready", id(one)))
            }
            other => {
                let why = other.map_or("it has no status".to_owned(), |it| it.message);
                Finding::new(
                    "kuadrant",
                    Level::Fault,
                    format!("{} is not ready: {why}", id(one)),
                )
                .then("see the log of kuadrant-operator")
            }
        },
        several => {
            let text = format!(
                "there are {} Kuadrant resources; the oldest counts",
                several.len()
            );
            let Some(oldest) = find_oldest(several) else {
                return Finding::new("kuadrant", Level::Warning, text);
            };
            let counts = KuadrantId::new(
                oldest.namespace.unwrap_or_default(),
                oldest.name.unwrap_or_default(),
            );
            Finding::new("kuadrant", Level::Warning, text).then(format!(
                "keep {counts}: credentials move to another namespace with it"
            ))
        }
    }
}

/// The namespace of the Kuadrant resource that counts, where the Secrets of the gateway are.
pub(super) async fn find_kuadrant_namespace(client: &Client) -> Option<String> {
    let list = get(client, "/apis/kuadrant.io/v1beta1/kuadrants").await;
    let items = items(list.ok()?);
    find_oldest(&items)?.namespace
}

/// The one that the controller chooses.
fn find_oldest(kuadrants: &[Value]) -> Option<ObjectMeta> {
    let all = kuadrants.iter().map(|it| &it["metadata"]);
    let all: Vec<_> = all
        .filter_map(|it| ObjectMeta::deserialize(it).ok())
        .collect();
    oldest_kuadrant(&all).cloned()
}

/// Whether the policies refuse what is written by whom they do not know.
pub(super) async fn has_policies(client: &Client) -> bool {
    let path =
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/devportal-status";
    !matches!(get(client, path).await, Ok(None))
}

/// The chart's controller.
async fn find_deployment(client: &Client, namespace: &str) -> Result<Option<Value>, String> {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{DEPLOYMENT}");
    get(client, &path).await
}

/// Whether the chart's controller is there; no also where nobody may look.
pub(super) async fn is_installed(client: &Client, namespace: &str) -> bool {
    matches!(find_deployment(client, namespace).await, Ok(Some(_)))
}

async fn at_the_controller(client: &Client, place: &Place<'_>) -> Finding {
    const CHECK: &str = "controller";
    let Place {
        namespace,
        deployment,
    } = place;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}");
    let lease = match get(client, &path).await {
        Ok(Some(lease)) => lease,
        Ok(None) => {
            let text = format!("no controller has ever held the lease in namespace {namespace}");
            return Finding::new(CHECK, Level::Warning, text).then(
                "see its pods and their log; name its namespace with --namespace; one without \
                 --leader-elect holds none",
            );
        }
        Err(error) => return Finding::new(CHECK, Level::NotSeen, error),
    };
    let spec = &lease["spec"];
    let holder = spec["holderIdentity"].as_str().unwrap_or_default();
    let renewed = spec["renewTime"]
        .as_str()
        .and_then(|it| it.parse::<Timestamp>().ok());
    let age = renewed.map(|it| Timestamp::now().as_second() - it.as_second());
    let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or_default();
    match age {
        Some(age) if !holder.is_empty() && age <= lasts + SKEW => {
            Finding::new(CHECK, Level::Ok, format!("{holder} acts"))
        }
        _ => Finding::new(
            CHECK,
            Level::Fault,
            "no replica acts: nothing is issued or revoked",
        )
        .then(format!("kubectl -n {namespace} logs deploy/{deployment}")),
    }
}

/// Whether what is installed by the chart is of the version of this program, which knows its
/// rights and definitions by heart. Of what is installed otherwise it is not told.
async fn at_the_version(client: &Client, namespace: &str) -> Option<Finding> {
    match find_deployment(client, namespace).await {
        Ok(found) => of_deployment(&found?, env!("CARGO_PKG_VERSION")),
        Err(error) => Some(Finding::new("version", Level::NotSeen, error)),
    }
}

fn of_deployment(deployment: &Value, own: &str) -> Option<Finding> {
    const CHECK: &str = "version";
    let meta = &deployment["metadata"];
    let installed = meta["labels"]["app.kubernetes.io/version"].as_str()?;
    Some(if installed == own {
        Finding::new(CHECK, Level::Ok, format!("{installed} is installed"))
    } else {
        let text = format!("{installed} is installed, and this is {own}, which looks for its own");
        Finding::new(CHECK, Level::Warning, text).then(
            "upgrade the chart, or ask the program that is installed: kubectl exec, see --help",
        )
    })
}

async fn at_policies(client: &Client) -> Result<Vec<Finding>> {
    const CHECK: &str = "policies";
    const NEXT: &str = "install them with the chart, policies.enabled=true: without them people can \
                        ask and decide in other people's names";
    let mut all = Vec::new();
    for text in POLICIES {
        for document in serde_yaml_ng::Deserializer::from_str(text) {
            let wanted: Value = serde::Deserialize::deserialize(document)?;
            let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
            let (kind, plural) = match wanted["kind"].as_str() {
                Some("ValidatingAdmissionPolicy") => ("policy", "validatingadmissionpolicies"),
                _ => ("binding", "validatingadmissionpolicybindings"),
            };
            let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}/{name}");
            match get(client, &path).await {
                Ok(None) => {
                    let text = format!("the {kind} {name} is not installed");
                    all.push(Finding::new(CHECK, Level::Warning, text).then(NEXT));
                }
                Ok(Some(found)) if !holds(&found["spec"], &wanted["spec"]) => {
                    let text = format!("the {kind} {name} is not as the chart has it");
                    all.push(Finding::new(CHECK, Level::Warning, text).then(NEXT));
                }
                Ok(Some(_)) => {}
                Err(error) => all.push(Finding::new(CHECK, Level::NotSeen, error)),
            }
        }
    }
    if all.is_empty() {
        all.push(Finding::new(
            CHECK,
            Level::Ok,
            "all are installed and bound",
        ));
    }
    Ok(all)
}

/// Where the reference explains a condition of products: several have reasons of one name.
fn section(kind: &str) -> String {
    let of = if kind == kind::RECORDED {
        "apikey-and-apiproduct"
    } else {
        "apiproduct"
    };
    format!("{of}-{}", kind.to_lowercase())
}

/// What products say of themselves.
async fn at_products(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "products";
    let path = format!("/apis/{GROUP}/{VERSION}/apiproducts");
    let products = match get(client, &path).await {
        Ok(list) => items(list),
        Err(error) => return vec![Finding::new(CHECK, Level::NotSeen, error)],
    };
    let mut all = Vec::new();
    for product in &products {
        for condition in conditions(product).iter().filter(|it| is_problem(it)) {
            let text = format!(
                "{}: {}: {}",
                id(product),
                condition.type_,
                condition.message
            );
            all.push(Finding::new(CHECK, Level::Warning, text).then(format!(
                "docs/reference/conditions.md#{}",
                section(&condition.type_)
            )));
        }
    }
    if all.is_empty() {
        let text = format!("{} products, and none complains", products.len());
        all.push(Finding::new(CHECK, Level::Ok, text));
    }
    all
}

/// Approved keys that the gateway does not take, by reason.
async fn at_keys(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "keys";
    let path = format!("/apis/{GROUP}/{VERSION}/apikeys");
    let keys = match get(client, &path).await {
        Ok(list) => items(list),
        Err(error) => return vec![Finding::new(CHECK, Level::NotSeen, error)],
    };
    let mut reasons = std::collections::BTreeMap::<String, Vec<String>>::new();
    for key in &keys {
        let conditions = conditions(key).into_iter();
        let mut enforced = conditions.filter(|it| it.type_ == kind::ENFORCED);
        let is_wrong = |it: &Condition| it.status != "True" || it.reason == REFUSED;
        if let Some(enforced) = enforced.next().filter(is_wrong) {
            reasons.entry(enforced.reason).or_default().push(id(key));
        }
    }
    if reasons.is_empty() {
        let text = format!("{} keys, and none that is approved is refused", keys.len());
        return vec![Finding::new(CHECK, Level::Ok, text)];
    }
    let tell = |(reason, ids): (String, Vec<String>)| {
        let text = format!("{} keys say {reason}, for example {}", ids.len(), ids[0]);
        // These open an API although they are to open nothing.
        let level = if reason == REFUSED {
            Level::Fault
        } else {
            Level::Warning
        };
        Finding::new(CHECK, level, text).then(format!("devportal explain {}", ids[0]))
    };
    reasons.into_iter().map(tell).collect()
}

/// Credentials in another namespace than the Kuadrant resource's: as where it was moved while no
/// controller ran.
async fn at_credentials_left(client: &Client) -> Option<Finding> {
    const CHECK: &str = "credentials";
    let kuadrant = find_kuadrant_namespace(client).await?;
    let selector = format!("{}=true", label::ENFORCEMENT);
    let secrets: Api<Secret> = Api::all(client.clone());
    let elsewhere = ListParams::default()
        .labels(&selector)
        .fields(&format!("metadata.namespace!={kuadrant}"));
    let left = match secrets.list_metadata(&elsewhere).await {
        Ok(list) => list.items,
        Err(error) => return Some(Finding::new(CHECK, Level::NotSeen, error.to_string())),
    };
    // Whoever labels a Secret of their own makes no credential of it.
    let is_ours = |it: &&PartialObjectMeta<Secret>| {
        let labels = it.labels();
        it.annotations().contains_key(annotation::KEY)
            || labels.contains_key(label::KEY) && labels.contains_key(label::KEY_NAMESPACE)
    };
    let left: Vec<_> = left.iter().filter(is_ours).collect();
    let namespaces: BTreeSet<_> = left.iter().filter_map(|it| it.namespace()).collect();
    if namespaces.is_empty() {
        let text = format!("no credentials are left outside {kuadrant}");
        return Some(Finding::new(CHECK, Level::Ok, text));
    }
    let list = |each: &dyn Fn(&String) -> String, between: &str| {
        let all: Vec<_> = namespaces.iter().map(each).collect();
        all.join(between)
    };
    let places = list(&String::clone, ", ");
    let text = format!(
        "{} credentials of keys are in {places}, where there is no Kuadrant resource: nobody revokes \
         them",
        left.len()
    );
    let next = list(
        &|it| format!("kubectl get secrets -n {it} -l {selector}"),
        "; ",
    );
    let next = format!("look at them, then delete them: {next}");
    Some(Finding::new(CHECK, Level::Fault, text).then(next))
}

fn items(list: Option<Value>) -> Vec<Value> {
    let mut list = list.unwrap_or_default();
    match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn id(object: &Value) -> String {
    let word = |name: &str| {
        object["metadata"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    format!("{}/{}", word("namespace"), word("name"))
}

/// Those that can be read.
fn conditions(object: &Value) -> Vec<Condition> {
    let all = object["status"]["conditions"].as_array();
    let all = all.into_iter().flatten().cloned();
    all.filter_map(|it| serde_json::from_value(it).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_version_than_is_installed_is_told() {
        let installed = |labels: Value| {
            of_deployment(&json!({"metadata": {"labels": labels}}), "0.2.0").map(|it| it.level)
        };
        let of = |version: &str| installed(json!({"app.kubernetes.io/version": version}));
        assert_eq!(of("0.2.0"), Some(Level::Ok));
        assert_eq!(of("0.1.0"), Some(Level::Warning));
        assert_eq!(installed(json!({})), None);
    }

    #[test]
    fn a_definition_lacks_what_it_has_no_property_for() {
        let wanted = json!({"properties": {"spec": {"type": "object", "description": "new"}}});
        let same =
            json!({"properties": {"spec": {"type": "object", "description": "old"}, "more": {}}});
        assert!(!lacks(&same, &wanted));
        assert!(lacks(&json!({"properties": {}}), &wanted));
    }

    #[test]
    fn what_an_old_api_server_goes_without_is_told() {
        let level = |minor| of_version(minor, String::new()).level;
        assert_eq!(
            [29, 30, 35, 36].map(level),
            [Level::Fault, Level::Warning, Level::Warning, Level::Ok]
        );
        let next = of_version(35, String::new()).next.unwrap();
        assert!(next.contains("no constrained impersonation"), "{next}");
    }

    #[test]
    fn who_has_the_definitions_by_helm_upgrades_them_by_helm() {
        let ours = crd::definitions().swap_remove(0);
        let found = json!({"spec": {"versions": [{"schema": {}}]}, "metadata": {"annotations": {
            "meta.helm.sh/release-name": "devportal", "meta.helm.sh/release-namespace": "portal"}}});
        let release = find_release(&found);
        assert_eq!(release.as_deref(), Some("devportal -n portal"));
        assert_eq!(find_release(&json!({"metadata": {}})), None);
        let old = of_definition(Ok(Some(found)), &ours, "helm upgrade");
        assert_eq!(old.level, Level::Warning);
        assert_eq!(old.next.as_deref(), Some("helm upgrade"));
        let absent = of_definition(Ok(None), &ours, INSTALL);
        assert_eq!(absent.level, Level::Fault);
        assert!(absent.next.unwrap().contains("--force-conflicts"));
    }

    #[test]
    fn a_policy_holds_where_nothing_of_it_was_changed() {
        let wanted = json!({"policyName": "p", "validationActions": ["Deny"]});
        let filled = json!({"policyName": "p", "validationActions": ["Deny"], "more": 1});
        assert!(holds(&filled, &wanted));
        let audits = json!({"policyName": "p", "validationActions": ["Audit"]});
        assert!(!holds(&audits, &wanted));
        assert!(!holds(
            &json!({"policyName": "p", "validationActions": []}),
            &wanted
        ));
    }
}
