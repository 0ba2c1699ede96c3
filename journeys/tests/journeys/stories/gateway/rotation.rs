//! Does a key that is replaced ever fail somebody?

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use devportal_api::id::KeyId;
use devportal_api::name;
use serde_json::json;

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::until;

stories![a_thousand_rotations_refuse_no_valid_key_and_each_old_value_ends_on_time,];

const SECOND: Duration = Duration::from_secs(1);

/// A2
async fn a_thousand_rotations_refuse_no_valid_key_and_each_old_value_ends_on_time(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "rotating", "automatic").await?;
    let rotations = ["one", "two", "three", "four"].map(|key| rotate(&shop, key, 250));
    futures::future::try_join_all(rotations).await?;
    Ok(())
}

/// A client that goes on with the value it has until it finds another, and one
/// that never looks.
async fn rotate(shop: &Shop, key: &str, times: u32) -> Result<()> {
    // Of which up to a second is cut off.
    const OVERLAP: Duration = Duration::from_secs(5);
    let secret = name::generated_source(&KeyId::new(&shop.dev, key)).name;
    let mut value = shop.working_key(key).await?;
    let mut retired = VecDeque::new();
    for revision in 1..=times {
        let rotation = json!({"spec": {"rotation": {"revision": revision, "overlap": "5s"}}});
        shop.patch_key(key, &rotation).await?;
        let next = until("a new value works", async || {
            ensure!(
                shop.ask(&value).await? == 200,
                "refused in rotation {revision}"
            );
            let copy = shop.secrets(&shop.dev).get_opt(&secret).await?;
            let found = copy.and_then(|copy| copy.data?.remove("api_key"));
            let found = found.and_then(|bytes| String::from_utf8(bytes.0).ok());
            let Some(found) = found.filter(|found| *found != value) else {
                return Ok(Err("the old value"));
            };
            let is_accepted = shop.ask(&found).await? == 200;
            Ok(is_accepted
                .then_some(found)
                .ok_or("a value that is refused"))
        })
        .await?;
        ensure!(shop.ask(&value).await? == 200, "the old value went at once");
        retired.push_back((std::mem::replace(&mut value, next), Instant::now()));
        // Each is looked at when its time is over, and two seconds have passed.
        let is_over = |(_, at): &mut (String, Instant)| at.elapsed() > OVERLAP + 2 * SECOND;
        while let Some((old, _)) = retired.pop_front_if(is_over) {
            ensure!(shop.ask(&old).await? == 401, "an old value lives on");
        }
    }
    tokio::time::sleep(OVERLAP + 2 * SECOND).await;
    for (old, _) in retired {
        ensure!(shop.ask(&old).await? == 401, "an old value lives on");
    }
    ensure!(shop.ask(&value).await? == 200);
    ensure!(shop.enforcement(key).await?.len() == 1);
    Ok(())
}
