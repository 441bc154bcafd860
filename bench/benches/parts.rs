//! The parts of the fast path, each beside its limit, by criterion: how each one moves from commit
//! to commit. The ratios that are promised come from `cargo xtask bench`.
//!
//! `cargo bench -p sealsum-bench --bench parts [-- WORD]`

use criterion::{Criterion, criterion_group, criterion_main};

fn parts(c: &mut Criterion) {
    for mut part in sealsum_bench::parts::all(DIMENSION) {
        let mut group = c.benchmark_group(part.key);
        group.bench_function("ours", |b| b.iter(&mut part.ours));
        group.bench_function("limit", |b| b.iter(&mut part.limit));
        group.finish();
    }
}

const DIMENSION: u64 = 1_000_000;

criterion_group!(benches, parts);
criterion_main!(benches);
