//! The policy as a TOML file: decides which configurations can't be meant seriously.
//!
//! The file is the relying party's own. Its mistakes are errors of configuration and never turn
//! into a verdict. No file is read here: the text comes in, and the root's PEM with it.

use serde::{Deserialize, Serialize};
use x509_parser::pem::parse_x509_pem;

use super::publisher::{PublisherEntry, publishers};
use super::{AppraisalPolicy, ReferenceValues};
use crate::certificate::BadCertificate;
use crate::pcr::{Pcr, PcrIndex};
use crate::root::PinnedRoot;

/// A policy as it is written down. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// `"aws-nitro"`, or the path of a PEM file with a mock's root.
    pub root: String,
    /// Whether this policy is for a mock, which guards nothing.
    #[serde(default)]
    pub mock: bool,
    /// How old a document may be, in seconds; more than 0.
    pub max_age_seconds: u64,
    /// How far a document may be from the future, in seconds.
    pub clock_skew_seconds: u64,
    /// Whether enclaves in debug mode are let through; needs `mock`.
    #[serde(default)]
    pub allow_debug: bool,
    /// One entry per accepted image.
    #[serde(default, rename = "measurement", skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<MeasurementEntry>,
    /// Those whose endorsements are accepted in place of pinned values. At least one image or one
    /// publisher.
    #[serde(default, rename = "publisher", skip_serializing_if = "Vec::is_empty")]
    pub publishers: Vec<PublisherEntry>,
}

/// One accepted image. Values are 96 hexadecimal digits, none of them all zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementEntry {
    /// A name for verdicts; non-empty, and given once.
    pub label: String,
    /// The whole image.
    pub pcr0: String,
    /// Kernel and boot ramdisk.
    pub pcr1: String,
    /// The application.
    pub pcr2: String,
    /// The parent instance's IAM role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr3: Option<String>,
    /// The parent instance's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr4: Option<String>,
    /// The image's signing certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcr8: Option<String>,
}

impl PolicyFile {
    /// Reads a policy's TOML.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`], which names the line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        toml::from_str(text).map_err(|error| PolicyError::Syntax(Box::new(error)))
    }

    /// Writes the policy as TOML, without comments.
    ///
    /// # Errors
    /// [`PolicyError::Unwritable`] for values that TOML can't hold: numbers above 2^63 - 1.
    pub fn to_toml(&self) -> Result<String, PolicyError> {
        toml::to_string(self).map_err(|error| PolicyError::Unwritable(Box::new(error)))
    }

    /// The path of the PEM file that [`Self::into_policy`] wants the text of; `None` for AWS's
    /// root, which is built in.
    #[must_use]
    pub fn root_path(&self) -> Option<&str> {
        (self.root != AWS_NITRO).then_some(self.root.as_str())
    }

    /// Checks the policy and makes it usable. `pem` is the text of the file at
    /// [`Self::root_path`].
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn into_policy(self, pem: Option<&str>) -> Result<AppraisalPolicy, PolicyError> {
        let root = match (self.root_path(), pem) {
            (None, None) => PinnedRoot::aws_nitro(),
            (None, Some(_)) => return Err(PolicyError::UnexpectedRoot),
            (Some(_), None) => return Err(PolicyError::RootNotGiven),
            (Some(_), Some(pem)) => root_from_pem(pem)?,
        };
        if !root.is_aws_nitro() && !self.mock {
            return Err(PolicyError::RootWithoutMock);
        }
        // An enclave of AWS's own PKI outside debug mode is no mock: as one it would be spent in
        // the mock's ledger, and again in the true one.
        if root.is_aws_nitro() && self.mock && !self.allow_debug {
            return Err(PolicyError::MockUnderAws);
        }
        // 6: debug mode only in so many words.
        if self.allow_debug && !self.mock {
            return Err(PolicyError::DebugWithoutMock);
        }
        if self.max_age_seconds == 0 {
            return Err(PolicyError::ZeroMaxAge);
        }
        // 7: an empty policy accepts nothing, and is a mistake.
        if self.measurements.is_empty() && self.publishers.is_empty() {
            return Err(PolicyError::NoMeasurement);
        }
        Ok(AppraisalPolicy {
            root,
            mock: self.mock,
            max_age_ms: self.max_age_seconds.saturating_mul(1000),
            clock_skew_ms: self.clock_skew_seconds.saturating_mul(1000),
            allow_debug: self.allow_debug,
            measurements: reference_values(&self.measurements)?,
            publishers: publishers(&self.publishers)?,
        })
    }
}

fn reference_values(entries: &[MeasurementEntry]) -> Result<Vec<ReferenceValues>, PolicyError> {
    let mut values: Vec<ReferenceValues> = Vec::new();
    for entry in entries {
        if entry.label.is_empty() {
            return Err(PolicyError::EmptyLabel);
        }
        if values.iter().any(|other| other.label() == entry.label) {
            return Err(PolicyError::DuplicateLabel {
                label: entry.label.clone(),
            });
        }
        let image = [
            entry.value(PcrIndex::IMAGE, &entry.pcr0)?,
            entry.value(PcrIndex::KERNEL, &entry.pcr1)?,
            entry.value(PcrIndex::APPLICATION, &entry.pcr2)?,
        ];
        let further = [
            (PcrIndex::IAM_ROLE, &entry.pcr3),
            (PcrIndex::INSTANCE_ID, &entry.pcr4),
            (PcrIndex::SIGNER, &entry.pcr8),
        ]
        .into_iter()
        .filter_map(|(index, digits)| Some(entry.value(index, digits.as_deref()?)))
        .collect::<Result<_, _>>()?;
        values.push(ReferenceValues::new(entry.label.clone(), image, further));
    }
    Ok(values)
}

impl MeasurementEntry {
    fn value(&self, index: PcrIndex, digits: &str) -> Result<(PcrIndex, Pcr), PolicyError> {
        let pcr = Pcr::from_hex(digits).ok_or_else(|| PolicyError::BadPcr {
            label: self.label.clone(),
            index,
            digits: digits.len(),
        })?;
        // 7: an all-zero value is what debug mode shows.
        if pcr.is_zero() {
            return Err(PolicyError::ZeroPcr {
                label: self.label.clone(),
                index,
            });
        }
        Ok((index, pcr))
    }
}

fn root_from_pem(pem: &str) -> Result<PinnedRoot, PolicyError> {
    let (rest, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| PolicyError::RootPem)?;
    // One root: with two, it would be a guess which of them is meant.
    if block.label != "CERTIFICATE" || !rest.iter().all(u8::is_ascii_whitespace) {
        return Err(PolicyError::RootPem);
    }
    PinnedRoot::from_der(&block.contents).map_err(PolicyError::Root)
}

/// Why a policy can't be used. Whoever wrote it is at fault; no evidence was looked at.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, an unknown key, a missing one, or a value of the wrong type.
    #[error("the policy can't be read: {0}")]
    Syntax(Box<toml::de::Error>),
    /// A number that TOML can't hold.
    #[error("the policy can't be written: {0}")]
    Unwritable(Box<toml::ser::Error>),
    /// A PEM text beside AWS's root.
    #[error(
        "root = \"aws-nitro\" is built in, but another root's PEM was given: name its file as root, or leave it away"
    )]
    UnexpectedRoot,
    /// The root's PEM is missing.
    #[error("root names a PEM file, but its text was not given")]
    RootNotGiven,
    /// The root's PEM is not one certificate.
    #[error("the root's file is not exactly one PEM block of type CERTIFICATE")]
    RootPem,
    /// The root's certificate is unfit.
    #[error("the root's certificate can't be pinned: {0}")]
    Root(BadCertificate),
    /// Another root than AWS's, not said to be a mock's.
    #[error(
        "root is not AWS's: evidence under it comes from a mock and protects nothing; say mock = true if that is meant"
    )]
    RootWithoutMock,
    /// AWS's own enclaves, said to be a mock's.
    #[error(
        "root is AWS's and allow_debug is false: such an enclave is no mock; remove mock = true"
    )]
    MockUnderAws,
    /// Debug mode, not said to be a mock.
    #[error("allow_debug lets the host read the enclave: say mock = true if that is meant")]
    DebugWithoutMock,
    /// No document would be fresh.
    #[error("max_age_seconds is 0, so no document would be accepted; 300 is a good value")]
    ZeroMaxAge,
    /// No accepted image.
    #[error(
        "the policy accepts no image: add a [[measurement]] with label, pcr0, pcr1 and pcr2, or a [[publisher]] with label and key"
    )]
    NoMeasurement,
    /// An image or publisher without a name.
    #[error("a [[measurement]] or [[publisher]] has an empty label")]
    EmptyLabel,
    /// Two images of one name.
    #[error("two [[measurement]] tables have the label {label:?}")]
    DuplicateLabel {
        /// The name.
        label: String,
    },
    /// A publisher twice.
    #[error("two [[publisher]] tables have the label or the key of {label:?}")]
    DuplicatePublisher {
        /// The second one's name.
        label: String,
    },
    /// A publisher's key under which nothing can be verified.
    #[error(
        "key of publisher {label:?} is no Ed25519 public key: expected the 64 hexadecimal digits that `sealsum-attest publisher show` prints"
    )]
    PublisherKey {
        /// The publisher's name.
        label: String,
    },
    /// A least version without an order.
    #[error(
        "min_version of publisher {label:?} is {found:?}; expected three numbers, as in \"0.1.0\""
    )]
    MinVersion {
        /// The publisher's name.
        label: String,
        /// What stands there.
        found: String,
    },
    /// A revoked image's PCR0 of the wrong form, which would revoke nothing.
    #[error(
        "an entry of revoked of publisher {label:?} has {digits} characters; expected a PCR0 of 96 hexadecimal digits"
    )]
    Revoked {
        /// The publisher's name.
        label: String,
        /// How many characters it has.
        digits: usize,
    },
    /// A value of the wrong form.
    #[error(
        "{index} of measurement {label:?} has {digits} characters; expected 96 hexadecimal digits"
    )]
    BadPcr {
        /// The image's name.
        label: String,
        /// The register.
        index: PcrIndex,
        /// How many characters it has.
        digits: usize,
    },
    /// A value that an enclave in debug mode would meet.
    #[error(
        "{index} of measurement {label:?} is all zero, which every enclave in debug mode matches; take the value from the image's build"
    )]
    ZeroPcr {
        /// The image's name.
        label: String,
        /// The register.
        index: PcrIndex,
    },
}

const AWS_NITRO: &str = "aws-nitro";
