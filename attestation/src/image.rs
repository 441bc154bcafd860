//! Which image runs: decides whether the measurement is that of an accepted image, outside debug
//! mode (checklist 6 and 7).
//!
//! It trusts the reference values and takes the measurement from an authentic document only.

use sealsum_protocol::UnixMillis;

use crate::authenticate::AuthenticDocument;
use crate::endorsement::BadEndorsement;
use crate::pcr::Measurement;
use crate::policy::{AppraisalPolicy, Mismatch, ReferenceValues};
use crate::rejection::Rejection;

/// The accepted image that the document was measured from, by what holds at `at`.
pub(crate) fn accepted_image<'p>(
    document: &AuthenticDocument,
    policy: &'p AppraisalPolicy,
    at: UnixMillis,
) -> Result<&'p ReferenceValues, Rejection> {
    require_mode(document, policy)?;
    known_image(document, policy, at)
}

/// 6: outside debug mode, unless the policy is for a mock and says so in so many words.
pub(crate) fn require_mode(
    document: &AuthenticDocument,
    policy: &AppraisalPolicy,
) -> Result<(), Rejection> {
    let measurement = document.document().measurement();
    // 6: PCR0, 1 and 2 zero, any of them.
    if let Some(register) = measurement.zero_image_register()
        && !policy.allows_debug()
    {
        return Err(Rejection::DebugMode { register });
    }
    // 6: a policy for AWS's debug enclaves is for those only: a production enclave is no mock.
    if policy.trust().is_mock() && policy.root().is_aws_nitro() && !measurement.is_debug() {
        return Err(Rejection::ProductionUnderMock);
    }
    Ok(())
}

/// 7: one full set of reference values holds, pinned or endorsed.
pub(crate) fn known_image<'p>(
    document: &AuthenticDocument,
    policy: &'p AppraisalPolicy,
    at: UnixMillis,
) -> Result<&'p ReferenceValues, Rejection> {
    let measurement = document.document().measurement();
    let mut expired = None;
    let mut closest: Option<(&ReferenceValues, Vec<Mismatch>)> = None;
    for reference in policy.measurements() {
        let mismatches = mismatches(reference, measurement);
        if mismatches.is_empty() {
            match reference.not_after() {
                // 7: an endorsement counts up to its end.
                Some(not_after) if at > not_after => {
                    expired = Some(BadEndorsement::Expired {
                        label: reference.label().to_owned(),
                        not_after,
                        at,
                    });
                    continue;
                }
                _ => return Ok(reference),
            }
        }
        let fewer = closest
            .as_ref()
            .is_none_or(|(_, fewest)| mismatches.len() < fewest.len());
        if fewer {
            closest = Some((reference, mismatches));
        }
    }
    if let Some(expired) = expired {
        return Err(Rejection::Endorsement(expired));
    }
    // 7: a publisher without its endorsement accepts nothing.
    Err(
        closest.map_or(Rejection::NotEndorsed, |(reference, mismatches)| {
            name_mismatch(reference, &mismatches)
        }),
    )
}

/// In debug mode, which only got here if the policy allows it, PCR0, 1 and 2 are hidden: all three
/// are zero, and the registers that are left decide.
fn mismatches(reference: &ReferenceValues, measurement: &Measurement) -> Vec<Mismatch> {
    if measurement.is_debug() {
        reference.mismatches_in_debug_mode(measurement)
    } else {
        reference.mismatches(measurement)
    }
}

fn name_mismatch(reference: &ReferenceValues, mismatches: &[Mismatch]) -> Rejection {
    let Some(first) = mismatches.first() else {
        return Rejection::NotEndorsed;
    };
    let label = reference.label().to_owned();
    match first.found {
        Some(found) => Rejection::WrongPcr {
            label,
            index: first.index,
            expected: Box::new(first.expected),
            found: Box::new(found),
        },
        None => Rejection::MissingPcr {
            label,
            index: first.index,
            expected: Box::new(first.expected),
        },
    }
}

#[cfg(test)]
mod tests;
