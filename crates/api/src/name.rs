//! How are derived objects named, labelled and annotated? Every recipe of the
//! wire contract, once.
//!
//! A name holds [`NAME_MAX`] characters and a label value [`LABEL_MAX`]; what
//! does not fit is cut and made unique again by a hash of the whole.

use sha2::{Digest, Sha256};

use crate::id::{ApprovalId, KeyId, ProductId, RequestId, SecretId};

/// The longest object name Kubernetes accepts.
pub const NAME_MAX: usize = 253;
/// The longest label value Kubernetes accepts.
pub const LABEL_MAX: usize = 63;

/// Whether an object can have this name: an RFC 1123 subdomain.
pub fn is_object_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty()
            && part.chars().all(is_inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= NAME_MAX && name.split('.').all(is_part)
}

/// The finalizer that a pre-release of version 0.1 put on keys.
pub const LEGACY_FINALIZER: &str = "devportal.kuadrant.io/apikey-finalizer";

/// The entry of a Secret that holds the key's value.
pub const API_KEY_ENTRY: &str = "api_key";

/// Labels of an enforcement Secret.
pub mod label {
    /// Marks a Secret as ours: `true`.
    pub const ENFORCEMENT: &str = "devportal.kuadrant.io/enforcement";
    /// The product's name.
    pub const PRODUCT: &str = "devportal.kuadrant.io/apiproduct";
    /// The product's namespace, always filled.
    pub const PRODUCT_NAMESPACE: &str = "devportal.kuadrant.io/apiproduct-namespace";
    /// The key's name.
    pub const KEY: &str = "devportal.kuadrant.io/apikey";
    /// The key's namespace.
    pub const KEY_NAMESPACE: &str = "devportal.kuadrant.io/apikey-namespace";
    /// What Authorino watches Secrets by; without it a key could work but not
    /// be revoked.
    pub const MANAGED_BY: &str = "authorino.kuadrant.io/managed-by";
    /// On a namespace, ours: keys can be asked for in it, `true`.
    pub const CONSUMERS: &str = "devportal.kuadrant.io/consumers";
    /// The value of [`MANAGED_BY`].
    pub const MANAGED_BY_AUTHORINO: &str = "authorino";
}

/// Annotations of the Secrets we write.
pub mod annotation {
    /// What the names of all of them begin with.
    pub const PREFIXES: [&str; 2] = ["secret.kuadrant.io/", "devportal.kuadrant.io/"];
    /// The tier, read by PlanPolicy predicates.
    pub const PLAN: &str = "secret.kuadrant.io/plan-id";
    /// The requester, read by per-consumer quotas.
    pub const USER: &str = "secret.kuadrant.io/user-id";
    /// When the key expires, RFC 3339.
    pub const EXPIRES_AT: &str = "secret.kuadrant.io/expires-at";
    /// The whole `namespace/name` of the APIKey, where labels may be cut.
    pub const KEY: &str = "devportal.kuadrant.io/apikey-ref";
    /// The whole `namespace/name` of the APIProduct that a Secret opens.
    pub const PRODUCT: &str = "devportal.kuadrant.io/apiproduct-ref";
    /// The APIKey's UID.
    pub const KEY_UID: &str = "devportal.kuadrant.io/apikey-uid";
    /// Which revision of a generated key a Secret holds; absent: 0.
    pub const REVISION: &str = "devportal.kuadrant.io/revision";
    /// On the successor of a credential: since when it is that, RFC 3339; later
    /// than of any before it.
    pub const SINCE: &str = "devportal.kuadrant.io/since";
    /// On the successor of a credential: until when that goes on working,
    /// RFC 3339.
    pub const OVERLAP_UNTIL: &str = "devportal.kuadrant.io/overlap-until";
    /// The labels of an enforcement Secret that it has for the AuthPolicy's
    /// selector, separated by commas; others may have added more.
    pub const SELECTED_BY: &str = "devportal.kuadrant.io/selected-by";
    /// On an approval, ours: whoever decided may approve requests of their own, `true`. The
    /// admission policies let those write it who hold `decide-own`.
    pub const DECIDES_OWN: &str = "devportal.kuadrant.io/decides-own";
    /// On an HTTPRoute: owners are offered it, `true`. The first generation's name, and
    /// ours.
    pub const EXPOSE: [&str; 2] = ["backstage.io/expose", "devportal.kuadrant.io/expose"];
    /// On an enforcement Secret: which version of the key's Secret its value was copied
    /// from, as `{UID}/{resourceVersion}`. While that stands as it was nobody reads it.
    pub const COPIED_FROM: &str = "devportal.kuadrant.io/copied-from";
    /// SHA-256 of a *generated* value (256 random bits, so that the digest
    /// tells nothing), by which tampering shows. Never set for brought keys.
    pub const DIGEST: &str = "devportal.kuadrant.io/api-key-sha256";
}

/// The first eight hexadecimal digits of SHA-256 over `namespace/name`.
pub fn h8(key: &KeyId) -> String {
    hash8(&key.to_string())
}

/// The request that shadows a key: in the product's namespace.
pub fn request(key: &KeyId, product: &ProductId) -> RequestId {
    let stem = format!("{}-{}", key.namespace, key.name);
    // Room is left for what portals add to name their approvals; ours are shorter.
    RequestId::new(
        &product.namespace,
        with_suffix(&stem, &h8(key), NAME_MAX - CLIENT_SUFFIX.len()),
    )
}

/// What the longest suffix of published clients looks like.
const CLIENT_SUFFIX: &str = "-approval-01234567";
const AUTO_SUFFIX: &str = "-auto";
const PHASE_SUFFIX: &str = "-phase";

/// The approval the controller gives on behalf of an automatic product.
pub fn auto_approval(request: &RequestId) -> ApprovalId {
    ApprovalId::new(&request.namespace, format!("{}{AUTO_SUFFIX}", request.name))
}

/// A request in whose name an approval of ours is named where the usual name is held by a
/// denial about somebody else. `uid` is the request's own.
pub fn beside(request: &RequestId, uid: &str) -> RequestId {
    let longest = NAME_MAX - CLIENT_SUFFIX.len();
    RequestId::new(
        &request.namespace,
        with_suffix(&request.name, &hash8(uid), longest),
    )
}

/// The approval that stands for a patch of `status.phase`.
pub fn phase_approval(request: &RequestId) -> ApprovalId {
    ApprovalId::new(
        &request.namespace,
        format!("{}{PHASE_SUFFIX}", request.name),
    )
}

/// The approval in which somebody decides through the portal. `basis` is any text that
/// differs between two decisions that may both be made.
pub fn decision(request: &RequestId, basis: &str) -> ApprovalId {
    let suffix = format!("decision-{}", hash8(&format!("{request}/{basis}")));
    ApprovalId::new(
        &request.namespace,
        with_suffix(&request.name, &suffix, NAME_MAX),
    )
}

/// The first enforcement Secret of a key, in the Kuadrant namespace.
pub fn enforcement_secret(key: &KeyId, kuadrant_namespace: &str) -> SecretId {
    let stem = format!("devportal-{}-{}", key.namespace, key.name);
    SecretId::new(kuadrant_namespace, with_suffix(&stem, &h8(key), NAME_MAX))
}

/// A further enforcement Secret of the same key: under other terms, made
/// before the one it replaces is deleted. `revision` is any text that differs
/// between the two.
pub fn revised_enforcement_secret(
    key: &KeyId,
    kuadrant_namespace: &str,
    revision: &str,
) -> SecretId {
    let stem = format!("devportal-{}-{}", key.namespace, key.name);
    let suffix = format!("{}-{}", h8(key), hash8(revision));
    SecretId::new(kuadrant_namespace, with_suffix(&stem, &suffix, NAME_MAX))
}

/// The source of a generated key, in the key's namespace: the consumer reads it.
pub fn generated_source(key: &KeyId) -> SecretId {
    const SUFFIX: &str = "apikey-secret";
    let whole = format!("{}-{SUFFIX}", key.name);
    let name = if whole.len() <= NAME_MAX {
        whole
    } else {
        with_suffix(&key.name, &format!("{}-{SUFFIX}", h8(key)), NAME_MAX)
    };
    SecretId::new(&key.namespace, name)
}

/// A label value for an object's name: the name itself where it fits.
pub fn label_value(name: &str) -> String {
    if name.len() <= LABEL_MAX {
        name.to_owned()
    } else {
        with_suffix(name, &hash8(name), LABEL_MAX)
    }
}

/// `stem-suffix`, the stem cut to what `max` leaves and never ending in a
/// character that may not stand before `-`.
fn with_suffix(stem: &str, suffix: &str, max: usize) -> String {
    let room = max - suffix.len() - 1;
    if stem.len() <= room {
        return format!("{stem}-{suffix}");
    }
    let cut = stem[..stem.floor_char_boundary(room)]
        .trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{cut}-{suffix}")
}

fn hash8(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Shared;

    #[test]
    fn only_what_the_api_server_takes_as_a_name_is_one() {
        for name in ["a", "my-secret", "a.b-c.9", &"a".repeat(NAME_MAX)] {
            assert!(is_object_name(name), "{name}");
        }
        let too_long = "a".repeat(NAME_MAX + 1);
        for name in [
            "",
            "?",
            "?watch=true",
            "..",
            ".",
            "a/../b",
            "a%2fb",
            "A",
            "a-",
            "-a",
            "a..b",
            "a b",
            "ä",
            &too_long,
        ] {
            assert!(!is_object_name(name), "{name}");
        }
    }

    #[test]
    fn the_published_example_keeps_its_hash() {
        assert_eq!(
            h8(&KeyId::new("consumer-app", "gamestore-apikey")),
            "8dee3e06"
        );
    }

    #[test]
    fn names_follow_the_published_recipes() {
        let key = KeyId::new("consumer-app", "gamestore-apikey");
        let product = ProductId::new("gamestore", "games");
        let request = request(&key, &product);
        assert_eq!(
            request.to_string(),
            "gamestore/consumer-app-gamestore-apikey-8dee3e06"
        );
        assert_eq!(
            auto_approval(&request).to_string(),
            "gamestore/consumer-app-gamestore-apikey-8dee3e06-auto"
        );
        assert_eq!(
            enforcement_secret(&key, "kuadrant-system").to_string(),
            "kuadrant-system/devportal-consumer-app-gamestore-apikey-8dee3e06"
        );
        assert_eq!(
            generated_source(&key).to_string(),
            "consumer-app/gamestore-apikey-apikey-secret"
        );
    }

    #[test]
    fn the_longest_names_still_fit_and_stay_apart() {
        let product = ProductId::new("p".repeat(63), "q".repeat(253));
        let a = KeyId::new("n".repeat(63), format!("{}a", "k.".repeat(126)));
        let b = KeyId::new("n".repeat(63), format!("{}b", "k.".repeat(126)));
        for make in [
            |k: &KeyId, p: &ProductId| auto_approval(&request(k, p)).name,
            |k: &KeyId, p: &ProductId| phase_approval(&request(k, p)).name,
            |k: &KeyId, p: &ProductId| decision(&request(k, p), "x").name,
            // As the published console and Backstage plugin name theirs.
            |k: &KeyId, p: &ProductId| Shared::of(&format!("{}-approval", request(k, p).name)),
            |k: &KeyId, p: &ProductId| {
                Shared::of(&format!("{}-approval-0a1b2c3d", request(k, p).name))
            },
            |k: &KeyId, _: &ProductId| enforcement_secret(k, "kuadrant-system").name,
            |k: &KeyId, _: &ProductId| revised_enforcement_secret(k, "kuadrant-system", "x").name,
            |k: &KeyId, _: &ProductId| generated_source(k).name,
        ] {
            let (a, b) = (make(&a, &product), make(&b, &product));
            assert!(a.len() <= NAME_MAX && b.len() <= NAME_MAX, "{a}");
            assert!(!a.contains(".-"), "{a} is no DNS subdomain");
            assert_ne!(a, b);
        }
        let label = label_value(&a.name);
        assert!(label.len() <= LABEL_MAX);
        assert_ne!(label, label_value(&b.name));
    }

    #[test]
    fn keys_that_read_alike_once_joined_stay_apart() {
        let product = ProductId::new("owner", "games");
        let (a, b) = (KeyId::new("a-b", "c"), KeyId::new("a", "b-c"));
        assert_ne!(request(&a, &product), request(&b, &product));
        assert_ne!(
            enforcement_secret(&a, "kuadrant-system"),
            enforcement_secret(&b, "kuadrant-system")
        );
    }
}
