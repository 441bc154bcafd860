//! The parts that the fast path is made of, each beside what limits it on any machine:
//! the keystream alone, or a copy of the same bytes.

use std::hint::black_box;

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use sealsum_protocol::fixed::{Number, OutOfRange, RoundingSeed};
use sealsum_protocol::pack::{pack, pack_into, unpack};
use sealsum_protocol::{
    Admission, AggregationRule, BlockLayout, Digest, EncodeError, Encoding, Intake, KemSuite,
    MaskSeed, Noise, OperatorKey, RingBits, RingVector, RoundParams, RoundTerms, Rounding, VERSION,
};

/// One part: what we do, and the same bytes through what nothing beats.
pub(crate) struct Part {
    pub(crate) key: String,
    pub(crate) ours: Box<dyn FnMut()>,
    pub(crate) limit: Box<dyn FnMut()>,
}

/// All parts, for vectors of `dimension` elements.
pub(crate) fn parts(dimension: u64) -> Vec<Part> {
    let mut parts = vec![
        unmask("unmask_vs_keystream", dimension, 32, 50),
        unmask("unmask_19_bits_vs_keystream", dimension, 19, 50),
        unmask("unmask_64_bits_vs_keystream", dimension, 64, 25),
        client::<f32>("client_vs_limit", dimension, Rounding::Stochastic),
        client::<f64>("client_f64_vs_limit", dimension, Rounding::Stochastic),
        client::<f32>("client_nearest_vs_limit", dimension, Rounding::Nearest),
    ];
    for bits in [8, 12, 16, 19, 24, 31, 32, 64] {
        parts.push(packing(dimension, bits));
        parts.push(unpacking(dimension, bits));
    }
    parts
}

/// The masks of `seeds` clients off one summed vector, block by block, as the enclave does it.
/// The limit: as much keystream into 16 KiB.
pub(crate) fn unmask(key: &str, dimension: u64, bits: u8, seeds: u8) -> Part {
    let seeds: Vec<_> = (0..seeds).map(|n| MaskSeed::new(&[n; 32])).collect();
    let layout = layout(dimension, bits);
    let mut sum = vector(layout);
    let bytes = dimension * layout.bits().lane_bytes() * seeds.len() as u64;
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            for (index, block) in (0..).zip(&mut sum) {
                for seed in &seeds {
                    let unmasked = seed.expand(layout.bits()).wrapping_sub_from(index, block);
                    assert!(unmasked.is_ok());
                }
            }
        }),
        limit: Box::new(move || keystream(bytes)),
    }
}

/// One update encoded and masked. The limit: a copy of its 32-bit elements, and a keystream for
/// the mask and, if it is rounded at random, one for that.
fn client<V: Number + From<f32> + 'static>(key: &str, dimension: u64, rounding: Rounding) -> Part {
    let params = params(dimension, rounding);
    let values: Vec<V> = (0..dimension)
        .map(|i| V::from(((i as f64 * 0.618_034).fract() * 1.9 - 0.95) as f32))
        .collect();
    let mut masked = Vec::with_capacity(dimension as usize * 4);
    let seed = MaskSeed::new(&[7; 32]);
    let keystreams = if rounding == Rounding::Stochastic {
        2
    } else {
        1
    };
    let (from, mut to) = (
        vec![1_u8; dimension as usize * 4],
        vec![0_u8; dimension as usize * 4],
    );
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            let rounding = RoundingSeed::new([9; 32]);
            let update = Encoding::new(&params, &values, 1, OutOfRange::Clamp, &rounding);
            masked.clear();
            let mut mask = seed.expand(params.layout().bits());
            let clamped = update.and_then(|update| {
                update.for_each_block(|index, block| {
                    assert!(mask.wrapping_add_to(index, block).is_ok());
                    pack_into(block, &mut masked);
                    Ok::<_, EncodeError>(())
                })
            });
            assert!(black_box(clamped).is_ok());
        }),
        limit: Box::new(move || {
            keystream(dimension * 4 * keystreams);
            black_box(&mut to).copy_from_slice(black_box(&from));
        }),
    }
}

/// One vector to its bytes. The limit: a copy of its lanes.
fn packing(dimension: u64, bits: u8) -> Part {
    let layout = layout(dimension, bits);
    let blocks = vector(layout);
    Part {
        key: format!("pack_{bits}_bits_vs_memcpy"),
        ours: Box::new(move || {
            for block in &blocks {
                black_box(pack(block));
            }
        }),
        limit: copy(layout),
    }
}

/// A vector from its bytes. The limit: a copy of its lanes.
fn unpacking(dimension: u64, bits: u8) -> Part {
    let layout = layout(dimension, bits);
    let blocks: Vec<_> = vector(layout)
        .iter()
        .map(|block| (pack(block), block.len()))
        .collect();
    Part {
        key: format!("unpack_{bits}_bits_vs_memcpy"),
        ours: Box::new(move || {
            for (bytes, elements) in &blocks {
                assert!(black_box(unpack(bytes, layout.bits(), *elements)).is_ok());
            }
        }),
        limit: copy(layout),
    }
}

/// Blocks copied one by one into fresh memory, as packing and unpacking make theirs.
fn copy(layout: BlockLayout) -> Box<dyn FnMut()> {
    let blocks: Vec<Vec<u8>> = vector(layout)
        .iter()
        .map(|block| vec![1; block.len() * layout.bits().lane_bytes() as usize])
        .collect();
    Box::new(move || {
        for block in &blocks {
            black_box(black_box(block).clone());
        }
    })
}

fn keystream(bytes: u64) {
    let mut cipher = Ctr32BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
    let mut buffer = [0; 16 * 1024];
    for _ in 0..bytes / buffer.len() as u64 {
        cipher.write_keystream(black_box(&mut buffer));
    }
    let rest = (bytes % buffer.len() as u64) as usize;
    cipher.write_keystream(black_box(&mut buffer[..rest]));
}

fn vector(layout: BlockLayout) -> Vec<RingVector> {
    layout
        .indices()
        .filter_map(|index| layout.elements(index))
        .map(|elements| {
            RingVector::from_signed(layout.bits(), (0..).map(|i| i * 77_777).take(elements))
        })
        .collect()
}

fn layout(dimension: u64, bits: u8) -> BlockLayout {
    BlockLayout::new(dimension, RingBits::new(bits).expect("a ring's width"))
}

fn params(dimension: u64, rounding: Rounding) -> RoundParams {
    RoundParams::new(RoundTerms {
        version: VERSION,
        task: "bench".parse().expect("a name"),
        round_number: 1,
        operator: OperatorKey::new([1; 32]),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension,
        ring_bits: RingBits::new(32).expect("a ring's width"),
        clip: 1 << 16,
        fractional_bits: 16,
        rounding,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 1000,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    })
    .expect("they fit")
}
