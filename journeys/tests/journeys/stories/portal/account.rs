//! The portal acts for people, and has no power of its own.

use std::sync::Arc;

use anyhow::{Result, ensure};
use axum::http::Method;
use devportal_stack::Persona;
use serde_json::{Value, json};

use super::super::stories;
use crate::person::{Answer, Ask, Expected, Person, person};
use crate::stage::Stage;
use crate::wait::until;
use Expected::{Allowed, Refused};

stories![the_portals_account_can_act_for_people_on_our_kinds_and_on_nothing_else];

const RBAC: &str = "rbac.authorization.k8s.io";
const KINDS: &str = "/apis/devportal.kuadrant.io/v1alpha1/namespaces";
const REVIEW: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ACCESS_REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

const ALICE: Person = Person {
    user: "alice",
    groups: &["consumers"],
    email: Some("alice@example.com"),
};
const OLIVIA: Person = Person {
    groups: &["api-owners"],
    ..person("olivia")
};
const NOT_HERE: &str = "cannot impersonate-on:user-info:";

type Row = (Option<Person>, &'static str, Ask, Expected);

/// portal.md, constrained impersonation
async fn the_portals_account_can_act_for_people_on_our_kinds_and_on_nothing_else(
    stage: Arc<Stage>,
) -> Result<()> {
    let (shop, dev) = ("lent", "lent-dev");
    for namespace in [shop, dev] {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        stage.apply(&object).await?;
    }
    stage
        .apply(&binding(dev, "devportal-consumer", "consumers"))
        .await?;
    stage
        .apply(&binding(shop, "devportal-owner", "api-owners"))
        .await?;
    let portal = stage.stack.client(Persona::Backstage).await?;

    let whoami = Ask::new(
        Method::POST,
        REVIEW,
        json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
        }),
    );
    let keys = Ask::get(format!("{KINDS}/{dev}/apikeys"));
    // The roles are new: until the API server knows them.
    until("alice may list keys", async || {
        let answer = keys.send(&portal, Some(&ALICE), &[]).await?;
        Ok(if Allowed.is_met(&answer) {
            Ok(())
        } else {
            Err(answer)
        })
    })
    .await?;
    let seen = user_info(whoami.send(&portal, Some(&ALICE), &[]).await?)?;
    ensure!(
        seen == json!({
            "username": "alice",
            "groups": ["consumers", "system:authenticated"],
            "extra": {"devportal.kuadrant.io/email": ["alice@example.com"]},
        }),
        "{seen}"
    );
    // A request that lost its headers: the portal has to notice that this is no person.
    let seen = user_info(whoami.send(&portal, None, &[]).await?)?;
    ensure!(seen["username"] == Persona::Backstage.user(), "{seen}");

    let mut failed = Vec::new();
    for (who, what, ask, expected) in rows(shop, dev) {
        let answer = ask.send(&portal, who.as_ref(), &[]).await?;
        if !expected.is_met(&answer) {
            let who = who.map_or("nobody", |it| it.user);
            failed.push(format!(
                "as {who}, {what}: not {expected:?}, but {answer:?}"
            ));
        }
    }
    for (header, value) in [
        ("Impersonate-Extra-scopes", "view"),
        ("Impersonate-Uid", "1"),
    ] {
        let answer = keys.send(&portal, Some(&ALICE), &[(header, value)]).await?;
        if !matches!(answer, Answer::Refused(403, _)) {
            failed.push(format!("with {header}: {answer:?}"));
        }
    }
    for (verb, resource, part, allowed) in [
        ("create", "apikeys", "", true),
        ("create", "apikeys", "reveal", true),
        ("list", "apikeyrequests", "", false),
    ] {
        let review = Ask::new(
            Method::POST,
            ACCESS_REVIEW,
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {
                    "group": "devportal.kuadrant.io", "resource": resource, "subresource": part,
                    "namespace": dev, "verb": verb,
                }},
            }),
        );
        let answer = review.send(&portal, Some(&ALICE), &[]).await?;
        if !matches!(&answer, Answer::Done(it) if it["status"]["allowed"] == allowed) {
            failed.push(format!("may alice {verb} {resource}/{part}? {answer:?}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows(shop: &str, dev: &str) -> Vec<Row> {
    let get = |path: String| Ask::get(path);
    let ours = |namespace: &str, resource: &str| get(format!("{KINDS}/{namespace}/{resource}"));
    let core = |resource: &str| get(format!("/api/v1/namespaces/{dev}/{resource}"));
    let ask_for_key = |requester: &str| {
        let path = format!("{KINDS}/{dev}/apikeys?dryRun=All");
        Ask::new(
            Method::POST,
            path,
            json!({
                "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
                "metadata": {"name": "mine"},
                "spec": {
                    "apiProductRef": {"name": "toys", "namespace": shop}, "planTier": "gold",
                    "requestedBy": {"userId": requester, "email": "alice@example.com"},
                },
            }),
        )
    };
    let routes = get(format!(
        "/apis/gateway.networking.k8s.io/v1/namespaces/{shop}/httproutes"
    ));
    let plans = get(format!(
        "/apis/extensions.kuadrant.io/v1alpha1/namespaces/{shop}/planpolicies"
    ));
    let bind = Ask::new(
        Method::POST,
        format!("/apis/{RBAC}/v1/namespaces/{dev}/rolebindings?dryRun=All"),
        binding(dev, "devportal-admin", "consumers"),
    );
    let master = Person {
        groups: &["system:masters"],
        ..ALICE
    };
    let account = person("system:serviceaccount:kuadrant-system:devportal-controller");
    let cleaner = person("system:serviceaccount:kube-system:generic-garbage-collector");
    let node = person("system:node:one");
    let system = person("system:kube-controller-manager");
    let theirs = Refused(403, "User \"alice\" cannot list resource");
    let lent = Refused(403, NOT_HERE);
    let never = Refused(403, "cannot impersonate");
    let own = Refused(403, "devportal-backstage\" cannot list resource");
    vec![
        (Some(ALICE), "list keys", ours(dev, "apikeys"), Allowed),
        (
            Some(ALICE),
            "list products",
            ours(dev, "apiproducts"),
            Allowed,
        ),
        (Some(ALICE), "ask for a key", ask_for_key("alice"), Allowed),
        (
            Some(ALICE),
            "ask for a key as bob",
            ask_for_key("bob"),
            Refused(422, "but you are 'alice'"),
        ),
        (
            Some(ALICE),
            "list requests",
            ours(shop, "apikeyrequests"),
            theirs,
        ),
        (
            Some(ALICE),
            "list keys of another namespace",
            ours(shop, "apikeys"),
            theirs,
        ),
        (
            Some(OLIVIA),
            "list requests",
            ours(shop, "apikeyrequests"),
            Allowed,
        ),
        (
            Some(OLIVIA),
            "list approvals",
            ours(shop, "apikeyapprovals"),
            Allowed,
        ),
        (Some(OLIVIA), "list routes", routes, Allowed),
        (Some(OLIVIA), "list plan policies", plans, Allowed),
        (
            Some(OLIVIA),
            "list keys",
            ours(dev, "apikeys"),
            Refused(403, "User \"olivia\" cannot list resource"),
        ),
        (
            Some(person("zoe")),
            "list keys",
            ours(dev, "apikeys"),
            Refused(403, "User \"zoe\" cannot list resource"),
        ),
        // Alice's own role has these: she may, the portal for her may not.
        (Some(ALICE), "list Secrets", core("secrets"), lent),
        (Some(ALICE), "list ConfigMaps", core("configmaps"), lent),
        (
            Some(ALICE),
            "list namespaces",
            get("/api/v1/namespaces".into()),
            lent,
        ),
        (Some(ALICE), "bind a role", bind, lent),
        (Some(master), "list keys", ours(dev, "apikeys"), never),
        (Some(master), "list Secrets", core("secrets"), never),
        (Some(account), "list keys", ours(dev, "apikeys"), never),
        (Some(account), "list Secrets", core("secrets"), never),
        (Some(cleaner), "list keys", ours(dev, "apikeys"), never),
        (Some(node), "list keys", ours(dev, "apikeys"), never),
        // The API server lets other names of its own pass: the portal has to refuse them.
        // What they may reach is ours all the same.
        (Some(system), "list keys", ours(dev, "apikeys"), Allowed),
        (Some(system), "list Secrets", core("secrets"), never),
        (None, "list keys", ours(dev, "apikeys"), own),
        (None, "list products", ours(shop, "apiproducts"), own),
        (None, "list Secrets", core("secrets"), own),
        (
            None,
            "list namespaces",
            get("/api/v1/namespaces".into()),
            own,
        ),
    ]
}

fn user_info(answer: Answer) -> Result<Value> {
    match answer {
        Answer::Done(mut review) => Ok(review["status"]["userInfo"].take()),
        refused @ Answer::Refused(..) => anyhow::bail!("{refused:?}"),
    }
}

fn binding(namespace: &str, role: &str, group: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    })
}
