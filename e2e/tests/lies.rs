//! What a hostile parent tells data holders, and what they make of it: nothing is sealed,
//! nothing is freed, nothing is believed.

use std::fs;

use sealsum_e2e::{Enclave, Hospital, Lab, LyingParent, Parent, RoundRequest, Said, wire};
use sealsum_protocol::{Acceptance, ClientId, CohortProof, Digest, Receipt, RoundOffer, Signed};
use sealsum_testkit::client_id;
use sealsum_testkit::hostile::{forgery, lies};

/// Enclave and parent with a proxy that lies before it, a hospital, and its update.
struct Scene {
    lab: Lab,
    proxy: LyingParent,
    hospital: Hospital,
    update: String,
}

impl Scene {
    fn set(enclave_flags: &[&str]) -> Self {
        let lab = Lab::with_enclave_flags(enclave_flags);
        let proxy = LyingParent::before(&lab.parent.url);
        let hospital = lab.hospital_with("a", &["--budget", "1"]);
        let update = lab.numbers("u.npy", &[0.25; 20]);
        Self {
            lab,
            proxy,
            hospital,
            update,
        }
    }

    fn contribute(&self, round_id: &str) -> Said {
        let proxy = &self.proxy.url;
        self.hospital.contribute(proxy, round_id, &self.update)
    }

    fn refund(&self, round_id: &str) -> Said {
        self.hospital.refund(&self.proxy.url, round_id)
    }

    /// Nothing was sent, and nothing is spent.
    fn assert_untouched(&self) {
        assert!(self.proxy.uploads().is_empty(), "something was sent");
        assert_eq!(self.hospital.ledger().ok()["spent"], 0);
    }

    fn others_contribute(&self, round_id: &str, names: &[&str]) -> Vec<Hospital> {
        let join = |name: &&str| {
            let other = self.lab.hospital(name);
            let parent = &self.lab.parent.url;
            let _ = other.contribute(parent, round_id, &self.update).ok();
            other
        };
        names.iter().map(join).collect()
    }
}

fn id_of(hospital: &Hospital) -> ClientId {
    let shown = sealsum_e2e::say(&["identity", "show", &hospital.identity]).ok();
    shown["client_id"].as_str().unwrap().parse().unwrap()
}

/// Adversary: a parent that puts another enclave in the place of the one that was agreed on:
/// another image, one in debug mode, one with a certificate that ran out, one of its own root.
#[test]
fn i01_no_other_enclave_takes_its_place() {
    let impostors: [(&[&str], &str); 3] = [
        (&["--wrong-pcr0"], "wrong-pcr"),
        (&["--debug-pcrs"], "debug-mode"),
        (&["--expired-leaf"], "certificate-expired"),
    ];
    for (flags, rejection) in impostors {
        let scene = Scene::set(flags);
        let round_id = scene.lab.open(&scene.lab.request());
        assert_eq!(scene.contribute(&round_id).rejection(), rejection);
        scene.assert_untouched();
    }
    let scene = Scene::set(&[]);
    let own = Lab::start();
    fs::copy(scene.lab.file("operator.key"), own.file("same.key")).unwrap();
    let elsewhere = own.open_signed_by("same.key", &own.request());
    let said = scene
        .hospital
        .contribute(&own.parent.url, &elsewhere, &scene.update);
    assert_eq!(said.rejection(), "root-not-pinned");
    scene.assert_untouched();
    let round_id = scene.lab.open(&scene.lab.request());
    assert_eq!(scene.contribute(&round_id).ok()["trust"], "mock");
}

/// Adversary: a parent that runs two enclaves with equal parameters, and shows each hospital
/// whichever it likes, whole or in parts.
#[test]
fn i05_two_enclaves_with_equal_parameters_share_nothing() {
    let scene = Scene::set(&[]);
    let lab = &scene.lab;
    // The same root, image and operator: nothing tells the two apart but their keys.
    let fork = tempfile::tempdir().unwrap();
    let second = Enclave::start(lab.folder(), &[]);
    let parent = Parent::start(fork.path(), &second.address);
    let here = lab.open(&lab.request());
    let there = lab.open_at(&parent.url, "operator.key", &lab.request());
    assert_ne!(here, there);
    let theirs = wire::offer(&parent.url, &there);

    let (kem_key, evidence) = (theirs.binding.kem_key.clone(), theirs.evidence.clone());
    scene.proxy.lie_in("/offer", move |offer: &mut RoundOffer| {
        offer.binding.kem_key.clone_from(&kem_key);
    });
    assert_eq!(scene.contribute(&here).rejection(), "wrong-binding");
    let binding = theirs.binding.clone();
    scene.proxy.lie_in("/offer", move |offer: &mut RoundOffer| {
        offer.binding.clone_from(&binding);
    });
    assert_eq!(scene.contribute(&here).rejection(), "wrong-binding");
    scene.proxy.lie_in("/offer", move |offer: &mut RoundOffer| {
        offer.evidence.clone_from(&evidence);
    });
    assert_eq!(scene.contribute(&here).rejection(), "wrong-nonce");
    scene.proxy.be_honest();
    scene.assert_untouched();

    // Shown the second enclave whole, the hospital takes part there, and what it sent is
    // nothing to the first.
    let to_fork = LyingParent::before(&parent.url);
    let said = scene
        .hospital
        .contribute(&to_fork.url, &there, &scene.update);
    assert_eq!(said.ok()["round_id"], there.as_str());
    let sent = wire::uploaded(&to_fork.uploads()[0]);
    let first = wire::offer(&lab.parent.url, &here).binding.round_id();
    assert_eq!(
        wire::put_to(&lab.parent.url, &first, &sent).code(),
        "round_mismatch"
    );
    let moved = sent.moved_to(first);
    assert_eq!(wire::put(&lab.parent.url, &moved).code(), "does_not_open");
    // And it does not seal for the first any more (I11).
    assert_eq!(scene.contribute(&here).refused(1).0, "spent_before");
    scene.others_contribute(&here, &["b", "c", "d"]);
    assert_eq!(lab.close(&here).ok()["cohort_size"], 3);
}

/// Adversary: a parent that would rather have a round without noise.
#[test]
fn i07_a_hospital_that_asks_for_noise_seals_for_no_round_without() {
    let scene = Scene::set(&[]);
    let round_id = scene.lab.open(&scene.lab.request());
    let noisy = scene.lab.hospital_with("n", &["--noise-floor", "0.5"]);
    let said = noisy.contribute(&scene.proxy.url, &round_id, &scene.update);
    assert_eq!(said.json["error"]["term"], "noise_floor");
    assert_eq!(said.refused(1).0, "term_refused");
    scene.proxy.lie_in("/offer", |offer: &mut RoundOffer| {
        lies::terms_of_its_own(|terms| {
            terms.noise = sealsum_protocol::Noise::DiscreteGaussian {
                sigma: 1 << 15,
                tail: 1 << 20,
            };
            terms.ring_bits = sealsum_protocol::RingBits::new(32).unwrap();
        })(offer);
    });
    let said = noisy.contribute(&scene.proxy.url, &round_id, &scene.update);
    assert_eq!(said.rejection(), "wrong-binding");
    scene.assert_untouched();
}

/// Adversary: a parent that says "aborted" in every way that is not the enclave's signature,
/// and withholds everything that is.
#[test]
fn i11_a_false_abort_frees_nothing() {
    let scene = Scene::set(&[]);
    let (lab, proxy) = (&scene.lab, &scene.proxy);
    let round_id = lab.open(&lab.request());
    let _ = scene.contribute(&round_id).ok();
    let offer = wire::offer(&lab.parent.url, &round_id);

    assert_eq!(scene.refund(&round_id).refused(1).0, "no_proof");
    let forged = forgery::own_abort(offer.binding.round_id());
    proxy.invent("/abort-receipt", &forged);
    assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    let acceptance: Signed<Acceptance> = {
        let answered = proxy.answered();
        let accepted = answered
            .iter()
            .find(|answer| answer.path.contains("/contributions/"));
        sealsum_protocol::canonical::decode(&accepted.unwrap().body).unwrap()
    };
    proxy.invent("/abort-receipt", &forgery::grafted(&forged, &acceptance));
    assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    // Bytes of the wrong kind altogether.
    proxy.invent("/abort-receipt", &acceptance);
    assert_eq!(scene.refund(&round_id).refused(1).0, "parent_answer");
    proxy.be_honest();
    // What is withheld frees nothing either, until it comes.
    let aborted = wire_abort(lab, &round_id);
    assert!(aborted.is_object());
    proxy.redirect("/abort-receipt", "/nothing");
    assert_eq!(scene.refund(&round_id).refused(1).0, "no_proof");
    assert_eq!(scene.hospital.ledger().ok()["spent"], 1);
    proxy.be_honest();
    assert_eq!(scene.refund(&round_id).ok()["proof"], "abort_receipt");
    assert_eq!(scene.hospital.ledger().ok()["spent"], 0);
}

fn wire_abort(lab: &Lab, round_id: &str) -> serde_json::Value {
    sealsum_e2e::say(&["round", "abort", "--parent", &lab.parent.url, round_id]).ok()
}

/// Adversary: a parent that would have a budget refunded: it shows proofs about other clients,
/// about cohorts that never were, under receipts that nobody signed.
#[test]
fn i12_no_proof_about_others_refunds_the_budget() {
    let scene = Scene::set(&[]);
    let (lab, proxy) = (&scene.lab, &scene.proxy);
    let round_id = lab.open(&lab.request());
    let _ = scene.contribute(&round_id).ok();
    let others = scene.others_contribute(&round_id, &["b", "c"]);
    // A fourth whose upload the parent swallows: it is spent, and in no cohort.
    let left_out = lab.hospital_with("d", &["--budget", "1"]);
    proxy.redirect("/contributions/", "/nowhere/");
    assert_eq!(
        left_out
            .contribute(&proxy.url, &round_id, &scene.update)
            .code,
        1
    );
    proxy.be_honest();
    assert_eq!(lab.close(&round_id).ok()["cohort_size"], 3);

    let proof_of = |hospital: &Hospital| -> CohortProof {
        let path = format!("rounds/{round_id}/proofs/{}", id_of(hospital));
        wire::ask(&lab.parent.url, &path).message()
    };
    let receipt: Signed<Receipt> =
        wire::ask(&lab.parent.url, &format!("rounds/{round_id}/receipt")).message();
    let member = id_of(&scene.hospital);
    let strangers = (0..3).map(|n| (client_id(n), Digest::new([1; 32])));
    let elsewhere = forgery::proof_in(strangers.clone(), &member);
    let root = strangers.collect::<sealsum_protocol::Cohort>().root();
    // The member: proofs about others, and about a cohort of strangers.
    for proof in [proof_of(&others[0]), elsewhere.clone()] {
        proxy.invent("/proofs/", &proof);
        assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    }
    let forged = forgery::own_receipt(&receipt, |receipt| receipt.cohort_root = root);
    proxy.invent("/receipt", &forged);
    proxy.invent("/proofs/", &elsewhere);
    assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    proxy.invent("/receipt", &forgery::grafted(&forged, &receipt));
    assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    proxy.invent("/receipt", &receipt);
    // Whoever stands next to the one that is left out is named in the proof of that.
    proxy.invent("/proofs/", &proof_of(&left_out));
    let (code, _) = scene.refund(&round_id).refused(1);
    assert!(
        ["proof_invalid", "in_the_sum"].contains(&code.as_str()),
        "{code}"
    );
    proxy.be_honest();
    assert_eq!(scene.refund(&round_id).refused(1).0, "in_the_sum");

    let base_model = lab.numbers("base2.npy", &[0.75; 20]);
    let next = lab.open(&RoundRequest {
        number: 2,
        base_model: base_model.clone().into(),
        ..lab.request()
    });
    let mut again = scene.hospital;
    again.base_model.clone_from(&base_model);
    let said = again.contribute(&proxy.url, &next, &scene.update);
    assert_eq!(said.refused(1).0, "budget_spent");
    // The truth frees the one that was left out, and nobody else.
    let mut left_out = left_out;
    left_out.base_model = base_model;
    let said = left_out.contribute(&proxy.url, &next, &scene.update);
    assert_eq!(said.refused(1).0, "budget_spent");
    let refund = left_out.refund(&proxy.url, &round_id).ok();
    assert_eq!(refund["proof"], "exclusion");
    let _ = left_out.contribute(&proxy.url, &next, &scene.update).ok();
}

/// Adversary: a parent with several genuine rounds that answers with another one than was
/// asked for.
#[test]
fn i15_a_genuine_round_in_another_ones_place_is_refused() {
    let scene = Scene::set(&[]);
    let (lab, proxy) = (&scene.lab, &scene.proxy);
    let asked = lab.open(&lab.request());
    let acceptable = lab.open(&lab.request());
    let other_task = lab.open(&RoundRequest {
        task: "xrays".to_owned(),
        ..lab.request()
    });
    for other in [&acceptable, &other_task] {
        proxy.redirect(&asked, other);
        assert_eq!(scene.contribute(&asked).refused(1).0, "other_round");
    }
    // Asked for whatever round of the task there is, the policy's terms decide.
    let strict = lab.hospital_with("s", &["--min-cohort", "4"]);
    proxy.be_honest();
    let said = strict.contribute_to_task(&proxy.url, "digits", &scene.update);
    assert_eq!(said.json["error"]["term"], "min_cohort");
    assert_eq!(said.refused(1).0, "term_refused");
    scene.assert_untouched();
    assert_eq!(scene.contribute(&asked).ok()["round_id"], asked.as_str());
}

/// Adversary: a parent that feeds evidence which was true once: from ten minutes ago, from a
/// clock that runs ahead, for another nonce, of another round, of another waiting client.
#[test]
fn i16_evidence_that_was_true_once_never_seals() {
    for (offset, rejection) in [
        ("-600000", "too-old"),
        ("600000", "certificate-not-yet-valid"),
    ] {
        let scene = Scene::set(&["--clock-offset-ms", offset]);
        let round_id = scene.lab.open(&scene.lab.request());
        assert_eq!(scene.contribute(&round_id).rejection(), rejection);
        scene.assert_untouched();
    }
    let scene = Scene::set(&[]);
    let (lab, proxy) = (&scene.lab, &scene.proxy);
    let round_id = lab.open(&lab.request());
    let twin = lab.open(&lab.request());
    for kept in [&round_id, &twin] {
        let lie = lies::evidence_of(&wire::offer(&lab.parent.url, kept));
        proxy.lie_in("/offer", lie);
        assert_eq!(scene.contribute(&round_id).rejection(), "wrong-nonce");
    }
    proxy.lie_in("/offer", lies::path_of_another);
    assert_eq!(scene.contribute(&round_id).rejection(), "wrong-nonce");
    // The whole offer that another client got.
    proxy.invent("/offer", &wire::offer(&lab.parent.url, &round_id));
    assert_eq!(scene.contribute(&round_id).rejection(), "wrong-nonce");
    scene.assert_untouched();
    proxy.be_honest();
    assert_eq!(scene.contribute(&round_id).ok()["trust"], "mock");
}

/// Adversary: a parent that passes what the enclave signed for one client, kind or round off
/// as said for another.
#[test]
fn i17_what_was_signed_for_others_is_believed_by_nobody() {
    let scene = Scene::set(&[]);
    let (lab, proxy) = (&scene.lab, &scene.proxy);
    let round_id = lab.open(&lab.request());
    let other_round = lab.open(&lab.request());
    let elsewhere = lab.open(&lab.request());
    let accepted_at = |round: &str, name: &str| -> Signed<Acceptance> {
        let watched = LyingParent::before(&lab.parent.url);
        let other = lab.hospital(name);
        let _ = other.contribute(&watched.url, round, &scene.update).ok();
        let answered = watched.answered();
        let accepted = answered
            .iter()
            .find(|answer| answer.path.contains("/contributions/"));
        sealsum_protocol::canonical::decode(&accepted.unwrap().body).unwrap()
    };
    let anothers = accepted_at(&round_id, "b");
    proxy.invent("/contributions/", &anothers);
    assert_eq!(
        scene.contribute(&round_id).refused(1).0,
        "other_contribution"
    );
    let other_rounds = accepted_at(&other_round, "c");
    for acceptance in [
        other_rounds.clone(),
        forgery::grafted(&anothers, &other_rounds),
    ] {
        proxy.invent("/contributions/", &acceptance);
        assert_eq!(
            scene.contribute(&round_id).refused(1).0,
            "acceptance_invalid"
        );
    }
    // A genuine abort of another round, as it is and about this one.
    let _ = wire_abort(lab, &elsewhere);
    let path = format!("rounds/{elsewhere}/abort-receipt");
    let genuine: Signed<sealsum_protocol::AbortReceipt> =
        wire::ask(&lab.parent.url, &path).message();
    let about_this = forgery::own_abort(wire::offer(&lab.parent.url, &round_id).binding.round_id());
    for proof in [genuine.clone(), forgery::grafted(&about_this, &genuine)] {
        proxy.invent("/abort-receipt", &proof);
        assert_eq!(scene.refund(&round_id).refused(1).0, "proof_invalid");
    }
    proxy.be_honest();
    let resent = scene.contribute(&round_id).ok();
    assert_eq!(resent["resent"], true);
    let uploads = proxy.uploads();
    assert!(uploads.iter().all(|upload| *upload == uploads[0]));
}
