//! Rounds to measure in: their terms, a core in this process, real processes, and those who take
//! part.

mod core;
mod crowd;
mod meter;
pub(crate) mod npy;
mod sender;
mod servers;
mod site;
mod terms;

pub(crate) use self::core::{Core, RELEASES, Releasing};
pub(crate) use crowd::{AT_ONCE, each, runtime, send_all};
pub(crate) use meter::{Cost, Meter};
pub(crate) use sender::OpenRound;
pub(crate) use servers::{Servers, Start};
pub(crate) use site::{Site, Took};
pub(crate) use terms::terms;
