//! What a restart of either side leaves: nothing acknowledged is lost while the
//! enclave lives, and a round whose enclave is gone is called lost.

use std::time::Duration;

use axum::http::StatusCode;
use sealsum_protocol::{Command, Intake, Refusal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fake_enclave::{FakeEnclave, Fault};
use crate::stage::{Contribution, DIMENSION, Stage};

#[tokio::test]
async fn a_restarted_parent_goes_on_collecting_and_closes_over_all_it_acknowledged() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        let first = stage.open(intake, DIMENSION).await;
        stage.put_all(first, [1, 2]).await;
        stage.restart_parent().await;
        assert_eq!(stage.phase(first).await, "collecting");
        stage.put_all(first, [3]).await;
        let second = stage.open(intake, DIMENSION).await;
        let list = stage.get("/v1/rounds").await.json();
        assert_eq!(list["rounds"][0]["round_id"], first.to_string());
        assert_eq!(list["rounds"][1]["round_id"], second.to_string());
        stage.post(&format!("/v1/rounds/{first}/close")).await;
        stage.restart_parent().await;
        assert_eq!(stage.phase(first).await, "released");
        stage.assert_aggregate(first, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn a_close_that_was_cut_by_a_restart_goes_on_by_itself() {
    for stop_at in ["close", "release", "finish"] {
        for intake in [Intake::Stream, Intake::Presum] {
            let mut stage = Stage::new().await;
            let round = stage.open(intake, DIMENSION).await;
            stage.put_all(round, [1, 2, 3]).await;
            stage.enclave.script(move |command| match command {
                Command::Close(_) if stop_at == "close" => Some(Fault::HangUpAfter),
                Command::ReleaseBlock(release) if stop_at == "release" && release.index == 1 => {
                    Some(Fault::HangUpBefore)
                }
                Command::Finish(_) if stop_at == "finish" => Some(Fault::HangUpAfter),
                _ => None,
            });
            let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
            closed.refused_with(503, "enclave_unreachable");
            stage.enclave.script(|_| None);
            stage.restart_parent().await;
            stage.becomes(round, "released").await;
            stage.assert_aggregate(round, [1, 2, 3]).await;
        }
    }
}

#[tokio::test]
async fn a_damaged_sum_is_made_again_from_the_uploads() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let block = |command: &Command| matches!(command, Command::ReleaseBlock(_));
    stage
        .enclave
        .script(move |command| block(command).then_some(Fault::HangUpBefore));
    stage.post(&format!("/v1/rounds/{round}/close")).await;
    stage.enclave.script(|_| None);
    let sum = stage.round_folder(round).join("masked-sum.bin");
    std::fs::write(&sum, b"not it").unwrap();
    stage.restart_parent().await;
    stage.becomes(round, "released").await;
    stage.assert_aggregate(round, [1, 2, 3]).await;
}

#[tokio::test]
async fn an_upload_that_was_stored_and_never_answered_is_in_at_the_close() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        stage.put_all(round, [1, 2]).await;
        stage.enclave.script(|_| Some(Fault::HangUpAfter));
        let unanswered = stage.put(&Contribution::new(round, 3, DIMENSION)).await;
        unanswered.refused_with(503, "enclave_unreachable");
        assert!(stage.stored_uploads(round) > 0);
        stage.enclave.script(|_| None);
        stage.restart_parent().await;
        let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
        assert_eq!(closed.json()["cohort_size"], 3);
        stage.assert_aggregate(round, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn a_busy_enclave_is_asked_again() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let mut busy = vec![Refusal::Busy, Refusal::Device];
    stage.enclave.script(move |_| busy.pop().map(Fault::Refuse));
    stage.put_all(round, [1]).await;
}

#[tokio::test]
async fn a_round_of_a_restarted_enclave_is_lost_and_not_aborted() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        stage.put_all(round, [1, 2, 3]).await;
        stage.enclave.forget();
        assert_eq!(stage.phase(round).await, "lost");
        let path = format!("/v1/rounds/{round}");
        for call in ["close", "abort"] {
            let answer = stage.post(&format!("{path}/{call}")).await;
            answer.refused_with(410, "round_lost");
        }
        let offer = format!("{path}/offer?nonce={round}");
        stage.get(&offer).await.refused_with(410, "round_lost");
        let late = Contribution::new(round, 4, DIMENSION);
        stage.put(&late).await.refused_with(410, "round_lost");
        for record in ["receipt", "abort-receipt", "aggregate"] {
            let answer = stage.get(&format!("{path}/{record}")).await;
            answer.refused_with(410, "round_lost");
        }
        assert_eq!(
            stage.get(&format!("{path}/evidence")).await.status,
            StatusCode::OK
        );
        stage.restart_parent().await;
        assert_eq!(stage.phase(round).await, "lost");
        // The next round of the same parent is as good as any.
        let next = stage.open(intake, DIMENSION).await;
        stage.put_all(next, [1]).await;
    }
}

#[tokio::test]
async fn an_enclave_that_is_down_is_said_to_be_and_found_again() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let address = stage.enclave.address;
    let state = std::mem::take(&mut *stage.enclave.state.lock().unwrap());
    let elsewhere = FakeEnclave::start("127.0.0.1:0".parse().unwrap()).await;
    drop(std::mem::replace(&mut stage.enclave, elsewhere));
    let contribution = Contribution::new(round, 1, DIMENSION);
    stage
        .put(&contribution)
        .await
        .refused_with(503, "enclave_unreachable");
    let offer = format!("/v1/tasks/triage/offer?nonce={round}");
    stage
        .get(&offer)
        .await
        .refused_with(503, "enclave_unreachable");
    assert_eq!(stage.phase(round).await, "collecting");

    stage.enclave = FakeEnclave::start(address).await;
    *stage.enclave.state.lock().unwrap() = state;
    assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
    assert_eq!(stage.get(&offer).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_receipt_stored_before_a_crash_outlives_the_enclaves_memory() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    stage.post(&format!("/v1/rounds/{round}/close")).await;
    // As if the crash had come between the acknowledgement and the last note of it.
    stage.parent.take().unwrap().shutdown().await;
    let changed = stage.edit_database(
        "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), 'released', 'releasing') AS BLOB)
         WHERE kind = 'state'",
    );
    assert_eq!(changed, 1);
    stage.start_parent().await;
    stage.becomes(round, "released").await;
    stage.assert_aggregate(round, [1, 2, 3]).await;
}

#[tokio::test]
async fn a_shutdown_finishes_the_request_that_it_took_and_takes_no_more() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    let parent = stage.parent.take().unwrap();
    let address = parent.address();
    let contribution = Contribution::new(round, 1, DIMENSION);
    let (bytes, client) = (contribution.bytes(), contribution.header.client);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT /v1/rounds/{round}/contributions/{client} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes[..9000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let ending = tokio::spawn(parent.shutdown());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    stream.write_all(&bytes[9000..]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    ending.await.unwrap();
    assert_eq!(stage.enclave.count("stage_block"), 2);
}
