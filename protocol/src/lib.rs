//! What all parties of a round must agree on: ids, parameters, the ring, masks,
//! sealing, Merkle trees, messages and receipts.
//!
//! Nothing here does IO, reads a clock or draws randomness by itself; time and
//! randomness are arguments. `docs/PROTOCOL.md` is the same content for people
//! who write another implementation.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

pub mod binding;
pub mod block;
pub mod canonical;
pub mod cohort;
pub mod commitment;
pub mod contribution;
pub mod encapsulation;
pub mod fixed;
pub mod frame;
pub mod ids;
pub mod kem;
pub mod label;
pub mod mask;
pub mod merkle;
pub mod messages;
pub mod nonce;
pub mod offer;
pub mod pack;
pub mod params;
pub mod plan;
pub mod receipt;
pub mod refusal;
pub mod registry;
pub mod ring;
pub mod schema;
pub mod seal;
pub mod secret;
pub mod signature;
pub mod time;
pub mod upload;

pub use binding::RoundBinding;
pub use block::{BLOCK_ELEMENTS, BlockLayout};
pub use canonical::DecodeError;
pub use cohort::{Cohort, CohortProof, CohortTree, Membership};
pub use commitment::{BlockTree, Commitment, CommitmentBuilder};
pub use contribution::{ContributionHeader, Credential, CredentialError, MaskedUpdate};
pub use encapsulation::{Encapsulation, OpenError, SealError};
pub use fixed::{EncodeError, Encoding, Number};
pub use ids::{
    AuthorityKey, ClientId, ClientNonce, Digest, OpeningId, OperatorKey, ReceiptKey, RoundId,
    TaskName,
};
pub use kem::{KemPrivateKey, KemPublicKey, KemSuite};
pub use mask::{Mask, MaskSeed};
pub use messages::{Command, Reply};
pub use nonce::NoncePath;
pub use offer::{RoundEvidence, RoundOffer};
pub use params::{
    Admission, AggregationRule, FLOOR, Intake, Noise, RoundParams, RoundTerms, Rounding,
    SignedRoundParams,
};
pub use plan::PlanError;
pub use receipt::{AbortReceipt, Acceptance, Receipt};
pub use refusal::Refusal;
pub use registry::{Registry, RegistryGrant, UpperNodes};
pub use ring::{RingBits, RingVector};
pub use schema::{Dtype, Schema, TensorSpec};
pub use seal::{Sealed, seal};
pub use signature::{
    AuthoritySigner, ClientSigner, OperatorSigner, ReceiptSigner, Signature, SignatureError,
    Signed, Statement,
};
pub use time::UnixMillis;

/// The protocol's version, part of everything that is signed or digested.
pub const VERSION: u16 = 1;

/// The random source that sealing takes, re-exported so that callers need no
/// version of their own.
pub use hpke::rand_core::CryptoRng;
