//! The one encoding of whatever is digested or signed.
//!
//! `serde_cbor`, accepted only if encoding the result again gives the same
//! bytes. That refuses arrays for structs, integer keys, duplicate, unknown and
//! missing fields, tags, non-minimal integers and trailing bytes, without a
//! hand-written codec. Types that go through here hold no floats, maps with
//! chosen keys, flattened or untagged fields, nor nested options.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a value of one of this crate's message types.
///
/// # Panics
/// Never for these types: `serde_cbor` fails only on sequences of unknown
/// length and on writers that fail, and they have neither.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "message types have no sequences of unknown length, and a Vec takes every write"
)]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::to_vec(value).expect("message types always encode")
}

/// Decodes a value, and refuses every encoding of it but the canonical one.
///
/// # Errors
/// [`DecodeError::Malformed`] if the bytes are not such a value,
/// [`DecodeError::NotCanonical`] if they are, but encoded otherwise.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let value: T = serde_cbor::from_slice(bytes).map_err(|_| DecodeError::Malformed)?;
    if encode(&value) == bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// Why bytes are not a message. The sender is at fault; sending the same bytes
/// again does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not an encoding of the expected type.
    #[error("not a message of the expected type (protocol version 1)")]
    Malformed,
    /// An encoding of the expected type, but not the canonical one.
    #[error("a message of the expected type, but not in its canonical encoding")]
    NotCanonical,
}
