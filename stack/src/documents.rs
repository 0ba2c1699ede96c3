//! Who serves the OpenAPI documents of the sample?
//!
//! A few lines of HTTP on loopback: files of one folder, GET only.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Serves the files of a folder until the runtime it is started on ends.
pub(crate) async fn serve(folder: PathBuf, port: u16) -> Result<()> {
    let listener = TcpListener::bind(crate::port::loopback(port)).await?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move {
                // A client that goes away early harms nobody.
                let _ = answer(socket, &folder).await;
            });
        }
    });
    Ok(())
}

async fn answer(mut socket: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(&mut socket).lines();
    let request = lines.next_line().await?.unwrap_or_default();
    while lines
        .next_line()
        .await?
        .is_some_and(|line| !line.is_empty())
    {}
    let (status, body) = match find_name(&request).map(|name| std::fs::read(folder.join(name))) {
        Some(Ok(body)) => ("200 OK", body),
        _ => ("404 Not Found", b"{}".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&body).await?;
    socket.shutdown().await
}

/// The file a request line asks for: a plain name, never a way out.
fn find_name(request: &str) -> Option<&str> {
    let path = request.strip_prefix("GET /")?.split([' ', '?']).next()?;
    let plain = !path.is_empty() && !path.contains(['/', '\\', '%']) && !path.starts_with('.');
    plain.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_served() {
        assert_eq!(
            find_name("GET /toystore.json HTTP/1.1"),
            Some("toystore.json")
        );
        for refused in [
            "GET /../secret HTTP/1.1",
            "GET / HTTP/1.1",
            "POST /a HTTP/1.1",
        ] {
            assert_eq!(find_name(refused), None);
        }
    }
}
