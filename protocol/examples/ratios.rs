//! What the fast path costs beside its limits, as JSON lines: one thread's CPU time, ours and
//! limit by turns, medians. Ratios hold on a busy machine, milliseconds on a quiet one.
//!
//! `cargo run --release -p sealsum-protocol --example ratios [WORD]` measures the parts whose key has WORD in it.
//!
//! A key with `vs_limit` has ours / limit, which is good when small; the others have limit / ours.

#[path = "../benches/parts/mod.rs"]
mod parts;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use parts::{Part, parts, unmask};

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    for part in parts(DIMENSION)
        .into_iter()
        .filter(|part| part.key.contains(&word))
    {
        let key = part.key.clone();
        let (ours, limit) = medians(part, TURNS);
        let (o, l) = (ours.as_secs_f64(), limit.as_secs_f64());
        let ratio = if key.contains("vs_limit") {
            o / l
        } else {
            l / o
        };
        println!(
            r#"{{"key":"{key}","ratio":{ratio:.3},"ours_ms":{:.3},"limit_ms":{:.3}}}"#,
            o * 1e3,
            l * 1e3
        );
    }
    if "unmask_ms_n1000_d1e6".contains(&word) {
        // 250 seeds four times over are 1000 seeds' work.
        let (ours, _) = medians(unmask("", DIMENSION, 32, 250), 5);
        let ms = ours.as_secs_f64() * 4e3;
        println!(r#"{{"key":"unmask_ms_n1000_d1e6","ms":{ms:.1}}}"#);
    }
}

fn medians(mut part: Part, turns: usize) -> (Duration, Duration) {
    (part.ours)();
    (part.limit)();
    let (mut ours, mut limit): (Vec<_>, Vec<_>) = (0..turns)
        .map(|_| (timed(&mut part.ours), timed(&mut part.limit)))
        .unzip();
    ours.sort_unstable();
    limit.sort_unstable();
    (ours[turns / 2], limit[turns / 2])
}

/// The CPU time of this thread that `work` takes.
fn timed(work: &mut dyn FnMut()) -> Duration {
    let started = now();
    work();
    now() - started
}

fn now() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread's CPU clock");
    Duration::from(clock)
}

const DIMENSION: u64 = 1_000_000;
const TURNS: usize = 31;
