//! What does an answer of the API server mean that is no success?

use devportal_core::brake::{Cause, Failure};
use devportal_watch::brief;

pub(super) fn classify(error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if is_refusal(status.code) => {
            refused(&status.reason, &status.message)
        }
        kube::Error::Api(status) => Failure {
            reason: status.reason.clone(),
            ..passing(&status.message)
        },
        other => passing(brief(other)),
    }
}

pub(super) fn passing(message: impl Into<String>) -> Failure {
    Failure {
        cause: Cause::Passing,
        target: String::new(),
        reason: "Unavailable".to_owned(),
        message: message.into(),
    }
}

pub(super) fn refused(reason: &str, message: &str) -> Failure {
    Failure {
        cause: Cause::Refused,
        reason: reason.to_owned(),
        ..passing(message)
    }
}

/// Whether something in what was sent may be the reason.
pub(super) fn may_be_the_document(failure: &Failure) -> bool {
    failure.cause == Cause::Refused || is_of_size(failure)
}

/// Whether what was sent is too large: etcd's and the API server's own limits read like a
/// failure that passes.
pub(super) fn is_of_size(failure: &Failure) -> bool {
    let words = ["too large", "larger than max"];
    failure.reason == "RequestEntityTooLarge" || words.iter().any(|it| failure.message.contains(it))
}

/// Asking the same again brings the same answer.
pub(super) fn is_refusal(code: u16) -> bool {
    matches!(code, 400 | 401 | 403 | 413 | 422)
}
