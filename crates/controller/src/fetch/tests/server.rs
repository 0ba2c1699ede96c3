//! What would a web server do?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// An answer on the wire.
#[derive(Clone, Default)]
pub(super) struct Reply {
    head: String,
    body: Vec<u8>,
    /// Between two bytes of the body.
    drip: Option<Duration>,
    /// Before the first byte.
    delay: Duration,
    /// Announce more than is sent.
    cut: bool,
    /// Between the last byte and the end.
    stall: Duration,
}

impl Reply {
    pub(super) fn status(line: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {line}\r\n"),
            ..Self::default()
        }
    }

    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::status("200 OK")
        }
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::status("302 Found").with("location", to)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        write!(self.head, "{name}: {value}\r\n").unwrap();
        self
    }

    pub(super) fn dripping(self, pause: Duration) -> Self {
        Self {
            drip: Some(pause),
            ..self
        }
    }

    pub(super) fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub(super) fn stalling(self, stall: Duration) -> Self {
        Self {
            stall,
            ..self.cut()
        }
    }

    pub(super) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    async fn send(self, stream: &mut TcpStream) -> std::io::Result<()> {
        sleep(self.delay).await;
        let length = self.body.len() + usize::from(self.cut);
        let head = format!(
            "{}content-length: {length}\r\nconnection: close\r\n\r\n",
            self.head
        );
        stream.write_all(head.as_bytes()).await?;
        match self.drip {
            None => stream.write_all(&self.body).await?,
            Some(pause) => {
                for byte in self.body {
                    stream.write_all(&[byte]).await?;
                    sleep(pause).await;
                }
            }
        }
        sleep(self.stall).await;
        stream.shutdown().await
    }
}

/// A server that answers by a rule and remembers what it was asked.
pub(super) struct Server {
    pub(super) at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// The rule gets the head of each request in lower case, and its number.
    pub(super) async fn start(rule: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), rule).await
    }

    pub(super) async fn start_at(
        at: SocketAddr,
        rule: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (rule, log) = (Arc::new(rule), Arc::clone(&asked));
        let serve = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&rule), Arc::clone(&log)));
            }
        };
        Self {
            at,
            asked,
            task: tokio::spawn(serve).abort_handle(),
        }
    }

    pub(super) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// The heads of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until this many requests came.
    pub(super) async fn asked_times(&self, times: usize) {
        while self.asked().len() < times {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(
    mut stream: TcpStream,
    rule: Arc<impl Fn(&str, usize) -> Reply>,
    log: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let reply = {
        let mut log = log.lock().unwrap();
        log.push(head.clone());
        rule(&head, log.len())
    };
    // The client may have heard enough.
    let _ = reply.send(&mut stream).await;
}
