use super::*;
use proptest::prelude::*;
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    Commitment, CommitmentBuilder, ContributionHeader, RingBits, RingVector, canonical, upload,
};

use crate::storage::tests::read_blob;
use crate::storage::{BlobWriter, Embedded, Pending, Record, StoredBlob};

const ROUND: RoundId = RoundId::new([1; 32]);

struct Cohort {
    _folder: tempfile::TempDir,
    root: std::path::PathBuf,
    storage: Embedded,
    layout: BlockLayout,
    members: Vec<(ClientId, Digest)>,
    /// Each client's elements.
    vectors: Vec<Vec<u64>>,
}

/// Any stream of numbers that is not the same everywhere.
fn element(client: u64, index: u64) -> u64 {
    (client + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(index.wrapping_mul(0xbf58_476d_1ce4_e5b9))
        .rotate_left((index % 61) as u32)
}

impl Cohort {
    async fn new(bits: u8, dimension: u64, clients: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Embedded::open(folder.path()).unwrap();
        let layout = BlockLayout::new(dimension, RingBits::new(bits).unwrap());
        let (mut members, mut vectors) = (Vec::new(), Vec::new());
        for number in 0..clients {
            let mut id = [0; 32];
            id[0..8].copy_from_slice(&number.to_be_bytes());
            let client = ClientId::new(id);
            let vector: Vec<u64> = (0..dimension).map(|i| element(number, i)).collect();
            let mut commitment = CommitmentBuilder::masked_update();
            let mut body = Vec::new();
            for block in vector.chunks(16_384) {
                let signed = block.iter().map(|value| *value as i64);
                let packed = pack(&RingVector::from_signed(layout.bits(), signed));
                commitment.push(&packed);
                body.extend(packed);
            }
            let header = ContributionHeader {
                round_id: ROUND,
                client,
                encapsulated_key: vec![3; 32].into(),
                commitment: Commitment(commitment.root()),
                sealed: vec![4; 20].into(),
                credential: None,
            };
            let mut bytes = upload::prefix(&header);
            bytes.extend(body);
            let blob = Blob::Upload(client);
            let mut writer = storage.write_blob(ROUND, blob).await.unwrap();
            writer.write(&bytes).unwrap();
            writer.commit().await.unwrap();
            members.push((client, header.digest()));
            vectors.push(vector);
        }
        Self {
            root: folder.path().to_owned(),
            _folder: folder,
            storage,
            layout,
            members,
            vectors,
        }
    }

    fn upload_path(&self, index: usize) -> std::path::PathBuf {
        self.root
            .join("rounds")
            .join(ROUND.to_string())
            .join("uploads")
            .join(format!("{}.upload", self.members[index].0))
    }

    async fn sum(&self, threads: usize) -> MaskedSum {
        self.sum_with(threads, thread::Builder::new).await
    }

    async fn sum_with(&self, threads: usize, new: fn() -> thread::Builder) -> MaskedSum {
        let members = self.members.iter().copied();
        let threads = Threads {
            count: NonZero::new(threads).unwrap(),
            new,
        };
        sum_on(threads, &self.storage, ROUND, self.layout, members)
            .await
            .unwrap()
    }

    /// The sum of those that count, the plain way, packed.
    fn expected(&self, counts: impl Fn(usize) -> bool) -> (Vec<u8>, Digest) {
        let low = u128::from(self.layout.bits().low_mask());
        let sums: Vec<i64> = (0..self.layout.dimension() as usize)
            .map(|i| {
                let all = self.vectors.iter().enumerate();
                let sum: u128 = all
                    .filter(|(client, _)| counts(*client))
                    .map(|(_, vector)| u128::from(vector[i]) & low)
                    .sum();
                (sum & low) as u64 as i64
            })
            .collect();
        let (mut packed, mut root) = (Vec::new(), CommitmentBuilder::masked_sum());
        for block in sums.chunks(16_384) {
            let block = RingVector::from_signed(self.layout.bits(), block.iter().copied());
            root.push(&pack(&block));
            packed.extend(pack(&block));
        }
        (packed, root.root())
    }

    async fn assert_sum(&self, threads: usize, counts: impl Fn(usize) -> bool) -> Vec<ClientId> {
        let sum = self.sum(threads).await;
        let (packed, root) = self.expected(counts);
        let stored = read_blob(&self.storage, ROUND, Blob::MaskedSum).await;
        assert!(stored == Some(packed), "the stored sum is the plain one");
        assert_eq!(sum.root, root);
        sum.excluded
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_presum_is_the_plain_sum_for_every_width_and_cohort(
        bits in prop_oneof![8_u8..=32, Just(64)],
        (dimension, clients) in prop_oneof![
            (prop_oneof![1_u64..70, 16_380_u64..16_400, 32_768_u64..33_000], prop_oneof![0_u64..4, 15_u64..18]),
            // A second and a third group.
            (1_u64..70, prop_oneof![63_u64..67, 128_u64..131]),
            // A second window.
            (32 * 16_384_u64..33 * 16_384 + 2, 1_u64..3),
        ],
        threads in 1_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let excluded = runtime.block_on(async {
            Cohort::new(bits, dimension, clients).await.assert_sum(threads, |_| true).await
        });
        prop_assert!(excluded.is_empty());
    }
}

fn edit(path: &std::path::Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn lost_and_damaged_uploads_are_named_and_stay_out() {
    for threads in [1, 2, 3] {
        // Two groups; damage at the front, in the second group, and in a last block.
        let cohort = Cohort::new(20, 20_000, 70).await;
        std::fs::remove_file(cohort.upload_path(0)).unwrap();
        edit(&cohort.upload_path(3), |bytes| bytes[300] ^= 1);
        edit(&cohort.upload_path(7), |bytes| {
            bytes.truncate(bytes.len() - 1)
        });
        edit(&cohort.upload_path(66), |bytes| {
            *bytes.last_mut().unwrap() ^= 1
        });

        let out = [0, 3, 7, 66];
        let excluded = cohort
            .assert_sum(threads, |client| !out.contains(&client))
            .await;
        assert_eq!(excluded, out.map(|index| cohort.members[index].0));
    }
}

#[tokio::test]
async fn damage_anywhere_in_a_window_is_found_by_whichever_thread_reads_it() {
    // Two windows; three bits of padding at the end.
    let dimension = 40 * 16_384 + 5;
    for threads in [1, 2, 3] {
        let cohort = Cohort::new(9, dimension, 6).await;
        let body = (dimension as usize * 9).div_ceil(8);
        for (client, from_the_end) in [(1, body), (2, body / 2), (4, 40_000)] {
            edit(&cohort.upload_path(client), |bytes| {
                let at = bytes.len() - from_the_end;
                bytes[at] ^= 0x10;
            });
        }
        edit(&cohort.upload_path(5), |bytes| {
            *bytes.last_mut().unwrap() |= 0x80
        });
        let excluded = cohort
            .assert_sum(threads, |client| [0, 3].contains(&client))
            .await;
        assert_eq!(excluded, [1, 2, 4, 5].map(|index| cohort.members[index].0));
    }
}

/// A store that changes the sum between two groups, as a bad disk may.
struct Forgetful(Embedded, std::path::PathBuf);

impl Storage for Forgetful {
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>> {
        self.0.rounds_with(record)
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        self.0.put(round, record, value)
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        self.0.record(round, record)
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        self.0.remove(round, record)
    }

    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>> {
        self.0.acceptances(round, after)
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        self.0.uploads(round)
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        self.0.write_blob(round, blob)
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        if blob == Blob::MaskedSum {
            edit(&self.1, |bytes| bytes[5] ^= 1);
        }
        self.0.blob(round, blob)
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        self.0.remove_blob(round, blob)
    }

    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()> {
        self.0.remove_uploads(round)
    }

    fn remove_round(&self, round: RoundId) -> Pending<'_, ()> {
        self.0.remove_round(round)
    }
}

#[tokio::test]
async fn a_sum_that_changes_between_two_groups_is_not_gone_on_with() {
    // A sum that is a file.
    let cohort = Cohort::new(32, 10_000, 65).await;
    let path = cohort.root.join("rounds").join(ROUND.to_string());
    let storage = Forgetful(cohort.storage.clone(), path.join("masked-sum.bin"));
    let members = cohort.members.iter().copied();
    let summed = sum(&storage, ROUND, cohort.layout, members).await;
    let Err(StorageError::Unreadable { blob, source, .. }) = summed else {
        panic!("a changed sum was taken: {summed:?}");
    };
    assert_eq!(blob, Blob::MaskedSum);
    assert_eq!(source.kind(), std::io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn an_upload_replaced_by_a_valid_other_one_is_not_summed() {
    let mut cohort = Cohort::new(32, 100, 4).await;
    // The enclave accepted another contribution than the one on the disk.
    cohort.members[2].1 = Digest::new([9; 32]);
    let excluded = cohort.assert_sum(2, |client| client != 2).await;
    assert_eq!(excluded, [cohort.members[2].0]);
}

#[tokio::test]
async fn an_older_sum_does_not_leak_into_a_new_one() {
    let cohort = Cohort::new(32, 50, 3).await;
    cohort.assert_sum(2, |_| true).await;
    cohort.assert_sum(2, |_| true).await;
    assert_eq!(
        canonical::encode(&cohort.sum(1).await.root),
        canonical::encode(&cohort.expected(|_| true).1)
    );
}

#[tokio::test]
async fn without_threads_of_the_system_the_sum_is_made_all_the_same() {
    // More than any processor can address.
    fn too_large() -> thread::Builder {
        thread::Builder::new().stack_size(1 << 60)
    }
    assert!(too_large().spawn(|| ()).is_err());
    // Two windows of several blocks.
    let cohort = Cohort::new(9, 40 * 16_384 + 5, 3).await;
    let sum = cohort.sum_with(3, too_large).await;
    let (packed, root) = cohort.expected(|_| true);
    let stored = read_blob(&cohort.storage, ROUND, Blob::MaskedSum).await;
    assert!(stored == Some(packed));
    assert_eq!((sum.root, sum.excluded), (root, Vec::new()));
}
