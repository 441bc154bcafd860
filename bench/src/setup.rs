//! What a run is made with: how large, how often, where.

use std::path::PathBuf;

/// How large and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// What is promised: sizes as the keys say, medians of many turns.
    Full,
    /// The same sizes where they are in a key's name, else smaller; a few turns.
    Quick,
    /// Just enough that everything runs: for tests.
    Tiny,
}

/// What every measurement is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How large.
    pub scale: Scale,
    /// The folder of `sealsum-parent`, `sealsum-mock-enclave` and this crate's binary.
    pub programs: PathBuf,
    /// A folder on a disk; rounds get folders of their own in it.
    pub scratch: PathBuf,
    /// Whether what takes minutes and gigabytes runs too.
    pub big: bool,
    /// Elements of the big model.
    pub big_dimension: u64,
}

impl Setup {
    /// One of three by scale.
    pub(crate) fn pick<T>(&self, full: T, quick: T, tiny: T) -> T {
        match self.scale {
            Scale::Full => full,
            Scale::Quick => quick,
            Scale::Tiny => tiny,
        }
    }

    /// How often something short alternates with its probe.
    pub(crate) fn turns(&self) -> usize {
        self.pick(31, 7, 1)
    }

    /// d of the parts.
    pub(crate) fn dimension(&self) -> u64 {
        self.pick(1_000_000, 1_000_000, 20_000)
    }
}
