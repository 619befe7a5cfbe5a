//! The list of a blob's chunks as a file: a line that says what it is, the blob's length, each chunk's digest and length
//! (little-endian), and the BLAKE3 digest of all that, so that a list that was changed is never believed.

use landfall_model::Digest;

/// The first bytes; the number is the format's version.
const MAGIC: &[u8; 16] = b"landfall chunk1\n";

/// Bytes of one chunk's entry.
const ENTRY: usize = 36;

/// Bytes of a digest.
const DIGEST: usize = 32;

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its BLAKE3 digest, by which it lies in the content store.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u32,
}

/// Writes a list.
pub(crate) fn encode(chunks: &[Chunk]) -> Vec<u8> {
    let size: u64 = chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
    let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + chunks.len() * ENTRY + DIGEST);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&size.to_le_bytes());
    for chunk in chunks {
        let (Digest::Blake3(digest) | Digest::Sha256(digest)) = &chunk.digest;
        bytes.extend_from_slice(digest);
        bytes.extend_from_slice(&chunk.size.to_le_bytes());
    }
    let (Digest::Blake3(seal) | Digest::Sha256(seal)) = Digest::of(&bytes);
    bytes.extend_from_slice(&seal);
    bytes
}

/// Reads a list; `None` for what is none.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Chunk>> {
    let (content, seal) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Digest::of(content) != Digest::Blake3(seal.try_into().ok()?) {
        return None;
    }
    let (size, entries) = content.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let mut left = u64::from_le_bytes(*size);
    let mut chunks = Vec::with_capacity(entries.len() / ENTRY);
    let mut entries = entries.chunks_exact(ENTRY);
    for entry in &mut entries {
        let (digest, size) = entry.split_first_chunk::<DIGEST>()?;
        let size = u32::from_le_bytes(size.try_into().ok()?);
        left = left.checked_sub(u64::from(size))?;
        chunks.push(Chunk { digest: Digest::Blake3(*digest), size });
    }
    (entries.remainder().is_empty() && left == 0).then_some(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_list_comes_back_and_a_changed_one_never(
            sizes in proptest::collection::vec(any::<u32>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8u8
        ) {
            let chunk = |size: &u32| Chunk { digest: Digest::of(&size.to_le_bytes()), size: *size };
            let chunks: Vec<Chunk> = sizes.iter().map(chunk).collect();
            let mut bytes = encode(&chunks);
            prop_assert_eq!(decode(&bytes), Some(chunks));
            let at = at.index(bytes.len());
            prop_assert_eq!(decode(&bytes[..at]), None);
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
