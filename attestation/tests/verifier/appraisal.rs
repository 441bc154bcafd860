//! Checklist 6 to 9, and I1, I5, I16: what authentic evidence must show before anything is sealed.

use crate::evidence::{Mock, NONCE, NOW, code, measured, round, round_with};
use getrandom::rand_core::UnwrapErr;
use sealsum_attestation::{
    Rejection, Trust, UnverifiedDocument, appraise_archived, appraise_offer,
};
use sealsum_protocol::{ClientId, KemSuite, NoncePath, UnixMillis};
use sealsum_softnsm::Faults;

#[test]
fn sound_evidence_is_appraised_and_its_key_can_be_used() {
    let mock = Mock::boot();
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let (binding, _) = round_with(|terms| terms.kem = suite, 7);
        let enclave = mock.appraise(&mock.offer(binding.clone())).unwrap();
        assert_eq!(enclave.binding(), &binding);
        assert_eq!(enclave.round_id(), binding.round_id());
        assert_eq!(enclave.trust(), Trust::Mock);
        assert!(!enclave.is_debug());
        assert_eq!(enclave.measurement_label(), "this build");
        assert_eq!(enclave.evidence_time(), NOW);
        let client = ClientId::new([9; 32]);
        let mut rng = UnwrapErr(getrandom::SysRng);
        let encapsulation = enclave.encapsulate(&client, &mut rng).unwrap();
        assert_eq!(encapsulation.round_id(), binding.round_id());
        assert_eq!(encapsulation.client(), client);
    }
}

#[test]
fn both_forms_of_the_payload_and_full_fields_are_appraised() {
    let mock = Mock::boot();
    let full = mock.offer_with(|payload| {
        payload.public_key = Some(vec![1; 1024]);
        payload
            .pcrs
            .extend((16..32).map(|index| (index, vec![5; 48])));
    });
    assert_eq!(code(mock.appraise(&full)), "appraised");
}

#[test]
fn debug_mode_is_refused_unless_a_mock_policy_asks_for_it() {
    let mock = Mock::with(Faults {
        debug_pcrs: true,
        ..Faults::default()
    });
    let offer = mock.offer(round().0);
    assert_eq!(code(mock.appraise(&offer)), "debug-mode");
    let policy = mock.policy_with(|file| file.allow_debug = true);
    let enclave = appraise_offer(&offer, &policy, NOW, &NONCE).unwrap();
    assert!(enclave.is_debug());
    assert_eq!(enclave.trust(), Trust::Mock);
    let archived = appraise_archived(&offer.evidence, offer.binding.clone(), &policy).unwrap();
    assert!(archived.is_debug());
}

#[test]
fn one_zero_register_of_three_is_debug_mode_too_and_never_half_allowed() {
    let mock = Mock::boot();
    let policy = mock.policy_with(|file| file.allow_debug = true);
    for register in 0..3 {
        let offer = mock.offer_with(|payload| drop(payload.pcrs.insert(register, vec![0; 48])));
        assert_eq!(code(mock.appraise(&offer)), "debug-mode");
        assert_eq!(
            code(appraise_offer(&offer, &policy, NOW, &NONCE)),
            "wrong-pcr"
        );
    }
}

#[test]
fn a_debug_enclave_still_answers_for_the_registers_that_are_left() {
    let mock = Mock::with(Faults {
        debug_pcrs: true,
        ..Faults::default()
    });
    let policy = mock.policy_with(|file| {
        file.allow_debug = true;
        file.measurements[0].pcr8 = Some("88".repeat(48));
    });
    let offer = mock.offer(round().0);
    assert_eq!(
        code(appraise_offer(&offer, &policy, NOW, &NONCE)),
        "wrong-pcr"
    );
}

#[test]
fn a_register_that_differs_is_refused_by_its_index() {
    let mock = Mock::boot();
    let policy = mock.policy_with(|file| {
        let entry = &mut file.measurements[0];
        entry.pcr3 = Some("a3".repeat(48));
        entry.pcr4 = Some("a4".repeat(48));
        entry.pcr8 = Some("a8".repeat(48));
    });
    let sound = mock.offer_with(|_| {});
    assert_eq!(
        code(appraise_offer(&sound, &policy, NOW, &NONCE)),
        "appraised"
    );
    for register in [0, 1, 2, 3, 4, 8] {
        let offer = mock.offer_with(|payload| drop(payload.pcrs.insert(register, vec![9; 48])));
        let refused = appraise_offer(&offer, &policy, NOW, &NONCE).unwrap_err();
        let Rejection::WrongPcr { index, label, .. } = &refused else {
            panic!("PCR{register}: {refused}")
        };
        assert_eq!(u16::from(index.value()), register);
        assert_eq!(label, "this build");

        let offer = mock.offer_with(|payload| drop(payload.pcrs.remove(&register)));
        let refused = appraise_offer(&offer, &policy, NOW, &NONCE).unwrap_err();
        let Rejection::MissingPcr { index, .. } = &refused else {
            panic!("PCR{register}: {refused}")
        };
        assert_eq!(u16::from(index.value()), register);
    }
}

#[test]
fn registers_of_two_accepted_images_do_not_mix() {
    let mock = Mock::boot();
    let policy = mock.policy_with(|file| {
        let mut other = measured("next build");
        other.pcr0 = "b0".repeat(48);
        other.pcr1 = "b1".repeat(48);
        file.measurements.push(other);
    });
    let offer = |pcr0: u8, pcr1: u8| {
        mock.offer_with(|payload| {
            payload.pcrs.insert(0, vec![pcr0; 48]);
            payload.pcrs.insert(1, vec![pcr1; 48]);
        })
    };
    let judge = |offer| appraise_offer(&offer, &policy, NOW, &NONCE);
    assert_eq!(
        judge(offer(0xa0, 0xa1)).unwrap().measurement_label(),
        "this build"
    );
    assert_eq!(
        judge(offer(0xb0, 0xb1)).unwrap().measurement_label(),
        "next build"
    );
    assert_eq!(code(judge(offer(0xa0, 0xb1))), "wrong-pcr");
    assert_eq!(code(judge(offer(0xb0, 0xa1))), "wrong-pcr");
}

#[test]
fn i05_evidence_vouches_for_one_binding_and_no_other() {
    let mock = Mock::boot();
    let (binding, _) = round();
    let evidence = mock.offer(binding.clone()).evidence.into_vec();
    let mut receipt_key = binding.clone();
    receipt_key.receipt_key = sealsum_protocol::ReceiptSigner::from_secret(&[5; 32]).key();
    for other in [
        round_with(|terms| terms.round_number += 1, 7).0,
        round_with(|terms| terms.min_cohort += 1, 7).0,
        round_with(|terms| terms.clip -= 1, 7).0,
        round_with(|_| {}, 8).0,
        receipt_key,
    ] {
        let offer = crate::evidence::offer(other, evidence.clone());
        assert_eq!(code(mock.appraise(&offer)), "wrong-binding");
    }
    let offer = crate::evidence::offer(binding.clone(), evidence.clone());
    assert_eq!(code(mock.appraise(&offer)), "appraised");
    let newer = sealsum_protocol::RoundBinding {
        version: 2,
        ..binding
    };
    assert_eq!(
        code(mock.appraise(&crate::evidence::offer(newer, evidence))),
        "protocol-version"
    );
}

#[test]
fn user_data_is_the_whole_round_id() {
    let mock = Mock::boot();
    let id = round().0.round_id().as_bytes().to_vec();
    let with = |user_data| code(mock.appraise(&mock.offer_with(|p| p.user_data = user_data)));
    assert_eq!(with(None), "no-binding");
    assert_eq!(with(Some(Vec::new())), "wrong-binding");
    assert_eq!(with(Some(id[..31].to_vec())), "wrong-binding");
    assert_eq!(with(Some([id, vec![0]].concat())), "wrong-binding");
}

#[test]
fn a_mock_under_an_aws_policy_and_aws_under_a_mocks_are_told_apart() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let refused = appraise_offer(&offer, &crate::corpus::aws_policy(), NOW, &NONCE).unwrap_err();
    assert_eq!(refused.code(), "root-not-pinned");
    assert!(refused.to_string().contains("mock = true"), "{refused}");

    let real = crate::corpus::document("base-nitro-validator-20260103-prod-9e038c");
    let refused = appraise_archived(&real.bytes, round().0, &mock.policy()).unwrap_err();
    assert_eq!(refused.code(), "root-not-pinned");
    assert!(
        refused.to_string().contains("root = \"aws-nitro\""),
        "{refused}"
    );

    let other = Mock::boot();
    assert_eq!(
        code(appraise_offer(&offer, &other.policy(), NOW, &NONCE)),
        "root-not-pinned"
    );
}

#[test]
fn every_fault_of_the_mock_is_refused_by_its_name() {
    let refused = |faults| {
        let mock = Mock::with(faults);
        code(mock.appraise(&mock.offer(round().0)))
    };
    let faults = Faults::default;
    assert_eq!(refused(faults()), "appraised");
    assert_eq!(
        refused(Faults {
            wrong_pcr0: true,
            ..faults()
        }),
        "wrong-pcr"
    );
    assert_eq!(
        refused(Faults {
            debug_pcrs: true,
            ..faults()
        }),
        "debug-mode"
    );
    assert_eq!(
        refused(Faults {
            expired_leaf: true,
            ..faults()
        }),
        "certificate-expired"
    );
    let slow = Faults {
        clock_offset_ms: -600_000,
        ..faults()
    };
    assert_eq!(refused(slow), "too-old");
    let fast = Faults {
        clock_offset_ms: 600_000,
        ..faults()
    };
    assert_eq!(refused(fast), "certificate-not-yet-valid");
}

#[test]
fn a_document_is_appraised_at_the_time_and_under_the_root_it_was_authenticated_with() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let authentic = || {
        UnverifiedDocument::parse(&offer.evidence)
            .unwrap()
            .authenticate(&mock.policy(), NOW)
            .unwrap()
    };
    let later = UnixMillis(NOW.0 + 1);
    let path = NoncePath::alone();
    let refused = authentic().appraise(&mock.policy(), later, &NONCE, &path, offer.binding.clone());
    assert_eq!(code(refused), "another-time");
    let other = Mock::boot().policy();
    let refused = authentic().appraise(&other, NOW, &NONCE, &path, offer.binding.clone());
    assert_eq!(code(refused), "another-root");
}

#[test]
fn i16_archived_evidence_is_judged_at_its_own_time_without_a_challenge() {
    let mock = Mock::boot();
    let (binding, _) = round();
    let evidence = mock
        .nsm
        .attest(Some(binding.round_id().as_bytes()), None, None)
        .unwrap();
    let archived = appraise_archived(&evidence, binding.clone(), &mock.policy()).unwrap();
    assert_eq!(archived.round_id(), binding.round_id());
    assert_eq!(archived.receipt_key(), &binding.receipt_key);
    assert_eq!(archived.trust(), Trust::Mock);
    assert!(!archived.is_debug());
    assert_eq!(archived.evidence_time(), NOW);
    assert_eq!(archived.measurement_label(), "this build");

    let (other, _) = round_with(|terms| terms.round_number += 1, 7);
    let refused = appraise_archived(&evidence, other, &mock.policy()).unwrap_err();
    assert_eq!(refused.code(), "wrong-binding");
    let other_image = mock.policy_with(|file| file.measurements[0].pcr0 = "ee".repeat(48));
    let refused = appraise_archived(&evidence, binding, &other_image).unwrap_err();
    assert_eq!(refused.code(), "wrong-pcr");
}

#[test]
fn pcr4_is_compared_with_the_instance_of_the_module_id() {
    let mock = Mock::boot();
    let agrees = |offer: &sealsum_protocol::RoundOffer| {
        UnverifiedDocument::parse(&offer.evidence)
            .unwrap()
            .pcr4_agrees()
    };
    assert_eq!(agrees(&mock.offer(round().0)), Some(true));
    assert_eq!(agrees(&mock.offer_with(|_| {})), Some(false));
    let nameless = mock.offer_with(|payload| payload.module_id = "i-0368".to_owned());
    assert_eq!(agrees(&nameless), None);
    let without = mock.offer_with(|payload| drop(payload.pcrs.remove(&4)));
    assert_eq!(agrees(&without), None);
}

#[test]
fn a_documents_free_fields_are_shown_as_they_are() {
    let mock = Mock::boot();
    let shown = |change: fn(&mut sealsum_softnsm::Payload)| {
        let document = UnverifiedDocument::parse(&mock.offer_with(change).evidence).unwrap();
        [
            document.public_key(),
            document.user_data(),
            document.nonce(),
        ]
        .map(|field| field.map(<[u8]>::to_vec))
    };
    let filled = shown(|payload| {
        payload.public_key = Some(vec![1; 3]);
        payload.user_data = Some(vec![2; 4]);
        payload.nonce = Some(vec![3; 5]);
    });
    assert_eq!(
        filled,
        [Some(vec![1; 3]), Some(vec![2; 4]), Some(vec![3; 5])]
    );
    let null = shown(|payload| {
        payload.public_key = None;
        payload.user_data = None;
        payload.nonce = None;
    });
    assert_eq!(null, [None, None, None]);
    let empty = shown(|payload| payload.public_key = Some(Vec::new()));
    assert_eq!(empty[0], Some(Vec::new()));
}
