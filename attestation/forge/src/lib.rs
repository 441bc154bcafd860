//! Evidence that is wrong in one point, made on purpose, for whoever tests a verifier.
//!
//! It decides nothing and trusts nothing: it writes certificates and documents byte by byte, signs
//! them with keys that anyone can make, and says for each what a verifier must answer. The same
//! bytes come out each time. Nothing that ships depends on it.

pub mod cases;
pub mod cbor;
pub mod der;
mod document;
pub mod hostile;
mod key;
pub mod pki;
mod round;

pub use cases::{Case, POLICIES, Question, root_pem};
pub use document::{Document, PROTECTED, Signed, pcrs};
pub use key::Key;
pub use pki::{Certificate, Pki};

/// When the documents are signed and judged: 2026-01-03T20:41:07Z, in ms.
pub const NOW_MS: u64 = 1_767_472_867_000;
/// The challenge that they answer.
pub const NONCE: [u8; 32] = [0x4e; 32];
/// What they vouch for.
pub const USER_DATA: [u8; 32] = [0x55; 32];
/// Whose they are.
pub const MODULE_ID: &str = "i-0368fa67e156d6d23-enc019b8596b1a9dad6";
