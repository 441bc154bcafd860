//! Ways to be wrong on purpose: each makes evidence that an honest verifier
//! must refuse, or a module that a caller must outlast.

use std::time::Duration;

/// What is wrong with this NSM. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// PCR0, 1 and 2 are zero, as in an enclave started in debug mode. PCR4
    /// stays non-zero, as on hardware.
    pub debug_pcrs: bool,
    /// The leaf's validity ended an hour before the document's timestamp.
    pub expired_leaf: bool,
    /// Added to the clock, in milliseconds: shifts the timestamp and the
    /// validity of every certificate below the root. Below minus 24 h the chain
    /// also predates its root.
    pub clock_offset_ms: i64,
    /// PCR0 is another image's.
    pub wrong_pcr0: bool,
    /// How long `attest` takes before it begins.
    pub attest_delay: Duration,
}
