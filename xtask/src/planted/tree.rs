//! Where are bugs planted? In a copy of what the core's tests are built from, with a
//! target folder of its own: only what a bug changes is built anew.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

/// The core and what it is built on.
const CRATES: [&str; 3] = ["crates/api", "crates/mirror", "crates/core"];
/// What tests hold against the code.
const DOCS: &str = "docs";
/// What else cargo reads.
const FILES: [&str; 3] = ["Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"];

/// The copy. Nobody else changes it while this stands.
#[derive(Debug)]
pub(super) struct Tree {
    folder: PathBuf,
    _lock: File,
}

impl Tree {
    /// Brings the copy up to date with a repository, so that files that are the same
    /// stay as they are.
    pub(super) fn lay(root: &Path) -> Result<Self> {
        let folder = root.join("target/planted");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another `cargo xtask planted` is at work"),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the copy"),
        }
        let tree = Self {
            folder,
            _lock: lock,
        };
        for folder in CRATES.into_iter().chain([DOCS]) {
            copy_folder(&root.join(folder), &tree.sources().join(folder))?;
        }
        for file in FILES {
            copy_file(&root.join(file), &tree.sources().join(file))?;
        }
        let manifest = root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("reading {}", manifest.display()))?;
        tree.write("Cargo.toml", &only_ours(&text)?)?;
        Ok(tree)
    }

    /// The copied files.
    pub(super) fn sources(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Where cargo builds.
    pub(super) fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Gives a file of the copy another text.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        put(&self.sources().join(file), text.as_bytes())
    }
}

/// The workspace's manifest, for these crates only.
fn only_ours(manifest: &str) -> Result<String> {
    let mut manifest: toml::Table = manifest.parse().context("parsing Cargo.toml")?;
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut);
    let workspace = workspace.context("Cargo.toml is of no workspace")?;
    let members = CRATES.map(Value::from).to_vec();
    workspace.insert("members".to_owned(), Value::Array(members));
    Ok(manifest.to_string())
}

/// Makes a folder like another.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let there = names(from)?.with_context(|| format!("{} is gone", from.display()))?;
    for name in names(to)?.unwrap_or_default().difference(&there) {
        remove(&to.join(name))?;
    }
    for name in there {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

/// What is in a folder; `None` when there is no such folder.
fn names(folder: &Path) -> Result<Option<BTreeSet<OsString>>> {
    let reading = || format!("reading {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(reading),
    };
    let names = entries.map(|entry| entry.map(|it| it.file_name()));
    names
        .collect::<io::Result<_>>()
        .map(Some)
        .with_context(reading)
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("removing {}", path.display()))
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    put(to, &bytes)
}

/// Writes a file, unless it says this already: cargo goes by the time of the change.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|have| have == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_only_the_core_and_what_it_is_built_on() {
        let whole = "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\nresolver = \"3\"\n";
        let ours: toml::Table = only_ours(whole).unwrap().parse().unwrap();
        let members = ours["workspace"]["members"].as_array().unwrap();
        let members: Vec<_> = members.iter().filter_map(Value::as_str).collect();
        assert_eq!(members, CRATES);
        assert_eq!(ours["workspace"]["resolver"].as_str(), Some("3"));
        assert!(only_ours("[package]").is_err());
    }
}
