//! How is a connection served? Whoever is slow holds nobody up, neither others nor the
//! end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// How long the head of a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long requests that are under way may take when the server stops.
const LAST_ORDERS: Duration = Duration::from_secs(10);
/// How many lines the head may have: one for each group that a person is in.
const LINES: usize = 1024;
/// How large the head may be, in bytes.
const HEAD: usize = 128 << 10;

/// How many connections there may be where a kubelet and Prometheus ask, and nobody else is
/// expected to.
pub const PROBES: usize = 64;

/// Serves until `stop` is done, and then what is under way. Of more connections than there
/// are `places` for, the others wait to be taken.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    places: usize,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(LINES)
        .max_buf_size(HEAD);
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(places));
    tokio::pin!(stop);
    loop {
        let accept = async {
            let place = Arc::clone(&free).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // There are only so many open files: wait until others have ended.
                warn!(%error, "a connection could not be taken");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        limit_unread(&stream);
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What is wrong with it, only whoever is at its other end could mend.
            let _ = connection.await;
            drop(place);
        });
    }
    // Whoever comes now is to go to another replica.
    drop(listener);
    if timeout(LAST_ORDERS, graceful.shutdown()).await.is_err() {
        info!("some requests were still under way");
    }
}

/// Whoever does not read what is answered is cut off. Only Linux knows how.
#[cfg(target_os = "linux")]
fn limit_unread(stream: &TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    /// How many milliseconds an answer may go unread.
    const UNREAD_MS: u32 = 30_000;
    if let Err(error) = setsockopt(stream, sockopt::TcpUserTimeout, &UNREAD_MS) {
        warn!(%error, "a connection has no limit on how long it may go unread");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_unread(_: &TcpStream) {}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ASKS: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    async fn served(places: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "ok"));
        tokio::spawn(serve(listener, router, places, pending()));
        address
    }

    /// Whether it is answered before a second has passed in which nothing happens.
    async fn is_answered(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 512];
        let read = timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
        read.is_ok_and(|it| answer[..it.unwrap()].starts_with(b"HTTP/1.1 200"))
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_are_places_for_wait_until_one_is_free() {
        let address = served(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(ASKS).await.unwrap();
        assert!(is_answered(&mut first).await);
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASKS).await.unwrap();
        assert!(!is_answered(&mut second).await);
        drop(first);
        assert!(is_answered(&mut second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_cut_off() {
        let address = served(1).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let ended = timeout(2 * PATIENCE, silent.read_to_end(&mut vec![])).await;
        assert!(ended.is_ok(), "the connection is still there");
    }
}
