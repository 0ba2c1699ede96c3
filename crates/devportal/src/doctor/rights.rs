//! May the processes do what they need to? Asked of the API server, for their accounts.

use devportal_api::right::{Right, Table};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use super::{Finding, Level};

/// The chart's table.
const TABLE: &str = include_str!("../../../../deploy/chart/files/rights.yaml");
const CHECK: &str = "rights";

pub(super) async fn check(client: &Client, namespace: &str) -> Vec<Finding> {
    let table: Table = match serde_yaml_ng::from_str(TABLE) {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(CHECK, Level::NotSeen, error.to_string())],
    };
    let mut all = Vec::new();
    for process in ["controller", "server"] {
        let account = format!("system:serviceaccount:{namespace}:devportal-{process}");
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        if let Ok(None) = accounts.get_opt(&format!("devportal-{process}")).await {
            let text = format!("there is no {account}: the {process} is not installed here");
            let next = "--namespace names another namespace";
            all.push(Finding::new(CHECK, Level::NotSeen, text).then(next));
            continue;
        }
        // Where Secrets are read depends on how it was installed; keys say what is missing.
        let rules = table.get(process).into_iter().flatten();
        let rules = rules.filter(|(place, _)| ["cluster", "release"].contains(&place.as_str()));
        let mut missing = Vec::new();
        for (place, rights) in rules {
            let place = (place == "release").then_some(namespace);
            for right in rights {
                match lacking(client, &account, place, right).await {
                    Ok(words) => missing.extend(words),
                    Err(error) => return vec![Finding::new(CHECK, Level::NotSeen, error)],
                }
            }
        }
        if missing.is_empty() {
            all.push(Finding::new(
                CHECK,
                Level::Ok,
                format!("{account} has all it needs"),
            ));
        }
        all.extend(missing.into_iter().map(|words| {
            Finding::new(CHECK, Level::Fault, format!("{account} may not {words}"))
                .then("apply the chart again, or deploy/install.yaml; --namespace names another namespace")
        }));
    }
    all
}

/// What of a right an account does not have, in words.
async fn lacking(
    client: &Client,
    account: &str,
    namespace: Option<&str>,
    right: &Right,
) -> Result<Vec<String>, String> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for (group, resource) in right.api_groups.iter().flat_map(|group| {
        right
            .resources
            .iter()
            .map(move |resource| (group, resource))
    }) {
        for verb in &right.verbs {
            let (resource, subresource) = resource
                .split_once('/')
                .map_or((resource.as_str(), None), |(it, sub)| (it, Some(sub)));
            let attributes = ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                name: right.resource_names.first().cloned(),
                namespace: namespace.map(str::to_owned),
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
                let sub = subresource.map(|it| format!("/{it}")).unwrap_or_default();
                missing.push(format!("{verb} {resource}{sub} ({})", right.why));
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_says_why() {
        let table: Table = serde_yaml_ng::from_str(TABLE).unwrap();
        let rights = table.values().flat_map(|it| it.values()).flatten();
        assert!(rights.clone().count() > 10);
        assert!(rights.into_iter().all(|it| it.why.ends_with('.')));
    }
}
