//! `devportal explain NAMESPACE/NAME`: one key on one screen.

use std::fmt::Write;

use anyhow::{Result, ensure};
use devportal_api::id::KeyId;
use devportal_controller::{Explanation, Held, Settings};

use crate::output::{Format, plain};

pub(crate) async fn run(key: &KeyId, settings: Settings, format: Format) -> Result<()> {
    let explanation = devportal_controller::explain(key, settings).await?;
    format.print(&explanation, table)?;
    found(&explanation)
}

/// # Errors
///
/// When there is no such key, or it cannot be seen: scripts look at the exit code.
fn found(it: &Explanation) -> Result<()> {
    ensure!(it.found, "{}: {}", it.key, plain(&it.standing));
    Ok(())
}

fn table(it: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |name: &str, words: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10} {}", plain(words));
    };
    line("Key", &it.key);
    line("Stands", &it.standing);
    line("Decision", it.ruling.as_deref().unwrap_or("none counts"));
    if let Some(terms) = &it.terms {
        let product = &terms.api_product_ref;
        let namespace = product.namespace.as_deref().unwrap_or_default();
        let until = match &terms.expires_at {
            Some(at) => format!("until {}", at.0),
            None => "without an end".to_owned(),
        };
        let (tier, user) = (&terms.plan_tier, &terms.requested_by.user_id);
        line(
            "Terms",
            &format!(
                "{namespace}/{}, tier {tier}, for {user}, {until}",
                product.name
            ),
        );
    }
    if it.exceeded {
        line(
            "",
            "the spec asks for more than was approved; the terms above hold until that is",
        );
    }
    for (number, told) in it.told.iter().enumerate() {
        line(if number == 0 { "Told" } else { "" }, told);
    }
    if it.writes.is_empty() {
        line("To write", "nothing");
    }
    for (number, write) in it.writes.iter().enumerate() {
        line(if number == 0 { "To write" } else { "" }, &held(write));
    }
    for (number, unseen) in it.unseen.iter().enumerate() {
        line(if number == 0 { "Not seen" } else { "" }, unseen);
    }
    text
}

fn held(it: &Held) -> String {
    let mut text = format!("{} ({})", it.target, it.group.to_lowercase());
    if let Some(because) = &it.because {
        let _ = write!(text, ": {because}");
    }
    if let Some(until) = &it.until {
        let _ = write!(text, "; again at {until}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation() -> Explanation {
        Explanation {
            key: "consumer/reseller".into(),
            found: true,
            standing: "Pending/AwaitingApproval: API key request is awaiting approval".into(),
            ruling: None,
            terms: None,
            exceeded: false,
            told: vec!["Recorded=False WriteRefused: exceeded quota".into()],
            writes: vec![Held {
                target: "APIKeyRequest toystore/consumer-reseller-6406d5f2".into(),
                group: "Record".into(),
                because: Some("exceeded quota (Forbidden)".into()),
                until: None,
            }],
            unseen: vec!["PlanPolicy: the right to list and watch it is missing".into()],
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_a_failure_and_one_that_is_there_is_none() {
        let mut explanation = explanation();
        assert!(found(&explanation).is_ok());
        explanation.found = false;
        explanation.standing = "there is no such APIKey".into();
        let failure = found(&explanation).unwrap_err().to_string();
        assert_eq!(failure, "consumer/reseller: there is no such APIKey");
    }

    #[test]
    fn one_screen_says_how_a_key_stands_and_what_is_not_written() {
        assert_eq!(
            table(&explanation()),
            "\
Key        consumer/reseller
Stands     Pending/AwaitingApproval: API key request is awaiting approval
Decision   none counts
Told       Recorded=False WriteRefused: exceeded quota
To write   APIKeyRequest toystore/consumer-reseller-6406d5f2 (record): exceeded quota (Forbidden)
Not seen   PlanPolicy: the right to list and watch it is missing
"
        );
    }
}
