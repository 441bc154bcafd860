//! P-384 keys that are the same each time. They are public, and guard nothing.

use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey};
use sha2::{Digest as _, Sha384};

/// A key pair. It signs deterministically (RFC 6979).
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// The key whose scalar is the SHA-384 of `sealsum forge: ` and `name`.
    ///
    /// # Panics
    /// If that is no scalar of the group, which happens for one name in 2^190.
    pub fn named(name: &str) -> Self {
        let scalar = Sha384::digest(format!("sealsum forge: {name}"));
        Self(SigningKey::from_slice(&scalar).expect("a digest below the group's order"))
    }

    /// The public key: an uncompressed point, 97 bytes.
    pub fn point(&self) -> Vec<u8> {
        self.0
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec()
    }

    /// ES384: r and s, 48 bytes each.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().to_vec()
    }

    /// ecdsa-with-SHA384, DER.
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}
