//! How do the containers of a dead node end? By the control groups that it put them in.
//!
//! A container is nobody's child any more once its shim is gone, and its environment is
//! its own. But its control group stays, under one whose name follows from the folder
//! of the stack.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use sha2::{Digest, Sha256};

use crate::proc;

const ROOT: &str = "/sys/fs/cgroup";
const PATIENCE: Duration = Duration::from_secs(5);

/// The control group of a stack's pods, as the kubelet wants it written.
pub(crate) fn name(state_dir: &Path) -> String {
    let digest = Sha256::digest(state_dir.as_os_str().as_encoded_bytes());
    format!("/devportal-{}", &hex::encode(digest)[..12])
}

/// Makes it.
pub(crate) fn make(state_dir: &Path) -> Result<()> {
    for group in groups(state_dir) {
        fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))?;
    }
    Ok(())
}

/// Ends all that is in it, and removes it. Does nothing where it is not there.
pub(crate) fn end(state_dir: &Path) {
    let begun = Instant::now();
    for group in groups(state_dir) {
        while group.exists() && !remove(&group) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills all that is in a pod, as a crash would, and leaves the group.
pub(crate) fn kill_pod(state_dir: &Path, uid: &str) -> Result<()> {
    for pid in pod_processes(state_dir, uid)? {
        kill_process(pid);
    }
    Ok(())
}

/// All that is in a pod.
pub(crate) fn pod_processes(state_dir: &Path, uid: &str) -> Result<Vec<u32>> {
    let groups = groups(state_dir);
    let found = groups
        .iter()
        .find_map(|group| find(group, &format!("pod{uid}")));
    let pod = found.with_context(|| format!("no pod {uid} runs here"))?;
    let mut pids = processes(&pod);
    pids.extend(folders(&pod).flat_map(|within| processes(&within)));
    Ok(pids)
}

/// The group of this name within another.
fn find(group: &Path, name: &str) -> Option<PathBuf> {
    folders(group).find_map(|folder| {
        let is_it = folder.file_name().is_some_and(|it| it == name);
        if is_it {
            Some(folder)
        } else {
            find(&folder, name)
        }
    })
}

/// In each hierarchy there is: one since version 2, before that one per controller.
fn groups(state_dir: &Path) -> Vec<PathBuf> {
    let name = name(state_dir);
    let own = name.trim_start_matches('/');
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.join(own)];
    }
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
    hierarchies
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink())
        .map(|path| path.join(own))
        .collect()
}

/// Kills what is in a group and in those within it; whether they could be removed.
fn remove(group: &Path) -> bool {
    for within in folders(group) {
        remove(&within);
    }
    kill_all(group);
    fs::remove_dir(group).is_ok()
}

fn folders(group: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|it| it.path())
}

fn kill_all(group: &Path) {
    processes(group).into_iter().for_each(kill_process);
}

fn kill_process(pid: u32) {
    // It may have gone in between, which is what we want.
    let _ = kill(proc::raw(pid), Signal::SIGKILL);
}

fn processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn two_stacks_have_two_groups() {
        assert_ne!(name(Path::new("/a")), name(Path::new("/b")));
    }

    #[test]
    fn what_is_in_the_group_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        if make(dir.path()).is_err() {
            return; // not permitted here
        }
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let group = groups(dir.path()).pop().unwrap().join("pod");
        fs::create_dir(&group).unwrap();
        fs::write(group.join("cgroup.procs"), child.id().to_string()).unwrap();
        end(dir.path());
        assert!(groups(dir.path()).iter().all(|group| !group.exists()));
        assert!(!child.wait().unwrap().success());
    }
}
