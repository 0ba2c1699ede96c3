//! How does a document stay fresh, and when is it news?

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devportal_api::condition::OpenApiState;
use devportal_core::change::OidcAnswer;
use devportal_core::{Change, Need};
use tokio::time::sleep;

use super::server::{Reply, Server};
use super::{Bench, FetchConfig, Names, failed, fetch, impatient, once};

/// A document with a version; answers 304 to who has it.
fn versioned(head: &str, etag: &str, body: &str) -> Reply {
    if head.contains(&format!("if-none-match: \"{etag}\"")) {
        return Reply::status("304 Not Modified");
    }
    Reply::ok(body).with("etag", &format!("\"{etag}\""))
}

#[tokio::test]
async fn a_document_that_is_not_modified_is_no_news() {
    let server = Server::start(|head, _| versioned(head, "v1", "openapi: 3.1.0 # text")).await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    assert_eq!(bench.next_openapi().await.state, OpenApiState::Fetched);
    server.asked_times(4).await;
    assert!(bench.is_silent().await);
    let asked = server.asked();
    assert!(!asked[0].contains("if-none-match"));
    assert!(
        asked[1..]
            .iter()
            .all(|head| head.contains("if-none-match: \"v1\""))
    );
}

#[tokio::test]
async fn a_date_serves_where_there_is_no_etag() {
    let date = "wed, 21 oct 2015 07:28:00 gmt";
    let server = Server::start(move |head, _| {
        let known = head.contains(&format!("if-modified-since: {date}"));
        let full = Reply::ok("openapi: 3.1.0").with("last-modified", date);
        if known {
            Reply::status("304 Not Modified")
        } else {
            full
        }
    })
    .await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    bench.next_openapi().await;
    server.asked_times(3).await;
    assert!(bench.is_silent().await);
    assert!(server.asked()[2].contains("if-modified-since"));
}

#[tokio::test]
async fn the_same_text_again_is_no_news() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    bench.next_openapi().await;
    server.asked_times(4).await;
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn a_new_text_is_news_with_its_own_time() {
    let server = Server::start(|head, number| match number {
        1 | 2 => versioned(head, "v1", "openapi: 3.1.0 # old"),
        _ => versioned(head, "v2", "openapi: 3.1.0 # new"),
    })
    .await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    let old = bench.next_openapi().await;
    let new = bench.next_openapi().await;
    assert_eq!(
        (old.text.as_deref(), new.text.as_deref()),
        (Some("openapi: 3.1.0 # old"), Some("openapi: 3.1.0 # new"))
    );
    assert!(new.synced_at > old.synced_at);
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn the_last_good_copy_outlives_failures() {
    let server = Server::start(|head, number| match number {
        2..=4 => Reply::status("503 Service Unavailable"),
        5 => Reply::ok(vec![b'a'; 2000]).with("etag", "\"big\""),
        _ => versioned(head, "v1", "openapi: 3.1.0 # text"),
    })
    .await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    let good = bench.next_openapi().await;
    let gone = bench.next_openapi().await;
    let large = bench.next_openapi().await;
    let back = bench.next_openapi().await;
    assert_eq!(gone.state, failed("the server answered 503"));
    assert_eq!(large.state, OpenApiState::TooLarge(1000));
    for answer in [&gone, &large] {
        assert_eq!(
            (&answer.digest, answer.synced_at),
            (&good.digest, good.synced_at)
        );
    }
    // By a 304: the validators are those of the copy we have.
    assert_eq!((back.state, back.digest), (good.state, good.digest));
    assert!(server.asked()[5].contains("if-none-match: \"v1\""));
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn a_version_is_told_only_to_the_address_that_gave_it() {
    let elsewhere =
        Server::start(|head, _| versioned(head, "v1", "openapi: 3.1.0 # elsewhere")).await;
    let to = elsewhere.url("/");
    let server = Server::start(move |head, number| match number {
        1 => versioned(head, "v1", "openapi: 3.1.0 # here"),
        _ => Reply::redirect(&to),
    })
    .await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    assert_eq!(
        bench.next_openapi().await.text.as_deref(),
        Some("openapi: 3.1.0 # here")
    );
    assert_eq!(
        bench.next_openapi().await.text.as_deref(),
        Some("openapi: 3.1.0 # elsewhere")
    );
    assert!(!elsewhere.asked()[0].contains("if-none-match"));
}

#[tokio::test]
async fn a_version_with_an_endless_name_is_not_kept() {
    let long = "x".repeat(513);
    let server = Server::always(
        Reply::ok("openapi: 3.1.0")
            .with("etag", &format!("\"{long}\""))
            .with("last-modified", "Mon, 30 Nov 2026 00:00:00 GMT"),
    )
    .await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    bench.next_openapi().await;
    server.asked_times(2).await;
    let asked = &server.asked()[1];
    assert!(
        asked.contains("if-modified-since: mon, 30 nov 2026"),
        "{asked}"
    );
    assert!(!asked.contains("if-none-match"), "{asked}");
}

#[tokio::test]
async fn an_issuer_that_fails_and_returns_is_news_twice() {
    let endpoint = "https://login.example.com/token";
    let server = Server::start(move |head, number| match number {
        2 | 3 => Reply::status("500 Internal Server Error"),
        _ => versioned(
            head,
            "v1",
            &format!("{{\"token_endpoint\": \"{endpoint}\"}}"),
        ),
    })
    .await;
    let issuer = server.url("/");
    let mut bench = Bench::new(impatient(), Names::default());
    bench.fetcher.follow(Need::Oidc(issuer.clone()));
    let found = OidcAnswer::Endpoint(endpoint.to_owned());
    let failed = OidcAnswer::Failed("the server answered 500".to_owned());
    for expected in [found.clone(), failed, found] {
        match bench.next().await {
            Change::Oidc(of, answer) => assert_eq!((of, answer), (issuer.clone(), expected)),
            other => panic!("{other:?}"),
        }
    }
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn one_slow_host_delays_nobody_else() {
    let slow = Server::always(Reply::ok("late").delayed(Duration::from_mins(1))).await;
    let quick = Server::always(Reply::ok("openapi: 3.1.0")).await;
    // Another name for the slow host, so that only tracks keep it apart.
    let names = Names::default().with("slow.example.com.", &[&["127.0.0.1"]]);
    let config = FetchConfig {
        attempt_timeout: Duration::from_mins(1),
        concurrency: 3,
        per_host: 2,
        ..once()
    };
    let mut bench = Bench::new(config, names);
    for number in 0..50 {
        bench.follow(&format!(
            "http://slow.example.com:{}/{number}",
            slow.at.port()
        ));
    }
    slow.asked_times(2).await;
    let start = Instant::now();
    bench.follow(&quick.url("/"));
    assert_eq!(
        bench.next_openapi().await.text.as_deref(),
        Some("openapi: 3.1.0")
    );
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(slow.asked().len(), 2);
}

#[tokio::test]
async fn many_hosts_that_do_not_answer_leave_room_for_those_that_do() {
    const HOSTS: usize = 10;
    // The first attempt at each fails at once, and each further one takes long.
    let known = Mutex::new(BTreeSet::new());
    let slow = Server::start(move |head, _| {
        let host = head.lines().find(|it| it.starts_with("host:"));
        if known.lock().unwrap().insert(host.map(str::to_owned)) {
            Reply::status("503 Service Unavailable")
        } else {
            Reply::ok("late").delayed(Duration::from_mins(1))
        }
    })
    .await;
    let quick = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let hosts: Vec<_> = (0..HOSTS).map(|it| format!("h{it}.example.com")).collect();
    let names = hosts.iter().fold(Names::default(), |names, host| {
        names.with(&format!("{host}."), &[&["127.0.0.1"]])
    });
    let config = FetchConfig {
        attempt_timeout: Duration::from_mins(1),
        concurrency: 4,
        ..impatient()
    };
    let mut bench = Bench::new(config, names);
    for host in &hosts {
        bench.follow(&format!("http://{host}:{}/", slow.at.port()));
    }
    for _ in &hosts {
        assert_eq!(bench.next_openapi().await.text, None);
    }
    slow.asked_times(HOSTS + 1).await;
    bench.follow(&quick.url("/"));
    let answer = bench.next_openapi().await;
    assert_eq!(answer.text.as_deref(), Some("openapi: 3.1.0"));
    assert_eq!(slow.asked().len(), HOSTS + 1);
}

#[tokio::test]
async fn one_host_of_many_documents_that_fail_leaves_room_for_others_that_failed_once() {
    const DOCUMENTS: usize = 10;
    // The first attempt at each fails at once, and each further one takes long.
    let known = Mutex::new(BTreeSet::new());
    let slow = Server::start(move |head, _| {
        let document = head.lines().next().map(str::to_owned);
        if known.lock().unwrap().insert(document) {
            Reply::status("503 Service Unavailable")
        } else {
            Reply::ok("late").delayed(Duration::from_mins(1))
        }
    })
    .await;
    let once_down = Server::start(|_, number| match number {
        1 => Reply::status("503 Service Unavailable"),
        _ => Reply::ok("openapi: 3.1.0"),
    })
    .await;
    let names = Names::default().with("slow.example.com.", &[&["127.0.0.1"]]);
    let config = FetchConfig {
        attempt_timeout: Duration::from_mins(1),
        concurrency: 8,
        per_host: 2,
        ..impatient()
    };
    let mut bench = Bench::new(config, names);
    let port = slow.at.port();
    for number in 0..DOCUMENTS {
        bench.follow(&format!("http://slow.example.com:{port}/{number}"));
    }
    for _ in 0..DOCUMENTS {
        assert_eq!(bench.next_openapi().await.text, None);
    }
    slow.asked_times(DOCUMENTS + 1).await;
    assert!(bench.is_silent().await);
    bench.follow(&once_down.url("/"));
    assert_eq!(bench.next_openapi().await.text, None);
    let answer = bench.next_openapi().await;
    assert_eq!(answer.text.as_deref(), Some("openapi: 3.1.0"));
    assert_eq!(slow.asked().len(), DOCUMENTS + 1);
}

#[tokio::test]
async fn no_more_attempts_run_at_once_than_allowed() {
    let slow = Server::always(Reply::ok("late").delayed(Duration::from_mins(1))).await;
    let config = FetchConfig {
        attempt_timeout: Duration::from_mins(1),
        concurrency: 3,
        per_host: 10,
        ..once()
    };
    let mut bench = Bench::new(config, Names::default());
    for number in 0..12 {
        bench.follow(&slow.url(&format!("/{number}")));
    }
    slow.asked_times(3).await;
    assert!(bench.is_silent().await);
    assert_eq!(slow.asked().len(), 3);
}

#[tokio::test]
async fn what_is_forgotten_is_not_fetched_again() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    bench.next_openapi().await;
    server.asked_times(3).await;
    bench.fetcher.forget(&Need::OpenApi(server.url("/")));
    sleep(Duration::from_millis(50)).await;
    let asked = server.asked().len();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(server.asked().len(), asked);
}

#[tokio::test]
async fn forgetting_ends_an_attempt_that_is_under_way() {
    let server =
        Server::always(Reply::ok("openapi: 3.1.0").delayed(Duration::from_millis(100))).await;
    let mut bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    server.asked_times(1).await;
    bench.fetcher.forget(&Need::OpenApi(server.url("/")));
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn following_twice_is_following_once_and_following_anew_answers_anew() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let need = Need::OpenApi(server.url("/"));
    let mut bench = Bench::new(once(), Names::default());
    bench.fetcher.follow(need.clone());
    bench.fetcher.follow(need.clone());
    bench.next_openapi().await;
    assert!(bench.is_silent().await);
    assert_eq!(server.asked().len(), 1);
    bench.fetcher.forget(&need);
    bench.fetcher.follow(need);
    assert_eq!(bench.next_openapi().await.state, OpenApiState::Fetched);
}

#[tokio::test]
async fn dropping_the_fetcher_stops_every_fetch() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let bench = Bench::new(impatient(), Names::default());
    bench.follow(&server.url("/"));
    server.asked_times(2).await;
    let Bench { fetcher, changes } = bench;
    drop(fetcher);
    let tasks = Arc::new(changes);
    sleep(Duration::from_millis(50)).await;
    let asked = server.asked().len();
    sleep(Duration::from_millis(150)).await;
    assert_eq!(server.asked().len(), asked);
    assert_eq!(tasks.sender_strong_count(), 0);
}

#[tokio::test]
async fn an_address_that_is_no_url_is_said_to_be_none() {
    for url in [
        "",
        "openapi.json",
        "http://",
        "http://a b/",
        "mailto:me@example.com",
    ] {
        let why = failed("the address is not an http or https URL");
        assert_eq!(fetch(url).await.state, why, "{url:?}");
    }
}
