//! What do all stories stand on? One running stack, a Gateway, and a server for
//! documents.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use devportal_stack::{Options, Part, Persona, Stack};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, ValidationDirective,
};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit;

/// The OpenAPI document that is served.
pub(crate) const OPENAPI: &str = r#"{"openapi":"3.1.0","info":{"title":"Toys","version":"1"}}"#;

/// Everything that is shared.
pub(crate) struct Stage {
    pub(crate) stack: Stack,
    /// A client that may do anything.
    pub(crate) admin: Client,
    pub(crate) http: reqwest::Client,
    /// Where documents are served.
    pub(crate) documents: String,
    /// Removed when the stage is struck.
    _dir: TempDir,
}

impl Stage {
    /// Starts the stack and what every story needs.
    pub(crate) async fn set() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let options = Options::control_plane(dir.path()).with(&[
            Part::ControllerManager,
            Part::Kuadrant,
            Part::Gateway,
            Part::Controller,
            Part::Portal,
        ]);
        let stack = Stack::start(options).await?;
        let admin = stack.client(Persona::ClusterAdmin).await?;
        let documents = serve_documents().await?;
        let http = reqwest::Client::builder().build()?;
        let stage = Self {
            stack,
            admin,
            http,
            documents,
            _dir: dir,
        };
        stage.apply(&gateway()).await?;
        Ok(stage)
    }

    /// Takes everything down.
    pub(crate) async fn strike(self) -> Result<()> {
        let lacks = audit::look(&self.stack, &BTreeSet::new());
        self.stack.stop().await?;
        lacks
    }

    /// The ends of the logs, for a failed run.
    pub(crate) fn last_words(&self) -> String {
        let tails = ["controller", "portal"].map(|name| {
            let log = fs::read_to_string(self.stack.log(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(20)..];
            format!("the end of the {name}'s log:\n{}", tail.join("\n"))
        });
        tails.join("\n\n")
    }

    /// The log of our controller so far.
    pub(crate) fn controller_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.stack.log("controller"))?)
    }

    /// Applies one object of any kind, as `kubectl apply` would.
    pub(crate) async fn apply(&self, object: &Value) -> Result<DynamicObject> {
        apply(&self.admin, object).await
    }

    /// Deletes an object of any kind.
    pub(crate) async fn delete(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<()> {
        delete(&self.admin, group, version, kind, namespace, name).await
    }

    /// What the gateway answers to a request for a host, with these headers.
    pub(crate) async fn call(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<u16> {
        let url = self.stack.gateway_url().context("no gateway")?;
        let request = self.http.get(format!("{url}{path}")).header("Host", host);
        let request = headers
            .iter()
            .fold(request, |it, (name, value)| it.header(*name, *value));
        Ok(request.send().await?.status().as_u16())
    }
}

/// Applies one object of any kind with a client.
pub(crate) async fn apply(client: &Client, object: &Value) -> Result<DynamicObject> {
    let params = PatchParams::apply("journey").force();
    apply_with(client, object, &params).await
}

/// What the API server would say to an object, which has to know each field of it.
pub(crate) async fn try_out(client: &Client, object: &Value) -> Result<DynamicObject> {
    let mut params = PatchParams::apply("journey").force();
    params.dry_run = true;
    params.field_validation = Some(ValidationDirective::Strict);
    apply_with(client, object, &params).await
}

/// Applies one object of any kind in a way of one's own.
pub(crate) async fn apply_with(
    client: &Client,
    object: &Value,
    params: &PatchParams,
) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.clone().context("the object names no kind")?;
    let gvk = GroupVersionKind::try_from(types)?;
    let resource = ApiResource {
        plural: plural(&gvk.kind),
        ..ApiResource::from_gvk(&gvk)
    };
    let name = object
        .metadata
        .name
        .clone()
        .context("the object has no name")?;
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let applied = api.patch(&name, params, &Patch::Apply(&object)).await;
    applied.map_err(|error| anyhow!("cannot apply {} {name}: {error}", gvk.kind))
}

/// Deletes an object of any kind with a client.
pub(crate) async fn delete(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<()> {
    let all = objects(client, (group, version, kind), namespace);
    all.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

/// The objects of any kind in a namespace.
pub(crate) fn objects(
    client: &Client,
    (group, version, kind): (&str, &str, &str),
    namespace: &str,
) -> Api<DynamicObject> {
    let resource = ApiResource {
        plural: plural(kind),
        ..ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if lower.ends_with("policy") => format!("{stem}ies"),
        _ if lower.ends_with("class") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "gateway", "namespace": devportal_stack::NAMESPACE},
        "spec": {
            "gatewayClassName": "istio",
            "listeners": [{
                "name": "http", "port": 80, "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "All"}},
            }],
        },
    })
}

/// Serves an OpenAPI document and an issuer's discovery document on loopback.
async fn serve_documents() -> Result<String> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let issuer = format!("{url}/issuer");
    let discovery = move || async move {
        axum::Json(json!({"issuer": issuer, "token_endpoint": format!("{issuer}/token")}))
    };
    let router = Router::new()
        .route("/openapi.json", get(|| async { OPENAPI }))
        .route("/openapi/{filler}/{bytes}", get(filled))
        .route("/issuer/.well-known/openid-configuration", get(discovery))
        .route("/status/{code}", get(status));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// An OpenAPI document of so many bytes and some, nearly all of them this text again and again.
async fn filled(Path((filler, bytes)): Path<(String, usize)>) -> String {
    let text = filler.repeat(bytes / filler.len().max(1));
    json!({"openapi": "3.1.0", "info": {"title": "Toys", "version": "1", "description": text}})
        .to_string()
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT)
}
