//! Does a control plane come up, survive losing its parts, and go away?
//!
//! Ignored by default because it starts real processes, built on first use:
//! `cargo test -p devportal-stack -- --ignored`.

use devportal_stack::{Options, Persona, Stack, find_leftovers};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, api::ListParams};

async fn namespaces(client: Client) -> Result<usize, kube::Error> {
    Ok(Api::<Namespace>::all(client)
        .list(&ListParams::default())
        .await?
        .items
        .len())
}

#[tokio::test]
#[ignore = "starts real processes"]
async fn a_restarted_api_server_knows_what_it_knew_and_nothing_is_left_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let stack = Stack::start(Options::control_plane(dir.path()))
        .await
        .unwrap();
    let client = stack.client(Persona::ClusterAdmin).await.unwrap();
    let before = namespaces(client.clone()).await.unwrap();

    stack.kill("kube-apiserver").await.unwrap();
    assert!(namespaces(client.clone()).await.is_err());
    stack.restart("kube-apiserver").await.unwrap();
    assert_eq!(namespaces(client.clone()).await.unwrap(), before);

    stack.kill("etcd").await.unwrap();
    stack.restart("etcd").await.unwrap();
    assert_eq!(namespaces(client).await.unwrap(), before);

    assert!(
        std::fs::read_to_string(stack.audit_log())
            .unwrap()
            .contains("\"level\":\"Metadata\"")
    );
    stack.stop().await.unwrap();
    assert_eq!(
        find_leftovers(&std::fs::canonicalize(dir.path()).unwrap()),
        vec![]
    );
}

#[tokio::test]
#[ignore = "starts real processes"]
async fn a_second_stack_in_one_folder_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let stack = Stack::start(Options::control_plane(dir.path()))
        .await
        .unwrap();
    let refusal = Stack::start(Options::control_plane(dir.path()))
        .await
        .unwrap_err();
    assert!(refusal.to_string().starts_with("a stack already uses"));
    drop(stack);
    let dir = std::fs::canonicalize(dir.path()).unwrap();
    while !find_leftovers(&dir).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
