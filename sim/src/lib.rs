//! Random rounds under attack, compared with a plain model after every step.
//!
//! An episode is a list of operations drawn from a seed: rounds are opened, filled, closed and
//! released in two real enclave cores while hostile clients and a hostile parent do what they can,
//! connections break, time passes and enclaves vanish. Every answer is compared with the
//! reference model's, every released element with the plain sum, and the history as a whole with
//! I2, I3, I4, I11 and I13.
//!
//! Not covered: evidence and policies (clients seal to the keys they are shown), the ledger's
//! storage (its rule is restated in `sites.rs`), and the parent's own code (its part is scripted).

mod contributing;
mod ending;
mod model;
mod op;
mod sabotage;
mod sites;
mod soak;
mod watch;
mod world;

pub use op::{CloseAs, Flavour, Hostile, Op, OpenOp, Proof, draw};
pub use sabotage::Sabotage;
pub use soak::{Failure, shrink, soak};
pub use world::{Figures, Violation, play};
