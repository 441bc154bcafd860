//! What one contribution of a `stream` round costs the enclave, as JSON lines: header, blocks, mask,
//! bounds and sum, without a bound on the norm and with one. CPU time, by turns, medians; beside it
//! the two passes over its bytes that nothing does without: its commitment's digests, and the keystream.
//!
//! `cargo run --release -p sealsum-enclave-core --example intake [DIMENSION]`

use std::time::Duration;

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use nix::time::{ClockId, clock_gettime};
use sealsum_protocol::{CommitmentBuilder, RingBits, RoundTerms};
use sealsum_testkit::{LocalEnclave, ScriptedParent, UncheckedClient, stream};

fn main() {
    let word = std::env::args().nth(1);
    let dimension = word.map_or(1_000_000, |word| word.parse().expect("a dimension"));
    let mut enclave = LocalEnclave::new(1);
    let mut rounds = [None, Some(1 << 20)].map(|l2_bound| {
        let terms = RoundTerms {
            dimension,
            ring_bits: RingBits::new(32).expect("a width"),
            max_cohort: CLIENTS as u32,
            l2_bound,
            ..stream()
        };
        ScriptedParent::open(&mut enclave, terms)
    });
    let values: Vec<_> = (0..dimension).map(|i| f64::from(i as u8) / 1e3).collect();
    let (mut times, mut limits) = ([Vec::new(), Vec::new()], Vec::new());
    for n in 0..CLIENTS {
        for (round, times) in rounds.iter_mut().zip(&mut times) {
            let whole = UncheckedClient::new(n).contribute(&round.binding, &values);
            times.push(timed(|| {
                round.relay(&mut enclave, &whole).expect("it is taken");
            }));
            // Not summed here, so not kept.
            round.accepted.clear();
            let layout = round.layout();
            limits.push(timed(|| {
                let mut commitment = CommitmentBuilder::masked_update();
                let mut cipher = Ctr32BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
                let mut keystream = vec![0; 16 * 1024];
                for block in whole.blocks(layout) {
                    commitment.push(block);
                    for piece in block.chunks(keystream.len()) {
                        cipher.write_keystream(&mut keystream[..piece.len()]);
                    }
                }
                assert_ne!(commitment.root().as_bytes(), &[0; 32]);
            }));
        }
    }
    let limit = median(limits);
    for (key, times) in ["stream_ms", "stream_l2_bound_ms"].into_iter().zip(times) {
        let ms = median(times);
        println!(
            r#"{{"key":"{key}","ms":{ms:.2},"digests_and_keystream_ms":{limit:.2},"dimension":{dimension}}}"#
        );
    }
}

/// CPU time of this process, which has one thread.
fn timed(work: impl FnOnce()) -> Duration {
    let now = || {
        let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
        Duration::from(clock.expect("the process's CPU clock"))
    };
    let before = now();
    work();
    now() - before
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1e3
}

const CLIENTS: u64 = 21;
