//! What the fast path costs, beside what limits it on any machine: each figure is divided by a probe
//! that runs in the same moment, so that ratios hold on a busy machine.
//!
//! `cargo xtask bench` builds everything in release and runs the binary; [`measures::ALL`] is the
//! list of what is promised, [`results`] what comes of it. Nothing here ships, nothing is timed in
//! tests.

pub mod figure;
pub mod load;
pub mod machine;
pub mod measures;
pub mod parts;
pub mod plain;
pub mod results;
pub mod setup;

mod clock;
mod disk;
mod http;
mod probe;
mod process;
mod rounds;
