//! The key encapsulation that clients reach the enclave's round key by (HPKE, RFC 9180).
//!
//! X-Wing (X25519 with ML-KEM-768) is the default: masked updates lie on a disk
//! that nobody trusts, so they must stay sealed against later quantum computers.

use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use serde::{Deserialize, Serialize};

use crate::label;

/// Which key encapsulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KemSuite {
    /// X25519 with ML-KEM-768, HKDF-SHA256, ChaCha20-Poly1305.
    #[serde(rename = "x-wing")]
    XWing,
    /// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
    #[serde(rename = "x25519")]
    X25519,
}

impl KemSuite {
    /// Bytes of a public key: 1216 or 32.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::XWing => 1216,
            Self::X25519 => 32,
        }
    }

    /// Bytes of an encapsulated key: 1120 or 32.
    #[must_use]
    pub const fn encapsulated_key_bytes(self) -> usize {
        match self {
            Self::XWing => 1120,
            Self::X25519 => 32,
        }
    }
}

impl core::fmt::Display for KemSuite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::XWing => "x-wing",
            Self::X25519 => "x25519",
        })
    }
}

pub(crate) type XWingKem = XWing;
pub(crate) type X25519Kem = X25519HkdfSha256;

/// A round's private key. No `Debug`, `Clone` or serde; the libraries zeroize it on drop (I10).
pub enum KemPrivateKey {
    /// X-Wing's 32-byte seed.
    XWing(Box<<XWing as hpke::Kem>::PrivateKey>),
    /// X25519's scalar.
    X25519(Box<<X25519HkdfSha256 as hpke::Kem>::PrivateKey>),
}
crate::secret!(KemPrivateKey);

/// A round's public key that has the right form.
pub enum KemPublicKey {
    /// 1216 bytes.
    XWing(Box<<XWing as hpke::Kem>::PublicKey>),
    /// 32 bytes.
    X25519(<X25519HkdfSha256 as hpke::Kem>::PublicKey),
}

impl KemPrivateKey {
    /// Derives the round's key pair from 32 bytes of entropy (RFC 9180 §7.1.3 and
    /// its X-Wing counterpart). Returns the public key's bytes.
    #[must_use]
    pub fn derive(suite: KemSuite, entropy: &[u8; 32]) -> (Self, Vec<u8>) {
        let mut ikm = zeroize::Zeroizing::new(label::KEM_IKM.prefixed());
        ikm.extend_from_slice(entropy);
        match suite {
            KemSuite::XWing => {
                let (private, public) = XWing::derive_keypair(&ikm);
                (Self::XWing(Box::new(private)), public.to_bytes().to_vec())
            }
            KemSuite::X25519 => {
                let (private, public) = X25519HkdfSha256::derive_keypair(&ikm);
                (Self::X25519(Box::new(private)), public.to_bytes().to_vec())
            }
        }
    }
}

impl KemPublicKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`KemKeyError`] if the bytes are not a key of that suite.
    pub fn parse(suite: KemSuite, bytes: &[u8]) -> Result<Self, KemKeyError> {
        let refused = |_| KemKeyError {
            suite,
            bytes: bytes.len(),
        };
        match suite {
            KemSuite::XWing => <XWing as hpke::Kem>::PublicKey::from_bytes(bytes)
                .map(|key| Self::XWing(Box::new(key)))
                .map_err(refused),
            KemSuite::X25519 => <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(bytes)
                .map(Self::X25519)
                .map_err(refused),
        }
    }
}

/// Bytes that are not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes that are not a public key of suite {suite}")]
pub struct KemKeyError {
    /// The suite.
    pub suite: KemSuite,
    /// How many bytes were given.
    pub bytes: usize,
}
