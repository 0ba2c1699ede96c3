//! Does the portal see all that it shows, and is there what keys need?

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use devportal_mirror::{Sight, Trouble};
use schemars::JsonSchema;
use serde::Serialize;

use super::about;
use crate::App;
use crate::caller::Me;
use crate::problem::Problem;
use crate::store::Known;

/// The health of the portal itself. Problems of a product, a key or a route are reported
/// with each.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// What is wrong; empty if nothing is.
    findings: Vec<Amiss>,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Amiss {
    /// The kind that it is about, such as `HTTPRoute`.
    about: String,
    /// What is wrong.
    message: String,
    /// What to do next.
    next: String,
    /// Since when, RFC 3339, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

pub(crate) fn addresses() -> ApiRouter<App> {
    let health = about("getHealth", "health", "Get the health of the portal itself");
    ApiRouter::new().api_route("/v1/health", get_with(one, health))
}

/// For everyone: it names no object.
pub(crate) async fn one(State(app): State<App>, _: Me) -> Result<Json<Health>, Problem> {
    Ok(Json(Health {
        findings: findings(&app.store.read()),
    }))
}

fn findings(known: &Known) -> Vec<Amiss> {
    let sights = known.sights();
    let sees_kuadrants = sights
        .iter()
        .any(|(kind, sight)| *kind == KUADRANT && sight.is_listed());
    let mut findings: Vec<_> = sights
        .iter()
        .filter_map(|(kind, sight)| amiss(kind, sight))
        .collect();
    if sees_kuadrants && known.kuadrant_namespace().is_none() {
        findings.push(Amiss {
            about: KUADRANT.to_owned(),
            message: "there is no Kuadrant: no key is enforced".to_owned(),
            next: "create a Kuadrant in the namespace of its operator".to_owned(),
            since: None,
        });
    }
    findings
}

const KUADRANT: &str = "Kuadrant";

fn amiss(kind: &str, sight: &Sight) -> Option<Amiss> {
    let message = sight.complaint()?;
    let next = match sight.trouble() {
        None => "wait: it is being listed for the first time".to_owned(),
        Some(Trouble::Forbidden) => {
            format!("give the portal's server the right to list and watch {kind}s")
        }
        Some(Trouble::NotInstalled) => {
            format!("install the definition of {kind}: it is looked for again by itself")
        }
        Some(Trouble::Failing(_)) => {
            "see whether the API server answers: what is shown may be out of date until then"
                .to_owned()
        }
    };
    let since = match sight {
        Sight::Stale(_, since) => Some(format!("{since:.0}")),
        _ => None,
    };
    Some(Amiss {
        about: kind.to_owned(),
        message,
        next,
        since,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn what_is_followed_is_well_and_what_is_not_says_what_to_do() {
        assert_eq!(amiss("HTTPRoute", &Sight::Current), None);
        let since = Timestamp::from_second(1_700_000_000).unwrap();
        let found = amiss("HTTPRoute", &Sight::Stale(Trouble::Forbidden, since)).unwrap();
        assert_eq!(
            found,
            Amiss {
                about: "HTTPRoute".to_owned(),
                message: "not followed since 2023-11-14T22:13:20Z: the right to list and watch \
                          it is missing"
                    .to_owned(),
                next: "give the portal's server the right to list and watch HTTPRoutes".to_owned(),
                since: Some("2023-11-14T22:13:20Z".to_owned()),
            }
        );
        for sight in [Sight::Unlisted, Sight::Blind(Trouble::NotInstalled)] {
            assert!(!amiss("Kuadrant", &sight).unwrap().next.is_empty());
        }
    }
}
