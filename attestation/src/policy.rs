//! The appraisal policy: decides what evidence must show, before any evidence is seen (checklist 7).
//!
//! It trusts whoever wrote it, and no one by default: a policy without a full set of reference
//! values or a publisher of such, or with a value that any debug enclave meets, can't be made. A mock must be asked for
//! in so many words.

mod file;
mod publisher;
mod reference;

use core::time::Duration;

use crate::root::PinnedRoot;
use crate::trust::Trust;

pub use file::{MeasurementEntry, PolicyError, PolicyFile};
pub use publisher::{Publisher, PublisherEntry};
pub(crate) use reference::Mismatch;
pub use reference::ReferenceValues;

/// What a relying party demands of evidence. Made by [`PolicyFile::into_policy`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppraisalPolicy {
    root: PinnedRoot,
    mock: bool,
    max_age_ms: u64,
    clock_skew_ms: u64,
    allow_debug: bool,
    measurements: Vec<ReferenceValues>,
    publishers: Vec<Publisher>,
}

impl AppraisalPolicy {
    /// The root under which evidence must stand.
    #[must_use]
    pub fn root(&self) -> &PinnedRoot {
        &self.root
    }

    /// What a verdict under this policy is worth. Before using a policy of [`Trust::Mock`], a
    /// caller must have been told so at that very call.
    #[must_use]
    pub fn trust(&self) -> Trust {
        if self.mock {
            Trust::Mock
        } else {
            Trust::AwsNitro
        }
    }

    /// How old a document may be, counted from its own timestamp.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(self.max_age_ms)
    }

    /// How far a document's timestamp may be ahead of the local clock.
    #[must_use]
    pub fn clock_skew(&self) -> Duration {
        Duration::from_millis(self.clock_skew_ms)
    }

    /// Whether enclaves in debug mode, which their host can read, are let through.
    #[must_use]
    pub fn allows_debug(&self) -> bool {
        self.allow_debug
    }

    /// The accepted images: those that the policy pins, then those of
    /// [`Self::with_endorsement`]. Empty only if the policy names nothing but publishers.
    #[must_use]
    pub fn measurements(&self) -> &[ReferenceValues] {
        &self.measurements
    }

    /// Whose endorsements count.
    #[must_use]
    pub fn publishers(&self) -> &[Publisher] {
        &self.publishers
    }
}

#[cfg(test)]
mod tests;
