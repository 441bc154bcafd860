//! The harness of the end-to-end tests: real programs, real sockets, real files,
//! and between client and parent a proxy that lies as a test tells it to.
//!
//! Failures panic, since a test is always the caller.

#![allow(clippy::missing_panics_doc)]

pub mod emulated;
pub mod machine;
pub mod wire;

mod hospital;
mod lab;
mod memory;
mod notary;
mod npy;
mod process;
mod programs;
mod proxy;
mod target;
mod tether;

pub use hospital::{Hospital, Said, say};
pub use lab::{Lab, RoundRequest};
pub use memory::MemoryImage;
pub use notary::NotaryProxy;
pub use npy::{read_npy, write_npy};
pub use process::{Enclave, Parent};
pub use programs::{program, run};
pub use proxy::{Answered, LyingParent, Seen};
pub use target::Target;
pub use tether::Wire;
