//! What was measured, how is it told, and what does it look like?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use super::documents::Documents;
use super::meter::Memory;
use super::recorded::Recorded;
use super::template::Sort;
use crate::sample::Summary;

/// Everything that was measured.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Report {
    pub(super) issues: Vec<Issue>,
    pub(super) after: Option<After>,
    pub(super) spread: Option<Spread>,
    pub(super) documents: Option<Documents>,
    pub(super) recorded: Option<Recorded>,
}

/// So many keys issued: seconds.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Issue {
    sort: Sort,
    keys: usize,
    /// From the first key's creation until all is told, by the raw client.
    pub(super) raw: f64,
    /// The same by the controller.
    pub(super) ours: f64,
    /// The raw client's CPU seconds, the consumers' and the waiting's among them.
    pub(super) raw_cpu: f64,
    /// The controller's CPU seconds.
    pub(super) cpu: f64,
    /// The controller's writes for each key.
    pub(super) writes: f64,
    /// The controller's, in the last round.
    pub(super) memory: Option<Memory>,
}

impl Issue {
    pub(super) fn new(sort: Sort, keys: usize) -> Self {
        Self {
            sort,
            keys,
            raw: 0.0,
            ours: 0.0,
            raw_cpu: 0.0,
            cpu: 0.0,
            writes: 0.0,
            memory: None,
        }
    }

    /// Of sums over rounds.
    pub(super) fn mean(self, rounds: usize) -> Self {
        let rounds = count(rounds);
        Self {
            raw: self.raw / rounds,
            ours: self.ours / rounds,
            raw_cpu: self.raw_cpu / rounds,
            cpu: self.cpu / rounds,
            writes: self.writes / rounds,
            ..self
        }
    }

    fn ratio(&self) -> f64 {
        self.ours / self.raw
    }

    /// CPU seconds for a thousand keys.
    fn cpu_of_1000(&self) -> f64 {
        self.of_1000(self.cpu)
    }

    fn of_1000(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / count(self.keys)
    }
}

/// What comes after the largest size; seconds, or CPU seconds a second.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct After {
    pub(super) keys: usize,
    pub(super) lone: Summary,
    pub(super) revoked: Summary,
    pub(super) idle: f64,
    pub(super) strange: f64,
    pub(super) ready: f64,
    pub(super) start_cpu: f64,
    pub(super) start_writes: u64,
    pub(super) start_memory: Memory,
}

/// Keys in many namespaces.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Spread {
    pub(super) namespaces: usize,
    pub(super) connections: usize,
    pub(super) before: Memory,
    pub(super) memory: Memory,
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(super) fn count(keys: usize) -> f64 {
    keys as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl Report {
    pub(super) fn print(&self) {
        println!(
            "{:>7} {:<10} {:>8} {:>8} {:>6} {:>14} {:>11} {:>7} {:>8} {:>8}",
            "KEYS",
            "",
            "RAW s",
            "OURS s",
            "RATIO",
            "RAW CPU s/1000",
            "CPU s/1000",
            "WRITES",
            "MiB",
            "PEAK MiB"
        );
        for issue in &self.issues {
            let memory = issue.memory.map(|it| (mib(it.now), mib(it.peak)));
            let (now, peak) = memory.unwrap_or_default();
            println!(
                "{:>7} {:<10} {:>8.1} {:>8.1} {:>6.2} {:>14.2} {:>11.2} {:>7.2} {now:>8.1} {peak:>8.1}",
                issue.keys,
                issue.sort.title(),
                issue.raw,
                issue.ours,
                issue.ratio(),
                issue.of_1000(issue.raw_cpu),
                issue.cpu_of_1000(),
                issue.writes,
            );
        }
        if let Some(it) = &self.after {
            println!("\nat {} keys:", it.keys);
            println!(
                "  a lone key: p50 {:.1} ms, p99 {:.1} ms",
                it.lone.p50, it.lone.p99
            );
            println!(
                "  a revocation: p50 {:.1} ms, p99 {:.1} ms",
                it.revoked.p50, it.revoked.p99
            );
            println!("  CPU at rest: {:.2} %", it.idle * 100.0);
            println!(
                "  CPU while 100 Secrets of others change a second: {:.2} %",
                it.strange * 100.0
            );
            println!(
                "  cold start: ready in {:.1} s, {:.1} CPU s, {} writes, {:.1} MiB (peak {:.1})",
                it.ready,
                it.start_cpu,
                it.start_writes,
                mib(it.start_memory.now),
                mib(it.start_memory.peak)
            );
        }
        if let Some(it) = &self.spread {
            println!(
                "\n{} namespaces with a key each: {} connections, {:.1} MiB ({:.1} before)",
                it.namespaces,
                it.connections,
                mib(it.memory.now),
                mib(it.before.now)
            );
        }
        if let Some(it) = &self.documents {
            println!(
                "\n{} products with a document each: {:.1} MiB (peak {:.1}; {:.1} before), after a start {:.1} MiB (peak {:.1}, {} writes)",
                it.products,
                mib(it.published.now),
                mib(it.published.peak),
                mib(it.before.now),
                mib(it.started.now),
                mib(it.started.peak),
                it.start_writes
            );
        }
        if let Some(it) = &self.recorded {
            println!(
                "\n{} keys from a recording: ready in {:.1} s, {:.1} CPU s, {} writes, {:.1} MiB (peak {:.1})",
                it.keys,
                it.ready,
                it.cpu,
                it.writes,
                mib(it.memory.now),
                mib(it.memory.peak)
            );
        }
    }

    /// What was written down before.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let data = folder.join("controller.json");
        let text = std::fs::read(&data);
        let text = text.with_context(|| format!("cannot go on with {}", data.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(super) fn has(&self, sort: Sort, keys: usize) -> bool {
        let mut issues = self.issues.iter();
        issues.any(|it| it.sort == sort && it.keys == keys)
    }

    /// Writes down what was measured so far, so that an interruption loses nothing.
    pub(super) fn note(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let data = folder.join("controller.json");
        std::fs::write(&data, serde_json::to_vec_pretty(self)?)?;
        Ok(data)
    }

    pub(super) fn keep(&self, folder: &Path) -> Result<()> {
        let data = self.note(folder)?;
        let picture = folder.join("controller.svg");
        self.draw(&picture)?;
        println!("\n{}\n{}", data.display(), picture.display());
        Ok(())
    }

    fn draw(&self, path: &Path) -> Result<()> {
        let root = SVGBackend::new(path, (1200, 360)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let panels = root.split_evenly((1, 3));
        let [times, cpu, memory] = panels.as_slice() else {
            anyhow::bail!("three panels");
        };
        let line = |sort: Sort, value: fn(&Issue) -> f64| -> Vec<(f64, f64)> {
            let of_sort = self.issues.iter().filter(|it| it.sort == sort);
            of_sort.map(|it| (count(it.keys), value(it))).collect()
        };
        let [brought, generated] = [Sort::Brought, Sort::Generated];
        panel(
            times,
            "seconds to issue all",
            &[
                ("brought, raw client", GREY, line(brought, |it| it.raw)),
                ("brought, controller", GREEN, line(brought, |it| it.ours)),
                ("generated, raw client", LIGHT, line(generated, |it| it.raw)),
                (
                    "generated, controller",
                    ORANGE,
                    line(generated, |it| it.ours),
                ),
            ],
        )?;
        panel(
            cpu,
            "CPU seconds of the controller for 1000 keys",
            &[
                ("brought", GREEN, line(brought, Issue::cpu_of_1000)),
                ("generated", ORANGE, line(generated, Issue::cpu_of_1000)),
            ],
        )?;
        let resident = |it: &Issue| it.memory.map_or(0.0, |it| mib(it.now));
        let recorded = self.recorded.map(|it| (count(it.keys), mib(it.memory.now)));
        let started = self.after.as_ref();
        let started = started.map(|it| (count(it.keys), mib(it.start_memory.now)));
        panel(
            memory,
            "resident memory in MiB",
            &[
                ("after issuing them", GREEN, line(brought, resident)),
                (
                    "after a start",
                    GREY,
                    started.into_iter().chain(recorded).collect(),
                ),
            ],
        )?;
        root.present().map_err(failed)
    }
}

const GREEN: RGBColor = RGBColor(46, 125, 50);
const ORANGE: RGBColor = RGBColor(239, 108, 0);
const GREY: RGBColor = RGBColor(97, 97, 97);
const LIGHT: RGBColor = RGBColor(176, 176, 176);

type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// Lines over the number of keys, from zero up.
fn panel(area: &DrawingArea<SVGBackend<'_>, Shift>, title: &str, lines: &[Line<'_>]) -> Result<()> {
    let points = || lines.iter().flat_map(|(_, _, points)| points);
    let smallest = points().map(|it| it.0).fold(f64::INFINITY, f64::min);
    let largest = points().map(|it| it.0).fold(1.0, f64::max);
    let highest = points().map(|it| it.1).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(
            (smallest.min(largest) * 0.8..largest * 1.25).log_scale(),
            // With room for the names above the highest.
            0.0..highest * 1.5 + 0.01,
        )
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("keys")
        .x_label_formatter(&|keys| format!("{keys:.0}"))
        .x_labels(4)
        .y_labels(6)
        .light_line_style(RGBColor(240, 240, 240))
        .draw()
        .map_err(failed)?;
    for (name, colour, points) in lines {
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(4))
            .map_err(failed)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .draw()
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}
