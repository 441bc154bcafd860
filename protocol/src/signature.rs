//! Signatures: Ed25519, each under its own label (I17).
//!
//! A statement about a round is signed with the round's id in front, so that
//! nothing signed for one round means anything in another. Verification is strict
//! (no small-order keys, no malleable signatures).

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{AuthorityKey, ClientId, OperatorKey, ReceiptKey, fixed_bytes, write_hex};
use crate::label::Label;
use crate::{RoundId, canonical};

/// An Ed25519 signature: 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps 64 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fixed_bytes(deserializer).map(Self)
    }
}

/// Something that is signed about one round.
pub trait Statement: Serialize {
    /// Its own label.
    const LABEL: Label;

    /// The round that it is about.
    fn round_id(&self) -> RoundId;
}

/// A statement and its signature. Its content is reached by verifying it, or by
/// saying that one has not:
///
/// ```
/// use sealsum_protocol::{Receipt, ReceiptKey, RoundId, SignatureError, Signed};
/// fn size(receipt: &Signed<Receipt>, key: &ReceiptKey, round: &RoundId) -> Result<u32, SignatureError> {
///     Ok(receipt.verify(key, round)?.cohort_size)
/// }
/// ```
/// ```compile_fail,E0616
/// use sealsum_protocol::{Receipt, Signed};
/// fn size(receipt: &Signed<Receipt>) -> u32 {
///     receipt.statement.cohort_size
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    statement: T,
    signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// A statement and a signature that came apart. Whether they belong together is for whoever
    /// verifies it to find.
    #[must_use]
    pub const fn from_parts(statement: T, signature: Signature) -> Self {
        Self {
            statement,
            signature,
        }
    }

    /// The signature, for those who have the statement from elsewhere.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        self.signature
    }

    /// Checks the signature by the round's receipt key and that the statement is
    /// about that round.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, key: &ReceiptKey, round_id: &RoundId) -> Result<&T, SignatureError> {
        if self.statement.round_id() != *round_id {
            return Err(SignatureError::OtherRound);
        }
        let message = message(T::LABEL, Some(round_id), &self.statement);
        verify(key.as_bytes(), &message, &self.signature)?;
        Ok(&self.statement)
    }

    /// The content before verification, for those who only relay or display it.
    #[must_use]
    pub const fn unverified(&self) -> &T {
        &self.statement
    }
}

macro_rules! verifies {
    ($key:ident) => {
        impl $key {
            pub(crate) fn verify<T: Serialize>(
                &self,
                label: Label,
                value: &T,
                signature: &Signature,
            ) -> Result<(), SignatureError> {
                verify(self.as_bytes(), &message(label, None, value), signature)
            }
        }
    };
}
verifies!(OperatorKey);
verifies!(AuthorityKey);

/// The operator's private key: signs parameters. No `Debug`, `Clone` or serde; zeroized on
/// drop (I10), as are those below.
pub struct OperatorSigner(SigningKey);

/// A registry authority's private key: signs grants.
pub struct AuthoritySigner(SigningKey);

/// A round's private receipt key: signs statements about the round. Boxed, so that moving
/// it from state to state leaves no copy behind.
pub struct ReceiptSigner(Box<SigningKey>);

/// A client's private key: signs its own contributions.
pub struct ClientSigner(SigningKey);

crate::secret!(OperatorSigner, AuthoritySigner, ReceiptSigner, ClientSigner);

macro_rules! signer {
    ($name:ident for $key:ident) => {
        impl $name {
            /// From 32 secret bytes.
            #[must_use]
            pub fn from_secret(secret: &[u8; 32]) -> Self {
                Self(SigningKey::from_bytes(secret).into())
            }

            /// The public half.
            #[must_use]
            pub fn key(&self) -> $key {
                $key::new(self.0.verifying_key().to_bytes())
            }
        }
    };
}
signer!(OperatorSigner for OperatorKey);
signer!(AuthoritySigner for AuthorityKey);
signer!(ReceiptSigner for ReceiptKey);
signer!(ClientSigner for ClientId);

impl OperatorSigner {
    pub(crate) fn sign<T: Serialize>(&self, label: Label, value: &T) -> Signature {
        Signature(self.0.sign(&message(label, None, value)).to_bytes())
    }
}

impl AuthoritySigner {
    pub(crate) fn sign<T: Serialize>(&self, label: Label, value: &T) -> Signature {
        Signature(self.0.sign(&message(label, None, value)).to_bytes())
    }
}

impl ReceiptSigner {
    /// Signs a statement.
    #[must_use]
    pub fn sign<T: Statement>(&self, statement: T) -> Signed<T> {
        Signed {
            signature: sign_statement(&self.0, &statement),
            statement,
        }
    }
}

impl ClientSigner {
    pub(crate) fn sign<T: Statement>(&self, statement: &T) -> Signature {
        sign_statement(&self.0, statement)
    }
}

impl ClientId {
    pub(crate) fn verify<T: Statement>(
        &self,
        statement: &T,
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let message = message(T::LABEL, Some(&statement.round_id()), statement);
        verify(self.as_bytes(), &message, signature)
    }
}

fn sign_statement<T: Statement>(key: &SigningKey, statement: &T) -> Signature {
    let message = message(T::LABEL, Some(&statement.round_id()), statement);
    Signature(key.sign(&message).to_bytes())
}

/// label (with its length), RoundId where there is one, canonical statement.
fn message<T: Serialize>(label: Label, round_id: Option<&RoundId>, value: &T) -> Vec<u8> {
    let mut message = label.prefixed();
    if let Some(round_id) = round_id {
        message.extend_from_slice(round_id.as_bytes());
    }
    message.extend_from_slice(&canonical::encode(value));
    message
}

fn verify(key: &[u8; 32], message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
    VerifyingKey::from_bytes(key)
        .and_then(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0))
        })
        .map_err(|_| SignatureError::Invalid)
}

/// Why a signature does not count. Whoever passed it on is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Not made by that key over that content.
    #[error("the signature was not made by the expected key over this content")]
    Invalid,
    /// About another round.
    #[error("the statement is about another round")]
    OtherRound,
    /// The signer is not the one that the content names.
    #[error("the content names another key than the one that is to sign it")]
    OtherKey,
}
