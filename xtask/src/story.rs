//! What can one do with a stack that has just come up?

use std::path::Path;

use anyhow::Result;
use devportal_stack::{Part, State};

const PORTAL: &str = r#"
The portal: URL

1. Alice finds Toystore Pro among the APIs, and requests access to Gold.
2. Olivia approves it under Requests: as asked, or with less.
3. Alice reveals her key under My keys, once, and calls the API with it.

The same by kubectl, in a new shell, in the folder of this checkout:

  eval "$(cargo xtask env)"
  kubectl --context alice apply -f deploy/samples/requests/manual-key.yaml
  kubectl --context olivia apply -f deploy/samples/requests/approve.yaml
  curl -i "$GATEWAY_URL/toys" -H "Host: pro.toystore.example.com" -H "Authorization: APIKEY $(kubectl --context alice -n consumer get secret reseller-apikey-secret -o jsonpath='{.data.api_key}' | base64 -d)"
"#;

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

/// The portal and the commands to copy, or how to look around when the sample is not
/// there to play with.
pub(crate) fn tell(dir: &Path, parts: &[Part]) -> Result<String> {
    let state = State::find(dir)?;
    let port = |name| state.as_ref().and_then(|it| it.ports.find(name));
    let has_gateway = port("gateway").is_some();
    let has_story = has_gateway
        && [Part::Controller, Part::Sample]
            .iter()
            .all(|p| parts.contains(p));
    let backstage = port("backstage").filter(|_| parts.contains(&Part::Backstage));
    let told = match backstage {
        Some(port) if has_story => PORTAL.replace("URL\n", &format!("http://127.0.0.1:{port}\n")),
        _ if has_story => STORY.to_owned(),
        _ => BARE.to_owned(),
    };
    Ok(crate::of_stack(dir, &told))
}
