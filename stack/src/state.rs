//! What runs, as far as someone outside the supervisor can know?
//!
//! One file in the state folder, replaced as a whole at each change. It
//! outlives the supervisor, so that `down` can end what that left behind.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{port::Ports, proc::Identity};

/// How far the stack is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Still coming up.
    Starting,
    /// Everything asked for is ready.
    Running,
    /// Stopped in good order.
    Stopped,
    /// Went down because of this.
    Failed(String),
}

/// A process of the stack, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name `logs` and `status` know it by.
    pub name: String,
    /// Which process that is.
    #[serde(flatten)]
    pub identity: Identity,
    /// Where it listens on the machine's loopback, if it does.
    pub port: Option<u16>,
    /// Where its output goes.
    pub log: PathBuf,
    /// When it was started.
    pub started: Timestamp,
}

/// The content of the state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The process that owns the stack.
    pub supervisor: Identity,
    /// How far it is.
    pub phase: Phase,
    /// Every port in use, by name.
    pub ports: Ports,
    /// In the order of their start.
    pub processes: Vec<Record>,
}

const FILE: &str = "state.json";

impl State {
    /// What is recorded in a folder, if anything is.
    pub fn find(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(|| {
                format!("{} is damaged: delete it", path.display())
            })?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Replaces what is recorded, all or nothing.
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let partial = dir.join(".state.json.partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&partial, dir.join(FILE)))
            .with_context(|| format!("cannot write to {}", dir.display()))
    }

    /// Whether someone looks after the stack now.
    pub fn is_supervised(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running) && self.supervisor.is_alive()
    }

    /// What was started and still runs, whoever looks after it.
    pub fn survivors(&self) -> impl Iterator<Item = &Record> {
        self.processes
            .iter()
            .filter(|record| record.identity.is_alive())
    }
}

/// Held while a stack uses the folder; `None` when another one does.
pub(crate) fn claim(dir: &Path) -> Result<Option<File>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let file = File::create(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(processes: Vec<Record>) -> State {
        State {
            supervisor: Identity::own().unwrap(),
            phase: Phase::Running,
            ports: Ports::default(),
            processes,
        }
    }

    fn record(identity: Identity) -> Record {
        Record {
            name: "etcd".into(),
            identity,
            port: Some(2379),
            log: "etcd.log".into(),
            started: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_saved_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(State::find(dir.path()).unwrap(), None);
        let saved = state(vec![record(Identity {
            pid: 1,
            start_time: 2,
        })]);
        saved.save(dir.path()).unwrap();
        assert_eq!(State::find(dir.path()).unwrap(), Some(saved));
    }

    #[test]
    fn only_processes_that_are_still_the_same_count_as_survivors() {
        let own = Identity::own().unwrap();
        let state = state(vec![
            record(own),
            record(Identity {
                start_time: own.start_time + 1,
                ..own
            }),
        ]);
        assert_eq!(state.survivors().count(), 1);
    }

    #[test]
    fn a_folder_is_claimed_by_one_stack_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = claim(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(claim(dir.path()).unwrap().is_none());
        drop(first);
        assert!(claim(dir.path()).unwrap().is_some());
    }
}
