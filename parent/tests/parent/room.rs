//! What strangers may take of the parent: no place longer than their upload is worked on, no room for
//! whom the round does not admit.

use std::sync::mpsc::channel;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sealsum_parent::{Config, Limits, Parent, Patience};
use sealsum_protocol::{
    Admission, ClientId, ClientSigner, Command, Digest, Intake, OperatorSigner, Registry,
    RoundParams, RoundTerms, SignedRoundParams,
};

use crate::stage::{Contribution, DIMENSION, Stage, contribution_path, params_for};

pub(crate) fn for_registry(registry: &Registry) -> SignedRoundParams {
    let operator = OperatorSigner::from_secret(&[7; 32]);
    let terms = RoundTerms {
        admission: Admission::Registry {
            root: registry.root(),
            size: registry.size(),
            grant: None,
        },
        ..params_for(Intake::Presum, DIMENSION, 8)
            .params
            .terms()
            .clone()
    };
    RoundParams::new(terms).unwrap().sign(&operator).unwrap()
}

/// The adversary's credential has the form of a good one: another's path, a path from elsewhere, a
/// signature by another key, or over other bytes.
#[tokio::test]
async fn whom_the_registry_does_not_admit_is_refused_before_the_body_is_read() {
    let stage = Stage::new().await;
    let signers: Vec<_> = (1..=4)
        .map(|n| ClientSigner::from_secret(&[n; 32]))
        .collect();
    let registry: Registry = signers.iter().map(ClientSigner::key).collect();
    let round = stage.open_with(&for_registry(&registry)).await;
    let stranger = ClientSigner::from_secret(&[9; 32]);
    let (index, path) = registry.place(&signers[0].key()).unwrap();
    let contribution = |client: ClientId, signer: &ClientSigner, index, path: &[Digest]| {
        let mut contribution = Contribution::new(round, 1, DIMENSION);
        contribution.header.client = client;
        let header = contribution.header;
        contribution.header = header.with_credential(signer, index, path.to_vec());
        contribution
    };
    let member = signers[0].key();
    let elsewhere = vec![Digest::new([3; 32]); path.len()];
    let mut over_other_bytes = contribution(member, &signers[0], index, &path);
    over_other_bytes.header.sealed = vec![5; 20].into();
    let refused = [
        contribution(stranger.key(), &stranger, index, &path),
        contribution(member, &signers[0], index ^ 1, &path),
        contribution(member, &signers[0], index, &elsewhere),
        contribution(member, &stranger, index, &path),
        over_other_bytes,
    ];
    for contribution in refused {
        let header = &contribution.header;
        let path = contribution_path(&round, &header.client);
        // A little of the body, and never the rest.
        let begun = Bytes::from(contribution.bytes()[..5_000].to_vec());
        let begun = stream::iter([Ok::<_, std::io::Error>(begun)]);
        let body = Body::from_stream(begun.chain(stream::pending()));
        let request = Request::put(&path).body(body).unwrap();
        stage.send(request).await.refused_with(422, "credential");
        stage
            .put(&contribution)
            .await
            .refused_with(422, "credential");
    }
    assert_eq!(stage.stored_uploads(round), 0);
    assert_eq!(stage.temporary_files(), 0);
    assert_eq!(stage.headers_relayed(), 0);
    let good = contribution(member, &signers[0], index, &path);
    assert_eq!(stage.put(&good).await.status, StatusCode::OK);
}

/// Adversary: sends a whole upload, hangs up while the enclave thinks about it, and comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_hangs_up_makes_room_for_nobody_until_the_upload_is_decided() {
    let mut stage = Stage::new().await;
    stage.parent.take().unwrap().shutdown().await;
    let config = stage.config();
    let patience = Patience {
        reply: Duration::from_secs(60),
        ..config.limits.enclave
    };
    let limits = Limits {
        // So many uploads, too.
        connections: 2,
        enclave: patience,
        ..config.limits
    };
    stage.parent = Some(Parent::start(Config { limits, ..config }).await.unwrap());
    let round = stage.open(Intake::Presum, DIMENSION).await;
    let (go_on, waits) = channel::<()>();
    stage.enclave.script(move |command| {
        if matches!(command, Command::Contribute(_) | Command::ContributeMany(_)) {
            // Told to the runtime: the one who waits may be the one who was to look at sockets and timers.
            let _ = tokio::task::block_in_place(|| waits.recv());
        }
        None
    });
    for client in [1, 2] {
        let contribution = Contribution::new(round, client, DIMENSION);
        let put = stage.put(&contribution);
        tokio::select! {
            _ = put => panic!("the enclave has not answered"),
            () = is_stored(&stage, round, client.into()) => {}
        }
    }
    for client in [1, 2, 3] {
        let contribution = Contribution::new(round, client, DIMENSION);
        stage.put(&contribution).await.refused_with(503, "busy");
    }
    drop(go_on);
    // Both were decided though nobody waited for it, and then there is room.
    for client in 1..=3 {
        let contribution = Contribution::new(round, client, DIMENSION);
        let mut answer = stage.put(&contribution).await;
        while answer.status == StatusCode::SERVICE_UNAVAILABLE {
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = stage.put(&contribution).await;
        }
        assert_eq!(answer.status, StatusCode::OK);
    }
}

async fn is_stored(stage: &Stage, round: sealsum_protocol::RoundId, uploads: usize) {
    while stage.stored_uploads(round) < uploads {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
