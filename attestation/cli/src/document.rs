//! DOC on the command line: an attestation document, as whatever it was passed on.
//!
//! Raw, base64 or hexadecimal; or a round's evidence or offer, which hold a document beside what it
//! vouches for. Nothing is believed here: it is only unwrapped.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sealsum_protocol::{NoncePath, RoundBinding, RoundEvidence, RoundOffer, canonical};

use crate::failure::Failure;
use crate::file;

/// What DOC holds.
pub(crate) struct Document {
    /// The document as the NSM signed it.
    pub(crate) bytes: Vec<u8>,
    /// What it should vouch for, if that came with it.
    pub(crate) binding: Option<RoundBinding>,
    /// How a client's nonce leads to the document's, if that came with it.
    pub(crate) nonce_path: Option<NoncePath>,
}

impl Document {
    /// Reads DOC: a file, or `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = file::read(path, file::TEXT_LIMIT)?;
        // What a server answers in place of a document, most often.
        if bytes.trim_ascii_start().starts_with(b"{") {
            let detail = "is JSON; expected an attestation document, raw, base64 or hexadecimal";
            return Err(Failure::content("document", path, &detail));
        }
        Ok(Self::unwrap(bytes))
    }

    /// Takes away what is wrapped around the document. Bytes that are nothing known are left as
    /// they are, for the verifier to refuse.
    pub(crate) fn unwrap(bytes: Vec<u8>) -> Self {
        let bytes = from_text(&bytes).unwrap_or(bytes);
        if let Ok(evidence) = canonical::decode::<RoundEvidence>(&bytes) {
            return Self {
                bytes: evidence.evidence.into_vec(),
                binding: Some(evidence.binding),
                nonce_path: None,
            };
        }
        if let Ok(offer) = canonical::decode::<RoundOffer>(&bytes) {
            return Self {
                bytes: offer.evidence.into_vec(),
                binding: Some(offer.binding),
                nonce_path: Some(offer.nonce_path),
            };
        }
        Self {
            bytes,
            binding: None,
            nonce_path: None,
        }
    }
}

/// The bytes that a text stands for. Hexadecimal is tried first: a document begins with 84 or d2,
/// which is no beginning of one in base64.
fn from_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    hex::decode(&text)
        .ok()
        .or_else(|| GeneralPurpose::new(&STANDARD, lenient).decode(&text).ok())
        .or_else(|| GeneralPurpose::new(&URL_SAFE, lenient).decode(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_the_same_document() {
        let bytes = vec![0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xfb, 0xff];
        for text in [
            "8444a1013822fbff",
            "8444A101\n3822fbff\n",
            "hEShATgi+/8=",
            "hEShATgi+/8",
            "hESh\nATgi-_8=\n",
        ] {
            assert_eq!(Document::unwrap(text.into()).bytes, bytes, "{text}");
        }
        assert_eq!(Document::unwrap(bytes.clone()).bytes, bytes);
    }

    #[test]
    fn what_is_no_text_of_a_document_is_left_as_it_is() {
        for bytes in [&b""[..], b"not a document!", b"\x84\x00", b"123"] {
            let unwrapped = Document::unwrap(bytes.to_vec()).bytes;
            if bytes != b"123" {
                assert_eq!(unwrapped, bytes);
            }
        }
    }
}
