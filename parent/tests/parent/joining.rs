//! Clients that join at about the same time share an attestation; each gets evidence that
//! is fresh for its own nonce.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use sealsum_protocol::{ClientNonce, Command, Intake, Refusal, RoundId, RoundOffer, canonical};

use crate::fake_enclave::Fault;
use crate::stage::{Answer, DIMENSION, Stage};

const JOINING: u8 = 150;

fn nonce(of: u8) -> ClientNonce {
    ClientNonce::new([of; 32])
}

async fn join(stage: &Stage, round: RoundId, client: u8) -> Answer {
    let nonce = nonce(client);
    let path = format!("/v1/rounds/{round}/offer?nonce={nonce}");
    stage.get(&path).await
}

fn offer(answer: &Answer) -> RoundOffer {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    canonical::decode(&answer.body).unwrap()
}

/// The fake enclave's documents end with their nonce.
fn assert_fresh(offer: &RoundOffer, nonce: ClientNonce) {
    let lead = offer.nonce_path.lead(&nonce).unwrap();
    assert!(offer.evidence.ends_with(&lead));
}

#[tokio::test]
async fn many_that_join_at_once_share_a_few_attestations() {
    let stage = Stage::new().await;
    // A security module as slow as that lets as many gather as there may be.
    stage.enclave.script(|command| {
        if matches!(command, Command::Attest(_)) {
            std::thread::sleep(Duration::from_millis(30));
        }
        None
    });
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let before = stage.enclave.count("attest");
    let answers = join_all((1..=JOINING).map(|client| join(&stage, round, client))).await;
    let calls = stage.enclave.count("attest") - before;
    assert!((1..=3).contains(&calls), "{calls} attestations");
    let mut places = BTreeSet::new();
    for (client, answer) in (1..=JOINING).zip(&answers) {
        let offer = offer(answer);
        assert_eq!(offer.binding.round_id(), round);
        assert_fresh(&offer, nonce(client));
        assert!(
            !offer
                .nonce_path
                .lead(&nonce(0))
                .is_some_and(|lead| offer.evidence.ends_with(&lead)),
            "evidence for a nonce that nobody sent"
        );
        places.insert((offer.evidence.to_vec(), offer.nonce_path.index));
    }
    assert_eq!(places.len(), usize::from(JOINING), "each has its own place");
}

#[tokio::test]
async fn who_comes_alone_is_served_alone_and_again_with_a_new_document() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Stream, DIMENSION).await;
    let first = offer(&join(&stage, round, 1).await);
    let second = offer(&join(&stage, round, 2).await);
    assert_eq!((first.nonce_path.size, second.nonce_path.size), (1, 1));
    assert_fresh(&first, nonce(1));
    assert_fresh(&second, nonce(2));
}

#[tokio::test]
async fn two_rounds_never_share_evidence() {
    let stage = Stage::new().await;
    let rounds = [
        stage.open(Intake::Stream, DIMENSION).await,
        stage.open(Intake::Presum, DIMENSION).await,
    ];
    let joins = (1..=20).map(|client| join(&stage, rounds[usize::from(client) % 2], client));
    for (client, answer) in (1..=20).zip(join_all(joins).await) {
        let offer = offer(&answer);
        assert_eq!(offer.binding.round_id(), rounds[usize::from(client) % 2]);
        assert_eq!(offer.nonce_path.size, 10);
        assert_fresh(&offer, nonce(client));
    }
}

/// The one that came first may hang up; the others count on what it began.
#[tokio::test]
async fn who_gives_up_takes_nobody_along() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let gone = tokio::time::timeout(Duration::from_millis(1), join(&stage, round, 1));
    let (gone, kept) = tokio::join!(gone, async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        join(&stage, round, 2).await
    });
    assert!(gone.is_err(), "it was to hang up before its answer");
    let offer = offer(&kept);
    assert_fresh(&offer, nonce(2));
    assert_eq!(offer.nonce_path.size, 1, "the other's nonce is left out");
}

#[tokio::test]
async fn a_refused_attestation_is_told_to_all_and_the_next_works() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let mut times = 0;
    stage.enclave.script(move |command| {
        let refuse = matches!(command, Command::Attest(_)) && times == 0;
        times += usize::from(refuse);
        refuse.then_some(Fault::Refuse(Refusal::Device))
    });
    let answers = join_all((1..=30).map(|client| join(&stage, round, client))).await;
    for answer in answers {
        answer.refused_with(503, Refusal::Device.code());
    }
    assert_fresh(&offer(&join(&stage, round, 7).await), nonce(7));
}

#[tokio::test]
async fn a_lost_round_is_told_to_all_that_wait() {
    let stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.enclave.forget();
    for answer in join_all((1..=30).map(|client| join(&stage, round, client))).await {
        answer.refused_with(410, "round_lost");
    }
}
