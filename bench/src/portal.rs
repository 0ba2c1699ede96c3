//! How long does a list or a search of the portal take?
//!
//! Many clients at once ask the server for pages, as different people, at a size that an
//! organisation has. Clients and server share the machine: what is measured is the whole
//! way over loopback, with reading the answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devportal_stack::{
    ForeignCrds, Options, Part, Persona, Progress, Stack, apply_objects, build_shipped, seconds,
};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::sample::Summary;

/// How many clients fill the cluster.
const WRITERS: usize = 16;
/// How many teams offer products, and how many ask for keys.
const TEAMS: usize = 40;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Filling the cluster takes a minute.

Examples:
  cargo xtask bench portal
  cargo xtask bench portal --keys 1000 --products 20 --seconds 3")]
pub(crate) struct Arguments {
    /// How many keys, and requests for them.
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    /// How many products.
    #[arg(long, default_value_t = 200)]
    products: usize,
    /// How many clients ask at once, without a pause.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// For how long each question is asked.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// A question, and who asks it.
struct Question {
    what: &'static str,
    who: &'static str,
    path: String,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let progress = Progress::detect();
    let build = build_shipped("devportal");
    let binary = progress.step("build devportal for release", build).await?;
    let dir = tempfile::tempdir()?;
    let mut options = Options::control_plane(dir.path()).with(&[Part::Portal]);
    options.foreign_crds = ForeignCrds::Followed;
    options.devportal = Some(binary);
    options.progress = progress;
    let stack = Stack::start(options).await?;
    let outcome = tokio::select! {
        outcome = measure(&stack, arguments, progress) => outcome,
        death = stack.next_death() => Err(anyhow::anyhow!("{death}")),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    stack.stop().await?;
    outcome
}

async fn measure(stack: &Stack, arguments: &Arguments, progress: Progress) -> Result<()> {
    let admin = stack.client(Persona::ClusterAdmin).await?;
    let begun = Instant::now();
    fill(&admin, arguments).await?;
    progress.note(format!(
        "  {} keys and {} products after {}",
        arguments.keys,
        arguments.products,
        seconds(begun.elapsed())
    ));
    let asker = Asker {
        http: reqwest::Client::new(),
        url: stack.portal_url().context("no portal")?,
        token: stack.token(Persona::Backstage)?,
    };
    asker.wait_for_all(arguments.keys).await?;
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>9}",
        "", "p50 ms", "p99 ms", "max ms", "a second"
    );
    for question in questions() {
        let mut took = asker.ask_for(&question, arguments).await?;
        let count = took.len();
        took.sort_unstable();
        let summary = Summary::of(&took).context("no answers")?;
        println!(
            "{:<44} {:>9.2} {:>9.2} {:>9.2} {:>9}",
            question.what,
            summary.p50,
            summary.p99,
            summary.max,
            count as u64 / arguments.seconds.max(1)
        );
    }
    Ok(())
}

fn questions() -> Vec<Question> {
    let question = |what, who, path: &str| Question {
        what,
        who,
        path: path.to_owned(),
    };
    vec![
        question("the catalog, first page", "carl", "/v1/products"),
        question(
            "the catalog, a search that finds",
            "carl",
            "/v1/products?q=number+7",
        ),
        question(
            "the catalog, a search in vain",
            "carl",
            "/v1/products?q=nowhere",
        ),
        question("keys of one's own team", "carl", "/v1/keys"),
        question("all keys, first page", "adam", "/v1/keys"),
        question(
            "all keys, a search that finds",
            "adam",
            "/v1/keys?q=key-9999",
        ),
        question("all keys, a search in vain", "adam", "/v1/keys?q=nowhere"),
        question(
            "all keys in a state that none has",
            "adam",
            "/v1/keys?state=Expired",
        ),
        question(
            "the keys to one product",
            "adam",
            "/v1/keys?product=owner-7/product-7",
        ),
        question(
            "requests of one's own team",
            "olga",
            "/v1/requests?state=Pending",
        ),
        question(
            "requests of ten teams",
            "otto",
            "/v1/requests?state=Pending",
        ),
        question(
            "all requests, a search in vain",
            "adam",
            "/v1/requests?q=nowhere",
        ),
        question("a key", "carl", "/v1/keys/consumer-7/key-7"),
        question("who am I", "otto", "/v1/me"),
    ]
}

/// Everybody, with the role they have and where.
fn bindings() -> Vec<Value> {
    let bind = |user: &str, role: &str, namespace: Option<String>| {
        let mut object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
            "metadata": {"name": format!("{role}-{user}")},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role,
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user},
            ],
        });
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        object
    };
    let mut all = vec![
        bind("adam", "devportal-admin", None),
        bind("carl", "devportal-catalog", None),
        bind("carl", "devportal-consumer", Some("consumer-7".into())),
        bind("olga", "devportal-owner", Some("owner-7".into())),
    ];
    all.extend((0..10).map(|it| bind("otto", "devportal-owner", Some(format!("owner-{it}")))));
    all
}

async fn fill(client: &Client, arguments: &Arguments) -> Result<()> {
    let namespace = |name: String| {
        json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        })
    };
    let namespaces: Vec<Value> = (0..TEAMS)
        .flat_map(|it| [format!("owner-{it}"), format!("consumer-{it}")])
        .map(namespace)
        .collect();
    apply_objects(client, &namespaces).await?;
    apply_objects(client, &bindings()).await?;
    let products = (0..arguments.products).map(|it| {
        let spec = json!({
            "displayName": format!("Product number {it}"), "approvalMode": "manual",
            "publishStatus": "Published", "tags": ["toys", format!("line-{}", it % 10)],
            "description": "Browse the toys, look one up, put one aside, and order them.",
            "targetRef": {
                "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "toys",
            },
        });
        (
            "APIProduct",
            format!("owner-{}", it % TEAMS),
            format!("product-{it}"),
            spec,
        )
    });
    let of_product = |it: usize| it % arguments.products.max(1);
    let keys = (0..arguments.keys).map(|it| {
        let product = of_product(it);
        let spec = json!({
            "apiProductRef": {
                "name": format!("product-{product}"),
                "namespace": format!("owner-{}", product % TEAMS),
            },
            "planTier": "gold", "useCase": "to play with toys, by the dozen",
            "requestedBy": {"userId": format!("user-{it}"), "email": "someone@example.com"},
        });
        (
            "APIKey",
            format!("consumer-{}", it % TEAMS),
            format!("key-{it}"),
            spec,
        )
    });
    let requests = (0..arguments.keys).map(|it| {
        let product = of_product(it);
        let spec = json!({
            "apiProductRef": {"name": format!("product-{product}")},
            "planTier": "gold", "useCase": "to play with toys, by the dozen",
            "requestedBy": {"userId": format!("user-{it}"), "email": "someone@example.com"},
            "apiKeyRef": {
                "name": format!("key-{it}"), "namespace": format!("consumer-{}", it % TEAMS),
            },
        });
        (
            "APIKeyRequest",
            format!("owner-{}", product % TEAMS),
            format!("request-{it}"),
            spec,
        )
    });
    let all = products
        .chain(keys)
        .chain(requests)
        .map(Ok::<_, anyhow::Error>);
    stream::iter(all)
        .try_for_each_concurrent(WRITERS, |(kind, namespace, name, spec)| async move {
            let gvk = GroupVersionKind::gvk("devportal.kuadrant.io", "v1alpha1", kind);
            let resource = ApiResource::from_gvk(&gvk);
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &namespace, &resource);
            let object = DynamicObject::new(&name, &resource).data(json!({"spec": spec}));
            api.create(&PostParams::default(), &object).await?;
            Ok(())
        })
        .await
}

#[derive(Clone)]
struct Asker {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Asker {
    async fn ask(&self, who: &str, path: &str) -> Result<Vec<u8>> {
        let request = self.http.get(format!("{}{path}", self.url));
        let request = request
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Impersonate-User", who);
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(
            status == 200,
            "{who} at {path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body.to_vec())
    }

    /// Until the server has seen the last key that was made.
    async fn wait_for_all(&self, keys: usize) -> Result<()> {
        let last = format!("/v1/keys?q=user-{}", keys.saturating_sub(1));
        let begun = Instant::now();
        loop {
            let found: Value = serde_json::from_slice(&self.ask("adam", &last).await?)?;
            if found["items"].as_array().is_some_and(|it| !it.is_empty()) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "the last key is not seen"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How long each answer took, from many clients at once.
    async fn ask_for(&self, question: &Question, arguments: &Arguments) -> Result<Vec<Duration>> {
        let until = Instant::now() + Duration::from_secs(arguments.seconds);
        let clients = (0..arguments.clients).map(|_| async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let begun = Instant::now();
                self.ask(question.who, &question.path).await?;
                took.push(begun.elapsed());
            }
            Ok::<_, anyhow::Error>(took)
        });
        let all: Vec<Vec<Duration>> = stream::iter(clients)
            .buffer_unordered(arguments.clients.max(1))
            .try_collect()
            .await?;
        Ok(all.into_iter().flatten().collect())
    }
}
