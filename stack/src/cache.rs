//! Where do built and downloaded things stay, so that the next start is quick?
//!
//! Outside the tree, under a key that holds the exact version. An entry is a
//! folder that appears complete or not at all: it is filled under another name
//! and renamed, while a lock keeps a second process from doing the same work.

use std::{
    fs::{self, File},
    future::Future,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::progress::Progress;

/// The folder of all that is kept between runs and between checkouts.
pub fn root() -> Result<PathBuf> {
    let var = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    var("DEVPORTAL_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("devportal")))
        .or_else(|| Some(var("HOME")?.join(".cache/devportal")))
        .context("cannot tell where to cache: set DEVPORTAL_CACHE to a folder")
}

/// The entry `kind/key`, filled by `fill` when it is not there yet.
///
/// `fill` gets an empty folder and may leave anything in it.
pub async fn entry<F, W>(
    root: &Path,
    kind: &str,
    key: &str,
    progress: Progress,
    fill: F,
) -> Result<PathBuf>
where
    F: FnOnce(PathBuf) -> W,
    W: Future<Output = Result<()>>,
{
    let parent = root.join(kind);
    let wanted = parent.join(key);
    if wanted.is_dir() {
        return Ok(wanted);
    }
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let _lock = lock(&parent.join(format!(".{key}.lock")), key, progress).await?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let partial = parent.join(format!(".{key}.partial"));
    if partial.exists() {
        // Left by a process that died: the lock says nobody works on it.
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    fill(partial.clone()).await?;
    fs::rename(&partial, &wanted)
        .with_context(|| format!("cannot move into place {}", wanted.display()))?;
    Ok(wanted)
}

/// The lock of a file, for as long as it is kept; says when it waits.
pub(crate) async fn lock(path: &Path, what: &str, progress: Progress) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    progress
        .step(
            &format!("wait for another process that makes {what}"),
            async {
                tokio::task::spawn_blocking(move || {
                    file.lock()?;
                    Ok(file)
                })
                .await?
            },
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn two_at_once_fill_an_entry_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let fills = AtomicU32::new(0);
        let fills = &fills;
        let one = || {
            entry(
                dir.path(),
                "bin",
                "x-v1",
                Progress::OnlyLong,
                move |into| async move {
                    fills.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    fs::write(into.join("x"), "done")?;
                    Ok(())
                },
            )
        };
        let (first, second) = tokio::join!(one(), one());
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(fills.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_fill_leaves_no_entry_behind() {
        let dir = tempfile::tempdir().unwrap();
        let failed = entry(dir.path(), "bin", "x-v1", Progress::OnlyLong, |_| async {
            anyhow::bail!("no network")
        })
        .await;
        assert!(failed.is_err());
        assert!(!dir.path().join("bin/x-v1").exists());
    }
}
