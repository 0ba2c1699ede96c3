//! Is there room for this request? Envoy's question, Limitador's answer.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Context as _;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use limitador::RateLimiter;
use limitador::limit::Context;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tracing::warn;

/// The name under which conditions know what Envoy sends.
const DESCRIPTORS: &str = "descriptors";

/// Answers by `limiter` whoever connects, until `stop` is done; what was asked
/// before is answered.
///
/// # Errors
///
/// When the connection handling of the server fails.
pub(crate) async fn serve(
    listener: TcpListener,
    limiter: Arc<RateLimiter>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .add_service(RateLimitServiceServer::new(Service { limiter }))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
        .await
        .context("serving ended")
}

struct Service {
    limiter: Arc<RateLimiter>,
}

#[tonic::async_trait]
impl RateLimitService for Service {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        // The engine panics on some conditions, such as one that reads a second
        // descriptor where there is one. It holds no lock then, and the next
        // request finds it whole.
        let ask = || answer(&self.limiter, request.into_inner());
        let code = match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(Ok(code)) => code,
            Ok(Err(failure)) => {
                warn!(error = %failure, "cannot tell");
                return Err(unavailable());
            }
            Err(_) => {
                warn!("cannot tell: the engine panicked");
                return Err(unavailable());
            }
        };
        Ok(Response::new(RateLimitResponse {
            overall_code: code.into(),
            ..RateLimitResponse::default()
        }))
    }
}

/// What limitador-server answers when it cannot tell.
fn unavailable() -> Status {
    Status::unavailable("Service unavailable")
}

/// As limitador-server answers: the domain is Limitador's namespace, and a
/// request without one is in no namespace.
fn answer(
    limiter: &RateLimiter,
    request: RateLimitRequest,
) -> Result<Code, limitador::errors::LimitadorError> {
    if request.domain.is_empty() {
        return Ok(Code::Unknown);
    }
    let descriptors = request.descriptors.into_iter().map(|descriptor| {
        let entries = descriptor.entries.into_iter();
        entries
            .map(|it| (it.key, it.value))
            .collect::<HashMap<_, _>>()
    });
    let mut descriptors: Vec<_> = descriptors.collect();
    if descriptors.is_empty() {
        // Conditions read the first one, and the engine panics without.
        descriptors.push(HashMap::new());
    }
    let mut context = Context::default();
    context.list_binding(DESCRIPTORS.to_owned(), descriptors);
    // Nought means that Envoy was not told otherwise.
    let hits = u64::from(request.hits_addend).max(1);
    let result = limiter.check_rate_limited_and_update(&request.domain.into(), &context, hits)?;
    Ok(if result.limited {
        Code::OverLimit
    } else {
        Code::Ok
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
    use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
    use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
    use limitador::limit::{Expression, Limit, Predicate};
    use tokio::sync::oneshot;
    use tonic::Code as GrpcCode;

    const GOLD: &str = r#"descriptors[0]["limit.gold__aaaaaaaa"] == "1""#;

    fn limiter(limits: impl IntoIterator<Item = Limit>) -> RateLimiter {
        let limiter = RateLimiter::new(100);
        limiter.configure_with(limits).unwrap();
        limiter
    }

    fn gold(most: u64) -> Limit {
        Limit::new("toys/toys", most, 60, [Predicate::parse(GOLD).unwrap()], [])
    }

    fn request(domain: &str, entries: &[(&str, &str)]) -> RateLimitRequest {
        let entries = entries.iter().map(|(key, value)| Entry {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        });
        RateLimitRequest {
            domain: domain.to_owned(),
            descriptors: vec![RateLimitDescriptor {
                entries: entries.collect(),
                ..RateLimitDescriptor::default()
            }],
            hits_addend: 0,
        }
    }

    fn ask(limiter: &RateLimiter, domain: &str, entries: &[(&str, &str)]) -> Code {
        answer(limiter, request(domain, entries)).unwrap()
    }

    const IS_GOLD: &[(&str, &str)] = &[("limit.gold__aaaaaaaa", "1")];

    #[test]
    fn what_is_over_the_limit_of_its_tier_is_refused_whoever_asks() {
        let limiter = limiter([gold(2)]);
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::Ok);
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::Ok);
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::OverLimit);
    }

    #[test]
    fn a_request_of_no_tier_is_not_limited() {
        let limiter = limiter([gold(0)]);
        for entries in [&[][..], &[("other", "1")], &[("limit.gold__aaaaaaaa", "0")]] {
            assert_eq!(ask(&limiter, "toys/toys", entries), Code::Ok);
        }
        let none = RateLimitRequest {
            descriptors: vec![],
            ..request("toys/toys", &[])
        };
        assert!(answer(&limiter, none).is_ok_and(|code| code == Code::Ok));
    }

    #[test]
    fn two_routes_do_not_share_a_limit() {
        let limiter = limiter([gold(0)]);
        assert_eq!(ask(&limiter, "toys/other", IS_GOLD), Code::Ok);
        assert_eq!(ask(&limiter, "", IS_GOLD), Code::Unknown);
    }

    #[test]
    fn a_variable_gives_each_consumer_a_limit_of_their_own() {
        let who = Expression::parse(r#"descriptors[0]["auth.identity.userid"]"#).unwrap();
        let limiter = limiter([Limit::new("toys/toys", 1, 60, [], [who])]);
        let ask = |who| ask(&limiter, "toys/toys", &[("auth.identity.userid", who)]);
        assert_eq!(ask("alice"), Code::Ok);
        assert_eq!(ask("alice"), Code::OverLimit);
        assert_eq!(ask("bob"), Code::Ok);
    }

    #[test]
    fn a_changed_limit_holds_at_once_and_keeps_its_count() {
        let limiter = limiter([gold(1)]);
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::Ok);
        limiter.configure_with([gold(2)]).unwrap();
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::Ok);
        assert_eq!(ask(&limiter, "toys/toys", IS_GOLD), Code::OverLimit);
    }

    #[tokio::test]
    async fn a_client_is_answered_and_a_panic_of_the_engine_harms_no_other_request() {
        let second = Predicate::parse(r#"descriptors[1]["any"] == "1""#).unwrap();
        let broken = Limit::new("toys/broken", 1, 60, [second], []);
        let limiter = Arc::new(limiter([gold(1), broken]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, limiter, async {
            let _ = stopped.await;
        }));
        let mut client = RateLimitServiceClient::connect(format!("http://{address}"))
            .await
            .unwrap();

        let refusal = client
            .should_rate_limit(request("toys/broken", IS_GOLD))
            .await;
        assert_eq!(refusal.unwrap_err().code(), GrpcCode::Unavailable);
        for expected in [Code::Ok, Code::OverLimit] {
            let answer = client
                .should_rate_limit(request("toys/toys", IS_GOLD))
                .await;
            assert_eq!(answer.unwrap().into_inner().overall_code(), expected);
        }

        stop.send(()).unwrap();
        drop(client);
        served.await.unwrap().unwrap();
    }
}
