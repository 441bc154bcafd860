//! Reference values: decides whether a measurement is that of an accepted image (checklist 7).
//!
//! A register that is expected and not reported is a mismatch, never a match.

use sealsum_protocol::UnixMillis;

use crate::pcr::{Measurement, Pcr, PcrIndex};

/// What one accepted image measures to. PCR0, 1 and 2 are always among them; none is all zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceValues {
    label: String,
    image: [(PcrIndex, Pcr); 3],
    further: Vec<(PcrIndex, Pcr)>,
    /// Set if they come from an endorsement: its end.
    not_after: Option<UnixMillis>,
}

impl ReferenceValues {
    /// `image` holds PCR0, 1 and 2.
    pub(super) fn new(
        label: String,
        image: [(PcrIndex, Pcr); 3],
        further: Vec<(PcrIndex, Pcr)>,
    ) -> Self {
        Self {
            label,
            image,
            further,
            not_after: None,
        }
    }

    /// The same, on the word of an endorsement that ends at `not_after`.
    pub(super) fn until(mut self, not_after: UnixMillis) -> Self {
        self.not_after = Some(not_after);
        self
    }

    /// The end of the endorsement that they come from; `None` if the policy itself pins them.
    #[must_use]
    pub fn not_after(&self) -> Option<UnixMillis> {
        self.not_after
    }

    /// The image's name in the policy.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Every expected register.
    pub fn expected(&self) -> impl Iterator<Item = (PcrIndex, &Pcr)> {
        self.image
            .iter()
            .chain(&self.further)
            .map(|(index, pcr)| (*index, pcr))
    }

    /// Every register that differs. Empty means: this is the image.
    pub(crate) fn mismatches(&self, found: &Measurement) -> Vec<Mismatch> {
        compare(self.expected(), found)
    }

    /// As [`Self::mismatches`], but for PCR0, 1 and 2, which debug mode hides.
    pub(crate) fn mismatches_in_debug_mode(&self, found: &Measurement) -> Vec<Mismatch> {
        compare(self.further.iter().map(|(index, pcr)| (*index, pcr)), found)
    }
}

/// A register that is not what was expected.
pub(crate) struct Mismatch {
    pub(crate) index: PcrIndex,
    pub(crate) expected: Pcr,
    pub(crate) found: Option<Pcr>,
}

fn compare<'a>(
    expected: impl Iterator<Item = (PcrIndex, &'a Pcr)>,
    measurement: &Measurement,
) -> Vec<Mismatch> {
    expected
        .map(|(index, pcr)| (index, pcr, measurement.pcr(index)))
        .filter(|(_, expected, found)| *found != Some(*expected))
        .map(|(index, expected, found)| Mismatch {
            index,
            expected: *expected,
            found: found.copied(),
        })
        .collect()
}
