//! Do four people get what they came for in a browser? Real pages of Backstage, on the
//! whole stack with its sample: what `cargo xtask up` starts.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use devportal_stack::{
    Options, Persona, Program, Progress, Stack, Workspace, cache_root, cargo, go_toolchain,
    obtain_program, repository,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::stories;
use crate::audit;
use crate::stage::Stage;

stories![
    four_people_live_one_apis_life_in_a_browser,
    snippets_in_compiled_languages_put_the_key_where_it_belongs,
];

/// How long the whole story may take, on a crowded machine.
const PATIENCE: Duration = Duration::from_mins(15);

async fn four_people_live_one_apis_life_in_a_browser(_: Arc<Stage>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut options = Options::everything(dir.path());
    options.progress = Progress::OnlyLong;
    let stack = Stack::start(options).await?;
    let outcome = play(&stack).await;
    let lacks = audit::look(&stack, &BTreeSet::new());
    stack.stop().await?;
    outcome.and(lacks)
}

async fn play(stack: &Stack) -> Result<()> {
    let output = timeout(PATIENCE, script(stack, "story.ts").await?.output())
        .await
        .with_context(|| format!("the story took longer than {PATIENCE:?}"))??;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    everyone_wrote_as_themselves(stack)?;
    take_the_server_away(stack).await
}

/// Pages show what they had while the portal's server is away, and come back by themselves.
async fn take_the_server_away(stack: &Stack) -> Result<()> {
    let mut child = script(stack, "outage.ts")
        .await?
        .stdin(Stdio::piped())
        .spawn()?;
    let (mut said, mut answer) = (
        BufReader::new(child.stdout.take().context("its output")?).lines(),
        child.stdin.take().context("its input")?,
    );
    while let Some(line) = timeout(PATIENCE, said.next_line()).await?? {
        match line.as_str() {
            "away" => stack.end("portal").await?,
            "back" => stack.restart("portal").await?,
            other => ensure!(false, "it said {other}"),
        }
        answer.write_all(b"done\n").await?;
    }
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A script of the browser's, told where everything is.
async fn script(stack: &Stack, name: &str) -> Result<Command> {
    let workspace = Workspace::obtain(Progress::OnlyLong).await?;
    let kubectl = obtain_program(Program::Kubectl, Progress::OnlyLong).await?;
    // Where the browser's package unpacks it.
    let unpacked = cache_root()?.join("tools/chromium");
    std::fs::create_dir_all(&unpacked)?;
    let mut script = workspace.typescript()?;
    script
        .env("TMPDIR", unpacked)
        .arg(format!("packages/e2e/src/{name}"))
        .env("BACKSTAGE_URL", stack.backstage_url().context("Backstage")?)
        .env("GATEWAY_URL", stack.gateway_url().context("a gateway")?)
        .env("KUBECONFIG", stack.kubeconfig(Persona::ClusterAdmin))
        .env("KUBECTL", kubectl)
        .env("PICTURES", repository().join("target/pictures"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(script)
}

/// The API server's audit log names each person for each of their writes, and Backstage's
/// account for none.
fn everyone_wrote_as_themselves(stack: &Stack) -> Result<()> {
    let log = audit::text(stack)?;
    let mut wrote = BTreeSet::new();
    for line in log.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let verb = text(&entry["verb"]);
        let is_write = ["create", "patch", "update", "delete"].contains(&verb.as_str());
        if entry["objectRef"]["apiGroup"] != "devportal.kuadrant.io"
            || !is_write
            || entry["user"]["username"] != Persona::Backstage.user()
        {
            continue;
        }
        let person = &entry["impersonatedUser"]["username"];
        ensure!(person.is_string(), "Backstage wrote as itself: {line}");
        wrote.insert((text(person), verb, text(&entry["objectRef"]["resource"])));
    }
    for (person, verb, resource) in [
        ("olivia", "create", "apiproducts"),
        ("alice", "create", "apikeys"),
        ("olivia", "create", "apikeyapprovals"),
        ("alice", "patch", "apikeys"),
        ("bob", "create", "apikeys"),
    ] {
        let wanted = (person.to_owned(), verb.to_owned(), resource.to_owned());
        ensure!(wrote.contains(&wanted), "no {wanted:?} in {wrote:?}");
    }
    Ok(())
}

/// Where a key goes, in the words of the policies.
fn places() -> Vec<(&'static str, Value)> {
    vec![
        (
            "prefix",
            json!({"authorizationHeader": {"prefix": "APIKEY"}}),
        ),
        ("header", json!({"customHeader": {"name": "X-Toy-Key"}})),
        ("query", json!({"queryString": {"name": "toy key"}})),
        ("cookie", json!({"cookie": {"name": "toykey"}})),
    ]
}

const KEY: &str = "dpk_a$b-c_1";

/// The snippets of interpreted languages are run by the plugin's own tests. These take
/// compilers, which are here.
async fn snippets_in_compiled_languages_put_the_key_where_it_belongs(_: Arc<Stage>) -> Result<()> {
    let url = serve_toys().await?;
    let workspace = Workspace::obtain(Progress::OnlyLong).await?;
    let dir = tempfile::tempdir()?;
    let bins = dir.path().join("src/bin");
    std::fs::create_dir_all(&bins)?;
    std::fs::write(
        dir.path().join("Cargo.toml"),
        "[package]\nname = \"snippets\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nureq = { version = \"3\", default-features = false }\n",
    )?;
    let go = go_toolchain(Progress::OnlyLong).await?;
    for (place, credentials) in places() {
        let snippets = snippets(&workspace, &format!("{url}/toys?of=wood"), &credentials).await?;
        let file = dir.path().join(format!("{place}.go"));
        std::fs::write(&file, text(&snippets, "go")?)?;
        let mut run = Command::new(&go);
        run.arg("run").arg(&file);
        lets_in(&format!("Go, {place}"), run).await?;
        std::fs::write(bins.join(format!("{place}.rs")), text(&snippets, "rust")?)?;
    }
    for (place, _) in places() {
        let mut run = cargo();
        run.args(["run", "--quiet", "--bin", place])
            .current_dir(dir.path())
            .env("CARGO_TARGET_DIR", dir.path().join("target"));
        lets_in(&format!("Rust, {place}"), run).await?;
    }
    Ok(())
}

/// An API that lets the key in, in each of the places.
async fn serve_toys() -> Result<String> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let toys = |request: Request| async move {
        let header = |name| {
            let value = request.headers().get(name);
            value.and_then(|it| it.to_str().ok()).unwrap_or_default()
        };
        let query = request.uri().query().unwrap_or_default();
        let is_let_in = header("authorization") == format!("APIKEY {KEY}")
            || header("x-toy-key") == KEY
            || header("cookie") == format!("toykey={KEY}")
            || [
                "toy%20key=dpk_a%24b-c_1",
                "toy+key=dpk_a%24b-c_1",
                "toy%20key=dpk_a$b-c_1",
            ]
            .iter()
            .any(|it| query.contains(it));
        if is_let_in && query.contains("of=wood") {
            (StatusCode::OK, "let in".to_owned())
        } else {
            let told = format!("{query} {:?}", request.headers());
            (StatusCode::UNAUTHORIZED, told)
        }
    };
    let router = Router::new().fallback(toys);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// What the pages show for a key that goes there.
async fn snippets(workspace: &Workspace, url: &str, credentials: &Value) -> Result<Value> {
    let target = json!({"url": url, "credentials": credentials});
    let script = format!(
        "const {{ snippets }} = require('./plugins/devportal/src/keys/snippets');
         console.log(JSON.stringify(snippets({target})))"
    );
    let output = workspace
        .typescript()?
        .args(["--eval", &script])
        .output()
        .await?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(snippets: &Value, language: &str) -> Result<String> {
    let all = snippets.as_array().into_iter().flatten();
    let mut found = all.filter(|it| it["id"] == language);
    let code = found.find_map(|it| it["code"].as_str());
    Ok(code.context("there is a snippet")?.to_owned())
}

async fn lets_in(what: &str, mut run: Command) -> Result<()> {
    let run = run.env("API_KEY", KEY).stdin(Stdio::null());
    let output = run.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said.contains("200 let in") || said.contains("200 OK let in"),
        "{what}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
