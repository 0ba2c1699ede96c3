//! Where is listened, and how is a connection served? Whoever is slow holds nobody up,
//! neither others nor the end.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
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

/// How many connections there may be at a time, and what becomes of one more.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How many.
    pub places: usize,
    /// What becomes of one more.
    pub when_full: Full,
}

/// What becomes of a connection that there is no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It waits to be taken.
    Waits,
    /// The oldest one is ended for it.
    EndsTheOldest,
}

/// Where a kubelet and Prometheus ask, and nobody else is expected to: they are answered at once,
/// however many others hold connections open.
pub const PROBES: Room = Room {
    places: 64,
    when_full: Full::EndsTheOldest,
};

/// Where is listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// At one address, or at all of one family.
    One(SocketAddr),
    /// At a port of every address, IPv6 and IPv4.
    Every(u16),
}

/// As Go programs write it: `:8081` is every address.
impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = match text.strip_prefix(':') {
            Some(port) => port.parse().map(Self::Every).ok(),
            None => text.parse().map(Self::One).ok(),
        };
        address.ok_or("expected HOST:PORT or :PORT, for example :8081")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(text),
            Self::Every(port) => write!(text, ":{port}"),
        }
    }
}

impl Address {
    /// Listens there.
    ///
    /// # Errors
    ///
    /// When the port is taken, in either family, or the address is none of this machine.
    pub async fn listen(self) -> io::Result<TcpListener> {
        let port = match self {
            Self::One(address) => return TcpListener::bind(address).await,
            Self::Every(port) => port,
        };
        match both_families(port) {
            // There is no IPv6, or whatever is wrong is so with IPv4, too.
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            listener => listener,
        }
    }
}

/// One socket for IPv6 and IPv4.
fn both_families(port: u16) -> io::Result<TcpListener> {
    /// As many as tokio lets wait.
    const BACKLOG: u32 = 1024;
    let socket = TcpSocket::new_v6()?;
    take_ipv4(&socket)?;
    // Otherwise a restart waits for what is left of connections. Elsewhere it lets others
    // take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv6Addr::UNSPECIFIED, port).into())?;
    socket.listen(BACKLOG)
}

/// A machine may have it that a socket for IPv6 is for nothing else.
#[cfg(target_os = "linux")]
fn take_ipv4(socket: &TcpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    Ok(setsockopt(socket, sockopt::Ipv6V6Only, &false)?)
}

#[cfg(not(target_os = "linux"))]
fn take_ipv4(_: &TcpSocket) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Serves until `stop` is done, and then what is under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    room: Room,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(LINES)
        .max_buf_size(HEAD);
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(room.places));
    let mut open = VecDeque::new();
    tokio::pin!(stop);
    loop {
        let accept = async {
            let place = match room.when_full {
                Full::Waits => Arc::clone(&free).acquire_owned().await.ok(),
                Full::EndsTheOldest => None,
            };
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
        let task = tokio::spawn(async move {
            // What is wrong with it, only whoever is at its other end could mend.
            let _ = connection.await;
            drop(place);
        });
        if room.when_full == Full::EndsTheOldest {
            open.retain(|it: &AbortHandle| !it.is_finished());
            if open.len() == room.places {
                open.pop_front().inspect(AbortHandle::abort);
            }
            open.push_back(task.abort_handle());
        }
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

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ASKS: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    async fn served(when_full: Full) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "ok"));
        let room = Room {
            places: 1,
            when_full,
        };
        tokio::spawn(serve(listener, router, room, pending()));
        address
    }

    /// Whether it is answered before a second has passed in which nothing happens.
    async fn is_answered(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 512];
        let read = timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
        read.is_ok_and(|it| answer[..it.unwrap()].starts_with(b"HTTP/1.1 200"))
    }

    #[tokio::test]
    async fn a_port_alone_is_listened_at_over_ipv6_and_ipv4() {
        let listener = Address::Every(0).listen().await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
        // Where there is no IPv6, IPv4 is all.
        if TcpListener::bind("[::1]:0").await.is_ok() {
            assert!(TcpStream::connect(("::1", port)).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_in_one_family_is_taken() {
        let other = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        let taken = Address::Every(port).listen().await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn addresses_are_read_as_go_programs_write_them() {
        let read = |text: &str| text.parse::<Address>();
        assert_eq!(read(":8081"), Ok(Address::Every(8081)));
        let one = Address::One(([127, 0, 0, 1], 8081).into());
        assert_eq!(read("127.0.0.1:8081"), Ok(one));
        assert_eq!(one.to_string(), "127.0.0.1:8081");
        assert_eq!(Address::Every(8081).to_string(), ":8081");
        for text in ["8081", "localhost:8081", ":", ":80810", ""] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_are_places_for_wait_until_one_is_free() {
        let address = served(Full::Waits).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(ASKS).await.unwrap();
        assert!(is_answered(&mut first).await);
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASKS).await.unwrap();
        assert!(!is_answered(&mut second).await);
        drop(first);
        assert!(is_answered(&mut second).await);
    }

    #[tokio::test]
    async fn who_holds_connections_open_keeps_no_probe_from_its_answer() {
        let address = served(Full::EndsTheOldest).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            let mut probe = TcpStream::connect(address).await.unwrap();
            probe.write_all(ASKS).await.unwrap();
            assert!(is_answered(&mut probe).await);
        }
        let ended = silent.read_to_end(&mut vec![]).await;
        assert!(ended.is_ok_and(|it| it == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_cut_off() {
        let address = served(Full::Waits).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let ended = timeout(2 * PATIENCE, silent.read_to_end(&mut vec![])).await;
        assert!(ended.is_ok(), "the connection is still there");
    }
}
