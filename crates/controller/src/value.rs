//! What does a generated key look like?
//!
//! `dpk_`, 43 characters of base64url for 32 random bytes, and 8 hexadecimal
//! digits of a checksum over both. The prefix and the checksum let a scanner
//! recognise a leaked key without asking anyone; no character needs escaping in
//! a header, a URL or a cookie.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const PREFIX: &str = "dpk_";
const RANDOM_BYTES: usize = 32;
const CHECKSUM_DIGITS: usize = 8;

/// A new key with 256 bits from the operating system.
///
/// # Errors
///
/// When the operating system has no randomness to give.
pub(crate) fn generate() -> Result<String, rand::rngs::SysError> {
    use rand::TryRng;
    let mut bytes = [0; RANDOM_BYTES];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    let body = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let checksum = checksum(&body);
    Ok(body + &checksum)
}

/// Whether a text repeats a key's value, as it is or as a Secret spells it.
pub(crate) fn is_quoted(value: &[u8], text: &str) -> bool {
    let contains =
        |part: &[u8]| !part.is_empty() && text.as_bytes().windows(part.len()).any(|it| it == part);
    contains(value) || contains(STANDARD.encode(value).as_bytes())
}

fn checksum(body: &str) -> String {
    hex::encode(Sha256::digest(body.as_bytes()))[..CHECKSUM_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_recognised_in_a_text_as_it_is_and_as_a_secret_spells_it() {
        assert!(is_quoted(b"s3cret", "denied: {api_key: s3cret}"));
        assert!(is_quoted(b"s3cret", "denied: {api_key: czNjcmV0}"));
        assert!(!is_quoted(b"s3cret", "denied: no Secrets here"));
        assert!(!is_quoted(b"", "denied"));
    }

    #[test]
    fn a_key_has_prefix_256_bits_and_a_checksum_that_matches() {
        let key = generate().unwrap();
        let (body, sum) = key.split_at(key.len() - CHECKSUM_DIGITS);
        let bytes = URL_SAFE_NO_PAD
            .decode(body.strip_prefix(PREFIX).unwrap())
            .unwrap();
        assert_eq!(bytes.len(), RANDOM_BYTES);
        assert_eq!(sum, checksum(body));
    }

    #[test]
    fn two_keys_differ() {
        assert_ne!(generate().unwrap(), generate().unwrap());
    }
}
