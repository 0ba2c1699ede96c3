//! Who may do what? Everybody at every address, for what is theirs and what is not, for
//! drafts and for what is published.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::stories;
use super::people::Town;
use crate::portal::Visitor;
use crate::shop::Shop;
use crate::stage::Stage;

stories![
    nobody_sees_or_does_at_the_portal_what_is_not_theirs,
    what_is_for_a_group_is_shown_to_its_members_and_to_the_catalog,
    what_a_product_lacks_is_told_to_its_owner,
];

/// The five, in the order of the columns.
const WHO: [&str; 5] = ["alice", "olivia", "oscar", "adam", "petra"];

/// What is asked, and what each of the five is answered: first where Olivia's product is
/// a draft, then where it is published.
struct Row {
    what: &'static str,
    method: &'static str,
    path: String,
    body: Value,
    draft: [u16; 5],
    published: [u16; 5],
}

async fn nobody_sees_or_does_at_the_portal_what_is_not_theirs(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "isolated").await?).await?;
    let document = format!("{}/openapi.json", stage.documents);
    let documented = json!({"documentation": {"openAPISpecURL": document}});
    town.publish(documented).await?;
    town.shop.product_says("OpenAPISpecReady", "True").await?;
    let key = town.ask("gold").await?;
    let (request, seen) = town.request_for(&key).await?;
    let people = [
        &town.alice,
        &town.olivia,
        &town.oscar,
        &town.adam,
        &town.petra,
    ];
    let mut failed = Vec::new();
    for status in ["Draft", "Published"] {
        let patch = json!({"spec": {"publishStatus": status}});
        town.olivia
            .patch(&town.product(), &patch)
            .await?
            .expect(200)?;
        for row in rows(&town, &key, &request, &seen) {
            let expected = if status == "Draft" {
                row.draft
            } else {
                row.published
            };
            for ((who, visitor), expected) in WHO.iter().zip(people).zip(expected) {
                let got = ask(visitor, &row).await?;
                if got != expected {
                    failed.push(format!(
                        "{status}: {who} {}: {got}, not {expected}",
                        row.what
                    ));
                }
            }
        }
        lists(&town, status == "Draft", &mut failed).await?;
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// Backstage's catalog knows every published product, and shows each person theirs by
/// itself.
async fn what_is_for_a_group_is_shown_to_its_members_and_to_the_catalog(
    stage: Arc<Stage>,
) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "partners").await?).await?;
    town.publish(json!({"visibility": {"groups": ["partners"]}}))
        .await?;
    let paul = Visitor::new(&stage, "paul", &["consumers-of-partners", "partners"])?;
    let catalog = Visitor::new(&stage, "backstage:catalog", &[])?;
    let list = format!("/v1/products?namespace={}", town.shop.name);
    for (status, expected) in [
        ("Published", [false, true, true, true]),
        ("Draft", [false, true, false, false]),
    ] {
        let patch = json!({"spec": {"publishStatus": status}});
        town.olivia
            .patch(&town.product(), &patch)
            .await?
            .expect(200)?;
        let people = [&town.alice, &town.olivia, &paul, &catalog];
        for (visitor, expected) in people.iter().zip(expected) {
            let is_found = visitor.get(&town.product()).await?.status == 200;
            let is_listed = !visitor.list(&list).await?.is_empty();
            let namespaces = visitor.list("/v1/products/namespaces").await?;
            let is_named = namespaces.contains(&json!(town.shop.name));
            ensure!(
                [is_found, is_listed, is_named] == [expected; 3],
                "{status}: {is_found} {is_listed} {is_named}, not {expected}"
            );
        }
    }
    // Other stories let everybody see some.
    let requests = format!("/v1/requests?namespace={}", town.shop.name);
    stage.apply(&town.shop.key("mine")).await?;
    town.olivia
        .until("Olivia sees the request", &requests, |it| {
            it["items"][0].is_object()
        })
        .await?;
    let requests = catalog.list(&requests).await?;
    ensure!(requests.is_empty(), "{requests:?}");
    Ok(())
}

async fn what_a_product_lacks_is_told_to_its_owner(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "meagre").await?).await?;
    town.publish(json!({"contact": {"email": "shop@example.com"}}))
        .await?;
    let list = format!("/v1/products?namespace={}&incomplete=true", town.shop.name);
    let rows = town.olivia.list(&list).await?;
    let gaps = rows[0]["gaps"].as_array().context("there are gaps")?;
    let fields: Vec<_> = gaps.iter().filter_map(|it| it["field"].as_str()).collect();
    ensure!(
        fields.contains(&"spec.documentation.openAPISpecURL") && !fields.contains(&"spec.contact"),
        "{fields:?}"
    );
    ensure!(town.alice.list(&list).await?.is_empty());
    // Nothing is wrong with it once its policies are in force, until its plans are gone.
    let troubled = format!("/v1/products?namespace={}&troubled=true", town.shop.name);
    town.olivia
        .until("nothing is wrong with the product", &troubled, |it| {
            it["items"].as_array().is_some_and(Vec::is_empty)
        })
        .await?;
    let (group, version) = ("extensions.kuadrant.io", "v1alpha1");
    let name = &town.shop.name;
    stage
        .delete(group, version, "PlanPolicy", name, name)
        .await?;
    town.olivia
        .until("the product is in trouble", &troubled, |it| {
            let problems = it["items"][0]["problems"].as_array();
            let mut said = problems.into_iter().flatten();
            said.any(|it| {
                it["about"]
                    .as_str()
                    .is_some_and(|it| it.contains("No PlanPolicy"))
            })
        })
        .await?;
    // Whose keys open it is the owner's concern, and the other product hers.
    let mut secret = town.shop.product("manual");
    secret["metadata"]["name"] = json!("secret");
    secret["spec"]["publishStatus"] = json!("Draft");
    stage.apply(&secret).await?;
    let names_it = |it: &Value| it.to_string().contains("/secret open this API too");
    town.olivia
        .until("the other product is told", &town.product(), names_it)
        .await?;
    let shown = town.alice.get(&town.product()).await?.expect(200)?;
    ensure!(!shown.to_string().contains("secret"), "{shown}");
    Ok(())
}

/// What was answered. What would change something is asked in a form that the API server
/// refuses (422) after it has looked at who asks.
async fn ask(visitor: &Visitor, row: &Row) -> Result<u16> {
    let method = row.method.parse()?;
    let mut request = visitor.request(method, &row.path);
    if !row.body.is_null() {
        request = request.json(&row.body);
    }
    if row.method == "DELETE" {
        // Of a version that it does not have.
        request = request.header("If-Match", "\"1\"");
    }
    Ok(visitor.send(request).await?.status)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows(town: &Town, key: &str, request: &str, seen: &Value) -> Vec<Row> {
    let product = town.product();
    let (shop, dev) = (&town.shop.name, &town.shop.dev);
    let row = |what, method, path: String, body, draft, published| Row {
        what,
        method,
        path,
        body,
        draft,
        published,
    };
    let broken = json!({"spec": {"targetRef": {"kind": "Service"}}});
    let new = |namespace: &str| {
        json!({"namespace": namespace, "name": "broken", "spec": {
            "displayName": "Broken", "approvalMode": "manual", "publishStatus": "Draft",
            "targetRef": {"group": "", "kind": "HTTPRoute", "name": "none"},
        }})
    };
    let key_in = |namespace: &str| {
        json!({
            "namespace": namespace, "planTier": "gold", "expiresAt": "never",
            "product": {"namespace": shop, "name": shop},
        })
    };
    let stale = json!({"approved": true, "terms": "sha256:0"});
    let odd = json!({"approved": true, "terms": seen["terms"], "expiresAt": "never"});
    //                                    alice olivia oscar adam petra
    vec![
        row(
            "reads the product",
            "GET",
            product.clone(),
            Value::Null,
            [404, 200, 404, 200, 200],
            [200, 200, 404, 200, 200],
        ),
        row(
            "reads its document",
            "GET",
            format!("{product}/openapi"),
            Value::Null,
            [404, 200, 404, 200, 200],
            [200, 200, 404, 200, 200],
        ),
        row(
            "edits the product",
            "PATCH",
            product.clone(),
            broken,
            [404, 422, 404, 422, 403],
            [403, 422, 404, 422, 403],
        ),
        row(
            "deletes the product",
            "DELETE",
            product,
            Value::Null,
            [404, 412, 404, 412, 403],
            [403, 412, 404, 412, 403],
        ),
        row(
            "offers a product there",
            "POST",
            "/v1/products".into(),
            new(shop),
            [403, 422, 403, 422, 403],
            [403, 422, 403, 422, 403],
        ),
        row(
            "asks for a key in Alice's namespace",
            "POST",
            "/v1/keys".into(),
            key_in(dev),
            [404, 403, 404, 403, 403],
            [422, 403, 404, 403, 403],
        ),
        row(
            "asks for a key in the shop's namespace",
            "POST",
            "/v1/keys".into(),
            key_in(shop),
            [404, 403, 404, 403, 403],
            [403, 403, 404, 403, 403],
        ),
        row(
            "reads the key",
            "GET",
            key.to_owned(),
            Value::Null,
            [200, 404, 404, 200, 200],
            [200, 404, 404, 200, 200],
        ),
        row(
            "is shown the key",
            "POST",
            format!("{key}/reveal"),
            json!({}),
            [409, 404, 404, 403, 403],
            [409, 404, 404, 403, 403],
        ),
        row(
            "rotates the key",
            "POST",
            format!("{key}/rotate"),
            json!({"overlap": "long"}),
            [422, 404, 404, 403, 403],
            [422, 404, 404, 403, 403],
        ),
        row(
            "deletes the key",
            "DELETE",
            key.to_owned(),
            Value::Null,
            [412, 404, 404, 412, 403],
            [412, 404, 404, 412, 403],
        ),
        row(
            "reads the request",
            "GET",
            request.to_owned(),
            Value::Null,
            [404, 200, 404, 200, 200],
            [404, 200, 404, 200, 200],
        ),
        row(
            "approves what was not shown",
            "POST",
            format!("{request}/decision"),
            stale,
            [404, 409, 404, 409, 409],
            [404, 409, 404, 409, 409],
        ),
        row(
            "approves",
            "POST",
            format!("{request}/decision"),
            odd,
            [404, 422, 404, 422, 403],
            [404, 422, 404, 422, 403],
        ),
        row(
            "asks how the portal fares",
            "GET",
            "/v1/health".into(),
            Value::Null,
            [200; 5],
            [200; 5],
        ),
        row(
            "asks who may do what",
            "GET",
            "/v1/grants".into(),
            Value::Null,
            [403, 403, 403, 403, 200],
            [403, 403, 403, 403, 200],
        ),
        row(
            "asks who they are",
            "GET",
            "/v1/me".into(),
            Value::Null,
            [200; 5],
            [200; 5],
        ),
    ]
}

/// Who finds the product, the key, the request and the route in the lists.
async fn lists(town: &Town, is_draft: bool, failed: &mut Vec<String>) -> Result<()> {
    let (shop, dev) = (&town.shop.name, &town.shop.dev);
    let people = [
        &town.alice,
        &town.olivia,
        &town.oscar,
        &town.adam,
        &town.petra,
    ];
    for (path, namespace, expected) in [
        ("/v1/products", shop, [!is_draft, true, false, true, true]),
        ("/v1/keys", dev, [true, false, false, true, true]),
        ("/v1/requests", shop, [false, true, false, true, true]),
        ("/v1/routes", shop, [false, true, false, true, true]),
    ] {
        for ((who, visitor), expected) in WHO.iter().zip(people).zip(expected) {
            // With the namespace named, and by looking through everything.
            let named = visitor
                .list(&format!("{path}?namespace={namespace}"))
                .await?;
            let all = everything(visitor, path).await?;
            let is_in = |rows: &[Value]| rows.iter().any(|it| it["namespace"] == **namespace);
            if is_in(&named) != expected || is_in(&all) != expected {
                failed.push(format!(
                    "{who} at {path}, where a draft is {is_draft}: not {expected}"
                ));
            }
        }
    }
    Ok(())
}

/// Every page of a list, of few rows each.
async fn everything(visitor: &Visitor, path: &str) -> Result<Vec<Value>> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = visitor
            .get(&format!("{path}?limit=3{after}"))
            .await?
            .expect(200)?;
        let items = page["items"].as_array().context("a list has items")?;
        rows.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(rows),
        }
    }
}
