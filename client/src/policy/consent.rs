//! Consents: decides which weakenings a data holder must accept in so many words (I15).
//!
//! The sentences are constants. A policy quotes them exactly, so that nobody can say that they
//! did not know what the policy allows.

use super::PolicyError;
use super::terms::{AdmissionTerm, NoiseFloor, OperatorTerm};

/// Open admission and no noise: the one attack that only noise would stop.
pub const OPEN_WITHOUT_NOISE: &str = "I accept open admission without noise: whoever controls all other clients of a round can compute my update from the sum.";

/// The sum of the weights leaves the enclave.
pub const WEIGHTS_RELEASED: &str = "I accept that the sum of the weights is released: whoever knows the other weights of a round can compute mine.";

/// Nobody's signature is pinned.
pub const ANY_OPERATOR: &str = "I accept rounds of any operator: whoever reaches this client chooses the task's parameters and its base model.";

/// Every sentence that a policy can quote.
pub const ALL: &[&str] = &[OPEN_WITHOUT_NOISE, WEIGHTS_RELEASED, ANY_OPERATOR];

/// Checks that each weakening of the policy is accepted, and that nothing else is quoted.
pub(super) fn check(
    given: &[String],
    admission: &AdmissionTerm,
    noise: NoiseFloor,
    release_weights: bool,
    operator: &OperatorTerm,
) -> Result<(), PolicyError> {
    if let Some(unknown) = given.iter().find(|text| !ALL.contains(&text.as_str())) {
        return Err(PolicyError::UnknownConsent(unknown.clone()));
    }
    match needed(admission, noise, release_weights, operator)
        .find(|sentence| !given.iter().any(|text| text == sentence))
    {
        Some(sentence) => Err(PolicyError::ConsentMissing(sentence)),
        None => Ok(()),
    }
}

/// The sentences that these terms need.
pub(super) fn needed(
    admission: &AdmissionTerm,
    noise: NoiseFloor,
    release_weights: bool,
    operator: &OperatorTerm,
) -> impl Iterator<Item = &'static str> {
    let open = *admission == AdmissionTerm::Open && noise == NoiseFloor::None;
    let any = *operator == OperatorTerm::Any;
    [
        open.then_some(OPEN_WITHOUT_NOISE),
        release_weights.then_some(WEIGHTS_RELEASED),
        any.then_some(ANY_OPERATOR),
    ]
    .into_iter()
    .flatten()
}
