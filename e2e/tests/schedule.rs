//! Rounds that run themselves, with the real programs: an operator signs three rounds ahead and goes
//! home.

use std::path::PathBuf;
use std::time::Duration;

use sealsum_e2e::{Lab, RoundRequest, read_npy, say, write_npy};

#[test]
fn rounds_that_were_signed_ahead_open_close_and_follow_each_other() {
    let lab = Lab::start();
    let parent = ["--parent", &lab.parent.url];
    // Each round has its own base model: nobody seals for one twice.
    let request = |number: u64| {
        let base_model: PathBuf = lab.folder().join(format!("base-{number}.npy"));
        write_npy(&base_model, &[number as f32; 20]);
        RoundRequest {
            number,
            base_model,
            ..lab.request()
        }
    };
    for number in [1, 2, 3] {
        let opening = lab.opening("operator.key", &request(number));
        let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
        let timing = ["--after-previous", "--target-cohort", "3"];
        let scheduled = say(&[&opening[..], &parent, &timing].concat()).ok();
        assert_eq!(scheduled["round_number"], number);
    }
    let mut hospitals = ["a", "b", "c"].map(|name| lab.hospital(name));
    for number in [1_u64, 2] {
        for (hospital, value) in hospitals.iter_mut().zip([0.25, 0.5, 0.75]) {
            hospital.base_model = lab.file(&format!("base-{number}.npy"));
            let update = lab.numbers("update.npy", &[value; 20]);
            let round = round_in(&lab, number, "collecting");
            let _ = hospital.contribute(&lab.parent.url, &round, &update).ok();
        }
        let round = round_in(&lab, number, "released");
        let out = lab.file(&format!("mean-{number}.npy"));
        let _ = hospitals[0].collect(&lab.parent.url, &round, &out).ok();
        let mean = read_npy(out.as_ref());
        assert!(mean.iter().all(|x| (x - 0.5).abs() < 1e-4), "{mean:?}");
    }
    // The third is open by itself; a fourth is taken back before it opens.
    round_in(&lab, 3, "collecting");
    let opening = lab.opening("operator.key", &request(4));
    let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
    let later = [
        "--opens-at",
        "2033-01-01T02:00:00Z",
        "--closes-after",
        "3600",
    ];
    let scheduled = say(&[&opening[..], &parent, &later].concat()).ok();
    let listed = say(&[&["round", "schedule"][..], &parent].concat()).ok();
    assert_eq!(listed["scheduled"].as_array().unwrap().len(), 1);
    let id = scheduled["schedule_id"].as_str().unwrap();
    let _ = say(&[&["round", "unschedule", id][..], &parent].concat()).ok();
    let listed = say(&[&["round", "schedule"][..], &parent].concat()).ok();
    assert_eq!(listed["scheduled"].as_array().unwrap().len(), 0);
}

fn round_in(lab: &Lab, number: u64, phase: &str) -> String {
    for _ in 0..300 {
        let listed = sealsum_e2e::wire::ask(&lab.parent.url, "rounds");
        let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
        let found = listed["rounds"]
            .as_array()
            .unwrap()
            .iter()
            .find(|round| round["round_number"] == number && round["phase"] == phase);
        if let Some(round) = found {
            return round["round_id"].as_str().unwrap().to_owned();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("round {number} never was {phase}");
}

/// A night job whose connection broke off tries again, and is told of the round that it may have opened.
#[test]
fn who_opens_a_round_a_second_time_is_told_of_the_first() {
    let lab = Lab::start();
    let open = |number| {
        let request = RoundRequest {
            number,
            ..lab.request()
        };
        let opening = lab.opening("operator.key", &request);
        let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
        say(&[&opening[..], &["--parent", &lab.parent.url]].concat()).ok()
    };
    let first = open(1);
    assert_eq!(first["also_open"], serde_json::json!([]));
    assert_eq!(open(1)["also_open"][0], first["round_id"]);
    assert_eq!(open(2)["also_open"], serde_json::json!([]));
}
