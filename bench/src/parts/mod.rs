//! The parts that the fast path is made of, each beside what limits it: for the measures, which give
//! ratios, and for criterion.

mod client;
mod packing;
mod rings;
mod unmask;

pub(crate) use client::{client, client_seal};
pub(crate) use packing::{WIDTHS, packing, unpacking};
pub(crate) use rings::{layout, vector};
pub(crate) use unmask::unmask;

use sealsum_protocol::Rounding;

/// One part: what we do, and the same bytes through what nothing beats.
pub struct Part {
    /// Its name.
    pub key: String,
    /// What we do.
    pub ours: Box<dyn FnMut()>,
    /// The limit.
    pub limit: Box<dyn FnMut()>,
}

/// All parts, for vectors of `dimension` elements.
#[must_use]
pub fn all(dimension: u64) -> Vec<Part> {
    let mut parts = vec![
        unmask("unmask_vs_keystream", dimension, 32, 50),
        unmask("unmask_19_bits_vs_keystream", dimension, 19, 50),
        unmask("unmask_64_bits_vs_keystream", dimension, 64, 25),
        client::<f32>("client_vs_limit", dimension, Rounding::Stochastic),
        client::<f64>("client_f64_vs_limit", dimension, Rounding::Stochastic),
        client::<f32>("client_nearest_vs_limit", dimension, Rounding::Nearest),
        client_seal("client_seal_vs_limit", dimension),
    ];
    for bits in WIDTHS {
        parts.push(packing(dimension, bits));
        parts.push(unpacking(dimension, bits));
    }
    parts
}
