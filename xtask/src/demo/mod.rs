//! `cargo demo`: hospitals train a classifier together, and a hostile parent tries its luck.
//!
//! The mock enclave, the parent and every step of every client are processes of the
//! programs as they are shipped; this hands over files and URLs, trains, and compares.
//! It fails if anything that it shows does not hold.

mod attacks;
mod consortium;
mod data;
mod model;
mod noise;
pub(crate) mod npy;
pub(crate) mod programs;
mod proxy;
pub(crate) mod random;
mod registry;
mod report;
mod round;
pub(crate) mod servers;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use sealsum_protocol::{RingBits, upload};

pub(crate) use consortium::OPEN_WITHOUT_NOISE;
use consortium::{CLIP, Consortium, FLOOR, FRACTIONAL_BITS};
use model::Model;
use noise::{Likeness, unmasked};
use programs::Programs;
use report::Voice;
use round::{Released, Stage, Tapped};
use servers::Servers;

/// The demo's size and kind.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Number of hospitals.
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// Number of federated rounds.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Share of the hospitals that drop out of each round; 3 always remain.
    #[arg(long, default_value_t = 0.2)]
    dropout: f64,
    /// What crosses the enclave's boundary.
    #[arg(long, value_enum, default_value = "stream")]
    intake: Intake,
    /// How clients reach the enclave's key.
    #[arg(long, value_enum, default_value = "x-wing")]
    kem: Kem,
    /// Admit the hospitals' keys only, by a registry that an authority vouches for.
    #[arg(long)]
    registry: bool,
    /// Write the result as JSON to standard output, and everything else to standard error.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Intake {
    Stream,
    Presum,
}

impl Intake {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Presum => "presum",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Kem {
    XWing,
    X25519,
}

impl Kem {
    fn as_str(self) -> &'static str {
        match self {
            Self::XWing => "x-wing",
            Self::X25519 => "x25519",
        }
    }
}

/// Runs the demo; true if everything held.
pub(crate) fn run(options: &Options) -> Result<bool> {
    // Three contribute to the attacked round beside one that must not.
    ensure!(
        options.clients > FLOOR,
        "--clients must be at least {}",
        FLOOR + 1
    );
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    ensure!(
        (0.0..1.0).contains(&options.dropout),
        "--dropout must be 0 or more and below 1"
    );
    let programs = Programs::build()?;
    let folder = tempfile::Builder::new().prefix("sealsum-demo-").tempdir()?;
    let servers = Servers::start(&programs, folder.path())?;
    let consortium = Consortium::found(&programs, &servers, folder.path(), options)?;
    let stage = Stage {
        programs: &programs,
        servers: &servers,
        consortium: &consortium,
        options,
        folder: folder.path(),
    };
    play(&stage)
}

fn play(stage: &Stage<'_>) -> Result<bool> {
    let options = stage.options;
    let voice = Voice { json: options.json };
    voice.banner(
        options.clients,
        options.intake.as_str(),
        options.kem.as_str(),
    );
    let untrained = Model::untrained();
    let mut rounds: Vec<Released> = Vec::new();
    let mut tapped = None;
    for number in 1..=options.rounds {
        let base = rounds.last().map_or(&untrained, |round| &round.model);
        let (released, tap) = stage.round(number, base, rounds.last())?;
        voice.round(number, &released);
        tapped = tapped.or(tap);
        rounds.push(released);
    }
    let (first, last) = rounds.first().zip(rounds.last()).context("no round ran")?;
    let (bare, masked) = eavesdrop(&tapped.context("nothing was tapped")?, first, &voice)?;
    let attacks = attacks::run(stage, last)?;
    voice.attacks(&attacks);
    let receipts = attacks::receipts(stage, &rounds)?;
    let before = untrained.accuracy(&stage.consortium.held_out);
    let checks = [
        (
            "every aggregate is within 2^-16 of plain averaging",
            rounds.iter().all(Released::is_close),
        ),
        (
            "the model is better than before the first round",
            last.accuracy > before,
        ),
        (
            "the model does not get worse from first to last round",
            last.accuracy >= first.accuracy,
        ),
        (
            "what the parent saw of an update is noise",
            masked.is_noise(),
        ),
        ("without the mask it would not have been", !bare.is_noise()),
        (
            "evidence with a flipped bit is refused",
            attacks.evidence_tamper_refused,
        ),
        (
            "a round after a false abort is refused",
            attacks.false_abort_refused,
        ),
        (
            "who is in no registry of the round is refused",
            attacks.stranger_refused != Some(false),
        ),
        (
            "every receipt verifies, and none with another round's evidence",
            receipts.iter().all(|ok| *ok),
        ),
    ];
    let ok = voice.verdict(&checks, receipts.len());
    if options.json {
        println!("{}", report::json(&rounds, &receipts, &attacks, ok));
    }
    Ok(ok)
}

impl Released {
    /// An element is off by less than one step before the weighted division, so the mean is
    /// off by less than a step (docs/PROTOCOL.md derives it).
    fn is_close(&self) -> bool {
        self.max_abs_diff < 2_f64.powi(-i32::from(FRACTIONAL_BITS))
    }
}

/// Looks at one upload as the parent could, and at the same update without its mask.
fn eavesdrop(tapped: &Tapped, first: &Released, voice: &Voice) -> Result<(Likeness, Likeness)> {
    let (length, rest) = tapped
        .upload
        .split_first_chunk::<4>()
        .context("an empty upload")?;
    let packed = rest
        .get(upload::header_length(*length)?..)
        .context("an upload that ends in its header")?;
    let bits = RingBits::new(first.ring_bits)?;
    let bare = unmasked(&tapped.update, tapped.weight, FRACTIONAL_BITS, bits);
    ensure!(
        tapped.update.iter().all(|value| value.abs() <= CLIP),
        "an update beyond its clip"
    );
    let bare = Likeness::of(&bare, bits, &tapped.update)?;
    let masked = Likeness::of(packed, bits, &tapped.update)?;
    voice.eavesdropper(&tapped.update, &bare, &masked);
    Ok((bare, masked))
}
