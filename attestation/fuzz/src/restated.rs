//! The rules once more, in their plainest form, over other libraries than the watched code has:
//! serde_cbor for CBOR, RustCrypto's p384 for signatures, certificates by hand.
//!
//! It is slow and says no reason. Where it and the watched code differ, one of them is wrong.

mod accepted;
mod certificate;
mod document;
mod image;
mod item;

pub(crate) use accepted::{Demand, accepted, authentic};
pub(crate) use document::Document;
pub(crate) use image::{Image, checksum};
pub(crate) use item::Item;
