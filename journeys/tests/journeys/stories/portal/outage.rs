//! What if the API server is away?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_stack::{Options, Part, Persona, Stack};
use serde_json::json;

use super::super::stories;
use crate::portal::{Visitor, bind};
use crate::stage::{Stage, apply};
use crate::wait::until;

stories![while_the_api_server_is_away_reads_go_on_and_writes_are_refused];

async fn while_the_api_server_is_away_reads_go_on_and_writes_are_refused(
    stage: Arc<Stage>,
) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = Options::control_plane(dir.path()).with(&[Part::Portal]);
    options.foreign_crds = true;
    let stack = Stack::start(options).await?;
    let admin = stack.client(Persona::ClusterAdmin).await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
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
    let product = "/v1/products/shop/toys";
    ensure!(adam.list("/v1/products").await?.len() == 1);
    adam.get(product).await?.expect(200)?;

    stack.kill("kube-apiserver").await?;
    // Longer than an answer about Adam stands by itself.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let since = until("reads go on and say since when", async || {
        let reply = adam.get("/v1/products").await?;
        ensure!(reply.status == 200, "{reply:?}");
        ensure!(reply.body["items"][0]["name"] == "toys", "{reply:?}");
        Ok(match reply.headers.get("devportal-stale-since") {
            Some(since) => Ok(since.to_str().unwrap_or_default().to_owned()),
            None => Err(reply),
        })
    })
    .await?;
    ensure!(since.starts_with("20") && since.ends_with('Z'), "{since}");
    adam.get(product).await?.expect(200)?;
    // Of whom nothing is known nothing is believed.
    zoe.get("/v1/products").await?.expect(503)?;
    let patch = json!({"spec": {"description": "written"}});
    let refused = adam.patch(product, &patch).await?;
    ensure!(refused.headers.contains_key("retry-after"), "{refused:?}");
    refused.expect(503)?;

    stack.restart("kube-apiserver").await?;
    until("both come back by themselves", async || {
        let written = adam.patch(product, &patch).await?;
        let read = adam.get(product).await?;
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
    stack.stop().await
}
