//! What an eavesdropper can say about one masked update: nothing, in two statistics.

use std::ops::Range;

use anyhow::Result;
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{RingBits, RingVector};

/// How far packed bytes are from noise.
pub(super) struct Likeness {
    /// Pearson's chi-square of the byte histogram against uniform, as a number of standard
    /// deviations from its mean (255 degrees of freedom).
    pub(super) histogram: f64,
    /// Correlation of the elements, read as integers, with the true update.
    pub(super) correlation: f64,
    /// The same as a number of standard deviations: r x sqrt(d).
    pub(super) correlation_deviations: f64,
    /// Some elements as integers: those of [`SAMPLE`].
    pub(super) sample: Vec<i64>,
}

impl Likeness {
    /// Of d packed elements of k bits, to noise and to the update in them.
    pub(super) fn of(packed: &[u8], bits: RingBits, update: &[f64]) -> Result<Self> {
        let elements: Vec<i64> = unpack(packed, bits, update.len())?.signed().collect();
        let as_floats: Vec<f64> = elements.iter().map(|element| *element as f64).collect();
        let correlation = correlation(&as_floats, update);
        Ok(Self {
            histogram: histogram_deviations(packed),
            correlation,
            correlation_deviations: correlation * (update.len() as f64).sqrt(),
            sample: elements.get(SAMPLE).unwrap_or_default().to_vec(),
        })
    }

    /// Whether nobody could tell it from noise. True noise fails this less than once in a
    /// million runs.
    pub(super) fn is_noise(&self) -> bool {
        self.histogram.abs() < 6.0 && self.correlation_deviations.abs() < 5.5
    }
}

/// What would have been sent without a mask.
pub(super) fn unmasked(
    update: &[f64],
    weight: u32,
    fractional_bits: u8,
    bits: RingBits,
) -> Vec<u8> {
    let scale = 2_f64.powi(fractional_bits.into());
    let steps = update
        .iter()
        .map(|value| (value * scale).round() as i64 * i64::from(weight));
    pack(&RingVector::from_signed(bits, steps))
}

fn histogram_deviations(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes
        .iter()
        .for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = bytes.len() as f64 / 256.0;
    let chi_square: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    (chi_square - 255.0) / 510_f64.sqrt()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f(x - mean_a, y - mean_b))
            .sum()
    };
    product(&|x, y| x * y) / (product(&|x, _| x * x) * product(&|_, y| y * y)).sqrt()
}

/// The elements that are shown: pixels of the first digit's middle.
pub(super) const SAMPLE: Range<usize> = 20..25;

#[cfg(test)]
mod tests {
    use sealsum_protocol::MaskSeed;

    use super::*;

    #[test]
    fn a_masked_update_looks_like_noise_and_a_bare_one_does_not() {
        let bits = RingBits::new(27).expect("a width");
        let update: Vec<f64> = (0..650).map(|i| f64::from(i).sin() / 10.0).collect();
        let bare = unmasked(&update, 100, 16, bits);
        let likeness = Likeness::of(&bare, bits, &update).expect("packed");
        assert!(!likeness.is_noise());
        assert!(likeness.correlation > 0.999);
        let mut block = unpack(&bare, bits, 650).expect("packed");
        MaskSeed::new(&[5; 32])
            .expand(bits)
            .wrapping_add_to(0, &mut block)
            .expect("one block");
        let likeness = Likeness::of(&pack(&block), bits, &update).expect("packed");
        assert!(likeness.is_noise());
    }

    /// A mask that forgets the high bits would pass a look at the numbers.
    #[test]
    fn a_mask_of_too_few_bits_is_told_from_noise() {
        let bits = RingBits::new(27).expect("a width");
        let update: Vec<f64> = (0..650).map(|i| f64::from(i).sin()).collect();
        let elements = update
            .iter()
            .enumerate()
            .map(|(i, value)| (value * 65536.0 * 100.0) as i64 + (i as i64 * 7919) % 65536);
        let packed = pack(&RingVector::from_signed(bits, elements));
        assert!(
            !Likeness::of(&packed, bits, &update)
                .expect("packed")
                .is_noise()
        );
    }
}
