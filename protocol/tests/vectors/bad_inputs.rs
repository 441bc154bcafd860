use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::frame::FrameDecoder;
use sealsum_protocol::pack::unpack;
use sealsum_protocol::{
    AbortReceipt, Acceptance, Commitment, Encoding, KemPrivateKey, KemSuite, Receipt, RoundParams,
    RoundTerms, Signed, SignedRoundParams, Statement, upload,
};

use crate::case::canonical_bounds::Message;
use crate::case::{Case, cases};
use crate::elements::bits;

#[test]
fn bad_terms_are_refused_for_their_reason() {
    for case in cases("bad_params") {
        let terms: RoundTerms = case.decoded("terms");
        case.assert_refused(RoundParams::new(terms));
        // And as parameters they don't even decode.
        let decoded = sealsum_protocol::canonical::decode::<RoundParams>(&case.bytes("terms"));
        assert!(decoded.is_err(), "{}", case.text("name"));
    }
}

#[test]
fn bad_packings_are_refused_for_their_reason() {
    for case in cases("bad_packing") {
        let elements = usize::try_from(case.number("elements")).unwrap();
        case.assert_refused(unpack(&case.bytes("packed"), bits(&case), elements).map(|_| ()));
    }
}

#[test]
fn bad_updates_are_refused_for_their_reason() {
    for case in cases("bad_fixed_point") {
        let values = case.floats("values");
        let encoded = Encoding::new(
            &RoundParams::new(case.decoded("terms")).unwrap(),
            &values,
            u32::try_from(case.number("weight")).unwrap(),
            OutOfRange::Refuse,
            &RoundingSeed::new([3; 32]),
        );
        let encoded = encoded.and_then(|update| update.for_each_piece(|_, _| Ok(())));
        case.assert_refused(encoded.map(|_| ()));
    }
}

#[test]
fn bad_frames_are_refused_for_their_reason() {
    for case in cases("bad_frames") {
        let mut decoder = FrameDecoder::default();
        decoder.push(&case.bytes("bytes"));
        match decoder.next_frame() {
            Ok(None) => {
                assert_eq!(case.text("error"), "Incomplete");
                assert!(decoder.is_inside_a_frame());
            }
            other => case.assert_refused(other.map(|_| ())),
        }
    }
}

#[test]
fn bad_uploads_are_refused_for_their_reason() {
    for case in cases("bad_uploads") {
        let length = case.bytes("length").try_into().unwrap();
        case.assert_refused(upload::header_length(length));
    }
}

#[test]
fn bad_contributions_do_not_open() {
    for case in cases("bad_contributions") {
        let suite = match case.text("suite") {
            "x-wing" => KemSuite::XWing,
            "x25519" => KemSuite::X25519,
            other => panic!("{other} is no suite"),
        };
        let (key, _) = KemPrivateKey::derive(suite, &case.bytes32("kem_entropy"));
        let opened = key.open(
            &case.parsed("round_id"),
            &case.parsed("client"),
            &case.bytes("encapsulated_key"),
            &Commitment(case.parsed("commitment")),
            &case.bytes("sealed"),
        );
        case.assert_refused(opened.map(|_| ()));
    }
}

#[test]
fn bad_signatures_are_refused_for_their_reason() {
    for case in cases("bad_signatures") {
        match case.text("type") {
            "Acceptance" => assert_not_signed::<Acceptance>(&case),
            "Receipt" => assert_not_signed::<Receipt>(&case),
            "AbortReceipt" => assert_not_signed::<AbortReceipt>(&case),
            "SignedRoundParams" => {
                let signed: SignedRoundParams = case.decoded("signed");
                case.assert_refused(signed.verify());
            }
            other => panic!("{other} is not signed"),
        }
    }
}

fn assert_not_signed<T: Statement + Message + std::fmt::Debug>(case: &Case) {
    let signed: Signed<T> = case.decoded("signed");
    case.assert_refused(signed.verify(&case.parsed("receipt_key"), &case.parsed("round_id")));
}
