//! The module itself: what an enclave can ask of an NSM, and what comes back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::certificate::IssueError;
use crate::clock::{Clock, system_clock};
use crate::faults::Faults;
use crate::measure::Measurement;
use crate::module_id::ModuleId;
use crate::notary::{Certificates, Notary};
use crate::payload::Payload;
use crate::pcr::{PCR_LEN, PcrBank, PcrError, PcrState, ZERO, extend};
use crate::root::RootAuthority;

/// The longest user data, nonce or public key that an NSM attests, in bytes.
pub const ATTEST_FIELD_MAX: usize = 1024;

/// What a [`SoftNsm`] is made of.
pub struct SoftNsmConfig {
    /// What the enclave was started from.
    pub measurement: Measurement,
    /// Who it is.
    pub module_id: ModuleId,
    /// What is wrong with it.
    pub faults: Faults,
    /// Its time, before [`Faults::clock_offset_ms`].
    pub clock: Clock,
    /// Whether payloads are maps of definite length, as up to 2025-04, or not.
    pub definite: bool,
}

impl SoftNsmConfig {
    /// A sound module on this machine's clock with a random id, writing
    /// documents in today's form.
    ///
    /// # Errors
    /// Only when the system has no randomness.
    pub fn new(measurement: Measurement) -> Result<Self, IssueError> {
        let clock = system_clock();
        Ok(Self {
            measurement,
            module_id: ModuleId::generate(clock())?,
            faults: Faults::default(),
            clock,
            definite: false,
        })
    }
}

/// A software NSM. Threads may share it; like the device, it serves one request
/// at a time.
pub struct SoftNsm {
    config: SoftNsmConfig,
    state: Mutex<State>,
}

struct State {
    bank: PcrBank,
    notary: Notary,
}

/// A request that can't be served. Nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoftNsmError {
    /// The caller's data does not fit a document.
    #[error("{field} has {found} bytes, expected at most 1024: attest a digest of it instead")]
    InputTooLarge {
        /// Which of the three.
        field: &'static str,
        /// Its length in bytes.
        found: usize,
    },
    /// A register said no.
    #[error(transparent)]
    Pcr(#[from] PcrError),
    /// The certificates or the signature can't be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl SoftNsm {
    /// Boots a module: registers measured, certificates issued under `root`.
    ///
    /// # Errors
    /// When the clock, with its offset, is none that a certificate can say, or
    /// the system has no randomness.
    pub fn new(root: &RootAuthority, config: SoftNsmConfig) -> Result<Self, SoftNsmError> {
        let backdated = if config.faults.expired_leaf {
            EXPIRED_LEAF_AGE
        } else {
            Duration::ZERO
        };
        let notary =
            Notary::with_backdated_leaf(root, &config.module_id, now_ms(&config)?, backdated)?;
        let bank = PcrBank::booted(shown_measurement(&config), config.module_id.instance());
        Ok(Self {
            config,
            state: Mutex::new(State { bank, notary }),
        })
    }

    /// A signed document over these data, the registers and the time: an
    /// untagged COSE_Sign1. Each field takes 0 to 1024 bytes; an absent one
    /// becomes a CBOR null.
    ///
    /// # Errors
    /// [`SoftNsmError::InputTooLarge`]; [`SoftNsmError::Issue`] when a
    /// certificate is due and can't be issued.
    pub fn attest(
        &self,
        user_data: Option<&[u8]>,
        nonce: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, SoftNsmError> {
        for (field, value) in [
            ("user_data", user_data),
            ("nonce", nonce),
            ("public_key", public_key),
        ] {
            let found = value.map_or(0, <[u8]>::len);
            if found > ATTEST_FIELD_MAX {
                return Err(SoftNsmError::InputTooLarge { field, found });
            }
        }
        let mut state = self.lock();
        // Within the lock: a slow device is slow for everyone.
        std::thread::sleep(self.config.faults.attest_delay);
        let now_ms = now_ms(&self.config)?;
        state.notary.renew(now_ms)?;
        let Certificates { leaf, cabundle } = state.notary.certificates();
        let payload = Payload {
            module_id: self.config.module_id.to_string(),
            digest: "SHA384".to_owned(),
            timestamp_ms: now_ms,
            pcrs: state.bank.shown(),
            certificate: leaf,
            cabundle,
            public_key: public_key.map(<[u8]>::to_vec),
            user_data: user_data.map(<[u8]>::to_vec),
            nonce: nonce.map(<[u8]>::to_vec),
        };
        let payload = payload.encode(self.config.definite);
        Ok(state.notary.sign_payload(&payload)?)
    }

    /// Fills `destination` with random bytes, fit for keys.
    ///
    /// # Errors
    /// Only when the system has none.
    pub fn random(&self, destination: &mut [u8]) -> Result<(), SoftNsmError> {
        SystemRandom::new()
            .fill(destination)
            .map_err(|_| IssueError::Entropy.into())
    }

    /// Extends an unlocked register, 16 to 31; returns its new value,
    /// SHA384(old || data).
    ///
    /// # Errors
    /// [`PcrError::InvalidIndex`], [`PcrError::Locked`].
    pub fn extend_pcr(&self, index: u16, data: &[u8]) -> Result<[u8; PCR_LEN], SoftNsmError> {
        Ok(self.lock().bank.extend(index, data)?)
    }

    /// Locks one unlocked register for good.
    ///
    /// # Errors
    /// [`PcrError::InvalidIndex`], [`PcrError::Locked`].
    pub fn lock_pcr(&self, index: u16) -> Result<(), SoftNsmError> {
        Ok(self.lock().bank.lock(index)?)
    }

    /// Locks registers 0 to `range` - 1 for good, locked already or not.
    ///
    /// # Errors
    /// [`PcrError::InvalidRange`] above 32.
    pub fn lock_pcrs(&self, range: u16) -> Result<(), SoftNsmError> {
        Ok(self.lock().bank.lock_first(range)?)
    }

    /// One register, as documents show it, faults and all.
    ///
    /// # Errors
    /// [`PcrError::InvalidIndex`].
    pub fn describe_pcr(&self, index: u16) -> Result<PcrState, SoftNsmError> {
        Ok(self.lock().bank.describe(index)?)
    }

    /// What the enclave was truly started from: what a policy should name. A
    /// fault makes documents say otherwise.
    pub fn measurement(&self) -> Measurement {
        self.config.measurement
    }

    /// Who this module is.
    pub fn module_id(&self) -> &ModuleId {
        &self.config.module_id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made whole or not at all, so a panic elsewhere leaves
        // nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms(config: &SoftNsmConfig) -> Result<u64, IssueError> {
    let (now_ms, offset_ms) = ((config.clock)(), config.faults.clock_offset_ms);
    now_ms
        .checked_add_signed(offset_ms)
        .ok_or(IssueError::ClockOutOfRange {
            found_ms: now_ms.saturating_add_signed(offset_ms),
        })
}

fn shown_measurement(config: &SoftNsmConfig) -> [[u8; PCR_LEN]; 3] {
    let Measurement { pcr0, pcr1, pcr2 } = config.measurement;
    if config.faults.debug_pcrs {
        return [ZERO; 3];
    }
    if config.faults.wrong_pcr0 {
        return [extend(&pcr0, b"another image"), pcr1, pcr2];
    }
    [pcr0, pcr1, pcr2]
}

/// A leaf lives 3 h, so one of 4 h has expired an hour ago.
const EXPIRED_LEAF_AGE: Duration = Duration::from_secs(4 * 3600);

#[cfg(test)]
mod tests;
