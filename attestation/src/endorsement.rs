//! Endorsements: a publisher's signed word that an image is one of its releases.
//!
//! An endorsement is worth what the policy makes of its publisher (checklist 7): it vouches for the
//! one image whose PCR0, 1 and 2 it names, until its own end, and for nothing else. It is public and
//! may come from anywhere, also from the host of the enclave. The signature is over the content under
//! a label of its own (I17), so no other signature of a publisher's key passes for one.

mod build;
mod publisher;
mod version;

use sealsum_protocol::{UnixMillis, canonical};
use serde::{Deserialize, Serialize};

use crate::time::Instant;

use build::BuildFile;
pub use build::{BadBuild, MeasuredBuild};
pub use publisher::{PublisherKey, PublisherSigner};
pub use version::ReleaseVersion;

/// A well-formed endorsement, whose signature nobody has verified:
/// [`crate::AppraisalPolicy::with_endorsement`] does, by the publishers that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    build: MeasuredBuild,
    not_after: UnixMillis,
    publisher: PublisherKey,
    signature: [u8; 64],
}

impl Endorsement {
    /// Reads an endorsement's JSON. Unknown keys are refused.
    ///
    /// # Errors
    /// [`BadEndorsement::Syntax`], [`BadEndorsement::Field`] or [`BadEndorsement::Build`].
    pub fn parse(json: &str) -> Result<Self, BadEndorsement> {
        let file: EndorsementFile =
            serde_json::from_str(json).map_err(|error| BadEndorsement::Syntax {
                line: error.line(),
                column: error.column(),
                problem: error.to_string(),
            })?;
        let mut signature = [0; 64];
        hex::decode_to_slice(&file.signature, &mut signature)
            .map_err(|_| BadEndorsement::Field("signature"))?;
        Ok(Self {
            build: file.measurements.check().map_err(BadEndorsement::Build)?,
            not_after: UnixMillis(file.not_after_ms),
            publisher: file
                .publisher
                .parse()
                .map_err(|_| BadEndorsement::Field("publisher"))?,
            signature,
        })
    }

    /// Signs a build: it is endorsed until `not_after`, the last moment included.
    #[must_use]
    pub fn sign(signer: &PublisherSigner, build: MeasuredBuild, not_after: UnixMillis) -> Self {
        let mut endorsement = Self {
            build,
            not_after,
            publisher: signer.key(),
            signature: [0; 64],
        };
        endorsement.signature = signer.sign(&endorsement.message());
        endorsement
    }

    /// The endorsement as JSON, one key a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = EndorsementFile {
            measurements: self.build.file().clone(),
            not_after_ms: self.not_after.0,
            publisher: self.publisher.to_string(),
            signature: hex::encode(self.signature),
        };
        // Strings and a number: there is nothing that JSON can't hold.
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    /// What was built and what it measures to.
    #[must_use]
    pub fn build(&self) -> &MeasuredBuild {
        &self.build
    }

    /// The last moment at which the endorsement counts.
    #[must_use]
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }

    /// The key that it claims to be signed with.
    #[must_use]
    pub fn publisher(&self) -> PublisherKey {
        self.publisher
    }

    /// Checks the signature by the key that the endorsement names.
    pub(crate) fn verify(&self) -> Result<(), BadEndorsement> {
        if self.publisher.verify(&self.message(), &self.signature) {
            Ok(())
        } else {
            Err(BadEndorsement::Signature {
                publisher: self.publisher,
            })
        }
    }

    /// The label with its length in front, then the canonical encoding of all but the signature.
    fn message(&self) -> Vec<u8> {
        let endorsed = Endorsed {
            measurements: self.build.file(),
            not_after_ms: self.not_after.0,
            publisher: self.publisher.as_bytes(),
        };
        let mut message = vec![u8::try_from(LABEL.len()).unwrap_or(u8::MAX)];
        message.extend_from_slice(LABEL.as_bytes());
        message.extend_from_slice(&canonical::encode(&endorsed));
        message
    }
}

/// An endorsement as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndorsementFile {
    measurements: BuildFile,
    /// Mandatory: a release that nobody can end is one that nobody can replace.
    not_after_ms: u64,
    publisher: String,
    signature: String,
}

/// What a publisher signs.
#[derive(Serialize)]
struct Endorsed<'a> {
    measurements: &'a BuildFile,
    not_after_ms: u64,
    #[serde(with = "serde_bytes")]
    publisher: &'a [u8; 32],
}

/// Why an endorsement does not count. It vouches for nothing then.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndorsement {
    /// Not JSON, an unknown key, a missing one, or a value of the wrong type.
    #[error(
        "the endorsement can't be read: {problem}; expected what `sealsum-attest endorse` writes"
    )]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A value of the wrong form.
    #[error(
        "the endorsement's {0} is not hexadecimal of the right length (publisher 64 digits, signature 128)"
    )]
    Field(&'static str),
    /// What it says about the image can't be used.
    #[error("in the endorsement: {0}")]
    Build(BadBuild),
    /// The policy does not name that publisher.
    #[error(
        "the endorsement is by publisher {found}, whom the policy does not name; if you trust it, add a [[publisher]] with that key"
    )]
    UnknownPublisher {
        /// The key that it claims.
        found: PublisherKey,
    },
    /// Not signed by that publisher.
    #[error(
        "the endorsement's signature does not verify under publisher {publisher}: it was altered or forged; get it from the publisher again"
    )]
    Signature {
        /// The key that it claims.
        publisher: PublisherKey,
    },
    /// The policy revokes that image.
    #[error(
        "{publisher:?} endorses an image that the policy revokes, PCR0 {pcr0}: the enclave must run a newer image"
    )]
    Revoked {
        /// The publisher's name in the policy.
        publisher: String,
        /// The image's PCR0.
        pcr0: Box<crate::Pcr>,
    },
    /// Older than the policy allows.
    #[error(
        "{publisher:?} endorses version {found}; the policy's min_version is {min_version}: the enclave must run a newer image"
    )]
    TooOld {
        /// The publisher's name in the policy.
        publisher: String,
        /// The policy's least version.
        min_version: ReleaseVersion,
        /// The endorsed version.
        found: ReleaseVersion,
    },
    /// Past its end.
    #[error(
        "the endorsement of {label:?} ended at {}, and it is {}: get a newer one from its publisher",
        Instant::from_millis(*.not_after),
        Instant::from_millis(*.at)
    )]
    Expired {
        /// Publisher and version.
        label: String,
        /// Its end.
        not_after: UnixMillis,
        /// The time of judgement.
        at: UnixMillis,
    },
}

impl BadEndorsement {
    /// A stable name for machines, in kebab case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } | Self::Field(_) | Self::Build(_) => "endorsement-malformed",
            Self::UnknownPublisher { .. } => "unknown-publisher",
            Self::Signature { .. } => "endorsement-signature",
            Self::Revoked { .. } => "endorsement-revoked",
            Self::TooOld { .. } => "endorsement-too-old",
            Self::Expired { .. } => "endorsement-expired",
        }
    }
}

/// Of this crate alone; none of the protocol's labels equals it.
const LABEL: &str = "sealsum/v1/endorsement";

#[cfg(test)]
mod tests;
