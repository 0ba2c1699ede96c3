//! What can one do with a stack that has just come up?

use std::path::Path;

use anyhow::Result;
use devportal_stack::{State, find_auth_host};

/// The route whose keys an owner approves.
const ROUTE: &str = "toystore/toystore-pro";

const STORY: &str = r#"
In a new shell, in the folder of this checkout:

  eval "$(cargo xtask env)"

1. Alice asks for a key to Toystore Pro:

  kubectl --context alice apply -f deploy/samples/requests/manual-key.yaml

2. Olivia, who owns it, approves:

  kubectl --context olivia apply -f deploy/samples/requests/approve.yaml

3. Alice's key opens the API, as Authorino answers the gateway:

  curl -i "$AUTHORINO_URL/check" -H "Host: HOST" -H "Authorization: APIKEY $(kubectl --context alice -n consumer get secret reseller-apikey-secret -o jsonpath='{.data.api_key}' | base64 -d)"
"#;

const BARE: &str = r#"
In a new shell, in the folder of this checkout:

  eval "$(cargo xtask env)"
  kubectl get namespaces
"#;

/// The three commands to copy, or how to look around when the sample is not
/// there to play with.
pub(crate) async fn tell(dir: &Path) -> Result<String> {
    let has_authorino = State::find(dir)?.is_some_and(|s| s.ports.find("authorino").is_some());
    let host = if has_authorino {
        find_auth_host(dir, ROUTE).await?
    } else {
        None
    };
    Ok(host.map_or_else(|| BARE.to_owned(), |host| STORY.replace("HOST", &host)))
}
