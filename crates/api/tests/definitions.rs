//! Do the definitions of our kinds keep the published contract, field by
//! field?

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use devportal_api::crd;
use devportal_api::key::EMAIL;
use serde_json::{Value, json};

const PRODUCT: &str = "apiproducts";
const KEY: &str = "apikeys";
const REQUEST: &str = "apikeyrequests";
const APPROVAL: &str = "apikeyapprovals";
const ALL: [&str; 4] = [PRODUCT, KEY, REQUEST, APPROVAL];

fn definition(plural: &str) -> Value {
    let all = crd::definitions();
    let found = all
        .iter()
        .find(|it| it.spec.names.plural == plural)
        .unwrap();
    serde_json::to_value(found).unwrap()
}

fn version(plural: &str) -> Value {
    definition(plural)["spec"]["versions"][0].clone()
}

/// The schema of a field, by its path: `spec.targetRef.name`, `status.limits.custom[].limit`.
fn field(plural: &str, path: &str) -> Value {
    let mut schema = version(plural)["schema"]["openAPIV3Schema"].clone();
    for step in path.split('.') {
        let (name, list) = step
            .strip_suffix("[]")
            .map_or((step, false), |name| (name, true));
        schema = schema["properties"][name].clone();
        if list {
            schema = schema["items"].clone();
        }
        assert!(schema.is_object(), "{plural} has no {path}");
    }
    schema
}

fn required(plural: &str, path: &str) -> Vec<String> {
    let required = field(plural, path)["required"].take();
    let mut names: Vec<String> = serde_json::from_value(required).unwrap_or_default();
    names.sort();
    names
}

/// Name, path and priority of each column.
fn columns(plural: &str) -> Vec<(String, String, i64)> {
    let columns = version(plural)["additionalPrinterColumns"].take();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let columns = columns.as_array().unwrap().iter();
    columns
        .map(|it| {
            (
                text(&it["name"]),
                text(&it["jsonPath"]),
                it["priority"].as_i64().unwrap_or(0),
            )
        })
        .collect()
}

fn column(name: &str, path: &str, priority: i64) -> (String, String, i64) {
    (name.into(), path.into(), priority)
}

#[test]
fn the_files_in_deploy_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/chart/files/crds");
    for definition in crd::definitions() {
        let file = folder.join(crd::file_name(&definition));
        let text = std::fs::read_to_string(&file).unwrap();
        let kept: Value = serde_yaml_ng::from_str(&text).unwrap();
        let now = serde_json::to_value(&definition).unwrap();
        assert_eq!(
            kept,
            now,
            "{} is stale: run `cargo xtask gen`",
            file.display()
        );
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), ALL.len());
}

#[test]
fn every_kind_is_namespaced_served_and_stored_with_a_status_of_its_own() {
    for plural in ALL {
        let definition = definition(plural);
        assert_eq!(
            definition["metadata"]["name"],
            format!("{plural}.devportal.kuadrant.io")
        );
        assert_eq!(definition["spec"]["group"], "devportal.kuadrant.io");
        assert_eq!(definition["spec"]["scope"], "Namespaced");
        let versions = definition["spec"]["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0]["name"], "v1alpha1");
        assert_eq!(versions[0]["served"], true);
        assert_eq!(versions[0]["storage"], true);
        assert_eq!(versions[0]["subresources"], json!({"status": {}}));
    }
}

#[test]
fn names_are_the_published_ones() {
    let names = |kind: &str, plural: &str, singular: &str| {
        json!({
            "kind": kind, "listKind": format!("{kind}List"),
            "plural": plural, "singular": singular,
        })
    };
    let mut key = names("APIKey", KEY, "apikey");
    key["shortNames"] = json!(["apik"]);
    assert_eq!(definition(KEY)["spec"]["names"], key);
    assert_eq!(
        definition(PRODUCT)["spec"]["names"],
        names("APIProduct", PRODUCT, "apiproduct")
    );
    assert_eq!(
        definition(REQUEST)["spec"]["names"],
        names("APIKeyRequest", REQUEST, "apikeyrequest")
    );
    assert_eq!(
        definition(APPROVAL)["spec"]["names"],
        names("APIKeyApproval", APPROVAL, "apikeyapproval")
    );
}

#[test]
fn a_product_needs_a_name_a_target_and_two_modes_that_have_defaults() {
    assert_eq!(
        required(PRODUCT, "spec"),
        ["approvalMode", "displayName", "publishStatus", "targetRef"]
    );
    let mode = field(PRODUCT, "spec.approvalMode");
    assert_eq!(mode["default"], "manual");
    assert_eq!(mode["enum"], json!(["automatic", "manual"]));
    let status = field(PRODUCT, "spec.publishStatus");
    assert_eq!(status["default"], "Draft");
    assert_eq!(status["enum"], json!(["Draft", "Published"]));
}

#[test]
fn a_product_targets_an_http_route_and_says_so_in_the_published_words() {
    assert_eq!(
        field(PRODUCT, "spec.targetRef")["x-kubernetes-validations"],
        json!([
            {
                "rule": "self.group == 'gateway.networking.k8s.io'",
                "message": "Invalid targetRef.group. The only supported value is \
                            'gateway.networking.k8s.io'",
            },
            {
                "rule": "self.kind == 'HTTPRoute'",
                "message": "Invalid targetRef.kind. The only supported value is 'HTTPRoute'",
            },
        ])
    );
    assert_eq!(
        required(PRODUCT, "spec.targetRef"),
        ["group", "kind", "name"]
    );
}

#[test]
fn documentation_and_contact_are_optional_in_every_part() {
    let parts = [
        (
            "spec.documentation",
            vec![
                "openAPISpecURL",
                "swaggerUI",
                "docsURL",
                "gitRepository",
                "techdocsRef",
            ],
        ),
        ("spec.contact", vec!["team", "email", "slack", "url"]),
    ];
    for (whole, parts) in parts {
        assert_eq!(required(PRODUCT, whole), [""; 0]);
        for part in parts {
            assert_eq!(field(PRODUCT, &format!("{whole}.{part}"))["type"], "string");
        }
    }
}

#[test]
fn a_key_needs_a_product_a_tier_and_a_requester_but_no_secret() {
    assert_eq!(
        required(KEY, "spec"),
        ["apiProductRef", "planTier", "requestedBy"]
    );
    assert_eq!(required(KEY, "spec.apiProductRef"), ["name"]);
    assert_eq!(required(KEY, "spec.secretRef"), [""; 0]);
    assert_eq!(field(KEY, "spec.secretRef.name")["default"], "");
    assert_eq!(field(KEY, "spec.useCase")["type"], "string");
}

#[test]
fn a_requester_has_an_address_that_looks_like_one() {
    for plural in [KEY, REQUEST] {
        assert_eq!(required(plural, "spec.requestedBy"), ["email", "userId"]);
        assert_eq!(
            field(plural, "spec.requestedBy.email")["pattern"],
            r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$"
        );
    }
    // Where it is asked for elsewhere it is the same.
    let policy = include_str!("../../../deploy/chart/files/policies/identity.yaml");
    let in_cel = EMAIL.replace(r"\.", "[.]");
    assert!(policy.contains(&format!(".matches('{in_cel}')")));
    let backstage = include_str!("../../../backstage/plugins/devportal-node/src/person.ts");
    assert!(backstage.contains(&format!("EMAIL = /{EMAIL}/;")));
}

#[test]
fn a_request_needs_everything_but_an_expiry() {
    assert_eq!(
        required(REQUEST, "spec"),
        [
            "apiKeyRef",
            "apiProductRef",
            "planTier",
            "requestedBy",
            "useCase"
        ]
    );
    assert_eq!(required(REQUEST, "spec.apiKeyRef"), ["name", "namespace"]);
    assert_eq!(required(REQUEST, "spec.apiProductRef"), ["name"]);
}

#[test]
fn an_approval_says_what_who_and_when_and_may_say_why() {
    assert_eq!(
        required(APPROVAL, "spec"),
        ["apiKeyRequestRef", "approved", "reviewedAt", "reviewedBy"]
    );
    assert_eq!(field(APPROVAL, "spec.approved")["type"], "boolean");
    for optional in ["spec.reason", "spec.message"] {
        assert_eq!(field(APPROVAL, optional)["type"], "string");
    }
}

#[test]
fn moments_are_date_times_that_a_program_can_read() {
    let moments = [
        (KEY, "spec.expiresAt"),
        (REQUEST, "spec.expiresAt"),
        (APPROVAL, "spec.reviewedAt"),
    ];
    for (plural, path) in moments {
        let moment = field(plural, path);
        assert_eq!(moment["type"], "string");
        assert_eq!(moment["format"], "date-time");
        assert!(moment["pattern"].is_string(), "{plural} {path}");
    }
}

#[test]
fn conditions_are_merged_by_type() {
    for plural in ALL {
        let conditions = field(plural, "status.conditions");
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
        assert_eq!(
            required(plural, "status.conditions[]"),
            ["lastTransitionTime", "message", "reason", "status", "type"]
        );
    }
}

#[test]
fn a_keys_status_speaks_both_generations() {
    for path in [
        "status.observedGeneration",
        "status.apiHostname",
        "status.limits.daily",
        "status.limits.weekly",
        "status.limits.monthly",
        "status.limits.yearly",
        "status.limits.custom[].limit",
        "status.limits.custom[].window",
        "status.authScheme.authenticationSpec.selector.matchLabels",
        "status.authScheme.authenticationSpec.allNamespaces",
        "status.authScheme.credentials.authorizationHeader.prefix",
        "status.authScheme.credentials.customHeader.name",
        "status.authScheme.credentials.queryString.name",
        "status.authScheme.credentials.cookie.name",
        "status.reviewedBy",
        "status.reviewedAt",
        "status.secretRef.name",
        "status.secretRef.key",
    ] {
        field(KEY, path);
    }
    assert_eq!(
        field(KEY, "status.phase")["enum"],
        json!(["Pending", "Approved", "Rejected"])
    );
    assert_eq!(field(KEY, "status.canReadSecret")["default"], true);
}

#[test]
fn a_products_status_shows_what_was_discovered() {
    for path in [
        "status.observedGeneration",
        "status.discoveredPlans[].tier",
        "status.discoveredPlans[].limits.custom[].window",
        "status.openapi.raw",
        "status.openapi.lastSyncTime",
        "status.openapi.maxSizeUsed",
        "status.oidcDiscovery.tokenEndpoint",
    ] {
        field(PRODUCT, path);
    }
    let rule =
        &field(PRODUCT, "status.discoveredAuthScheme.authentication")["additionalProperties"];
    let rule = &rule["properties"];
    assert!(rule["apiKey"]["properties"]["selector"].is_object());
    assert!(rule["jwt"]["properties"]["issuerUrl"].is_object());
    assert!(rule["credentials"].is_object());
}

#[test]
fn lists_show_the_published_columns_and_how_a_key_stands() {
    assert_eq!(
        columns(KEY),
        [
            column(
                "Approved",
                r#".status.conditions[?(@.type=="Approved")].status"#,
                0
            ),
            column("API", ".spec.apiProductRef.name", 0),
            column("Plan", ".spec.planTier", 0),
            column("User", ".spec.requestedBy.userId", 0),
            // Ours: the lifecycle's condition is the first, and the only one of its kind.
            column(
                "State",
                r#".status.conditions[?(@.status=="True")].type"#,
                0
            ),
            column("Phase", ".status.phase", 1),
            column("Age", ".metadata.creationTimestamp", 0),
        ]
    );
    let product = columns(PRODUCT);
    let ready = column(
        "Ready",
        r#".status.conditions[?(@.type=="Ready")].status"#,
        2,
    );
    assert_eq!(product.first(), Some(&ready));
    assert_eq!(
        product.last(),
        Some(&column("Age", ".metadata.creationTimestamp", 0))
    );
    assert!(
        product[1..product.len() - 1]
            .iter()
            .all(|(_, _, priority)| *priority > 0)
    );
}

#[test]
fn no_schema_asks_for_null() {
    fn visit(schema: &Value, path: &str) {
        assert!(schema.get("nullable").is_none(), "{path} is nullable");
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            visit(child, &format!("{path}.{name}"));
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(child) = schema.get(inner) {
                visit(child, &format!("{path}.{inner}"));
            }
        }
    }
    for plural in ALL {
        visit(&version(plural)["schema"]["openAPIV3Schema"], plural);
    }
}
