//! The two kinds of P-384 key: one certifies (DER signatures, as X.509 wants),
//! one signs documents (fixed 96 bytes, as COSE wants).
//!
//! Neither can be printed, cloned or compared (I10). `ring` gives no way to
//! erase a key pair; see the crate's first page.

use rcgen::{PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm, SigningKey};
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use zeroize::Zeroizing;

/// Signs certificates.
pub(crate) struct CertifyingKey(EcdsaKeyPair);

impl CertifyingKey {
    /// A fresh key, and its PKCS#8 form for those who must keep it.
    pub(crate) fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), Unspecified> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        let key = Self::from_pkcs8(&pkcs8).ok_or(Unspecified)?;
        Ok((key, pkcs8))
    }

    /// `None` when the bytes are no P-384 key in PKCS#8.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8, &SystemRandom::new())
            .ok()
            .map(Self)
    }
}

impl PublicKeyData for CertifyingKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P384_SHA384
    }
}

impl SigningKey for CertifyingKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|Unspecified| rcgen::Error::RingUnspecified)
    }
}

/// Signs documents.
pub(crate) struct EvidenceKey(EcdsaKeyPair);

impl EvidenceKey {
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, document.as_ref(), &random)
            .map(Self)
            .map_err(|_| Unspecified)
    }

    /// ES384 over `message`: r and s, 48 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        self.0
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
    }
}

impl PublicKeyData for EvidenceKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P384_SHA384
    }
}
