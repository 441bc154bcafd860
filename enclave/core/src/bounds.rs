//! The bounds on a contribution's elements and norm, checked without a branch on values.
//!
//! One verdict for the whole vector: nothing says which element it was, nor which bound. A bound
//! that the parameters don't have costs nothing.

use sealsum_protocol::fixed::square;
use sealsum_protocol::{BLOCK_ELEMENTS, RingVector};

/// What one contribution's blocks have come to so far.
pub(crate) struct BoundsCheck {
    /// In steps; below 2^62.
    element: i64,
    norm: Option<Norm>,
    /// Negative once an element was beyond its bound.
    beyond: i64,
}
sealsum_protocol::secret!(BoundsCheck);

struct Norm {
    bound_squared: u128,
    squared: u128,
    width: Width,
}

/// How wide sums of squares get, going by what an element within its bound can have. Of one that
/// is beyond, sums may wrap: it decides the verdict alone.
#[derive(Clone, Copy)]
enum Width {
    /// A whole block's squares fit 64 bits.
    Block,
    /// One square does.
    Element,
    /// None may.
    Wide,
}

impl BoundsCheck {
    /// For elements of `clip` times `weight` at most, and a norm of `l2_bound` if there is one.
    pub(crate) fn new(clip: u64, weight: u32, l2_bound: Option<u64>) -> Self {
        // I6 keeps both of them together below a third of the ring.
        let element = clip.saturating_mul(weight.into()).min(LARGEST);
        Self {
            element: i64::try_from(element).unwrap_or(i64::MAX),
            norm: l2_bound.map(|bound| Norm {
                bound_squared: u128::from(bound).saturating_mul(bound.into()),
                squared: 0,
                width: Width::of(element),
            }),
            beyond: 0,
        }
    }

    /// Takes a block's elements.
    pub(crate) fn take(&mut self, block: &RingVector) {
        let bound = self.element;
        // Within the bound neither of the two wraps or is negative; beyond it one is negative.
        self.beyond |= block.signed().fold(0, |beyond, value| {
            beyond | bound.wrapping_sub(value) | bound.wrapping_add(value)
        });
        if let Some(norm) = &mut self.norm {
            norm.squared = norm.squared.saturating_add(norm.width.sum(block));
        }
    }

    /// Whether all that was taken is within the bounds.
    pub(crate) fn is_within(&self) -> bool {
        let norm = self
            .norm
            .as_ref()
            .is_none_or(|norm| norm.squared <= norm.bound_squared);
        // Both are known before either is looked at.
        (self.beyond >= 0) & norm
    }
}

impl Width {
    fn of(element: u64) -> Self {
        let Some(square) = element.checked_mul(element) else {
            return Self::Wide;
        };
        match square.checked_mul(BLOCK_ELEMENTS) {
            Some(_) => Self::Block,
            None => Self::Element,
        }
    }

    fn sum(self, block: &RingVector) -> u128 {
        let short = |value: i64| value.unsigned_abs().wrapping_mul(value.unsigned_abs());
        let values = block.signed();
        match self {
            Self::Block => values
                .fold(0_u64, |sum, value| sum.wrapping_add(short(value)))
                .into(),
            Self::Element => {
                values.fold(0_u128, |sum, value| sum.wrapping_add(short(value).into()))
            }
            Self::Wide => values.fold(0, |sum: u128, value| sum.saturating_add(square(value))),
        }
    }
}

/// The largest element bound for which no difference to an element within it wraps.
const LARGEST: u64 = (1 << 62) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sealsum_protocol::RingBits;

    use super::*;

    /// The definition: element by element, in integers that hold anything.
    fn is_within_slowly(
        blocks: &[RingVector],
        clip: u64,
        weight: u32,
        l2_bound: Option<u64>,
    ) -> bool {
        let element_bound = u128::from(clip) * u128::from(weight);
        let values = || blocks.iter().flat_map(RingVector::signed);
        let within = values().all(|value| u128::from(value.unsigned_abs()) <= element_bound);
        let norm_squared = values().fold(0_u128, |sum, value| sum.saturating_add(square(value)));
        let norm = l2_bound.is_none_or(|bound| norm_squared <= u128::from(bound).pow(2));
        within && norm
    }

    fn is_within(blocks: &[RingVector], clip: u64, weight: u32, l2_bound: Option<u64>) -> bool {
        let mut check = BoundsCheck::new(clip, weight, l2_bound);
        blocks.iter().for_each(|block| check.take(block));
        check.is_within()
    }

    /// Parameters as I6 lets them be: three clients' elements fit the ring.
    fn any_bounds() -> impl Strategy<Value = (RingBits, u64, u32)> {
        prop_oneof![8_u8..=32, Just(64)].prop_flat_map(|bits| {
            let bits = RingBits::new(bits).unwrap();
            let room = bits.signed_max() / 3;
            (1..=room.min(1 << 52)).prop_flat_map(move |clip| {
                let heaviest = u32::try_from(room / clip).unwrap_or(u32::MAX);
                (Just(bits), Just(clip), 1..=heaviest)
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_fast_check_says_what_the_slow_one_says(
            (bits, clip, weight) in any_bounds(),
            // Steps around the bound, and anything at all.
            values in prop::collection::vec((any::<i64>(), 0_u8..12, -2_i64..=2), 1..300),
            cut in 1_usize..300, spoiled: bool, off in -2_i128..=2, bounded: bool,
        ) {
            let bound = (clip * u64::from(weight)) as i64;
            let values: Vec<_> = values
                .into_iter()
                .map(|(any, kind, near)| match kind {
                    0 if spoiled => any,
                    1 if spoiled => bound + near,
                    2 if spoiled => near - bound,
                    3 => bound,
                    4 => -bound,
                    _ => any % (bound + 1),
                })
                .collect();
            let blocks: Vec<_> = values.chunks(cut).map(|part| RingVector::from_signed(bits, part.iter().copied())).collect();
            // A bound on the norm that is hit, missed by a step, or out of reach.
            let squared = blocks.iter().flat_map(RingVector::signed).fold(0_u128, |sum, value| sum.saturating_add(square(value)));
            let exact = i128::try_from(squared.isqrt()).unwrap() + off;
            let l2_bound = bounded.then(|| u64::try_from(exact.max(0)).unwrap_or(u64::MAX));
            prop_assert_eq!(
                is_within(&blocks, clip, weight, l2_bound),
                is_within_slowly(&blocks, clip, weight, l2_bound)
            );
        }
    }

    #[test]
    fn whole_blocks_at_the_bound_do_not_wrap_into_a_small_norm() {
        // The widths in turn: a block's squares up to 2^64 - 1, beyond it, and a square beyond it.
        for (bits, element) in [
            (32, 1 << 24),
            (32, 1 << 25),
            (32, 1 << 29),
            (64, 1 << 32),
            (64, 1 << 51),
        ] {
            let bits = RingBits::new(bits).unwrap();
            let blocks = [-1, 1].map(|sign| {
                RingVector::from_signed(bits, core::iter::repeat_n(sign * element, 16_384))
            });
            let clip = u64::try_from(element).unwrap();
            // The norm is sqrt(2^15) times the element: 181.02 times.
            for (times, expected) in [(181, false), (182, true)] {
                let l2_bound = Some(clip * times);
                assert_eq!(is_within(&blocks, clip, 1, l2_bound), expected, "{element}");
                assert_eq!(is_within_slowly(&blocks, clip, 1, l2_bound), expected);
            }
        }
    }

    #[test]
    fn a_norm_of_exactly_its_bound_is_within_it() {
        let bits = RingBits::new(64).unwrap();
        for element in [1, 1 << 20, 1 << 30, 1 << 40] {
            let four = [element, -element, element, -element];
            let block = [RingVector::from_signed(bits, four.into_iter())];
            let clip = u64::try_from(element).unwrap();
            assert!(is_within(&block, clip, 1, Some(2 * clip)), "{element}");
            assert!(!is_within(&block, clip, 1, Some(2 * clip - 1)));
        }
    }

    #[test]
    fn the_rings_ends_are_beyond_every_bound() {
        let bits = RingBits::new(64).unwrap();
        for value in [i64::MIN, i64::MIN + 1, i64::MAX] {
            let block = [RingVector::from_signed(bits, [0, value].into_iter())];
            assert!(!is_within(&block, 1 << 52, 1, None));
            assert!(
                !is_within(&block, u64::MAX, u32::MAX, None),
                "no such bound fits a ring"
            );
        }
    }
}
