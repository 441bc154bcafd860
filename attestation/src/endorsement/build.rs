//! `measurements.json`: what an image was built from and what it measures to.
//!
//! Written by the image's build, signed as part of an endorsement, and repeated by whoever builds
//! the same commit. It is the builder's word: only the registers are ever compared with anything
//! here, the rest says where to look.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReleaseVersion;
use crate::pcr::{Pcr, PcrIndex};

/// A build's record, each value of its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredBuild {
    file: BuildFile,
    version: ReleaseVersion,
    image: [(PcrIndex, Pcr); 3],
    signer: Option<Pcr>,
}

impl MeasuredBuild {
    /// Reads `measurements.json`. Unknown keys are refused.
    ///
    /// # Errors
    /// [`BadBuild`].
    pub fn parse(json: &str) -> Result<Self, BadBuild> {
        let file: BuildFile = serde_json::from_str(json).map_err(|error| BadBuild::Syntax {
            line: error.line(),
            column: error.column(),
            problem: error.to_string(),
        })?;
        file.check()
    }

    /// The release's version.
    #[must_use]
    pub fn version(&self) -> ReleaseVersion {
        self.version
    }

    /// The commit it was built from: 40 or 64 hexadecimal digits.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.file.commit
    }

    /// SHA-256 of the image file: 64 hexadecimal digits.
    #[must_use]
    pub fn eif_sha256(&self) -> &str {
        &self.file.eif_sha256
    }

    /// PCR0, 1 and 2.
    #[must_use]
    pub fn image(&self) -> &[(PcrIndex, Pcr); 3] {
        &self.image
    }

    /// PCR8, if the image is signed.
    #[must_use]
    pub fn signer(&self) -> Option<&Pcr> {
        self.signer.as_ref()
    }

    pub(super) fn file(&self) -> &BuildFile {
        &self.file
    }
}

/// A build's record as it is written down; the names and their order are those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildFile {
    version: String,
    commit: String,
    #[serde(rename = "PCR0")]
    pcr0: String,
    #[serde(rename = "PCR1")]
    pcr1: String,
    #[serde(rename = "PCR2")]
    pcr2: String,
    /// Only of signed images. Null may be left out of the file; what is signed has it always.
    #[serde(default, rename = "PCR8")]
    pcr8: Option<String>,
    eif_sha256: String,
    lock_file_sha256: String,
    kernel_sha256: String,
    /// Each compiler that took part, and its version.
    compilers: BTreeMap<String, String>,
}

impl BuildFile {
    pub(super) fn check(self) -> Result<MeasuredBuild, BadBuild> {
        let version = self.version.parse().map_err(|_| BadBuild::Version {
            found: self.version.clone(),
        })?;
        if ![40, 64].contains(&self.commit.len()) || !is_lower_hex(&self.commit) {
            return Err(BadBuild::Digits {
                field: "commit",
                expected: "40 or 64",
                found: self.commit.len(),
            });
        }
        for (field, digits) in [
            ("eif_sha256", &self.eif_sha256),
            ("lock_file_sha256", &self.lock_file_sha256),
            ("kernel_sha256", &self.kernel_sha256),
        ] {
            if digits.len() != 64 || !is_lower_hex(digits) {
                return Err(BadBuild::Digits {
                    field,
                    expected: "64",
                    found: digits.len(),
                });
            }
        }
        let image = [
            (PcrIndex::IMAGE, register("PCR0", &self.pcr0)?),
            (PcrIndex::KERNEL, register("PCR1", &self.pcr1)?),
            (PcrIndex::APPLICATION, register("PCR2", &self.pcr2)?),
        ];
        let signer = self
            .pcr8
            .as_deref()
            .map(|digits| register("PCR8", digits))
            .transpose()?;
        Ok(MeasuredBuild {
            file: self,
            version,
            image,
            signer,
        })
    }
}

fn register(field: &'static str, digits: &str) -> Result<Pcr, BadBuild> {
    let pcr = Pcr::from_hex(digits)
        .filter(|_| is_lower_hex(digits))
        .ok_or(BadBuild::Digits {
            field,
            expected: "96",
            found: digits.len(),
        })?;
    // 7: what debug mode shows is no image's value.
    if pcr.is_zero() {
        return Err(BadBuild::ZeroRegister { field });
    }
    Ok(pcr)
}

/// One spelling of each value.
fn is_lower_hex(digits: &str) -> bool {
    digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Why a build's record can't be used. Its builder is at fault, or it is another file.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBuild {
    /// Not JSON, an unknown key, a missing one, or a value of the wrong type.
    #[error("measurements.json can't be read: {problem}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The version has no order.
    #[error("version is {found:?}; expected three numbers, as in \"0.1.0\"")]
    Version {
        /// What stands there.
        found: String,
    },
    /// A value of the wrong form.
    #[error("{field} has {found} characters; expected {expected} hexadecimal digits in lower case")]
    Digits {
        /// The key.
        field: &'static str,
        /// How many digits it should have.
        expected: &'static str,
        /// How many characters it has.
        found: usize,
    },
    /// A value that every enclave in debug mode shows.
    #[error(
        "{field} is all zero, which every enclave in debug mode shows; take the value from the image's build"
    )]
    ZeroRegister {
        /// The key.
        field: &'static str,
    },
}
