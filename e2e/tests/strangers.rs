//! Hostile clients at a real parent: garbage, halves, copies, many ids, and no hurry.

use sealsum_e2e::{Lab, RoundRequest, read_npy, wire};
use sealsum_testkit::UncheckedClient;
use sealsum_testkit::hostile::{Mischief, SlowSender};

/// A lab with a round of this intake, and its binding.
fn open(lab: &Lab, intake: &'static str) -> (String, sealsum_protocol::RoundBinding, RoundRequest) {
    let number = if intake == "stream" { 1 } else { 2 };
    let base_model = lab.numbers(&format!("base-{intake}.npy"), &[number as f32; 20]);
    let request = RoundRequest {
        intake,
        number,
        base_model: base_model.into(),
        ..lab.request()
    };
    let round_id = lab.open(&request);
    let binding = wire::offer(&lab.parent.url, &round_id).binding;
    (round_id, binding, request)
}

/// Adversary: clients that spoil contributions in every way, copy others', come many times and
/// under many ids, and send so slowly that the round closes meanwhile.
#[test]
fn i09_hostile_clients_leave_no_trace_in_what_hospitals_collect() {
    let lab = Lab::start();
    let url = &lab.parent.url;
    for intake in ["stream", "presum"] {
        let (round_id, binding, request) = open(&lab, intake);
        let sound = |n| UncheckedClient::new(n).contribute(&binding, &[0.5; 20]);
        let mut dribble = SlowSender::begin(url, &sound(1));
        dribble.send(10);
        let mut halved = SlowSender::begin(url, &sound(2));
        halved.send(200);
        halved.hang_up();

        let hospitals: Vec<_> = (0..3)
            .map(|n| {
                let mut hospital = lab.hospital(&format!("h{n}-{intake}"));
                hospital.base_model = request.base_model.to_str().unwrap().to_owned();
                let update = lab.numbers(&format!("u{n}.npy"), &[0.125 * n as f32; 20]);
                let _ = hospital.contribute(url, &round_id, &update).ok();
                dribble.send(1);
                hospital
            })
            .collect();
        let codes = [
            (Mischief::Garbage, Some("does_not_open")),
            (Mischief::WrongCommitment, Some("commitment_mismatch")),
            (Mischief::OtherBody, Some("commitment_mismatch")),
            (Mischief::Padding, Some("padding")),
            (Mischief::OverWeight, Some("weight_above_bound")),
            (
                Mischief::OverValue,
                (intake == "stream").then_some("norm_above_bound"),
            ),
        ];
        assert_eq!(codes.map(|(mischief, _)| mischief), Mischief::ALL);
        for (n, (mischief, code)) in (20..).zip(codes) {
            if let Some(code) = code {
                let answer = wire::put(url, &mischief.by(n, &binding));
                assert_eq!(answer.code(), code, "{mischief:?} in {intake}");
            }
        }
        // Somebody's key and sealed header, under many other ids.
        let copied = sound(3);
        for n in 40..46 {
            let answer = wire::put(url, &copied.copied_by(n));
            assert_eq!(answer.code(), "does_not_open");
        }
        assert_eq!(lab.close(&round_id).ok()["cohort_size"], 3);
        dribble.send_rest();
        let (status, problem) = dribble.answer();
        assert_eq!(status, 409, "{problem}");
        assert!(problem.contains("wrong_phase"), "{problem}");

        let out = lab.file(&format!("{intake}.npy"));
        let said = hospitals[2].collect(url, &round_id, &out).ok();
        assert_eq!(said["own_contribution"], "in");
        assert_eq!(said["cohort_size"], 3);
        for value in read_npy(out.as_ref()) {
            assert!((value - 0.125).abs() <= 2_f64.powi(-16), "{value}");
        }
    }
}

/// Adversary: many ids that fill a round's places before hospitals come. They are in the cohort,
/// as open admission says; what they can't do is count as fewer, or come twice.
#[test]
fn i02_many_ids_fill_the_cohort_and_no_more() {
    let lab = Lab::start();
    let url = &lab.parent.url;
    let (round_id, binding, _) = open(&lab, "presum");
    let mut last = None;
    for n in 0..10 {
        let sybil = UncheckedClient::new(n).contribute(&binding, &[0.0; 20]);
        assert_eq!(wire::put(url, &sybil).status, 200);
        assert_eq!(wire::put(url, &sybil).status, 200, "a repeat is no other");
        last = Some(sybil);
    }
    let another = UncheckedClient::with_randomness(9, 77).contribute(&binding, &[1.0; 20]);
    assert_eq!(wire::put(url, &another).code(), "second_contribution");
    let beyond = UncheckedClient::new(10).contribute(&binding, &[0.0; 20]);
    assert_eq!(wire::put(url, &beyond).code(), "cohort_full");
    assert_eq!(lab.close(&round_id).ok()["cohort_size"], 10);
    assert_eq!(
        wire::put(url, &last.unwrap()).status,
        200,
        "the same answer again"
    );
}
