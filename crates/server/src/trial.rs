//! What does the server do, seen from one of its functions? An app that knows nothing yet, and
//! the answers of an API server as a test would have them.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, header};
use devportal_mirror::Lens;
use kube::Client;
use tokio::sync::watch;

use crate::caller::{Caller, Me, Person};
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;
use crate::{App, Conventions, Routes};

/// An app beside an API server that answers so.
pub(crate) fn app(api_server: Router) -> App {
    let client = Client::new(api_server, "default");
    let kubernetes = Kubernetes::over(client, Lens::new([7; 32]));
    let metrics = Metrics::register(&mut devportal_metrics::Registry::default());
    let stops = watch::channel(false).1;
    App::new(
        kubernetes,
        Routes::All,
        Conventions::default(),
        metrics,
        stops,
    )
}

/// Somebody of this name.
pub(crate) fn person(user: &str) -> Me {
    let mut headers = HeaderMap::new();
    let token = HeaderValue::from_static("Bearer t");
    headers.insert(header::AUTHORIZATION, token);
    let person = Person {
        user: user.to_owned(),
        groups: vec![],
        email: None,
    };
    Me {
        caller: Caller::of(&headers).unwrap(),
        person: Arc::new(person),
    }
}
