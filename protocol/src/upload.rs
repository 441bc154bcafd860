//! How a contribution travels from client to parent: the header's length (4 bytes,
//! big-endian), the canonical header, then the masked update's packed bytes.

use crate::canonical::{self, DecodeError};
use crate::contribution::ContributionHeader;

/// What goes in front of the masked update.
#[must_use]
pub fn prefix(header: &ContributionHeader) -> Vec<u8> {
    let header = canonical::encode(header);
    // A header is a few KiB at most: an encapsulated key and a registry path.
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &header].concat()
}

/// The header's length, from the upload's first four bytes.
///
/// # Errors
/// [`UploadError::HeaderLength`] if no header is that long.
pub fn header_length(first: [u8; 4]) -> Result<usize, UploadError> {
    match usize::try_from(u32::from_be_bytes(first)) {
        Ok(length @ 1..=HEADER_LIMIT) => Ok(length),
        _ => Err(UploadError::HeaderLength(u32::from_be_bytes(first))),
    }
}

/// Reads the header.
///
/// # Errors
/// [`UploadError::Header`] if the bytes are not one.
pub fn header(bytes: &[u8]) -> Result<ContributionHeader, UploadError> {
    Ok(canonical::decode(bytes)?)
}

/// Why an upload can't be read. The client is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// No header is that long.
    #[error("an upload begins with its header's length, 1 to {HEADER_LIMIT} bytes, not {0}")]
    HeaderLength(u32),
    /// The header is not one.
    #[error("the upload's header: {0}")]
    Header(#[from] DecodeError),
}

/// Longest header: 1120 bytes of encapsulated key, a registry path of 32 hashes, and names.
pub const HEADER_LIMIT: usize = 4096;
