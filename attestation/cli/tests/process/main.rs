//! `sealsum-attest` as a process: what it says and exits with, over documents that real hardware
//! signed, images written here, and a mock's evidence.

mod bindings;
mod desk;
mod endorsements;
mod help;
mod images;
mod mock;
mod page;
mod policies;
mod real_documents;
mod refusals;
