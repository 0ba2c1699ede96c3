//! What does the controller take?
//!
//! For each size twice the same: a raw client that makes the writes of so many keys, then
//! the controller, each on a stack of its own, and with as many writers. At the largest
//! size also what comes after: memory, a lone key, a revocation, a cold start, other
//! people's Secrets. Then many namespaces, and more keys than fit, from a recording.

mod documents;
mod meter;
mod raw;
mod recorded;
mod report;
mod template;
mod wait;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use devportal_api::APIKey;
use devportal_stack::{
    NAMESPACE, Options, Part, Persona, Progress, Stack, apply_objects, build_shipped, repository,
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use self::meter::{Meter, writes};
use self::recorded::until_settled;
use self::report::{After, Issue, Report, Spread, count};
use self::template::{Sort, Template};
use self::wait::Waiter;
use crate::sample::Summary;
use crate::shop::{SHOP, Shop, value};

/// How many consumers ask at once.
const CLIENTS: usize = 8;
/// How often a lone key is issued and revoked.
const LONE: usize = 50;
/// How many Secrets of others change a second, and for how many seconds.
const STRANGERS: u32 = 100;
const STRANGE_SECONDS: u32 = 30;
/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_mins(20);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes controller.json and controller.svg. With the defaults it takes about half an hour.

Examples:
  cargo xtask bench controller
  cargo xtask bench controller --sizes 1000 --rounds 3 --namespaces 0 --documents 0 --recorded 0")]
pub(crate) struct Arguments {
    /// How many keys are issued.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    sizes: Vec<usize>,
    /// How often each size is measured; the sums are compared.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// In how many namespaces consumers have keys, in a measurement of its own; 0: none.
    #[arg(long, default_value_t = 1_000)]
    namespaces: usize,
    /// How many products publish a document of 500 kB, in a measurement of its own; 0: none.
    #[arg(long, default_value_t = 500)]
    documents: usize,
    /// How many keys are played back from a recording; 0: none.
    #[arg(long, default_value_t = 100_000)]
    recorded: usize,
    /// Go on with what was measured before, in controller.json: what is in it is not
    /// measured again.
    #[arg(long)]
    resume: bool,
    /// Measure this program, and not what is built from the tree.
    #[arg(long, value_name = "PATH")]
    devportal: Option<PathBuf>,
}

/// The name of the key of a number.
fn key_name(number: usize) -> String {
    format!("key-{number}")
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.sizes.is_sorted() && !arguments.sizes.is_empty() && arguments.rounds > 0,
        "--sizes go up, for example --sizes 1000,10000, and there is a round at least"
    );
    let progress = Progress::detect();
    let program = if let Some(program) = &arguments.devportal {
        program.clone()
    } else {
        let build = build_shipped("devportal");
        progress.step("build devportal for release", build).await?
    };
    let bench = Bench { program, progress };
    let report = tokio::select! {
        report = bench.measure(arguments) => report?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    report.print();
    report.keep(&folder())
}

/// Where the numbers are kept.
fn folder() -> PathBuf {
    repository().join("target/bench")
}

struct Bench {
    program: PathBuf,
    progress: Progress,
}

/// A stack with the shop, and the controller where there is one.
struct Place {
    stack: Stack,
    shop: Shop,
    // Removed when the stack has ended.
    _folder: tempfile::TempDir,
}

impl Place {
    fn controller(&self) -> Result<Meter> {
        Ok(Meter::of(self.stack.pid("controller")?))
    }
}

impl Bench {
    async fn open(&self, parts: &[Part]) -> Result<Place> {
        let folder = tempfile::tempdir()?;
        let mut options = Options::control_plane(folder.path())
            .with(&[Part::ControllerManager, Part::Kuadrant])
            .with(parts);
        options.devportal = Some(self.program.clone());
        let stack = Stack::start(options).await?;
        let shop = Shop::open(&stack, stack.client(Persona::ClusterAdmin).await?).await?;
        if parts.contains(&Part::Controller) {
            shop.wait_for_product().await?;
        }
        Ok(Place {
            stack,
            shop,
            _folder: folder,
        })
    }

    async fn step<T>(&self, name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        Box::pin(self.progress.step(name, work)).await
    }

    async fn measure(&self, arguments: &Arguments) -> Result<Report> {
        let (brought, generated, around) =
            self.step("two keys to learn from", self.learn()).await?;
        let mut report = if arguments.resume {
            Report::read(&folder())?
        } else {
            Report::default()
        };
        for &size in &arguments.sizes {
            for template in [&brought, &generated] {
                if report.has(template.sort, size) {
                    continue;
                }
                let mut issue = Issue::new(template.sort, size);
                for _ in 0..arguments.rounds {
                    let what = format!("{size} {} keys", template.sort.title());
                    let raw = self.raw(template, size);
                    let (seconds, cpu) = self.step(&format!("{what}, raw"), raw).await?;
                    issue.raw += seconds;
                    issue.raw_cpu += cpu;
                    let is_last = Some(&size) == arguments.sizes.last()
                        && template.sort == Sort::Brought
                        && report.after.is_none();
                    let ours = self.ours(template.sort, size, is_last, &mut issue);
                    let after = self.step(&what, ours).await?;
                    report.after = report.after.or(after);
                }
                report.issues.push(issue.mean(arguments.rounds));
                report.note(&folder())?;
            }
        }
        if arguments.namespaces > 0 && report.spread.is_none() {
            let what = format!("keys in {} namespaces", arguments.namespaces);
            let spread = self.spread(arguments.namespaces);
            report.spread = Some(self.step(&what, spread).await?);
            report.note(&folder())?;
        }
        if arguments.documents > 0 && report.documents.is_none() {
            let what = format!("{} documents", arguments.documents);
            let place = self.open(&[Part::Controller]).await?;
            let documents = documents::measure(place, arguments.documents);
            report.documents = Some(self.step(&what, documents).await?);
            report.note(&folder())?;
        }
        if arguments.recorded > 0 && report.recorded.is_none() {
            let what = format!("{} keys from a recording", arguments.recorded);
            let recorded = recorded::measure(&self.program, brought, around, arguments.recorded);
            report.recorded = Some(self.step(&what, recorded).await?);
        }
        Ok(report)
    }

    /// What the controller makes of a brought and a generated key, and what is around.
    async fn learn(
        &self,
    ) -> Result<(
        Template,
        Template,
        std::collections::BTreeMap<String, serde_json::Value>,
    )> {
        let place = self.open(&[Part::Controller]).await?;
        let (shop, client) = (&place.shop, &place.shop.client);
        let waiter = Waiter::begin(client).await?;
        shop.bring("learnt-brought").await?;
        shop.request("learnt-brought").await?;
        shop.request_generated("learnt-generated").await?;
        let keys = ["learnt-brought", "learnt-generated"];
        waiter.told(keys.map(str::to_owned)).await?;
        // What is told at first of plans that were just written is not what stays.
        until_settled(place.controller()?).await?;
        let brought = Template::read(client, Sort::Brought, "learnt-brought").await?;
        let generated = Template::read(client, Sort::Generated, "learnt-generated").await?;
        let around = recorded::surroundings(client).await?;
        place.stack.stop().await?;
        Ok((brought, generated, around))
    }

    /// How long the writes take without the controller, and how much CPU time here.
    async fn raw(&self, template: &Template, size: usize) -> Result<(f64, f64)> {
        let place = self.open(&[]).await?;
        if template.sort == Sort::Brought {
            bring(&place.shop, size).await?;
        }
        let client = &place.shop.client;
        let waiter = Waiter::begin(client).await?;
        let own = Meter::of(std::process::id());
        let (begun, cpu) = (Instant::now(), own.cpu()?);
        tokio::try_join!(
            raw::issue(client, template, size),
            waiter.told((0..size).map(key_name))
        )?;
        let took = (begun.elapsed().as_secs_f64(), own.cpu()? - cpu);
        place.stack.stop().await?;
        Ok(took)
    }

    /// The same by the controller, and what comes after.
    async fn ours(
        &self,
        sort: Sort,
        size: usize,
        with_after: bool,
        issue: &mut Issue,
    ) -> Result<Option<After>> {
        let place = self.open(&[Part::Controller]).await?;
        let shop = &place.shop;
        if sort == Sort::Brought {
            bring(shop, size).await?;
        }
        let waiter = Waiter::begin(&shop.client).await?;
        let meter = place.controller()?;
        let (cpu, made) = (meter.cpu()?, writes(&shop.client).await?);
        let begun = Instant::now();
        tokio::try_join!(ask(shop, sort, size), waiter.told((0..size).map(key_name)))?;
        issue.ours += begun.elapsed().as_secs_f64();
        until_settled(meter).await?;
        issue.cpu += meter.cpu()? - cpu;
        let made = usize::try_from(writes(&shop.client).await? - made)?;
        // One of them is the consumer's.
        issue.writes += count(made) / count(size) - 1.0;
        issue.memory = Some(meter.memory()?);
        let after = if with_after {
            Some(after(&place, size).await?)
        } else {
            None
        };
        place.stack.stop().await?;
        Ok(after)
    }

    /// A key in each of many namespaces.
    async fn spread(&self, namespaces: usize) -> Result<Spread> {
        let place = self.open(&[Part::Controller]).await?;
        let client = &place.shop.client;
        let meter = place.controller()?;
        let before = meter.memory()?;
        stream::iter(0..namespaces)
            .map(Ok::<_, anyhow::Error>)
            .try_for_each_concurrent(CLIENTS, |number| async move {
                let name = format!("consumer-{number}");
                apply_objects(
                    client,
                    &[json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})],
                )
                .await?;
                let secrets: Api<Secret> = Api::namespaced(client.clone(), &name);
                let secret = serde_json::from_value(json!({
                    "metadata": {"name": "key"}, "stringData": {"api_key": value(&name, 0)}}))?;
                secrets.create(&PostParams::default(), &secret).await?;
                let keys: Api<APIKey> = Api::namespaced(client.clone(), &name);
                let key = serde_json::from_value(json!({
                    "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
                    "metadata": {"name": "key"}, "spec": {
                        "apiProductRef": {"name": SHOP, "namespace": SHOP}, "planTier": "gold",
                        "secretRef": {"name": "key"},
                        "requestedBy": {"userId": name, "email": "someone@example.com"}}}))?;
                keys.create(&PostParams::default(), &key).await?;
                Ok(())
            })
            .await?;
        let begun = Instant::now();
        while place.shop.enforced().await? < namespaces {
            ensure!(begun.elapsed() < PATIENCE, "not all keys are issued");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        until_settled(meter).await?;
        let spread = Spread {
            namespaces,
            connections: place.stack.connections("controller")?,
            before,
            memory: meter.memory()?,
        };
        place.stack.stop().await?;
        Ok(spread)
    }
}

/// Creates the consumers' Secrets.
async fn bring(shop: &Shop, size: usize) -> Result<()> {
    stream::iter(0..size)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(CLIENTS, |number| async move {
            shop.bring(&key_name(number)).await
        })
        .await
}

async fn ask(shop: &Shop, sort: Sort, size: usize) -> Result<()> {
    stream::iter(0..size)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(CLIENTS, |number| async move {
            match sort {
                Sort::Brought => shop.request(&key_name(number)).await,
                Sort::Generated => shop.request_generated(&key_name(number)).await,
            }
        })
        .await
}

/// What comes after so many keys.
async fn after(place: &Place, keys: usize) -> Result<After> {
    let (shop, meter) = (&place.shop, place.controller()?);
    let lone = lone(shop).await?;
    let revoked = revoked(shop).await?;
    until_settled(meter).await?;

    let cpu = meter.cpu()?;
    tokio::time::sleep(Duration::from_secs(STRANGE_SECONDS.into())).await;
    let idle = (meter.cpu()? - cpu) / f64::from(STRANGE_SECONDS);
    let cpu = meter.cpu()?;
    strangers(&shop.client).await?;
    let strange = (meter.cpu()? - cpu) / f64::from(STRANGE_SECONDS);

    place.stack.kill("controller").await?;
    let made = writes(&shop.client).await?;
    let begun = Instant::now();
    place.stack.restart("controller").await?;
    let ready = begun.elapsed().as_secs_f64();
    let meter = place.controller()?;
    until_settled(meter).await?;
    Ok(After {
        keys,
        lone,
        revoked,
        idle,
        strange,
        ready,
        start_cpu: meter.cpu()?,
        start_writes: writes(&shop.client).await? - made,
        start_memory: meter.memory()?,
    })
}

/// From the creation of a key until it says that it works.
async fn lone(shop: &Shop) -> Result<Summary> {
    let mut took = Vec::new();
    for number in 0..LONE {
        let name = format!("lone-{number}");
        shop.bring(&name).await?;
        let waiter = Waiter::begin(&shop.client).await?;
        let begun = Instant::now();
        tokio::try_join!(shop.request(&name), waiter.told([name.clone()]))?;
        took.push(begun.elapsed());
    }
    Summary::of(&took).context("no samples")
}

/// From the deletion of a key until its credential is gone.
async fn revoked(shop: &Shop) -> Result<Summary> {
    let credentials: Api<Secret> = Api::namespaced(shop.client.clone(), NAMESPACE);
    let mut took = Vec::new();
    for number in 0..LONE {
        let name = format!("lone-{number}");
        let id = devportal_api::id::KeyId::new(SHOP, &name);
        let credential = devportal_api::name::enforcement_secret(&id, NAMESPACE).name;
        let begun = Instant::now();
        shop.delete(&name).await?;
        while credentials.get_metadata_opt(&credential).await?.is_some() {
            ensure!(begun.elapsed() < PATIENCE, "a key is not revoked");
        }
        took.push(begun.elapsed());
    }
    Summary::of(&took).context("no samples")
}

/// Changes Secrets that are nobody's key, in a namespace that has no keys.
async fn strangers(client: &Client) -> Result<()> {
    let namespace = "strangers";
    apply_objects(
        client,
        &[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "other", "namespace": namespace}}),
        ],
    )
    .await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut pace = tokio::time::interval(Duration::from_secs(1) / STRANGERS);
    for number in 0..STRANGERS * STRANGE_SECONDS {
        pace.tick().await;
        let patch = json!({"stringData": {"value": number.to_string()}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        secrets.patch("other", &params, &patch).await?;
    }
    Ok(())
}

impl Sort {
    fn title(self) -> &'static str {
        match self {
            Self::Brought => "brought",
            Self::Generated => "generated",
        }
    }
}
