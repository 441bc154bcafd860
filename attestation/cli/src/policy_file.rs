//! `--policy FILE`: an appraisal policy with its root, and whether a mock was asked for.

use std::path::Path;

use sealsum_attestation::{AppraisalPolicy, PolicyFile};

use crate::failure::Failure;
use crate::file;

/// Loads a policy; a root's path is relative to the policy's folder.
pub(crate) fn load(path: &Path) -> Result<AppraisalPolicy, Failure> {
    check(path, &file::read_text(path)?)
}

/// The policy of a text that lies at `path`, or will.
pub(crate) fn check(path: &Path, text: &str) -> Result<AppraisalPolicy, Failure> {
    let invalid = |error| Failure::content("policy_invalid", path, &error);
    let policy = PolicyFile::parse(text).map_err(invalid)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let pem = policy
        .root_path()
        .map(|root| file::read_text(&folder.join(root)))
        .transpose()?;
    policy.into_policy(pem.as_deref()).map_err(invalid)
}

/// A mock is said at each call, and nothing else is called one.
pub(crate) fn require_consent(policy: &AppraisalPolicy, mock: bool) -> Result<(), Failure> {
    let detail = match (policy.trust().is_mock(), mock) {
        (true, false) => {
            "this policy is for a mock enclave, which protects nothing: repeat with --mock if that is meant"
        }
        (false, true) => {
            "--mock was given, but this policy is for real enclaves: leave it away, or use a policy with mock = true"
        }
        _ => return Ok(()),
    };
    Err(Failure::configuration("mock_disagrees", &detail))
}
