//! How rounds end when a process does: aborted by proof, released, or lost.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use sealsum_parent::OnShutdown;
use sealsum_protocol::{AbortReceipt, Command, Intake, RoundId, Signed, canonical};

use crate::fake_enclave::{FakeEnclave, Fault};
use crate::stage::{DIMENSION, Stage};

/// The abort receipt that the parent serves.
async fn abort_receipt(stage: &Stage, round: RoundId) -> AbortReceipt {
    let answer = stage
        .get(&format!("/v1/rounds/{round}/abort-receipt"))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let receipt: Signed<AbortReceipt> = canonical::decode(&answer.body).unwrap();
    receipt.unverified().clone()
}

/// Takes the enclave away, with what it knows; its address stays free.
async fn take_away(stage: &mut Stage) -> FakeEnclave {
    let elsewhere = FakeEnclave::start("127.0.0.1:0".parse().unwrap()).await;
    std::mem::replace(&mut stage.enclave, elsewhere)
}

#[tokio::test]
async fn a_parent_that_ends_aborts_what_collects_and_keeps_the_proof() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        stage.ends.on_shutdown = OnShutdown::Abort;
        stage.restart_parent().await;
        let empty = stage.open(intake, DIMENSION).await;
        let round = stage.open(intake, DIMENSION).await;
        stage.put_all(round, [1, 2]).await;
        stage.restart_parent().await;
        assert_eq!(stage.phase(round).await, "aborted");
        assert_eq!(abort_receipt(&stage, round).await.discarded, 2);
        assert_eq!(abort_receipt(&stage, empty).await.discarded, 0);
        assert_eq!(stage.stored_uploads(round), 0);
    }
}

#[tokio::test]
async fn a_round_that_is_releasing_outlives_the_parents_end() {
    let mut stage = Stage::new().await;
    stage.ends.on_shutdown = OnShutdown::Abort;
    stage.restart_parent().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let second =
        |command: &Command| matches!(command, Command::ReleaseBlock(block) if block.index == 1);
    stage
        .enclave
        .script(move |command| second(command).then_some(Fault::HangUpBefore));
    stage.post(&format!("/v1/rounds/{round}/close")).await;
    assert_eq!(stage.phase(round).await, "releasing");
    stage.enclave.script(|_| None);
    stage.restart_parent().await;
    stage.becomes(round, "released").await;
    stage.assert_aggregate(round, [1, 2, 3]).await;
    assert_eq!(stage.enclave.count("abort"), 0);
}

#[tokio::test]
async fn a_parent_whose_enclave_is_gone_ends_in_time_and_aborts_nothing() {
    let mut stage = Stage::new().await;
    stage.ends.on_shutdown = OnShutdown::Abort;
    stage.restart_parent().await;
    let mut rounds = Vec::new();
    for _ in 0..4 {
        rounds.push(stage.open(Intake::Presum, DIMENSION).await);
    }
    drop(take_away(&mut stage).await);
    let begun = Instant::now();
    stage.parent.take().unwrap().shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{begun:?}");
    stage.start_parent().await;
    // Nothing was made up: who has the rounds' keys decides, and the next enclave has not.
    for round in rounds {
        stage.becomes(round, "lost").await;
    }
}

#[tokio::test]
async fn a_round_that_the_enclave_aborted_has_its_receipt_fetched_unasked() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(20);
    stage.restart_parent().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    stage.enclave.abort_all();
    let begun = Instant::now();
    while stage.enclave.count("abort") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(take_away(&mut stage).await);
    stage.becomes(round, "aborted").await;
    assert_eq!(abort_receipt(&stage, round).await.discarded, 3);
    assert_eq!(stage.stored_uploads(round), 0);
}

#[tokio::test]
async fn a_round_that_the_enclave_aborted_is_aborted_for_whoever_looks() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1]).await;
    stage.enclave.abort_all();
    assert_eq!(stage.phase(round).await, "aborted");
    assert_eq!(abort_receipt(&stage, round).await.discarded, 1);
}

#[tokio::test]
async fn an_enclave_that_is_silent_for_too_long_has_lost_its_rounds_until_it_proves_otherwise() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(20);
    stage.ends.lost_after = Duration::from_millis(300);
    stage.restart_parent().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1, 2]).await;
    let address = stage.enclave.address;
    let old = take_away(&mut stage).await;
    let state = std::mem::take(&mut *old.state.lock().unwrap());
    drop(old);
    stage.becomes(round, "lost").await;
    let abort = format!("/v1/rounds/{round}/abort");
    stage.post(&abort).await.refused_with(410, "round_lost");

    stage.enclave = FakeEnclave::start(address).await;
    *stage.enclave.state.lock().unwrap() = state;
    assert_eq!(stage.post(&abort).await.status, StatusCode::OK);
    assert_eq!(stage.phase(round).await, "aborted");
    assert_eq!(abort_receipt(&stage, round).await.discarded, 2);
}

#[tokio::test]
async fn questions_about_a_rounds_phase_are_not_on_its_account() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(5);
    stage.restart_parent().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let path = format!("/v1/rounds/{round}");
    let before = stage.get(&path).await.json()["boundary_bytes"].clone();
    let asked = stage.enclave.count("status");
    while stage.enclave.count("status") < asked + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.get(&path).await.json()["boundary_bytes"], before);
}
