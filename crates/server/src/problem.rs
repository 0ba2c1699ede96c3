//! How is a request refused? With `application/problem+json` (RFC 9457), in the API
//! server's own words where it was the API server that refused.

use std::fmt;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use devportal_watch::brief;
use schemars::JsonSchema;
use serde::Serialize;
use tracing::warn;

use crate::trace;

/// Why a request was refused.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The kind of problem in one word, for programs: `NotFound`, `Forbidden`,
    /// `ShownAlready` …
    pub(crate) title: String,
    /// What is wrong and what to do next, for people.
    pub(crate) detail: String,
    /// The fields that are wrong, in the API server's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<Cause>,
    /// The request's id, which the server's log has, too.
    pub(crate) request_id: String,
}

/// What is wrong with a field.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Cause {
    /// The field, such as `spec.targetRef.name`, if a field is wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) field: String,
    /// What is wrong, in one word for programs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// What is wrong, for people.
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            causes: vec![],
            request_id: trace::request_id(),
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Invalid", detail)
    }

    /// One field is wrong.
    pub(crate) fn of_field(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{field}: {message}"),
        );
        problem.causes.push(Cause {
            field: field.to_owned(),
            reason: "FieldValueInvalid".to_owned(),
            message,
        });
        problem
    }

    /// What is wrong is a field's.
    pub(crate) fn blame(&mut self, field: &str) {
        self.causes = vec![Cause {
            field: field.to_owned(),
            reason: "FieldValueDuplicate".to_owned(),
            message: self.detail.clone(),
        }];
    }

    /// The same for what is not there and for what is not to be seen.
    pub(crate) fn not_found(what: impl fmt::Display) -> Self {
        let detail = format!("{what} does not exist, or you may not see it");
        Self::new(StatusCode::NOT_FOUND, "NotFound", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", detail)
    }

    pub(crate) fn conflict(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, title, detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        let detail = "the API server does not accept the token, or there is none: \
                      send Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", detail)
    }

    /// A write that nobody answered.
    pub(crate) fn maybe_done() -> Self {
        Self::unavailable(
            "the API server has not answered, and may have carried this out: look before you try \
             again",
        )
    }

    /// What the API server answered, or that it does not.
    pub(crate) fn of_kubernetes(error: &kube::Error) -> Self {
        if let kube::Error::SerdeError(_) = error {
            return Self::unavailable(format!(
                "the API server's answer cannot be read: {}",
                brief(error)
            ));
        }
        let kube::Error::Api(status) = error else {
            return Self::unavailable(format!(
                "the API server cannot be reached: {}; try again in a moment",
                brief(error)
            ));
        };
        let code = match StatusCode::from_u16(status.code) {
            Ok(StatusCode::UNAUTHORIZED) => return Self::unauthenticated(),
            // It is there, and does not get to it.
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                return Self::unavailable("the API server is busy; try again in a moment");
            }
            Ok(code) if code.is_client_error() => code,
            _ => {
                return Self::unavailable(format!(
                    "the API server cannot answer: {}; try again in a moment",
                    status.message
                ));
            }
        };
        let mut problem = Self::new(code, &status.reason, readable(&status.message));
        let causes = status.details.iter().flat_map(|it| &it.causes);
        problem.causes = causes
            .map(|cause| Cause {
                // What is wrong as a whole has this in the field's place.
                field: cause.field.replace("<nil>", ""),
                reason: cause.reason.clone(),
                message: readable(&cause.message),
            })
            .collect();
        problem
    }

    /// The same of what the server asked by itself: that it may not is no fault of the
    /// person's, and its account is none of their business.
    pub(crate) fn of_own(error: &kube::Error) -> Self {
        let problem = Self::of_kubernetes(error);
        if problem.code() == StatusCode::CONFLICT || problem.code() == StatusCode::NOT_FOUND {
            return problem;
        }
        warn!(error = %brief(error), "the server could not do what is its own to do");
        if matches!(
            problem.code(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Self::unavailable(
                "the portal lacks a right of its own: tell your platform team, the log says which",
            );
        }
        problem
    }

    pub(crate) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether nobody answered, so that what was known before may stand in.
    pub(crate) fn is_outage(&self) -> bool {
        self.code() == StatusCode::SERVICE_UNAVAILABLE
    }
}

/// A message without what is in front of the words: the name of the policy that refuses,
/// or the whole object that is refused.
fn readable(message: &str) -> String {
    const LONGEST: usize = 500;
    const POLICY: &str = " denied request: ";
    let message = message
        .find(POLICY)
        .map_or(message, |at| &message[at + POLICY.len()..]);
    if message.len() <= LONGEST {
        return message.to_owned();
    }
    let words = message
        .rfind("\": ")
        .map_or(message, |at| &message[at + 3..]);
    words[..words.floor_char_boundary(LONGEST)].to_owned()
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        // It may have been remembered from another request.
        self.request_id = trace::request_id();
        let code = self.code();
        let mut response = (code, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match code {
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = HeaderValue::from_static("2");
                headers.insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response
    }
}

impl OperationOutput for Problem {
    type Inner = Self;

    fn operation_response(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Option<Documented> {
        let mut response = Json::<Self>::operation_response(context, operation)?;
        let bodies = std::mem::take(&mut response.content);
        response.content = bodies
            .into_values()
            .map(|body| ("application/problem+json".to_owned(), body))
            .collect();
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_refusal_of_the_api_server_keeps_its_words_and_fields() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "code": 422, "reason": "Invalid", "message": "APIProduct \"toys\" is invalid",
            "details": {"causes": [
                {"field": "spec.targetRef", "reason": "FieldValueInvalid", "message": "Invalid targetRef.kind"}
            ]},
        }))
        .unwrap();
        let problem = Problem::of_kubernetes(&kube::Error::Api(status.boxed()));
        assert_eq!(problem.status, 422);
        assert_eq!(problem.causes[0].field, "spec.targetRef");
        assert_eq!(problem.causes[0].message, "Invalid targetRef.kind");
    }

    #[test]
    fn a_quoted_object_is_left_out_of_what_is_wrong_with_it() {
        let object = "{\\\"a\\\": 1}".repeat(100);
        let message = format!(
            "is invalid: patch: Invalid value: \"{object}\": unknown field \"spec.colour\""
        );
        assert_eq!(readable(&message), "unknown field \"spec.colour\"");
        assert_eq!(readable("short"), "short");
        assert_eq!(readable(&"ä".repeat(1000)).len(), 500);
    }

    #[test]
    fn a_fault_of_the_api_server_is_no_fault_of_ours() {
        let status = Status::failure("etcd is gone", "InternalError").with_code(500);
        let problem = Problem::of_kubernetes(&kube::Error::Api(status.boxed()));
        assert!(problem.is_outage());
    }
}
