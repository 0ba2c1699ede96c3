//! What can an attacker make a fetcher do, and learn from it?

use std::io::Write as _;
use std::time::{Duration, Instant};

use devportal_api::condition::OpenApiState;
use devportal_core::change::OidcAnswer;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::{
    Bench, Names, discover, failed, fetch, fetch_with, impatient, once, too_slow, unreachable,
};

/// A server that must not be reached: on another loopback address.
async fn forbidden() -> Server {
    let at = "127.0.0.2:0".parse().unwrap();
    Server::start_at(at, |_, _| {
        Reply::ok("openapi: 3.1.0 # secrets of the cluster")
    })
    .await
}

#[tokio::test]
async fn a_literal_address_that_is_not_allowed_is_not_asked() {
    let inside = forbidden().await;
    let port = inside.at.port();
    for host in ["127.0.0.2", "2130706434", "0x7f.2", "[::ffff:127.0.0.2]"] {
        let answer = fetch(&format!("http://{host}:{port}/")).await;
        assert_eq!(answer.state, unreachable(), "{host}");
    }
    assert_eq!(inside.asked(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_allowed_is_not_followed() {
    let inside = forbidden().await;
    let port = inside.at.port();
    for to in [
        inside.url("/"),
        format!("//127.0.0.2:{port}/"),
        format!("http://2130706434:{port}/"),
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://kubernetes.default.svc/version".to_owned(),
    ] {
        let server = Server::always(Reply::redirect(&to)).await;
        assert_eq!(fetch(&server.url("/")).await.state, unreachable(), "{to}");
    }
    assert_eq!(inside.asked(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_to_another_scheme_or_with_credentials_is_not_followed() {
    let server = Server::always(Reply::redirect("file:///etc/passwd")).await;
    let answer = fetch(&server.url("/")).await;
    assert_eq!(
        answer.state,
        failed("the address is not an http or https URL")
    );

    let server = Server::always(Reply::redirect("http://me:secret@example.com/")).await;
    let answer = fetch(&server.url("/")).await;
    assert_eq!(
        answer.state,
        failed("the address contains a user name or a password")
    );
}

#[tokio::test]
async fn user_names_in_urls_are_refused() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let url = format!("http://me:secret@{}/", server.at);
    let why = "the address contains a user name or a password";
    assert_eq!(fetch(&url).await.state, failed(why));
    let answer = OidcAnswer::Failed(why.to_owned());
    assert_eq!(discover(&url).await, answer);
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let hops = |last: usize| {
        Server::start(move |_, number| match number {
            n if n > last => Reply::ok("openapi: 3.1.0"),
            n => Reply::redirect(&format!("/hop/{n}")),
        })
    };
    let five = hops(5).await;
    assert_eq!(fetch(&five.url("/")).await.state, OpenApiState::Fetched);
    let six = hops(6).await;
    let why = failed("the server redirected more than 5 times");
    assert_eq!(fetch(&six.url("/")).await.state, why);
    assert_eq!(six.asked().len(), 6);
}

#[tokio::test]
async fn a_name_that_resolves_to_an_address_that_is_not_allowed_is_not_asked() {
    let inside = forbidden().await;
    let names = Names::default().with(
        "innocent.example.com.",
        &[&["127.0.0.2", "::1", "10.0.0.1"]],
    );
    let url = format!("http://innocent.example.com:{}/", inside.at.port());
    assert_eq!(fetch_with(once(), names, &url).await.state, unreachable());
    assert_eq!(inside.asked(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let port = server.at.port();
    let inside = Server::start_at(format!("127.0.0.2:{port}").parse().unwrap(), |_, _| {
        Reply::ok("openapi: 3.1.0 # secrets of the cluster")
    })
    .await;
    let names = Names::default().with("rebind.example.com.", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let mut bench = Bench::new(impatient(), names);
    bench.follow(&format!("http://rebind.example.com:{port}/"));
    assert_eq!(bench.next_openapi().await.state, OpenApiState::Fetched);
    let later = bench.next_openapi().await;
    assert_eq!(later.state, unreachable());
    assert_eq!(
        later.digest,
        Some(devportal_mirror::Digest::of("openapi: 3.1.0"))
    );
    assert!(bench.is_silent().await);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(inside.asked(), [""; 0]);
}

#[tokio::test]
async fn of_several_addresses_only_allowed_ones_are_asked() {
    let server = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let names = Names::default().with("mixed.example.com.", &[&["127.0.0.2", "127.0.0.1"]]);
    let url = format!("http://mixed.example.com:{}/", server.at.port());
    assert_eq!(
        fetch_with(once(), names, &url).await.state,
        OpenApiState::Fetched
    );
}

#[tokio::test]
async fn what_cannot_be_reached_and_what_may_not_be_reached_read_the_same() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let plain = Server::always(Reply::ok("not TLS")).await;
    let names = Names::default().with("inside.example.com.", &[&["10.0.0.1"]]);
    for url in [
        format!("http://{closed}/"),
        format!("https://{}/", plain.at),
        "http://127.0.0.2/".to_owned(),
        "http://kubernetes.default.svc/".to_owned(),
        "http://unknown.example.com/".to_owned(),
        "http://inside.example.com/".to_owned(),
    ] {
        let answer = fetch_with(once(), names.clone(), &url).await;
        assert_eq!(answer.state, unreachable(), "{url}");
    }
}

/// Only of an address that may be fetched from.
#[tokio::test]
async fn a_server_that_says_nothing_is_told_as_too_slow() {
    let mute = Server::always(Reply::ok("late").delayed(Duration::from_secs(5))).await;
    assert_eq!(fetch(&mute.url("/")).await.state, too_slow());
}

/// How a document begins.
const HEAD: &[u8] = b"openapi: 3.1.0 # ";

fn zipped(size: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![b'a'; 1 << 20];
    let head = spec(size.min(HEAD.len()));
    encoder.write_all(&head).unwrap();
    for start in (head.len()..size).step_by(block.len()) {
        encoder
            .write_all(&block[..block.len().min(size - start)])
            .unwrap();
    }
    encoder.finish().unwrap()
}

/// A document of so many bytes.
fn spec(size: usize) -> Vec<u8> {
    let mut text = HEAD.to_vec();
    text.resize(size, b'a');
    text
}

#[tokio::test]
async fn size_is_capped_to_the_byte() {
    let server = Server::start(|head, _| {
        let size = if head.contains("/fits") { 1000 } else { 1001 };
        let zip = head.contains("/zip");
        let plain = Reply::ok(spec(size));
        if zip {
            Reply::ok(zipped(size)).with("content-encoding", "gzip")
        } else {
            plain
        }
    })
    .await;
    for path in ["/fits", "/zip/fits"] {
        let answer = fetch(&server.url(path)).await;
        assert_eq!(
            (answer.state, answer.text.unwrap().len()),
            (OpenApiState::Fetched, 1000)
        );
    }
    for path in ["/over", "/zip/over"] {
        let answer = fetch(&server.url(path)).await;
        assert_eq!(
            (answer.state, answer.text),
            (OpenApiState::TooLarge(1000), None)
        );
    }
}

#[tokio::test]
async fn a_compressed_bomb_is_put_down_after_the_cap() {
    let bomb = zipped(64 << 20);
    assert!(bomb.len() < 1 << 17);
    let reply = Reply::ok(bomb).with("content-encoding", "gzip");
    // Whoever reads to the end runs out of time.
    let server = Server::always(reply.stalling(Duration::from_mins(1))).await;
    assert_eq!(
        fetch(&server.url("/")).await.state,
        OpenApiState::TooLarge(1000)
    );
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_in_time() {
    let body = vec![b'a'; 900];
    let server = Server::always(Reply::ok(body).dripping(Duration::from_millis(20))).await;
    let start = Instant::now();
    assert_eq!(fetch(&server.url("/")).await.state, too_slow());
    assert!((Duration::from_millis(390)..Duration::from_secs(2)).contains(&start.elapsed()));
}

#[tokio::test]
async fn redirects_share_the_time_of_one_attempt() {
    let hop = Duration::from_millis(150);
    let server = Server::start(move |_, n| Reply::redirect(&format!("/{n}")).delayed(hop)).await;
    assert_eq!(fetch(&server.url("/")).await.state, too_slow());
    // Each takes more than a third of it.
    let hops = server.asked().len();
    assert!((1..=3).contains(&hops), "{hops} hops");
}

#[tokio::test]
async fn a_request_says_who_asks_and_nothing_else() {
    let target = Server::always(Reply::ok("openapi: 3.1.0")).await;
    let to = target.url("/end");
    let server = Server::always(Reply::redirect(&to).with("set-cookie", "a=b; Path=/")).await;
    assert_eq!(
        fetch(&server.url("/secret-path?token=x")).await.state,
        OpenApiState::Fetched
    );
    let head = target.asked().remove(0);
    let mut names: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
    assert!(head.contains(concat!(
        "user-agent: devportal/",
        env!("CARGO_PKG_VERSION"),
        "\r\n"
    )));
}
