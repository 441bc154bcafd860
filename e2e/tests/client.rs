//! The invariants that the client enforces, attacked by a parent that lies between
//! real processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sealsum_e2e::{Lab, LyingParent, RoundRequest, read_npy};
use sealsum_protocol::RoundOffer;
use sealsum_protocol::canonical::decode;
use sealsum_testkit::hostile::lies;

/// Adversary: a parent that puts its own key into the offer, flips bits of the
/// evidence, strips it, and swaps in another round's.
#[test]
fn i01_no_key_is_used_before_appraisal() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let hospital = lab.hospital("a");
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let round_id = lab.open(&lab.request());
    for (lie, rejection) in lies::OFFER_LIES {
        proxy.lie_in("/offer", lie);
        let said = hospital.contribute(&proxy.url, &round_id, &update);
        assert_eq!(said.rejection(), rejection);
        assert!(proxy.uploads().is_empty(), "nothing was sent");
    }
    // Nothing was recorded either: the honest offer is still taken.
    proxy.be_honest();
    let said = hospital.contribute(&proxy.url, &round_id, &update).ok();
    assert_eq!(said["trust"], "mock");
    assert_eq!(proxy.uploads().len(), 1);
}

/// Adversary: a parent that has the upload, says "aborted" without proof, and opens
/// the round again, in the same enclave or in another, to get a second sum.
#[test]
fn i11_a_sealed_contribution_is_spent() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let hospital = lab.hospital("a");
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let first = lab.open(&lab.request());
    // The upload arrives, the answer does not.
    proxy.lie(|seen, body| (seen.method != "PUT").then_some(body));
    let unanswered = hospital.contribute(&proxy.url, &first, &update);
    assert_eq!(unanswered.code, 3, "{unanswered:?}");
    proxy.be_honest();

    let same_number = lab.open(&lab.request());
    let same_base = lab.open(&RoundRequest {
        number: 2,
        ..lab.request()
    });
    for round_id in [&same_number, &same_base] {
        let (code, detail) = hospital
            .contribute(&proxy.url, round_id, &update)
            .refused(1);
        assert_eq!(code, "spent_before", "{detail}");
        assert!(detail.contains("unproven_retries"), "{detail}");
    }
    let uploads = proxy.uploads();
    assert!(
        uploads.iter().all(|upload| *upload == uploads[0]),
        "only the stored bytes were ever sent"
    );

    // What was stored is cut off, then lost: nothing is sent, and nothing sealed in its place.
    let stored = format!("{}/ledger-mock.db.outbox", hospital.identity);
    let sealed = fs::read(&stored).unwrap();
    let sent = uploads.len();
    for damage in [true, false] {
        if damage {
            fs::write(&stored, &sealed[1..]).unwrap();
        } else {
            fs::remove_file(&stored).unwrap();
        }
        let (code, detail) = hospital.contribute(&proxy.url, &first, &update).refused(2);
        assert_eq!(code, "masked_update_damaged", "{detail}");
        assert!(detail.contains(&stored), "{detail}");
    }
    assert_eq!(proxy.uploads().len(), sent);
    fs::write(&stored, sealed).unwrap();

    // The same round again resends the stored bytes, and takes no other update for sent.
    let changed = lab.numbers("changed.npy", &[0.75; 20]);
    let (code, detail) = hospital.contribute(&proxy.url, &first, &changed).refused(1);
    assert_eq!(code, "other_update", "{detail}");
    let _ = hospital.contribute(&proxy.url, &first, &update).ok();
    let uploads = proxy.uploads();
    assert!(uploads.len() >= 2 && uploads.iter().all(|upload| *upload == uploads[0]));

    // A proof frees the record: the enclave says that nothing left.
    let said = sealsum_e2e::run(&[
        "round",
        "abort",
        "--parent",
        &lab.parent.url,
        &first,
        "--json",
    ]);
    assert!(said.status.success());
    let _ = hospital.refund(&lab.parent.url, &first).ok();
    let _ = hospital.contribute(&proxy.url, &same_number, &update).ok();
    // Not twice.
    let (code, _) = hospital
        .contribute(&proxy.url, &same_base, &update)
        .refused(1);
    assert_eq!(code, "spent_before");
}

/// Adversary: a parent that answers the request for one task's round with another
/// task's, to get a sum of each with one client more in the first.
#[test]
fn i11_a_contribution_is_for_the_task_that_was_asked_for() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let hospital = lab.hospital_with("a", &["--task", "wards", "--task", "icu"]);
    let update = lab.numbers("u.npy", &[0.25; 20]);
    for task in ["wards", "icu"] {
        let _ = lab.open(&RoundRequest {
            task: task.to_owned(),
            ..lab.request()
        });
    }
    proxy.redirect("/v1/tasks/wards/", "/v1/tasks/icu/");
    let (code, detail) = hospital
        .contribute_to_task(&proxy.url, "wards", &update)
        .refused(1);
    assert_eq!(code, "other_task", "{detail}");
    assert!(proxy.uploads().is_empty());
    proxy.be_honest();
    let _ = hospital
        .contribute_to_task(&proxy.url, "wards", &update)
        .ok();
    assert_eq!(proxy.uploads().len(), 1);
}

/// Adversary: an operator who spreads a data set's contributions over tasks, and a
/// user who deletes or swaps the ledger.
#[test]
fn i12_the_budget_belongs_to_the_data_set() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let hospital = lab.hospital_with(
        "a",
        &["--budget", "2", "--task", "digits", "--task", "xrays"],
    );
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let open = |task: &str, number, base: f32| {
        let base_model = lab.numbers(&format!("base-{task}-{number}.npy"), &[base; 20]);
        let request = RoundRequest {
            task: task.to_owned(),
            number,
            base_model: base_model.clone().into(),
            ..lab.request()
        };
        (lab.open(&request), base_model)
    };
    let mut hospital = hospital;
    for (n, (task, number)) in [("digits", 1), ("xrays", 1)].into_iter().enumerate() {
        let (round_id, base_model) = open(task, number, n as f32);
        hospital.base_model = base_model;
        let said = hospital.contribute(&proxy.url, &round_id, &update).ok();
        assert_eq!(said["budget_left"], 1 - n);
    }
    let (round_id, base_model) = open("digits", 2, 9.0);
    hospital.base_model = base_model;
    let (code, detail) = hospital
        .contribute(&proxy.url, &round_id, &update)
        .refused(1);
    assert_eq!(code, "budget_spent", "{detail}");
    assert_eq!(proxy.uploads().len(), 2);

    let stranger = lab.hospital("b");
    let ledger = |folder: &str| format!("{folder}/ledger-mock.db");
    let own = fs::read(ledger(&hospital.identity)).unwrap();
    fs::copy(ledger(&stranger.identity), ledger(&hospital.identity)).unwrap();
    let (code, detail) = hospital
        .contribute(&proxy.url, &round_id, &update)
        .refused(2);
    assert!(
        code == "ledger_foreign" && detail.contains("not this identity's"),
        "{code}: {detail}"
    );
    fs::remove_file(ledger(&hospital.identity)).unwrap();
    let (code, detail) = hospital
        .contribute(&proxy.url, &round_id, &update)
        .refused(2);
    assert!(
        code == "ledger_missing" && detail.contains("never made anew"),
        "{code}: {detail}"
    );
    assert!(
        !fs::exists(ledger(&hospital.identity)).unwrap(),
        "never recreated"
    );
    fs::write(ledger(&hospital.identity), own).unwrap();
    let writable = |mode| {
        fs::set_permissions(ledger(&hospital.identity), fs::Permissions::from_mode(mode)).unwrap();
    };
    writable(0o666);
    let (code, _) = hospital
        .contribute(&proxy.url, &round_id, &update)
        .refused(2);
    assert_eq!(code, "ledger_writable");
    writable(0o600);
    let (code, _) = hospital
        .contribute(&proxy.url, &round_id, &update)
        .refused(1);
    assert_eq!(code, "budget_spent");
    assert_eq!(proxy.uploads().len(), 2);
}

/// Adversary: an operator with a genuine enclave and parameters that the hospital
/// never agreed to.
#[test]
fn i15_genuine_evidence_for_bad_parameters_is_refused() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let round_id = lab.open(&lab.request());
    let cases: [(&[&str], &str); 5] = [
        (&["--min-cohort", "4"], "min_cohort"),
        (&["--task", "xrays"], "task"),
        (&["--kem", "x-wing"], "kem"),
        (&["--intake", "presum"], "intake"),
        (&["--rule", "sum"], "rule"),
    ];
    for (n, (flags, term)) in cases.into_iter().enumerate() {
        let hospital = lab.hospital_with(&format!("h{n}"), flags);
        let (code, detail) = hospital
            .contribute(&proxy.url, &round_id, &update)
            .refused(1);
        assert_eq!(code, "term_refused", "{detail}");
        assert!(detail.contains(term), "{detail}");
    }
    // Another operator's signature; another model than the one in hand.
    let hospital = lab.hospital("h");
    let other = sealsum_e2e::run(&["operator", "new", &lab.file("other.key"), "--json"]);
    assert!(other.status.success());
    let foreign = lab.open_signed_by("other.key", &lab.request());
    let (code, detail) = hospital
        .contribute(&proxy.url, &foreign, &update)
        .refused(1);
    assert!(detail.contains("operator"), "{code}: {detail}");
    let mut misled = lab.hospital("m");
    misled.base_model = lab.numbers("other-base.npy", &[0.75; 20]);
    let (code, detail) = misled.contribute(&proxy.url, &round_id, &update).refused(1);
    assert!(detail.contains("base"), "{code}: {detail}");
    // The parent can't put terms of its own under the operator's signature.
    proxy.lie_in(
        "/offer",
        lies::terms_of_its_own(|terms| terms.min_cohort = 3),
    );
    let said = hospital.contribute(&proxy.url, &round_id, &update);
    assert_eq!(said.rejection(), "wrong-binding");
    assert!(proxy.uploads().is_empty());
}

/// Adversary: a parent that answers with evidence it kept from an earlier client.
#[test]
fn i16_archived_evidence_never_seals() {
    let lab = Lab::start();
    let proxy = LyingParent::before(&lab.parent.url);
    let hospital = lab.hospital("a");
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let round_id = lab.open(&lab.request());
    let kept = lab.file("evidence.cbor");
    let said = sealsum_e2e::run(&[
        "round",
        "evidence",
        "--parent",
        &lab.parent.url,
        &round_id,
        "--out",
        &kept,
        "--json",
    ]);
    assert!(said.status.success());
    let kept: sealsum_protocol::RoundEvidence = decode(&fs::read(&kept).unwrap()).unwrap();
    proxy.lie_in("/offer", move |offer: &mut RoundOffer| {
        offer.evidence.clone_from(&kept.evidence);
    });
    let said = hospital.contribute(&proxy.url, &round_id, &update);
    assert_eq!(said.rejection(), "wrong-nonce");
    assert!(proxy.uploads().is_empty());
}

/// The honest way, with what a lying parent can't get past a client that collects.
#[test]
fn an_aggregate_is_taken_only_with_its_receipt() {
    let lab = Lab::start();
    for (number, intake) in [(1, "stream"), (2, "presum")] {
        let base_model = lab.numbers(&format!("base-{intake}.npy"), &[number as f32; 20]);
        let request = RoundRequest {
            intake,
            number,
            base_model: base_model.clone().into(),
            ..lab.request()
        };
        let round_id = lab.open(&request);
        let proxy = LyingParent::before(&lab.parent.url);
        let hospitals: Vec<_> = (0..4)
            .map(|n| {
                let mut hospital = lab.hospital(&format!("h{n}-{intake}"));
                hospital.base_model = base_model.clone();
                let update = lab.numbers(&format!("u{n}.npy"), &[0.125 * n as f32; 20]);
                let _ = hospital.contribute(&proxy.url, &round_id, &update).ok();
                hospital
            })
            .collect();
        let closed = lab.close(&round_id).ok();
        assert_eq!(closed["phase"], "released");
        assert_eq!(closed["cohort_size"], 4);
        let out = lab.file("aggregate.npy");
        let said = hospitals[1].collect(&proxy.url, &round_id, &out).ok();
        assert_eq!(
            (
                said["own_contribution"].as_str(),
                said["receipt_ok"].as_bool()
            ),
            (Some("in"), Some(true))
        );
        for value in read_npy(out.as_ref()) {
            assert!((value - 0.1875).abs() <= 2_f64.powi(-16), "{value}");
        }
        fs::remove_file(&out).unwrap();
        for (path, at) in [("/aggregate", 5), ("/receipt", 40)] {
            proxy.lie(move |seen, mut body| {
                if seen.path.ends_with(path) {
                    body[at] ^= 1;
                }
                Some(body)
            });
            let refused = hospitals[1].collect(&proxy.url, &round_id, &out);
            assert_eq!(refused.code, 1, "{path}: {refused:?}");
            assert!(!fs::exists(&out).unwrap(), "nothing unverified is written");
        }
    }
}
