//! Who sends a request, and what do they hear? Requests in the name of somebody, as
//! the API server takes them: with headers that say who that is.

use anyhow::{Result, bail};
use axum::http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// Somebody, as the API server is to see them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Person {
    pub(crate) user: &'static str,
    pub(crate) groups: &'static [&'static str],
    /// What whoever authenticated them says is their address.
    pub(crate) email: Option<&'static str>,
}

/// Somebody of that name.
pub(crate) const fn person(user: &'static str) -> Person {
    Person {
        user,
        groups: &[],
        email: None,
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What the API server answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Value),
    /// The HTTP status and what it says.
    Refused(u16, String),
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self {
            method,
            path: path.into(),
            body,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    /// Sends it in somebody's name; without one in that of the client.
    pub(crate) async fn send(
        &self,
        client: &Client,
        person: Option<&Person>,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let content = match self.method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header("Content-Type", content);
        if let Some(person) = person {
            request = request.header("Impersonate-User", person.user);
            for group in person.groups {
                request = request.header("Impersonate-Group", *group);
            }
            if let Some(email) = person.email {
                request = request.header("Impersonate-Extra-devportal.kuadrant.io%2Femail", email);
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match &self.body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body)?,
        };
        match client.request::<Value>(request.body(body)?).await {
            Ok(answer) => Ok(Answer::Done(answer)),
            Err(kube::Error::Api(status)) => {
                Ok(Answer::Refused(status.code, status.message.clone()))
            }
            Err(error) => bail!("{} {}: {error}", self.method, self.path),
        }
    }
}

/// What is expected of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Allowed,
    /// With this HTTP status and these words.
    Refused(u16, &'static str),
}

impl Expected {
    pub(crate) fn is_met(self, answer: &Answer) -> bool {
        match (self, answer) {
            (Self::Allowed, Answer::Done(_)) => true,
            (Self::Refused(code, words), Answer::Refused(seen, said)) => {
                code == *seen && said.contains(words)
            }
            _ => false,
        }
    }
}
