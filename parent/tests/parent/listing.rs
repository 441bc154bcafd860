//! The list of rounds, a page at a time: nothing twice, nothing left out, whatever ends meanwhile.

use axum::http::StatusCode;
use sealsum_protocol::{Intake, RoundId};
use serde_json::Value;

use crate::stage::{Stage, numbered};

/// One page's ids, and where to go on.
async fn page(stage: &Stage, query: &str) -> (Vec<String>, Option<String>) {
    let answer = stage.get(&format!("/v1/rounds?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}");
    let json = answer.json();
    let ids = json["rounds"].as_array().unwrap().iter().map(id).collect();
    assert!(json["next"].is_string() || json["next"].is_null(), "{json}");
    (ids, json["next"].as_str().map(str::to_owned))
}

fn id(summary: &Value) -> String {
    summary["round_id"].as_str().unwrap().to_owned()
}

/// Opens that many, in this order.
async fn opened(stage: &Stage, rounds: u64) -> Vec<RoundId> {
    let mut ids = Vec::new();
    for number in 1..=rounds {
        let params = numbered(number, Intake::Stream, 100, 6);
        ids.push(stage.open_with(&params).await);
    }
    ids
}

fn texts(ids: &[RoundId]) -> Vec<String> {
    ids.iter().map(RoundId::to_string).collect()
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end_and_across_a_restart() {
    let mut stage = Stage::new().await;
    assert_eq!(page(&stage, "").await, (Vec::new(), None));
    let ids = texts(&opened(&stage, 5).await);
    assert_eq!(page(&stage, "").await, (ids.clone(), None));
    assert_eq!(page(&stage, "limit=5").await, (ids.clone(), None));

    let (first, next) = page(&stage, "limit=2").await;
    assert_eq!(first, ids[..2]);
    stage.restart_parent().await;
    let next = next.unwrap();
    let (second, behind) = page(&stage, &format!("limit=2&after={next}")).await;
    assert_eq!(second, ids[2..4]);
    let rest = page(&stage, &format!("limit=2&after={}", behind.unwrap())).await;
    assert_eq!(rest, (ids[4..].to_vec(), None));
    // The same again is the same.
    let again = page(&stage, &format!("limit=2&after={next}")).await;
    assert_eq!(again.0, ids[2..4]);
}

#[tokio::test]
async fn a_round_that_ends_at_the_edge_of_a_page_takes_nobody_along() {
    let stage = Stage::new().await;
    let rounds = opened(&stage, 5).await;
    let ids = texts(&rounds);
    let (first, next) = page(&stage, "limit=2&phase=collecting").await;
    assert_eq!(first, ids[..2]);
    for round in [rounds[1], rounds[2]] {
        let aborted = stage.post(&format!("/v1/rounds/{round}/abort")).await;
        assert_eq!(aborted.status, StatusCode::OK);
    }
    let next = next.unwrap();
    let rest = page(&stage, &format!("limit=2&phase=collecting&after={next}")).await;
    assert_eq!(rest, (ids[3..].to_vec(), None));
    let aborted = page(&stage, "phase=aborted").await;
    assert_eq!(aborted, (ids[1..3].to_vec(), None));
    // What opens meanwhile comes behind.
    let late = stage.open(Intake::Stream, 100).await;
    let rest = page(&stage, &format!("phase=collecting&after={next}")).await;
    assert_eq!(rest.0, [ids[3..].to_vec(), vec![late.to_string()]].concat());
}

#[tokio::test]
async fn only_the_task_that_was_asked_for_is_listed() {
    let stage = Stage::new().await;
    let ids = texts(&opened(&stage, 2).await);
    assert_eq!(page(&stage, "task=triage").await.0, ids);
    assert!(page(&stage, "task=wards").await.0.is_empty());
}

#[tokio::test]
async fn what_can_not_be_asked_is_refused_with_what_can() {
    let stage = Stage::new().await;
    let place = format!("1-{}", RoundId::new([7; 32]));
    for (query, said) in [
        ("limit=0", "from 1 to 1000"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=-1", "from 1 to 1000"),
        ("limit=many", "from 1 to 1000"),
        ("after=", "an earlier page"),
        ("after=1", "an earlier page"),
        (&format!("after={place}0"), "an earlier page"),
        (
            "phase=over",
            "collecting, releasing, released, aborted, lost",
        ),
        ("task=Ward%205", "task is \"Ward 5\""),
        ("limt=5", "limit"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = stage.get(&format!("/v1/rounds?{query}")).await;
        answer.refused_with(400, "malformed");
        let json = answer.json();
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{query}: {detail}");
    }
    // A place is one whether or not its round is there.
    let answer = stage.get(&format!("/v1/rounds?after={place}")).await;
    assert_eq!(answer.status, StatusCode::OK);
}
