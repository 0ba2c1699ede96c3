//! How does somebody use the portal? Over HTTP: through Backstage's account, with
//! headers that say who they are, or with a token of their own.

use anyhow::{Context, Result, ensure};
use devportal_stack::{Persona, Stack};
use kube::Client;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Stage, apply};
use crate::wait::until;

/// Somebody at the portal.
#[derive(Clone)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    /// Where the portal is.
    pub(crate) url: String,
    /// What every request of theirs has.
    headers: Vec<(String, String)>,
}

/// What the portal answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The body, if this is the status.
    pub(crate) fn expect(self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }
}

impl Visitor {
    /// Somebody who comes through Backstage.
    pub(crate) fn new(stage: &Stage, user: &str, groups: &[&str]) -> Result<Self> {
        Self::on(&stage.stack, &stage.http, user, groups)
    }

    /// The same on another stack.
    pub(crate) fn on(
        stack: &Stack,
        http: &reqwest::Client,
        user: &str,
        groups: &[&str],
    ) -> Result<Self> {
        let url = stack.portal_url().context("no portal")?;
        let token = stack.token(Persona::Backstage)?;
        let mut headers = vec![
            ("Authorization".to_owned(), format!("Bearer {token}")),
            ("Impersonate-User".to_owned(), user.to_owned()),
            (
                "Impersonate-Extra-devportal.kuadrant.io%2Femail".to_owned(),
                format!("{user}@example.com"),
            ),
        ];
        let groups = groups
            .iter()
            .map(|it| ("Impersonate-Group".to_owned(), (*it).to_owned()));
        headers.extend(groups);
        Ok(Self {
            http: http.clone(),
            url,
            headers,
        })
    }

    /// Somebody with these headers and no others.
    pub(crate) fn with_headers(stage: &Stage, headers: &[(&str, &str)]) -> Result<Self> {
        Ok(Self::new(stage, "", &[])?.with(headers))
    }

    /// The same place with these headers and no others.
    pub(crate) fn with(&self, headers: &[(&str, &str)]) -> Self {
        let owned = |it: &(&str, &str)| (it.0.to_owned(), it.1.to_owned());
        Self {
            headers: headers.iter().map(owned).collect(),
            ..self.clone()
        }
    }

    /// The same at another replica.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let headers = self.headers.iter();
        headers.fold(request, |it, (name, value)| it.header(name, value))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Reply> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(self.request(Method::PATCH, path).json(body))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Reply> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// The rows of a list.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let body = self.get(path).await?.expect(StatusCode::OK.as_u16())?;
        let items = body["items"].as_array().context("a list has items")?;
        Ok(items.clone())
    }

    /// Waits until what is read is as wanted.
    pub(crate) async fn until(
        &self,
        what: &str,
        path: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        until(what, async || {
            let reply = self.get(path).await?;
            let is_there = reply.status == StatusCode::OK.as_u16() && is_so(&reply.body);
            Ok(if is_there { Ok(reply.body) } else { Err(reply) })
        })
        .await
    }
}

/// Binds one of the shipped roles to a user or a group, in a namespace or everywhere.
pub(crate) async fn bind(
    client: &Client,
    namespace: Option<&str>,
    role: &str,
    subject: (&str, &str),
) -> Result<()> {
    let object = binding(namespace, role, subject);
    apply(client, &object).await?;
    Ok(())
}

/// What binds a role.
pub(crate) fn binding(namespace: Option<&str>, role: &str, (kind, subject): (&str, &str)) -> Value {
    let group = "rbac.authorization.k8s.io";
    let mut object = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
        "metadata": {"name": format!("{role}-{subject}")},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": kind, "name": subject}],
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}
