//! What this data holder accepts (I15): read from its own file, judged against genuine evidence.
//!
//! It trusts whoever wrote the file, and nobody else. Genuine evidence for bad parameters is
//! still bad: sealing takes [`AcceptedTerms`], which only [`RoundPolicy::judge`] makes.

mod admission;
pub mod consent;
mod file;
mod judge;
mod terms;

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use sealsum_attestation::{AppraisalPolicy, PolicyFile, Trust};
use sealsum_protocol::{FLOOR, TaskName};

pub use file::{Budget, RoundPolicyFile};
pub use judge::{AcceptedTerms, Term, TermRefused};
pub use terms::{
    AdmissionTerm, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RuleTerm, TermError,
};

/// A checked round policy, with the appraisal policy that it names.
#[derive(Clone, Debug)]
pub struct RoundPolicy {
    file: RoundPolicyFile,
    appraisal: AppraisalPolicy,
}

impl RoundPolicy {
    /// Reads a policy and the appraisal policy that it names.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing about any round was decided.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        Self::at(path, RoundPolicyFile::parse(&read(path)?)?)
    }

    /// A policy that lies at `path`, or will, with the appraisal policy that it names.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing about any round was decided.
    pub fn at(path: &Path, file: RoundPolicyFile) -> Result<Self, PolicyError> {
        let appraisal = load_appraisal(&beside(path, &file.appraisal_policy))?;
        Self::new(file, appraisal)
    }

    /// Puts both policies together.
    ///
    /// # Errors
    /// [`PolicyError`] if a term is not meant seriously, or if only one of the two is for a mock.
    pub fn new(file: RoundPolicyFile, appraisal: AppraisalPolicy) -> Result<Self, PolicyError> {
        file.check()?;
        if file.mock != appraisal.trust().is_mock() {
            return Err(PolicyError::MockDisagrees {
                round_policy: file.mock,
            });
        }
        Ok(Self { file, appraisal })
    }

    /// The terms as written.
    #[must_use]
    pub fn terms(&self) -> &RoundPolicyFile {
        &self.file
    }

    /// Which enclaves are trusted.
    #[must_use]
    pub fn appraisal(&self) -> &AppraisalPolicy {
        &self.appraisal
    }

    /// What verdicts under this policy are worth, if the caller said `mock` at this very call
    /// exactly when the policy is one for a mock.
    ///
    /// # Errors
    /// [`MockMismatch`].
    pub fn trust(&self, mock: bool) -> Result<Trust, MockMismatch> {
        match (self.file.mock, mock) {
            (true, false) => Err(MockMismatch::FlagMissing),
            (false, true) => Err(MockMismatch::NotForMock),
            (true, true) | (false, false) => Ok(self.appraisal.trust()),
        }
    }

    fn clock_skew(&self) -> Duration {
        self.appraisal.clock_skew()
    }
}

/// Reads an appraisal policy, and the root that it names beside it.
fn load_appraisal(path: &Path) -> Result<AppraisalPolicy, PolicyError> {
    let at_fault = |error| PolicyError::Appraisal {
        path: path.to_owned(),
        error: Box::new(error),
    };
    let file = PolicyFile::parse(&read(path)?).map_err(at_fault)?;
    let pem = file
        .root_path()
        .map(|root| read(&beside(path, root)))
        .transpose()?;
    file.into_policy(pem.as_deref()).map_err(at_fault)
}

fn beside(file: &Path, relative: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(relative)
}

fn read(path: &Path) -> Result<String, PolicyError> {
    fs::read_to_string(path).map_err(|error| PolicyError::Read {
        path: path.to_owned(),
        error,
    })
}

/// Why a policy can't be used. Whoever wrote it is at fault; no round was looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A file that can't be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, a key that is missing or unknown, or a value that no term has.
    #[error(
        "the round policy can't be read: {0}; every privacy term is required, `sealsum policy new` writes a complete file"
    )]
    Syntax(Box<toml::de::Error>),
    /// A list that accepts nothing.
    #[error("{0} is empty, so no round would be accepted: name at least one")]
    EmptyList(&'static str),
    /// A budget that allows nothing.
    #[error(
        "the budget is 0, so no round would be accepted: name how often this data set may contribute in its lifetime"
    )]
    NoBudget,
    /// A minimum that no enclave would use.
    #[error("min_cohort must be at least {FLOOR}, the floor of every enclave image, not {0}")]
    UnderFloor(u32),
    /// A weakening without consent.
    #[error("the policy weakens this site's protection without saying so; add to consent: {0:?}")]
    ConsentMissing(&'static str),
    /// A sentence that consents to nothing.
    #[error("consent {0:?} is none of the known sentences; correct it, or remove it")]
    UnknownConsent(String),
    /// The appraisal policy is at fault.
    #[error("the appraisal policy {}: {error}", path.display())]
    Appraisal {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: Box<sealsum_attestation::PolicyError>,
    },
    /// Only one of the two policies is for a mock.
    #[error(
        "{}",
        if *round_policy {
            "the round policy says mock = true, but its appraisal policy is not for a mock: use the mock's policy, or remove mock"
        } else {
            "the appraisal policy is for a mock, which protects nothing: say mock = true in the round policy too (`sealsum policy new --mock`) if that is meant"
        }
    )]
    MockDisagrees {
        /// What the round policy says.
        round_policy: bool,
    },
}

/// The caller and the policy disagree about whether this is a mock. Nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MockMismatch {
    /// The policy is for a mock, the call does not say so.
    #[error(
        "this policy is for a mock enclave, which protects nothing: repeat with --mock if that is meant"
    )]
    FlagMissing,
    /// The call is for a mock, the policy is not.
    #[error(
        "--mock was given, but this policy is for real enclaves: leave it away, or use a policy with mock = true"
    )]
    NotForMock,
}

/// Whether a policy names this task.
pub(crate) fn names(tasks: &[TaskName], task: &TaskName) -> bool {
    tasks.contains(task)
}

#[cfg(test)]
mod tests;
