//! What does a generated key look like?
//!
//! `dpk_`, 43 characters of base64url for 32 random bytes, and 8 hexadecimal
//! digits of a checksum over both. The prefix and the checksum let a scanner
//! recognise a leaked key without asking anyone; no character needs escaping in
//! a header, a URL or a cookie.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
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

/// Whether a text repeats a key's value or a part of it, as it is, as a Secret spells it,
/// also inside something larger, or in hexadecimal digits.
pub(crate) fn is_quoted(value: &[u8], text: &str) -> bool {
    /// A part so short gives nothing away.
    const HARMLESS: usize = 7;
    let mut spelled = vec![value.to_vec(), hex::encode(value).into_bytes()];
    // Three bytes are four characters, wherever the value begins.
    for rest in (0..3).filter_map(|it| value.get(it..)) {
        spelled.push(STANDARD_NO_PAD.encode(rest).into_bytes());
        spelled.push(URL_SAFE_NO_PAD.encode(rest).into_bytes());
    }
    let contains = |part: &[u8]| text.as_bytes().windows(part.len()).any(|it| it == part);
    let mut spelled = spelled.iter().filter(|it| !it.is_empty());
    spelled.any(|it| it.windows(it.len().min(HARMLESS + 1)).any(contains))
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
    fn a_part_of_a_value_is_recognised_wherever_it_stands() {
        let value = b"dpk_0123456789abcdef";
        let whole = |text: &str| STANDARD_NO_PAD.encode(text);
        for quoted in [
            "begins with dpk_0123".to_owned(),
            "ends with 89abcdef".to_owned(),
            r#"{\"api_key\":\"dpk_0123456789abcdef\"}"#.to_owned(),
            whole(r#"{"api_key":"dpk_0123456789abcdef"}"#),
            whole(r#"{ "api_key":"dpk_0123456789abcdef"}"#),
            whole(r#"{  "api_key":"dpk_0123456789abcdef"}"#),
            hex::encode(value),
        ] {
            assert!(is_quoted(value, &quoted), "{quoted}");
        }
        let prefix = "denied: values that begin with dpk_ are generated";
        assert!(!is_quoted(value, prefix));
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
