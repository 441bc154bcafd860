//! The name of one NSM: the instance it belongs to and the enclave it serves,
//! as in `i-0368fa67e156d6d23-enc019b8596b1a9dad6`.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

use crate::certificate::IssueError;

/// Instance id and enclave id.
///
/// The enclave id is 8 bytes: the start's time in milliseconds (6) and 2 random
/// ones, as hardware has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleId {
    instance: String,
    enclave: [u8; 8],
}

impl ModuleId {
    /// A random instance, and an enclave started at `now_ms`.
    ///
    /// # Errors
    /// Only when the system has no randomness to give.
    pub fn generate(now_ms: u64) -> Result<Self, IssueError> {
        let mut random = [0; 8];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| IssueError::Entropy)?;
        let [.., low, high] = random;
        // Real instance ids of 17 digits start with a zero.
        let instance = format!("i-0{:016x}", u64::from_be_bytes(random));
        let [_, _, t0, t1, t2, t3, t4, t5] = now_ms.to_be_bytes();
        let enclave = [t0, t1, t2, t3, t4, t5, low, high];
        Ok(Self { instance, enclave })
    }

    /// The instance's id, as PCR4 measures it.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The enclave's id; it leads the leaf certificate's serial number.
    pub fn enclave(&self) -> [u8; 8] {
        self.enclave
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let enclave = u64::from_be_bytes(self.enclave);
        write!(f, "{}-enc{enclave:016x}", self.instance)
    }
}

impl FromStr for ModuleId {
    type Err = ModuleIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ModuleIdError(text.to_owned());
        let (instance, enclave) = text.split_once("-enc").ok_or_else(malformed)?;
        let digits = instance.strip_prefix("i-").ok_or_else(malformed)?;
        let is_hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != INSTANCE_DIGITS || !is_hex(digits) {
            return Err(malformed());
        }
        if enclave.len() != ENCLAVE_DIGITS || !is_hex(enclave) {
            return Err(malformed());
        }
        let enclave = u64::from_str_radix(enclave, 16).map_err(|_| malformed())?;
        Ok(Self {
            instance: instance.to_owned(),
            enclave: enclave.to_be_bytes(),
        })
    }
}

/// Not a module id. The caller's to mend; carries the text as given.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no module id: expected i-<17 hex digits>-enc<16 hex digits>, in lower case, \
     as in i-0368fa67e156d6d23-enc019b8596b1a9dad6"
)]
pub struct ModuleIdError(pub String);

const INSTANCE_DIGITS: usize = 17;
const ENCLAVE_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_id_reads_back_as_it_was_written() {
        let id = ModuleId::generate(1_767_472_867_402).unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn the_enclave_id_starts_with_its_time() {
        let id = ModuleId::generate(0x019b_8596_b1a9).unwrap();
        assert!(id.to_string().contains("-enc019b8596b1a9"));
    }

    #[test]
    fn what_hardware_calls_itself_is_a_module_id() {
        let id: ModuleId = "i-0368fa67e156d6d23-enc019b8596b1a9dad6".parse().unwrap();
        assert_eq!(id.instance(), "i-0368fa67e156d6d23");
        assert_eq!(id.enclave(), 0x019b_8596_b1a9_dad6_u64.to_be_bytes());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "i-0368fa67e156d6d23",
            "0368fa67e156d6d23-enc019b8596b1a9dad6",
            "i-0368fa67e156d6d2-enc019b8596b1a9dad6",
            "i-0368fa67e156d6d23-enc+19b8596b1a9dad6",
            "i-0368FA67E156D6D23-enc019b8596b1a9dad6",
        ] {
            assert_eq!(
                text.parse::<ModuleId>(),
                Err(ModuleIdError(text.to_owned()))
            );
        }
    }
}
