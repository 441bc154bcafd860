//! Checklist 4: one flaw in an otherwise sound chain, and the name of its refusal.

use sealsum_attestation::{BadCertificate, BadChain, ChainPosition, PolicyError, Rejection};
use sealsum_protocol::UnixMillis;

use crate::evidence::NOW;
use crate::pki::{
    Certificate, DIGITAL_SIGNATURE, EC_PUBLIC_KEY, ECDSA_WITH_SHA256, KEY_CERT_SIGN, P256, P384,
    Pki, algorithm, basic_constraints, extension, key_info, key_usage, pin, pin_as, tlv,
};

const ROOT: usize = 0;
const ZONAL: usize = 2;
const INSTANCE: usize = 3;
const LEAF: usize = 4;

/// The refusal after one certificate was changed before it was issued.
fn refusal(place: usize, change: impl FnOnce(&mut Certificate)) -> Rejection {
    let mut pki = Pki::sound();
    change(&mut pki.certificates[place]);
    let chain = pki.issue();
    pki.judge(&chain[0], &chain, NOW).unwrap_err()
}

fn code(place: usize, change: impl FnOnce(&mut Certificate)) -> &'static str {
    refusal(place, change).code()
}

/// The refusal after the issued certificates were changed.
fn code_of_chain(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> &'static str {
    let pki = Pki::sound();
    let mut chain = pki.issue();
    let root = chain[0].clone();
    change(&mut chain);
    pki.judge(&root, &chain, NOW).unwrap_err().code()
}

#[test]
fn the_sound_chain_is_accepted() {
    let pki = Pki::sound();
    let chain = pki.issue();
    assert_eq!(pki.judge(&chain[0], &chain, NOW), Ok(()));
}

#[test]
fn a_look_alike_root_with_a_whole_valid_chain_is_not_the_pinned_one() {
    let (pinned, look_alike) = (Pki::sound().issue(), Pki::sound());
    let chain = look_alike.issue();
    let refused = look_alike.judge(&pinned[0], &chain, NOW).unwrap_err();
    assert_eq!(refused.code(), "root-not-pinned");
    // The pinned root in front of the other chain does not help.
    let patched = [&pinned[..1], &chain[1..]].concat();
    let refused = look_alike.judge(&pinned[0], &patched, NOW).unwrap_err();
    let position = ChainPosition::Intermediate { number: 1, of: 3 };
    assert_eq!(refused, Rejection::Chain(BadChain::Signature { position }));
    // Nor does the pinned root behind it.
    let mut appended = chain;
    appended.insert(4, pinned[0].clone());
    let refused = look_alike.judge(&pinned[0], &appended, NOW).unwrap_err();
    assert_eq!(refused.code(), "root-not-pinned");
}

#[test]
fn a_chain_has_its_certificates_complete_and_in_order() {
    assert_eq!(
        code_of_chain(|chain| chain[1..4].reverse()),
        "chain-broken-link"
    );
    assert_eq!(
        code_of_chain(|chain| chain[..4].reverse()),
        "root-not-pinned"
    );
    for missing in 1..4 {
        assert_eq!(
            code_of_chain(|chain| drop(chain.remove(missing))),
            "chain-broken-link"
        );
    }
    assert_eq!(
        code_of_chain(|chain| drop(chain.remove(0))),
        "root-not-pinned"
    );
    for extra in 1..4 {
        let twice = |chain: &mut Vec<Vec<u8>>| chain.insert(extra, chain[extra].clone());
        assert_eq!(code_of_chain(twice), "chain-broken-link");
    }
    let other = Pki::sound().issue();
    let other_leaf = code_of_chain(|chain| chain[LEAF] = other[LEAF].clone());
    assert_eq!(other_leaf, "chain-signature");
    // A leaf that is the root itself.
    assert_eq!(
        code_of_chain(|chain| *chain = vec![chain[0].clone(), chain[0].clone()]),
        "leaf-is-authority"
    );
}

#[test]
fn a_certificate_that_the_path_can_do_without_is_refused() {
    // Another key under the root's own name, properly issued: names and limits all fit, but the
    // regional certificate is signed by the root itself.
    let (pki, mut other) = (Pki::sound(), Pki::sound());
    let mut chain = pki.issue();
    other.certificates[1].subject = "root";
    other.certificates[1].extensions = vec![
        basic_constraints(true, None),
        key_usage(true, KEY_CERT_SIGN),
    ];
    other.sign_with_root_of(&pki);
    chain.insert(1, other.issue()[1].clone());
    let refused = pki.judge(&chain[0], &chain, NOW).unwrap_err();
    assert_eq!(refused.code(), "chain-repeated-name");
}

#[test]
fn a_self_signed_leaf_is_refused() {
    assert_eq!(code(LEAF, |leaf| leaf.issuer = "leaf"), "chain-broken-link");
    let refused = refusal(LEAF, |leaf| leaf.signer = LEAF);
    let position = ChainPosition::Leaf;
    assert_eq!(refused, Rejection::Chain(BadChain::Signature { position }));
}

#[test]
fn a_leaf_can_not_stand_in_for_an_authority() {
    let mut pki = Pki::sound();
    let leaf_constraints = pki.certificates[LEAF].extensions.clone();
    pki.certificates[INSTANCE].extensions = leaf_constraints;
    let chain = pki.issue();
    let refused = pki.judge(&chain[0], &chain, NOW).unwrap_err();
    assert_eq!(refused.code(), "certificate-not-an-authority");
}

#[test]
fn an_authority_needs_its_constraints_and_its_usage() {
    let with = |extensions: Vec<Vec<u8>>| code(ZONAL, |zonal| zonal.extensions = extensions);
    let usage = || key_usage(true, KEY_CERT_SIGN);
    assert_eq!(with(vec![usage()]), "certificate-no-basic-constraints");
    assert_eq!(with(Vec::new()), "certificate-no-basic-constraints");
    assert_eq!(
        with(vec![basic_constraints(false, None), usage()]),
        "certificate-not-an-authority"
    );
    assert_eq!(
        with(vec![basic_constraints(true, Some(0)), usage()]),
        "certificate-path-too-long"
    );
    assert_eq!(
        with(vec![basic_constraints(true, Some(1))]),
        "certificate-no-key-usage"
    );
    let signs = key_usage(true, DIGITAL_SIGNATURE);
    assert_eq!(
        with(vec![basic_constraints(true, Some(1)), signs]),
        "certificate-no-certificate-signing"
    );
}

#[test]
fn a_leaf_signs_documents_and_nothing_else() {
    let with = |extensions: Vec<Vec<u8>>| code(LEAF, |leaf| leaf.extensions = extensions);
    let usage = || key_usage(false, DIGITAL_SIGNATURE);
    assert_eq!(with(vec![usage()]), "certificate-no-basic-constraints");
    assert_eq!(
        with(vec![basic_constraints(true, None), usage()]),
        "leaf-is-authority"
    );
    assert_eq!(
        with(vec![basic_constraints(false, Some(0)), usage()]),
        "leaf-path-length"
    );
    let leaf = || basic_constraints(false, None);
    assert_eq!(with(vec![leaf()]), "certificate-no-key-usage");
    // nonRepudiation only.
    assert_eq!(
        with(vec![leaf(), key_usage(false, [6, 0x40])]),
        "leaf-no-digital-signature"
    );
    assert_eq!(
        with(vec![leaf(), key_usage(false, [2, 0x84])]),
        "leaf-is-authority"
    );
}

#[test]
fn every_certificate_is_judged_at_the_given_time_to_the_second() {
    // Valid from 20:41:07, and until 20:41:07; NOW is 402 ms later, so judge at whole seconds.
    let second = UnixMillis(NOW.0 / 1000 * 1000);
    let judge = |place: usize, validity, at: UnixMillis| {
        let mut pki = Pki::sound();
        pki.certificates[place].validity = validity;
        let chain = pki.issue();
        pki.judge(&chain[0], &chain, at)
            .map_err(|refused| refused.code())
    };
    for place in ROOT..=LEAF {
        let from = ["260103204107Z", "270101000000Z"];
        assert_eq!(judge(place, from, second), Ok(()));
        let early = judge(place, from, UnixMillis(second.0 - 1000));
        assert_eq!(early, Err("certificate-not-yet-valid"), "{place}");
        let until = ["260101000000Z", "260103204107Z"];
        assert_eq!(judge(place, until, second), Ok(()));
        let late = judge(place, until, UnixMillis(second.0 + 1000));
        assert_eq!(late, Err("certificate-expired"), "{place}");
    }
}

#[test]
fn only_p384_keys_in_the_uncompressed_form_are_taken() {
    let pki = Pki::sound();
    let compressed = |point: &[u8]| [&[2 + point[96] % 2], &point[1..49]].concat();
    for place in [ZONAL, INSTANCE, LEAF] {
        let p256 = pki.key_info(place, P256, |point| point[..65].to_vec());
        assert_eq!(
            code(place, |c| c.key_info = Some(p256)),
            "certificate-key-type"
        );
        let short = pki.key_info(place, P384, compressed);
        assert_eq!(
            code(place, |c| c.key_info = Some(short)),
            "certificate-key-point"
        );
        let hybrid = pki.key_info(place, P384, |point| [&[6], &point[1..]].concat());
        assert_eq!(
            code(place, |c| c.key_info = Some(hybrid)),
            "certificate-key-point"
        );
        let ed25519 = tlv(
            0x30,
            &[algorithm(&[0x2b, 0x65, 0x70]), tlv(0x03, &[[0; 33]])],
        );
        assert_eq!(
            code(place, |c| c.key_info = Some(ed25519)),
            "certificate-key-type"
        );
        let rsa = tlv(
            0x30,
            &[
                tlv(0x30, &[tlv(0x06, &[RSA_ENCRYPTION]), vec![0x05, 0x00]]),
                tlv(
                    0x03,
                    &[&[0x00, 0x30, 0x06, 0x02, 0x01, 0x23, 0x02, 0x01, 0x03]],
                ),
            ],
        );
        assert_eq!(
            code(place, |c| c.key_info = Some(rsa)),
            "certificate-key-type"
        );
    }
    // A curve that is missing, which some take for "the issuer's".
    let bare = tlv(0x30, &[algorithm(EC_PUBLIC_KEY), tlv(0x03, &[[0; 98]])]);
    assert_eq!(
        code(LEAF, |c| c.key_info = Some(bare)),
        "certificate-key-type"
    );
    // A point beside the curve is found where it is used.
    let beside = key_info(P384, &[&[4][..], &[1; 96]].concat());
    assert_eq!(
        code(LEAF, |c| c.key_info = Some(beside.clone())),
        "document-signature"
    );
    assert_eq!(
        code(INSTANCE, |c| c.key_info = Some(beside)),
        "chain-signature"
    );
}

#[test]
fn only_ecdsa_with_sha384_signs_certificates() {
    let sha256 = || algorithm(ECDSA_WITH_SHA256);
    for place in [ZONAL, LEAF] {
        assert_eq!(
            code(place, |c| c.outer_algorithm = sha256()),
            "certificate-signature-algorithm"
        );
        assert_eq!(
            code(place, |c| c.inner_algorithm = sha256()),
            "certificate-signature-algorithm"
        );
        let with_null = tlv(
            0x30,
            &[
                tlv(0x06, &[crate::pki::ECDSA_WITH_SHA384]),
                vec![0x05, 0x00],
            ],
        );
        assert_eq!(
            code(place, |c| c.outer_algorithm = with_null),
            "certificate-signature-algorithm"
        );
    }
}

#[test]
fn extensions_are_known_single_and_readable() {
    let add = |place, extra: Vec<u8>| code(place, |c| c.extensions.push(extra));
    for place in [ZONAL, LEAF] {
        let unknown = extension(&[0x2a, 0x03, 0x04], true, &[0x05, 0x00]);
        assert_eq!(add(place, unknown), "certificate-extension-critical");
        let usage = extension(
            &[0x55, 0x1d, 0x25],
            false,
            &tlv(0x30, &[tlv(0x06, &[CLIENT_AUTH])]),
        );
        assert_eq!(add(place, usage), "certificate-extended-key-usage");
        let twice = key_usage(true, KEY_CERT_SIGN);
        assert_eq!(add(place, twice), "certificate-extension-duplicate");
        let broken = extension(&[0x55, 0x1d, 0x0f], true, &[0x03]);
        let replaced = code(place, |c| c.extensions[1] = broken);
        assert_eq!(replaced, "certificate-extension-malformed");
    }
    let mut pki = Pki::sound();
    let harmless = extension(&[0x2a, 0x03, 0x04], false, &[0x05, 0x00]);
    pki.certificates[LEAF].extensions.push(harmless);
    let chain = pki.issue();
    assert_eq!(pki.judge(&chain[0], &chain, NOW), Ok(()));
}

#[test]
fn a_certificate_is_one_der_value_of_version_three() {
    assert_eq!(
        code(ZONAL, |c| c.trailing = vec![0]),
        "certificate-trailing-bytes"
    );
    assert_eq!(
        code(LEAF, |c| c.trailing = vec![0, 0]),
        "certificate-trailing-bytes"
    );
    let second = tlv(0xa0, &[tlv(0x02, &[&[1]])]);
    assert_eq!(code(ZONAL, |c| c.version = second), "certificate-version");
    assert_eq!(
        code_of_chain(|chain| chain[LEAF].truncate(40)),
        "certificate-malformed"
    );
    assert_eq!(
        code_of_chain(|chain| chain[ZONAL] = b"certificate".to_vec()),
        "certificate-malformed"
    );
}

#[test]
fn a_root_that_is_no_authority_can_not_be_pinned() {
    let root = |change: fn(&mut Certificate)| {
        let mut pki = Pki::sound();
        change(&mut pki.certificates[ROOT]);
        pin(&pki.issue()[0])
    };
    assert_eq!(root(|_| {}), Ok(()));
    let refused = root(|c| c.extensions = vec![key_usage(true, KEY_CERT_SIGN)]);
    assert_eq!(
        refused,
        Err(PolicyError::Root(BadCertificate::NoBasicConstraints))
    );
    let refused = root(|c| c.extensions = vec![basic_constraints(true, None)]);
    assert_eq!(refused, Err(PolicyError::Root(BadCertificate::NoKeyUsage)));
    let refused = root(|c| c.outer_algorithm = algorithm(ECDSA_WITH_SHA256));
    assert_eq!(
        refused,
        Err(PolicyError::Root(BadCertificate::SignatureAlgorithm))
    );
}

#[test]
fn a_root_of_ones_own_is_a_mocks_and_must_be_called_one() {
    let root = &Pki::sound().issue()[ROOT];
    assert_eq!(pin_as(root, true), Ok(()));
    assert_eq!(pin_as(root, false), Err(PolicyError::RootWithoutMock));
}

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
