//! What does the controller take where there are more keys than this machine's API
//! server could be filled with in a session?
//!
//! **Not a real API server**: it plays back what one answered, one key many times under
//! other names, page by page. It lists, it reads and keeps watches open; every write it
//! refuses and counts, for there should be none.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::{Stream, StreamExt};
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{Instant, interval_at, sleep};
use tokio_stream::wrappers::IntervalStream;

use super::meter::{Memory, Meter};
use super::template::Template;
use super::{PATIENCE, key_name};

/// The version that every list has.
const VERSION: &str = "1000000000";

/// What came of it.
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize)]
pub(super) struct Recorded {
    pub(super) keys: usize,
    pub(super) memory: Memory,
    /// From the start of the process until it is ready, in seconds.
    pub(super) ready: f64,
    pub(super) cpu: f64,
    pub(super) writes: u64,
}

/// Around the keys: by the path of the list.
pub(super) async fn surroundings(client: &Client) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    for path in [
        "/apis/devportal.kuadrant.io/v1alpha1/apiproducts",
        "/apis/gateway.networking.k8s.io/v1/httproutes",
        "/apis/gateway.networking.k8s.io/v1/gateways",
        "/apis/kuadrant.io/v1/authpolicies",
        "/apis/kuadrant.io/v1beta1/kuadrants",
        "/apis/extensions.kuadrant.io/v1alpha1/planpolicies",
    ] {
        let request = http::Request::get(path).body(Vec::new())?;
        all.insert(path.to_owned(), client.request(request).await?);
    }
    Ok(all)
}

struct Tape {
    template: Template,
    keys: usize,
    around: BTreeMap<String, Value>,
    writes: AtomicU64,
}

/// Starts the controller against a recording of so many keys, and lets it settle.
pub(super) async fn measure(
    program: &Path,
    template: Template,
    around: BTreeMap<String, Value>,
    keys: usize,
) -> Result<Recorded> {
    let tape = Arc::new(Tape {
        template,
        keys,
        around,
        writes: AtomicU64::new(0),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(answer).with_state(Arc::clone(&tape));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tape",
        "clusters": [{"name": "tape", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "tape", "user": {}}],
        "contexts": [{"name": "tape", "context": {"cluster": "tape", "user": "tape"}}],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    let health = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let begun = Instant::now();
    let mut process = Command::new(program)
        .args(["controller", "--refuse-own-approvals"])
        .arg(format!("--health-probe-bind-address={health}"))
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let meter = Meter::of(process.id().context("it has ended")?);
    until_ready(&format!("http://{health}/readyz")).await?;
    let ready = begun.elapsed().as_secs_f64();
    until_settled(meter).await?;
    let recorded = Recorded {
        keys,
        memory: meter.memory()?,
        ready,
        cpu: meter.cpu()?,
        writes: tape.writes.load(Ordering::Relaxed),
    };
    process.kill().await?;
    server.abort();
    Ok(recorded)
}

async fn until_ready(url: &str) -> Result<()> {
    let begun = Instant::now();
    let http = reqwest::Client::new();
    loop {
        let answer = http.get(url).send().await;
        if answer.is_ok_and(|it| it.status().is_success()) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the controller does not become ready"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Until it has nothing left to do.
pub(super) async fn until_settled(meter: Meter) -> Result<()> {
    let begun = Instant::now();
    loop {
        let before = meter.cpu()?;
        sleep(Duration::from_secs(2)).await;
        if meter.cpu()? - before < 0.04 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the controller does not come to rest"
        );
    }
}

async fn answer(
    State(tape): State<Arc<Tape>>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if method != Method::GET {
        tape.writes.fetch_add(1, Ordering::Relaxed);
        return refused(StatusCode::FORBIDDEN, "this is a recording");
    }
    if uri.path() == "/version" {
        return Json(
            json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0-recorded",
            "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "",
            "compiler": "", "platform": ""}),
        )
        .into_response();
    }
    if query.contains_key("watch") {
        return Body::from_stream(unchanged(&query)).into_response();
    }
    let found = tape.find(uri.path(), &query);
    found.map_or_else(
        |_| refused(StatusCode::NOT_FOUND, "it was not recorded"),
        |it| Json(it).into_response(),
    )
}

/// A watch in which nothing changes: as of a real API server, with a bookmark each minute,
/// and it ends when its client wants it to.
fn unchanged(
    query: &BTreeMap<String, String>,
) -> impl Stream<Item = Result<String, std::io::Error>> + Send + use<> {
    let minute = Duration::from_mins(1);
    let seconds = query.get("timeoutSeconds").and_then(|it| it.parse().ok());
    let mut bookmark = json!({"type": "BOOKMARK", "object": {
        "apiVersion": "v1", "kind": "Any", "metadata": {"resourceVersion": VERSION}}})
    .to_string();
    bookmark.push('\n');
    IntervalStream::new(interval_at(Instant::now() + minute, minute))
        .map(move |_| Ok(bookmark.clone()))
        .take_until(sleep(Duration::from_secs(seconds.unwrap_or(300))))
}

fn refused(status: StatusCode, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "code": status.as_u16()});
    (status, Json(body)).into_response()
}

impl Tape {
    fn find(&self, path: &str, query: &BTreeMap<String, String>) -> Result<Value> {
        if let Some(list) = self.around.get(path) {
            return Ok(list.clone());
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        let selector = query.get("labelSelector").map_or("", String::as_str);
        let part: fn(Template) -> Value = match last {
            "apikeys" => |it| it.key,
            "apikeyrequests" => |it| it.request,
            "apikeyapprovals" => |it| it.approval,
            "secrets" if selector.contains("!=") => return Ok(list(&[], None)),
            "secrets" if selector.contains('=') => |it| it.credential,
            "secrets" => |it| json!({"metadata": it.source["metadata"]}),
            name => {
                let number = name.strip_prefix("key-").context("no key")?;
                return Ok(self.key(number.parse()?)?.source);
            }
        };
        let page = |name: &str| query.get(name).and_then(|it| it.parse::<usize>().ok());
        let from = page("continue").unwrap_or(0);
        let to = self.keys.min(from + page("limit").unwrap_or(500));
        let items: Result<Vec<Value>> = (from..to).map(|it| Ok(part(self.key(it)?))).collect();
        Ok(list(&items?, (to < self.keys).then_some(to)))
    }

    fn key(&self, number: usize) -> Result<Template> {
        self.template.named(&key_name(number), number)
    }
}

fn list(items: &[Value], next: Option<usize>) -> Value {
    let next = next.map(|it| it.to_string());
    json!({
        "metadata": {"resourceVersion": VERSION, "continue": next.unwrap_or_default()},
        "items": items,
    })
}
