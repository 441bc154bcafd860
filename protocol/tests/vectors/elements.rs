use sealsum_protocol::fixed::decode;
use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{MaskSeed, RingBits, RingVector, RoundParams, RoundTerms};

use crate::case::{Case, cases};

#[test]
fn elements_pack_and_unpack_as_the_vectors_say() {
    for case in cases("packing") {
        let values: Vec<i64> = case.list("values");
        let block = RingVector::from_signed(bits(&case), values.iter().copied());
        assert_eq!(pack(&block), case.bytes("packed"));
        let back = unpack(&case.bytes("packed"), bits(&case), values.len()).unwrap();
        assert_eq!(back.signed().collect::<Vec<_>>(), values);
    }
}

#[test]
fn masks_expand_as_the_vectors_say() {
    for case in cases("masks") {
        let mut mask = RingVector::zeros(bits(&case), 12);
        MaskSeed::new(&case.bytes32("seed"))
            .expand(bits(&case))
            .wrapping_add_to(case.number("block"), &mut mask)
            .unwrap();
        assert_eq!(pack(&mask), case.bytes("packed"));
    }
}

#[test]
fn frames_look_as_the_vectors_say() {
    for case in cases("frames") {
        let frame = Frame {
            head: case.bytes("head"),
            body: case.bytes("body"),
        };
        assert_eq!(frame.encode().unwrap(), case.bytes("frame"));
        let mut decoder = FrameDecoder::default();
        decoder.push(&case.bytes("frame"));
        assert!(decoder.next_frame().unwrap() == Some(frame));
    }
}

/// That the elements are what encoding gives is shown by way of sealing, in `agreement`.
#[test]
fn released_elements_read_back_as_the_vectors_say() {
    for case in cases("fixed_point") {
        let terms: RoundTerms = case.decoded("terms");
        RoundParams::new(terms.clone()).unwrap();
        let dimension = usize::try_from(terms.dimension).unwrap();
        let block = unpack(&case.bytes("elements"), terms.ring_bits, dimension).unwrap();
        let cohort_size = u32::try_from(case.number("cohort_size")).unwrap();
        let read = decode(&terms, &[block], cohort_size, case.number("total_weight"));
        assert_eq!(read, case.floats("read_back"));
    }
}

pub(crate) fn bits(case: &Case) -> RingBits {
    RingBits::new(u8::try_from(case.number("bits")).unwrap()).unwrap()
}
