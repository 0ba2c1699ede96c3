//! What did a dead supervisor leave behind, and how is it ended?

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use crate::{
    cgroup,
    proc::{self, Identity},
    state::State,
};

const GRACE: Duration = Duration::from_secs(5);

/// Everything of this state folder that still runs: what is recorded, what
/// carries its mark, newest first.
pub fn find(state_dir: &Path) -> Vec<Identity> {
    let recorded = State::find(state_dir).ok().flatten();
    let mut found: Vec<Identity> = recorded
        .iter()
        .flat_map(State::survivors)
        .map(|record| record.identity)
        .collect();
    for process in proc::marked(state_dir) {
        if !found.contains(&process) {
            found.push(process);
        }
    }
    found.reverse();
    found
}

/// Ends all that, politely at first. Only for a folder without supervisor.
pub fn end(state_dir: &Path) -> Result<usize> {
    let found = find(state_dir);
    for process in &found {
        process.signal(Signal::SIGTERM);
        if !gone_within(*process, GRACE) {
            process.signal(Signal::SIGKILL);
        }
    }
    end_marked(state_dir);
    if let Some(stubborn) = found.iter().find(|process| !gone_within(**process, GRACE)) {
        bail!("process {} does not end", stubborn.pid);
    }
    Ok(found.len())
}

/// Kills what carries the mark of this folder, and the containers of its node, which do not.
pub(crate) fn end_marked(state_dir: &Path) {
    for process in proc::marked(state_dir) {
        process.signal(Signal::SIGKILL);
    }
    cgroup::end(state_dir);
}

fn gone_within(process: Identity, patience: Duration) -> bool {
    let begun = std::time::Instant::now();
    while process.is_alive() {
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
