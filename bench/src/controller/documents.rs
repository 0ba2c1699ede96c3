//! What do documents take, which products publish in their statuses?

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use devportal_api::APIProduct;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::meter::{Memory, writes};
use super::recorded::until_settled;
use super::{CLIENTS, PATIENCE, Place};
use crate::shop::SHOP;

/// Bytes of each document: nearly as many as are taken without further settings.
const SIZE: usize = 500_000;

/// What came of it.
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize)]
pub(super) struct Documents {
    pub(super) products: usize,
    /// Before there was any.
    pub(super) before: Memory,
    /// When all were published.
    pub(super) published: Memory,
    /// After a start.
    pub(super) started: Memory,
    pub(super) start_writes: u64,
}

/// Products that each publish a document of their own, then a start.
pub(super) async fn measure(place: Place, products: usize) -> Result<Documents> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/{number}", get(document));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let api: Api<APIProduct> = Api::namespaced(place.shop.client.clone(), SHOP);
    let before = place.controller()?.memory()?;
    stream::iter(0..products)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(CLIENTS, |number| create(&api, &url, number))
        .await?;
    for number in 0..products {
        until_published(&api, number).await?;
    }
    until_settled(place.controller()?).await?;
    let published = place.controller()?.memory()?;

    let made = writes(&place.shop.client).await?;
    place.stack.kill("controller").await?;
    place.stack.restart("controller").await?;
    until_settled(place.controller()?).await?;
    let documents = Documents {
        products,
        before,
        published,
        started: place.controller()?.memory()?,
        start_writes: writes(&place.shop.client).await? - made,
    };
    server.abort();
    place.stack.stop().await?;
    Ok(documents)
}

fn name(number: usize) -> String {
    format!("documented-{number}")
}

async fn create(api: &Api<APIProduct>, url: &str, number: usize) -> Result<()> {
    let product: APIProduct = serde_json::from_value(json!({
        "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIProduct",
        "metadata": {"name": name(number)},
        "spec": {
            "displayName": "Toys", "approvalMode": "manual", "publishStatus": "Published",
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": SHOP},
            "documentation": {"openAPISpecURL": format!("{url}/{number}")},
        },
    }))?;
    api.create(&PostParams::default(), &product).await?;
    Ok(())
}

async fn until_published(api: &Api<APIProduct>, number: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let status = api.get(&name(number)).await?.status.unwrap_or_default();
        if status.openapi.is_some_and(|it| it.raw.len() >= SIZE) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "a document is not published: {:?}",
            status.conditions
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// An OpenAPI document that says what no other says.
async fn document(Path(number): Path<usize>) -> String {
    let (mut paths, mut length) = (Map::new(), 0);
    while length < SIZE {
        let path = format!("/toys/{number}/{}", paths.len());
        let operation = json!({"get": {
            "operationId": format!("get-{}-{number}", paths.len()),
            "summary": format!("What toy {} of shop {number} is made of", paths.len()),
            "parameters": [{"name": "colour", "in": "query", "schema": {"type": "string"}}],
            "responses": {"200": {"description": "The toy."}, "404": {"description": "No such toy."}},
        }});
        length += path.len() + operation.to_string().len() + 4;
        paths.insert(path, operation);
    }
    let info = json!({"title": format!("Toys {number}"), "version": "1"});
    let whole = json!({"openapi": "3.1.0", "info": info, "paths": Value::Object(paths)});
    whole.to_string()
}
