//! Uploads cut into pieces anywhere: the verdict is that on the whole, and so are the
//! stored bytes.

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use futures_util::stream;
use proptest::prelude::*;
use proptest::sample::Index;
use sealsum_protocol::{Commitment, CommitmentBuilder, Intake, RoundId};

use crate::stage::{Contribution, Stage, contribution_path};

#[derive(Clone, Debug)]
enum Change {
    None,
    Flip(Index),
    FlipLastBit,
    Truncate(Index),
    Append(u8),
}

impl Change {
    fn make(&self, upload: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Flip(at) => {
                let at = at.index(upload.len());
                upload[at] ^= 1;
            }
            // It is padding if the dimension is odd.
            Self::FlipLastBit => *upload.last_mut().unwrap() ^= 0x80,
            Self::Truncate(to) => upload.truncate(to.index(upload.len())),
            Self::Append(bytes) => upload.extend((0..=*bytes).map(|_| 0)),
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::None),
        any::<Index>().prop_map(Change::Flip),
        Just(Change::FlipLastBit),
        any::<Index>().prop_map(Change::Truncate),
        any::<u8>().prop_map(Change::Append),
    ]
}

fn cut(upload: &[u8], cuts: &[Index]) -> Vec<Bytes> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(upload.len() + 1)).collect();
    // Within and around length and header, where pieces are put together.
    places.extend([0, 1, 3, 4, 5, 70, 300].map(|place| place.min(upload.len())));
    places.push(upload.len());
    places.sort_unstable();
    let pieces = places.windows(2).map(|pair| &upload[pair[0]..pair[1]]);
    pieces.map(Bytes::copy_from_slice).collect()
}

/// Status, problem's code if it is one, and stored bytes.
async fn put(
    stage: &Stage,
    round: RoundId,
    contribution: &Contribution,
    pieces: Vec<Bytes>,
) -> (u16, String, Option<Vec<u8>>) {
    let client = contribution.header.client;
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let request = Request::put(contribution_path(&round, &client))
        .body(Body::from_stream(pieces))
        .unwrap();
    let answer = stage.send(request).await;
    let code = match answer.status.is_success() {
        true => String::new(),
        false => answer.code(),
    };
    let stored = stage.stored_upload(round, client);
    assert_eq!(stage.temporary_files(), 0);
    (answer.status.as_u16(), code, stored)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pieces_cut_anywhere_have_the_verdict_and_the_bytes_of_the_whole(
        change in any_change(),
        // Part of a block; a few blocks; more than is gathered at a time.
        dimension in prop_oneof![1_u64..100, 16_380_u64..40_000, Just(900_001_u64)],
        cuts in prop_oneof![prop::collection::vec(any::<Index>(), 0..8), prop::collection::vec(any::<Index>(), 300)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new().await;
            let mut verdicts = Vec::new();
            for whole in [true, false] {
                let round = stage.open(Intake::Presum, dimension).await;
                let contribution = Contribution::new(round, 1, dimension);
                let mut upload = contribution.bytes();
                change.make(&mut upload);
                let pieces = if whole { vec![upload.clone().into()] } else { cut(&upload, &cuts) };
                let (status, code, stored) = put(&stage, round, &contribution, pieces).await;
                let whole = contribution.bytes();
                let prefix = whole.len() - contribution.body.len();
                if upload == whole {
                    assert_eq!(status, 200, "{code}");
                } else if upload.get(prefix..) != Some(&contribution.body) {
                    assert_ne!(status, 200);
                }
                let stands = (status == 200).then_some(upload);
                assert!(stored == stands, "stored is what was sent, if it stands");
                verdicts.push((status, code));
            }
            assert_eq!(verdicts[0], verdicts[1]);
        });
    }
}

#[tokio::test]
async fn padding_that_is_not_zero_is_refused_even_if_it_is_committed_to() {
    let stage = Stage::new().await;
    for dimension in [1, 16_385, 900_001] {
        let round = stage.open(Intake::Presum, dimension).await;
        for bit in [0x10, 0x80] {
            let mut contribution = Contribution::new(round, 1, dimension);
            *contribution.body.last_mut().unwrap() |= bit;
            let mut commitment = CommitmentBuilder::masked_update();
            for block in contribution.body.chunks(16_384 * 20 / 8) {
                commitment.push(block);
            }
            contribution.header.commitment = Commitment(commitment.root());
            let whole = vec![contribution.bytes().into()];
            let (status, code, stored) = put(&stage, round, &contribution, whole).await;
            assert_eq!((status, code.as_str(), stored), (422, "padding", None));
        }
    }
}
