//! One element at a time, by the words of docs/PROTOCOL.md, section 8.
//!
//! What the fast way is compared with, and the way for clips that are too large for the fast
//! one.

// Floats to integers after clipping, below 2^52.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::quantize::{Bounds, TWO_TO_32};

/// What became of one element.
pub(super) enum Step {
    /// Within the clip.
    Within(i64),
    /// Beyond it, and put back onto it.
    Clamped(i64),
    NotFinite,
}

/// Encodes `value`, `word` being its own of the rounding stream; `None` rounds to nearest.
pub(super) fn step(bounds: &Bounds, value: f64, word: Option<u32>) -> Step {
    if !value.is_finite() {
        return Step::NotFinite;
    }
    let scaled = value * bounds.scale;
    let clipped = scaled.clamp(-bounds.clip, bounds.clip);
    let rounded = match word {
        None => clipped.round(),
        Some(word) => (clipped + f64::from(word) / TWO_TO_32).floor(),
    };
    // Near 2^52 the sum of value and dither can round up past the clip.
    let encoded = rounded.clamp(-bounds.clip, bounds.clip) as i64 * i64::from(bounds.weight);
    if scaled.abs() > bounds.clip {
        Step::Clamped(encoded)
    } else {
        Step::Within(encoded)
    }
}
