//! Checklist 7, by endorsement: a publisher's word counts for the image it names, until its end,
//! within the policy's limits, and for nothing else.

use sealsum_attestation::{
    AppraisalPolicy, BadEndorsement, Endorsement, MeasuredBuild, PublisherEntry, PublisherSigner,
    Rejection, UnverifiedDocument, appraise_archived, appraise_offer,
};
use sealsum_protocol::{NoncePath, UnixMillis};

use crate::evidence::{Mock, NONCE, NOW, code, round};

const LATER: UnixMillis = UnixMillis(NOW.0 + 86_400_000);

fn signer() -> PublisherSigner {
    PublisherSigner::from_secret(&[7; 32])
}

fn publisher() -> PublisherEntry {
    PublisherEntry {
        label: Some("releases".to_owned()),
        key: signer().key().to_string(),
        min_version: None,
        revoked: Vec::new(),
    }
}

/// A policy that pins nothing and names [`publisher`].
fn policy_with(mock: &Mock, change: impl FnOnce(&mut PublisherEntry)) -> AppraisalPolicy {
    mock.policy_with(|file| {
        let mut publisher = publisher();
        change(&mut publisher);
        file.measurements.clear();
        file.publishers.push(publisher);
    })
}

/// The mock's image as a build, changed as text.
fn build(from: &str, to: &str) -> MeasuredBuild {
    let json = format!(
        r#"{{"version": "0.2.0", "commit": "{}", "PCR0": "{}", "PCR1": "{}", "PCR2": "{}",
            "eif_sha256": "{3}", "lock_file_sha256": "{3}", "kernel_sha256": "{3}", "compilers": {{}}}}"#,
        "c0".repeat(20),
        "a0".repeat(48),
        "a1".repeat(48),
        "a2".repeat(48).as_str(),
    )
    .replace(&format!("_sha256\": \"{}", "a2".repeat(48)), &format!("_sha256\": \"{}", "e0".repeat(32)));
    MeasuredBuild::parse(&json.replacen(from, to, 1)).unwrap()
}

fn endorsement() -> Endorsement {
    Endorsement::sign(&signer(), build("", ""), LATER)
}

#[test]
fn an_endorsed_image_is_appraised_under_its_publishers_name() {
    let mock = Mock::boot();
    let policy = policy_with(&mock, |publisher| {
        publisher.min_version = Some("0.2.0".to_owned());
    });
    let policy = policy.with_endorsement(&endorsement()).unwrap();
    let enclave = appraise_offer(&mock.offer(round().0), &policy, NOW, &NONCE).unwrap();
    assert_eq!(enclave.measurement_label(), "releases 0.2.0");
    assert_eq!(enclave.expires_at(), UnixMillis(NOW.0 + 300_000));
}

#[test]
fn a_publisher_without_an_endorsement_accepts_nothing() {
    let mock = Mock::boot();
    let policy = policy_with(&mock, |_| {});
    let refused = appraise_offer(&mock.offer(round().0), &policy, NOW, &NONCE);
    assert_eq!(code(refused), "not-endorsed");
}

#[test]
fn an_endorsement_counts_only_for_the_image_that_it_names() {
    let mock = Mock::boot();
    for register in ["a0", "a1", "a2"] {
        let other = build(&register.repeat(48), &"ee".repeat(48));
        let endorsement = Endorsement::sign(&signer(), other, LATER);
        let policy = policy_with(&mock, |_| {})
            .with_endorsement(&endorsement)
            .unwrap();
        let refused = appraise_offer(&mock.offer(round().0), &policy, NOW, &NONCE);
        assert_eq!(code(refused), "wrong-pcr", "{register}");
    }
}

#[test]
fn an_endorsement_that_names_a_signer_wants_it_reported() {
    let mock = Mock::boot();
    let pcr8 = format!("\"PCR8\": \"{}\", \"eif", "88".repeat(48));
    let endorsement = Endorsement::sign(&signer(), build("\"eif", &pcr8), LATER);
    let policy = policy_with(&mock, |_| {})
        .with_endorsement(&endorsement)
        .unwrap();
    let judge = |offer| code(appraise_offer(&offer, &policy, NOW, &NONCE));
    assert_eq!(judge(mock.offer_with(|_| {})), "wrong-pcr");
    let signed = mock.offer_with(|payload| drop(payload.pcrs.insert(8, vec![0x88; 48])));
    assert_eq!(judge(signed), "appraised");
}

#[test]
fn an_endorsement_counts_up_to_its_end_and_not_a_millisecond_beyond() {
    let mock = Mock::boot();
    let judge = |not_after| {
        let endorsement = Endorsement::sign(&signer(), build("", ""), not_after);
        let policy = policy_with(&mock, |_| {})
            .with_endorsement(&endorsement)
            .unwrap();
        appraise_offer(&mock.offer(round().0), &policy, NOW, &NONCE)
    };
    let enclave = judge(NOW).unwrap();
    assert_eq!(enclave.expires_at(), NOW);
    assert_eq!(code(judge(UnixMillis(NOW.0 - 1))), "endorsement-expired");
    assert_eq!(code(judge(UnixMillis(0))), "endorsement-expired");
}

/// The policy was made while the endorsement held; it is judged at each appraisal all the same.
#[test]
fn a_policy_that_outlives_an_endorsement_accepts_its_image_no_more() {
    let mock = Mock::boot();
    let end = UnixMillis(NOW.0 + 1000);
    let endorsement = Endorsement::sign(&signer(), build("", ""), end);
    let policy = policy_with(&mock, |_| {})
        .with_endorsement(&endorsement)
        .unwrap();
    let judge = |now| {
        let offer = mock.offer(round().0);
        UnverifiedDocument::parse(&offer.evidence)
            .unwrap()
            .authenticate(&policy, now)
            .unwrap()
            .appraise(&policy, now, &NONCE, &NoncePath::alone(), offer.binding)
    };
    assert_eq!(code(judge(end)), "appraised");
    assert_eq!(code(judge(UnixMillis(end.0 + 1))), "endorsement-expired");
}

#[test]
fn archived_evidence_needs_an_endorsement_of_its_own_time() {
    let mock = Mock::boot();
    let (binding, _) = round();
    let id = binding.round_id();
    let evidence = mock.nsm.attest(Some(id.as_bytes()), None, None).unwrap();
    let judge = |not_after| {
        let endorsement = Endorsement::sign(&signer(), build("", ""), not_after);
        let policy = policy_with(&mock, |_| {})
            .with_endorsement(&endorsement)
            .unwrap();
        appraise_archived(&evidence, binding.clone(), &policy).map(drop)
    };
    assert_eq!(judge(NOW), Ok(()));
    let refused = judge(UnixMillis(NOW.0 - 1)).unwrap_err();
    assert_eq!(refused.code(), "endorsement-expired");
}

#[test]
fn a_newer_endorsement_or_a_pinned_value_stands_in_for_one_that_ended() {
    let mock = Mock::boot();
    let ended = Endorsement::sign(&signer(), build("", ""), UnixMillis(1));
    let policy = policy_with(&mock, |_| {}).with_endorsement(&ended).unwrap();
    let renewed = policy.with_endorsement(&endorsement()).unwrap();
    let judge = |policy| code(appraise_offer(&mock.offer(round().0), policy, NOW, &NONCE));
    assert_eq!(judge(&policy), "endorsement-expired");
    assert_eq!(judge(&renewed), "appraised");
    let pinned = mock.policy_with(|file| file.publishers.push(publisher()));
    assert_eq!(
        judge(&pinned.with_endorsement(&ended).unwrap()),
        "appraised"
    );
}

#[test]
fn each_reason_to_refuse_an_endorsement_has_its_name() {
    let mock = Mock::boot();
    let refused = |change: fn(&mut PublisherEntry)| {
        let policy = policy_with(&mock, change);
        policy.with_endorsement(&endorsement()).unwrap_err()
    };
    let stranger = refused(|publisher| {
        publisher.key = PublisherSigner::from_secret(&[8; 32]).key().to_string();
    });
    assert_eq!(stranger.code(), "unknown-publisher");
    let old = refused(|publisher| publisher.min_version = Some("0.10.0".to_owned()));
    assert_eq!(old.code(), "endorsement-too-old");
    assert!(old.to_string().contains("0.10.0"), "{old}");
    let revoked = refused(|publisher| publisher.revoked = vec!["A0".repeat(48)]);
    assert_eq!(revoked.code(), "endorsement-revoked");
    let rejection = Rejection::Endorsement(revoked);
    assert_eq!(rejection.code(), "endorsement-revoked");
    assert_eq!(rejection.checklist_number(), 7);
}

#[test]
fn revoking_another_image_or_asking_for_an_older_version_changes_nothing() {
    let policy = policy_with(&Mock::boot(), |publisher| {
        publisher.min_version = Some("0.1.9".to_owned());
        publisher.revoked = vec!["a1".repeat(48)];
    });
    assert!(policy.with_endorsement(&endorsement()).is_ok());
}

#[test]
fn a_signature_by_another_key_does_not_count_under_a_known_publishers_name() {
    let forger = PublisherSigner::from_secret(&[8; 32]);
    let forged = Endorsement::sign(&forger, build("", ""), LATER);
    let [known, own] = [signer().key(), forger.key()].map(|key| key.to_string());
    let json = forged.to_json().replacen(&own, &known, 1);
    let forged = Endorsement::parse(&json).unwrap();
    let refused = policy_with(&Mock::boot(), |_| {}).with_endorsement(&forged);
    assert!(matches!(refused, Err(BadEndorsement::Signature { .. })));
}
