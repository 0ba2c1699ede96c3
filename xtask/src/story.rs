//! What can one do with a stack that has just come up?

use std::path::Path;

use anyhow::Result;
use devportal_stack::{Part, State};

const STORY: &str = r#"
In a new shell, in the folder of this checkout:

  eval "$(cargo xtask env)"

1. Alice asks for a key to Toystore Pro:

  kubectl --context alice apply -f deploy/samples/requests/manual-key.yaml

2. Olivia, who owns it, approves:

  kubectl --context olivia apply -f deploy/samples/requests/approve.yaml

3. Alice's key opens the API at the gateway:

  curl -i "$GATEWAY_URL/toys" -H "Host: pro.toystore.example.com" -H "Authorization: APIKEY $(kubectl --context alice -n consumer get secret reseller-apikey-secret -o jsonpath='{.data.api_key}' | base64 -d)"
"#;

const BARE: &str = r#"
In a new shell, in the folder of this checkout:

  eval "$(cargo xtask env)"
  kubectl get namespaces
"#;

/// The three commands to copy, or how to look around when the sample is not
/// there to play with.
pub(crate) fn tell(dir: &Path, parts: &[Part]) -> Result<&'static str> {
    let has_gateway = State::find(dir)?.is_some_and(|s| s.ports.find("gateway").is_some());
    let has_story = has_gateway
        && [Part::Controller, Part::Sample]
            .iter()
            .all(|p| parts.contains(p));
    Ok(if has_story { STORY } else { BARE })
}
