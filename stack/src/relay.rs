//! How do programs in a private network meet those outside?
//!
//! By a relay: a listener in one network, and for each connection a socket made
//! in the other, with bytes copied between them.

use std::{
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};

use crate::room::Room;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Listens at `at` in one room and carries connections to `to` in another,
/// until the runtime it is started on ends.
pub(crate) async fn start(
    from: Arc<Room>,
    at: SocketAddr,
    into: Arc<Room>,
    to: SocketAddr,
) -> Result<()> {
    let listener = from
        .run(move || {
            let listener =
                StdListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })
        .await?;
    let listener = TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        loop {
            let Ok((near, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: let some close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let into = Arc::clone(&into);
            tokio::spawn(async move {
                if let Err(error) = carry(near, &into, to).await {
                    tracing::debug!("relay to {to}: {error:#}");
                }
            });
        }
    });
    Ok(())
}

async fn carry(mut near: TcpStream, into: &Room, to: SocketAddr) -> Result<()> {
    let far = into
        .run(move || {
            let far = StdStream::connect_timeout(&to, CONNECT_WITHIN)?;
            far.set_nonblocking(true)?;
            Ok(far)
        })
        .await?;
    let mut far = TcpStream::from_std(far)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_reach_a_private_network_and_come_back() {
        let outside = Arc::new(Room::shared().unwrap());
        let Ok(inside) = Room::private(&[], &[]) else {
            return; // not permitted here
        };
        let inside = Arc::new(inside);
        let echo = inside
            .run(|| {
                let echo = StdListener::bind("127.0.0.1:0")?;
                echo.set_nonblocking(true)?;
                Ok(echo)
            })
            .await
            .unwrap();
        let there = echo.local_addr().unwrap();
        let echo = TcpListener::from_std(echo).unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = echo.accept().await.unwrap();
            let mut word = [0; 4];
            socket.read_exact(&mut word).await.unwrap();
            socket.write_all(&word).await.unwrap();
        });
        let port = crate::port::Ports::default().choose("relay").unwrap();
        let here = crate::port::loopback(port);
        start(outside, here, inside, there).await.unwrap();
        let mut socket = TcpStream::connect(here).await.unwrap();
        socket.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        socket.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping");
    }
}
