//! What must a document be, and what may an operator set?

use std::time::Duration;

use devportal_api::condition::OpenApiState;
use devportal_api::id::SecretId;
use devportal_core::Need;
use devportal_core::change::OidcAnswer;

use super::server::{Reply, Server};
use super::{Bench, Names, discover, failed, fetch, fetch_with, impatient, once};
use crate::fetch::schedule::{Pace, jittered};
use crate::fetch::{FetchConfig, Reach};

#[tokio::test]
async fn an_openapi_document_is_taken_as_it_is_whatever_its_form() {
    for text in [
        "{\"openapi\": \"3.1.0\"}",
        "\n {\"info\": {}, \"swagger\": \"2.0\"}",
        "openapi: 3.1.0\n",
        "# ünïcode\n\"swagger\" : '2.0'\ninfo: {}\n",
        "openapi: 3.1.0\nalmost: [yaml",
        "\u{feff}openapi: 3.1.0\r\ninfo:\r\n  title: games\r\n",
        "\u{feff}{\"openapi\": \"3.1.0\"}",
        "%YAML 1.2\n# games\n---\n\n# what it is\nopenapi: 3.1.0 # or later\n",
        "--- # games\nswagger: \"2.0\"\n...\nNo more of it.\n",
        "servers:\n- url: https://games.example.com\n# and\ntags: [\n  games\n]\nopenapi: 3.1.0",
        "info:\n  description: |\n    <b>Games</b>\n\n    ```\n    and more\n    ```\nswagger: 2.0",
        "x-owner: us\n\"openapi\": 3.1.0\n'x-more': [1, 2]\npaths: {}\n",
        "{\"paths\": {\"/\": {}}, \"info\": {\"title\": \"<pre>\"}, \"openapi\": \"3.1.0\"}",
        "{\"swagger\": 2.0}",
    ] {
        let server = Server::always(Reply::ok(text)).await;
        let answer = fetch(&server.url("/openapi")).await;
        assert_eq!(answer.state, OpenApiState::Fetched);
        assert_eq!(answer.text.as_deref(), Some(text));
        assert_eq!(answer.cap, 1000);
    }
}

#[tokio::test]
async fn a_page_in_the_place_of_the_document_is_none_and_the_last_one_stays() {
    for page in [
        "<!doctype html><title>Sign in</title> openapi: 3.1.0",
        "{\"error\": \"not found\", \"info\": {\"openapi\": 1}}",
        "{\"openapi\": \"3.1.0\"",
        "info:\n  openapi: 3.1.0\n",
        "[]",
        "<pre>\nopenapi: 3.1.0\n</pre>",
        "<!doctype html>\n<html>\n<body><pre>\nopenapi: 3.1.0\ninfo: {}\n</pre></body></html>",
        "# Games\n\n```yaml\nopenapi: 3.1.0\n```\n",
        "# Games\n\nHow to play: see below.\n\nopenapi: 3.1.0\n",
        "title: games\n<pre>\nopenapi: 3.1.0\n</pre>\n",
        "---\ntitle: games\n---\n\nopenapi: 3.1.0\n",
        "Sign in\nopenapi: 3.1.0\n",
        "- openapi: 3.1.0\nopenapi: 3.1.0\n",
        "  openapi: 3.1.0\n",
        "openapi: this is how we describe APIs\n",
        "openapi:\n  enabled: true\n",
        "{\"openapi\": {\"enabled\": true}}",
        "{\"openapi\": \"/v3/api-docs\"}",
        "{\"swagger\": \"https://games.example.com/swagger.json\"}",
        "{\"openapi\": \"unauthorized\"}",
        "openapi: /v3/api-docs\n",
        "swagger: \"\"\n",
        "{\"openapi\": \"3.1.0\"} and more",
    ] {
        let good = "openapi: 3.1.0\n";
        let server =
            Server::start(move |_, number| Reply::ok(if number == 1 { good } else { page }));
        let server = server.await;
        let mut bench = Bench::new(impatient(), Names::default());
        bench.follow(&server.url("/openapi"));
        let answer = bench.next_openapi().await;
        assert_eq!(answer.state, OpenApiState::Fetched);
        let digest = answer.digest;
        let answer = bench.next_openapi().await;
        let why = "the answer is no OpenAPI document".to_owned();
        assert_eq!(answer.state, OpenApiState::ReadFailed(why), "{page}");
        assert_eq!(answer.digest, digest);
    }
}

#[tokio::test]
async fn a_page_from_the_start_gives_no_document() {
    let page = "<!doctype html>\n<pre>\nopenapi: 3.1.0\n</pre>\n";
    let server = Server::start(move |head, _| {
        if head.starts_with("get /openapi ") {
            Reply::redirect("/sign-in")
        } else {
            Reply::ok(page)
        }
    });
    let server = server.await;
    for path in ["/sign-in", "/openapi"] {
        let answer = fetch(&server.url(path)).await;
        let why = "the answer is no OpenAPI document".to_owned();
        assert_eq!(answer.state, OpenApiState::ReadFailed(why), "{path}");
        assert_eq!((answer.digest, answer.text), (None, None));
    }
}

#[tokio::test]
async fn a_document_that_the_cluster_cannot_hold_is_too_large() {
    let text = format!("openapi: 3.1.0\ninfo: {}\n", "<".repeat(300_000));
    let server = Server::always(Reply::ok(text)).await;
    let config = FetchConfig {
        openapi_max_size: 512_000,
        ..once()
    };
    let answer = fetch_with(config, Names::default(), &server.url("/openapi")).await;
    assert!(
        matches!(answer.state, OpenApiState::Unkeepable(bytes, _) if bytes > 1_800_000),
        "{:?}",
        answer.state
    );
    assert_eq!(answer.digest, None);
}

#[tokio::test]
async fn what_is_not_text_cannot_be_read() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "the document is empty"),
        (b" \n\t", "the document is empty"),
        ("\u{feff}\n".as_bytes(), "the document is empty"),
        (b"\xff\xfe{\0}\0", "the document is not UTF-8 text"),
    ];
    for (body, why) in cases {
        let server = Server::always(Reply::ok(body)).await;
        let answer = fetch(&server.url("/")).await;
        assert_eq!(answer.state, OpenApiState::ReadFailed(why.to_owned()));
        assert_eq!(answer.text, None);
    }
}

#[tokio::test]
async fn a_status_code_is_told() {
    let lines = [
        "404 Not Found",
        "503 Service Unavailable",
        "304 Not Modified",
        "302 Found",
    ];
    for line in lines {
        let server = Server::always(Reply::status(line)).await;
        let answer = fetch(&server.url("/")).await;
        assert_eq!(
            answer.state,
            failed(&format!("the server answered {}", &line[..3]))
        );
    }
}

#[tokio::test]
async fn a_document_that_breaks_off_cannot_be_read() {
    let server = Server::always(Reply::ok("openapi: 3.1.0").cut()).await;
    let why = "the document could not be read to its end".to_owned();
    assert_eq!(
        fetch(&server.url("/")).await.state,
        OpenApiState::ReadFailed(why.clone())
    );

    let server = Server::always(Reply::ok("no gzip at all").with("content-encoding", "gzip")).await;
    assert_eq!(
        fetch(&server.url("/")).await.state,
        OpenApiState::ReadFailed(why)
    );
}

/// A server whose document says that it is of itself, at a path, and something more.
async fn issuing(path: &'static str, more: &'static str) -> Server {
    Server::start(move |head, _| {
        let mut lines = head.lines();
        let host = lines.find_map(|it| it.strip_prefix("host: ")).unwrap();
        Reply::ok(format!(r#"{{"issuer": "http://{host}{path}"{more}}}"#))
    })
    .await
}

#[tokio::test]
async fn a_document_of_another_issuer_is_none() {
    let body =
        r#"{"issuer": "https://b.example.com", "token_endpoint": "https://b.example.com/t"}"#;
    let server = Server::always(Reply::ok(body)).await;
    let why = r#"the document's issuer, "https://b.example.com", is another"#;
    let answer = OidcAnswer::Failed(why.to_owned());
    assert_eq!(discover(&server.url("")).await, answer);
}

#[tokio::test]
async fn an_issuer_gives_its_token_endpoint() {
    let server = issuing(
        "/realms/a",
        r#", "token_endpoint": "https://login.example.com/token""#,
    );
    let server = server.await;
    assert_eq!(
        discover(&server.url("/realms/a")).await,
        OidcAnswer::Endpoint("https://login.example.com/token".into())
    );
    let told = OidcAnswer::WithSlash {
        endpoint: "https://login.example.com/token".into(),
        issuer: server.url("/realms/a"),
    };
    assert_eq!(discover(&server.url("/realms/a/")).await, told);
    for head in server.asked() {
        assert!(head.starts_with("get /realms/a/.well-known/openid-configuration http/1.1\r\n"));
    }
}

#[tokio::test]
async fn an_issuer_without_a_usable_token_endpoint_is_not_discovered() {
    let none = "the document has no token_endpoint";
    let no_url = "the document's token_endpoint is not an http or https URL";
    let cases = [
        ("not json", "the document is not JSON"),
        ("[]", none),
        (r#"{"error": "maintenance"}"#, none),
        (r#"{"token_endpoint": ""}"#, no_url),
        (r#"{"token_endpoint": "/token"}"#, no_url),
    ];
    for (body, why) in cases {
        let server = Server::always(Reply::ok(body)).await;
        let answer = OidcAnswer::Failed(why.to_owned());
        assert_eq!(discover(&server.url("")).await, answer, "{body}");
    }
    let cases = [
        ("", none),
        (r#", "token_endpoint": 7"#, none),
        (r#", "token_endpoint": "javascript:alert(1)""#, no_url),
    ];
    for (more, why) in cases {
        let server = issuing("", more).await;
        let answer = OidcAnswer::NoEndpoint(why.to_owned());
        assert_eq!(discover(&server.url("")).await, answer, "{more}");
    }
}

#[tokio::test]
async fn an_issuer_may_not_talk_for_ever() {
    let server = Server::always(Reply::ok(vec![b' '; 64 * 1024 + 1])).await;
    let why = "the document is larger than the limit of 65536 bytes";
    let answer = OidcAnswer::Failed(why.to_owned());
    assert_eq!(discover(&server.url("")).await, answer);
}

#[tokio::test]
async fn secrets_are_not_fetched() {
    let mut bench = Bench::new(once(), Names::default());
    let id: SecretId = SecretId::new("team-a", "key");
    bench.fetcher.follow(Need::Secret(id));
    assert!(bench.is_silent().await);
}

fn config(variables: &[(&str, &str)]) -> anyhow::Result<FetchConfig> {
    FetchConfig::from_variables(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, value)| (*value).to_owned()))
    })
}

#[test]
fn the_environment_is_read_and_its_gaps_have_defaults() {
    let defaults = FetchConfig::default();
    assert_eq!(config(&[]).unwrap(), defaults);
    assert_eq!(config(&[("OPENAPI_SPEC_MAX_SIZE", " ")]).unwrap(), defaults);
    let set = config(&[
        ("OPENAPI_SPEC_MAX_SIZE", "1024"),
        ("DEVPORTAL_FETCH_ALLOW", "127.0.0.1/32,docs.tools.svc"),
        ("DEVPORTAL_FETCH_REFRESH", "30"),
    ]);
    let expected = FetchConfig {
        openapi_max_size: 1024,
        allow: Reach::parse("127.0.0.1/32,docs.tools.svc").unwrap(),
        refresh: Duration::from_secs(30),
        ..defaults
    };
    assert_eq!(set.unwrap(), expected);
}

#[test]
fn a_bad_setting_is_named_with_its_value() {
    let cases = [
        ("OPENAPI_SPEC_MAX_SIZE", "500k"),
        ("OPENAPI_SPEC_MAX_SIZE", "-1"),
        ("OPENAPI_SPEC_MAX_SIZE", "0"),
        ("DEVPORTAL_FETCH_ALLOW", "10.0.0.0/40"),
        ("DEVPORTAL_FETCH_REFRESH", "15m"),
    ];
    for (name, value) in cases {
        let error = format!("{:#}", config(&[(name, value)]).unwrap_err());
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn failures_are_retried_ever_more_slowly_until_one_succeeds() {
    let mut pace = Pace::new(&FetchConfig::default());
    let seconds: Vec<u64> = (0..9).map(|_| pace.after(false).as_secs()).collect();
    assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(pace.after(true), Duration::from_mins(15));
    assert_eq!(pace.after(false), Duration::from_secs(5));
}

#[test]
fn pauses_differ_a_little() {
    let pause = Duration::from_secs(100);
    let pauses: Vec<_> = (0..100).map(|_| jittered(pause)).collect();
    assert!(pauses.iter().all(|p| (85..=115).contains(&p.as_secs())));
    assert!(pauses.iter().any(|p| *p != pauses[0]));
}
