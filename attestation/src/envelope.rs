//! The COSE_Sign1 envelope: decides whether the outermost bytes have the one shape that the
//! hardware sends (checklist 1; RFC 9052, section 4.2).
//!
//! It trusts nothing, and verifies nothing yet: the signature is checked over the very bytes
//! read here, so both headers are compared as bytes and not by meaning.

use minicbor::encode::Encoder;

use crate::cbor::{CborError, CborType, Reader};

/// The parts of the envelope, borrowed from the input.
pub(crate) struct Envelope<'b> {
    pub(crate) payload: &'b [u8],
    pub(crate) signature: &'b [u8],
}

impl<'b> Envelope<'b> {
    pub(crate) fn parse(bytes: &'b [u8]) -> Result<Self, BadEnvelope> {
        use EnvelopePart::{Outer, Payload, Protected, Signature, Unprotected};
        if bytes.is_empty() {
            return Err(BadEnvelope::Empty);
        }
        let mut reader = Reader::new(bytes);
        // 1: untagged, as seen on hardware, or the one tag that RFC 9052 gives it.
        if reader.next_type().map_err(within(Outer))? == CborType::Tag {
            let found = reader.tag().map_err(within(Outer))?;
            if found != COSE_SIGN1_TAG {
                return Err(BadEnvelope::Tag { found });
            }
        }
        // 1: array(4). A second tag fails here, as it is no array.
        let found = reader.array().map_err(within(Outer))?;
        if found != 4 {
            return Err(BadEnvelope::ArrayLength { found });
        }
        // 1: the protected header, byte for byte.
        if reader.bytes().map_err(within(Protected))? != PROTECTED {
            return Err(BadEnvelope::ProtectedHeader);
        }
        // 1: the unprotected header is the empty map.
        let found = reader.definite_map().map_err(within(Unprotected))?;
        if found != 0 {
            return Err(BadEnvelope::UnprotectedHeader { found });
        }
        // 1: the payload's size.
        let payload = reader.bytes().map_err(within(Payload))?;
        if payload.is_empty() || payload.len() > MAX_PAYLOAD {
            return Err(BadEnvelope::PayloadLength {
                found: payload.len(),
            });
        }
        // 1: the signature is r || s, never DER.
        let signature = reader.bytes().map_err(within(Signature))?;
        if signature.len() != SIGNATURE_LENGTH {
            return Err(BadEnvelope::SignatureLength {
                found: signature.len(),
            });
        }
        // 1: the whole input is consumed.
        match reader.remaining() {
            0 => Ok(Self { payload, signature }),
            count => Err(BadEnvelope::TrailingBytes { count }),
        }
    }
}

/// The bytes that the signature is over: RFC 9052's Sig_structure, with no external data.
///
/// `None` only if they can't be written, which a vector never causes.
pub(crate) fn sig_structure(payload: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .array(4)
        .and_then(|e| e.str("Signature1"))
        // The protected bytes as received: parsing has compared them with this constant.
        .and_then(|e| e.bytes(PROTECTED))
        .and_then(|e| e.bytes(&[]))
        .and_then(|e| e.bytes(payload))
        .ok()?;
    Some(encoder.into_writer())
}

/// Why the envelope was refused. The sender is at fault; ask for another document.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvelope {
    /// There is not one byte.
    #[error("the document is empty; expected a COSE_Sign1 array")]
    Empty,
    /// A part is not the CBOR that is due there.
    #[error("in the envelope's {part}: {error}")]
    Cbor {
        /// Which part.
        part: EnvelopePart,
        /// What is wrong with it; offsets count from the document's first byte.
        error: CborError,
    },
    /// A tag other than COSE_Sign1's.
    #[error("the document carries CBOR tag {found}; expected none, or 18 (COSE_Sign1)")]
    Tag {
        /// The tag's number.
        found: u64,
    },
    /// The outer array does not have four items.
    #[error("the envelope is an array of {found} items; expected 4")]
    ArrayLength {
        /// Its number of items.
        found: u64,
    },
    /// The protected header is not exactly `{1: -35}`, ES384.
    #[error("the protected header is not a1013822 (algorithm ES384 and nothing else)")]
    ProtectedHeader,
    /// The unprotected header has entries.
    #[error("the unprotected header has {found} entries; expected none")]
    UnprotectedHeader {
        /// Its number of entries.
        found: u64,
    },
    /// The payload is empty or too large.
    #[error("the payload has {found} bytes; expected 1 to {MAX_PAYLOAD}")]
    PayloadLength {
        /// Its size in bytes.
        found: usize,
    },
    /// The signature does not have the size of two P-384 scalars.
    #[error("the signature has {found} bytes; expected {SIGNATURE_LENGTH} (r and s of P-384)")]
    SignatureLength {
        /// Its size in bytes.
        found: usize,
    },
    /// Something follows the envelope.
    #[error("{count} bytes follow the document; expected none")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl BadEnvelope {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Empty => "envelope-empty",
            Self::Cbor { part, error } => match (part, error) {
                (EnvelopePart::Unprotected, CborError::WrongType { .. }) => "envelope-unprotected",
                (_, CborError::Truncated { .. }) => "envelope-truncated",
                (_, CborError::WrongType { .. }) => "envelope-wrong-type",
                (_, CborError::Indefinite { .. }) => "envelope-indefinite",
                (_, CborError::NotMinimal { .. }) => "envelope-not-minimal",
                (_, CborError::NotUtf8 { .. }) => "envelope-not-utf8",
            },
            Self::Tag { .. } => "envelope-tag",
            Self::ArrayLength { .. } => "envelope-array-length",
            Self::ProtectedHeader => "envelope-protected",
            Self::UnprotectedHeader { .. } => "envelope-unprotected",
            Self::PayloadLength { .. } => "envelope-payload-length",
            Self::SignatureLength { .. } => "envelope-signature-length",
            Self::TrailingBytes { .. } => "envelope-trailing-bytes",
        }
    }
}

/// A part of the envelope.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopePart {
    /// The tag, if any, and the array around the rest.
    Outer,
    /// The protected header.
    Protected,
    /// The unprotected header.
    Unprotected,
    /// The payload.
    Payload,
    /// The signature.
    Signature,
}

impl core::fmt::Display for EnvelopePart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Outer => "outer array",
            Self::Protected => "protected header",
            Self::Unprotected => "unprotected header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

fn within(part: EnvelopePart) -> impl Fn(CborError) -> BadEnvelope {
    move |error| BadEnvelope::Cbor { part, error }
}

/// RFC 9052, section 2: the CBOR tag of COSE_Sign1.
const COSE_SIGN1_TAG: u64 = 18;

/// `{1: -35}`: the algorithm is ES384 (RFC 9053, section 2.1). Every document seen has these bytes.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// AWS's specification: content of 1 to 16384 bytes.
const MAX_PAYLOAD: usize = 16384;

/// Two scalars of 48 bytes (RFC 9053, section 2.1).
const SIGNATURE_LENGTH: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_part_and_the_byte() {
        for (document, part, offset) in [
            (&[0x00][..], "outer array", 0),
            (&[0x84, 0x00], "protected header", 1),
            (
                &[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0x00],
                "unprotected header",
                6,
            ),
            (
                &[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x00],
                "payload",
                7,
            ),
            (
                &[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x41, 0x00, 0x00],
                "signature",
                9,
            ),
        ] {
            let refused = Envelope::parse(document).err().unwrap().to_string();
            let expected = format!("in the envelope's {part}: ");
            assert!(refused.starts_with(&expected), "{refused}");
            assert!(
                refused.contains(&format!(" at byte {offset}, ")),
                "{refused}"
            );
        }
    }
}
