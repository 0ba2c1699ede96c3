//! Is a process still the one we started, and what does it use?
//!
//! A process id is reused sooner or later; together with the time of its start
//! it is not.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context, Result};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// The variable every process of a stack carries: it names the state folder,
/// so that even a grandchild whose parents are gone is found.
pub(crate) const MARK: &str = "DEVPORTAL_STACK_STATE";

/// A process that cannot be mistaken for a later one with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// Clock ticks since boot at which it started.
    pub start_time: u64,
}

impl Identity {
    /// Of a process that is there now.
    pub fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(Self {
            pid,
            start_time: start_time(&stat)?,
        })
    }

    /// Of this process.
    pub fn own() -> Option<Self> {
        Self::find(std::process::id())
    }

    /// Whether this very process still runs (a zombie does not).
    pub fn is_alive(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        start_time(&stat) == Some(self.start_time) && !is_zombie(&stat)
    }

    /// Resident memory in bytes.
    pub fn resident(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        Some(
            line.trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<u64>()
                .ok()?
                * 1024,
        )
    }

    /// Sends a signal, if this very process is still there.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            // It may have gone in between, which is what we want.
            let _ = kill(raw(self.pid), signal);
        }
    }
}

/// Sends a signal to a process group whose leader is known to exist.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    // An empty group is what we want.
    let _ = killpg(raw(leader), signal);
}

/// Process ids fit: the kernel gives out at most 2²² of them.
pub(crate) fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// Every process that carries the mark of this state folder.
pub fn marked(state_dir: &Path) -> Vec<Identity> {
    let mark = format!("{MARK}={}", state_dir.display());
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| carries(*pid, mark.as_bytes()))
        .filter_map(Identity::find)
        .filter(|process| process.is_alive())
        .collect()
}

fn carries(pid: u32, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark))
}

/// The 22nd field; the second holds the program's name and may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// How many TCP connections a process has to a port.
pub fn connections(pid: u32, port: u16) -> Result<usize> {
    let folder = format!("/proc/{pid}/fd");
    let open = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let sockets: HashSet<String> = open
        .filter_map(|it| fs::read_link(it.ok()?.path()).ok())
        .filter_map(|it| {
            let inode = it.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect();
    let table = format!("/proc/{pid}/net/tcp");
    let table = fs::read_to_string(&table).with_context(|| format!("cannot read {table}"))?;
    let port = format!(":{port:04X}");
    let is_one = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Established, to this port.
        fields.get(3) == Some(&"01")
            && fields.get(2).is_some_and(|it| it.ends_with(&port))
            && fields.get(9).is_some_and(|it| sockets.contains(*it))
    };
    Ok(table.lines().filter(is_one).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(start_time(stat), Some(4711));
    }

    #[test]
    fn a_later_process_with_the_same_id_is_not_mistaken_for_ours() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive());
        assert!(
            !Identity {
                start_time: own.start_time + 1,
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn what_a_dead_supervisor_left_behind_is_found_by_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .env(MARK, dir.path())
            .spawn()
            .unwrap();
        let found = loop {
            // Between fork and exec it still has our environment.
            let found = marked(dir.path());
            if !found.is_empty() {
                break found;
            }
        };
        assert_eq!(found, vec![Identity::find(child.id()).unwrap()]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(marked(dir.path()), vec![]);
    }

    #[test]
    fn a_connection_is_one_that_the_process_holds_to_the_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id();
        assert_eq!(connections(own, port).unwrap(), 0);
        let connected = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(connections(own, port).unwrap(), 1);
        drop(connected);
    }
}
