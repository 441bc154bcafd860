//! Random rounds under attack, compared with a plain model after every step.
//!
//! An episode is a list of operations drawn from a seed: rounds are opened, filled, closed and
//! released in two real enclave cores while hostile clients and a hostile parent do what they can,
//! connections break, time passes and enclaves vanish. The honest sites are the client as it is
//! shipped, with real evidence, policies, registries and ledgers; they die in the middle of an
//! upload, resume, collect and ask for refunds. Every answer is compared with the reference
//! model's, every released element with the plain sum, and the history as a whole with I2, I3,
//! I4, I11 and I13.
//!
//! With [`ParentAs::Shipped`] the same operations go through `sealsum-parent` on its sockets and its
//! disk, which crashes in the middle of requests and starts again; single hostile frames have no
//! counterpart there.

mod contributing;
mod counter;
mod enclaves;
mod ending;
mod hosted;
mod houses;
mod model;
mod op;
mod opening;
mod sabotage;
mod sealing;
mod settling;
mod sites;
mod soak;
mod watch;
mod world;

pub use op::{Admit, Answering, CloseAs, Flavour, Hostile, Op, OpenOp, Proof, draw};
pub use sabotage::Sabotage;
pub use soak::{Failure, shrink, soak};
pub use world::{Figures, ParentAs, Violation, play};
