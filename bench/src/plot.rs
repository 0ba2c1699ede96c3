//! What does it look like? A panel for each change, over the number of keys.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::sample::{Change, Row, Summary};

type Series = (&'static str, RGBColor, fn(&Summary) -> f64);

const SERIES: [Series; 3] = [
    ("p50", RGBColor(46, 125, 50), |it| it.p50),
    ("p99", RGBColor(239, 108, 0), |it| it.p99),
    ("max", RGBColor(198, 40, 40), |it| it.max),
];

/// Writes the picture as SVG.
pub(crate) fn draw(rows: &[Row], path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw: {error}");
    let root = SVGBackend::new(path, (1200, 640)).into_drawing_area();
    root.fill(&WHITE).map_err(|it| failed(&it))?;
    let panels = root.split_evenly((2, 3));
    let keys = |rows: &[Row]| -> Vec<f64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        rows.iter().map(|row| row.keys as f64).collect()
    };
    let span = keys(rows);
    let smallest = span.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = span.iter().copied().fold(1.0, f64::max);
    let slowest = rows.iter().map(|row| row.summary.max).fold(1.0, f64::max);
    for (change, panel) in Change::ALL.into_iter().zip(&panels) {
        let of: Vec<Row> = rows
            .iter()
            .filter(|row| row.change == change)
            .copied()
            .collect();
        let mut chart = ChartBuilder::on(panel)
            .caption(change.title(), ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(
                (smallest * 0.8..largest * 1.25).log_scale(),
                (1.0..slowest * 1.25).log_scale(),
            )
            .map_err(|it| failed(&it))?;
        chart
            .configure_mesh()
            .x_desc("keys")
            .y_desc("ms")
            .x_label_formatter(&|keys| format!("{keys:.0}"))
            .y_label_formatter(&|ms| format!("{ms:.0}"))
            .x_labels(4)
            .y_labels(5)
            .light_line_style(RGBColor(240, 240, 240))
            .draw()
            .map_err(|it| failed(&it))?;
        for (name, colour, value) in SERIES {
            let points: Vec<(f64, f64)> = keys(&of)
                .into_iter()
                .zip(of.iter().map(|row| value(&row.summary)))
                .collect();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(4))
                .map_err(|it| failed(&it))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE)
            .draw()
            .map_err(|it| failed(&it))?;
    }
    root.present().map_err(|it| failed(&it))
}
