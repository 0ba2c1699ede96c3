//! What does the process take? Read from `/proc` when it is asked for; nothing is told
//! where there is none.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

#[derive(Debug)]
pub(crate) struct Process;

/// Under the names that all client libraries use.
impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(usage) = Usage::read() else {
            return Ok(());
        };
        let encoder = &mut encoder;
        tell(
            encoder,
            "process_cpu",
            "CPU time, in user space and in the kernel.",
            Some(&Unit::Seconds),
            &ConstCounter::new(usage.cpu),
        )?;
        tell(
            encoder,
            "process_resident_memory",
            "Memory that is in use.",
            Some(&Unit::Bytes),
            &ConstGauge::new(usage.memory),
        )?;
        tell(
            encoder,
            "process_start_time",
            "When it was started, since the epoch.",
            Some(&Unit::Seconds),
            &ConstGauge::new(usage.start),
        )?;
        tell(
            encoder,
            "process_open_fds",
            "Open files and connections.",
            None,
            &ConstGauge::new(usage.open_files),
        )?;
        tell(
            encoder,
            "process_max_fds",
            "How many there may be.",
            None,
            &ConstGauge::new(usage.most_files),
        )
    }
}

fn tell(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> Result<(), Error> {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

struct Usage {
    /// Seconds.
    cpu: f64,
    /// Bytes.
    memory: i64,
    /// Seconds since the epoch.
    start: f64,
    open_files: i64,
    most_files: i64,
}

impl Usage {
    #[cfg(not(target_os = "linux"))]
    fn read() -> Option<Self> {
        None
    }

    #[cfg(target_os = "linux")]
    fn read() -> Option<Self> {
        use std::fs;

        use nix::sys::resource::{Resource, getrlimit};
        use nix::unistd::{SysconfVar, sysconf};

        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name may contain anything, and ends with the last bracket.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |at: usize| fields.get(at)?.parse::<f64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let ticks = sysconf(SysconfVar::CLK_TCK).ok()?? as f64;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot = boot.lines().find_map(|it| it.strip_prefix("btime "))?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
        let resident = resident.trim().strip_suffix(" kB")?;
        let (most_files, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        Some(Self {
            // utime, stime and starttime of proc(5), without the two fields before.
            cpu: (field(11)? + field(12)?) / ticks,
            start: boot.trim().parse::<f64>().ok()? + field(19)? / ticks,
            memory: resident.parse::<i64>().ok()? << 10,
            open_files: i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
            most_files: i64::try_from(most_files).unwrap_or(i64::MAX),
        })
    }
}
