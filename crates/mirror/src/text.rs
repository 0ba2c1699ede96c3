//! Where are large texts kept? Once each, by digest, up to a total.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::Digest as _;

/// SHA-256 of a text; written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a text.
    pub fn of(text: &str) -> Self {
        Self(sha2::Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

/// From what [`fmt::Display`] writes.
impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        hex::decode_to_slice(digits, &mut digest)?;
        Ok(Self(digest))
    }
}

/// Texts by digest. Above the cap those go that were least recently put or found.
#[derive(Debug)]
pub struct Texts {
    cap: usize,
    total: usize,
    by_digest: HashMap<Digest, Arc<str>>,
    /// The least recently used first.
    order: VecDeque<Digest>,
}

impl Texts {
    /// Keeps texts of so many bytes in total, and always the last that was put.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            total: 0,
            by_digest: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Keeps a text.
    pub fn put(&mut self, text: Arc<str>) -> Digest {
        let digest = Digest::of(&text);
        if self.by_digest.contains_key(&digest) {
            self.touch(&digest);
            return digest;
        }
        self.total += text.len();
        self.by_digest.insert(digest, text);
        self.order.push_back(digest);
        while self.total > self.cap && self.order.len() > 1 {
            if let Some(oldest) = self.order.pop_front() {
                self.drop_text(&oldest);
            }
        }
        digest
    }

    /// The text, if it is still kept.
    pub fn find(&mut self, digest: &Digest) -> Option<Arc<str>> {
        let text = self.by_digest.get(digest)?.clone();
        self.touch(digest);
        Some(text)
    }

    /// The bytes that are kept.
    pub fn total(&self) -> usize {
        self.total
    }

    fn touch(&mut self, digest: &Digest) {
        self.order.retain(|it| it != digest);
        self.order.push_back(*digest);
    }

    fn drop_text(&mut self, digest: &Digest) {
        if let Some(text) = self.by_digest.remove(digest) {
            self.total -= text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_two_products_have_is_kept_once() {
        let mut texts = Texts::new(100);
        let digest = texts.put("openapi".into());
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(texts.put("openapi".into()), digest);
        assert_eq!(texts.total(), 7);
    }

    #[test]
    fn above_the_cap_the_least_recently_needed_goes() {
        let mut texts = Texts::new(10);
        let first = texts.put("aaaa".into());
        let second = texts.put("bbbb".into());
        assert!(texts.find(&first).is_some());
        texts.put("cccc".into());
        assert!(texts.find(&second).is_none());
        assert!(texts.find(&first).is_some());
        assert_eq!(texts.total(), 8);
    }

    #[test]
    fn one_text_above_the_cap_is_kept_until_the_next() {
        let mut texts = Texts::new(3);
        let large = texts.put("too large".into());
        assert!(texts.find(&large).is_some());
        texts.put("next".into());
        assert!(texts.find(&large).is_none());
        assert_eq!(texts.total(), 4);
    }
}
