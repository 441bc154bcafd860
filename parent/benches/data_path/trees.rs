//! Paths and proofs out of kept trees, beside those that make the tree anew each time.

use std::hint::black_box;

use sealsum_protocol::{BlockTree, ClientId, Cohort, CommitmentBuilder, Digest};

use crate::{cpu, print};

pub(crate) fn bench() {
    // d = 100,000,000.
    let blocks = 6104;
    let mut anew = CommitmentBuilder::masked_sum();
    let mut leaves = Vec::new();
    for number in 0_u64..blocks {
        anew.push(&number.to_le_bytes());
        leaves.push(BlockTree::MASKED_SUM.leaf(&number.to_le_bytes()));
    }
    let kept = BlockTree::MASKED_SUM.levels(leaves);
    let about = format!("{blocks} blocks; thread CPU");
    time("path", &about, 100_000, |turn| {
        black_box(kept.path(turn % blocks));
    });
    time("path_made_anew", &about, 50, |turn| {
        black_box(anew.path(turn % blocks));
    });

    let clients = 100_000;
    let cohort: Cohort = (0..clients)
        .map(|n| (id(n), Digest::new([1; 32])))
        .collect();
    let kept = cohort.clone().into_tree();
    let about = format!("{clients} clients; thread CPU");
    time("proof", &about, 100_000, |turn| {
        black_box(kept.prove(&id(turn % clients)));
    });
    time("proof_made_anew", &about, 5, |turn| {
        black_box(cohort.prove(&id(turn)));
    });
}

fn time(key: &str, about: &str, turns: u64, mut work: impl FnMut(u64)) {
    let start = cpu::of_thread();
    (0..turns).for_each(&mut work);
    let each = (cpu::of_thread() - start) / turns as f64;
    print(&format!("{key}_us"), each / 1000.0, "us", about);
}

fn id(number: u64) -> ClientId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ClientId::new(id)
}
