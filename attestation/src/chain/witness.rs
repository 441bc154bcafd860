//! Which signature of a path did not verify (checklist 4): webpki says only that one is wrong, and
//! to try them all again would cost as much once more.
//!
//! It decides nothing: each answer is the algorithm's own.

use std::sync::OnceLock;

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// A signature algorithm that keeps the first message whose signature it refused.
#[derive(Debug)]
pub(super) struct Witness<'a> {
    algorithm: &'a dyn SignatureVerificationAlgorithm,
    refused: OnceLock<Vec<u8>>,
}

impl<'a> Witness<'a> {
    pub(super) fn of(algorithm: &'a dyn SignatureVerificationAlgorithm) -> Self {
        Self {
            algorithm,
            refused: OnceLock::new(),
        }
    }

    pub(super) fn refused(&self) -> Option<&[u8]> {
        self.refused.get().map(Vec::as_slice)
    }
}

impl SignatureVerificationAlgorithm for Witness<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.algorithm
            .verify_signature(public_key, message, signature)
            .inspect_err(|_| {
                self.refused.get_or_init(|| message.to_vec());
            })
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}
