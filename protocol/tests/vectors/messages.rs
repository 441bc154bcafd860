use sealsum_protocol::canonical::{self, DecodeError};
use sealsum_protocol::messages::{Command, Reply};
use sealsum_protocol::receipt::receipt_digest;
use sealsum_protocol::{
    AbortReceipt, Acceptance, Receipt, ReceiptSigner, RoundEvidence, RoundOffer, Signed, Statement,
};

use crate::case::canonical_bounds::Message;
use crate::case::{Case, cases};

#[test]
fn messages_have_the_encodings_of_the_vectors() {
    let mut types = std::collections::BTreeSet::new();
    for case in cases("messages") {
        let bytes = case.bytes("cbor");
        types.insert(case.text("type").to_owned());
        match case.text("type") {
            "Command" => assert_one_encoding::<Command>(&bytes),
            "Reply" => assert_one_encoding::<Reply>(&bytes),
            "RoundOffer" => assert_one_encoding::<RoundOffer>(&bytes),
            "RoundEvidence" => assert_one_encoding::<RoundEvidence>(&bytes),
            other => panic!("{other} is no message"),
        }
    }
    assert_eq!(types.len(), 4);
}

/// Decodes, encodes back to the same, and no cut or lengthened form decodes.
fn assert_one_encoding<T: Message>(bytes: &[u8]) {
    let message: T = canonical::decode(bytes).unwrap();
    assert_eq!(canonical::encode(&message), bytes);
    for end in 0..bytes.len() {
        assert!(
            canonical::decode::<T>(&bytes[..end]).is_err(),
            "cut at {end}"
        );
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(
        canonical::decode::<T>(&longer).err(),
        Some(DecodeError::Malformed)
    );
}

#[test]
fn statements_are_signed_as_the_vectors_say() {
    let mut types = Vec::new();
    for case in cases("statements") {
        types.push(case.text("type").to_owned());
        match case.text("type") {
            "Acceptance" => assert_signed::<Acceptance>(&case),
            "Receipt" => {
                assert_signed::<Receipt>(&case);
                let receipt: Signed<Receipt> = case.decoded("cbor");
                assert_eq!(receipt_digest(&receipt), case.parsed("digest"));
            }
            "AbortReceipt" => assert_signed::<AbortReceipt>(&case),
            other => panic!("{other} is no statement"),
        }
    }
    assert_eq!(types, ["Acceptance", "Receipt", "AbortReceipt"]);
}

fn assert_signed<T: Statement + Message + Clone>(case: &Case) {
    let signer = ReceiptSigner::from_secret(&case.bytes32("receipt_secret"));
    assert_eq!(signer.key(), case.parsed("receipt_key"));
    let signed: Signed<T> = case.decoded("cbor");
    let statement = signed
        .verify(&signer.key(), &case.parsed("round_id"))
        .unwrap();
    // Ed25519 is deterministic (RFC 8032).
    let again = signer.sign(statement.clone());
    assert_eq!(canonical::encode(&again), case.bytes("cbor"));
}

#[test]
fn bad_messages_are_refused_for_their_reason() {
    for case in cases("bad_messages") {
        assert_eq!(case.text("type"), "Command");
        case.assert_refused(canonical::decode::<Command>(&case.bytes("cbor")));
    }
}
