//! How long does a change take to be enforced?
//!
//! From the moment the API server has acknowledged it to the first answer of the
//! gateway that shows it, at a growing number of keys, while other requests run.
//! The gateway is asked without a pause: a result is no finer than one request.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use devportal_stack::{
    Options, Part, Persona, Progress, Stack, build_shipped, repository, seconds,
};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::plot;
use crate::sample::{Change, Row, Summary};
use crate::shop::{Shop, value};

/// How many requests of people and programs run besides, a second.
const LOAD: u32 = 200;
/// How many clients fill the cluster.
const CLIENTS: usize = 16;
/// How many keys are asked for in the burst.
const BURST: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes gateway.json and gateway.svg. Ten thousand keys take some minutes.

Examples:
  cargo xtask bench gateway
  cargo xtask bench gateway --sizes 10,100 --samples 50")]
pub(crate) struct Arguments {
    /// At how many keys to measure.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 1_000, 10_000])]
    sizes: Vec<usize>,
    /// How often each change is made at each size.
    #[arg(long, default_value_t = 200)]
    samples: usize,
}

type Samples = BTreeMap<Change, Vec<Duration>>;

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.sizes.is_sorted() && !arguments.sizes.is_empty(),
        "--sizes go up, for example --sizes 10,1000"
    );
    let progress = Progress::detect();
    let build = build_shipped("devportal");
    let binary = progress.step("build devportal for release", build).await?;
    let dir = tempfile::tempdir()?;
    let mut options = Options::control_plane(dir.path()).with(&[
        Part::ControllerManager,
        Part::Kuadrant,
        Part::Gateway,
        Part::Controller,
    ]);
    options.devportal = Some(binary);
    options.progress = progress;
    let mut terminate = signal(SignalKind::terminate())?;
    let stack = Stack::start(options).await?;
    let outcome = tokio::select! {
        outcome = measure(&stack, arguments, progress) => outcome,
        death = stack.next_death() => Err(anyhow::anyhow!("{death}")),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
    };
    stack.stop().await?;
    let rows = outcome?;
    print(&rows);
    keep(&rows, &repository().join("target/bench"))
}

async fn measure(stack: &Stack, arguments: &Arguments, progress: Progress) -> Result<Vec<Row>> {
    let shop = Shop::open(stack, stack.client(Persona::ClusterAdmin).await?).await?;
    shop.wait_for_product().await?;
    shop.bring("regular").await?;
    shop.request("regular").await?;
    shop.wait_for(&value("regular", 0), 200).await?;
    let load = Load::start(shop.clone());
    let mut rows = Vec::new();
    let mut filled = 1;
    for &size in &arguments.sizes {
        let begun = Instant::now();
        fill(&shop, filled, size).await?;
        filled = filled.max(size);
        progress.note(format!("  {size} keys after {}", seconds(begun.elapsed())));
        let mut samples = Samples::new();
        for number in 0..arguments.samples {
            one_life(&shop, &format!("n{size}-{number}"), &mut samples).await?;
        }
        burst(&shop, size, arguments.samples.min(100), &mut samples).await?;
        for (change, samples) in samples {
            let summary = Summary::of(&samples).context("no samples")?;
            rows.push(Row {
                change,
                keys: size,
                summary,
            });
        }
    }
    load.end().await?;
    Ok(rows)
}

/// Every change once, on one key.
async fn one_life(shop: &Shop, name: &str, samples: &mut Samples) -> Result<()> {
    let mut note = |change, took| samples.entry(change).or_default().push(took);
    shop.bring(name).await?;
    shop.request(name).await?;
    note(Change::Issue, shop.wait_for(&value(name, 0), 200).await?);
    shop.renew(name, 1).await?;
    note(Change::NewValue, shop.wait_for(&value(name, 1), 200).await?);
    shop.change_plan(name, "closed").await?;
    note(Change::Plan, shop.wait_for(&value(name, 1), 429).await?);
    shop.delete(name).await?;
    note(Change::Revoke, shop.wait_for(&value(name, 1), 401).await?);

    let made = &format!("{name}-made");
    shop.request_generated(made).await?;
    let (first, _) = shop.wait_for_value(made, None).await?;
    shop.rotate(made).await?;
    let (_, took) = shop.wait_for_value(made, Some(&first)).await?;
    note(Change::Rotation, took);
    shop.delete(made).await
}

/// Revokes while many ask for keys.
async fn burst(shop: &Shop, size: usize, count: usize, samples: &mut Samples) -> Result<()> {
    let doomed = |number: usize| format!("doomed-{size}-{number}");
    let eager = move |number: usize| format!("eager-{size}-{number}");
    for number in 0..count {
        shop.bring(&doomed(number)).await?;
        shop.request(&doomed(number)).await?;
    }
    for number in 0..BURST {
        shop.bring(&eager(number)).await?;
    }
    shop.wait_for(&value(&doomed(count - 1), 0), 200).await?;
    let all = shop.clone();
    let asking: JoinHandle<Result<()>> = tokio::spawn(async move {
        stream::iter(0..BURST)
            .map(|number| Ok::<_, anyhow::Error>(eager(number)))
            .try_for_each_concurrent(CLIENTS, |name| {
                let shop = all.clone();
                async move { shop.request(&name).await }
            })
            .await
    });
    let took = samples.entry(Change::RevokeInBurst).or_default();
    for number in 0..count {
        // It is over when the last of them got in.
        if asking.is_finished() && shop.ask(&value(&eager(BURST - 1), 0)).await? == 200 {
            break;
        }
        shop.delete(&doomed(number)).await?;
        took.push(shop.wait_for(&value(&doomed(number), 0), 401).await?);
    }
    asking.await??;
    // The cluster is to have its size again.
    stream::iter((0..BURST).map(eager).chain((took.len()..count).map(doomed)))
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(CLIENTS, |name| async move { shop.delete(&name).await })
        .await?;
    settle(shop, size).await
}

/// Brings the number of keys to a size.
async fn fill(shop: &Shop, from: usize, to: usize) -> Result<()> {
    stream::iter(from..to)
        .map(|number| Ok::<_, anyhow::Error>(format!("key-{number}")))
        .try_for_each_concurrent(CLIENTS, |name| async move {
            shop.bring(&name).await?;
            shop.request(&name).await
        })
        .await?;
    settle(shop, to).await
}

/// Waits until so many keys are enforced, and everything about them is told: what is
/// measured is not to wait for work that was left.
async fn settle(shop: &Shop, size: usize) -> Result<()> {
    let begun = Instant::now();
    let patience = Duration::from_mins(10);
    loop {
        let enforced = shop.enforced().await?;
        if enforced == size && shop.is_told().await? {
            return Ok(());
        }
        if begun.elapsed() > patience {
            bail!("{enforced} of {size} keys are enforced after {patience:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Requests with a key that works all the time.
struct Load(JoinHandle<Result<()>>, tokio::sync::oneshot::Sender<()>);

impl Load {
    fn start(shop: Shop) -> Self {
        let (end, mut ended) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_secs(1) / LOAD);
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while ended.try_recv().is_err() {
                pace.tick().await;
                let seen = shop.ask(&value("regular", 0)).await?;
                ensure!(seen == 200, "a key that works was answered {seen}");
            }
            Ok(())
        });
        Self(task, end)
    }

    async fn end(self) -> Result<()> {
        // It may have ended with an error, which is told here.
        let _ = self.1.send(());
        self.0.await?
    }
}

fn print(rows: &[Row]) {
    println!(
        "{:>6}  {:<40} {:>7} {:>9} {:>9} {:>9}",
        "KEYS", "CHANGE", "SAMPLES", "P50 ms", "P99 ms", "MAX ms"
    );
    for Row {
        change,
        keys,
        summary,
    } in rows
    {
        println!(
            "{keys:>6}  {:<40} {:>7} {:>9.1} {:>9.1} {:>9.1}",
            change.title(),
            summary.count,
            summary.p50,
            summary.p99,
            summary.max
        );
    }
}

fn keep(rows: &[Row], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let (data, picture) = (folder.join("gateway.json"), folder.join("gateway.svg"));
    std::fs::write(&data, serde_json::to_vec_pretty(rows)?)?;
    plot::draw(rows, &picture)?;
    println!("\n{}\n{}", data.display(), picture.display());
    Ok(())
}
