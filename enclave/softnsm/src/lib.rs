//! A software NSM: what a Nitro Secure Module does, without one.
//!
//! Decides nothing about trust. It imitates, byte shape for byte shape, what
//! hardware sends, so that a verifier runs the same code over it with another
//! pinned root: a P-384 PKI of AWS's shape, COSE_Sign1 documents, a bank of
//! PCRs that can be extended and locked. Used by the mock enclave, by tests of
//! verifiers and by the emulator's notary; never by the production enclave.
//!
//! A mock is unmistakable: every subject name in the chain says so, and its
//! root is not AWS's, so nothing signed here passes a policy that pins AWS.
//!
//! Not a hardware module: keys lie in this process's memory, and `ring` does
//! not erase them. Whoever can read the process or the root's file can sign
//! any measurement.
//!
//! ```
//! use sealsum_softnsm::{Measurement, RootAuthority, SoftNsm, SoftNsmConfig, system_clock};
//!
//! let root = RootAuthority::generate(system_clock()())?;
//! let measured = Measurement { pcr0: [1; 48], pcr1: [2; 48], pcr2: [3; 48] };
//! let nsm = SoftNsm::new(&root, SoftNsmConfig::new(measured)?)?;
//! let document = nsm.attest(Some(b"user data"), Some(b"nonce"), None)?;
//! assert!(document.starts_with(&[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod chain;
mod clock;
mod cose;
mod faults;
mod key;
mod measure;
mod module_id;
mod notary;
mod nsm;
mod payload;
mod pcr;
#[cfg(test)]
mod reading;
mod root;
mod root_store;

pub use certificate::IssueError;
pub use clock::{Clock, system_clock};
pub use faults::Faults;
pub use measure::{MeasureError, Measurement, measure_executable};
pub use module_id::{ModuleId, ModuleIdError};
pub use notary::{Certificates, Notary};
pub use nsm::{ATTEST_FIELD_MAX, SoftNsm, SoftNsmConfig, SoftNsmError};
pub use payload::Payload;
pub use pcr::{PCR_COUNT, PCR_LEN, PcrError, PcrState};
pub use root::RootAuthority;
pub use root_store::{ROOT_FILE, RootError};
