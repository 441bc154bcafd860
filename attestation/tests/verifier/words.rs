//! What people read: an audit's findings and the words of refusals name the values that count.

use sealsum_attestation::{
    Audit, BadChain, BadPayload, CborError, ChainPosition, Check, Endorsement, ExpectedNonce,
    ExpectedUserData, Field, JudgedAt, MeasuredBuild, PublisherEntry, PublisherSigner, Question,
    Rejection, RootFingerprint, UnverifiedDocument,
};
use sealsum_protocol::UnixMillis;

use crate::corpus::{aws_policy, document};
use crate::evidence::{Mock, NONCE, NOW, round};

const BARE: Question<'_> = Question {
    at: JudgedAt::Time(NOW),
    endorsement: None::<&Endorsement>,
    nonce: None,
    user_data: None,
};

const KEPT: Question<'_> = Question {
    at: JudgedAt::ItsOwnTime,
    ..BARE
};

/// What was found at the checklist's point `number`.
fn found(audit: &Audit, number: u8) -> &str {
    let at = |check: &&Check| check.number == number;
    &audit.checks().iter().find(at).unwrap().found
}

#[test]
fn an_audit_says_of_each_point_what_was_found() {
    let mock = Mock::boot();
    let notary = mock.notary();
    let payload = mock.payload(&notary.certificates()).encode(false);
    let evidence = notary.sign_payload(&payload).unwrap();
    let binding = round().0;
    let question = Question {
        at: JudgedAt::Time(NOW.plus(2_000)),
        nonce: Some(ExpectedNonce::Whole(NONCE.as_bytes())),
        user_data: Some(ExpectedUserData::Binding(&binding)),
        ..BARE
    };
    let audit = Audit::of(&evidence, &mock.policy(), &question);
    let root = mock.policy().root().fingerprint().to_string();
    let expected = [
        format!(
            "COSE_Sign1 with ES384, a payload of {} bytes",
            payload.len()
        ),
        "strict CBOR, known keys, each once".to_owned(),
        format!(
            "enclave {:?}, 16 registers, signed 2026-01-03T20:41:07Z",
            mock.nsm.module_id().to_string()
        ),
        format!(
            "5 certificates up to the policy's own root {}, all valid at 2026-01-03T20:41:09Z",
            &root[..16]
        ),
        "signed by the leaf certificate".to_owned(),
        "PCR0, 1 and 2 are not zero".to_owned(),
        "\"this build\", pinned: PCR0, PCR1, PCR2 are as expected".to_owned(),
        "signed 2 s before; the nonce is the one expected".to_owned(),
        format!(
            "user_data is the id of the given binding's round, {}",
            binding.round_id()
        ),
    ];
    let findings: Vec<_> = audit
        .checks()
        .iter()
        .map(|check| check.found.as_str())
        .collect();
    assert_eq!(findings, expected);
}

#[test]
fn an_audit_says_what_was_not_asked() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let audit = |question| Audit::of(&offer.evidence, &mock.policy(), &question);
    assert_eq!(
        found(&audit(BARE), 8),
        "signed 0 s before; no nonce was asked for, so it may be a replay"
    );
    assert_eq!(
        found(&audit(KEPT), 8),
        "judged at its own time, whatever its age; no nonce was asked for, so it may be a replay"
    );
    assert_eq!(
        found(&audit(BARE), 9),
        "user_data was not asked for; it has 32 bytes"
    );
    let id = offer.binding.round_id();
    let whole = Question {
        user_data: Some(ExpectedUserData::Whole(id.as_bytes())),
        ..BARE
    };
    assert_eq!(found(&audit(whole), 9), "user_data is as expected");
    let null = mock.offer_with(|payload| payload.user_data = None);
    let audit = Audit::of(&null.evidence, &mock.policy(), &BARE);
    assert_eq!(found(&audit, 9), "user_data is null");
}

#[test]
fn an_audit_says_that_debug_mode_hides_the_image() {
    let mock = Mock::boot();
    let debug = mock.offer_with(|payload| {
        payload
            .pcrs
            .extend((0..3).map(|index| (index, vec![0; 48])));
    });
    let policy = mock.policy_with(|file| file.allow_debug = true);
    let audit = Audit::of(&debug.evidence, &policy, &BARE);
    assert_eq!(
        found(&audit, 6),
        "DEBUG MODE, which the policy allows: the host can read this enclave"
    );
    assert_eq!(
        found(&audit, 7),
        "taken for \"this build\": debug mode hides PCR0, 1 and 2"
    );
    assert!(audit.verdict().unwrap().debug);
}

#[test]
fn an_audit_says_until_when_an_image_is_endorsed() {
    let mock = Mock::boot();
    let signer = PublisherSigner::from_secret(&[7; 32]);
    let policy = mock.policy_with(|file| {
        file.measurements.clear();
        file.publishers.push(PublisherEntry {
            label: Some("releases".to_owned()),
            key: signer.key().to_string(),
            min_version: None,
            revoked: Vec::new(),
        });
    });
    let digits = |byte: &str, bytes| byte.repeat(bytes);
    let build = format!(
        r#"{{"version": "0.2.0", "commit": "{}", "PCR0": "{}", "PCR1": "{}", "PCR2": "{}",
            "eif_sha256": "{4}", "lock_file_sha256": "{4}", "kernel_sha256": "{4}", "compilers": {{}}}}"#,
        digits("c0", 20),
        digits("a0", 48),
        digits("a1", 48),
        digits("a2", 48),
        digits("e0", 32),
    );
    let build = MeasuredBuild::parse(&build).unwrap();
    let endorsement = Endorsement::sign(&signer, build, NOW.plus(86_400_000));
    let question = Question {
        endorsement: Some(&endorsement),
        ..BARE
    };
    let audit = Audit::of(&mock.offer(round().0).evidence, &policy, &question);
    assert_eq!(
        found(&audit, 7),
        "\"releases 0.2.0\", endorsed until 2026-01-04T20:41:07Z: PCR0, PCR1, PCR2 are as expected"
    );
}

#[test]
fn an_audit_says_whose_root_the_chain_leads_to() {
    let real = document("nautilus-20250415-prod-7e9164");
    let audit = Audit::of(&real.bytes, &aws_policy(), &KEPT);
    let chain = found(&audit, 4);
    let expected = "5 certificates up to AWS's root 641a0321a3e244ef, all valid at 2025-";
    assert!(chain.starts_with(expected), "{chain}");
}

/// Whoever shows an audit shows the document that was judged, also where it was refused.
#[test]
fn an_audit_keeps_the_document_that_it_could_read() {
    let mock = Mock::boot();
    let stranger = Mock::boot().offer(round().0);
    let audit = Audit::of(&stranger.evidence, &mock.policy(), &BARE);
    assert_eq!(audit.verdict().unwrap_err().code(), "root-not-pinned");
    let read = UnverifiedDocument::parse(&stranger.evidence).unwrap();
    assert_eq!(audit.document().unwrap().cabundle(), read.cabundle());
    let cut = Audit::of(&stranger.evidence[..100], &mock.policy(), &BARE);
    assert!(cut.document().is_none());
}

#[test]
fn a_payload_that_is_no_map_of_the_known_keys_fails_at_point_2() {
    let mock = Mock::boot();
    let notary = mock.notary();
    let payload = mock.payload(&notary.certificates()).encode(true);
    let judge = |payload: &[u8]| {
        let evidence = notary.sign_payload(payload).unwrap();
        let audit = Audit::of(&evidence, &mock.policy(), &BARE);
        assert_eq!(found(&audit, 1), "COSE_Sign1 with ES384");
        audit.verdict().unwrap_err().clone()
    };
    let without = |key: &[u8], other: &[u8]| {
        let place = payload.windows(key.len()).position(|part| part == key);
        let mut payload = payload.clone();
        payload[place.unwrap()..][..key.len()].copy_from_slice(other);
        payload
    };
    for (payload, code, number) in [
        ([&payload[..], &[0]].concat(), "payload-trailing-bytes", 2),
        (
            payload[..payload.len() - 1].to_vec(),
            "payload-truncated",
            2,
        ),
        (
            without(b"user_data", b"user_date"),
            "payload-unknown-field",
            2,
        ),
        (without(b"SHA384", b"SHA385"), "payload-digest", 3),
    ] {
        let refused = judge(&payload);
        assert_eq!((refused.code(), refused.checklist_number()), (code, number));
    }
}

#[test]
fn a_refused_payload_names_the_field() {
    let refused = |field| {
        let error = CborError::Truncated { offset: 7 };
        BadPayload::Cbor { field, error }.to_string()
    };
    let [inside, outside] = [refused(Some(Field::UserData)), refused(None)];
    assert!(
        inside.starts_with("in the payload's user_data: "),
        "{inside}"
    );
    assert!(outside.starts_with("in the payload's map: "), "{outside}");
    assert_eq!(
        BadPayload::Missing(Field::PublicKey).to_string(),
        "the payload lacks the key public_key"
    );
}

#[test]
fn a_refused_chain_names_the_certificate() {
    let number = |number| ChainPosition::Intermediate { number, of: 3 };
    for (position, name) in [
        (ChainPosition::Root, "pinned root"),
        (number(2), "intermediate certificate 2 of 3"),
        (ChainPosition::Leaf, "leaf certificate"),
    ] {
        assert_eq!(
            BadChain::Signature { position }.to_string(),
            format!("the signature on the {name} does not verify under its issuer's key")
        );
    }
}

#[test]
fn a_root_that_is_not_pinned_is_called_by_its_name() {
    let aws = RootFingerprint::AWS_NITRO_G1;
    let mock = RootFingerprint::of(b"a mock's root");
    let words = |expected, found| BadChain::RootNotPinned { expected, found }.to_string();
    let [mock_found, aws_found] = [words(aws, mock), words(mock, aws)];
    let expected = format!(
        "the root in the cabundle has SHA-256 {mock}, the policy pins {aws} (AWS Nitro root G1): "
    );
    assert!(mock_found.starts_with(&expected), "{mock_found}");
    let expected = format!(
        "the root in the cabundle has SHA-256 {aws} (AWS Nitro root G1), the policy pins {mock}: "
    );
    assert!(aws_found.starts_with(&expected), "{aws_found}");
}

#[test]
fn a_refusal_shows_the_first_bytes_of_a_field_and_its_length() {
    let words = |found: Option<Vec<u8>>| {
        let expected = vec![0x0f; 32];
        Rejection::WrongUserData { expected, found }.to_string()
    };
    let other = |found: &str| {
        let expected = "0f".repeat(32);
        format!(
            "the document vouches for something else: its user_data is {found}, expected {expected}"
        )
    };
    let shown = "0a".repeat(32);
    assert_eq!(words(None), other("null"));
    assert_eq!(words(Some(Vec::new())), other("empty"));
    assert_eq!(words(Some(vec![10])), other("0a (1 bytes)"));
    assert_eq!(
        words(Some(vec![10; 31])),
        other(&format!("{} (31 bytes)", &shown[..62]))
    );
    assert_eq!(words(Some(vec![10; 32])), other(&shown));
    assert_eq!(
        words(Some(vec![10; 33])),
        other(&format!("{shown}... (33 bytes)"))
    );
}

#[test]
fn a_refusal_for_its_time_counts_whole_seconds_upwards() {
    let old = Rejection::TooOld {
        signed_at: NOW,
        now: NOW.plus(300_001),
        max_age_ms: 300_000,
    };
    assert_eq!(
        old.to_string(),
        "the document was signed at 2026-01-03T20:41:07Z and is 301 s old at 2026-01-03T20:46:07Z; \
         the policy allows 300 s: ask for fresh evidence, or check this machine's clock"
    );
    let early = Rejection::FromTheFuture {
        signed_at: NOW,
        now: UnixMillis(NOW.0 - 10_001),
        clock_skew_ms: 10_000,
    };
    assert_eq!(
        early.to_string(),
        "the document was signed at 2026-01-03T20:41:07Z, 11 s after the local time \
         2026-01-03T20:40:57Z; the policy allows 10 s: check this machine's clock"
    );
}
