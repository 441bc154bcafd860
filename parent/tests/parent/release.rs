//! Closing and aborting: what is published, and what a close survives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use sealsum_protocol::{
    AbortReceipt, ClientId, CohortProof, Command, Intake, Membership, Receipt, RoundEvidence,
    RoundId, Signed, canonical,
};
use serde_json::json;

use crate::fake_enclave::Fault;
use crate::stage::{Contribution, DIMENSION, Stage, plain_sum};

async fn receipt(stage: &Stage, round: RoundId) -> Receipt {
    let evidence = stage.get(&format!("/v1/rounds/{round}/evidence")).await;
    let evidence: RoundEvidence = canonical::decode(&evidence.body).unwrap();
    assert_eq!(evidence.binding.round_id(), round);
    let receipt = stage.get(&format!("/v1/rounds/{round}/receipt")).await;
    let receipt: Signed<Receipt> = canonical::decode(&receipt.body).unwrap();
    let key = &evidence.binding.receipt_key;
    receipt.verify(key, &round).unwrap().clone()
}

async fn membership(stage: &Stage, round: RoundId, client: u8) -> Membership {
    let receipt = receipt(stage, round).await;
    let client = ClientId::new([client; 32]);
    let answer = stage
        .get(&format!("/v1/rounds/{round}/proofs/{client}"))
        .await;
    let proof: CohortProof = canonical::decode(&answer.body).unwrap();
    proof
        .verify(
            &client,
            &receipt.cohort_root,
            u64::from(receipt.cohort_size),
        )
        .unwrap()
}

#[tokio::test]
async fn a_closed_round_publishes_aggregate_receipt_and_proofs() {
    for intake in [Intake::Stream, Intake::Presum] {
        let stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        stage.put_all(round, [1, 2, 3, 5]).await;
        for path in ["receipt", "aggregate", &format!("proofs/{round}")] {
            let early = stage.get(&format!("/v1/rounds/{round}/{path}")).await;
            early.refused_with(404, "not_released");
        }
        let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
        assert_eq!(closed.status, StatusCode::OK);
        let summary = closed.json();
        let boundary = summary["boundary_bytes"].as_u64().unwrap();
        assert!(boundary > 40_000);
        assert_eq!(
            summary,
            json!({
                "round_id": round.to_string(), "task": "triage", "round_number": 4,
                "phase": "released", "intake": intake, "kem": "x25519", "rule": "mean",
                "dimension": DIMENSION, "ring_bits": 20, "min_cohort": 3, "max_cohort": 6,
                "contributions": 4, "cohort_size": 4, "target_cohort": null, "closes_at": null,
            "target_cohort": null,
            "closes_at": null, "boundary_bytes": boundary,
            })
        );
        stage.assert_aggregate(round, [1, 2, 3, 5]).await;
        let member = Contribution::new(round, 5, DIMENSION).header.digest();
        assert_eq!(membership(&stage, round, 5).await, Membership::In(member));
        assert_eq!(membership(&stage, round, 4).await, Membership::Out);
        assert_eq!(stage.stored_uploads(round), 0);

        let again = stage.post(&format!("/v1/rounds/{round}/close")).await;
        assert_eq!(again.json()["phase"], "released");
        assert_eq!(stage.enclave.count("close"), 1);
        assert_eq!(stage.enclave.count("acknowledge"), 1);
        let late = Contribution::new(round, 6, DIMENSION);
        stage.put(&late).await.refused_with(409, "wrong_phase");
        let aborted = stage.post(&format!("/v1/rounds/{round}/abort")).await;
        aborted.refused_with(409, "wrong_phase");
    }
}

#[tokio::test]
async fn who_is_in_a_round_that_has_ended_is_known_before_and_after_a_restart() {
    for (end, phase) in [("close", "released"), ("abort", "aborted")] {
        let mut stage = Stage::new().await;
        let round = stage.open(Intake::Presum, DIMENSION).await;
        let mut acceptances = Vec::new();
        for client in [1, 2, 3, 5] {
            let contribution = Contribution::new(round, client, DIMENSION);
            acceptances.push(stage.put(&contribution).await.body);
        }
        stage.post(&format!("/v1/rounds/{round}/{end}")).await;
        for _ in 0..2 {
            let summary = stage.get(&format!("/v1/rounds/{round}")).await.json();
            assert_eq!(
                (&summary["phase"], &summary["contributions"]),
                (&phase.into(), &4.into())
            );
            let mut again = Contribution::new(round, 2, DIMENSION);
            assert_eq!(stage.put(&again).await.body, acceptances[1]);
            again.header.sealed = vec![5; 20].into();
            let other = stage.put(&again).await;
            other.refused_with(409, "second_contribution");
            let late = Contribution::new(round, 6, DIMENSION);
            stage.put(&late).await.refused_with(409, "wrong_phase");
            if phase == "released" {
                let member = Contribution::new(round, 5, DIMENSION).header.digest();
                assert_eq!(membership(&stage, round, 5).await, Membership::In(member));
                assert_eq!(membership(&stage, round, 4).await, Membership::Out);
            }
            stage.restart_parent().await;
        }
    }
}

#[tokio::test]
async fn a_cohort_below_the_minimum_goes_on_collecting() {
    for intake in [Intake::Stream, Intake::Presum] {
        let stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        for clients in [&[][..], &[1, 2]] {
            stage.put_all(round, clients.iter().copied()).await;
            let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
            closed.refused_with(409, "cohort_too_small");
            assert_eq!(stage.phase(round).await, "collecting");
        }
        stage.put_all(round, [3]).await;
        stage.post(&format!("/v1/rounds/{round}/close")).await;
        stage.assert_aggregate(round, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn lost_and_damaged_bodies_become_named_exclusions() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, 1..=5).await;
    let upload = |client: u8| {
        let client = ClientId::new([client; 32]);
        let folder = stage.round_folder(round).join("uploads");
        folder.join(format!("{client}.upload"))
    };
    std::fs::remove_file(upload(4)).unwrap();
    let mut bytes = std::fs::read(upload(2)).unwrap();
    bytes[20_000] ^= 4;
    std::fs::write(upload(2), bytes).unwrap();

    let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
    assert_eq!(closed.json()["cohort_size"], 3);
    assert_eq!(closed.json()["contributions"], 5);
    stage.assert_aggregate(round, [1, 3, 5]).await;
    let receipt = receipt(&stage, round).await;
    assert_eq!(receipt.excluded, [2, 4].map(|id| ClientId::new([id; 32])));
    assert_eq!(membership(&stage, round, 2).await, Membership::Out);
}

#[tokio::test]
async fn a_close_survives_a_connection_cut_at_any_command() {
    let cut = [Fault::HangUpBefore, Fault::HangUpAfter];
    for (intake, fault) in [Intake::Stream, Intake::Presum]
        .into_iter()
        .flat_map(|intake| cut.map(|fault| (intake, fault)))
    {
        let stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        stage.put_all(round, [1, 2, 3]).await;
        // Every command of the close fails once.
        let mut failed = Vec::new();
        stage.enclave.script(move |command| {
            let key = match command {
                Command::ReleaseBlock(release) => release.index + 10,
                Command::Close(_) => 1,
                Command::Finish(_) => 2,
                _ => return None,
            };
            if failed.contains(&key) {
                return None;
            }
            failed.push(key);
            Some(fault)
        });
        let mut closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
        for _ in 0..6 {
            if closed.status == StatusCode::OK {
                break;
            }
            closed.refused_with(503, "enclave_unreachable");
            closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
        }
        assert_eq!(closed.json()["phase"], "released");
        stage.assert_aggregate(round, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn an_aggregate_that_is_read_and_written_in_parts_survives_cuts_within_them() {
    // 55 blocks, of which 25 and a half are read at a time, and 26 written.
    let dimension = 900_001;
    for intake in [Intake::Stream, Intake::Presum] {
        let stage = Stage::new().await;
        let round = stage.open(intake, dimension).await;
        for client in 1..=3 {
            let contribution = Contribution::new(round, client, dimension);
            assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
        }
        // A block is sent three times before the close has failed.
        let mut cuts = [7, 7, 7, 25, 26, 26, 26, 53, 54, 54, 54].to_vec();
        stage.enclave.script(move |command| match command {
            Command::ReleaseBlock(release) if cuts.first() == Some(&release.index) => {
                cuts.remove(0);
                Some(Fault::HangUpBefore)
            }
            _ => None,
        });
        let mut closes = 0;
        while stage.phase(round).await != "released" {
            stage.post(&format!("/v1/rounds/{round}/close")).await;
            closes += 1;
            assert!(closes < 9);
        }
        assert!(closes >= 4);
        let aggregate = stage.get(&format!("/v1/rounds/{round}/aggregate")).await;
        assert!(aggregate.body == plain_sum([1, 2, 3], dimension));
    }
}

/// From now on the enclave hangs up before it gives block `cut`. Counts how often each is asked for.
fn cut_before(stage: &Stage, cut: u64) -> Arc<Mutex<BTreeMap<u64, u32>>> {
    let asked = Arc::<Mutex<BTreeMap<u64, u32>>>::default();
    let counts = Arc::clone(&asked);
    stage.enclave.script(move |command| {
        let Command::ReleaseBlock(release) = command else {
            return None;
        };
        *counts.lock().unwrap().entry(release.index).or_default() += 1;
        (release.index == cut).then_some(Fault::HangUpBefore)
    });
    asked
}

#[tokio::test]
async fn a_release_that_is_cut_by_one_restart_after_another_comes_to_its_end() {
    let dimension = 16_384 * 5;
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        let round = stage.open(intake, dimension).await;
        for client in 1..=3 {
            let contribution = Contribution::new(round, client, dimension);
            assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
        }
        let path = format!("/v1/rounds/{round}/close");
        // More often than the enclave gives a block.
        for cut in [2, 2, 2, 3, 3, 4, 4] {
            let asked = cut_before(&stage, cut);
            stage
                .post(&path)
                .await
                .refused_with(503, "enclave_unreachable");
            assert!(!asked.lock().unwrap().contains_key(&(cut + 1)));
            stage.restart_parent().await;
        }
        let asked = cut_before(&stage, u64::MAX);
        assert_eq!(stage.post(&path).await.status, StatusCode::OK);
        assert_eq!(*asked.lock().unwrap(), BTreeMap::from([(4, 1)]));
        let aggregate = stage.get(&format!("/v1/rounds/{round}/aggregate")).await;
        assert!(aggregate.body == plain_sum([1, 2, 3], dimension));
        let folder = std::fs::read_dir(stage.round_folder(round)).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(
            names.into_iter().all(|name| !name.contains("from")),
            "parts are gone"
        );
    }
}

#[tokio::test]
async fn a_large_aggregate_is_kept_in_parts_while_it_comes() {
    // 208 blocks of 40 KiB, of which 205 make a part.
    let dimension = 16_384 * 208 - 5;
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Presum, dimension).await;
    for client in 1..=3 {
        let contribution = Contribution::new(round, client, dimension);
        assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
    }
    let path = format!("/v1/rounds/{round}/close");
    let first = cut_before(&stage, 206);
    stage
        .post(&path)
        .await
        .refused_with(503, "enclave_unreachable");
    stage.restart_parent().await;
    let second = cut_before(&stage, u64::MAX);
    assert_eq!(stage.post(&path).await.status, StatusCode::OK);
    // The restarted parent may have begun before it was counted anew.
    assert_eq!(first.lock().unwrap()[&0], 1);
    assert!(second.lock().unwrap().keys().all(|block| *block >= 205));
    let aggregate = stage.get(&format!("/v1/rounds/{round}/aggregate")).await;
    assert!(aggregate.body == plain_sum([1, 2, 3], dimension));
}

#[tokio::test]
async fn a_release_goes_on_where_it_stood_after_the_disk_failed_in_passing() {
    // 3 blocks; the enclave is cut off before the last, and whenever it is sent again.
    let dimension = 2 * 16_384 + 5;
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, dimension).await;
    for client in 1..=3 {
        let contribution = Contribution::new(round, client, dimension);
        assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
    }
    let first = cut_before(&stage, 2);
    let close = format!("/v1/rounds/{round}/close");
    let closed = stage.post(&close).await;
    closed.refused_with(503, "enclave_unreachable");

    // The sum is not to be had, and no other can be put in its place.
    let sum = stage.round_folder(round).join("masked-sum.bin");
    let aside = stage.folder.path().join("aside");
    std::fs::rename(&sum, &aside).unwrap();
    std::fs::create_dir_all(sum.join("in the way")).unwrap();
    let then = cut_before(&stage, u64::MAX);
    let closed = stage.post(&close).await;
    assert_eq!(closed.status, StatusCode::INTERNAL_SERVER_ERROR);
    std::fs::remove_dir_all(&sum).unwrap();
    std::fs::rename(&aside, &sum).unwrap();

    let closed = stage.post(&close).await;
    assert_eq!(closed.json()["phase"], "released");
    let aggregate = stage.get(&format!("/v1/rounds/{round}/aggregate")).await;
    assert!(aggregate.body == plain_sum([1, 2, 3], dimension));
    // None that had come was asked for again.
    let first: Vec<_> = first.lock().unwrap().keys().copied().collect();
    assert_eq!(first, [0, 1, 2]);
    assert_eq!(*then.lock().unwrap(), BTreeMap::from([(2, 1)]));
}

#[tokio::test]
async fn an_aggregate_that_could_not_be_kept_is_not_asked_for_again() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let aggregate = stage.round_folder(round).join("aggregate.bin");
    let close = format!("/v1/rounds/{round}/close");
    let asked = cut_before(&stage, u64::MAX);
    // More often than the enclave gives a block.
    for _ in 0..4 {
        std::fs::create_dir_all(aggregate.join("in the way")).unwrap();
        let closed = stage.post(&close).await;
        assert_eq!(closed.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(stage.temporary_files(), 0);
        std::fs::remove_dir_all(&aggregate).unwrap();
    }
    let closed = stage.post(&close).await;
    assert_eq!(closed.json()["phase"], "released");
    assert_eq!(*asked.lock().unwrap(), BTreeMap::from([(0, 1), (1, 1)]));
    stage.assert_aggregate(round, [1, 2, 3]).await;
}

#[tokio::test]
async fn two_who_close_at_once_get_the_same_end() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let path = format!("/v1/rounds/{round}/close");
    let (first, second) = tokio::join!(stage.post(&path), stage.post(&path));
    assert_eq!(first.json(), second.json());
    assert_eq!(stage.enclave.count("finish"), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_close() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let path = format!("/v1/rounds/{round}/close");
    let hung_up = tokio::time::timeout(std::time::Duration::ZERO, stage.post(&path)).await;
    assert!(hung_up.is_err());
    stage.becomes(round, "released").await;
    stage.assert_aggregate(round, [1, 2, 3]).await;
}

#[tokio::test]
async fn an_aborted_round_gives_its_receipt_again_and_nothing_else() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1, 2, 3]).await;
    let path = format!("/v1/rounds/{round}/abort-receipt");
    stage.get(&path).await.refused_with(404, "not_aborted");
    let aborted = stage.post(&format!("/v1/rounds/{round}/abort")).await;
    let receipt: Signed<AbortReceipt> = canonical::decode(&aborted.body).unwrap();
    assert_eq!(receipt.unverified().discarded, 3);
    assert_eq!(stage.stored_uploads(round), 0);
    stage.restart_parent().await;
    assert_eq!(stage.get(&path).await.body, aborted.body);
    let again = stage.post(&format!("/v1/rounds/{round}/abort")).await;
    assert_eq!(again.body, aborted.body);
    assert_eq!(stage.enclave.count("abort"), 1);
    let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
    closed.refused_with(409, "wrong_phase");
    let published = stage.get(&format!("/v1/rounds/{round}/receipt")).await;
    published.refused_with(404, "aborted");
}

#[tokio::test]
async fn a_close_that_let_nothing_out_can_still_be_aborted() {
    for (block, phase) in [(0, "aborted"), (1, "releasing")] {
        let stage = Stage::new().await;
        let round = stage.open(Intake::Presum, DIMENSION).await;
        stage.put_all(round, [1, 2, 3]).await;
        stage.enclave.script(move |command| match command {
            Command::ReleaseBlock(release) if release.index == block => Some(Fault::HangUpBefore),
            _ => None,
        });
        let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
        closed.refused_with(503, "enclave_unreachable");
        let aborted = stage.post(&format!("/v1/rounds/{round}/abort")).await;
        assert_eq!(aborted.status == StatusCode::OK, phase == "aborted");
        assert_eq!(stage.phase(round).await, phase);
        assert_eq!(stage.temporary_files(), 0);
    }
}
