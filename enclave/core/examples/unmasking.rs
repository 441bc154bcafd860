//! What releasing a summed vector costs beside the keystream alone, as JSON lines: on one thread
//! and on two, the same number for both, by turns, medians. Each step is a whole command: the block
//! is checked against its root, unmasked, packed and recorded.
//!
//! `cargo run --release -p sealsum-enclave-core --example unmasking [CLIENTS [DIMENSION]]`
//!
//! Ratios are limit / ours. On one thread the time is the CPU's, so that they hold on a busy machine;
//! two threads are as fast as the later one, so theirs is the wall's, with the CPU's beside it.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use nix::time::{ClockId, clock_gettime};
use sealsum_protocol::messages::{Close, ReleaseBlock};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{Command, CommitmentBuilder, Reply, RingBits, RingVector, RoundTerms};
use sealsum_testkit::{Link as _, LocalEnclave, ScriptedParent, UncheckedClient, presum};

fn main() {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let mut number = |or: u64| numbers.next().map_or(or, |n| n.expect("a number"));
    let (clients, dimension) = (number(1000), number(1_000_000));
    for threads in [1, 2] {
        let mut turns = Vec::new();
        for seed in 0..ROUNDS {
            release(seed, threads, clients, dimension, &mut turns);
        }
        let name = if threads == 1 { "one" } else { "two" };
        let wall = ratio(&turns, |time| time.wall);
        let cpu = ratio(&turns, |time| time.cpu);
        let (first, beside) = if threads == 1 {
            (cpu, format!(r#""wall_ratio":{wall:.3}"#))
        } else {
            (wall, format!(r#""cpu_ratio":{cpu:.3}"#))
        };
        let blocks = dimension.div_ceil(16_384) as f64;
        let ms = |of: fn(&Time) -> Duration| {
            let ours = turns.iter().map(|turn| of(&turn.ours)).collect();
            median(ours).as_secs_f64() * 1e3 * blocks / STEP as f64
        };
        println!(
            r#"{{"key":"unmask_{name}_thread_vs_probe","ratio":{first:.3},{beside},"clients":{clients},"dimension":{dimension},"wall_ms":{:.1},"cpu_ms":{:.1},"turns":{}}}"#,
            ms(|time| time.wall),
            ms(|time| time.cpu),
            turns.len()
        );
    }
}

struct Turn {
    ours: Time,
    limit: Time,
}

#[derive(Clone, Copy)]
struct Time {
    wall: Duration,
    cpu: Duration,
}

/// A whole round up to its release, of which each few blocks are a turn. A block may be asked for
/// three times.
fn release(seed: u64, threads: usize, clients: u64, dimension: u64, turns: &mut Vec<Turn>) {
    let mut enclave = LocalEnclave::with_threads(seed, threads);
    let terms = RoundTerms {
        dimension,
        ring_bits: RingBits::new(32).expect("a width"),
        max_cohort: u32::try_from(clients).expect("a cohort"),
        ..presum()
    };
    let mut parent = ScriptedParent::open(&mut enclave, terms);
    let values = vec![0.0; usize::try_from(dimension).expect("a dimension")];
    for n in 0..clients {
        let mut contribution = UncheckedClient::new(n).contribute(&parent.binding, &values);
        contribution.body = Vec::new();
        parent.relay(&mut enclave, &contribution).expect("taken");
    }
    // The sum is the parent's word, and its values cost nothing: it may be any.
    let layout = parent.layout();
    let sum: Vec<_> = layout
        .indices()
        .filter_map(|index| layout.elements(index))
        .map(|elements| {
            let values = (0..).map(|i: i64| i.wrapping_mul(77_777));
            pack(&RingVector::from_signed(
                layout.bits(),
                values.take(elements),
            ))
        })
        .collect();
    let mut commitment = CommitmentBuilder::masked_sum();
    sum.iter().for_each(|block| commitment.push(block));
    let close = Close {
        sum_root: Some(commitment.root()),
        ..parent.honest_close()
    };
    assert!(matches!(
        enclave.say(Command::Close(close)),
        Reply::Closed(_)
    ));

    let commands: Vec<_> = (0..)
        .zip(&sum)
        .map(|(index, block)| {
            let release = ReleaseBlock {
                round_id: parent.round_id(),
                index,
                path: commitment.path(index).expect("a block of the sum"),
            };
            (Command::ReleaseBlock(release), block)
        })
        .collect();
    for _ in 0..3 {
        // The last may be shorter.
        for step in commands.chunks_exact(STEP) {
            let ours = timed(|| {
                for (command, block) in step {
                    let (reply, _) = enclave.call(command.clone(), block);
                    assert!(matches!(black_box(reply), Reply::Released(_)));
                }
            });
            let bytes = STEP as u64 * 16_384 * 4 * clients;
            let limit = timed(|| keystream_on(threads, bytes));
            turns.push(Turn { ours, limit });
        }
    }
}

/// That much keystream on so many threads, each into 16 KiB of its own.
fn keystream_on(threads: usize, bytes: u64) {
    let each = bytes / threads as u64;
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(move || keystream(each));
        }
        keystream(each);
    });
}

fn keystream(bytes: u64) {
    let mut cipher = Ctr32BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
    let mut buffer = [0; 16 * 1024];
    for _ in 0..bytes / buffer.len() as u64 {
        cipher.write_keystream(black_box(&mut buffer));
    }
}

fn timed(work: impl FnOnce()) -> Time {
    let (wall, cpu) = (Instant::now(), cpu());
    work();
    Time {
        wall: wall.elapsed(),
        cpu: self::cpu() - cpu,
    }
}

/// Of all threads of this process.
fn cpu() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the process's CPU clock");
    Duration::from(clock)
}

/// Limit / ours, both medians.
fn ratio(turns: &[Turn], of: impl Fn(&Time) -> Duration) -> f64 {
    let limit = median(turns.iter().map(|turn| of(&turn.limit)).collect());
    let ours = median(turns.iter().map(|turn| of(&turn.ours)).collect());
    limit.as_secs_f64() / ours.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

const ROUNDS: u64 = 2;
/// Blocks of one turn.
const STEP: usize = 4;
