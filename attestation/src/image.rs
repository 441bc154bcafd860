//! Which image runs: decides whether the measurement is that of an accepted image, outside debug
//! mode (checklist 6 and 7).
//!
//! It trusts the reference values and takes the measurement from an authentic document only.

use crate::authenticate::AuthenticDocument;
use crate::pcr::Measurement;
use crate::policy::{AppraisalPolicy, Mismatch, ReferenceValues};
use crate::rejection::Rejection;

/// The accepted image that the document was measured from.
pub(crate) fn accepted_image<'p>(
    document: &AuthenticDocument,
    policy: &'p AppraisalPolicy,
) -> Result<&'p ReferenceValues, Rejection> {
    let measurement = document.document().measurement();
    // 6: PCR0, 1 and 2 zero, any of them, unless the policy says so in so many words.
    if let Some(register) = measurement.zero_image_register()
        && !policy.allows_debug()
    {
        return Err(Rejection::DebugMode { register });
    }
    // A policy for AWS's debug enclaves is for those only: a production enclave is no mock.
    if policy.trust().is_mock() && policy.root().is_aws_nitro() && !measurement.is_debug() {
        return Err(Rejection::ProductionUnderMock);
    }
    // 7: one full set of reference values holds. The policy has at least one.
    let mut closest: Option<(&ReferenceValues, Vec<Mismatch>)> = None;
    for reference in policy.measurements() {
        let mismatches = mismatches(reference, measurement);
        if mismatches.is_empty() {
            return Ok(reference);
        }
        let fewer = closest
            .as_ref()
            .is_none_or(|(_, fewest)| mismatches.len() < fewest.len());
        if fewer {
            closest = Some((reference, mismatches));
        }
    }
    Err(
        closest.map_or_else(no_reference, |(reference, mismatches)| {
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
        return no_reference();
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

/// A policy without reference values can't be made; if it were, it would accept nothing.
fn no_reference() -> Rejection {
    Rejection::NoReferenceValues
}
