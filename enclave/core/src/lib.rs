//! The trusted computing base: everything that sees a client's values.
//!
//! [`Enclave::handle`] takes a command and gives a reply; it does no IO, reads time
//! and entropy through its [`Nsm`] and [`Clock`] seams only, and logs nothing. The
//! parent on the other side is hostile: every length, phase and digest is checked
//! before state changes, and a refused command leaves no trace but the one that its
//! refusal names.
//!
//! A round is `Collecting -> Releasing -> Ended`, each a type of its own whose
//! transitions consume it: only `Collecting` accepts, only `Releasing` lets blocks
//! out (I2, I3, I13).

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

mod accepted;
mod bounds;
mod enclave;
mod memory;
mod opening;
mod round;
mod seams;
mod secret_blocks;
mod session;
mod stack;
mod staging;
mod unmask;
mod workers;

pub use enclave::{Answer, ConnectionId, Enclave};
pub use memory::MEMORY_CEILING;
pub use round::releasing::RELEASE_TIMEOUT_MS;
pub use seams::{Clock, DeviceFault, Nsm};
pub use session::Session;
