//! One API's life, as its people live it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::stories;
use crate::audit;
use crate::portal::{Visitor, bind};
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::{throughout, until};

stories![
    four_people_share_an_api_and_each_sees_and_does_what_is_theirs,
    what_is_written_is_read_by_whoever_reads_next,
    a_change_of_what_was_approved_waits_where_owners_look,
    a_request_that_is_sent_twice_is_carried_out_once,
    who_listens_hears_of_what_they_may_see_and_goes_on_where_they_were,
];

/// A shop with its people: Alice asks, Olivia owns it, Oscar owns another, Adam looks
/// after all, and Petra runs the gateway.
pub(super) struct Town {
    pub(super) shop: Shop,
    pub(super) alice: Visitor,
    pub(super) olivia: Visitor,
    pub(super) oscar: Visitor,
    pub(super) adam: Visitor,
    pub(super) petra: Visitor,
}

impl Town {
    pub(super) async fn settle(shop: Shop) -> Result<Self> {
        let stage = &shop.stage;
        let team = |role: &str| format!("{role}-of-{}", shop.name);
        let group = |role: &str| ("Group", team(role));
        let other = format!("{}-other", shop.name);
        for (namespace, labels) in [
            (&other, json!({})),
            (
                &shop.dev,
                json!({"devportal.kuadrant.io/consumers": "true"}),
            ),
        ] {
            let object = json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace, "labels": labels},
            });
            stage.apply(&object).await?;
        }
        let roles: Vec<Value> = serde_yaml_ng::Deserializer::from_str(include_str!(
            "../../../../../deploy/samples/60-personas.yaml"
        ))
        .map(serde::Deserialize::deserialize)
        .collect::<Result<_, _>>()?;
        let petras = roles.iter().find(|it| it["kind"] == "ClusterRole");
        stage
            .apply(petras.context("Petra's role is in the sample")?)
            .await?;
        for (namespace, role, (kind, subject)) in [
            (None, "devportal-catalog", group("consumers")),
            (Some(&shop.dev), "devportal-consumer", group("consumers")),
            (Some(&shop.name), "devportal-owner", group("owners")),
            (Some(&other), "devportal-owner", ("User", team("oscar"))),
            (None, "devportal-admin", group("admins")),
            (None, "devportal-platform-engineer", group("engineers")),
        ] {
            bind(
                &stage.admin,
                namespace.map(String::as_str),
                role,
                (kind, &subject),
            )
            .await?;
        }
        let visitor = |name: &str, role: &str| Visitor::new(stage, name, &[&team(role)]);
        let town = Self {
            alice: visitor("alice", "consumers")?,
            olivia: visitor("olivia", "owners")?,
            oscar: visitor(&team("oscar"), "nobody")?,
            adam: visitor("adam", "admins")?,
            petra: visitor("petra", "engineers")?,
            shop,
        };
        // The roles are new: until the API server knows the last of them.
        let name = &town.shop.name;
        town.petra
            .until(
                "Petra sees the route",
                &format!("/v1/routes?namespace={name}"),
                |it| it["items"].as_array().is_some_and(|it| !it.is_empty()),
            )
            .await?;
        town.olivia
            .until("Olivia may publish", "/v1/me", |it| {
                it["publishIn"]
                    .as_array()
                    .is_some_and(|it| it.contains(&json!(name)))
            })
            .await?;
        Ok(town)
    }

    /// Where the shop's product is.
    pub(super) fn product(&self) -> String {
        format!("/v1/products/{0}/{0}", self.shop.name)
    }

    /// Offers the route, and waits until its plans are known.
    pub(super) async fn publish(&self, spec: Value) -> Result<()> {
        let name = &self.shop.name;
        let mut whole = json!({
            "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Published",
            "targetRef": self.shop.target(),
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        let new = json!({"namespace": name, "name": name, "spec": whole});
        self.olivia.post("/v1/products", &new).await?.expect(201)?;
        self.shop
            .product_says("AuthPolicyDiscovered", "True")
            .await?;
        self.shop
            .product_says("PlanPolicyDiscovered", "True")
            .await?;
        Ok(())
    }

    /// Asks for a key, as Alice: its address.
    pub(super) async fn ask(&self, tier: &str) -> Result<String> {
        let new = json!({
            "namespace": self.shop.dev, "planTier": tier, "useCase": "to play",
            "product": {"namespace": self.shop.name, "name": self.shop.name},
        });
        let key = self.alice.post("/v1/keys", &new).await?.expect(201)?;
        let name = key["name"].as_str().context("a key has a name")?;
        Ok(format!("/v1/keys/{}/{name}", self.shop.dev))
    }

    /// The request for a key, as Olivia sees it: its address and what it says.
    pub(super) async fn request_for(&self, key: &str) -> Result<(String, Value)> {
        let name = key.rsplit('/').next().unwrap_or_default();
        let path = format!("/v1/requests?namespace={}&q={name}", self.shop.name);
        let found = self
            .olivia
            .until("the request is there", &path, |it| {
                it["items"][0].is_object()
            })
            .await?;
        let row = &found["items"][0];
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let path = format!("/v1/requests/{}/{}", text("namespace"), text("name"));
        let request = self.olivia.get(&path).await?.expect(200)?;
        Ok((path, request))
    }

    /// Approves a key, as Olivia.
    pub(super) async fn approve(&self, key: &str, more: Value) -> Result<()> {
        let (path, request) = self.request_for(key).await?;
        let mut decision = json!({"approved": true, "terms": request["terms"]});
        for (field, value) in more.as_object().into_iter().flatten() {
            decision[field] = value.clone();
        }
        let decided = self
            .olivia
            .post(&format!("{path}/decision"), &decision)
            .await?;
        decided.expect(201)?;
        Ok(())
    }

    /// Waits until a key's value waits, and has it shown to Alice.
    pub(super) async fn reveal(&self, key: &str) -> Result<String> {
        self.alice
            .until("the value waits to be shown", key, |it| {
                it["canReveal"] == true
            })
            .await?;
        let shown = self
            .alice
            .post(&format!("{key}/reveal"), &json!({}))
            .await?;
        ensure!(shown.headers["cache-control"] == "no-store");
        let shown = shown.expect(200)?;
        let value = shown["value"].as_str().context("a value is shown")?;
        Ok(value.to_owned())
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, from the first to the last page"
)]
async fn four_people_share_an_api_and_each_sees_and_does_what_is_theirs(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::prepare(stage, "market").await?;
    let silver = json!({"custom": [{"limit": 20, "window": "1m"}]});
    let plans = shop.plans([("gold", json!({"daily": 100_000})), ("silver", silver)]);
    shop.stage.apply(&plans).await?;
    let town = Town::settle(shop).await?;
    let (alice, olivia) = (&town.alice, &town.olivia);

    // Olivia publishes from a route; before she does, nobody sees it.
    let routes = format!("/v1/routes?namespace={}", town.shop.name);
    let route = olivia
        .until("the route shows its plans", &routes, |it| {
            it["items"][0]["plans"]
                .as_array()
                .is_some_and(|it| it.len() == 2)
        })
        .await?;
    ensure!(
        route["items"][0]["hostnames"] == json!([town.shop.hostname()]),
        "{route}"
    );
    town.publish(json!({"publishStatus": "Draft"})).await?;
    alice.get(&town.product()).await?.expect(404)?;
    let published = json!({"spec": {"publishStatus": "Published"}});
    olivia
        .patch(&town.product(), &published)
        .await?
        .expect(200)?;

    // Alice finds it, asks for Gold; Olivia approves Silver.
    let found = alice.list("/v1/products?q=toys").await?;
    ensure!(
        found.iter().any(|it| it["name"] == *town.shop.name),
        "{found:?}"
    );
    let key = town.ask("gold").await?;
    alice
        .post(&format!("{key}/reveal"), &json!({}))
        .await?
        .expect(409)?;
    let granted = json!({"planTier": "silver", "message": "Silver will do"});
    town.approve(&key, granted).await?;

    // She is shown it once, calls, and is limited as granted.
    let first = town.reveal(&key).await?;
    alice
        .post(&format!("{key}/reveal"), &json!({}))
        .await?
        .expect(410)?;
    let shown = alice.get(&key).await?.expect(200)?;
    ensure!(
        shown["tier"] == "silver" && shown["askedTier"] == "gold",
        "{shown}"
    );
    ensure!(
        shown["message"]
            .as_str()
            .is_some_and(|it| it.contains("Silver will do")),
        "{shown}"
    );
    ensure!(
        !shown.to_string().contains(&first),
        "the value is shown twice"
    );
    town.shop.gateway_answers(&first, 200).await?;
    town.shop.gateway_answers(&first, 429).await?;

    // She rotates without a 401.
    alice
        .post(&format!("{key}/rotate"), &json!({"overlap": "1h"}))
        .await?
        .expect(200)?;
    let second = town.reveal(&key).await?;
    ensure!(first != second);
    until("the gateway knows the new value", async || {
        let seen = town.shop.ask(&second).await?;
        Ok(if seen == 401 { Err(seen) } else { Ok(()) })
    })
    .await?;
    throughout(Duration::from_secs(1), async || {
        let answers = [town.shop.ask(&first).await?, town.shop.ask(&second).await?];
        ensure!(!answers.contains(&401), "{answers:?}");
        Ok(())
    })
    .await?;

    // Olivia takes it away again.
    let (request, _) = town.request_for(&key).await?;
    let denied = json!({"approved": false, "message": "found in a repository"});
    olivia
        .post(&format!("{request}/decision"), &denied)
        .await?
        .expect(201)?;
    town.shop.gateway_answers(&first, 401).await?;
    town.shop.gateway_answers(&second, 401).await?;

    // Adam does for Olivia's team what she could.
    let other = town.ask("silver").await?;
    let (request, seen) = town.request_for(&other).await?;
    let approved = json!({"approved": true, "terms": seen["terms"]});
    town.adam
        .post(&format!("{request}/decision"), &approved)
        .await?
        .expect(201)?;
    town.reveal(&other).await?;
    let described = json!({"spec": {"description": "Toys, by the dozen"}});
    town.adam
        .patch(&town.product(), &described)
        .await?
        .expect(200)?;

    // Petra sees what is not enforced.
    let unlimited = town.ask("platinum").await?;
    town.approve(&unlimited, json!({})).await?;
    let unenforced = format!("/v1/keys?unenforced=true&namespace={}", town.shop.dev);
    let seen = town
        .petra
        .until("Petra sees the key without a plan", &unenforced, |it| {
            it["items"][0]["enforced"]["reason"] == "UnknownTier"
        })
        .await?;
    ensure!(
        seen["items"].as_array().is_some_and(|it| it.len() == 1),
        "{seen}"
    );

    // Another owner sees none of it.
    for path in ["/v1/requests", "/v1/keys", "/v1/products?status=Draft"] {
        let rows = town.oscar.list(path).await?;
        let theirs = [&town.shop.name, &town.shop.dev];
        let is_theirs = |row: &Value| theirs.iter().any(|it| row["namespace"] == ***it);
        ensure!(!rows.iter().any(is_theirs), "{path}: {rows:?}");
    }
    town.oscar.get(&request).await?.expect(404)?;
    town.oscar
        .post(&format!("{request}/decision"), &denied)
        .await?
        .expect(404)?;
    town.oscar
        .patch(&town.product(), &published)
        .await?
        .expect(404)?;
    town.oscar.delete(&town.product()).await?.expect(404)?;
    everyone_is_named(&town)
}

/// The API server's audit log names the person for each write that the portal's accounts
/// made here.
fn everyone_is_named(town: &Town) -> Result<()> {
    let log = audit::text(&town.shop.stage.stack)?;
    let entries = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let namespaces = [&town.shop.name, &town.shop.dev];
    let (mut people, mut reveals) = (std::collections::BTreeSet::new(), 0);
    for entry in entries {
        let at = &entry["objectRef"];
        let is_here = namespaces.iter().any(|it| at["namespace"] == ***it);
        let verb = entry["verb"].as_str().unwrap_or_default();
        if !is_here || !["create", "patch", "delete"].contains(&verb) {
            continue;
        }
        match entry["user"]["username"].as_str().unwrap_or_default() {
            "system:serviceaccount:backstage:devportal-backstage" => {
                let person = &entry["impersonatedUser"]["username"];
                let person = person.as_str().context("a write that names nobody")?;
                people.insert(person.to_owned());
            }
            "system:serviceaccount:kuadrant-system:devportal-server" => {
                let is_note = at["resource"] == "events";
                let is_claim = at["resource"] == "apikeys" && at["subresource"] == "status";
                ensure!(is_note || is_claim, "the server wrote by itself: {entry}");
                // A claim on what has changed meanwhile is refused, and made again.
                reveals += usize::from(is_claim && entry["responseStatus"]["code"] == 200);
            }
            _ => {}
        }
    }
    let everyone = ["adam", "alice", "olivia"].map(str::to_owned);
    ensure!(everyone.iter().all(|it| people.contains(it)), "{people:?}");
    ensure!(
        reveals == 3,
        "three values were shown, and {reveals} claims made"
    );
    Ok(())
}

async fn what_is_written_is_read_by_whoever_reads_next(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "read-after").await?).await?;
    town.publish(json!({})).await?;
    for round in 0..20 {
        let text = format!("round {round}");
        let patch = json!({"spec": {"description": text}});
        let written = town.olivia.patch(&town.product(), &patch).await?;
        let tag = written.headers["etag"].to_str()?.to_owned();
        written.expect(200)?;
        let read = town.olivia.get(&town.product()).await?.expect(200)?;
        ensure!(read["spec"]["description"] == *text, "{read}");
        // Who looked before that is told, and changes nothing.
        let late = town
            .olivia
            .request(reqwest::Method::PATCH, &town.product())
            .header("If-Match", "\"1\"")
            .json(&json!({"spec": {"description": "late"}}));
        town.olivia.send(late).await?.expect(412)?;
        let fresh = town
            .olivia
            .request(reqwest::Method::PATCH, &town.product())
            .header("If-Match", tag)
            .json(&json!({"spec": {"version": format!("v{round}")}}));
        // The controller may have written a status in between.
        let status = town.olivia.send(fresh).await?.status;
        ensure!([200, 412].contains(&status), "{status}");
    }
    let deleted = town.olivia.delete(&town.product()).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    town.olivia.get(&town.product()).await?.expect(404)?;
    Ok(())
}

async fn a_change_of_what_was_approved_waits_where_owners_look(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "changes").await?).await?;
    town.publish(json!({})).await?;
    let key = town.ask("silver").await?;
    town.approve(&key, json!({})).await?;
    let waiting = format!("/v1/requests?namespace={}&waiting=true", town.shop.name);
    let is_done = |it: &Value| it["items"] == json!([]);
    town.olivia
        .until("nothing waits", &waiting, is_done)
        .await?;

    // Alice asks for more with kubectl.
    let name = key.rsplit('/').next().unwrap_or_default();
    town.shop
        .patch_key(name, &json!({"spec": {"planTier": "gold"}}))
        .await?;
    let found = town
        .olivia
        .until("the change waits", &waiting, |it| {
            it["items"][0]["approvedTier"] == "silver"
        })
        .await?;
    let row = &found["items"][0];
    let told = [&row["tier"], &row["state"], &row["waiting"]];
    ensure!(
        told == [&json!("gold"), &json!("Approved"), &json!(true)],
        "{row}"
    );
    let me = town.olivia.get("/v1/me").await?.expect(200)?;
    ensure!(me["pendingRequests"] == 1, "{me}");
    let product = town.olivia.get(&town.product()).await?.expect(200)?;
    let counts = (&product["keys"]["waiting"], &product["keys"]["pending"]);
    ensure!(counts == (&json!(1), &json!(0)), "{product}");
    town.approve(&key, json!({})).await?;
    town.olivia
        .until("nothing waits", &waiting, is_done)
        .await?;
    let me = town.olivia.get("/v1/me").await?.expect(200)?;
    ensure!(me["pendingRequests"] == 0, "{me}");
    Ok(())
}

async fn a_request_that_is_sent_twice_is_carried_out_once(stage: Arc<Stage>) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "twice").await?).await?;
    town.publish(json!({})).await?;
    let new = |tier: &str| {
        json!({
            "namespace": town.shop.dev, "planTier": tier,
            "product": {"namespace": town.shop.name, "name": town.shop.name},
        })
    };
    let send = async |tier: &str| {
        let request = town.alice.request(reqwest::Method::POST, "/v1/keys");
        let request = request.header("Idempotency-Key", "click").json(&new(tier));
        town.alice.send(request).await
    };
    let first = send("gold").await?.expect(201)?;
    let again = send("gold").await?.expect(201)?;
    ensure!(first["name"] == again["name"], "{again}");
    send("silver").await?.expect(409)?;
    // A name that somebody else has is no request that was sent before.
    let taken = json!({"namespace": town.shop.name, "name": town.shop.name, "spec": {
        "displayName": "Others", "approvalMode": "manual", "publishStatus": "Draft",
        "targetRef": town.shop.target(),
    }});
    let request = town.olivia.request(reqwest::Method::POST, "/v1/products");
    let request = request.header("Idempotency-Key", "another").json(&taken);
    let problem = town.olivia.send(request).await?.expect(409)?;
    ensure!(
        problem["title"] == "AlreadyExists" && problem["causes"][0]["field"] == "name",
        "{problem}"
    );
    let keys = town
        .alice
        .list(&format!("/v1/keys?namespace={}", town.shop.dev))
        .await?;
    ensure!(keys.len() == 1, "{keys:?}");
    // Without the header each is a request of its own.
    town.alice
        .post("/v1/keys", &new("gold"))
        .await?
        .expect(201)?;
    let keys = town
        .alice
        .list(&format!("/v1/keys?namespace={}", town.shop.dev))
        .await?;
    ensure!(keys.len() == 2, "{keys:?}");
    Ok(())
}

async fn who_listens_hears_of_what_they_may_see_and_goes_on_where_they_were(
    stage: Arc<Stage>,
) -> Result<()> {
    let town = Town::settle(Shop::prepare(stage, "listen").await?).await?;
    town.publish(json!({})).await?;
    let mut alices = Listener::new(&town.alice, None).await?;
    let mut oscars = Listener::new(&town.oscar, None).await?;
    let key = town.ask("gold").await?;
    let name = key.rsplit('/').next().unwrap_or_default().to_owned();
    let heard = alices.until(&name).await?;
    ensure!(heard.contains("\"apikeys\""), "{heard}");
    let last = alices.last.clone();
    drop(alices);
    // What came meanwhile is told.
    let second = town.ask("gold").await?;
    let second = second.rsplit('/').next().unwrap_or_default().to_owned();
    let mut again = Listener::new(&town.alice, last.as_deref()).await?;
    again.until(&second).await?;
    // Of one that is withdrawn she hears that it is gone, and of a draft nothing.
    let product = |publish: &str| json!({"spec": {"publishStatus": publish}});
    let its = format!("\"apiproducts\",\"namespace\":\"{}\"", town.shop.name);
    let draft = town
        .olivia
        .patch(&town.product(), &product("Draft"))
        .await?;
    draft.expect(200)?;
    let gone = format!("{its},\"name\":\"{}\",\"ended\":true", town.shop.name);
    again.until(&gone).await?;
    let described = json!({"spec": {"description": "not yet"}});
    let mut during = Listener::new(&town.alice, None).await?;
    let edited = town.olivia.patch(&town.product(), &described).await?;
    edited.expect(200)?;
    let is_told = during.heard_within(Duration::from_secs(1), &its).await?;
    ensure!(!is_told, "Alice hears of a draft");
    let published = town
        .olivia
        .patch(&town.product(), &product("Published"))
        .await?;
    published.expect(200)?;
    during.until(&its).await?;
    // A place that nobody knows any more is said so.
    let mut stray = Listener::new(&town.alice, Some("elsewhere-7")).await?;
    stray.until("event: reset").await?;
    ensure!(
        !oscars.heard_within(Duration::from_secs(1), &name).await?,
        "Oscar heard of it"
    );
    Ok(())
}

/// Somebody who listens to what changes.
pub(super) struct Listener {
    answer: reqwest::Response,
    text: String,
    /// The id of the last event.
    last: Option<String>,
}

impl Listener {
    pub(super) async fn new(visitor: &Visitor, last: Option<&str>) -> Result<Self> {
        let request = visitor.request(reqwest::Method::GET, "/v1/events");
        let request = match last {
            Some(last) => request.header("Last-Event-ID", last),
            None => request,
        };
        let answer = request.send().await?.error_for_status()?;
        Ok(Self {
            answer,
            text: String::new(),
            last: None,
        })
    }

    /// Everything that was heard, once these words are in it.
    pub(super) async fn until(&mut self, words: &str) -> Result<String> {
        let limit = Duration::from_secs(20);
        let is_heard = self.heard_within(limit, words).await?;
        ensure!(
            is_heard,
            "{words:?} was not heard within {limit:?}: {}",
            self.text
        );
        Ok(self.text.clone())
    }

    /// Listens for a while to what is not looked at.
    pub(super) async fn pass_over(&mut self, time: Duration) -> Result<()> {
        self.heard_within(time, "what nobody says").await?;
        self.text.clear();
        Ok(())
    }

    pub(super) async fn heard_within(&mut self, limit: Duration, words: &str) -> Result<bool> {
        let hear = async {
            loop {
                let is_whole = self.text.ends_with("\n\n");
                if is_whole && self.text.contains(words) {
                    return Ok(true);
                }
                let Some(chunk) = self.answer.chunk().await? else {
                    return Ok(false);
                };
                self.text.push_str(&String::from_utf8_lossy(&chunk));
                let mut lines = self.text.lines().rev();
                let id = lines.find_map(|line| line.strip_prefix("id: "));
                self.last = id.map(str::to_owned);
            }
        };
        tokio::time::timeout(limit, hear).await.unwrap_or(Ok(false))
    }
}
