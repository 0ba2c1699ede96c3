//! What if the API server is away?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use devportal_stack::{ForeignCrds, Options, Part, Persona, Stack};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::stories;
use super::people::Listener;
use crate::audit;
use crate::portal::{Visitor, bind};
use crate::stage::{Stage, apply};
use crate::wait::until;

stories![
    while_the_api_server_is_away_reads_go_on_and_writes_are_refused,
    while_the_api_server_hangs_nobody_waits_for_long,
    a_stream_ends_with_the_token_that_it_was_opened_with,
];

const PRODUCT: &str = "/v1/products/shop/toys";

/// A portal of its own, with a product, Adam who has seen it, and Zoe who comes later.
struct Alone {
    stack: Stack,
    adam: Visitor,
    zoe: Visitor,
    /// Removed at the end.
    dir: tempfile::TempDir,
}

impl Alone {
    async fn start(stage: &Stage) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut options = Options::control_plane(dir.path()).with(&[Part::Portal]);
        options.foreign_crds = ForeignCrds::Followed;
        let stack = Stack::start(options).await?;
        let admin = stack.client(Persona::ClusterAdmin).await?;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        apply(&admin, &namespace).await?;
        bind(&admin, None, "devportal-admin", ("User", "adam")).await?;
        let adam = Visitor::on(&stack, &stage.http, "adam", &[])?;
        let zoe = Visitor::on(&stack, &stage.http, "zoe", &[])?;
        let spec = json!({
            "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Published",
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "toys"},
        });
        let new = json!({"namespace": "shop", "name": "toys", "spec": spec});
        until("Adam may offer a product", async || {
            let reply = adam.post("/v1/products", &new).await?;
            Ok(if reply.status == 201 {
                Ok(())
            } else {
                Err(reply)
            })
        })
        .await?;
        ensure!(adam.list("/v1/products").await?.len() == 1);
        adam.get(PRODUCT).await?.expect(200)?;
        Ok(Self {
            stack,
            adam,
            zoe,
            dir,
        })
    }

    async fn end(self) -> Result<()> {
        let lacks = audit::look(&self.stack, &BTreeSet::new());
        self.stack.stop().await?;
        lacks
    }
}

async fn while_the_api_server_is_away_reads_go_on_and_writes_are_refused(
    stage: Arc<Stage>,
) -> Result<()> {
    let it = Alone::start(&stage).await?;
    it.stack.kill("kube-apiserver").await?;
    // Longer than an answer about Adam stands by itself.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let since = until("reads go on and say since when", async || {
        let reply = it.adam.get("/v1/products").await?;
        ensure!(reply.status == 200, "{reply:?}");
        ensure!(reply.body["items"][0]["name"] == "toys", "{reply:?}");
        Ok(match reply.headers.get("devportal-stale-since") {
            Some(since) => Ok(since.to_str().unwrap_or_default().to_owned()),
            None => Err(reply),
        })
    })
    .await?;
    ensure!(since.starts_with("20") && since.ends_with('Z'), "{since}");
    it.adam.get(PRODUCT).await?.expect(200)?;
    // Of whom nothing is known nothing is believed.
    it.zoe.get("/v1/products").await?.expect(503)?;
    let patch = json!({"spec": {"description": "written"}});
    let refused = it.adam.patch(PRODUCT, &patch).await?;
    ensure!(refused.headers.contains_key("retry-after"), "{refused:?}");
    refused.expect(503)?;

    it.stack.restart("kube-apiserver").await?;
    until("both come back by themselves", async || {
        let written = it.adam.patch(PRODUCT, &patch).await?;
        let read = it.adam.get(PRODUCT).await?;
        let is_back = written.status == 200
            && read.body["spec"]["description"] == "written"
            && !read.headers.contains_key("devportal-stale-since");
        Ok(if is_back {
            Ok(())
        } else {
            Err((written, read))
        })
    })
    .await?;
    it.end().await
}

async fn while_the_api_server_hangs_nobody_waits_for_long(stage: Arc<Stage>) -> Result<()> {
    let it = Alone::start(&stage).await?;
    it.stack.halt("kube-apiserver")?;
    // Longer than an answer about Adam stands by itself.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let limit = Duration::from_secs(20);
    let many = (0..20).map(|_| it.adam.get("/v1/products"));
    for reply in tokio::time::timeout(limit, join_all(many)).await? {
        reply?.expect(200)?;
    }
    // Who was never seen is told so, all at once.
    let many = (0..20).map(|_| it.zoe.get("/v1/products"));
    for reply in tokio::time::timeout(limit, join_all(many)).await? {
        reply?.expect(503)?;
    }
    let patch = json!({"spec": {"description": "written"}});
    let refused = it.adam.patch(PRODUCT, &patch).await?.expect(503)?;
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(detail.contains("may have carried this out"), "{refused}");
    it.stack.go_on("kube-apiserver")?;
    until("it is as before", async || {
        let reply = it.adam.patch(PRODUCT, &patch).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply)
        })
    })
    .await?;
    it.zoe.get(PRODUCT).await?.expect(404)?;
    it.end().await
}

async fn a_stream_ends_with_the_token_that_it_was_opened_with(stage: Arc<Stage>) -> Result<()> {
    let it = Alone::start(&stage).await?;
    // One that tells when it ends, as those of OpenID Connect do. The API server takes it
    // for longer: whoever has it is shut out all the same.
    let until = Timestamp::now() + SignedDuration::from_secs(40);
    let payload = URL_SAFE_NO_PAD.encode(json!({"exp": until.as_second()}).to_string());
    let token = format!("h.{payload}.s");
    let file = it.dir.path().join("kube-apiserver/tokens.csv");
    let others = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{others}{token},adam,adam,\n"))?;
    it.stack.restart("kube-apiserver").await?;
    let bearer = format!("Bearer {token}");
    let brief = it.adam.with(&[("Authorization", &bearer)]);
    until_seen(&brief).await?;
    let mut listener = Listener::new(&brief, None).await?;
    let limit = Duration::from_mins(1);
    ensure!(
        listener.heard_within(limit, "event: end").await?,
        "the stream goes on"
    );
    let is_over = Timestamp::now().as_second() >= until.as_second();
    ensure!(is_over, "it ended before its time");
    brief.get(PRODUCT).await?.expect(401)?;
    it.end().await
}

async fn until_seen(visitor: &Visitor) -> Result<()> {
    until("the token is taken", async || {
        let reply = visitor.get(PRODUCT).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply)
        })
    })
    .await
}
