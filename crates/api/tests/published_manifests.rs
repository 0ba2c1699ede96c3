//! Do manifests written for either generation of the published API mean the
//! same to us?

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use devportal_api::id::{ApprovalId, KeyId, ProductId, RequestId, SecretId};
use devportal_api::key::{Phase, SecretKeyRef};
use devportal_api::product::{ApprovalMode, PublishStatus};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct, name};
use serde::de::DeserializeOwned;

fn read<K: DeserializeOwned>(text: &str) -> K {
    serde_yaml_ng::from_str(text).unwrap()
}

macro_rules! fixture {
    ($file:literal) => {
        read(include_str!(concat!("fixtures/", $file)))
    };
}

#[test]
fn a_key_without_a_secret_is_generated_beside_its_product() {
    let key: APIKey = fixture!("generated-keys-0.1/apikey.yaml");
    assert!(key.is_generated());
    assert_eq!(
        key.product_id(),
        ProductId::new("payment-services", "payments")
    );
    assert_eq!(
        key.source_secret(),
        SecretId::new("payment-services", "shop-checkout-apikey-secret")
    );
}

#[test]
fn the_status_of_a_key_of_the_first_generation_is_understood() {
    let key: APIKey = fixture!("generated-keys-0.1/apikey.yaml");
    let status = key.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Approved));
    assert_eq!(status.can_read_secret, Some(false));
    assert_eq!(status.reviewed_by.as_deref(), Some("olivia"));
    let secret = SecretKeyRef {
        name: "shop-checkout-apikey-secret".into(),
        key: "api_key".into(),
    };
    assert_eq!(status.secret_ref, Some(secret));
    assert_eq!(status.approved_terms, None);
}

#[test]
fn a_product_of_the_first_generation_is_understood() {
    let product: APIProduct = fixture!("generated-keys-0.1/apiproduct.yaml");
    assert_eq!(product.spec.approval_mode, ApprovalMode::Manual);
    assert_eq!(product.spec.publish_status, PublishStatus::Published);
    let documentation = product.spec.documentation.unwrap();
    assert_eq!(
        documentation.open_api_spec_url.as_deref(),
        Some("https://payments.example.com/openapi.json")
    );
    assert_eq!(
        documentation.swagger_ui.as_deref(),
        Some("https://payments.example.com/try")
    );
    assert_eq!(
        documentation.docs_url.as_deref(),
        Some("https://payments.example.com/docs")
    );
    assert_eq!(
        product.spec.contact.unwrap().slack.as_deref(),
        Some("#payments")
    );
}

#[test]
fn a_brought_key_names_its_secret_and_a_product_elsewhere() {
    let key: APIKey = fixture!("brought-keys-0.2/apikey.yaml");
    assert!(!key.is_generated());
    assert_eq!(key.product_id(), ProductId::new("gamestore", "games"));
    assert_eq!(
        key.source_secret(),
        SecretId::new("consumer-app", "my-own-value")
    );
}

#[test]
fn a_key_that_expires_at_the_end_of_time_can_be_read() {
    let key: APIKey = fixture!("brought-keys-0.2/apikey.yaml");
    assert!(key.spec.expires_at.unwrap().0 > "9999-12-01T00:00:00Z".parse().unwrap());
}

#[test]
fn an_empty_secret_name_asks_for_a_generated_key() {
    for secret in [serde_json::json!({}), serde_json::json!({"name": ""})] {
        let mut key: serde_json::Value = fixture!("brought-keys-0.2/apikey.yaml");
        key["spec"]["secretRef"] = secret;
        assert!(
            serde_json::from_value::<APIKey>(key)
                .unwrap()
                .is_generated()
        );
    }
}

#[test]
fn request_approval_and_key_find_each_other() {
    let key: APIKey = fixture!("brought-keys-0.2/apikey.yaml");
    let request: APIKeyRequest = fixture!("brought-keys-0.2/apikeyrequest.yaml");
    let approval: APIKeyApproval = fixture!("brought-keys-0.2/apikeyapproval.yaml");
    assert_eq!(request.key_id(), KeyId::of(&key));
    assert_eq!(approval.request_id(), RequestId::of(&request));
    assert_eq!(
        name::request(&KeyId::of(&key), &key.product_id()),
        RequestId::of(&request)
    );
    assert_eq!(
        ApprovalId::of(&approval).to_string(),
        "gamestore/consumer-app-gamestore-apikey-8dee3e06-approval"
    );
    assert_eq!(
        approval.spec.reviewed_at.0.to_string(),
        "2026-04-10T12:00:00Z"
    );
}

#[test]
fn what_is_read_is_written_back_the_same() {
    fn same<K: DeserializeOwned + serde::Serialize>(text: &str) {
        let before: serde_json::Value = read(text);
        assert_eq!(serde_json::to_value(read::<K>(text)).unwrap(), before);
    }
    same::<APIProduct>(include_str!("fixtures/generated-keys-0.1/apiproduct.yaml"));
    same::<APIProduct>(include_str!("fixtures/brought-keys-0.2/apiproduct.yaml"));
    same::<APIKey>(include_str!("fixtures/generated-keys-0.1/apikey.yaml"));
    same::<APIKeyRequest>(include_str!("fixtures/brought-keys-0.2/apikeyrequest.yaml"));
}
