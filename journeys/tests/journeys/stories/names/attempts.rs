//! Who tries what, and what do they hear? Nothing of it changes anything: each attempt
//! is a dry run, which passes the same checks.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Open, path};
use crate::person::Expected::{Allowed, Refused};
use crate::person::{Ask, Expected, Person, person};

/// Who, what in words, what in bytes, and the answer.
pub(super) type Attempt = (Person, &'static str, Ask, Expected);

pub(super) const ADAM: Person = person("adam");
/// A published back end, which decides with its own account.
pub(super) const BACK_END: Person = person("published-back-end");
/// A portal that notes that it has shown a key.
pub(super) const PORTAL: Person = person("portal-that-reveals");
pub(super) const CONTROLLER: Person =
    person("system:serviceaccount:kuadrant-system:devportal-controller");
const ALICE: Person = person("alice");
const BOB: Person = person("bob");
const OLIVIA: Person = person("olivia");
const MASTER: Person = Person {
    groups: &["system:masters"],
    ..person("root")
};
pub(super) const NAMESPACE_CONTROLLER: Person =
    person("system:serviceaccount:kube-system:namespace-controller");
const GARBAGE_COLLECTOR: Person =
    person("system:serviceaccount:kube-system:generic-garbage-collector");
/// Both, where a cluster's controllers have no accounts of their own.
const CONTROLLER_MANAGER: Person = person("system:kube-controller-manager");

const DECIDES_OWN: &str = "devportal.kuadrant.io/decides-own";
const OWN: &str = "nobody approves their own request: somebody else has to decide";
const CONTROLLERS: &str = "APIKeyRequests are written by the controller alone";
const RESERVED: &str = "kept for the controller's own approvals. Choose another name";

pub(super) fn all(open: &Open) -> Vec<Attempt> {
    [
        requesters(open),
        reviewers(open),
        own(open),
        requests(open),
        reserved(open),
        statuses(open),
        texts(open),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn requesters(open: &Open) -> Vec<Attempt> {
    let create = |by: &str| create(&open.dev, "apikeys", open.key("another", by));
    let change = |spec: Value| merge(&open.dev, "apikeys", "mine", json!({"spec": spec}));
    let known_as = |email| Person {
        email: Some(email),
        ..ALICE
    };
    let forged = Refused(
        422,
        "spec.requestedBy.userId is 'bob', but you are 'alice'. Write your own user name there",
    );
    let address = Refused(
        422,
        "spec.requestedBy.email is 'alice@example.com', but you are known by 'al@example.org'",
    );
    vec![
        (ALICE, "asks for herself", create("alice"), Allowed),
        (
            known_as("alice@localhost"),
            "is known by an address that no key may have",
            create("alice"),
            Allowed,
        ),
        (ALICE, "asks as bob", create("bob"), forged),
        (
            ALICE,
            "puts bob on her key",
            change(json!({"requestedBy": {"userId": "bob"}})),
            forged,
        ),
        (
            ALICE,
            "says what her key is for",
            change(json!({"useCase": "to play"})),
            Allowed,
        ),
        (
            BOB,
            "changes the plan of a colleague's key",
            change(json!({"planTier": "silver"})),
            Refused(422, "Write your own user name there"),
        ),
        (
            BOB,
            "rotates a colleague's key",
            change(json!({"rotation": {"revision": 1}})),
            Allowed,
        ),
        (
            BOB,
            "takes a colleague's key over",
            change(json!({"planTier": "silver", "requestedBy": {"userId": "bob"}})),
            Allowed,
        ),
        (
            known_as("alice@example.com"),
            "gives her own address",
            create("alice"),
            Allowed,
        ),
        (
            known_as("al@example.org"),
            "gives another address",
            create("alice"),
            address,
        ),
        (
            known_as("al@example.org"),
            "puts another address on her key",
            change(json!({"requestedBy": {"email": "a@example.com"}})),
            Refused(422, "spec.requestedBy.email is 'a@example.com'"),
        ),
        (
            known_as("al@example.org"),
            "leaves an address as it is",
            change(json!({"planTier": "silver"})),
            Allowed,
        ),
        (ADAM, "asks for bob", create("bob"), Allowed),
        (
            Person {
                email: Some("adam@example.com"),
                ..ADAM
            },
            "asks for bob, with an address of his own",
            create("bob"),
            Allowed,
        ),
        (
            OLIVIA,
            "asks for bob",
            create("bob"),
            Refused(422, "but you are 'olivia'"),
        ),
        (
            CONTROLLER,
            "asks for bob",
            create("bob"),
            Refused(422, "request-for-others on apikeys"),
        ),
        (
            BACK_END,
            "asks for bob",
            create("bob"),
            Refused(422, "request-for-others on apikeys"),
        ),
    ]
}

fn reviewers(open: &Open) -> Vec<Attempt> {
    let create = |approved, by| {
        create(
            open.name,
            "apikeyapprovals",
            open.approval("new", "mine", approved, by),
        )
    };
    let denial = format!("{}-denial", open.request_name("mine"));
    let change = |patch: Value| merge(open.name, "apikeyapprovals", &denial, patch);
    let message = |by: &str| change(json!({"spec": {"message": "no", "reviewedBy": by}}));
    let forged = |words| Refused(422, words);
    vec![
        (OLIVIA, "approves", create(true, "olivia"), Allowed),
        (OLIVIA, "denies", create(false, "olivia"), Allowed),
        (
            OLIVIA,
            "approves as petra",
            create(true, "petra"),
            forged("spec.reviewedBy is 'petra', but you are 'olivia'"),
        ),
        (
            OLIVIA,
            "denies as petra",
            create(false, "petra"),
            forged("Write your own user name there"),
        ),
        (OLIVIA, "changes her decision", message("olivia"), Allowed),
        (
            BOB,
            "changes olivia's decision and leaves her name",
            message("olivia"),
            forged("spec.reviewedBy is 'olivia', but you are 'bob'"),
        ),
        (
            BOB,
            "changes olivia's decision and signs",
            message("bob"),
            Allowed,
        ),
        (
            BOB,
            "labels olivia's decision",
            change(json!({"metadata": {"labels": {"seen": "yes"}}})),
            Allowed,
        ),
        (
            BACK_END,
            "approves for olivia",
            create(true, "olivia"),
            Allowed,
        ),
        (
            ADAM,
            "approves as olivia",
            create(true, "olivia"),
            forged("decide-for-others on apikeyrequests"),
        ),
        (ADAM, "approves as himself", create(true, "adam"), Allowed),
    ]
}

fn own(open: &Open) -> Vec<Attempt> {
    let create = |key, approved, by, says: bool| {
        let mut approval = open.approval("own", key, approved, by);
        if says {
            approval["metadata"]["annotations"] = json!({DECIDES_OWN: "true"});
        }
        create(open.name, "apikeyapprovals", approval)
    };
    let denial = format!("{}-denial", open.request_name("mine"));
    let change = |patch| merge(open.name, "apikeyapprovals", &denial, patch);
    let annotate = change(json!({"metadata": {"annotations": {DECIDES_OWN: "true"}}}));
    vec![
        // That it does not count is told by the controller.
        (
            ALICE,
            "approves her own request",
            create("mine", true, "alice", false),
            Allowed,
        ),
        (
            ALICE,
            "approves her own request and says that she may",
            create("mine", true, "alice", true),
            Refused(403, OWN),
        ),
        (
            ALICE,
            "says of olivia's decision that it may be her own",
            annotate,
            Refused(403, OWN),
        ),
        (
            BACK_END,
            "approves alice's request for alice and says that she may",
            create("mine", true, "alice", true),
            Refused(403, OWN),
        ),
        (
            ADAM,
            "approves his own request and says that he may",
            create("adams", true, "adam", true),
            Allowed,
        ),
        (
            ALICE,
            "approves a request that is not there yet",
            create("to-come", true, "alice", false),
            Allowed,
        ),
    ]
}

fn requests(open: &Open) -> Vec<Attempt> {
    let name = open.request_name("mine");
    let new = create(
        open.name,
        "apikeyrequests",
        open.request("to-come", "alice"),
    );
    let change = merge(
        open.name,
        "apikeyrequests",
        &name,
        json!({"spec": {"planTier": "silver"}}),
    );
    let label = merge(
        open.name,
        "apikeyrequests",
        &name,
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    let delete_one = delete(open.name, "apikeyrequests", &name);
    let delete_all = delete(open.name, "apikeyrequests", "");
    let refused = Refused(403, CONTROLLERS);
    vec![
        (OLIVIA, "writes a request", new, refused),
        (OLIVIA, "changes a request", change.clone(), refused),
        (OLIVIA, "labels a request", label, refused),
        (OLIVIA, "deletes a request", delete_one.clone(), refused),
        (OLIVIA, "deletes all requests", delete_all.clone(), refused),
        (
            ADAM,
            "deletes a request",
            delete_one.clone(),
            Refused(403, "delete its APIKey"),
        ),
        (CONTROLLER, "changes a request", change, Allowed),
        (CONTROLLER, "deletes a request", delete_one.clone(), Allowed),
        (
            NAMESPACE_CONTROLLER,
            "empties a namespace",
            delete_all,
            Allowed,
        ),
        (
            CONTROLLER_MANAGER,
            "deletes a request",
            delete_one.clone(),
            Allowed,
        ),
        (GARBAGE_COLLECTOR, "deletes a request", delete_one, Allowed),
    ]
}

fn reserved(open: &Open) -> Vec<Attempt> {
    let create = |suffix, by| {
        create(
            open.name,
            "apikeyapprovals",
            open.approval(suffix, "mine", true, by),
        )
    };
    let auto = format!("{}-auto", open.request_name("shown"));
    let turn = merge(
        open.name,
        "apikeyapprovals",
        &auto,
        json!({"spec": {"approved": true, "reviewedBy": "olivia"}}),
    );
    let untie = merge(
        open.name,
        "apikeyapprovals",
        &auto,
        json!({"metadata": {"ownerReferences": null}}),
    );
    let deny = |by: &str| {
        merge(
            open.name,
            "apikeyapprovals",
            &auto,
            json!({"spec": {"approved": false, "reviewedBy": by}}),
        )
    };
    let refused = Refused(403, RESERVED);
    vec![
        (
            OLIVIA,
            "approves under the name of an automatic approval",
            create("auto", "olivia"),
            refused,
        ),
        (
            OLIVIA,
            "approves under the name of a phase",
            create("phase", "olivia"),
            refused,
        ),
        (
            BACK_END,
            "approves under the name of an automatic approval",
            create("auto", "olivia"),
            refused,
        ),
        (OLIVIA, "turns an automatic approval around", turn, refused),
        (
            OLIVIA,
            "unties an automatic approval",
            untie.clone(),
            refused,
        ),
        (
            OLIVIA,
            "denies in an automatic approval, as Kuadrant's console does",
            deny("olivia"),
            Allowed,
        ),
        (
            OLIVIA,
            "denies in an automatic approval, in another's name",
            deny("adam"),
            Refused(422, "spec.reviewedBy is 'adam'"),
        ),
        (
            OLIVIA,
            "deletes an automatic approval",
            delete(open.name, "apikeyapprovals", &auto),
            Allowed,
        ),
        (
            CONTROLLER,
            "approves automatically",
            create("auto", "system"),
            Allowed,
        ),
        (
            GARBAGE_COLLECTOR,
            "unties an automatic approval",
            untie,
            Allowed,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn statuses(open: &Open) -> Vec<Attempt> {
    let write = |resource: &str, name: &str, status: Value| {
        let namespace = if resource == "apikeys" {
            &open.dev
        } else {
            open.name
        };
        merge(
            namespace,
            resource,
            &format!("{name}/status"),
            json!({"status": status}),
        )
    };
    let request = open.request_name("mine");
    let denial = format!("{request}-denial");
    let conditions = json!({"conditions": [{
        "type": "Approved", "status": "True", "reason": "Approved", "message": "",
        "lastTransitionTime": "2026-11-24T00:00:00Z",
    }]});
    let phase = write("apikeys", "mine", json!({"phase": "Approved"}));
    let shows = write("apikeys", "mine", json!({"canReadSecret": false}));
    let only = Refused(
        403,
        "of an APIKey's status you may set canReadSecret to false, and nothing else",
    );
    let refused = |words| Refused(403, words);
    vec![
        (
            ALICE,
            "approves her key in its status",
            phase.clone(),
            refused("the status of apikeys is written by the controller alone"),
        ),
        (
            OLIVIA,
            "approves a key in its status",
            phase.clone(),
            refused("create an APIKeyApproval"),
        ),
        (
            ADAM,
            "approves a key in its status",
            phase.clone(),
            refused("the status of apikeys is written"),
        ),
        (
            ALICE,
            "says that her key was shown",
            shows.clone(),
            refused("the status of apikeys is written"),
        ),
        (
            ALICE,
            "writes the status that there is",
            write("apikeys", "shown", json!({"canReadSecret": false})),
            Allowed,
        ),
        (
            OLIVIA,
            "writes a product's status",
            write("apiproducts", open.name, conditions.clone()),
            refused("the status of apiproducts is written"),
        ),
        (
            OLIVIA,
            "writes a request's status",
            write("apikeyrequests", &request, conditions.clone()),
            refused("the status of apikeyrequests is written"),
        ),
        (
            OLIVIA,
            "writes an approval's status",
            write("apikeyapprovals", &denial, conditions.clone()),
            refused("the status of apikeyapprovals is written"),
        ),
        (PORTAL, "notes that it has shown a key", shows, Allowed),
        (
            PORTAL,
            "notes that, and approves",
            write(
                "apikeys",
                "mine",
                json!({"canReadSecret": false, "phase": "Approved"}),
            ),
            only,
        ),
        (
            PORTAL,
            "notes that, and takes the conditions away",
            write(
                "apikeys",
                "mine",
                json!({"canReadSecret": false, "conditions": null}),
            ),
            only,
        ),
        (
            PORTAL,
            "makes a key readable again",
            write("apikeys", "shown", json!({"canReadSecret": true})),
            only,
        ),
        (
            PORTAL,
            "writes a product's status",
            write("apiproducts", open.name, conditions.clone()),
            refused("the status of apiproducts is written"),
        ),
        (CONTROLLER, "approves a key", phase, Allowed),
        (
            CONTROLLER,
            "writes a product's status",
            write("apiproducts", open.name, conditions),
            Allowed,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn texts(open: &Open) -> Vec<Attempt> {
    let product = |spec: Value| merge(open.name, "apiproducts", open.name, json!({"spec": spec}));
    let key = |spec: Value| {
        let mut key = open.key("another", "alice");
        let Value::Object(fields) = spec else {
            return create(&open.dev, "apikeys", key);
        };
        for (field, value) in fields {
            key["spec"][field] = value;
        }
        create(&open.dev, "apikeys", key)
    };
    let approval = |spec: Value| {
        let name = format!("{}-denial", open.request_name("mine"));
        merge(open.name, "apikeyapprovals", &name, json!({"spec": spec}))
    };
    let refused = |words| Refused(422, words);
    vec![
        (
            OLIVIA,
            "names a product in three scripts",
            product(json!({"displayName": "Spielzeug 玩具 צעצועים 🧸"})),
            Allowed,
        ),
        (
            OLIVIA,
            "describes a product in lines",
            product(json!({"description": "Toys:\n\t- bears\n"})),
            Allowed,
        ),
        (
            OLIVIA,
            "names a product with an escape",
            product(json!({"displayName": "\u{1b}[2JToys"})),
            refused("spec.displayName holds a control character"),
        ),
        (
            OLIVIA,
            "names a product in two lines",
            product(json!({"displayName": "Toys\nApproved"})),
            refused("spec.displayName holds"),
        ),
        (
            OLIVIA,
            "publishes a route with an escape in its name",
            product(json!({"targetRef": {"name": "toys\u{1b}[2J"}})),
            refused("spec.targetRef.name holds a control character"),
        ),
        (
            OLIVIA,
            "chooses a rule backwards",
            product(json!({"authRule": "\u{202e}syek"})),
            refused("spec.authRule holds"),
        ),
        (
            ALICE,
            "asks for a product with an escape in its name",
            key(json!({"apiProductRef": {"name": "toys\u{1b}[8m", "namespace": open.name}})),
            refused("spec.apiProductRef.name holds"),
        ),
        (
            ALICE,
            "names a Secret backwards",
            key(json!({"secretRef": {"name": "\u{202e}enim"}})),
            refused("spec.secretRef.name holds"),
        ),
        (
            OLIVIA,
            "describes a product backwards",
            product(json!({"description": "\u{202e}syoT"})),
            refused("spec.description holds"),
        ),
        (
            OLIVIA,
            "names a product with a space of no width",
            product(json!({"displayName": "To\u{200b}ys"})),
            refused("spec.displayName holds"),
        ),
        (
            OLIVIA,
            "shows a product to a group in disguise",
            product(json!({"visibility": {"groups": ["toys", "a\u{202e}b"]}})),
            refused("spec.visibility.groups holds"),
        ),
        (
            OLIVIA,
            "names an owner with an escape",
            product(json!({"owner": {"kind": "Group", "name": "a\u{1b}[31m"}})),
            refused("spec.owner.name holds"),
        ),
        (
            ALICE,
            "tells a novel of what her key is for",
            key(json!({"useCase": "a".repeat(4097)})),
            refused("longer than 4096 characters"),
        ),
        (
            OLIVIA,
            "describes a product with a carriage return",
            product(json!({"description": "Toys\rBears"})),
            refused("spec.description holds"),
        ),
        (
            OLIVIA,
            "gives a version with a C1 control",
            product(json!({"version": "1\u{85}"})),
            refused("spec.version holds"),
        ),
        (
            OLIVIA,
            "gives a second tag with a tab",
            product(json!({"tags": ["toys", "be\tars"]})),
            refused("spec.tags holds"),
        ),
        (
            OLIVIA,
            "names a team with a mark of direction",
            product(json!({"contact": {"team": "Toys\u{200f}"}})),
            refused("spec.contact.team holds"),
        ),
        (
            OLIVIA,
            "gives a page with a newline",
            product(json!({"documentation": {"docsURL": "https://a.example\n"}})),
            refused("spec.documentation.docsURL holds"),
        ),
        (
            MASTER,
            "describes a product backwards",
            product(json!({"description": "\u{202e}syoT"})),
            refused("spec.description holds"),
        ),
        (
            ALICE,
            "says in lines what a key is for",
            key(json!({"useCase": "to play\nand to learn"})),
            Allowed,
        ),
        (
            ALICE,
            "isolates what a key is for",
            key(json!({"useCase": "to \u{2066}play"})),
            refused("spec.useCase holds"),
        ),
        (
            ALICE,
            "asks for a plan with a delete character",
            key(json!({"planTier": "gold\u{7f}"})),
            refused("spec.planTier holds"),
        ),
        (
            ADAM,
            "asks for somebody with a turned name",
            key(json!({"requestedBy": {"userId": "bob\u{202e}", "email": "b@example.com"}})),
            refused("spec.requestedBy.userId holds"),
        ),
        (
            OLIVIA,
            "answers in lines",
            approval(json!({"message": "No.\nAsk again."})),
            Allowed,
        ),
        (
            OLIVIA,
            "answers with a bell",
            approval(json!({"message": "No.\u{7}"})),
            refused("spec.message holds"),
        ),
        (
            OLIVIA,
            "gives a reason in lines",
            approval(json!({"reason": "No\nWay"})),
            refused("spec.reason holds"),
        ),
        (
            BACK_END,
            "decides for somebody with a mark in the name",
            approval(json!({"reviewedBy": "oli\u{200e}via"})),
            refused("spec.reviewedBy holds"),
        ),
    ]
}

fn create(namespace: &str, resource: &str, object: Value) -> Ask {
    dry(Method::POST, &path(namespace, resource, ""), object)
}

fn merge(namespace: &str, resource: &str, name: &str, patch: Value) -> Ask {
    dry(Method::PATCH, &path(namespace, resource, name), patch)
}

fn delete(namespace: &str, resource: &str, name: &str) -> Ask {
    dry(
        Method::DELETE,
        &path(namespace, resource, name),
        Value::Null,
    )
}

fn dry(method: Method, path: &str, body: Value) -> Ask {
    Ask::new(method, format!("{path}?dryRun=All"), body)
}
