//! The parent against a scripted enclave: what it takes, keeps, sums, publishes, and
//! how it takes up again what was cut.

mod access;
mod admission;
mod batching;
mod cut;
mod ends;
mod fake_enclave;
mod front;
mod health;
mod joining;
mod listing;
mod openings;
mod pieces;
mod recovery;
mod release;
mod removal;
mod room;
mod schedule;
#[cfg(feature = "servers")]
mod sharing;
mod stage;
