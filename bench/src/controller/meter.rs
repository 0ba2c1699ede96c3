//! What does a process take? As the kernel and the API server count it.

use std::fs;

use anyhow::{Context, Result};
use kube::Client;

/// In which `/proc` counts CPU time, on Linux everywhere.
const TICKS_A_SECOND: f64 = 100.0;

/// A process.
#[derive(Clone, Copy)]
pub(crate) struct Meter {
    pid: u32,
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Meter {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// CPU seconds so far, in user space and in the kernel.
    pub(crate) fn cpu(self) -> Result<f64> {
        let text = self.read("stat")?;
        // The name may contain anything, and ends with the last bracket.
        let (_, fields) = text.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).context("short")?.parse()?) };
        // `utime` and `stime` of proc(5), which counts from the process id on.
        Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
    }

    pub(crate) fn memory(self) -> Result<Memory> {
        let text = self.read("status")?;
        let field = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|it| it.strip_prefix(name));
            let kib = line.and_then(|it| it.trim().strip_suffix(" kB"));
            Ok(kib.with_context(|| format!("no {name}"))?.parse::<u64>()? << 10)
        };
        Ok(Memory {
            now: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}

/// How many writes of our kinds and of Secrets the API server has answered.
pub(crate) async fn writes(client: &Client) -> Result<u64> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = client.request_text(request).await?;
    Ok(text.lines().filter_map(count_of_writes).sum())
}

fn count_of_writes(line: &str) -> Option<u64> {
    let labels = line.strip_prefix("apiserver_request_total{")?;
    let (labels, count) = labels.rsplit_once("} ")?;
    let is_ours = labels.contains("group=\"devportal.kuadrant.io\"")
        || labels.contains("resource=\"secrets\"");
    let verbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
    let is_write = verbs
        .iter()
        .any(|it| labels.contains(&format!("verb=\"{it}\"")));
    (is_ours && is_write).then(|| count.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_takes() {
        let own = Meter::of(std::process::id());
        let memory = own.memory().unwrap();
        assert!(memory.now > 1 << 20 && memory.peak >= memory.now);
        let mut sum = 0_u64;
        while own.cpu().unwrap() < 0.03 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(own.cpu().unwrap() < 600.0);
    }

    #[test]
    fn only_writes_of_ours_are_counted() {
        let line = |group: &str, resource: &str, verb: &str| {
            format!(
                "apiserver_request_total{{code=\"201\",group=\"{group}\",resource=\"{resource}\",verb=\"{verb}\"}} 7"
            )
        };
        let ours = "devportal.kuadrant.io";
        assert_eq!(count_of_writes(&line(ours, "apikeys", "PATCH")), Some(7));
        assert_eq!(count_of_writes(&line("", "secrets", "POST")), Some(7));
        assert_eq!(count_of_writes(&line(ours, "apikeys", "LIST")), None);
        assert_eq!(count_of_writes(&line("", "configmaps", "POST")), None);
    }
}
