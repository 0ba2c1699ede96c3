//! Who runs the portal sees where the time goes, in a real OpenTelemetry Collector.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::{Result, ensure};
use devportal_stack::{Part, Persona, Stack};

use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::wait::until;

stories![
    a_key_is_traced_from_the_decision_to_the_requests_that_carry_it_out,
    a_request_to_the_portal_goes_on_the_trace_of_whoever_asks,
    without_the_collector_all_else_goes_on_and_that_is_said_once,
];

const COLLECTOR: &str = "collector";
const VALUE: &str = "known-to-alice-and-the-gateway";

/// A span as the collector prints it: what stands before a colon, and attributes.
type Span = BTreeMap<String, String>;

fn spans(stack: &Stack) -> Result<Vec<Span>> {
    let text = fs::read_to_string(stack.log(COLLECTOR))?;
    let spans = text.split("Span #").skip(1);
    Ok(spans
        .map(|span| {
            let fields = span.lines().filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                let name = name.trim().trim_start_matches("-> ");
                Some((name.to_owned(), value.trim().to_owned()))
            });
            fields.collect()
        })
        .collect())
}

/// The first span that has all of these.
async fn span(stack: &Stack, wanted: &[(&str, &str)]) -> Result<Span> {
    until(&format!("a span has {wanted:?}"), async || {
        let all = spans(stack)?;
        let has_all = |it: &&Span| {
            let mut wanted = wanted.iter();
            wanted.all(|(name, value)| it.get(*name).is_some_and(|it| it == value))
        };
        let found = all.iter().find(has_all).cloned();
        Ok(found.ok_or_else(|| {
            all.iter()
                .map(|it| it.get("Name").cloned())
                .collect::<Vec<_>>()
        }))
    })
    .await
}

async fn start() -> Result<Quiet> {
    Quiet::start_parts(&[Part::Collector, Part::Controller, Part::Portal], &[]).await
}

async fn a_key_is_traced_from_the_decision_to_the_requests_that_carry_it_out(
    _: Arc<Stage>,
) -> Result<()> {
    let quiet = start().await?;
    quiet.bring("own", VALUE).await?;
    quiet.request("alice", Some("own")).await?;
    quiet.key_is("alice", "Enforced").await?;
    let stack = &quiet.stack;
    let write = span(stack, &[("Name", "apply APIKeyRequest")]).await?;
    let trace = ("Trace ID", write["Trace ID"].as_str());
    let reconcile = span(stack, &[trace, ("ID", &write["Parent ID"])]).await?;
    ensure!(reconcile["Name"] == "reconcile", "{reconcile:#?}");
    ensure!(
        reconcile["object"] == "Str(APIKey shop/alice)",
        "{reconcile:#?}"
    );
    let request = span(stack, &[trace, ("Parent ID", &write["ID"])]).await?;
    ensure!(request["Kind"] == "Client", "{request:#?}");
    ensure!(request["http.method"] == "Str(POST)", "{request:#?}");
    let url = &request["http.url"];
    ensure!(url.contains("/namespaces/shop/apikeyrequests"), "{url}");

    let names: Vec<_> = spans(stack)?
        .iter()
        .filter(|it| it.get("Parent ID").is_none_or(String::is_empty))
        .filter_map(|it| it.get("Name").cloned())
        .collect();
    let is_ours = |it: &String| ["reconcile", "fetch"].contains(&it.as_str());
    ensure!(
        names.iter().all(is_ours),
        "watches, lists and leases are no traces: {names:?}"
    );
    let told = fs::read_to_string(stack.log(COLLECTOR))?;
    ensure!(!told.contains(VALUE), "a value is in the traces");
    quiet.end().await
}

async fn a_request_to_the_portal_goes_on_the_trace_of_whoever_asks(_: Arc<Stage>) -> Result<()> {
    let quiet = start().await?;
    let stack = &quiet.stack;
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let url = stack.portal_url().unwrap_or_default();
    let answer = reqwest::Client::new()
        .get(format!("{url}/v1/me"))
        .bearer_auth(stack.token(Persona::Owner)?)
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .header("x-request-id", "this-one")
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{answer:?}");
    let span = span(stack, &[("Trace ID", trace), ("Parent ID", parent)]).await?;
    ensure!(span["Name"] == "GET /v1/me", "{span:#?}");
    ensure!(span["Kind"] == "Server", "{span:#?}");
    ensure!(span["request.id"] == "Str(this-one)", "{span:#?}");
    ensure!(span["http.response.status_code"] == "Int(200)", "{span:#?}");
    quiet.end().await
}

async fn without_the_collector_all_else_goes_on_and_that_is_said_once(_: Arc<Stage>) -> Result<()> {
    let quiet = start().await?;
    let stack = &quiet.stack;
    stack.kill(COLLECTOR).await?;
    let says = |what: &str| -> Result<usize> {
        let log = fs::read_to_string(stack.log("controller"))?;
        Ok(log.matches(what).count())
    };
    for name in ["one", "two", "three"] {
        quiet.request_key(name).await?;
        quiet.key_is(name, "Enforced").await?;
    }
    let is_said_once = async |what: &str| {
        until(what, async || {
            Ok(match says(what)? {
                1 => Ok(()),
                count => Err(count),
            })
        })
        .await
    };
    is_said_once("traces are not delivered").await?;
    stack.restart(COLLECTOR).await?;
    quiet.request_key("four").await?;
    span(stack, &[("object", "Str(APIKey shop/four)")]).await?;
    ensure!(says("traces are not delivered")? == 1);
    is_said_once("traces are delivered again").await?;
    quiet.end().await
}
