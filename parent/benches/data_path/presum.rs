//! The pre-sum of stored uploads in the page cache, beside an addition in memory.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sealsum_parent::{Blob, Embedded, Storage as _, sum_uploads};
use sealsum_protocol::{
    BlockLayout, BlockTree, ClientId, Commitment, ContributionHeader, Digest, RingBits, RoundId,
    upload,
};

use crate::{cpu, median, print};

pub(crate) fn bench(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for (bits, dimension, clients) in [
        (32, 1_000_000, 100),
        (32, 10_000_000, 20),
        (20, 1_000_000, 100),
    ] {
        let data = tempfile::tempdir_in(folder).unwrap();
        let storage = Embedded::open(data.path()).unwrap();
        let layout = BlockLayout::new(dimension, RingBits::new(bits).unwrap());
        let members = runtime.block_on(store(&storage, layout, clients));
        let paths: Vec<_> = members
            .iter()
            .map(|(client, _)| path(data.path(), client))
            .collect();
        let bytes = (clients * layout.total_bytes()) as f64;
        let mut probe = Probe::new();
        let mut times: [Vec<f64>; 5] = Default::default();
        for _ in 0..TURNS {
            let before = (cpu::of_process(), Instant::now());
            let summed = runtime.block_on(async {
                sum_uploads(&storage, ROUND, layout, members.iter().copied()).await
            });
            times[0].push((cpu::of_process() - before.0) / bytes);
            times[1].push(before.1.elapsed().as_nanos() as f64 / bytes);
            assert!(summed.unwrap().excluded.is_empty());
            times[2].push(probe.add());
            times[3].push(parts(&paths, layout, false) / bytes);
            times[4].push(parts(&paths, layout, true) / bytes);
        }
        let [ours, wall, add, read, hashed] = times.map(|mut times| median(&mut times));
        let about = format!("n = {clients}, d = {dimension}, {bits} bits; CPU of all threads");
        // An element has four bytes in memory, whatever it has on the disk.
        let wide = 32.0 / f64::from(bits);
        print("parent_add_vs_probe", add * wide / ours, "ratio", &about);
        for (key, value) in [
            ("presum", ours),
            ("presum_wall", wall),
            ("probe", add),
            ("read", read),
            ("read_and_hash", hashed),
        ] {
            print(&format!("{key}_ns_per_byte"), value, "ns/B", &about);
        }
    }
}

/// The same blocks in the same order on one thread, read into one buffer: what reading
/// alone costs, and reading with the commitments' hashes.
fn parts(paths: &[PathBuf], layout: BlockLayout, hash: bool) -> f64 {
    let files: Vec<_> = paths.iter().map(|path| File::open(path).unwrap()).collect();
    let start = cpu::of_thread();
    let mut block = Vec::new();
    let full = layout.bytes(0).unwrap() as u64;
    for index in layout.indices() {
        for file in &files {
            block.resize(layout.bytes(index).unwrap(), 0);
            file.read_exact_at(&mut block, PREFIX + index * full)
                .unwrap();
            if hash {
                std::hint::black_box(BlockTree::MASKED_UPDATE.leaf(&block));
            }
        }
    }
    cpu::of_thread() - start
}

/// `a += b` over vectors that no cache holds.
struct Probe {
    a: Vec<u32>,
    b: Vec<u32>,
}

impl Probe {
    fn new() -> Self {
        Self {
            a: vec![1; PROBE],
            b: vec![3; PROBE],
        }
    }

    fn add(&mut self) -> f64 {
        let start = cpu::of_thread();
        for (a, b) in self.a.iter_mut().zip(&self.b) {
            *a = a.wrapping_add(*b);
        }
        std::hint::black_box(&self.a);
        (cpu::of_thread() - start) / (PROBE * 4) as f64
    }
}

async fn store(storage: &Embedded, layout: BlockLayout, clients: u64) -> Vec<(ClientId, Digest)> {
    let body: Vec<u8> = (0..layout.total_bytes())
        .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect();
    let mut root = BlockTree::MASKED_UPDATE.frontier();
    for block in body.chunks(layout.bytes(0).unwrap()) {
        root.push(BlockTree::MASKED_UPDATE.leaf(block));
    }
    let mut members = Vec::new();
    for number in 0..clients {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let client = ClientId::new(id);
        let header = ContributionHeader {
            round_id: ROUND,
            client,
            encapsulated_key: vec![3; 32].into(),
            commitment: Commitment(root.root()),
            sealed: vec![4; 20].into(),
            credential: None,
        };
        let blob = Blob::Upload(client);
        let mut writer = storage.write_blob(ROUND, blob).await.unwrap();
        let prefix = upload::prefix(&header);
        writer.write(&prefix).unwrap();
        writer.write(&body).unwrap();
        writer.commit().await.unwrap();
        members.push((client, header.digest()));
    }
    members
}

fn path(data: &Path, client: &ClientId) -> PathBuf {
    let round = data.join("rounds").join(ROUND.to_string());
    round.join("uploads").join(format!("{client}.upload"))
}

const ROUND: RoundId = RoundId::new([1; 32]);
const TURNS: usize = 9;
const PROBE: usize = 32 << 20;
/// About as long as a header; where a block begins does not matter to these parts.
const PREFIX: u64 = 100;
