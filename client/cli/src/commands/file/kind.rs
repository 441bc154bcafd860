//! What a file is, for whoever gave another than was asked for.

use std::path::Path;

use sealsum_protocol::{
    AbortReceipt, Acceptance, Receipt, RegistryGrant, RoundEvidence, Signed, canonical,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// What a command reads, and where it comes from.
pub(crate) struct Expected {
    what: &'static str,
    source: &'static str,
}

impl Expected {
    pub(crate) const RECEIPT: Self = Self {
        what: "a receipt",
        source: "`sealsum collect --receipt FILE` saves one",
    };
    pub(crate) const EVIDENCE: Self = Self {
        what: "a round's evidence",
        source: "`sealsum collect --evidence FILE` or `sealsum round evidence` saves it",
    };
    pub(crate) const GRANT: Self = Self {
        what: "a registry's grant",
        source: "`sealsum registry grant` makes one",
    };
    pub(crate) const AGGREGATE: Self = Self {
        what: "an aggregate as released, in packed blocks",
        source: "`sealsum collect --aggregate FILE` saves one",
    };

    /// The file is something else.
    pub(crate) fn but_found(&self, path: &Path, bytes: &[u8]) -> Failure {
        let found = kind_of(bytes).map_or_else(
            || format!("{} bytes of something else", bytes.len()),
            str::to_owned,
        );
        let detail = format!(
            "{}: expected {}, found {found}; {}",
            path.display(),
            self.what,
            self.source
        );
        Failure::configuration("file_type", &detail)
    }
}

/// What bytes are, if they are anything that these programs write or read.
pub(crate) fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&str, Test); 10] = [
        ("an empty file", <[u8]>::is_empty),
        ("a .npy array", |bytes| bytes.starts_with(b"\x93NUMPY")),
        ("a .npz file, or another zip archive", |bytes| {
            bytes.starts_with(b"PK\x03\x04")
        }),
        ("a receipt", is::<Signed<Receipt>>),
        ("a round's evidence", is::<RoundEvidence>),
        ("an abort receipt", is::<Signed<AbortReceipt>>),
        ("an acceptance", is::<Signed<Acceptance>>),
        ("a registry's grant", is::<RegistryGrant>),
        ("a .safetensors file", is_safetensors),
        ("a text file", |bytes| {
            core::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
        }),
    ];
    kinds
        .iter()
        .find(|(_, fits)| fits(bytes))
        .map(|(kind, _)| *kind)
}

type Test = fn(&[u8]) -> bool;

/// By length and beginning of its header: packed blocks may have any byte anywhere.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.split_first_chunk().is_some_and(|(length, rest)| {
        u64::from_le_bytes(*length) <= rest.len() as u64 && rest.starts_with(b"{\"")
    })
}

fn is<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    canonical::decode::<T>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealsum_protocol::{ReceiptSigner, RoundId};

    #[test]
    fn a_file_is_named_for_what_it_is() {
        let receipt = ReceiptSigner::from_secret(&[1; 32]).sign(AbortReceipt {
            round_id: RoundId::new([2; 32]),
            discarded: 3,
        });
        let receipt = canonical::encode(&receipt);
        let cases: [(&[u8], _); 7] = [
            (b"", Some("an empty file")),
            (b"\x93NUMPY\x01\x00", Some("a .npy array")),
            (&receipt, Some("an abort receipt")),
            (b"\x02\0\0\0\0\0\0\0{\"", Some("a .safetensors file")),
            (b"tasks = []\n", Some("a text file")),
            (b"\xff\0\0\0\0\0\0\0{\"\xff", None),
            (&[0xff; 40], None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(kind_of(bytes), kind);
        }
        let failure = Expected::RECEIPT.but_found(Path::new("x.cbor"), &receipt);
        assert_eq!((failure.exit, failure.code.as_str()), (2, "file_type"));
        let words = "x.cbor: expected a receipt, found an abort receipt; `sealsum collect";
        assert!(failure.detail.starts_with(words), "{}", failure.detail);
    }
}
