//! What did the API server object to, in one line for a person?

use std::error::Error;

/// The message of a refusal, else the innermost cause: kube's own texts repeat
/// the whole answer at every level.
pub fn brief(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        if let Some(kube::Error::Api(status)) = innermost.downcast_ref() {
            return format!("{} ({})", status.message, status.code);
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return innermost.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_refusal_is_told_once_in_the_words_of_the_api_server() {
        let status = Status::failure("you may not", "Forbidden").with_code(403);
        let error = kube::Error::Api(status.boxed());
        assert_eq!(brief(&error), "you may not (403)");
    }

    #[test]
    fn what_did_not_reach_the_api_server_is_told_by_its_innermost_cause() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = kube::Error::Service(Box::new(refused));
        assert_eq!(brief(&error), "connection refused");
    }
}
