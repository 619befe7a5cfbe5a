//! Keyed fingerprints: they tell that a value changed and nothing else, not even to who guesses values without the key.

use landfall_model::Fingerprint;

/// Separates this use of the host's key from any other; see BLAKE3's key derivation.
const CONTEXT: &str = "landfall 2026-11 fingerprints of secrets, version 1";

/// The hex digits that are shown and stored: 64 bits, so that two values of one secret never meet by chance.
const DIGITS: usize = 16;

/// The fingerprint of a secret's value under the host's key. The name goes in, so that two secrets of one value differ.
#[must_use]
pub fn fingerprint(key: &[u8; 32], name: &str, value: &str) -> Fingerprint {
    let derived = blake3::derive_key(CONTEXT, key);
    let mut hasher = blake3::Hasher::new_keyed(&derived);
    // The length keeps name and value apart.
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(value.as_bytes());
    Fingerprint(hasher.finalize().to_hex()[..DIGITS].to_owned())
}

/// The key as the agent gives it, 64 hex digits; `None` for anything else.
#[must_use]
pub fn parse_key(hex: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(hex).ok().map(|hash| *hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_key_name_and_value_apart() {
        let one = fingerprint(&[1; 32], "A", "value");
        assert_eq!(one, fingerprint(&[1; 32], "A", "value"));
        assert_eq!(one.0.len(), 16);
        assert!(one.0.bytes().all(|b| b.is_ascii_hexdigit()));
        for other in [
            fingerprint(&[2; 32], "A", "value"),
            fingerprint(&[1; 32], "B", "value"),
            fingerprint(&[1; 32], "A", "value "),
            fingerprint(&[1; 32], "Av", "alue"),
        ] {
            assert_ne!(one, other);
        }
    }

    /// Stored with releases: it must not change with an update.
    #[test]
    fn fingerprints_stay_what_they_are() {
        assert_eq!(fingerprint(&[7; 32], "SECRET_KEY", "s3cret").0, "de5ce05aff4b927b");
    }

    #[test]
    fn keys_are_64_hex_digits() {
        assert_eq!(parse_key(&"0a".repeat(32)), Some([10; 32]));
        for bad in ["", "0a", &"0g".repeat(32), &"0a".repeat(33)] {
            assert_eq!(parse_key(bad), None, "{bad}");
        }
    }
}
