//! May the processes do what they need to? Asked of the API server, for their accounts.

use devportal_api::right::{Right, Table};
use devportal_controller::Plain;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};

use super::{Finding, Level};

/// The chart's table.
const TABLE: &str = include_str!("../../../../deploy/chart/files/rights.yaml");
const CHECK: &str = "rights";

/// The Deployment by which kuadrant-operator runs a controller.
const OPERATORS: &str = "developer-portal-controller";
const REFUSE_OWN: &str = "--refuse-own-approvals";
/// What the portal goes without: verb and resource.
const SPARED: [(&str, &str); 5] = [
    ("patch", "apikeys"),
    ("update", "apikeyrequests/finalizers"),
    ("create", "events"),
    ("list", "gateways"),
    ("watch", "gateways"),
];
/// By which the admission policies know our processes, and nobody else does.
const VIRTUAL: [&str; 2] = ["control", "record-reveal"];

/// A controller that kuadrant-operator runs.
pub(super) struct Operators {
    pub(super) namespace: String,
    account: String,
    /// Whether approvals by the requester count.
    counts_own: bool,
}

impl Operators {
    pub(super) const DEPLOYMENT: &str = OPERATORS;

    #[cfg(test)]
    pub(super) fn in_namespace(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            account: String::new(),
            counts_own: true,
        }
    }

    /// In whichever namespace it is, rather in one of these: others may call a Deployment of theirs
    /// so. None also where nobody may look.
    pub(super) async fn find(client: &Client, rather: &[&str]) -> Option<Self> {
        let all: Api<Plain<Deployment>> = Api::all(client.clone());
        let named = ListParams::default().fields(&format!("metadata.name={OPERATORS}"));
        let found = all.list(&named).await.ok()?.items.into_iter();
        Self::of(found.map(|Plain(it)| it).collect(), rather)
    }

    /// Whoever went over to the chart scaled the operator's to nothing.
    fn of(found: Vec<Deployment>, rather: &[&str]) -> Option<Self> {
        let runs = |it: &Deployment| it.spec.as_ref().and_then(|it| it.replicas) != Some(0);
        let is_elsewhere = |it: &Deployment| {
            let namespace = it.metadata.namespace.as_deref();
            namespace.is_none_or(|it| !rather.contains(&it))
        };
        let found = found.into_iter().filter(runs).min_by_key(is_elsewhere)?;
        let pod = found.spec.and_then(|it| it.template.spec);
        let pod = pod.unwrap_or_default();
        let mut words = pod
            .containers
            .iter()
            .flat_map(|it| it.args.iter().flatten());
        Some(Self {
            namespace: found.metadata.namespace.unwrap_or_default(),
            counts_own: !words.any(|it| it == REFUSE_OWN),
            account: pod
                .service_account_name
                .unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// The policies let a requester's approval pass, for the controller is to refuse it.
    pub(super) fn own_approvals(&self, has_policies: bool) -> Option<Finding> {
        let text = format!(
            "{}/{OPERATORS} runs without {REFUSE_OWN}: whoever may approve can approve their own \
             requests, also with the policies installed",
            self.namespace
        );
        let next = "add it to the arguments, see docs/how-to/run-it-under-kuadrant-operator.md";
        (has_policies && self.counts_own)
            .then(|| Finding::new("policies", Level::Warning, text).then(next))
    }
}

/// Whose rights are looked at.
struct Account<'a> {
    process: &'static str,
    /// Where it runs.
    namespace: &'a str,
    name: String,
    /// What to do where it lacks some.
    next: &'static str,
}

/// Which namespaces count, and what is installed.
pub(super) struct Surroundings<'a> {
    pub(super) namespace: &'a str,
    pub(super) operators: Option<&'a Operators>,
    pub(super) kuadrant: Option<&'a str>,
    pub(super) has_policies: bool,
}

pub(super) async fn check(client: &Client, around: &Surroundings<'_>) -> Vec<Finding> {
    let table: Table = match serde_yaml_ng::from_str(TABLE) {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(CHECK, Level::NotSeen, error.to_string())],
    };
    let mut all = Vec::new();
    let operators = around.operators.map(|it| Account {
        process: "controller",
        namespace: &it.namespace,
        name: it.account.clone(),
        next: "grant it by a ClusterRole of your own, see \
               docs/how-to/run-it-under-kuadrant-operator.md",
    });
    let has_operators = operators.is_some();
    let mut accounts = Vec::from_iter(operators);
    let namespace = around.namespace;
    for process in ["controller", "server"] {
        let name = format!("devportal-{process}");
        let there: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        if let Ok(None) = there.get_opt(&name).await {
            if process == "controller" && has_operators {
                continue;
            }
            let text = format!(
                "there is no account {namespace}/{name}: the {process} is not installed here"
            );
            let next = "--namespace names another namespace";
            all.push(Finding::new(CHECK, Level::NotSeen, text).then(next));
            continue;
        }
        accounts.push(Account {
            process,
            namespace,
            name,
            next: "apply the chart again, or deploy/install.yaml; --namespace names another \
                   namespace",
        });
    }
    for account in accounts {
        let rules = table.get(account.process).into_iter().flatten();
        if let Err(error) = of_account(client, &account, rules, around, &mut all).await {
            all.push(Finding::new(CHECK, Level::NotSeen, error));
        }
    }
    all
}

async fn of_account(
    client: &Client,
    account: &Account<'_>,
    rules: impl Iterator<Item = (&String, &Vec<Right>)>,
    around: &Surroundings<'_>,
    all: &mut Vec<Finding>,
) -> Result<(), String> {
    let user = format!(
        "system:serviceaccount:{}:{}",
        account.namespace, account.name
    );
    let before = all.len();
    for (place, rights) in rules {
        let Some(namespace) = namespace_of(place, account.namespace, around.kuadrant) else {
            continue;
        };
        for right in rights {
            for (verb, resource) in lacking(client, &user, namespace, right).await? {
                let place = match namespace {
                    "" => String::new(),
                    it => format!(" in {it}"),
                };
                let text = format!("{user} may not {verb} {resource}{place} ({})", right.why);
                let level = level(&verb, &resource, around.has_policies);
                all.push(Finding::new(CHECK, level, text).then(account.next));
            }
        }
    }
    if all.len() == before {
        all.push(Finding::new(
            CHECK,
            Level::Ok,
            format!("{user} has all it needs"),
        ));
    }
    Ok(())
}

/// The namespace in which a right is to hold, empty for every one; nothing where it is not
/// known. Where consumers' Secrets are read depends on how it was installed, and keys say
/// what is missing; those of the gateway are in the Kuadrant namespace.
fn namespace_of<'a>(place: &str, own: &'a str, kuadrant: Option<&'a str>) -> Option<&'a str> {
    match place {
        "cluster" => Some(""),
        "release" => Some(own),
        "secrets" | "kuadrant" => kuadrant,
        _ => None,
    }
}

fn level(verb: &str, resource: &str, has_policies: bool) -> Level {
    if SPARED.contains(&(verb, resource)) || (VIRTUAL.contains(&verb) && !has_policies) {
        Level::Warning
    } else {
        Level::Fault
    }
}

/// What of a right an account does not have: verb and resource.
async fn lacking(
    client: &Client,
    account: &str,
    namespace: &str,
    right: &Right,
) -> Result<Vec<(String, String)>, String> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for (group, whole) in right.api_groups.iter().flat_map(|group| {
        right
            .resources
            .iter()
            .map(move |resource| (group, resource))
    }) {
        for verb in &right.verbs {
            let (resource, subresource) = whole
                .split_once('/')
                .map_or((whole.as_str(), None), |(it, sub)| (it, Some(sub)));
            let attributes = ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                name: right.resource_names.first().cloned(),
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.clone()),
                ..ResourceAttributes::default()
            };
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(account.to_owned()),
                    resource_attributes: Some(attributes),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let answer = reviews.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(|error| match error {
                kube::Error::Api(status) => status.message.clone(),
                other => other.to_string(),
            })?;
            if !answer.status.is_some_and(|it| it.allowed) {
                missing.push((verb.clone(), whole.clone()));
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// As the operator makes it.
    fn deployment(namespace: &str, replicas: Option<i32>) -> Deployment {
        let pod = json!({"serviceAccountName": "account", "containers": [
            {"name": "manager", "command": ["/manager"], "args": ["--leader-elect"]}]});
        serde_json::from_value(
            json!({"metadata": {"name": OPERATORS, "namespace": namespace},
            "spec": {"replicas": replicas, "selector": {}, "template": {"spec": pod}}}),
        )
        .unwrap()
    }

    #[test]
    fn an_operators_controller_that_was_scaled_to_nothing_is_none() {
        let found = |all| Operators::of(all, &["kuadrant"]).map(|it| it.namespace);
        let runs = || deployment("runs", Some(1));
        let ended = || deployment("ended", Some(0));
        assert_eq!(found(vec![ended()]), None);
        assert_eq!(found(vec![runs(), ended()]).as_deref(), Some("runs"));
        let unsaid = deployment("unsaid", None);
        assert_eq!(found(vec![unsaid]).as_deref(), Some("unsaid"));
        // A developer may call one so, too.
        let both = vec![deployment("aaa", Some(1)), deployment("kuadrant", Some(1))];
        assert_eq!(found(both).as_deref(), Some("kuadrant"));
    }

    #[test]
    fn own_approvals_that_count_in_spite_of_the_policies_are_told() {
        let told = |arguments: Value, has_policies| {
            let mut it = serde_json::to_value(deployment("operators", Some(1))).unwrap();
            it["spec"]["template"]["spec"]["containers"][0]["args"] = arguments;
            let it = Operators::of(vec![serde_json::from_value(it).unwrap()], &[]).unwrap();
            it.own_approvals(has_policies)
        };
        let finding = told(json!(["--leader-elect"]), true).unwrap();
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.message.contains(REFUSE_OWN), "{finding:?}");
        assert_eq!(told(json!(["--leader-elect"]), false), None);
        assert_eq!(told(json!(["--leader-elect", REFUSE_OWN]), true), None);
    }

    #[test]
    fn the_table_can_be_read_and_says_why() {
        let table: Table = serde_yaml_ng::from_str(TABLE).unwrap();
        let rights = table.values().flat_map(|it| it.values()).flatten();
        assert!(rights.clone().count() > 10);
        assert!(rights.into_iter().all(|it| it.why.ends_with('.')));
    }

    #[test]
    fn every_place_of_the_two_processes_is_known_once_kuadrants_is() {
        let table: Table = serde_yaml_ng::from_str(TABLE).unwrap();
        for place in ["controller", "server"]
            .iter()
            .flat_map(|it| table[*it].keys())
        {
            let found = namespace_of(place, "release", Some("kuadrant"));
            assert!(found.is_some(), "{place}");
        }
        assert_eq!(namespace_of("secrets", "release", None), None);
    }

    #[test]
    fn what_the_portal_goes_without_is_no_fault_and_is_in_the_table() {
        let table: Table = serde_yaml_ng::from_str(TABLE).unwrap();
        let rights = || table.values().flat_map(|it| it.values()).flatten();
        for (verb, resource) in SPARED {
            let is_it = |it: &&Right| {
                it.verbs.iter().any(|it| it == verb) && it.resources.iter().any(|it| it == resource)
            };
            assert!(rights().any(|it| is_it(&it)), "{verb} {resource}");
            assert_eq!(level(verb, resource, true), Level::Warning);
        }
        for verb in VIRTUAL {
            assert!(
                rights().any(|it| it.verbs.iter().any(|it| it == verb)),
                "{verb}"
            );
        }
        assert_eq!(level("control", "apikeyrequests", false), Level::Warning);
        assert_eq!(level("control", "apikeyrequests", true), Level::Fault);
        assert_eq!(level("get", "secrets", false), Level::Fault);
    }
}
