//! What is sent to the portal that nobody should send?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use devportal_stack::Persona;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::stories;
use super::people::{Listener, Town};
use crate::portal::Visitor;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::until;

stories![
    nobody_gets_in_who_is_no_person,
    what_is_malformed_is_refused_and_harms_nobody,
    texts_that_hide_or_turn_what_is_read_are_refused,
    of_two_owners_who_decide_at_once_one_learns_of_the_other,
    who_may_no_longer_is_shut_out_in_seconds_also_in_mid_stream,
];

/// Who comes in words, with which headers, and the answer.
type Caller<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16);

/// Every address, with the method it takes.
const EVERYWHERE: [(&str, &str); 20] = [
    ("GET", "/v1/health"),
    ("GET", "/v1/grants"),
    ("GET", "/v1/me"),
    ("GET", "/v1/products"),
    ("POST", "/v1/products"),
    ("GET", "/v1/products/a/b"),
    ("PATCH", "/v1/products/a/b"),
    ("DELETE", "/v1/products/a/b"),
    ("GET", "/v1/products/a/b/openapi"),
    ("GET", "/v1/routes"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys/a/b"),
    ("DELETE", "/v1/keys/a/b"),
    ("POST", "/v1/keys/a/b/reveal"),
    ("POST", "/v1/keys/a/b/rotate"),
    ("GET", "/v1/requests"),
    ("GET", "/v1/requests/a/b"),
    ("POST", "/v1/requests/a/b/decision"),
    ("GET", "/v1/events"),
];

async fn nobody_gets_in_who_is_no_person(stage: Arc<Stage>) -> Result<()> {
    let bearer = |who| Ok::<_, anyhow::Error>(format!("Bearer {}", stage.stack.token(who)?));
    let backstage = bearer(Persona::Backstage)?;
    let (portal, alice) = (bearer(Persona::Portal)?, bearer(Persona::Consumer)?);
    let service = "system:serviceaccount:kuadrant-system:devportal-controller";
    let callers: [Caller; 12] = [
        ("nobody", vec![], 401),
        (
            "a wrong token",
            vec![("Authorization", "Bearer wrong")],
            401,
        ),
        ("another scheme", vec![("Authorization", "Basic YTpi")], 401),
        (
            "a name without a token",
            vec![("Impersonate-User", "alice")],
            401,
        ),
        (
            "Backstage that lost the headers",
            vec![("Authorization", &backstage)],
            403,
        ),
        ("our own account", vec![("Authorization", &portal)], 403),
        (
            "Alice as Olivia",
            vec![("Authorization", &alice), ("Impersonate-User", "olivia")],
            403,
        ),
        (
            "our own account as Alice",
            vec![("Authorization", &portal), ("Impersonate-User", "alice")],
            403,
        ),
        (
            "a group and no user",
            vec![
                ("Authorization", &backstage),
                ("Impersonate-Group", "api-admins"),
            ],
            403,
        ),
        (
            "a master of everything",
            vec![
                ("Authorization", &backstage),
                ("Impersonate-User", "alice"),
                ("Impersonate-Group", "system:masters"),
            ],
            403,
        ),
        (
            "a service account",
            vec![("Authorization", &backstage), ("Impersonate-User", service)],
            403,
        ),
        (
            "a part of Kubernetes",
            vec![
                ("Authorization", &backstage),
                ("Impersonate-User", "system:kube-controller-manager"),
            ],
            403,
        ),
    ];
    for (who, headers, expected) in &callers {
        let visitor = Visitor::with_headers(&stage, headers)?;
        for (method, path) in EVERYWHERE {
            let request = visitor.request(method.parse()?, path).json(&json!({}));
            let reply = visitor.send(request).await?;
            // The API server says of headers that make no sense that they are bad.
            let is_refused = reply.status == *expected || (*expected == 403 && reply.status == 400);
            ensure!(is_refused, "{who} at {method} {path}: {reply:?}");
            ensure!(reply.headers["content-type"] == "application/problem+json");
            ensure!(reply.body["requestId"].is_string(), "{reply:?}");
        }
    }
    Ok(())
}

async fn what_is_malformed_is_refused_and_harms_nobody(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "malformed").await?).await?;
    town.publish(json!({})).await?;
    let alice = &town.alice;
    for path in [
        "/v1/keys/a/..",
        "/v1/keys/a/%2e%2e%2f%2e%2e%2fsecrets",
        "/v1/keys/a/b%2f..%2fc",
        "/v1/keys/a/b%3fwatch=true",
        "/v1/keys/a/b%00",
        "/v1/products/A/b",
        "/v1/products/a.b/c",
        "/v1/requests/a/%ff",
        "/v1/nothing",
        "/",
    ] {
        let reply = alice.get(path).await?;
        ensure!([400, 404].contains(&reply.status), "{path}: {reply:?}");
        ensure!(
            reply.headers["content-type"] == "application/problem+json",
            "{path}"
        );
    }
    for (query, words) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("after=nonsense", "after"),
        ("colour=red", "colour"),
        ("state=Lost", "Lost"),
        ("product=toys", "namespace/name"),
    ] {
        let reply = alice.get(&format!("/v1/keys?{query}")).await?;
        let body = reply.expect(400).with_context(|| query.to_owned())?;
        ensure!(
            body["detail"].as_str().is_some_and(|it| it.contains(words)),
            "{query}: {body}"
        );
    }
    let large = "x".repeat(10 << 20);
    let sent = alice
        .request(Method::POST, "/v1/keys")
        .json(&json!({"namespace": large}));
    // It may be cut off while it is sent: what matters is that it is not read.
    if let Ok(reply) = alice.send(sent).await {
        ensure!(reply.status == 413, "{reply:?}");
    }
    for body in [
        "",
        "null",
        "[]",
        "{",
        "\u{feff}{}",
        r#"{"namespace": 1}"#,
        r#"{"surprise": 1}"#,
    ] {
        let request = alice.request(Method::POST, "/v1/keys");
        let request = request
            .header("Content-Type", "application/json")
            .body(body);
        let reply = alice.send(request).await?;
        ensure!([400, 422].contains(&reply.status), "{body:?}: {reply:?}");
    }
    let plain = alice.request(Method::POST, "/v1/keys").body("namespace=a");
    alice.send(plain).await?.expect(415)?;
    // What the API server does not know is not lost without a word.
    let unknown = json!({"spec": {"colour": "red"}});
    let reply = town
        .olivia
        .patch(&town.product(), &unknown)
        .await?
        .expect(422)?;
    ensure!(
        reply["detail"]
            .as_str()
            .is_some_and(|it| it.contains("colour")),
        "{reply}"
    );
    alice.get("/v1/me").await?.expect(200)?;
    Ok(())
}

async fn texts_that_hide_or_turn_what_is_read_are_refused(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "texts").await?).await?;
    town.publish(json!({})).await?;
    let key = town.ask("gold").await?;
    let (request, seen) = town.request_for(&key).await?;
    let shop = &town.shop.name;
    for text in [
        "a\u{0}b",
        "a\u{1b}[31mb",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{85}b",
    ] {
        for field in ["displayName", "description", "version"] {
            let patch = json!({"spec": {field: text}});
            let reply = town.olivia.patch(&town.product(), &patch).await?;
            ensure!(
                [400, 422].contains(&reply.status),
                "{field} {text:?}: {reply:?}"
            );
        }
        let decision = json!({"approved": true, "terms": seen["terms"], "message": text});
        let reply = town
            .olivia
            .post(&format!("{request}/decision"), &decision)
            .await?;
        ensure!(
            [400, 422].contains(&reply.status),
            "message {text:?}: {reply:?}"
        );
        for field in ["planTier", "useCase"] {
            let mut new = json!({
                "namespace": town.shop.dev, "planTier": "gold", "useCase": "to play",
                "product": {"namespace": shop, "name": shop},
            });
            new[field] = json!(text);
            let reply = town.alice.post("/v1/keys", &new).await?;
            ensure!(
                [400, 422].contains(&reply.status),
                "{field} {text:?}: {reply:?}"
            );
        }
    }
    Ok(())
}

async fn of_two_owners_who_decide_at_once_one_learns_of_the_other(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "at-once").await?).await?;
    town.publish(json!({})).await?;
    let key = town.ask("gold").await?;
    let (request, seen) = town.request_for(&key).await?;
    let path = format!("{request}/decision");
    // When the controller has said that it waits.
    let is_told = |it: &Value| it["conditions"].as_array().is_some_and(|it| !it.is_empty());
    town.olivia
        .until("the request waits", &request, is_told)
        .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let looked = town.olivia.get(&request).await?;
    let tag = looked.headers["etag"].to_str()?.to_owned();
    let decide = |visitor: &Visitor, tier: &str| {
        let decision = json!({"approved": true, "terms": seen["terms"], "planTier": tier});
        let request = visitor.request(Method::POST, &path).json(&decision);
        request.header("If-Match", &tag)
    };
    // Both have seen the same, and one is first.
    let (first, second) = tokio::join!(
        town.olivia.send(decide(&town.olivia, "silver")),
        town.adam.send(decide(&town.adam, "gold")),
    );
    let mut statuses = [first?.status, second?.status];
    statuses.sort_unstable();
    ensure!(
        statuses[0] == 201 && [409, 412].contains(&statuses[1]),
        "{statuses:?}"
    );
    // Whoever looks again may decide again, as often as they like.
    for tier in ["silver", "gold", "silver"] {
        let decision = json!({"approved": true, "terms": seen["terms"], "planTier": tier});
        until("a decision on what is now", async || {
            let looked = town.olivia.get(&request).await?;
            // As a proxy passes it on that compresses answers.
            let tag = format!("W/{}", looked.headers["etag"].to_str()?);
            let again = town.olivia.request(Method::POST, &path).json(&decision);
            let reply = town.olivia.send(again.header("If-Match", tag)).await?;
            // The controller may have written what the last one came to in between.
            ensure!([201, 412].contains(&reply.status), "{tier}: {reply:?}");
            Ok(if reply.status == 201 {
                Ok(())
            } else {
                Err(reply)
            })
        })
        .await?;
    }
    let is_silver = |it: &Value| it["tier"] == "silver" && it["state"] == "Approved";
    town.alice
        .until("the last one counts", &key, is_silver)
        .await?;
    // Also where another's clock is ahead.
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    let name = key.rsplit('/').next().unwrap_or_default();
    let shop = &town.shop;
    shop.decide_in(&shop.name, name, true, "ahead", ahead)
        .await?;
    let denied = json!({"approved": false, "message": "no more"});
    until("the denial is after what was decided ahead", async || {
        town.olivia.post(&path, &denied).await?.expect(201)?;
        let seen = town.alice.get(&key).await?;
        Ok(if seen.body["state"] == "Denied" {
            Ok(())
        } else {
            Err(seen)
        })
    })
    .await?;
    Ok(())
}

async fn who_may_no_longer_is_shut_out_in_seconds_also_in_mid_stream(
    stage: Arc<Stage>,
) -> Result<()> {
    let town = Town::settle(Shop::prepare(Arc::clone(&stage), "no-longer").await?).await?;
    town.publish(json!({})).await?;
    let key = town.ask("gold").await?;
    // The controller has said what it says of the key, and that is heard.
    let is_told = |it: &Value| it["message"].is_string();
    town.alice.until("the key waits", &key, is_told).await?;
    let mut listener = Listener::new(&town.alice, None).await?;
    listener.pass_over(Duration::from_secs(1)).await?;
    let group = format!("consumers-of-{}", town.shop.name);
    stage
        .delete(
            "rbac.authorization.k8s.io",
            "v1",
            "RoleBinding",
            &town.shop.dev,
            &format!("devportal-consumer-{group}"),
        )
        .await?;
    until("Alice does not see the key any more", async || {
        let reply = town.alice.get(&key).await?;
        Ok(if reply.status == 404 {
            Ok(())
        } else {
            Err(reply)
        })
    })
    .await?;
    town.alice
        .post(&format!("{key}/reveal"), &json!({}))
        .await?
        .expect(404)?;
    let (request, seen) = town.request_for(&key).await?;
    let decision = json!({"approved": true, "terms": seen["terms"]});
    let mut adam = Listener::new(&town.adam, None).await?;
    town.olivia
        .post(&format!("{request}/decision"), &decision)
        .await?
        .expect(201)?;
    let name: &str = key.rsplit('/').next().unwrap_or_default();
    let words = format!("\"{name}\"");
    // Adam hears of it, so there is something to hear.
    adam.until(&words).await?;
    let heard = listener
        .heard_within(Duration::from_secs(1), &words)
        .await?;
    ensure!(!heard, "Alice hears of a key that she may not see");
    Ok(())
}
