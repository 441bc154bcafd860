//! An audit gives the verdict of the appraisal, and names the point that it rests on.

use sealsum_attestation::{
    Audit, Check, Endorsement, ExpectedNonce, ExpectedUserData, JudgedAt, Outcome, Question, Trust,
    appraise_archived, appraise_offer,
};
use sealsum_protocol::{ClientNonce, NoncePath, RoundOffer, UnixMillis, nonce};

use crate::corpus::{aws_policy, documents};
use crate::evidence::{Mock, NONCE, NOW, round, round_with};

const BARE: Question<'_> = Question {
    at: JudgedAt::Time(NOW),
    endorsement: None::<&Endorsement>,
    nonce: None,
    user_data: None,
};

/// Outcomes by their first letters: Passed, in paRt, Not asked, Failed, not reached (-).
fn outcomes(audit: &Audit) -> String {
    let letter = |check: &Check| match check.outcome {
        Outcome::Passed => 'P',
        Outcome::PassedInPart => 'R',
        Outcome::NotAsked => 'N',
        Outcome::Failed => 'F',
        _ => '-',
    };
    audit.checks().iter().map(letter).collect()
}

fn failed(audit: &Audit) -> (String, &'static str) {
    (outcomes(audit), audit.verdict().unwrap_err().code())
}

#[test]
fn everything_asked_and_held_is_nine_points() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let audit = Audit::of(
        &offer.evidence,
        &mock.policy(),
        &Question {
            nonce: Some(ExpectedNonce::Whole(NONCE.as_bytes())),
            user_data: Some(ExpectedUserData::Binding(&offer.binding)),
            ..BARE
        },
    );
    assert_eq!(outcomes(&audit), "PPPPPPPPP");
    let numbers: Vec<_> = audit.checks().iter().map(|check| check.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let enclave = audit.verdict().unwrap();
    assert_eq!(enclave.trust, Trust::Mock);
    assert_eq!(enclave.image, "this build");
    assert_eq!(enclave.round_id, Some(offer.binding.round_id()));
    assert!(!enclave.archived && !enclave.debug);
}

#[test]
fn what_was_not_asked_is_not_called_passed() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let audit = |question| Audit::of(&offer.evidence, &mock.policy(), &question);
    assert_eq!(outcomes(&audit(BARE)), "PPPPPPPRN");
    let archived = Question {
        at: JudgedAt::ItsOwnTime,
        ..BARE
    };
    let kept = audit(archived);
    assert_eq!(outcomes(&kept), "PPPPPPPNN");
    assert!(kept.verdict().unwrap().archived);
    let nonce = Some(ExpectedNonce::Whole(NONCE.as_bytes()));
    let with_nonce = audit(Question { nonce, ..archived });
    assert_eq!(outcomes(&with_nonce), "PPPPPPPRN");
}

#[test]
fn the_first_point_that_fails_is_the_verdict() {
    let mock = Mock::boot();
    let policy = mock.policy();
    let judge =
        |offer: &RoundOffer, question| failed(&Audit::of(&offer.evidence, &policy, &question));
    let sound = mock.offer(round().0);
    let named = |outcomes: &str, code| (outcomes.to_owned(), code);

    let mut cut = sound.clone();
    cut.evidence.truncate(100);
    assert_eq!(judge(&cut, BARE), named("F--------", "envelope-truncated"));
    let no_id = mock.offer_with(|payload| payload.module_id = String::new());
    assert_eq!(judge(&no_id, BARE), named("P-F------", "payload-module-id"));
    let other = Mock::boot().offer(round().0);
    assert_eq!(judge(&other, BARE), named("PPPF-----", "root-not-pinned"));
    let mut forged = sound.clone();
    *forged.evidence.last_mut().unwrap() ^= 1;
    assert_eq!(
        judge(&forged, BARE),
        named("PPPPF----", "document-signature")
    );
    let debug = mock.offer_with(|payload| drop(payload.pcrs.insert(0, vec![0; 48])));
    assert_eq!(judge(&debug, BARE), named("PPPPPF---", "debug-mode"));
    let another = mock.offer_with(|payload| drop(payload.pcrs.insert(0, vec![9; 48])));
    assert_eq!(judge(&another, BARE), named("PPPPPPF--", "wrong-pcr"));
    let late = Question {
        at: JudgedAt::Time(UnixMillis(NOW.0 + 300_001)),
        ..BARE
    };
    assert_eq!(judge(&sound, late), named("PPPPPPPF-", "too-old"));
    for part in [&[][..], &NONCE.as_bytes()[..31], &[0x4e; 33]] {
        let question = Question {
            nonce: Some(ExpectedNonce::Whole(part)),
            ..BARE
        };
        assert_eq!(judge(&sound, question), named("PPPPPPPF-", "wrong-nonce"));
    }
    let (binding, _) = round_with(|terms| terms.round_number += 1, 7);
    let question = Question {
        user_data: Some(ExpectedUserData::Binding(&binding)),
        ..BARE
    };
    assert_eq!(judge(&sound, question), named("PPPPPPPRF", "wrong-binding"));
    let id = round().0.round_id();
    for part in [&[][..], &id.as_bytes()[..31]] {
        let question = Question {
            user_data: Some(ExpectedUserData::Whole(part)),
            ..BARE
        };
        assert_eq!(
            judge(&sound, question),
            named("PPPPPPPRF", "wrong-user-data")
        );
    }
    let question = Question {
        user_data: Some(ExpectedUserData::Whole(id.as_bytes())),
        ..BARE
    };
    assert!(
        Audit::of(&sound.evidence, &policy, &question)
            .verdict()
            .is_ok()
    );
}

#[test]
fn a_nonce_among_many_is_led_to_the_documents() {
    let mock = Mock::boot();
    let nonces: Vec<_> = (0..5).map(|n| ClientNonce::new([n; 32])).collect();
    let (root, paths) = nonce::gather(&nonces);
    let evidence = mock.nsm.attest(None, Some(&root), None).unwrap();
    let judge = |nonce: &ClientNonce, path: &NoncePath| {
        let question = Question {
            nonce: Some(ExpectedNonce::Along(nonce, path)),
            ..BARE
        };
        Audit::of(&evidence, &mock.policy(), &question)
    };
    for (nonce, path) in nonces.iter().zip(&paths) {
        assert!(judge(nonce, path).verdict().is_ok());
    }
    let refused = judge(&nonces[0], &paths[1]);
    assert_eq!(failed(&refused).1, "wrong-nonce");
}

#[test]
fn null_user_data_is_not_empty_user_data() {
    let mock = Mock::boot();
    let question = Question {
        user_data: Some(ExpectedUserData::Whole(&[])),
        ..BARE
    };
    let null = mock.offer_with(|payload| payload.user_data = None);
    let empty = mock.offer_with(|payload| payload.user_data = Some(Vec::new()));
    let judge = |offer: &RoundOffer| Audit::of(&offer.evidence, &mock.policy(), &question);
    assert_eq!(failed(&judge(&null)).1, "wrong-user-data");
    assert!(judge(&empty).verdict().is_ok());
}

/// A document is rejected by an audit exactly where parsing and authenticating reject it.
#[test]
fn every_real_document_fails_where_it_should_under_a_policy_for_none_of_them() {
    for document in documents() {
        let question = Question {
            at: JudgedAt::ItsOwnTime,
            ..BARE
        };
        let audit = Audit::of(&document.bytes, &aws_policy(), &question);
        let expected = match (document.is_broken(), document.debug) {
            (true, _) if document.name.contains("malformed") => 1..=3,
            (true, _) => 5..=5,
            (false, true) => 6..=6,
            (false, false) => 7..=7,
        };
        let number = audit.verdict().unwrap_err().checklist_number();
        assert!(expected.contains(&number), "{}: {number}", document.name);
        let failed = audit
            .checks()
            .iter()
            .find(|check| check.outcome == Outcome::Failed);
        assert_eq!(failed.unwrap().number, number);
        assert_eq!(audit.checks().len(), 9);
    }
}

/// One checklist, not two: whatever is wrong, the audit rejects what the appraisal rejects.
#[test]
fn audit_and_appraisal_reject_the_same_for_the_same_reason() {
    let mock = Mock::boot();
    let policy = mock.policy();
    let sound = mock.offer(round().0);
    let offers = [
        sound.clone(),
        mock.offer_with(|payload| payload.nonce = None),
        mock.offer_with(|payload| payload.user_data = None),
        mock.offer_with(|payload| drop(payload.pcrs.insert(0, vec![0; 48]))),
        mock.offer_with(|payload| drop(payload.pcrs.insert(1, vec![1; 48]))),
        mock.offer_with(|payload| payload.timestamp_ms -= 300_001),
        mock.offer_with(|payload| payload.timestamp_ms += 9_000),
        mock.offer_with(|payload| payload.timestamp_ms += 10_001),
    ];
    let flipped = (0..sound.evidence.len()).step_by(31).map(|place| {
        let mut offer = sound.clone();
        offer.evidence[place] ^= 0x20;
        offer
    });
    let mut rejected = 0;
    for offer in offers.into_iter().chain(flipped) {
        for now in [NOW.0 - 4_000, NOW.0, NOW.0 + 300_001].map(UnixMillis) {
            let question = Question {
                at: JudgedAt::Time(now),
                endorsement: None,
                nonce: Some(ExpectedNonce::Along(&NONCE, &offer.nonce_path)),
                user_data: Some(ExpectedUserData::Binding(&offer.binding)),
            };
            let audit = Audit::of(&offer.evidence, &policy, &question);
            let appraised = appraise_offer(&offer, &policy, now, &NONCE);
            assert_eq!(audit.verdict().err(), appraised.as_ref().err());
            rejected += usize::from(appraised.is_err());
        }
        let question = Question {
            at: JudgedAt::ItsOwnTime,
            endorsement: None,
            nonce: None,
            user_data: Some(ExpectedUserData::Binding(&offer.binding)),
        };
        let audit = Audit::of(&offer.evidence, &policy, &question);
        let archived = appraise_archived(&offer.evidence, offer.binding.clone(), &policy);
        assert_eq!(audit.verdict().err(), archived.err().as_ref());
    }
    assert!(rejected > 100, "{rejected}");
}

#[test]
fn outcomes_have_stable_names() {
    let names = [
        Outcome::Passed,
        Outcome::PassedInPart,
        Outcome::NotAsked,
        Outcome::Failed,
        Outcome::NotReached,
    ]
    .map(Outcome::as_str);
    let expected = [
        "passed",
        "passed-in-part",
        "not-asked",
        "failed",
        "not-reached",
    ];
    assert_eq!(names, expected);
}
