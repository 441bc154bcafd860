//! Uploads: what is taken, what is not, and that a rejected one leaves nothing.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use sealsum_protocol::{ClientId, Intake, Refusal, RoundId, RoundOffer, canonical};

use crate::fake_enclave::Fault;
use crate::stage::{Contribution, DIMENSION, Stage, contribution_path, layout, params};

async fn rejects(stage: &Stage, round: RoundId, bytes: Vec<u8>, status: u16, code: &str) {
    let path = contribution_path(&round, &ClientId::new([1; 32]));
    let answer = stage.call(Method::PUT, &path, bytes.clone()).await;
    answer.refused_with(status, code);
    // The same in pieces without an announced length.
    let pieces = bytes.chunks(1000).map(Bytes::copy_from_slice);
    let pieces: Vec<_> = pieces.map(Ok::<_, std::io::Error>).collect();
    let request = Request::put(&path)
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap();
    stage.send(request).await.refused_with(status, code);
    assert_eq!(stage.stored_uploads(round), 0);
    assert_eq!(stage.temporary_files(), 0);
    assert_eq!(stage.headers_relayed(), 0);
}

#[tokio::test]
async fn an_upload_that_is_not_what_it_says_reaches_neither_disk_nor_enclave() {
    let stage = Stage::new().await;
    for intake in [Intake::Stream, Intake::Presum] {
        let round = stage.open(intake, DIMENSION).await;
        let good = Contribution::new(round, 1, DIMENSION).bytes();

        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        rejects(&stage, round, flipped, 422, "commitment_mismatch").await;

        let longer = [good.clone(), vec![0]].concat();
        rejects(&stage, round, longer, 413, "body_length").await;
        let shorter = good[..good.len() - 1].to_vec();
        rejects(&stage, round, shorter, 413, "body_length").await;

        let other_client = Contribution::new(round, 2, DIMENSION).bytes();
        rejects(&stage, round, other_client, 422, "client_mismatch").await;
        let elsewhere = RoundId::new([9; 32]);
        let other_round = Contribution::new(elsewhere, 1, DIMENSION).bytes();
        rejects(&stage, round, other_round, 422, "round_mismatch").await;

        let mut no_header = good.clone();
        no_header[4] ^= 0xff;
        rejects(&stage, round, no_header, 422, "header").await;
        let mut no_length = good.clone();
        no_length[0] = 1;
        rejects(&stage, round, no_length, 422, "header").await;
    }
}

#[tokio::test]
async fn a_body_far_too_long_is_refused_by_its_announced_length() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    let path = contribution_path(&round, &ClientId::new([1; 32]));
    let request = Request::put(&path)
        .header("content-length", 1_u64 << 40)
        .body(Body::from_stream(stream::pending::<
            Result<Bytes, std::io::Error>,
        >()))
        .unwrap();
    stage.send(request).await.refused_with(413, "body_length");
}

#[tokio::test]
async fn an_upload_that_stalls_or_is_cut_leaves_nothing() {
    use futures_util::StreamExt as _;
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    let contribution = Contribution::new(round, 1, DIMENSION);
    let path = contribution_path(&round, &contribution.header.client);
    let half = Bytes::from(contribution.bytes()[..5000].to_vec());
    let first = stream::iter([Ok::<_, std::io::Error>(half.clone())]);

    let stalled = Body::from_stream(first.chain(stream::pending()));
    let request = Request::put(&path).body(stalled).unwrap();
    stage
        .send(request)
        .await
        .refused_with(408, "upload_stalled");

    // A byte now and then holds a place no longer than silence does.
    let trickle = stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(&[0])), ()))
    });
    // The length, the header and a little of the body, then byte by byte.
    let begun = stream::iter([Ok::<_, std::io::Error>(half.clone())]);
    let trickling = Body::from_stream(begun.chain(Box::pin(trickle)));
    let request = Request::put(&path).body(trickling).unwrap();
    stage
        .send(request)
        .await
        .refused_with(408, "upload_stalled");

    let broken = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let cut = Body::from_stream(stream::iter([Ok(half), broken]));
    let request = Request::put(&path).body(cut).unwrap();
    stage.send(request).await.refused_with(400, "upload_cut");

    assert_eq!(
        (stage.stored_uploads(round), stage.temporary_files()),
        (0, 0)
    );
    stage.put_all(round, [1]).await;
}

#[tokio::test]
async fn unknown_rounds_paths_and_methods_are_problems_too() {
    let stage = Stage::new().await;
    let nowhere = RoundId::new([5; 32]);
    let lost = Contribution::new(nowhere, 1, DIMENSION);
    stage.put(&lost).await.refused_with(404, "unknown_round");
    for path in ["", "/offer?nonce=00", "/receipt", "/evidence", "/aggregate"] {
        let answer = stage.get(&format!("/v1/rounds/{nowhere}{path}")).await;
        answer.refused_with(404, "unknown_round");
    }
    stage
        .get("/v1/rounds/xyz")
        .await
        .refused_with(404, "unknown_round");
    stage.get("/v2").await.refused_with(404, "unknown_path");
    stage
        .post(&format!("/v1/rounds/{nowhere}"))
        .await
        .refused_with(405, "method");
    let offer = format!("/v1/tasks/triage/offer?nonce={nowhere}");
    stage.get(&offer).await.refused_with(404, "no_open_round");
    let answer = stage.call(Method::POST, "/v1/rounds", vec![1, 2, 3]).await;
    answer.refused_with(400, "malformed");
}

#[tokio::test]
async fn the_same_contribution_again_gets_the_same_acceptance() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut stage = Stage::new().await;
        let round = stage.open(intake, DIMENSION).await;
        let contribution = Contribution::new(round, 1, DIMENSION);
        let first = stage.put(&contribution).await;
        assert_eq!(first.status, StatusCode::OK);
        let relayed = stage.headers_relayed();
        assert_eq!(relayed, 1);
        assert_eq!(stage.put(&contribution).await.body, first.body);
        stage.restart_parent().await;
        assert_eq!(stage.put(&contribution).await.body, first.body);
        assert_eq!(stage.headers_relayed(), relayed);

        let mut other = contribution;
        other.header.sealed = vec![5; 20].into();
        let second = stage.put(&other).await;
        second.refused_with(409, "second_contribution");
    }
}

#[tokio::test]
async fn a_streamed_upload_leaves_the_disk_and_a_presummed_one_stays() {
    let stage = Stage::new().await;
    let streamed = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(streamed, [1, 2]).await;
    assert_eq!(stage.stored_uploads(streamed), 0);
    let blocks = layout().blocks() as usize;
    assert_eq!(stage.enclave.count("stage_block"), 2 * blocks);
    let presummed = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(presummed, [1, 2]).await;
    assert_eq!(stage.stored_uploads(presummed), 2);
    assert_eq!(stage.enclave.count("stage_block"), 2 * blocks);
}

#[tokio::test]
async fn what_the_enclave_refuses_is_removed_and_its_code_passed_on() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let contribution = Contribution::new(round, 1, DIMENSION);
    stage
        .enclave
        .script(|_| Some(Fault::Refuse(Refusal::DoesNotOpen)));
    stage
        .put(&contribution)
        .await
        .refused_with(422, "does_not_open");
    assert_eq!(stage.stored_uploads(round), 0);
    stage
        .enclave
        .script(|_| Some(Fault::Refuse(Refusal::Burned)));
    stage.put(&contribution).await.refused_with(409, "burned");
    assert_eq!(stage.stored_uploads(round), 0);
}

#[tokio::test]
async fn a_connection_cut_while_staging_begins_the_contribution_again() {
    for fault in [Fault::HangUpBefore, Fault::HangUpAfter] {
        for at in ["contribute", "stage_block"] {
            let stage = Stage::new().await;
            let round = stage.open(Intake::Stream, DIMENSION).await;
            let mut faults = vec![fault];
            stage.enclave.script(move |command| {
                let hit = match command {
                    sealsum_protocol::Command::Contribute(_) => at == "contribute",
                    sealsum_protocol::Command::StageBlock(block) => {
                        at == "stage_block" && block.index == 1
                    }
                    _ => false,
                };
                if hit { faults.pop() } else { None }
            });
            stage.put_all(round, [1, 2, 3]).await;
            let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
            assert_eq!(closed.json()["phase"], "released");
            stage.assert_aggregate(round, [1, 2, 3]).await;
        }
    }
}

#[tokio::test]
async fn a_full_round_takes_no_more() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(round, 1..=6).await;
    let seventh = Contribution::new(round, 7, DIMENSION);
    stage.put(&seventh).await.refused_with(409, "cohort_full");
    stage.put_all(round, [3]).await;
}

#[tokio::test]
async fn an_offer_has_fresh_evidence_for_its_nonce() {
    let stage = Stage::new().await;
    let older = stage.open(Intake::Stream, DIMENSION).await;
    let newest = stage.open(Intake::Presum, DIMENSION).await;
    for (path, expected) in [
        (format!("/v1/rounds/{older}"), older),
        ("/v1/tasks/triage".to_owned(), newest),
    ] {
        for nonce in ["ab".repeat(32), "cd".repeat(32)] {
            let answer = stage.get(&format!("{path}/offer?nonce={nonce}")).await;
            assert_eq!(answer.content_type, "application/cbor");
            let offer: RoundOffer = canonical::decode(&answer.body).unwrap();
            assert_eq!(offer.binding.round_id(), expected);
            let lead = offer.nonce_path.lead(&nonce.parse().unwrap()).unwrap();
            assert!(offer.evidence.ends_with(&lead));
        }
        let answer = stage.get(&format!("{path}/offer?nonce=12")).await;
        answer.refused_with(400, "malformed");
        stage
            .get(&format!("{path}/offer"))
            .await
            .refused_with(400, "malformed");
    }
}

#[tokio::test]
async fn a_round_larger_than_the_parent_takes_is_not_opened() {
    let stage = Stage::new().await;
    // 2^32 - 1 elements of 20 bits are 10 GiB.
    let params = canonical::encode(&params(Intake::Presum, u64::from(u32::MAX)));
    let answer = stage.call(Method::POST, "/v1/rounds", params).await;
    answer.refused_with(413, "round_too_large");
    assert_eq!(stage.enclave.count("open_round"), 0);
}

/// Strangers while the enclave is away: under open admission anyone has an id.
#[tokio::test]
async fn uploads_that_nobody_answers_fill_no_more_room_than_the_round_has() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, 100).await;
    stage
        .put_small(round, 1)
        .await
        .expect("the enclave is there");
    stage.enclave.stop();
    let mut told = std::collections::BTreeMap::new();
    for client in 2..=120 {
        let refused = stage.put_small(round, client).await.unwrap_err();
        *told.entry(refused).or_insert(0) += 1;
    }
    // max_cohort is 6, one of them is in, and 64 more may wait.
    let stored = stage.stored_uploads(round);
    assert_eq!(stored, 6 + 64, "{told:?}");
    assert_eq!(told["busy"], 119 - 69);
    // Who waits already may try again.
    assert_eq!(
        stage.put_small(round, 2).await.unwrap_err(),
        "enclave_unreachable"
    );
}
