//! Who serves the OpenAPI documents of the sample?
//!
//! The files of one folder, on loopback.

use std::path::PathBuf;

use anyhow::Result;
use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::port::loopback;

/// Serves the files of a folder until the runtime it is started on ends.
pub(crate) async fn serve(folder: PathBuf, port: u16) -> Result<()> {
    let listener = TcpListener::bind(loopback(port)).await?;
    let answer = |Path(name): Path<String>| async move { find(&folder, &name) };
    let app = Router::new().route("/{name}", get(answer));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!("the server of documents ended: {error}");
        }
    });
    Ok(())
}

/// A file by its plain name, never a way out of the folder.
fn find(folder: &std::path::Path, name: &str) -> Response {
    let is_plain = !name.starts_with('.') && !name.contains(['/', '\\']);
    match is_plain.then(|| std::fs::read(folder.join(name))) {
        Some(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_served() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("toys.json"), "{}").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let status = |name: &str| find(&folder.path().join("inner"), name).status();
        assert_eq!(find(folder.path(), "toys.json").status(), StatusCode::OK);
        for refused in ["../toys.json", "..", ".hidden", "absent.json"] {
            assert_eq!(status(refused), StatusCode::NOT_FOUND);
        }
    }
}
