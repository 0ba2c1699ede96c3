//! What may be known of a Secret? Everything but its value.

use std::collections::BTreeMap;
use std::fmt;

use devportal_api::name::{API_KEY_ENTRY, annotation, label};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fold::Fold;
use crate::kind::{Kept, Version};

/// What is known of a Secret: everything but the value. Small, because there are two
/// for each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFacts {
    /// The object's UID.
    pub uid: Box<str>,
    /// Which version of the object it is.
    pub version: Version,
    /// All labels.
    pub labels: Pairs,
    /// The annotations of ours and of Kuadrant's.
    pub annotations: Pairs,
    /// The UID of the APIKey that owns it, else of its controlling owner.
    pub owner_uid: Option<Box<str>>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it is as this controller created it, as far as its managed fields tell.
    pub untouched: bool,
    /// What the `api_key` entry holds.
    pub value: ValueFacts,
}

impl Fold for SecretFacts {
    fn fold(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    fn unfold(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

impl Kept for SecretFacts {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> Version {
        self.version
    }
}

impl SecretFacts {
    /// What tells its value from others, if it has one.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match self.value {
            ValueFacts::Value { fingerprint, .. } => Some(fingerprint),
            ValueFacts::Unread | ValueFacts::NoEntry | ValueFacts::Empty => None,
        }
    }

    /// Whether both are known to have one value.
    pub fn has_value_of(&self, other: &Self) -> bool {
        let mine = self.fingerprint();
        mine.is_some() && mine == other.fingerprint()
    }

    /// Whether one without our label is a credential still: it notes a key, or has the labels of
    /// the published controller. The source of a generated key has an owner.
    pub fn is_stray(&self) -> bool {
        let is_labelled = self.labels.has(label::KEY) && self.labels.has(label::KEY_NAMESPACE);
        self.owner_uid.is_none() && (self.annotations.has(annotation::KEY) || is_labelled)
    }

    /// What the metadata alone tell: nothing of the value.
    pub fn of_metadata(meta: &ObjectMeta) -> Self {
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        let owner = owners
            .iter()
            .find(|owner| owner.kind == "APIKey")
            .or_else(|| owners.iter().find(|owner| owner.controller == Some(true)));
        let empty = BTreeMap::new();
        let annotations = meta.annotations.as_ref().unwrap_or(&empty);
        let ours = annotations
            .iter()
            .filter(|(name, _)| annotation::PREFIXES.iter().any(|it| name.starts_with(it)));
        Self {
            uid: meta.uid.clone().unwrap_or_default().into(),
            version: Version::of(meta.resource_version.as_deref()),
            labels: meta.labels.as_ref().unwrap_or(&empty).iter().collect(),
            annotations: ours.collect(),
            owner_uid: owner.map(|owner| owner.uid.as_str().into()),
            created: meta.creation_timestamp.as_ref().map(|at| at.0),
            deleting: meta.deletion_timestamp.is_some(),
            untouched: is_as_created(meta),
            value: ValueFacts::Unread,
        }
    }
}

/// Who writes Secrets of ours, as managed fields name it.
pub const FIELD_MANAGER: &str = "devportal";

/// Whether only its creation is noted of an object, and was ours.
fn is_as_created(meta: &ObjectMeta) -> bool {
    match meta.managed_fields.as_deref() {
        Some([one]) => {
            one.manager.as_deref() == Some(FIELD_MANAGER) && one.time == meta.creation_timestamp
        }
        _ => false,
    }
}

/// What is known of a Secret's value in one of its versions, without reading it: a credential
/// was made of it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The UID and the version, as the annotation has them.
    from: Box<str>,
    fingerprint: Fingerprint,
    fit: Fit,
    fits_cookie: bool,
    /// The digest that goes with the value.
    digest: Option<Box<str>>,
}

impl Copied {
    /// By a credential that notes what it was copied from, and that nobody wrote since.
    pub fn by(credential: &SecretFacts) -> Option<Self> {
        let ValueFacts::Value {
            fingerprint,
            intact,
            fit,
            fits_cookie,
        } = credential.value
        else {
            return None;
        };
        let noted = &credential.annotations;
        let from = noted.get(annotation::COPIED_FROM)?;
        let is_as_made = credential.untouched && intact != Some(false);
        is_as_made.then(|| Self {
            from: from.into(),
            fingerprint,
            fit,
            fits_cookie,
            digest: noted.get(annotation::DIGEST).map(Into::into),
        })
    }

    /// The facts of the Secret that it was copied from, of which only the metadata are
    /// known; nothing where that is another version by now.
    pub fn facts(&self, seen: &SecretFacts) -> Option<SecretFacts> {
        let is_same = *self.from == *copied_from(seen);
        let noted = seen.annotations.get(annotation::DIGEST);
        is_same.then(|| SecretFacts {
            value: ValueFacts::Value {
                fingerprint: self.fingerprint,
                fit: self.fit,
                fits_cookie: self.fits_cookie,
                intact: noted.map(|it| Some(it) == self.digest.as_deref()),
            },
            ..seen.clone()
        })
    }
}

/// How a credential notes which version of a Secret it was copied from.
pub fn copied_from(source: &SecretFacts) -> String {
    format!("{}/{}", source.uid, source.version.0)
}

/// What is known of a key's value without knowing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueFacts {
    /// The entries were not read.
    Unread,
    /// The Secret has no `api_key` entry.
    NoEntry,
    /// The entry is there and empty.
    Empty,
    /// The entry holds a value.
    Value {
        /// Tells equal values from different ones; made with a salt that lives
        /// as long as the process, so that it means nothing elsewhere.
        fingerprint: Fingerprint,
        /// Whether the value matches the Secret's digest annotation; `None`
        /// when there is no such annotation (a brought key).
        intact: Option<bool>,
        /// Whether it is any good as a key.
        fit: Fit,
        /// Whether a cookie carries it, too: a semicolon would end it there.
        fits_cookie: bool,
    },
}

/// Whether a value is any good as a key: whether clients can send it, and others cannot
/// guess it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// It is.
    Good,
    /// White space is around it, which is not sent.
    Padded,
    /// It has characters that headers do not carry: of control, or beyond ASCII.
    Unsendable,
    /// It is longer than servers take a header: [`Fit::LONGEST`].
    TooLong,
    /// It is shorter than [`Fit::SHORTEST`].
    Short,
    /// It is a text that stands for a value.
    Placeholder,
}

impl Fit {
    /// The most bytes that are taken.
    pub const LONGEST: usize = 4096;
    /// Fewer bytes can be guessed: 16 of hexadecimal digits are 64 bits.
    pub const SHORTEST: usize = 16;

    /// Of a value that is not blank.
    pub fn of(value: &[u8]) -> Self {
        let is_sent = |byte: &u8| (b' '..=b'~').contains(byte);
        if value.trim_ascii() != value {
            Self::Padded
        } else if !value.iter().all(is_sent) {
            Self::Unsendable
        } else if value.len() > Self::LONGEST {
            Self::TooLong
        } else if is_placeholder(value) {
            Self::Placeholder
        } else if value.len() < Self::SHORTEST {
            Self::Short
        } else {
            Self::Good
        }
    }
}

/// Whether a value looks like those of examples: `<api-key>`, `$API_KEY`, `changeme`, the
/// same character again and again, or one after the other.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 10] = [
        "apikeyvalue",
        "changeme",
        "example",
        "insert",
        "placeholder",
        "replaceme",
        "yourapikey",
        "yourkey",
        "yoursecret",
        "yourtoken",
    ];
    /// What a template fills in stands between these: a name.
    const NAMES: [(&str, &str); 5] = [
        ("{", "}"),
        ("${", "}"),
        ("%", "%"),
        ("@", "@"),
        ("__", "__"),
    ];
    /// Or a path, or an expression.
    const PATHS: [(&str, &str); 6] = [
        ("<", ">"),
        ("{{", "}}"),
        ("$(", ")"),
        ("#{", "}#"),
        ("((", "))"),
        ("[", "]"),
    ];
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let text = text.trim_matches(['"', '\'', '`']);
    let letters = text.replace(['-', '_', ' '], "");
    let is_between = |marks: &[(&str, &str)], others: &[u8]| {
        marks.iter().any(|(begin, end)| {
            let inside = text.strip_prefix(begin).and_then(|it| it.strip_suffix(end));
            let is_of = |it: u8| it.is_ascii_alphanumeric() || others.contains(&it);
            inside.is_some_and(|it| it.bytes().all(is_of))
        })
    };
    let is_marked = is_between(&NAMES, b"_-. {}") || is_between(&PATHS, b"_-. {}:/#$|'\"");
    let is_name = |it: &str| {
        it.bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    let is_variable = text.strip_prefix('$').is_some_and(is_name);
    // A word beside as much as a key takes is part of that.
    let has_no_key_beside = |it: &str| letters.replace(it, "").len() < Fit::SHORTEST;
    let mut words = WORDS.iter().filter(|it| letters.contains(**it));
    let is_todo = |rest: &str| !rest.starts_with(|it: char| it.is_ascii_alphanumeric());
    let is_left =
        words.any(|it| has_no_key_beside(it)) || text.strip_prefix("todo").is_some_and(is_todo);
    let differ = text
        .bytes()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    is_marked
        || is_variable
        || differ < 4
        || is_sequence(text.as_bytes())
        || is_repeated(text.as_bytes())
        || is_left
        || is_prose(text)
}

/// Whether it is a few characters again and again, as in `12341234123412341234`.
fn is_repeated(text: &[u8]) -> bool {
    const LONGEST: usize = 8;
    (1..=LONGEST).any(|part| {
        let again = text.iter().zip(text.iter().skip(part));
        text.len() >= 2 * part && again.into_iter().all(|(one, next)| one == next)
    })
}

/// Whether little is left of it beside words that tell what is to be put there, as of
/// `put-your-api-key-here`.
fn is_prose(text: &str) -> bool {
    const WORDS: [&str; 44] = [
        "a",
        "add",
        "an",
        "api",
        "apikey",
        "before",
        "change",
        "default",
        "demo",
        "deploy",
        "do",
        "dummy",
        "enter",
        "for",
        "foo",
        "from",
        "goes",
        "here",
        "in",
        "insert",
        "is",
        "key",
        "me",
        "my",
        "not",
        "of",
        "own",
        "password",
        "please",
        "production",
        "put",
        "real",
        "replace",
        "sample",
        "secret",
        "set",
        "super",
        "test",
        "the",
        "this",
        "token",
        "use",
        "value",
        "your",
    ];
    /// Fewer characters beside the words are a number, and no key.
    const LEFT: usize = 8;
    let parts = text.split(|it: char| !it.is_ascii_alphanumeric());
    let (words, others): (Vec<_>, Vec<_>) = parts
        .filter(|it| !it.is_empty())
        .partition(|it| WORDS.contains(it));
    words.len() >= 2 && others.iter().map(|it| it.len()).sum::<usize>() < LEFT
}

/// Whether each character follows the one before it, as in `1234567890` or `0123456789abcdef`.
fn is_sequence(text: &[u8]) -> bool {
    const AGAIN: [(u8, u8); 4] = [(b'9', b'0'), (b'9', b'a'), (b'f', b'0'), (b'z', b'a')];
    text.windows(2).all(|pair| {
        let (first, second) = (pair[0], pair[1]);
        first.checked_add(1) == Some(second) || AGAIN.contains(&(first, second))
    })
}

/// The first half of a salted SHA-256 of a key's value: two values have the same by
/// chance once in 2^64 values, and nobody can look for such a pair without the salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

/// Turns objects into what is kept of them. It has a salt of its own: fingerprints
/// mean nothing to another process.
#[derive(Clone)]
pub struct Lens {
    salt: [u8; 32],
}

/// Without the salt.
impl fmt::Debug for Lens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lens")
    }
}

impl Lens {
    /// With a salt that must be random and told to nobody.
    pub fn new(salt: [u8; 32]) -> Self {
        Self { salt }
    }

    /// The facts of a Secret.
    pub fn facts(&self, secret: &Secret) -> SecretFacts {
        SecretFacts {
            value: self.value(secret),
            ..SecretFacts::of_metadata(&secret.metadata)
        }
    }

    fn value(&self, secret: &Secret) -> ValueFacts {
        let noted = secret.metadata.annotations.as_ref();
        match value_of(secret) {
            None => ValueFacts::NoEntry,
            Some(value) if value.trim_ascii().is_empty() => ValueFacts::Empty,
            Some(value) => ValueFacts::Value {
                fit: Fit::of(value),
                fits_cookie: !value.contains(&b';'),
                fingerprint: self.fingerprint(value),
                intact: noted
                    .and_then(|it| it.get(annotation::DIGEST))
                    .map(|at| *at == digest(value)),
            },
        }
    }

    /// Tells equal values from different ones.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        let salted = Sha256::new().chain_update(self.salt).chain_update(value);
        let whole: [u8; 32] = salted.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        Fingerprint(half)
    }
}

/// The value of a key, if the Secret has the entry.
pub fn value_of(secret: &Secret) -> Option<&[u8]> {
    let entry = secret.data.as_ref()?.get(API_KEY_ENTRY);
    entry.map(|value| value.0.as_slice())
}

/// SHA-256, as the digest annotation has it. Only for generated values.
pub fn digest(value: &[u8]) -> String {
    hex::encode(Sha256::digest(value))
}

/// Labels or annotations in one allocation, where a map of strings takes two for each: every
/// name and every value after its length in bytes and a colon.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs(Box<str>);

impl Pairs {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(it, _)| *it == name).map(|(_, it)| it)
    }

    /// Whether there is the name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values, in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        let mut part = move || {
            let (length, after) = rest.split_once(':')?;
            let (part, after) = after.split_at_checked(length.parse().ok()?)?;
            rest = after;
            Some(part)
        };
        std::iter::from_fn(move || Some((part()?, part()?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Pairs {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let mut text = String::new();
        for (name, value) in pairs {
            for part in [name.as_ref(), value.as_ref()] {
                text.push_str(&part.len().to_string());
                text.push(':');
                text.push_str(part);
            }
        }
        Self(text.into())
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_value_is_not_remembered_where_an_annotation_repeats_it() {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"api_key\": \"c2VjcmV0\"}",
                annotation::PLAN: "gold",
            }},
            "data": {"api_key": "c2VjcmV0"},
        }))
        .unwrap();
        let facts = Lens::new([7; 32]).facts(&secret);
        assert_eq!(
            facts.annotations,
            [(annotation::PLAN, "gold")].into_iter().collect()
        );
    }

    fn secret(version: &str, annotations: &serde_json::Value) -> Secret {
        serde_json::from_value(json!({
            "metadata": {"uid": "u", "resourceVersion": version, "annotations": annotations,
                "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [
                    {"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"}]},
            "data": {"api_key": "c2VjcmV0"},
        }))
        .unwrap()
    }

    #[test]
    fn a_secret_that_is_as_it_was_copied_is_known_without_reading_it() {
        let lens = Lens::new([7; 32]);
        let right = digest(b"secret");
        for annotations in [json!({}), json!({annotation::DIGEST: right})] {
            let source = secret("5", &annotations);
            let mut noted = annotations.clone();
            noted[annotation::COPIED_FROM] = "u/5".into();
            let copied = Copied::by(&lens.facts(&secret("9", &noted))).unwrap();
            let seen = SecretFacts::of_metadata(&source.metadata);
            assert_eq!(copied.facts(&seen), Some(lens.facts(&source)));
            let later = SecretFacts::of_metadata(&secret("6", &annotations).metadata);
            assert_eq!(copied.facts(&later), None);
        }
    }

    #[test]
    fn of_a_credential_that_was_altered_nothing_is_taken() {
        let lens = Lens::new([7; 32]);
        let wrong = json!({annotation::COPIED_FROM: "u/5", annotation::DIGEST: "00"});
        assert_eq!(Copied::by(&lens.facts(&secret("9", &wrong))), None);
        assert_eq!(Copied::by(&lens.facts(&secret("9", &json!({})))), None);
        let noted = json!({annotation::COPIED_FROM: "u/5"});
        let mut edited = secret("9", &noted);
        assert!(Copied::by(&lens.facts(&edited)).is_some());
        // Of a brought key no digest tells.
        let fields = edited.metadata.managed_fields.as_mut().unwrap();
        let mut another = fields[0].clone();
        another.manager = Some("kubectl-edit".into());
        fields.push(another);
        assert_eq!(Copied::by(&lens.facts(&edited)), None);
    }

    #[test]
    fn a_value_is_fit_where_it_can_be_sent_and_not_be_guessed() {
        let long = "x1y2z3w4".repeat(600);
        for (value, fit) in [
            ("k-0123456789abcdef0123456789abcdef", Fit::Good),
            ("v 0123456789abcdef with spaces", Fit::Good),
            ("v-0123456789abcdef0123456789abcdef\n", Fit::Padded),
            ("v-0123456789abcdef0123456789abcdef\r\n", Fit::Padded),
            (" v-0123456789abcdef0123456789abcdef", Fit::Padded),
            ("v-0123456789abcdef\n0123456789abcdef", Fit::Unsendable),
            ("v-0123456789abcdef\0", Fit::Unsendable),
            ("schlüssel-0123456789abcdef", Fit::Unsendable),
            (&long, Fit::TooLong),
            ("<api-key>", Fit::Placeholder),
            ("${API_KEY_OF_THE_SHOP}", Fit::Placeholder),
            ("REPLACE-ME-WITH-A-KEY", Fit::Placeholder),
            ("YOUR_KEY_HERE_PLEASE_4711", Fit::Placeholder),
            ("insert your API key here", Fit::Placeholder),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Fit::Placeholder),
            ("x", Fit::Placeholder),
            ("$TOYSTORE_API_KEY", Fit::Placeholder),
            ("\"<api-key-of-the-shop>\"", Fit::Placeholder),
            ("{{ .Values.apiKey.ofTheShop }}", Fit::Placeholder),
            ("__TOKEN_OF_THE_TOYSTORE__", Fit::Placeholder),
            ("%TOKEN_OF_THE_TOYSTORE%", Fit::Placeholder),
            ("TODO-set-this-before-use", Fit::Placeholder),
            ("<path:kv/data/toystore#api_key>", Fit::Placeholder),
            ("$(TOYSTORE_API_KEY)", Fit::Placeholder),
            ("#{toystore-api-key}#", Fit::Placeholder),
            ("{{ index .Values \"key\" | quote }}", Fit::Placeholder),
            ("((toystore.production.api-key))", Fit::Placeholder),
            ("[insert-the-key-of-the-toystore]", Fit::Placeholder),
            ("placeholder-placeholder-placeholder", Fit::Placeholder),
            ("changemechangemechangeme", Fit::Placeholder),
            ("my-secret-api-key", Fit::Placeholder),
            ("INSERT_YOUR_OWN_API_KEY_HERE", Fit::Placeholder),
            ("replace-me-with-your-own-api-key", Fit::Placeholder),
            ("put-your-api-key-here-before-deploy", Fit::Placeholder),
            ("REPLACE_WITH_A_REAL_KEY", Fit::Placeholder),
            ("SAMPLE-KEY-DO-NOT-USE", Fit::Placeholder),
            ("dummy-api-key-0001", Fit::Placeholder),
            ("test-api-key-123456", Fit::Placeholder),
            ("change-this-before-production", Fit::Placeholder),
            ("passwordpassword", Fit::Placeholder),
            ("12341234123412341234", Fit::Placeholder),
            ("deadbeefdeadbeef", Fit::Placeholder),
            ("my-api-key-3f2c9a7e41d8", Fit::Good),
            ("correct-horse-battery-staple", Fit::Good),
            ("{\"key\":\"a81f0c2d9e7b4a63\"}", Fit::Good),
            ("example-token-0001-4711", Fit::Placeholder),
            ("12345678901234567890", Fit::Placeholder),
            ("0123456789abcdef0123456789ABCDEF", Fit::Placeholder),
            ("abcdefghijklmnopqrstuvwxyz", Fit::Placeholder),
            ("$2y$10$N9qo8uLOickgx2ZMRZoMye", Fit::Good),
            ("__kq3-0123456789abcdef01", Fit::Good),
            ("toDo4v0Wq9Zr1sKx8Yb2", Fit::Good),
            ("insert-service-3f2c9a7e-41d8-4b6a-9c55", Fit::Good),
            ("alice@example.com:3f2c9a7e41d84b6a9c55", Fit::Good),
            ("{k#9Zr1s!Kx8Yb2$v0Wq}", Fit::Good),
            ("IAMALICE", Fit::Short),
        ] {
            assert_eq!(Fit::of(value.as_bytes()), fit, "{value:?}");
        }
        assert_eq!(Fit::of(b"v-0123456789abcdef\xff\xfe"), Fit::Unsendable);
        let blank: Secret = serde_json::from_value(json!({"data": {"api_key": "ICAK"}})).unwrap();
        assert_eq!(Lens::new([7; 32]).facts(&blank).value, ValueFacts::Empty);
    }

    #[test]
    fn pairs_are_what_was_put_in() {
        let pairs = [("plan", "gold\0"), ("3:a", ""), ("", "1:x"), ("ü", "ß:\n")];
        let kept: Pairs = pairs.into_iter().collect();
        assert_eq!(kept.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(kept.get("plan"), Some("gold\0"));
        assert_eq!(kept.len(), 4);
        assert!(!Pairs::default().has(""));
    }

    #[test]
    fn a_secret_of_the_first_generation_is_owned_without_a_controller() {
        let meta: ObjectMeta = serde_json::from_value(json!({"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "1", "controller": true},
            {"apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey", "name": "k", "uid": "2"},
        ]}))
        .unwrap();
        assert_eq!(
            SecretFacts::of_metadata(&meta).owner_uid.as_deref(),
            Some("2")
        );
    }
}
