//! Uploads that come at once go into a `presum` round together, each with its own answer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use sealsum_protocol::messages::HEADERS_LIMIT;
use sealsum_protocol::{
    Acceptance, ClientSigner, Command, ContributionHeader, Intake, Refusal, Registry, RoundId,
    Signed, canonical,
};

use crate::fake_enclave::Fault;
use crate::room::for_registry;
use crate::stage::{Answer, Contribution, DIMENSION, Stage, params_for};

const CLIENTS: u8 = 60;

async fn busy_round(stage: &Stage) -> RoundId {
    let params = params_for(Intake::Presum, DIMENSION, CLIENTS.into());
    stage.open_with(&params).await
}

async fn put_at_once(stage: &Stage, round: RoundId) -> Vec<(Contribution, Answer)> {
    join_all((1..=CLIENTS).map(|client| async move {
        let contribution = Contribution::new(round, client, DIMENSION);
        let answer = stage.put(&contribution).await;
        (contribution, answer)
    }))
    .await
}

fn assert_accepted(contribution: &Contribution, answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let signed: Signed<Acceptance> = canonical::decode(&answer.body).unwrap();
    let stated = signed.unverified();
    assert_eq!(stated.client, contribution.header.client);
    assert_eq!(stated.contribution, contribution.header.digest());
}

/// While the enclave is at its first command, the other uploads gather.
fn slow_at_first() {
    thread::sleep(Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_at_once_go_in_together_and_each_gets_its_own_acceptance() {
    let stage = Stage::new().await;
    let round = busy_round(&stage).await;
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    let mut first = true;
    stage.enclave.script(move |command| {
        if std::mem::take(&mut first) {
            slow_at_first();
        }
        if let Command::ContributeMany(many) = command {
            seen.fetch_max(many.headers.len(), Ordering::Relaxed);
        }
        None
    });
    for (contribution, answer) in put_at_once(&stage, round).await {
        assert_accepted(&contribution, &answer);
    }
    let largest = largest.load(Ordering::Relaxed);
    assert!((2..=HEADERS_LIMIT).contains(&largest), "{largest}");
    let commands = stage.enclave.count("contribute_many");
    assert!(commands < usize::from(CLIENTS) / 2, "{commands} commands");
    assert_eq!(stage.stored_uploads(round), usize::from(CLIENTS));

    let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
    assert_eq!(closed.json()["phase"], "released");
    stage.assert_aggregate(round, 1..=CLIENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bad_header_among_many_spoils_only_itself() {
    let stage = Stage::new().await;
    let round = busy_round(&stage).await;
    let bad = Contribution::new(round, 33, DIMENSION).header.client;
    let mut first = true;
    stage.enclave.script(move |command| {
        if std::mem::take(&mut first) {
            slow_at_first();
        }
        match command {
            Command::Contribute(one) if one.header.client == bad => {
                Some(Fault::Refuse(Refusal::DoesNotOpen))
            }
            _ => None,
        }
    });
    for (contribution, answer) in put_at_once(&stage, round).await {
        if contribution.header.client == bad {
            answer.refused_with(422, "does_not_open");
        } else {
            assert_accepted(&contribution, &answer);
        }
    }
    assert!(stage.enclave.count("contribute_many") > 0);
    assert_eq!(stage.stored_uploads(round), usize::from(CLIENTS) - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_is_cut_or_put_off_is_said_again() {
    let faults = [
        Fault::HangUpBefore,
        Fault::HangUpAfter,
        Fault::Refuse(Refusal::Device),
    ];
    for fault in faults {
        let stage = Stage::new().await;
        let round = busy_round(&stage).await;
        let (mut first, mut faults) = (true, vec![fault, fault]);
        stage.enclave.script(move |command| {
            if std::mem::take(&mut first) {
                slow_at_first();
            }
            match command {
                Command::ContributeMany(_) => faults.pop(),
                _ => None,
            }
        });
        for (contribution, answer) in put_at_once(&stage, round).await {
            assert_accepted(&contribution, &answer);
        }
    }
}

/// What waits goes in together: one header that is too long would keep all of them out.
#[tokio::test]
async fn a_header_of_another_shape_is_refused_before_anything_is_stored_or_said() {
    let stage = Stage::new().await;
    let round = busy_round(&stage).await;
    let signer = ClientSigner::from_secret(&[9; 32]);
    let misshapen: [fn(&mut ContributionHeader, &ClientSigner); 4] = [
        |header, _| header.encapsulated_key = vec![1; 3800].into(),
        |header, _| header.encapsulated_key = vec![1; 31].into(),
        |header, _| header.sealed = vec![1; 21].into(),
        |header, signer| *header = header.clone().with_credential(signer, 0, Vec::new()),
    ];
    for change in misshapen {
        let mut contribution = Contribution::new(round, 1, DIMENSION);
        change(&mut contribution.header, &signer);
        stage
            .put(&contribution)
            .await
            .refused_with(422, "header_shape");
    }
    assert_eq!(stage.stored_uploads(round), 0);
    assert_eq!(stage.enclave.count("contribute_many"), 0);
    let sound = Contribution::new(round, 1, DIMENSION);
    assert_accepted(&sound, &stage.put(&sound).await);
}

#[tokio::test]
async fn an_enclave_that_can_not_read_the_command_costs_no_upload() {
    let stage = Stage::new().await;
    let round = busy_round(&stage).await;
    let mut once = vec![Fault::Refuse(Refusal::Malformed)];
    stage.enclave.script(move |command| match command {
        Command::ContributeMany(_) => once.pop(),
        _ => None,
    });
    let contribution = Contribution::new(round, 1, DIMENSION);
    let answer = stage.put(&contribution).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(stage.stored_uploads(round), 1);
    assert_accepted(&contribution, &stage.put(&contribution).await);
}

/// Of a registry's paths the enclave is told what it was not shown yet. One that does not know what
/// this parent thinks, says so, and is told everything: no client is refused for it.
#[tokio::test]
async fn what_the_enclave_was_shown_of_the_registry_is_not_said_again() {
    let stage = Stage::new().await;
    let signers = (1..=16).map(|n| ClientSigner::from_secret(&[n; 32]));
    let signers: Vec<_> = signers.collect();
    let registry: Registry = signers.iter().map(ClientSigner::key).collect();
    let round = stage.open_with(&for_registry(&registry)).await;
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let (told, forgetful) = (Arc::clone(&lengths), Arc::new(AtomicBool::new(false)));
    let forgets = Arc::clone(&forgetful);
    stage.enclave.script(move |command| {
        // Each header of many comes by as one.
        let Command::Contribute(one) = command else {
            return None;
        };
        let told_of = one
            .header
            .credential
            .as_ref()
            .map_or(0, |credential| credential.path.len());
        told.lock().unwrap().push(told_of);
        let short = told_of < 4 && forgets.load(Ordering::Relaxed);
        short.then_some(Fault::Refuse(Refusal::Credential))
    });
    let put = async |n: usize| {
        let signer = &signers[n];
        let mut contribution = Contribution::new(round, n as u8 + 1, DIMENSION);
        contribution.header.client = signer.key();
        let (index, path) = registry.place(&signer.key()).unwrap();
        contribution.header = contribution.header.with_credential(signer, index, path);
        assert_accepted(&contribution, &stage.put(&contribution).await);
        std::mem::take(&mut *lengths.lock().unwrap())
    };
    let place = |n: usize| registry.place(&signers[n].key()).unwrap().0;
    let at = |index: u64| (0..16).find(|n| place(*n) == index).unwrap();
    assert_eq!(put(at(0)).await, [4]);
    // Its sibling's path has the same upper end, its cousin's differs in the sibling's and one more.
    assert_eq!(put(at(1)).await, [1]);
    assert_eq!(put(at(2)).await, [2]);
    assert_eq!(put(at(15)).await, [4]);
    assert_eq!(put(at(3)).await, [1]);

    forgetful.store(true, Ordering::Relaxed);
    assert_eq!(put(at(4)).await, [3, 4]);
    // What it was told since, it knows; what it forgot is not relied on.
    forgetful.store(false, Ordering::Relaxed);
    assert_eq!(put(at(5)).await, [1]);
    assert_eq!(put(at(14)).await, [4]);
}
