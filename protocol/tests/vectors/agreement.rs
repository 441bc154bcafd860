use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    Commitment, CommitmentBuilder, ContributionHeader, Encoding, KemPrivateKey, OperatorSigner,
    ReceiptSigner, RoundBinding, RoundParams, RoundTerms, SignedRoundParams, canonical, upload,
};

use crate::case::{Case, cases};

#[test]
fn rounds_get_their_ids_as_the_vectors_say() {
    for case in cases("rounds") {
        let terms: RoundTerms = case.decoded("terms");
        let suite = terms.kem;
        let operator = OperatorSigner::from_secret(&case.bytes32("operator_secret"));
        let signed = RoundParams::new(terms).unwrap().sign(&operator).unwrap();
        assert_eq!(canonical::encode(&signed), case.bytes("signed_params"));
        case.decoded::<SignedRoundParams>("signed_params")
            .verify()
            .unwrap();
        let (_, kem_key) = KemPrivateKey::derive(suite, &case.bytes32("kem_entropy"));
        assert_eq!(kem_key, case.bytes("kem_key"));
        assert_eq!(kem_key.len(), suite.public_key_bytes());
        let receipts = ReceiptSigner::from_secret(&case.bytes32("receipt_secret"));
        assert_eq!(receipts.key(), case.parsed("receipt_key"));
        let binding: RoundBinding = case.decoded("binding");
        assert_eq!(binding.params, signed);
        assert_eq!(*binding.kem_key, kem_key);
        assert_eq!(binding.receipt_key, receipts.key());
        assert_eq!(binding.round_id(), case.parsed("round_id"));
    }
}

#[test]
fn contributions_open_to_what_the_vectors_say_was_sealed() {
    for case in cases("contributions") {
        let binding: RoundBinding = case.decoded("binding");
        let terms = binding.params.verify().unwrap().terms();
        let (key, kem_key) = KemPrivateKey::derive(terms.kem, &case.bytes32("kem_entropy"));
        assert_eq!(*binding.kem_key, kem_key);
        let commitment = Commitment(case.parsed("commitment"));
        let (seed, weight) = key
            .open(
                &binding.round_id(),
                &case.parsed("client"),
                &case.bytes("encapsulated_key"),
                &commitment,
                &case.bytes("sealed"),
            )
            .unwrap();
        assert_eq!(u64::from(weight), case.number("weight"));
        let body = case.bytes("body");
        let mut committed = CommitmentBuilder::masked_update();
        committed.push(&body);
        assert_eq!(committed.root(), commitment.0);
        let mut elements = unpack(&body, terms.ring_bits, case.floats("values").len()).unwrap();
        seed.expand(terms.ring_bits)
            .wrapping_sub_from(0, &mut elements)
            .unwrap();
        assert_eq!(pack(&elements), case.bytes("elements"));
        assert_header(&case, &binding);
    }
}

fn assert_header(case: &Case, binding: &RoundBinding) {
    let header: ContributionHeader = case.decoded("header");
    assert_eq!(header.round_id, binding.round_id());
    assert_eq!(header.client, case.parsed("client"));
    assert_eq!(*header.encapsulated_key, case.bytes("encapsulated_key"));
    assert_eq!(*header.sealed, case.bytes("sealed"));
    assert_eq!(header.commitment.0, case.parsed("commitment"));
    assert_eq!(header.digest(), case.parsed("digest"));
    assert_eq!(upload::prefix(&header), case.bytes("upload_prefix"));
}

/// Encoded elements can be seen only from the enclave's side, so this seals them
/// with other randomness and opens them.
#[test]
fn updates_encode_to_the_elements_of_the_vectors() {
    for case in cases("fixed_point") {
        let terms: RoundTerms = case.decoded("terms");
        let values = case.floats("values");
        let encoding = Encoding::new(
            &RoundParams::new(terms.clone()).unwrap(),
            &values,
            u32::try_from(case.number("weight")).unwrap(),
            OutOfRange::Clamp,
            &RoundingSeed::new(case.bytes32("rounding_seed")),
        )
        .unwrap();
        let (elements, clamped) = sealed_and_opened(&terms, encoding);
        assert_eq!(clamped, case.number("clamped"));
        assert_eq!(elements, case.bytes("elements"));
    }
}

fn sealed_and_opened(terms: &RoundTerms, encoding: Encoding<'_>) -> (Vec<u8>, u64) {
    let vector = &cases("rounds")[0];
    let operator = OperatorSigner::from_secret(&vector.bytes32("operator_secret"));
    let (key, kem_key) = KemPrivateKey::derive(terms.kem, &[7; 32]);
    let binding = RoundBinding {
        version: 1,
        params: RoundParams::new(terms.clone())
            .unwrap()
            .sign(&operator)
            .unwrap(),
        kem_key: serde_bytes::ByteBuf::from(kem_key),
        receipt_key: vector.parsed("receipt_key"),
    };
    let client = cases("contributions")[0].parsed("client");
    let mut random = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    let encapsulation =
        sealsum_protocol::Encapsulation::to(&binding, &client, &mut random).unwrap();
    let sealed = sealsum_protocol::seal(encapsulation, encoding).unwrap();
    let header = sealed.header;
    let (seed, _) = key
        .open(
            &header.round_id,
            &client,
            &header.encapsulated_key,
            &header.commitment,
            &header.sealed,
        )
        .unwrap();
    let dimension = usize::try_from(terms.dimension).unwrap();
    let mut elements = unpack(&sealed.masked.0, terms.ring_bits, dimension).unwrap();
    seed.expand(terms.ring_bits)
        .wrapping_sub_from(0, &mut elements)
        .unwrap();
    (pack(&elements), sealed.clamped)
}
