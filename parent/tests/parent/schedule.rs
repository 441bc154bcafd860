//! Rounds that run themselves: what opens when, what closes when, and that neither is forgotten
//! or done twice, whatever ends in between.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use sealsum_parent::{Embedded, Record, Storage as _};
use sealsum_protocol::{Command, Intake, Refusal, RoundId, SignedRoundParams, canonical};
use serde_json::{Value, json};

use crate::fake_enclave::{FakeEnclave, Fault};
use crate::health::metrics;
use crate::stage::{Answer, DIMENSION, Stage, numbered};

fn params(round_number: u64) -> SignedRoundParams {
    numbered(round_number, Intake::Presum, DIMENSION, 6)
}

async fn schedule(stage: &Stage, round_number: u64, opens: Value, closing: Value) -> Answer {
    let request = json!({
        "params": hex::encode(canonical::encode(&params(round_number))),
        "opens": opens,
        "closing": closing,
    });
    let body = request.to_string().into_bytes();
    stage.call(Method::POST, "/v1/schedule", body).await
}

async fn scheduled(stage: &Stage, round_number: u64, opens: Value, closing: Value) -> String {
    let answer = schedule(stage, round_number, opens, closing).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    answer.json()["schedule_id"].as_str().unwrap().to_owned()
}

async fn waiting(stage: &Stage) -> Vec<u64> {
    let listed = stage.get("/v1/schedule").await.json();
    let listed = listed["scheduled"].as_array().unwrap();
    listed
        .iter()
        .map(|round| round["round_number"].as_u64().unwrap())
        .collect()
}

/// Every round by number, with its phase.
async fn rounds(stage: &Stage) -> Vec<(u64, String, RoundId)> {
    let listed = stage.get("/v1/rounds").await.json();
    let listed = listed["rounds"].as_array().unwrap();
    listed
        .iter()
        .map(|round| {
            (
                round["round_number"].as_u64().unwrap(),
                round["phase"].as_str().unwrap().to_owned(),
                round["round_id"].as_str().unwrap().parse().unwrap(),
            )
        })
        .collect()
}

/// Waits until the round of this number is in this phase.
async fn until(stage: &Stage, number: u64, phase: &str) -> RoundId {
    for _ in 0..500 {
        let found = rounds(stage).await;
        let found = found
            .iter()
            .find(|round| (round.0, &*round.1) == (number, phase));
        if let Some(round) = found {
            return round.2;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("round {number} is not {phase}: {:?}", rounds(stage).await);
}

/// Long enough for the schedule to have looked several times.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[tokio::test]
async fn a_round_closes_at_its_target_and_the_next_opens_behind_it() {
    let stage = Stage::new().await;
    for number in 1..=3 {
        let target = json!({"target_cohort": 4});
        scheduled(&stage, number, json!("after_previous"), target).await;
    }
    for number in 1..=3 {
        let round = until(&stage, number, "collecting").await;
        let open = rounds(&stage).await;
        let collecting = open.iter().filter(|round| round.1 == "collecting").count();
        assert_eq!(collecting, 1, "one at a time: {open:?}");
        stage.put_all(round, 1..=3).await;
        a_while().await;
        assert_eq!(
            until(&stage, number, "collecting").await,
            round,
            "below its target"
        );
        stage.put_all(round, [4]).await;
        assert_eq!(until(&stage, number, "released").await, round);
        stage.assert_aggregate(round, 1..=4).await;
    }
    assert!(waiting(&stage).await.is_empty());
    assert_eq!(stage.enclave.count("open_round"), 3);
}

#[tokio::test]
async fn at_its_deadline_a_round_is_released_or_aborted_with_proof() {
    let stage = Stage::new().await;
    for number in [1, 2] {
        let opened = canonical::encode(&params(number));
        let path = "/v1/rounds?closes_after_seconds=1";
        let answer = stage.call(Method::POST, path, opened).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let closes_at = answer.json()["closes_at"].as_u64().unwrap();
        assert!((now()..=now() + 1).contains(&closes_at));
    }
    let (enough, too_few) = (
        until(&stage, 1, "collecting").await,
        until(&stage, 2, "collecting").await,
    );
    stage.put_all(enough, 1..=3).await;
    stage.put_all(too_few, 1..=2).await;
    until(&stage, 1, "released").await;
    stage.assert_aggregate(enough, 1..=3).await;
    until(&stage, 2, "aborted").await;
    let receipt = format!("/v1/rounds/{too_few}/abort-receipt");
    assert_eq!(stage.get(&receipt).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_scheduled_opens_at_its_time_and_not_before() {
    let stage = Stage::new().await;
    scheduled(&stage, 1, json!({"at": now() + 3600}), json!({})).await;
    scheduled(&stage, 2, json!({"at": now() - 1}), json!({})).await;
    until(&stage, 2, "collecting").await;
    a_while().await;
    assert_eq!(waiting(&stage).await, [1]);
    assert_eq!(rounds(&stage).await.len(), 1);
}

#[tokio::test]
async fn schedule_and_deadlines_outlive_the_parent() {
    let mut stage = Stage::new().await;
    scheduled(
        &stage,
        1,
        json!("after_previous"),
        json!({"target_cohort": 3}),
    )
    .await;
    scheduled(
        &stage,
        2,
        json!("after_previous"),
        json!({"closes_after_seconds": 1}),
    )
    .await;
    let first = until(&stage, 1, "collecting").await;
    stage.put_all(first, 1..=2).await;
    stage.restart_parent().await;
    assert_eq!(waiting(&stage).await, [2]);
    stage.put_all(first, [3]).await;
    until(&stage, 1, "released").await;
    let second = until(&stage, 2, "collecting").await;
    stage.put_all(second, 1..=3).await;
    stage.restart_parent().await;
    // Over while nobody looked, or a moment later.
    until(&stage, 2, "released").await;
    stage.assert_aggregate(second, 1..=3).await;
    assert_eq!(
        stage.enclave.count("open_round"),
        2,
        "none was opened twice"
    );
}

#[tokio::test]
async fn a_new_enclave_loses_what_was_open_and_the_schedule_goes_on_there() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(20);
    stage.restart_parent().await;
    for number in [1, 2] {
        scheduled(
            &stage,
            number,
            json!("after_previous"),
            json!({"target_cohort": 3}),
        )
        .await;
    }
    let first = until(&stage, 1, "collecting").await;
    stage.put_all(first, 1..=2).await;
    let address = stage.enclave.address;
    stage.enclave.stop();
    a_while().await;
    assert_eq!(waiting(&stage).await, [2], "silence proves nothing");
    stage.enclave = FakeEnclave::start(address).await;
    until(&stage, 1, "lost").await;
    let second = until(&stage, 2, "collecting").await;
    stage.put_all(second, 1..=3).await;
    until(&stage, 2, "released").await;
}

/// Whoever puts an old copy of the storage back has a round that can't be ended there, and a schedule
/// of then: what it would open may have been open since.
#[tokio::test]
async fn where_storage_forgot_a_release_nothing_scheduled_opens_while_that_enclave_lives() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(20);
    stage.restart_parent().await;
    let target = json!({"target_cohort": 3});
    scheduled(&stage, 1, json!("after_previous"), target.clone()).await;
    let first = until(&stage, 1, "collecting").await;
    stage.put_all(first, 1..=2).await;
    let told = async |count: u32| {
        let series = format!("sealsum_parent_rounds_rolled_back {count}\n");
        for _ in 0..500 {
            if metrics(&stage).await.contains(&series) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(told(0).await);
    stage.enclave.has_released_all();
    assert!(told(1).await);
    scheduled(&stage, 2, json!("after_previous"), target).await;
    scheduled(&stage, 3, json!({"at": now() - 1}), json!({})).await;
    a_while().await;
    assert_eq!(waiting(&stage).await, [2, 3]);
    let closed = stage.post(&format!("/v1/rounds/{first}/close")).await;
    closed.refused_with(409, "rolled_back");

    stage.enclave.forget();
    until(&stage, 1, "lost").await;
    assert!(told(0).await);
    let second = until(&stage, 2, "collecting").await;
    until(&stage, 3, "collecting").await;
    stage.put_all(second, 1..=3).await;
    until(&stage, 2, "released").await;
}

#[tokio::test]
async fn what_the_enclave_refuses_for_good_is_told_and_holds_nobody_up() {
    let stage = Stage::new().await;
    let mut refusals = [Refusal::Busy, Refusal::Malformed].into_iter();
    stage.enclave.script(move |command| match command {
        Command::OpenRound(_) => refusals.next().map(Fault::Refuse),
        _ => None,
    });
    let first = scheduled(&stage, 1, json!("after_previous"), json!({})).await;
    scheduled(&stage, 2, json!("after_previous"), json!({})).await;
    // Busy passes; the second refusal does not.
    until(&stage, 2, "collecting").await;
    let listed = stage.get("/v1/schedule").await.json();
    let failed = &listed["scheduled"][0];
    assert_eq!(failed["round_number"], 1);
    let said = failed["failed"].as_str().unwrap();
    assert!(said.contains(&Refusal::Malformed.to_string()), "{said}");
    let path = format!("/v1/schedule/{first}");
    let removed = stage.call(Method::DELETE, &path, vec![]).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    // The one that opened may be listed as a round a moment before it is off the schedule.
    for _ in 0..500 {
        if waiting(&stage).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(waiting(&stage).await.is_empty());
    let again = stage.call(Method::DELETE, &path, vec![]).await;
    again.refused_with(404, "unknown_schedule");
}

/// What a round lacks of the enclave's memory another one's end gives back; alone, it never fits.
#[tokio::test]
async fn a_round_that_finds_no_memory_waits_for_others_to_end_and_fails_when_there_are_none() {
    let stage = Stage::new().await;
    let lack = Refusal::Memory {
        needed: 2_000_000,
        available: 1_000_000,
    };
    let busy = stage.open_with(&params(1)).await;
    stage.enclave.script(move |command| match command {
        Command::OpenRound(_) => Some(Fault::Refuse(lack)),
        _ => None,
    });
    scheduled(&stage, 2, json!({"at": now() - 1}), json!({})).await;
    let asked = stage.enclave.count("open_round");
    let mut looks = 0;
    while stage.enclave.count("open_round") < asked + 2 {
        looks += 1;
        assert!(looks < 100, "it is not tried again");
        a_while().await;
    }
    let failed = |listed: Value| listed["scheduled"][0]["failed"].clone();
    assert_eq!(failed(stage.get("/v1/schedule").await.json()), Value::Null);

    stage.post(&format!("/v1/rounds/{busy}/abort")).await;
    let mut listed = Value::Null;
    for _ in 0..500 {
        listed = failed(stage.get("/v1/schedule").await.json());
        if listed != Value::Null {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        listed.as_str().unwrap().contains(&lack.to_string()),
        "{listed}"
    );
}

/// Between the clock's strike and the enclave's answer lies time, in which much may be asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_taken_back_does_not_open_and_what_opens_is_not_taken_back() {
    let stage = Stage::new().await;
    stage.enclave.script(|command| {
        if matches!(command, Command::OpenRound(_)) {
            std::thread::sleep(Duration::from_millis(300));
        }
        None
    });
    let later = json!({"at": now() + 3600});
    for number in 1..=6 {
        let id = scheduled(&stage, number, json!({"at": now() - 1}), json!({})).await;
        // Before, at and behind the moment at which the enclave is asked.
        tokio::time::sleep(Duration::from_millis(number * 7)).await;
        let path = format!("/v1/schedule/{id}");
        let removed = stage.call(Method::DELETE, &path, vec![]).await;
        // Whatever comes of it, another one is scheduled at the same time, and stays.
        scheduled(&stage, number + 100, later.clone(), json!({})).await;
        if removed.status == StatusCode::NO_CONTENT {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let opened = rounds(&stage).await;
            assert!(!opened.iter().any(|round| round.0 == number), "{opened:?}");
        } else {
            // While it opens, or on a busy machine once it has opened.
            let code = removed.code();
            assert!(["schedule", "unknown_schedule"].contains(&&*code), "{code}");
            until(&stage, number, "collecting").await;
        }
    }
    // The last one may be listed as a round a moment before it is off the schedule.
    a_while().await;
    let mut kept = waiting(&stage).await;
    kept.sort_unstable();
    assert_eq!(kept, [101, 102, 103, 104, 105, 106]);
    assert!(
        stage.enclave.count("open_round") > 0,
        "none was ever opening"
    );
}

#[tokio::test]
async fn parameters_that_the_operator_did_not_sign_are_not_scheduled() {
    let stage = Stage::new().await;
    let mut params = params(1);
    params.signature = numbered(2, Intake::Presum, DIMENSION, 6).signature;
    let request = json!({
        "params": hex::encode(canonical::encode(&params)),
        "opens": {"at": now() + 3600},
    });
    let body = request.to_string().into_bytes();
    let refused = stage.call(Method::POST, "/v1/schedule", body).await;
    refused.refused_with(422, "operator_signature");
}

#[tokio::test]
async fn the_same_twice_is_one_and_what_can_not_be_is_refused() {
    let stage = Stage::new().await;
    let later = || json!({"at": now() + 3600});
    let opens = later();
    let first = scheduled(&stage, 1, opens.clone(), json!({})).await;
    assert_eq!(scheduled(&stage, 1, opens, json!({})).await, first);
    assert_eq!(waiting(&stage).await, [1]);
    let other = schedule(&stage, 1, json!("after_previous"), json!({})).await;
    other.refused_with(409, "schedule");
    for closing in [
        json!({"target_cohort": 2}),
        json!({"target_cohort": 7}),
        json!({"closes_after_seconds": 0}),
        json!({"closes_after_seconds": 1_u64 << 40}),
    ] {
        let refused = schedule(&stage, 2, later(), closing).await;
        refused.refused_with(422, "schedule");
    }
    for (opens, closing) in [
        (json!("soon"), json!({})),
        (json!({"at": -1}), json!({})),
        (later(), json!({"target": 3})),
    ] {
        let refused = schedule(&stage, 2, opens, closing).await;
        refused.refused_with(400, "malformed");
    }
    stage.open_with(&params(3)).await;
    let opened = schedule(&stage, 3, later(), json!({})).await;
    opened.refused_with(409, "schedule");
    assert!(
        opened.json()["detail"]
            .as_str()
            .unwrap()
            .contains("next number")
    );
    assert_eq!(waiting(&stage).await, [1]);
}

#[tokio::test]
async fn what_is_scheduled_is_not_opened_by_hand_without_its_closing() {
    let stage = Stage::new().await;
    let closing = json!({"target_cohort": 4});
    let id = scheduled(&stage, 1, json!({"at": now() + 3600}), closing).await;
    let body = canonical::encode(&params(1));
    let by_hand = stage.call(Method::POST, "/v1/rounds", body.clone()).await;
    by_hand.refused_with(409, "schedule");
    assert!(by_hand.json()["detail"].as_str().unwrap().contains(&id));
    assert_eq!(waiting(&stage).await, [1]);
    stage
        .call(Method::DELETE, &format!("/v1/schedule/{id}"), vec![])
        .await;
    let by_hand = stage.call(Method::POST, "/v1/rounds", body).await;
    assert_eq!(by_hand.status, StatusCode::CREATED);
}

/// The enclave opened the round; before the schedule was rid of it, the parent ended.
#[tokio::test]
async fn a_round_that_opened_just_before_the_end_is_not_opened_again() {
    let mut stage = Stage::new().await;
    let id = scheduled(&stage, 1, json!({"at": now() + 3600}), json!({})).await;
    let (id, record): (RoundId, _) = (id.parse().unwrap(), Record::Scheduled);
    stage.parent.take().unwrap().shutdown().await;
    let kept = {
        let storage = Embedded::open(stage.folder.path()).unwrap();
        let kept = storage.record(id, record).await.unwrap().unwrap();
        storage.remove(id, record).await.unwrap();
        kept
    };
    stage.start_parent().await;
    stage.open_with(&params(1)).await;
    stage.parent.take().unwrap().shutdown().await;
    {
        let storage = Embedded::open(stage.folder.path()).unwrap();
        storage.put(id, record, kept).await.unwrap();
    }
    stage.start_parent().await;
    assert!(waiting(&stage).await.is_empty());
    assert_eq!(rounds(&stage).await.len(), 1);
}
