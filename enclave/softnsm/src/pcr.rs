//! The bank of registers: 32 of 48 bytes. The first 16 belong to the platform
//! and are locked from the start; the others start unlocked, at zero, and
//! appear in documents once they were extended. As on hardware.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA384};

/// How many registers there are; indices run from 0 to 31.
pub const PCR_COUNT: u16 = 32;

/// The length of one register, in bytes: a SHA-384 digest.
pub const PCR_LEN: usize = 48;

/// One register, as `DescribePCR` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcrState {
    /// Whether it can still be extended (no) or not (yes).
    pub locked: bool,
    /// SHA-384 over what it has been extended with, or zero.
    pub value: [u8; PCR_LEN],
}

/// A register that can't do what was asked. The caller's fault; nothing changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PcrError {
    /// The index is past the last register.
    #[error("there is no PCR {found}: expected an index of 0 to 31")]
    InvalidIndex {
        /// The index asked for.
        found: u16,
    },
    /// The range is longer than the bank.
    #[error("can't lock the first {found} PCRs: there are 32, so expected a range of 0 to 32")]
    InvalidRange {
        /// The range asked for.
        found: u16,
    },
    /// The register is locked, for as long as the enclave runs.
    #[error(
        "PCR {0} is locked: PCRs 0 to 15 always are, others once locked; use an unlocked one \
         of 16 to 31"
    )]
    Locked(u16),
}

/// The registers of one enclave.
pub(crate) struct PcrBank {
    registers: [PcrState; PCR_COUNT as usize],
    extended: [bool; PCR_COUNT as usize],
}

impl PcrBank {
    /// A bank as the boot leaves it: what was measured in PCR0, 1, 2, the
    /// instance in PCR4.
    pub(crate) fn booted(measured: [[u8; PCR_LEN]; 3], instance_id: &str) -> Self {
        let mut bank = Self {
            registers: [PcrState {
                locked: false,
                value: ZERO,
            }; PCR_COUNT as usize],
            extended: [false; PCR_COUNT as usize],
        };
        for register in bank.registers.iter_mut().take(usize::from(PLATFORM_PCRS)) {
            register.locked = true;
        }
        let [pcr0, pcr1, pcr2] = measured;
        for (index, value) in [
            (0, pcr0),
            (1, pcr1),
            (2, pcr2),
            // Held in every real document seen: the id's text, not its digest.
            (4, extend(&ZERO, instance_id.as_bytes())),
        ] {
            bank.registers[index].value = value;
        }
        bank
    }

    /// `SHA384(old || data)`, which is also what is returned.
    pub(crate) fn extend(&mut self, index: u16, data: &[u8]) -> Result<[u8; PCR_LEN], PcrError> {
        let register = self.unlocked(index)?;
        register.value = extend(&register.value, data);
        let value = register.value;
        self.extended[usize::from(index)] = true;
        Ok(value)
    }

    /// Locks one register; one that is locked already is an error, as on
    /// hardware.
    pub(crate) fn lock(&mut self, index: u16) -> Result<(), PcrError> {
        self.unlocked(index)?.locked = true;
        Ok(())
    }

    /// Locks the first `range` registers, locked ones among them or not.
    pub(crate) fn lock_first(&mut self, range: u16) -> Result<(), PcrError> {
        let range_checked = self
            .registers
            .get_mut(..usize::from(range))
            .ok_or(PcrError::InvalidRange { found: range })?;
        for register in range_checked {
            register.locked = true;
        }
        Ok(())
    }

    pub(crate) fn describe(&self, index: u16) -> Result<PcrState, PcrError> {
        self.registers
            .get(usize::from(index))
            .copied()
            .ok_or(PcrError::InvalidIndex { found: index })
    }

    /// What a document shows: the platform's registers, and those extended.
    pub(crate) fn shown(&self) -> BTreeMap<u16, Vec<u8>> {
        (0..PCR_COUNT)
            .zip(&self.registers)
            .zip(&self.extended)
            .filter(|((index, _), extended)| *index < PLATFORM_PCRS || **extended)
            .map(|((index, register), _)| (index, register.value.to_vec()))
            .collect()
    }

    fn unlocked(&mut self, index: u16) -> Result<&mut PcrState, PcrError> {
        let register = self
            .registers
            .get_mut(usize::from(index))
            .ok_or(PcrError::InvalidIndex { found: index })?;
        if register.locked {
            return Err(PcrError::Locked(index));
        }
        Ok(register)
    }
}

/// `SHA384(old || data)`.
pub(crate) fn extend(old: &[u8; PCR_LEN], data: &[u8]) -> [u8; PCR_LEN] {
    let mut context = Context::new(&SHA384);
    context.update(old);
    context.update(data);
    let mut value = ZERO;
    value.copy_from_slice(context.finish().as_ref());
    value
}

/// What an unextended register holds.
pub(crate) const ZERO: [u8; PCR_LEN] = [0; PCR_LEN];

/// Registers 0 to 15: always in the document, never extended by the enclave.
const PLATFORM_PCRS: u16 = 16;

#[cfg(test)]
mod tests;
