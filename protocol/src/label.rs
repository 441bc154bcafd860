//! Every label that separates one digest, signature or derived key from another (I17).
//!
//! Two uses never share a label, so a value made for one purpose is worthless
//! for another. This file is the complete list of the protocol's; a publisher's endorsement,
//! which no round knows, has its label beside its code, tested against these.

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// A domain-separation label: ASCII, at most 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// The label's bytes with their length in front.
    pub(crate) fn prefixed(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_add(1));
        bytes.push(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.0.as_bytes());
        bytes
    }

    /// The label as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// SHA-256 over the label and each part, every one with its length in
    /// front, so that no two lists of parts have the same input.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        hash.update(self.prefixed());
        for part in parts {
            hash.update(length(part).to_le_bytes());
            hash.update(part);
        }
        Digest::new(hash.finalize().into())
    }
}

/// `u64` holds every `usize` of the platforms that we build for.
fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// RoundId over the canonical binding.
pub const ROUND_BINDING: Label = Label("sealsum/v1/round-binding");
/// The operator's signature over the parameters.
pub const ROUND_PARAMS: Label = Label("sealsum/v1/round-params");
/// HPKE `info`, followed by the RoundId.
pub const HPKE_INFO: Label = Label("sealsum/v1/hpke-info");
/// HPKE associated data, followed by client id and commitment.
pub const HPKE_AAD: Label = Label("sealsum/v1/hpke-aad");
/// HPKE exporter context of the mask seed, followed by the client id.
pub const MASK_SEED: Label = Label("sealsum/v1/mask-seed");
/// Digest of a whole contribution.
pub const CONTRIBUTION: Label = Label("sealsum/v1/contribution");
/// Digest of an encapsulated key, by which an enclave knows one that it has seen.
pub const ENCAPSULATED_KEY: Label = Label("sealsum/v1/encapsulated-key");
/// A client's signature over its contribution, under registry admission.
pub const CREDENTIAL: Label = Label("sealsum/v1/credential");
/// Merkle tree over the blocks of one masked update.
pub const COMMITMENT_TREE: Label = Label("sealsum/v1/tree/commitment");
/// Merkle tree over the blocks of the summed masked updates.
pub const SUM_TREE: Label = Label("sealsum/v1/tree/sum");
/// Merkle tree over the blocks of the aggregate.
pub const AGGREGATE_TREE: Label = Label("sealsum/v1/tree/aggregate");
/// Merkle tree over the cohort.
pub const COHORT_TREE: Label = Label("sealsum/v1/tree/cohort");
/// Merkle tree over client nonces.
pub const NONCE_TREE: Label = Label("sealsum/v1/tree/nonce");
/// Merkle tree over the admitted keys of a registry.
pub const REGISTRY_TREE: Label = Label("sealsum/v1/tree/registry");
/// An authority's signature over a registry, for a task and an epoch.
pub const REGISTRY_GRANT: Label = Label("sealsum/v1/registry-grant");
/// The enclave's signature over an acceptance.
pub const ACCEPTANCE: Label = Label("sealsum/v1/acceptance");
/// The enclave's signature over a receipt.
pub const RECEIPT: Label = Label("sealsum/v1/receipt");
/// Digest of a receipt, for the next round's parameters.
pub const RECEIPT_DIGEST: Label = Label("sealsum/v1/receipt-digest");
/// The enclave's signature over an abort receipt.
pub const ABORT_RECEIPT: Label = Label("sealsum/v1/abort-receipt");
/// Digest of an update's layout.
pub const SCHEMA: Label = Label("sealsum/v1/schema");
/// Digest of the base model that an update is relative to.
pub const BASE_MODEL: Label = Label("sealsum/v1/base-model");
/// Digest that stands for the base model in a query without one.
pub const QUERY: Label = Label("sealsum/v1/query");
/// Derivation of the round's KEM key from the enclave's entropy.
pub const KEM_IKM: Label = Label("sealsum/v1/kem-ikm");

/// All labels, for the test that no two are equal.
pub const ALL: &[Label] = &[
    ROUND_BINDING,
    ROUND_PARAMS,
    HPKE_INFO,
    HPKE_AAD,
    MASK_SEED,
    CONTRIBUTION,
    ENCAPSULATED_KEY,
    CREDENTIAL,
    COMMITMENT_TREE,
    SUM_TREE,
    AGGREGATE_TREE,
    COHORT_TREE,
    NONCE_TREE,
    REGISTRY_TREE,
    REGISTRY_GRANT,
    ACCEPTANCE,
    RECEIPT,
    RECEIPT_DIGEST,
    ABORT_RECEIPT,
    SCHEMA,
    BASE_MODEL,
    QUERY,
    KEM_IKM,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_uses_share_a_label() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.as_str().is_ascii() && a.as_str().len() <= 255);
            assert!(
                ALL.iter().skip(i + 1).all(|b| a != b),
                "{} twice",
                a.as_str()
            );
        }
    }

    #[test]
    fn moving_a_byte_between_parts_changes_the_digest() {
        assert_ne!(SCHEMA.digest(&[b"ab", b"c"]), SCHEMA.digest(&[b"a", b"bc"]));
        assert_ne!(SCHEMA.digest(&[b"ab"]), SCHEMA.digest(&[b"ab", b""]));
    }
}
