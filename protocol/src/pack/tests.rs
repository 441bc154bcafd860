use super::*;
use proptest::prelude::*;

fn any_bits() -> impl Strategy<Value = RingBits> {
    prop_oneof![8_u8..=32, Just(64)].prop_map(|bits| RingBits::new(bits).unwrap())
}

/// From the definition: element i takes bits i x k to (i + 1) x k - 1.
fn pack_bit_by_bit(block: &RingVector) -> Vec<u8> {
    let k = block.bits().get() as usize;
    let mut bytes = vec![0_u8; (k * block.len()).div_ceil(8)];
    for (i, element) in block.signed().enumerate() {
        for bit in 0..k {
            bytes[(i * k + bit) / 8] |= ((element >> bit & 1) as u8) << ((i * k + bit) % 8);
        }
    }
    bytes
}

fn unpack_bit_by_bit(bytes: &[u8], bits: RingBits, len: usize) -> RingVector {
    let k = bits.get() as usize;
    let bit = |at: usize| i64::from(bytes[at / 8] >> (at % 8) & 1);
    let element = |i: usize| (0..k).fold(0, |element, n| element | bit(i * k + n) << n);
    RingVector::from_signed(bits, (0..len).map(element))
}

fn all_bits() -> impl Iterator<Item = RingBits> {
    (8..=32)
        .chain([64])
        .map(|bits| RingBits::new(bits).unwrap())
}

/// Elements that fill all their bits, and are others for each seed.
fn block_of(bits: RingBits, len: usize, seed: u64) -> RingVector {
    let spread = |i: u64| {
        (i ^ seed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    RingVector::from_signed(bits, (0..len as u64).map(|i| spread(i) as i64))
}

fn assert_equal(a: &RingVector, b: &RingVector) {
    assert_eq!(a.bits(), b.bits());
    assert!(a.signed().eq(b.signed()), "{} bits, {}", a.bits(), a.len());
}

/// All the ways, beside the definition.
fn assert_as_defined(bits: RingBits, len: usize, seed: u64) {
    let block = block_of(bits, len, seed);
    let bytes = pack_bit_by_bit(&block);
    assert!(pack(&block) == bytes, "{bits} bits, {len} elements");
    let mut after = b"what was there".to_vec();
    pack_into(&block, &mut after);
    assert_eq!(after.strip_prefix(b"what was there"), Some(&bytes[..]));

    let back = unpack_bit_by_bit(&bytes, bits, len);
    assert_equal(&back, &block);
    assert_equal(&unpack(&bytes, bits, len).unwrap(), &back);
    let mut over = block_of(bits, len, !seed);
    unpack_into(&bytes, &mut over).unwrap();
    assert_equal(&over, &back);

    let mut sum = block_of(bits, len, !seed);
    add_packed(&mut sum, &bytes).unwrap();
    let mut expected = block_of(bits, len, !seed);
    expected.wrapping_add(&back).unwrap();
    assert_equal(&sum, &expected);
}

/// Whether every way refuses, and leaves its target as it was.
fn refusal_of(bytes: &[u8], bits: RingBits, len: usize) -> Option<UnpackError> {
    let (mut target, before) = (block_of(bits, len, 3), block_of(bits, len, 3));
    let refusal = unpack(bytes, bits, len).err();
    assert_eq!(unpack_into(bytes, &mut target).err(), refusal);
    assert_eq!(add_packed(&mut target, bytes).err(), refusal);
    assert_equal(&target, &before);
    refusal
}

#[test]
fn every_width_and_length_is_packed_as_defined() {
    for bits in all_bits() {
        let others = [
            127, 128, 129, 159, 160, 161, 300, 511, 512, 513, 1023, 1055, 16_383, 16_384,
        ];
        for len in (0..=72).chain(others) {
            assert_as_defined(bits, len, len as u64);
        }
    }
}

#[test]
fn packing_makes_no_bytes_move_that_have_room() {
    for bits in all_bits() {
        let block = block_of(bits, 1000, 1);
        let bytes = pack(&block);
        assert_eq!(bytes.capacity(), bytes.len());
        let mut room = Vec::with_capacity(bytes.len() * 2);
        let place = room.as_ptr();
        pack_into(&block, &mut room);
        pack_into(&block, &mut room);
        assert_eq!(room.as_ptr(), place);
    }
}

#[test]
fn more_elements_than_bytes_can_be_counted_are_refused() {
    for bits in all_bits() {
        let refusal = unpack(&[], bits, usize::MAX / 8 + 1).err();
        let none = UnpackError::Length {
            expected: 0,
            found: 0,
        };
        assert!(matches!(
            refusal,
            Some(UnpackError::Length { found: 0, .. })
        ));
        if bits.get() == 64 {
            assert_eq!(refusal, Some(none));
        }
    }
}

proptest! {
    #[test]
    fn any_length_is_packed_as_defined(bits in any_bits(), len in 0_usize..3000, seed: u64) {
        assert_as_defined(bits, len, seed);
    }

    #[test]
    fn a_padding_bit_anywhere_changes_nothing_but_the_verdict(bits in any_bits(), len in 1_usize..600, flips in 1_u8..) {
        let mut bytes = pack(&block_of(bits, len, 7));
        let used = len * bits.get() as usize % 8;
        let padding = if used == 0 { 0 } else { flips << used };
        *bytes.last_mut().unwrap() |= padding;
        let expected = (padding != 0).then_some(UnpackError::Padding);
        if expected.is_some() {
            prop_assert_eq!(refusal_of(&bytes, bits, len), expected);
        } else {
            prop_assert!(unpack(&bytes, bits, len).is_ok());
        }
    }

    #[test]
    fn unpacking_what_was_packed_gives_it_back(bits in any_bits(), values in prop::collection::vec(any::<i64>(), 0..300)) {
        let block = RingVector::from_signed(bits, values.iter().copied());
        let bytes = pack(&block);
        let back = unpack(&bytes, bits, values.len()).unwrap();
        prop_assert!(back.signed().eq(block.signed()));
    }

    #[test]
    fn any_other_length_is_refused(bits in any_bits(), len in 1_usize..300, cut in 1_usize..4) {
        let bytes = pack(&RingVector::zeros(bits, len));
        let short = &bytes[..bytes.len().saturating_sub(cut)];
        prop_assert!(matches!(refusal_of(short, bits, len), Some(UnpackError::Length { expected, found }) if expected == bytes.len() && found == short.len()), "short");
        let mut long = bytes.clone();
        long.resize(bytes.len() + cut, 0);
        prop_assert!(matches!(refusal_of(&long, bits, len), Some(UnpackError::Length { expected, found }) if expected == bytes.len() && found == long.len()), "long");
    }

    #[test]
    fn each_padding_bit_is_checked(bits in any_bits(), len in 1_usize..40) {
        let mut bytes = pack(&RingVector::zeros(bits, len));
        let used = len * bits.get() as usize;
        for bit in used..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(refusal_of(&bytes, bits, len), Some(UnpackError::Padding));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
