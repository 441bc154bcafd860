//! `cargo xtask client-kill-test`: kills clients at every moment of their work, and shows that
//! nothing was sealed twice and nothing was lost (I11).
//!
//! `sealsum contribute` runs as a process against mock enclave and parent, through a wire that
//! keeps every byte it sees. It is killed by SIGKILL at a random moment of its measured life, and
//! perhaps again while it resumes, until the enclave's yes is in the ledger. Beside each round
//! lies a twin with the same number and base model, which a client that has spent must never seal
//! for. Then the round is closed, and every client has to find itself in the receipt.

mod landed;
mod life;
mod site;
mod stage;
mod uploads;
mod wire;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::demo::programs::{Programs, in_parallel};
use crate::demo::random::Random;
use landed::Tally;
use life::Lives;
use stage::Stage;

/// How often to kill, and from which seed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// Kills in all.
    #[arg(long, default_value_t = 300)]
    kills: u64,
    /// Names the moments and modes; the machine's own timing remains.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kill the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Print one object with "kills", "double_seals" and "lost_contributions", and more.
    #[arg(long)]
    json: bool,
}

/// What happened so far.
#[derive(Default)]
pub(crate) struct Course {
    pub(crate) tally: Tally,
    pub(crate) lives: Lives,
    /// Kills that may still be made.
    left: AtomicU64,
}

impl Course {
    /// One of the kills that are left, if there is one.
    pub(crate) fn take_kill(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        let taken = self
            .left
            .try_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok()
    }

    /// The process ended before it could be killed.
    pub(crate) fn give_back(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}

/// Kills; true if nothing was sealed twice or lost.
pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(options.kills > 0, "--kills must be at least 1");
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder.clone()),
        None => Programs::build()?,
    };
    let folder = tempfile::Builder::new().prefix("sealsum-kill-").tempdir()?;
    let stage = Stage::found(&programs, folder.path())?;
    let course = Course::default();
    let mut random = Random::new(options.seed);
    let (mut rounds, mut double_seals, mut lost) = (0, 0, 0);
    // The first round is nobody's last: it measures how long a contribution lives.
    while rounds == 0 || course.left.load(Ordering::Relaxed) > 0 {
        rounds += 1;
        ensure!(
            rounds <= options.kills + SPARE_ROUNDS,
            "{} of {} kills after {rounds} rounds: the clients end before they are killed",
            course.tally.kills(),
            options.kills
        );
        let round = stage.open(rounds)?;
        let seeds: Vec<_> = stage.sites.iter().map(|_| random.below(SEEDS)).collect();
        let sites: Vec<_> = stage.sites.iter().zip(seeds).collect();
        let arrived = in_parallel(&sites, |(site, seed)| {
            site.take_part(&stage, &round, *seed as u64, &course)
        })?;
        let ended = stage.end(&round, &arrived)?;
        double_seals += ended.double_seals;
        lost += ended.lost;
        if rounds == 1 {
            course.left.store(options.kills, Ordering::Relaxed);
        }
        eprintln!(
            "round {rounds}: {} kills, {double_seals} double seals, {lost} lost",
            course.tally.kills()
        );
    }
    course.tally.explain();
    let ok = double_seals == 0 && lost == 0;
    let mut report = json!({
        "kills": course.tally.kills(),
        "double_seals": double_seals,
        "lost_contributions": lost,
        "seed": options.seed,
        "rounds": rounds,
    });
    course.tally.report(&mut report);
    if options.json {
        println!("{report}");
    } else {
        println!(
            "{} kills in {rounds} rounds: {double_seals} double seals, {lost} contributions lost",
            course.tally.kills()
        );
    }
    ensure!(
        course.tally.after_spending() > 0 || options.kills < FEW,
        "no kill landed after a contribution was spent, so this shows nothing"
    );
    Ok(ok)
}

const EXAMPLE: &str = "Example:\n  cargo xtask client-kill-test --kills 300 --seed 7 --json";
/// Rounds beyond one a kill, before the machine is taken to be unfit.
const SPARE_ROUNDS: u64 = 20;
/// So few kills may all miss.
const FEW: u64 = 8;
/// Numbers that seeds are drawn from.
const SEEDS: usize = 1 << 30;
