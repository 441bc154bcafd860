//! Prio3SumVec of libprio: one client's update of `--dimension` integers of 16 bits, sharded by
//! the client, verified by both aggregators and added to their aggregate shares.
//!
//! Prints one JSON object. Each report is verified by itself, so the cost per client does not
//! depend on how many there are, and few clients stand for many. Nothing is sent: encoding and
//! decoding of shares count as CPU time of whoever does them.

use std::io::Cursor;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use nix::time::{ClockId, clock_gettime};
use prio::codec::{Encode as _, ParameterizedDecode as _};
use prio::vdaf::prio3::{Prio3, Prio3InputShare, Prio3PublicShare, optimal_chunk_length};
use prio::vdaf::{
    Aggregatable as _, Aggregator as _, Client as _, Collector as _, VerifyTransition,
};

/// Prio3SumVec on vectors of 16-bit integers.
///
/// Example: sealsum-peers-libprio --dimension 10000 --clients 2
#[derive(Parser)]
struct Options {
    /// Elements of an update.
    #[arg(long, default_value_t = 1_000_000)]
    dimension: usize,
    /// Clients that are sharded, verified and summed.
    #[arg(long, default_value_t = 1)]
    clients: u8,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.clients > 0, "--clients is 1 or more");
    let chunk = optimal_chunk_length(options.dimension * 16);
    let vdaf = Prio3::new_sum_vec(2, u16::MAX.into(), options.dimension, chunk)?;
    let mut sums = [vdaf.aggregate_init(&()), vdaf.aggregate_init(&())];
    let (mut client_times, mut server_times) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for client in 0..options.clients {
        let update = update_of(client, options.dimension);
        let nonce = [client; 16];

        let started = now()?;
        let (public, shares) = vdaf.shard(CONTEXT, &update, &nonce)?;
        let public = public.get_encoded()?;
        let shares = shares
            .iter()
            .map(|share| share.get_encoded())
            .collect::<Result<Vec<_>, _>>()?;
        client_times.push(now()? - started);
        // Each aggregator gets its own share, and both the public one.
        bytes = shares.iter().map(|share| share.len() + public.len()).sum();

        let started = now()?;
        let (mut states, mut verifiers) = (Vec::new(), Vec::new());
        for (id, share) in shares.iter().enumerate() {
            let public = Prio3PublicShare::decode_with_param(&vdaf, &mut Cursor::new(&public))?;
            let share = Prio3InputShare::decode_with_param(&(&vdaf, id), &mut Cursor::new(share))?;
            let (state, verifier) =
                vdaf.verify_init(&VERIFY_KEY, CONTEXT, id, &(), &nonce, &public, &share)?;
            states.push(state);
            verifiers.push(verifier);
        }
        let message = vdaf.verifier_shares_to_message(CONTEXT, &(), verifiers)?;
        for (state, sum) in states.into_iter().zip(&mut sums) {
            match vdaf.verify_next(CONTEXT, state, message.clone())? {
                VerifyTransition::Finish(output) => sum.accumulate(&output)?,
                VerifyTransition::Continue(..) => bail!("Prio3 has one round, this asks for two"),
            }
        }
        server_times.push(now()? - started);
    }
    let sum = vdaf.unshard(&(), sums, options.clients.into())?;
    for (place, found) in sum.iter().enumerate() {
        let expected: u128 = (0..options.clients)
            .map(|client| element(client, place))
            .sum();
        ensure!(
            *found == expected,
            "element {place} of the sum is {found}, not {expected}"
        );
    }
    println!(
        "{}",
        serde_json::json!({
            "clients": options.clients,
            "dimension": options.dimension,
            "chunk_length": chunk,
            "client_ms": median_ms(client_times)?,
            "server_ms_per_client": median_ms(server_times)?,
            "bytes_per_client": bytes,
            "sum_is_right": true,
        })
    );
    Ok(())
}

fn update_of(client: u8, dimension: usize) -> Vec<u128> {
    (0..dimension).map(|place| element(client, place)).collect()
}

/// Some 16-bit number, another one for each client and place.
fn element(client: u8, place: usize) -> u128 {
    (place as u128 * 40_503 + u128::from(client) * 7_919) % 65_536
}

/// The CPU time of this process: all of its threads.
fn now() -> Result<Duration> {
    let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("the CPU clock")?;
    Ok(Duration::from(clock))
}

fn median_ms(mut times: Vec<Duration>) -> Result<f64> {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).context("no client was timed")?;
    Ok(middle.as_secs_f64() * 1e3)
}

const CONTEXT: &[u8] = b"the same work by other systems";
const VERIFY_KEY: [u8; 32] = [1; 32];
