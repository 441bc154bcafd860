//! Adversaries, put together by tests from small acts.
//!
//! A hostile parent towards the enclave: [`Tape`] records what passes, a [`Spoken`] is said
//! again, late, twice, cut, or about another round; `ScriptedParent` closes in ways that no
//! honest one would; [`flood`] fills connections. A hostile parent towards clients:
//! [`lies`] bends offers, [`forgery`] makes statements and proofs that no enclave signed.
//! Hostile clients: [`Mischief`] spoils a contribution, [`SlowSender`] takes its time.

mod closing;
mod copies;
mod mischief;
mod slow_sender;
mod spoken;
mod tape;

pub mod flood;
pub mod forgery;
pub mod lies;

pub use mischief::Mischief;
pub use slow_sender::SlowSender;
pub use spoken::Spoken;
pub use tape::{Tape, doubled, shuffled};
