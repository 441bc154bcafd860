//! Unmasking, encoding and masking, packing and unpacking, each beside its limit.
//!
//! `cargo bench -p sealsum-protocol --bench fast`

mod parts;

use criterion::{Criterion, criterion_group, criterion_main};

fn fast(c: &mut Criterion) {
    for mut part in parts::parts(DIMENSION) {
        let mut group = c.benchmark_group(part.key);
        group.bench_function("ours", |b| b.iter(&mut part.ours));
        group.bench_function("limit", |b| b.iter(&mut part.limit));
        group.finish();
    }
}

const DIMENSION: u64 = 1_000_000;

criterion_group!(benches, fast);
criterion_main!(benches);
