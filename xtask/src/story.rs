//! What can one do with a stack that has just come up?

use std::path::Path;

use anyhow::Result;
use devportal_stack::{Part, State};

const STORY: &str = r#"
Point your shell at it:

  eval "$(cargo xtask env)"

1. Alice asks for a key to the toystore's API:

  kubectl --context alice apply -f - <<'END'
  apiVersion: devportal.kuadrant.io/v1alpha1
  kind: APIKey
  metadata: {name: my-key, namespace: consumer}
  spec:
    apiProductRef: {name: toystore-pro, namespace: toystore}
    planTier: gold
    useCase: Trying it out
    requestedBy: {userId: alice, email: alice@example.com}
  END

2. Olivia, who owns that API, approves:

  kubectl --context olivia apply -f - <<'END'
  apiVersion: devportal.kuadrant.io/v1alpha1
  kind: APIKeyApproval
  metadata: {name: REQUEST-approval, namespace: toystore}
  spec:
    apiKeyRequestRef: {name: REQUEST}
    approved: true
    reviewedBy: olivia
    reviewedAt: "NOW"
  END

3. Alice calls the gateway's check with her key:

  curl -i "$AUTHORINO_URL/check" \
    -H "Host: $(kubectl get authconfigs -n kuadrant-system -o jsonpath='{.items[0].spec.hosts[0]}')" \
    -H "Authorization: APIKEY $(kubectl --context alice get secret -n consumer my-key-apikey-secret -o jsonpath='{.data.api_key}' | base64 -d)"
"#;

/// `{namespace}-{name}-{h8}`, with h8 of `consumer/my-key`.
const REQUEST: &str = "consumer-my-key-9bb5adc7";

pub(crate) async fn tell(dir: &Path, _kubeconfig: &Path) -> Result<String> {
    let _ = (State::find(dir)?, Part::ALL);
    Ok(STORY.replace("REQUEST", REQUEST))
}
