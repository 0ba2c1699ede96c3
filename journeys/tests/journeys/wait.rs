//! How long may something take? Everything a story waits for has a limit, and
//! the failure says what was there instead.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Enough for anything that crosses the operator on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// For what is promised within two seconds: the machine runs other stories, too.
pub(crate) const PROMPT: Duration = Duration::from_secs(6);

/// Most of what is waited for is there by then.
const SOON: Duration = Duration::from_secs(2);

/// Looks until `look` finds something, for as long as [`PATIENCE`].
pub(crate) async fn until<T, S: Debug, F>(what: &str, look: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Result<T, S>>,
{
    within(PATIENCE, what, look).await
}

/// Looks until `look` finds something; it answers `Err` with what it saw
/// instead.
pub(crate) async fn within<T, S: Debug, F>(limit: Duration, what: &str, mut look: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Result<T, S>>,
{
    let begun = Instant::now();
    loop {
        match look().await? {
            Ok(found) => return Ok(found),
            Err(seen) if begun.elapsed() > limit => {
                bail!("{what}: not within {limit:?}; last seen: {seen:#?}")
            }
            // What takes long is looked at less often: looking is work for everyone.
            Err(_) if begun.elapsed() < SOON => sleep(Duration::from_millis(25)).await,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Looks again and again for a while, and fails when `look` ever does.
pub(crate) async fn throughout(
    time: Duration,
    mut look: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < time {
        look().await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
