//! Why evidence was refused: one value per reason, with a stable code for machines and a message
//! for people that says what was expected, what was found, and what to do.
//!
//! A rejection holds public values only, and may be logged.

use core::fmt;

use sealsum_protocol::{RoundId, UnixMillis};

use crate::chain::BadChain;
use crate::endorsement::BadEndorsement;
use crate::envelope::BadEnvelope;
use crate::payload::BadPayload;
use crate::pcr::{Pcr, PcrIndex};
use crate::root::RootFingerprint;
use crate::time::Instant;

/// Evidence refused. Nothing may be sealed for whoever sent it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not the envelope of an attestation document (checklist 1).
    #[error("not an attestation document: {0}")]
    Envelope(BadEnvelope),
    /// Not the payload of an attestation document (checklist 2, 3).
    #[error("not an attestation document: {0}")]
    Payload(BadPayload),
    /// The certificates do not lead to the pinned root (checklist 4).
    #[error("the certificate chain is refused: {0}")]
    Chain(BadChain),
    /// The document was not signed by its leaf certificate (checklist 5).
    #[error(
        "the document's signature does not verify under its leaf certificate: it was altered or \
         forged; ask for another one"
    )]
    Signature,
    /// The document was authenticated at one time and appraised at another. The caller is at fault.
    #[error(
        "the document was authenticated at {authenticated_at}, but appraised at {now}: pass the same time to both"
    )]
    AnotherTime {
        /// The time given to `authenticate`.
        authenticated_at: UnixMillis,
        /// The time given to `appraise`.
        now: UnixMillis,
    },
    /// The document was authenticated under one root and appraised by a policy with another. The
    /// caller is at fault.
    #[error(
        "the document was authenticated under root {authenticated}, but the policy pins {pinned}: pass the same policy to both"
    )]
    AnotherRoot {
        /// The root given to `authenticate`.
        authenticated: RootFingerprint,
        /// The policy's root.
        pinned: RootFingerprint,
    },
    /// The enclave runs in debug mode: its host can read all it holds (checklist 6).
    #[error(
        "{register} is all zero: the enclave runs in debug mode, and its host can read its memory; \
         it must be started without debug mode"
    )]
    DebugMode {
        /// The first zero register of PCR0, 1 and 2.
        register: PcrIndex,
    },
    /// A production enclave under a policy that calls AWS's debug enclaves a mock.
    #[error(
        "the enclave is a production one under AWS's root, and the policy says mock = true: judge \
         it by a policy without mock and allow_debug"
    )]
    ProductionUnderMock,
    /// A register is not that of an accepted image (checklist 7).
    #[error(
        "the enclave runs another image: {index} is {found}, closest is {label:?} with {expected}; \
         if the image was upgraded, add its measurement to the policy after checking it"
    )]
    WrongPcr {
        /// The closest accepted image.
        label: String,
        /// Its first register that differs.
        index: PcrIndex,
        /// The policy's value.
        expected: Box<Pcr>,
        /// The document's value.
        found: Box<Pcr>,
    },
    /// A register that the policy expects is not in the document (checklist 7).
    #[error("the document does not report {index}, which {label:?} expects to be {expected}")]
    MissingPcr {
        /// The closest accepted image.
        label: String,
        /// The register.
        index: PcrIndex,
        /// The policy's value.
        expected: Box<Pcr>,
    },
    /// The image's endorsement does not count (checklist 7).
    #[error("{0}")]
    Endorsement(BadEndorsement),
    /// The policy pins no image itself, and no endorsement was given (checklist 7).
    #[error(
        "the policy accepts images by their publisher's endorsement, and none was given: get it from the publisher"
    )]
    NotEndorsed,
    /// The offered path leads nowhere (checklist 8).
    #[error(
        "the nonce path has {length} steps for place {index} of {size}, which leads to no nonce; \
         ask for another offer"
    )]
    NoncePath {
        /// The client's place, from 0.
        index: u64,
        /// How many clients the document serves.
        size: u64,
        /// The path's length.
        length: usize,
    },
    /// The document has no nonce (checklist 8).
    #[error("the document carries no nonce, so it may be a replay; expected {}", Excerpt(.expected))]
    NoNonce {
        /// What the client's nonce leads to.
        expected: Vec<u8>,
    },
    /// The document's nonce is not the one that the client's leads to (checklist 8).
    #[error(
        "the document answers another challenge: its nonce is {}, expected {}; it is a replay, or \
         the nonce path is another client's",
        Excerpt(.found),
        Excerpt(.expected)
    )]
    WrongNonce {
        /// What the client's nonce leads to.
        expected: Vec<u8>,
        /// What the document carries.
        found: Vec<u8>,
    },
    /// The document is older than the policy allows (checklist 8).
    #[error(
        "the document was signed at {} and is {} s old at {}; the policy allows {} s: ask for fresh \
         evidence, or check this machine's clock",
        Instant::from_millis(*.signed_at),
        seconds(.now.since(*.signed_at)),
        Instant::from_millis(*.now),
        seconds(*.max_age_ms)
    )]
    TooOld {
        /// The document's timestamp.
        signed_at: UnixMillis,
        /// The time of judgement.
        now: UnixMillis,
        /// The policy's limit, in ms.
        max_age_ms: u64,
    },
    /// The document is from the future, beyond the policy's clock skew (checklist 8).
    #[error(
        "the document was signed at {}, {} s after the local time {}; the policy allows {} s: check \
         this machine's clock",
        Instant::from_millis(*.signed_at),
        seconds(.signed_at.since(*.now)),
        Instant::from_millis(*.now),
        seconds(*.clock_skew_ms)
    )]
    FromTheFuture {
        /// The document's timestamp.
        signed_at: UnixMillis,
        /// The time of judgement.
        now: UnixMillis,
        /// The policy's limit, in ms.
        clock_skew_ms: u64,
    },
    /// The binding is of another version of the protocol (checklist 9).
    #[error(
        "the offered round speaks version {found} of the protocol; this client speaks {expected}"
    )]
    ProtocolVersion {
        /// This build's version.
        expected: u16,
        /// The binding's version.
        found: u16,
    },
    /// The document binds no round (checklist 9).
    #[error(
        "the document's user_data is null, so it vouches for no round; expected the round's id {expected}"
    )]
    NoBinding {
        /// The id recomputed from the offered binding.
        expected: RoundId,
    },
    /// The document binds another round, key or set of parameters (checklist 9).
    #[error(
        "the document vouches for another round: its user_data is {}, but the offered parameters and \
         keys make the round's id {expected}; they were exchanged on the way",
        Excerpt(.found)
    )]
    WrongBinding {
        /// The id recomputed from the offered binding.
        expected: RoundId,
        /// What the document carries.
        found: Vec<u8>,
    },
    /// The document vouches for other data (checklist 9).
    #[error(
        "the document vouches for something else: its user_data is {}, expected {}",
        .found.as_deref().map_or("null".to_owned(), |found| Excerpt(found).to_string()),
        Excerpt(.expected)
    )]
    WrongUserData {
        /// What was expected.
        expected: Vec<u8>,
        /// What the document carries; `None` if null.
        found: Option<Vec<u8>>,
    },
}

impl Rejection {
    /// A stable name for machines, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Payload(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::Signature => "document-signature",
            Self::AnotherTime { .. } => "another-time",
            Self::AnotherRoot { .. } => "another-root",
            Self::DebugMode { .. } => "debug-mode",
            Self::ProductionUnderMock => "production-under-mock",
            Self::WrongPcr { .. } => "wrong-pcr",
            Self::MissingPcr { .. } => "missing-pcr",
            Self::Endorsement(error) => error.code(),
            Self::NotEndorsed => "not-endorsed",
            Self::NoncePath { .. } => "nonce-path",
            Self::NoNonce { .. } => "no-nonce",
            Self::WrongNonce { .. } => "wrong-nonce",
            Self::TooOld { .. } => "too-old",
            Self::FromTheFuture { .. } => "from-the-future",
            Self::ProtocolVersion { .. } => "protocol-version",
            Self::NoBinding { .. } => "no-binding",
            Self::WrongBinding { .. } => "wrong-binding",
            Self::WrongUserData { .. } => "wrong-user-data",
        }
    }

    /// The point of the checklist in `docs/ATTESTATION.md` that does not hold, 1 to 9.
    #[must_use]
    pub fn checklist_number(&self) -> u8 {
        match self {
            Self::Envelope(_) => 1,
            Self::Payload(error) => error.checklist_number(),
            Self::Chain(_) | Self::AnotherTime { .. } | Self::AnotherRoot { .. } => 4,
            Self::Signature => 5,
            Self::DebugMode { .. } | Self::ProductionUnderMock => 6,
            Self::WrongPcr { .. }
            | Self::MissingPcr { .. }
            | Self::Endorsement(_)
            | Self::NotEndorsed => 7,
            Self::NoncePath { .. }
            | Self::NoNonce { .. }
            | Self::WrongNonce { .. }
            | Self::TooOld { .. }
            | Self::FromTheFuture { .. } => 8,
            Self::ProtocolVersion { .. }
            | Self::NoBinding { .. }
            | Self::WrongBinding { .. }
            | Self::WrongUserData { .. } => 9,
        }
    }
}

impl From<BadEnvelope> for Rejection {
    fn from(error: BadEnvelope) -> Self {
        Self::Envelope(error)
    }
}

impl From<BadPayload> for Rejection {
    fn from(error: BadPayload) -> Self {
        Self::Payload(error)
    }
}

impl From<BadChain> for Rejection {
    fn from(error: BadChain) -> Self {
        Self::Chain(error)
    }
}

/// The first bytes of a field that a stranger filled, and its length.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(32) {
            write!(f, "{byte:02x}")?;
        }
        match self.0.len() {
            0 => f.write_str("empty"),
            length @ 1..32 => write!(f, " ({length} bytes)"),
            32 => Ok(()),
            length => write!(f, "... ({length} bytes)"),
        }
    }
}

fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1000)
}
