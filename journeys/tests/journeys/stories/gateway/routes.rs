//! How does a changed route reach callers?

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::stories;
use crate::shop::Shop;
use crate::stage::Stage;
use crate::wait::within;

stories![
    changed_routes_are_taken_in_without_dropping_a_connection,
    a_route_that_asks_for_more_than_the_stack_can_do_is_not_accepted,
];

/// A caller sees a changed route by then.
const SOON: Duration = crate::wait::PATIENCE;

async fn changed_routes_are_taken_in_without_dropping_a_connection(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "rerouted", "automatic").await?;
    let value = shop.working_key("mine").await?;
    let mut connection = Connection::open(&shop).await?;
    for path in ["/one", "/two", "/three", "/four", "/five"] {
        let mut route = shop.route();
        route["spec"]["rules"][0]["matches"] =
            json!([{"path": {"type": "PathPrefix", "value": path}}]);
        // The body of a request is under way while the routes change.
        connection.begin(&shop, &value).await?;
        shop.stage.apply(&route).await?;
        sees(&shop, &value, 404).await?;
        ensure!(connection.end().await? == 200, "the request was dropped");
        shop.stage.apply(&shop.route()).await?;
        sees(&shop, &value, 200).await?;
    }
    Ok(())
}

/// Waits until a caller of `/` gets this.
async fn sees(shop: &Shop, value: &str, status: u16) -> Result<()> {
    within(SOON, &status.to_string(), async || {
        let seen = shop.ask(value).await?;
        Ok(if seen == status { Ok(()) } else { Err(seen) })
    })
    .await
}

/// One connection to the gateway, over which all requests go.
struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(shop: &Shop) -> Result<Self> {
        let url = shop.stage.stack.gateway_url().context("no gateway")?;
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    /// Sends a request but for the last byte of its body.
    async fn begin(&mut self, shop: &Shop, value: &str) -> Result<()> {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: APIKEY {value}\r\n\
             Content-Length: 2\r\n\r\n1",
            shop.hostname()
        );
        Ok(self.0.get_mut().write_all(request.as_bytes()).await?)
    }

    /// Sends the rest, and reads the answer.
    async fn end(&mut self) -> Result<u16> {
        self.0.get_mut().write_all(b"2").await?;
        let mut status = String::new();
        self.0.read_line(&mut status).await?;
        let status = status
            .split(' ')
            .nth(1)
            .context("the connection is closed")?;
        let status = status.parse()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            match line.trim_end().split_once(": ") {
                Some(("content-length", it)) => length = it.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        self.0.read_exact(&mut vec![0; length]).await?;
        Ok(status)
    }
}

async fn a_route_that_asks_for_more_than_the_stack_can_do_is_not_accepted(
    stage: Arc<Stage>,
) -> Result<()> {
    let shop = Shop::open(stage, "rewriting", "automatic").await?;
    shop.working_key("mine").await?;
    let mut route = shop.route();
    route["spec"]["rules"][0]["filters"] =
        json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "x.example.com"}}]);
    shop.stage.apply(&route).await?;
    let product = shop.product_says("Ready", "False").await?;
    let told = product.status.unwrap_or_default().conditions;
    ensure!(
        told.iter().any(|it| it.reason == "HTTPRouteNotAccepted"),
        "{told:?}"
    );
    Ok(())
}
