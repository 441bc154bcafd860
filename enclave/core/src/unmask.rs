//! Removing masks from a summed block: `block - sum of masks`, without a branch on values.
//!
//! Threads take a few seeds at a time for as long as there are any: one that starts late takes fewer,
//! and none waits for it. Ring arithmetic is exact, so whoever takes which, the bytes are the same.

use core::sync::atomic::{AtomicUsize, Ordering};

use sealsum_protocol::{MaskSeed, Refusal, RingVector};
use zeroize::Zeroizing;

use crate::stack;
use crate::workers::Workers;

/// Subtracts block `index` of every seed's mask from `block`.
///
/// # Errors
/// `NoMoreOfThisBlock` for a block beyond the keystream, which accepted parameters exclude.
pub(crate) fn unmask(
    block: &mut RingVector,
    index: u64,
    seeds: &[MaskSeed],
    workers: Workers,
) -> Result<(), Refusal> {
    let (bits, elements) = (block.bits(), block.len());
    let worth_a_thread = WORTH_A_THREAD.div_ceil(elements.max(1));
    let threads = seeds.len().checked_div(worth_a_thread).unwrap_or(1).max(1);
    let seeds = Seeds {
        all: seeds,
        taken: AtomicUsize::new(0),
    };
    let mut own = Ok(());
    let others = workers.share_out(
        &vec![(); threads],
        1,
        stack::erase_shallow_frames,
        |_| own = subtract(block, index, &seeds),
        |_| {
            // What a worker takes off: the sum of some clients' masks, which unmasks theirs.
            let mut masks = Zeroizing::new(RingVector::zeros(bits, elements));
            subtract(&mut masks, index, &seeds).map(|()| masks)
        },
    );
    own?;
    for masks in others {
        // Of the block's own width and length, so they add up.
        block
            .wrapping_add(&*masks?)
            .map_err(|_| Refusal::NoMoreOfThisBlock)?;
    }
    Ok(())
}

/// Seeds that nobody has taken yet.
struct Seeds<'a> {
    all: &'a [MaskSeed],
    taken: AtomicUsize,
}
sealsum_protocol::secret!(Seeds<'_>);

impl Seeds<'_> {
    /// The next few, for whoever asks first.
    fn take(&self) -> Option<&[MaskSeed]> {
        let from = self.taken.fetch_add(TAKEN_AT_ONCE, Ordering::Relaxed);
        let rest = self.all.get(from..).filter(|rest| !rest.is_empty())?;
        Some(rest.get(..TAKEN_AT_ONCE).unwrap_or(rest))
    }
}

fn subtract(block: &mut RingVector, index: u64, seeds: &Seeds<'_>) -> Result<(), Refusal> {
    while let Some(few) = seeds.take() {
        for seed in few {
            seed.expand(block.bits())
                .wrapping_sub_from(index, block)
                .map_err(|_| Refusal::NoMoreOfThisBlock)?;
        }
    }
    Ok(())
}

/// Elements to unmask for which another thread is worth its start, measured at 0.1 ms of work.
const WORTH_A_THREAD: usize = 32 * 16_384;
/// Some 20 microseconds of work on a full block: what a thread may be waited for at the end.
const TAKEN_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use core::num::NonZeroUsize;

    use proptest::prelude::*;
    use sealsum_protocol::RingBits;

    use super::*;

    /// The definition: one seed after the other.
    fn unmask_slowly(block: &mut RingVector, index: u64, seeds: &[MaskSeed]) {
        for seed in seeds {
            let mut mask = RingVector::zeros(block.bits(), block.len());
            seed.expand(block.bits())
                .wrapping_add_to(index, &mut mask)
                .unwrap();
            block.wrapping_sub(&mask).unwrap();
        }
    }

    fn seeds(count: usize, from: u64) -> Vec<MaskSeed> {
        (from..)
            .take(count)
            .map(|n| {
                let mut seed = [0x5a; 32];
                seed[..8].copy_from_slice(&n.to_le_bytes());
                MaskSeed::new(&seed)
            })
            .collect()
    }

    fn workers(threads: usize) -> Workers {
        Workers::new(NonZeroUsize::new(threads).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn any_number_of_threads_takes_off_the_same_masks(
            bits in prop_oneof![8_u8..=32, Just(64)], len in prop_oneof![1_usize..100, 16_000_usize..=16_384],
            count in prop_oneof![0_usize..8, 60_usize..140], from: u64, index in 0_u64..1000, first: i64,
        ) {
            let bits = RingBits::new(bits).unwrap();
            let sum = || RingVector::from_signed(bits, (0..).map(|i: i64| first.wrapping_mul(i)).take(len));
            let seeds = seeds(count, from);
            let mut expected = sum();
            unmask_slowly(&mut expected, index, &seeds);
            for threads in 1..=3 {
                let mut block = sum();
                prop_assert_eq!(unmask(&mut block, index, &seeds, workers(threads)), Ok(()));
                prop_assert!(block.signed().eq(expected.signed()), "{} threads", threads);
            }
        }
    }

    #[test]
    fn a_block_past_the_keystream_is_refused_on_every_thread() {
        let bits = RingBits::new(64).unwrap();
        for threads in 1..=3 {
            let mut block = RingVector::zeros(bits, 16_384);
            let done = unmask(&mut block, 1 << 40, &seeds(200, 0), workers(threads));
            assert_eq!(done, Err(Refusal::NoMoreOfThisBlock));
        }
    }
}
