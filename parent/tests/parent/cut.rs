//! Uploads that were cut go on where they were: by whom has the rest of the very same
//! contribution, and by nobody else.

use std::io;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;
use sealsum_protocol::{Intake, RoundId};

use crate::stage::{Answer, Contribution, Stage, contribution_path, params_for};

/// Some MiB, of which several windows are written before the end.
const LARGE: u64 = 16_384 * 70 + 100;

async fn large_round(stage: &Stage) -> RoundId {
    stage
        .open_with(&params_for(Intake::Presum, LARGE, 100))
        .await
}

/// Sends bytes, then breaks off.
async fn cut(stage: &Stage, method: Method, path: &str, bytes: &[u8]) -> Answer {
    let pieces = bytes.chunks(50_000).map(|piece| Ok(piece.to_vec()));
    let pieces: Vec<io::Result<Vec<u8>>> = pieces
        .chain([Err(io::ErrorKind::ConnectionReset.into())])
        .collect();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap();
    stage.send(request).await
}

struct Upload {
    path: String,
    digest: String,
    bytes: Vec<u8>,
}

impl Upload {
    fn new(round: RoundId, client: u8) -> Self {
        let contribution = Contribution::new(round, client, LARGE);
        Self {
            path: contribution_path(&round, &contribution.header.client),
            digest: contribution.header.digest().to_string(),
            bytes: contribution.bytes(),
        }
    }

    async fn offset(&self, stage: &Stage) -> usize {
        let path = format!("{}/offset?contribution={}", self.path, self.digest);
        let answer = stage.get(&path).await;
        answer.json()["offset"].as_u64().unwrap() as usize
    }

    fn rest_from(&self, offset: usize) -> String {
        format!("{}?contribution={}&offset={offset}", self.path, self.digest)
    }

    async fn go_on(&self, stage: &Stage, offset: usize) -> Answer {
        let rest = self.bytes[offset..].to_vec();
        stage
            .call(Method::PATCH, &self.rest_from(offset), rest)
            .await
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_again_and_again_comes_in_once_and_whole() {
    let stage = Stage::new().await;
    let round = large_round(&stage).await;
    let upload = Upload::new(round, 1);
    let length = upload.bytes.len();
    assert_eq!(upload.offset(&stage).await, 0);
    let broken = cut(
        &stage,
        Method::PUT,
        &upload.path,
        &upload.bytes[..length / 2],
    )
    .await;
    broken.refused_with(400, "upload_cut");
    let mut offset = upload.offset(&stage).await;
    assert!(
        (1 << 20..=length / 2).contains(&offset),
        "{offset} of {length}"
    );
    for part in [length / 2 + 7, length * 3 / 4, length - 1] {
        let rest = upload.rest_from(offset);
        cut(&stage, Method::PATCH, &rest, &upload.bytes[offset..part])
            .await
            .refused_with(400, "upload_cut");
        let there = upload.offset(&stage).await;
        assert!((offset..=part).contains(&there), "{there} of {part}");
        offset = there;
    }
    let whole = upload.go_on(&stage, offset).await;
    assert_eq!(whole.status, StatusCode::OK, "{:?}", whole.body);
    assert_eq!(
        upload.offset(&stage).await,
        0,
        "nothing is kept of what is in"
    );
    // The same again, whole, is the same contribution.
    let again = stage
        .call(Method::PUT, &upload.path, upload.bytes.clone())
        .await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &whole.body));
    for client in [2, 3] {
        let other = Contribution::new(round, client, LARGE);
        assert_eq!(stage.put(&other).await.status, StatusCode::OK);
    }
    let closed = stage.post(&format!("/v1/rounds/{round}/close")).await;
    assert_eq!(closed.json()["cohort_size"], 3);
    let sum = stage.get(&format!("/v1/rounds/{round}/aggregate")).await;
    assert!(sum.body == crate::stage::plain_sum(1..=3, LARGE));
}

#[tokio::test]
async fn the_rest_goes_on_from_where_it_was_and_from_nowhere_else() {
    let stage = Stage::new().await;
    let round = large_round(&stage).await;
    let upload = Upload::new(round, 1);
    let half = upload.bytes.len() / 2;
    let _ = cut(&stage, Method::PUT, &upload.path, &upload.bytes[..half]).await;
    let offset = upload.offset(&stage).await;
    for wrong in [0, offset - 1, offset + 1, upload.bytes.len()] {
        let refused = upload.go_on(&stage, wrong).await;
        refused.refused_with(409, "upload_offset");
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(&offset.to_string()), "{said}");
    }
    // Who knows the header can't make less of it.
    let _ = cut(&stage, Method::PUT, &upload.path, &upload.bytes[..50_000]).await;
    assert_eq!(upload.offset(&stage).await, offset);
    // A stranger's upload under the same id takes nothing away, and can't be told to be this one.
    let stranger = Upload {
        digest: "ab".repeat(32),
        ..Upload::new(round, 1)
    };
    assert_eq!(stranger.offset(&stage).await, 0);
    let refused = stranger.go_on(&stage, offset).await;
    refused.refused_with(409, "upload_offset");
    for spoilt in ["", "?contribution=12&offset=3", "?offset=x"] {
        let path = format!("{}{spoilt}", upload.path);
        let refused = stage.call(Method::PATCH, &path, vec![]).await;
        refused.refused_with(400, "malformed");
    }
    let whole = upload.go_on(&stage, offset).await;
    assert_eq!(whole.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rest_that_is_not_of_the_commitment_leaves_nothing() {
    let stage = Stage::new().await;
    let round = large_round(&stage).await;
    let mut upload = Upload::new(round, 1);
    let half = upload.bytes.len() / 2;
    let _ = cut(&stage, Method::PUT, &upload.path, &upload.bytes[..half]).await;
    let offset = upload.offset(&stage).await;
    let last = upload.bytes.len() - 20_000;
    upload.bytes[last] ^= 1;
    let refused = upload.go_on(&stage, offset).await;
    refused.refused_with(422, "commitment_mismatch");
    assert_eq!(upload.offset(&stage).await, 0);
    assert_eq!(stage.stored_uploads(round), 0);
    upload.bytes[last] ^= 1;
    let whole = stage
        .call(Method::PUT, &upload.path, upload.bytes.clone())
        .await;
    assert_eq!(whole.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_cut_is_kept_for_so_many_and_not_beyond_its_round() {
    let mut stage = Stage::new().await;
    let round = large_round(&stage).await;
    let uploads: Vec<_> = (1..=66).map(|client| Upload::new(round, client)).collect();
    for upload in &uploads {
        // Past the header and one block.
        let _ = cut(&stage, Method::PUT, &upload.path, &upload.bytes[..50_000]).await;
    }
    let mut kept = vec![];
    for upload in &uploads {
        kept.push(upload.offset(&stage).await > 0);
    }
    assert_eq!(kept[..2], [false, false], "the oldest went");
    assert!(kept[2..].iter().all(|kept| *kept));
    stage.post(&format!("/v1/rounds/{round}/abort")).await;
    assert_eq!(uploads[65].offset(&stage).await, 0);
    let left = std::fs::read_dir(stage.folder.path().join("temporary")).unwrap();
    assert_eq!(left.count(), 0, "nothing lies around");

    let round = large_round(&stage).await;
    let upload = Upload::new(round, 1);
    let _ = cut(&stage, Method::PUT, &upload.path, &upload.bytes[..50_000]).await;
    assert!(upload.offset(&stage).await > 0);
    stage.restart_parent().await;
    assert_eq!(upload.offset(&stage).await, 0, "a restart begins anew");
}
