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
    let mut mine = key(shop, "alice");
    mine["metadata"] = json!({"name": "mine", "namespace": dev});
    stage.apply(&mine).await?;
    stage
        .apply(&json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
            "metadata": {"name": "toys", "namespace": shop},
            "spec": {
                "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Draft",
                "targetRef": {
                    "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "toys",
                },
            },
        }))
        .await?;
    let keys = Ask::get(format!("{KINDS}/{dev}/apikeys/mine"));
    // The roles are new: until the API server knows them.
    until("alice may read her key", async || {
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
    let write = |namespace: &str, resource: &str, object: Value| {
        let path = format!("{KINDS}/{namespace}/{resource}?dryRun=All");
        Ask::new(Method::POST, path, object)
    };
    let approval = |reviewer: &str| {
        json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKeyApproval",
            "metadata": {"name": "decided"},
            "spec": {
                "apiKeyRequestRef": {"name": "asked"}, "approved": true,
                "reviewedBy": reviewer, "reviewedAt": "2030-01-01T00:00:00Z",
            },
        })
    };
    let mine = || ours(dev, "apikeys/mine");
    let toys = || ours(shop, "apiproducts/toys");
    let patch = Ask::new(
        Method::PATCH,
        format!("{KINDS}/{shop}/apiproducts/toys?dryRun=All"),
        json!({"spec": {"description": "by the dozen"}}),
    );
    let delete = Ask::new(
        Method::DELETE,
        format!("{KINDS}/{dev}/apikeys/mine?dryRun=All"),
        Value::Null,
    );
    let routes = get(format!(
        "/apis/gateway.networking.k8s.io/v1/namespaces/{shop}/httproutes"
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
    let lent = Refused(403, NOT_HERE);
    let never = Refused(403, "cannot impersonate");
    let own = Refused(403, "devportal-backstage\" cannot");
    let forged = |words| Refused(422, words);
    vec![
        (Some(ALICE), "read her key", mine(), Allowed),
        (Some(ALICE), "give her key up", delete, Allowed),
        (
            Some(ALICE),
            "ask for a key",
            write(dev, "apikeys", key(shop, "alice")),
            Allowed,
        ),
        (
            Some(ALICE),
            "ask for a key as bob",
            write(dev, "apikeys", key(shop, "bob")),
            forged("but you are 'alice'"),
        ),
        (
            Some(ALICE),
            "read a key of another namespace",
            ours(shop, "apikeys/mine"),
            Refused(403, "User \"alice\" cannot get resource"),
        ),
        (Some(OLIVIA), "read her product", toys(), Allowed),
        (Some(OLIVIA), "edit her product", patch.clone(), Allowed),
        (
            Some(OLIVIA),
            "decide",
            write(shop, "apikeyapprovals", approval("olivia")),
            Allowed,
        ),
        (
            Some(OLIVIA),
            "decide as adam",
            write(shop, "apikeyapprovals", approval("adam")),
            forged("but you are 'olivia'"),
        ),
        (
            Some(OLIVIA),
            "read alice's key",
            mine(),
            Refused(403, "User \"olivia\" cannot get resource"),
        ),
        (
            Some(person("zoe")),
            "edit a product",
            patch,
            Refused(403, "User \"zoe\" cannot patch resource"),
        ),
        // Their own roles have these: they may, the portal for them may not.
        (Some(ALICE), "list her keys", ours(dev, "apikeys"), lent),
        (Some(ALICE), "list Secrets", core("secrets"), lent),
        (
            Some(OLIVIA),
            "list requests",
            ours(shop, "apikeyrequests"),
            lent,
        ),
        (
            Some(OLIVIA),
            "list approvals",
            ours(shop, "apikeyapprovals"),
            lent,
        ),
        (Some(OLIVIA), "list routes", routes, lent),
        (Some(ALICE), "list ConfigMaps", core("configmaps"), lent),
        (
            Some(ALICE),
            "list namespaces",
            get("/api/v1/namespaces".into()),
            lent,
        ),
        (Some(ALICE), "bind a role", bind, lent),
        (Some(master), "read a key", mine(), never),
        (Some(master), "list Secrets", core("secrets"), never),
        (Some(account), "read a key", mine(), never),
        (Some(account), "list Secrets", core("secrets"), never),
        (Some(cleaner), "read a key", mine(), never),
        (Some(node), "read a key", mine(), never),
        // The API server lets other names of its own pass: the portal has to refuse them.
        // What they may reach is ours all the same.
        (
            Some(system),
            "read a key",
            mine(),
            Refused(
                403,
                "User \"system:kube-controller-manager\" cannot get resource",
            ),
        ),
        (Some(system), "list Secrets", core("secrets"), never),
        (None, "read a key", mine(), own),
        (None, "read a product", toys(), own),
        (None, "list Secrets", core("secrets"), own),
        (
            None,
            "list namespaces",
            get("/api/v1/namespaces".into()),
            own,
        ),
    ]
}

fn key(shop: &str, requester: &str) -> Value {
    json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
        "metadata": {"name": "another"},
        "spec": {
            "apiProductRef": {"name": "toys", "namespace": shop}, "planTier": "gold",
            "requestedBy": {"userId": requester, "email": "alice@example.com"},
        },
    })
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
