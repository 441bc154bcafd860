//! Platform configuration registers: what an enclave measured to.
//!
//! The values here are only as good as the document they came from; the types keep an index
//! in range and a value at its length, so that no comparison can be made with less (checklist 3, 7).

use core::fmt;
use std::collections::BTreeMap;

use sha2::{Digest, Sha384};

/// One register's value: a SHA-384 digest, 48 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pcr([u8; Pcr::LENGTH]);

impl Pcr {
    /// Bytes in a value.
    pub const LENGTH: usize = 48;

    /// A register that nothing was measured into.
    pub const ZERO: Self = Self([0; Self::LENGTH]);

    /// A value from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// A value from 96 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 48 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Whether nothing was measured into the register. PCR0, 1 and 2 are zero in debug mode.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// What a register that starts at zero holds once `data` was extended into it.
    #[must_use]
    pub fn extended_once(data: &[u8]) -> Self {
        let digest = Sha384::new()
            .chain_update(Self::ZERO.as_bytes())
            .chain_update(data)
            .finalize();
        Self(digest.into())
    }
}

impl TryFrom<&[u8]> for Pcr {
    type Error = core::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pcr({self})")
    }
}

/// A register's number, 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// The whole image: kernel, command line, every ramdisk.
    pub const IMAGE: Self = Self(0);
    /// Kernel, command line and the first ramdisk.
    pub const KERNEL: Self = Self(1);
    /// The application: every ramdisk but the first.
    pub const APPLICATION: Self = Self(2);
    /// The parent instance's IAM role.
    pub const IAM_ROLE: Self = Self(3);
    /// The parent instance's id.
    pub const INSTANCE_ID: Self = Self(4);
    /// The image's signing certificate.
    pub const SIGNER: Self = Self(8);

    /// An index of the bank; `None` from 32 on.
    #[must_use]
    pub fn new(index: u64) -> Option<Self> {
        // 3: 0 to 31. A verifier that took 32 was off by one.
        u8::try_from(index)
            .ok()
            .filter(|index| *index < 32)
            .map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PcrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PCR{}", self.0)
    }
}

/// The registers that one document reports, each at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement(BTreeMap<PcrIndex, Pcr>);

impl Measurement {
    /// A register's value, if the document reports it.
    #[must_use]
    pub fn pcr(&self, index: PcrIndex) -> Option<&Pcr> {
        self.0.get(&index)
    }

    /// All reported registers, by rising index.
    pub fn iter(&self) -> impl Iterator<Item = (PcrIndex, &Pcr)> {
        self.0.iter().map(|(index, pcr)| (*index, pcr))
    }

    /// The first of PCR0, 1 and 2 that is zero, which is what debug mode looks like.
    /// PCR3 and 4 say nothing: hardware fills them in debug mode too.
    #[must_use]
    pub fn zero_image_register(&self) -> Option<PcrIndex> {
        IMAGE_REGISTERS
            .into_iter()
            .find(|index| self.pcr(*index).is_some_and(Pcr::is_zero))
    }

    /// Whether PCR0, 1 and 2 are all there and all zero: an enclave started in debug mode.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        IMAGE_REGISTERS
            .into_iter()
            .all(|index| self.pcr(index).is_some_and(Pcr::is_zero))
    }

    /// Adds a register; `false`, and no change, if its index is there already.
    pub(crate) fn insert(&mut self, index: PcrIndex, pcr: Pcr) -> bool {
        match self.0.entry(index) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(pcr);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }
}

const IMAGE_REGISTERS: [PcrIndex; 3] = [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_thirty_two_is_out_of_range() {
        assert_eq!(PcrIndex::new(31).map(PcrIndex::value), Some(31));
        assert_eq!(PcrIndex::new(32), None);
        assert_eq!(PcrIndex::new(256), None);
    }

    #[test]
    fn a_value_takes_exactly_ninety_six_digits() {
        assert_eq!(Pcr::from_hex(&"00".repeat(48)), Some(Pcr::ZERO));
        assert_eq!(Pcr::from_hex(&"00".repeat(47)), None);
        assert_eq!(Pcr::from_hex(&"00".repeat(49)), None);
        assert_eq!(Pcr::from_hex(&"0g".repeat(48)), None);
    }

    #[test]
    fn a_value_is_shown_as_its_digits() {
        let digits = "0f".repeat(48);
        let pcr = Pcr::from_hex(&digits).unwrap();
        assert_eq!(pcr.to_string(), digits);
        assert_eq!(format!("{pcr:?}"), format!("Pcr({digits})"));
    }

    #[test]
    fn a_register_is_never_overwritten() {
        let mut measurement = Measurement::default();
        assert!(measurement.insert(PcrIndex::IMAGE, Pcr::new([1; 48])));
        assert!(!measurement.insert(PcrIndex::IMAGE, Pcr::new([2; 48])));
        assert_eq!(measurement.pcr(PcrIndex::IMAGE), Some(&Pcr::new([1; 48])));
    }
}
