//! Plain FedAvg: the round without any protection that a secure one is compared with. The same HTTP
//! stack on both sides, the same care for what was acknowledged (temporary file, fsync, rename, fsync of the folder), and
//! nothing else: no seal, no commitment, no receipt, no ledger.

mod server;
mod site;
mod store;

pub use server::{Options, serve};
pub(crate) use site::Site;
