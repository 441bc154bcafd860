//! What a play's disk and wire are like, drawn from its seed.

use sealsum_testkit::SeededRng;

/// The weather.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of a thousand writes, how many find the disk full.
    pub(crate) full: u64,
    /// The longest step of a write.
    pub(crate) disk_micros: u64,
    /// Of a thousand syncs, how many are said to be done and are not.
    pub(crate) lost_syncs: u64,
    /// Whether a write that was not synced may be there in part after a cut. A file that is
    /// renamed into its place never is: a disk that does this breaks what [`Storage`] promises.
    ///
    /// [`Storage`]: sealsum_parent::Storage
    pub(crate) tears: bool,
    /// Of a thousand exchanges with the enclave, how many are cut, and how many are heard late.
    pub(crate) cut: u64,
    pub(crate) late: u64,
    /// The longest that a parent lives, in virtual milliseconds.
    pub(crate) life_millis: u64,
}

/// The kinds of weather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A disk that keeps its word, and now and then is full or slow.
    Sound,
    /// A disk that loses what it said it had, or keeps parts.
    Broken,
}

impl Weather {
    pub(crate) fn draw(kind: Kind, rng: &mut SeededRng) -> Self {
        let broken = kind == Kind::Broken;
        let slow = rng.below(4) == 0;
        Self {
            full: if rng.below(3) == 0 { 60 } else { 0 },
            disk_micros: if slow { 200_000 } else { 3_000 },
            lost_syncs: if broken { 100 } else { 0 },
            tears: broken && rng.below(2) == 0,
            cut: rng.below(3) * 20,
            late: rng.below(3) * 20,
            life_millis: if slow { 8_000 } else { 900 },
        }
    }
}
