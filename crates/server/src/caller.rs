//! Who is asking? Whoever the API server says that the headers are of.
//!
//! The token and the `Impersonate-*` headers are posted to it as they came, with a
//! `SelfSubjectReview`: it checks the token *and* the right to impersonate, and answers
//! who that is. There is no list of trusted callers here, and no second check.

use std::sync::{Arc, LazyLock};

use aide::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use regex::Regex;
use sha2::{Digest, Sha256};

use crate::App;
use crate::kubernetes::Kubernetes;
use crate::problem::Problem;
use crate::remember::{Memory, Outage};

/// Where a person's e-mail address is told.
pub(crate) const EMAIL: &str = "devportal.kuadrant.io/email";

/// The addresses that keys may have.
#[expect(clippy::expect_used, reason = "a constant")]
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(devportal_api::key::EMAIL).expect("a regular expression"));

const USER: HeaderName = HeaderName::from_static("impersonate-user");
/// What begins like the headers by which the API server is told who is spoken for.
const IMPERSONATE: &str = "impersonate-";
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const EMAIL_HEADER: HeaderName =
    HeaderName::from_static("impersonate-extra-devportal.kuadrant.io%2femail");

/// SHA-256 of all that is passed on of a caller. Nobody is many callers by one token: what the
/// API server would not look at is refused, and the rest is told in one form.
pub(crate) type CallerId = [u8; 32];

/// What is passed on to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    headers: HeaderMap,
    id: CallerId,
    /// When the token ends, where it tells.
    until: Option<Timestamp>,
}

impl Caller {
    /// # Errors
    ///
    /// When there is no token, or more than the API server looks at.
    pub(crate) fn of(all: &HeaderMap) -> Result<Self, Problem> {
        for name in [header::AUTHORIZATION, USER, UID, EMAIL_HEADER] {
            if all.get_all(&name).iter().count() > 1 {
                return Err(Problem::invalid(format!("{name} is sent more than once")));
            }
        }
        let authorization = all.get(header::AUTHORIZATION);
        let authorization = authorization.ok_or_else(Problem::unauthenticated)?;
        let token = bearer(authorization)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, said(token)?);
        for (name, value) in all {
            let Some(what) = name.as_str().strip_prefix(IMPERSONATE) else {
                continue;
            };
            if !["user", "uid", "group"].contains(&what) && !what.starts_with("extra-") {
                return Err(Problem::invalid(format!(
                    "{name} is no header that the API server knows"
                )));
            }
            headers.append(name, value.clone());
        }
        let mut hash = Sha256::new();
        for (name, value) in &headers {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
        }
        Ok(Self {
            until: expiry(token),
            headers,
            id: hash.finalize().into(),
        })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Of all that is passed on.
    pub(crate) fn id(&self) -> CallerId {
        self.id
    }

    /// When the token ends, where it tells.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }
}

/// The token. The API server takes the second word for it, whatever comes after.
fn bearer(authorization: &HeaderValue) -> Result<&str, Problem> {
    let text = authorization.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Problem::unauthenticated());
    }
    if token.contains(char::is_whitespace) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "Authorization has more than a scheme and a token, or more than a space between \
             them: send Authorization: Bearer TOKEN",
        ));
    }
    Ok(token)
}

/// How the token is told, however it came.
fn said(token: &str) -> Result<HeaderValue, Problem> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Problem::unauthenticated())?;
    value.set_sensitive(true);
    Ok(value)
}

/// When a JSON Web Token ends. Nothing is believed for it: an answer about it is only
/// not remembered for longer.
fn expiry(token: &str) -> Option<Timestamp> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let payload: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    Timestamp::from_second(payload.get("exp")?.as_i64()?).ok()
}

/// A person, as the API server knows them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) groups: Vec<String>,
    pub(crate) email: Option<String>,
}

/// Control characters, and those that show nothing or turn text around: Unicode's
/// `Default_Ignorable_Code_Point`, and the blank of Braille.
fn is_hidden(it: char) -> bool {
    let is_format = matches!(
        it,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    it.is_control() || is_format
}

impl Person {
    fn of(review: SelfSubjectReview) -> Result<Self, Problem> {
        let info = review
            .status
            .and_then(|it| it.user_info)
            .unwrap_or_default();
        let user = info.username.unwrap_or_default();
        // An account that lost the headers on the way would act as itself.
        if user.is_empty() || user.starts_with("system:") {
            return Err(Problem::forbidden(format!(
                "{user:?} is no person: send the person's own token, or Impersonate-User with \
                 the account's"
            )));
        }
        if user.chars().any(is_hidden) {
            return Err(Problem::forbidden(
                "the user's name has characters that do not show: nobody could tell it from another",
            ));
        }
        let mut groups = info.groups.unwrap_or_default();
        groups.sort();
        // The first of several, as for the admission policies.
        let email = info.extra.and_then(|mut it| it.remove(EMAIL));
        let email = email.and_then(|it| it.into_iter().next());
        // One that no key may have is of no use: the person gives another.
        let email = email.filter(|it| ADDRESS.is_match(it));
        Ok(Self {
            user,
            groups,
            email,
        })
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.binary_search_by(|it| (**it).cmp(group)).is_ok()
    }
}

/// The door: who headers are of.
pub(crate) struct Door(Memory<CallerId, Arc<Person>>);

impl Door {
    pub(crate) fn new(outage: &Outage) -> Self {
        Self(Memory::new(outage))
    }

    /// # Errors
    ///
    /// When the API server does not know the token, or does not let it act for whom it
    /// names; when that is no person.
    pub(crate) async fn admit(
        &self,
        kubernetes: &Kubernetes,
        caller: &Caller,
    ) -> Result<Arc<Person>, Problem> {
        if caller.until.is_some_and(|until| until <= Timestamp::now()) {
            return Err(Problem::unauthenticated());
        }
        let ask = || async {
            let review = SelfSubjectReview::default();
            let review = kubernetes.review(caller, &review).await?;
            Person::of(review).map(Arc::new)
        };
        self.0.recall(caller.id, ask).await
    }
}

/// Whoever asks, and what of their request is passed on.
pub(crate) struct Me {
    pub(crate) caller: Caller,
    pub(crate) person: Arc<Person>,
}

impl FromRequestParts<App> for Me {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::of(&parts.headers)?;
        let person = app.door.admit(&app.kubernetes, &caller).await?;
        Ok(Self { caller, person })
    }
}

impl OperationInput for Me {}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::authentication::v1::{SelfSubjectReviewStatus, UserInfo};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn person(user: &str) -> Result<Person, Problem> {
        Person::of(SelfSubjectReview {
            status: Some(SelfSubjectReviewStatus {
                user_info: Some(UserInfo {
                    username: Some(user.to_owned()),
                    groups: Some(vec!["b".into(), "a".into()]),
                    ..UserInfo::default()
                }),
            }),
            ..SelfSubjectReview::default()
        })
    }

    #[test]
    fn the_token_and_who_it_speaks_for_are_passed_on_and_nothing_else() {
        let caller = Caller::of(&headers(&[
            ("authorization", "Bearer t"),
            ("impersonate-user", "alice"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("cookie", "secret"),
        ]))
        .unwrap();
        assert_eq!(caller.headers().len(), 4);
        assert!(!caller.headers().contains_key("cookie"));
    }

    #[test]
    fn without_a_token_nobody_is_asked() {
        for pairs in [
            &[][..],
            &[("impersonate-user", "alice")],
            &[("authorization", "Basic YTpi")],
            &[("authorization", "Bearer ")],
        ] {
            assert_eq!(Caller::of(&headers(pairs)).unwrap_err().status, 401);
        }
    }

    #[test]
    fn however_a_token_is_written_it_is_the_same_caller_and_only_alone() {
        let of = |authorization| Caller::of(&headers(&[("authorization", authorization)]));
        let caller = of("Bearer t").unwrap();
        for same in ["bearer t", "BEARER t"] {
            let other = of(same).unwrap();
            assert_eq!(other.id, caller.id, "{same}");
            assert_eq!(other.headers()[header::AUTHORIZATION], "Bearer t");
        }
        for more in [
            "Bearer t n",
            "Bearer  t",
            "Bearer t\tn",
            "Bearer t, Bearer u",
        ] {
            let problem = of(more).unwrap_err();
            assert_eq!(problem.status, 401, "{more:?}");
            assert!(problem.detail.contains("more than"), "{}", problem.detail);
        }
    }

    #[test]
    fn what_the_api_server_would_not_look_at_makes_nobody_another_caller() {
        let token = ("authorization", "Bearer t");
        for pairs in [
            &[token, ("impersonate-nonsense", "1")][..],
            &[token, ("impersonate-uid", ""), ("impersonate-uid", "1")],
        ] {
            assert_eq!(Caller::of(&headers(pairs)).unwrap_err().status, 400);
        }
    }

    #[test]
    fn the_same_token_for_another_person_is_another_caller() {
        let of = |user| {
            let pairs = [("authorization", "Bearer t"), ("impersonate-user", user)];
            Caller::of(&headers(&pairs)).unwrap().id
        };
        assert_ne!(of("alice"), of("bob"));
        assert_eq!(of("alice"), of("alice"));
    }

    #[test]
    fn a_service_is_no_person() {
        for user in [
            "",
            "system:anonymous",
            "system:serviceaccount:backstage:backstage",
            "alice\u{7}",
            "alice\u{202e}",
            "al\u{200b}ice",
            "alice\u{3164}",
            "alice\u{fe0f}",
        ] {
            assert_eq!(person(user).unwrap_err().status, 403, "{user:?}");
        }
        assert!(person("backstage:user:default/alice").unwrap().is_in("a"));
    }

    #[test]
    fn a_token_that_tells_when_it_ends_is_not_remembered_beyond_that() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp": 1700000000}"#);
        let end = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(expiry(&format!("h.{payload}.s")), Some(end));
        assert_eq!(expiry("opaque"), None);
    }
}
