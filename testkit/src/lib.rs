//! Rounds, clients and enclaves for tests, honest until a test makes them otherwise; the
//! adversaries are in [`hostile`].
//!
//! Nothing here is for production: [`UncheckedClient`] seals to any key it is shown,
//! [`TestNsm`] signs nothing. Failures panic, since a test is always the caller.

#![allow(clippy::missing_panics_doc)]

pub mod hostile;

mod known_secrets;
mod link;
mod local;
mod nsm;
mod outcome;
mod parent;
mod rng;
mod rounds;
mod socket;
mod unchecked_client;

pub use known_secrets::{KnownSecrets, known_contribution, known_round_keys};
pub use link::Link;
pub use local::LocalEnclave;
pub use nsm::{TestClock, TestNsm};
pub use outcome::{Ends, JudgedRelease, KnownUpload, Told, judge_release, published_sum};
pub use parent::{Contribution, ScriptedParent};
pub use rng::SeededRng;
pub use rounds::{open_round, operator, presum, sign, stream, terms};
pub use socket::{SocketLink, guest, guest_once};
pub use unchecked_client::{UncheckedClient, admission, client_id, client_signer, registry};
