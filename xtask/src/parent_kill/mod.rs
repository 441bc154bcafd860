//! `cargo xtask kill-test`: kills the parent at every moment of its work, and shows that nothing
//! that it acknowledged was lost, no round released twice, and no aggregate wrong.
//!
//! A real parent and a mock enclave serve rounds of both intakes; clients upload at once, rounds
//! are closed and aborted under way. SIGKILL comes at any time, and aimed: in the middle of a body,
//! before the enclave has heard a command, before the parent has heard the reply, while the parent
//! stores what it heard, and during its start. It is started again on the same folder and port;
//! clients send the same bytes again. Now and then the enclave is killed too: then its open rounds
//! are lost, and nothing else may come of them. At the end the enclave has no round open that the
//! parent does not list.

mod aim;
mod case;
mod course;
mod host;
mod judge;
mod killer;
mod lane;
mod link;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sealsum_protocol::{Command, Intake, Reply, RoundId, canonical};
use sealsum_testkit::{Ends, Told};
use serde_json::Value;

use crate::demo::programs::Programs;
use crate::demo::random::Random;
use aim::{Aim, Group, Point, Side, Step};
use course::Course;
use host::{Host, hold};
use killer::Killer;

/// How often to kill, and from which seed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// Kills of the parent in all.
    #[arg(long, default_value_t = 100)]
    kills: u64,
    /// Names the aims; the machine's own timing remains.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kill the programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Print one object with "kills", "acknowledged", "lost", "double_releases",
    /// "wrong_aggregates", "orphans", "restart_ms_p99", and more.
    #[arg(long)]
    json: bool,
}

/// Everything that those who take part share.
pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) course: Course,
    pub(crate) ends: Ends,
    killer: Killer,
    /// How often the enclave has given a block.
    given: Mutex<BTreeMap<(RoundId, u64), u32>>,
    over: AtomicBool,
}

/// Kills; true if nothing acknowledged was lost, nothing released twice, nothing wrong, and no
/// round left to nobody.
pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(options.kills > 0, "--kills must be at least 1");
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder.clone()),
        None => Programs::build()?,
    };
    let folder = tempfile::Builder::new().prefix("sealsum-kill-").tempdir()?;
    let stage = Arc::new(Stage {
        host: Host::start(programs, folder.path())?,
        course: Course::default(),
        ends: Ends::default(),
        killer: Killer::default(),
        given: Mutex::default(),
        over: AtomicBool::new(false),
    });
    watch(&stage);
    let done = std::thread::scope(|scope| {
        let lanes = [
            ("kills-stream", Intake::Stream),
            ("kills-presum", Intake::Presum),
        ]
        .map(|(task, intake)| {
            let seed = options
                .seed
                .wrapping_mul(31)
                .wrapping_add(task.len() as u64);
            let stage = &stage;
            scope.spawn(move || {
                let played = lane::play(stage, task, intake, seed);
                // One lane's failure ends the test.
                stage
                    .over
                    .store(stage.is_over() || played.is_err(), Ordering::Release);
                played
            })
        });
        let killed = kill(&stage, options);
        stage.over.store(true, Ordering::Release);
        for lane in lanes {
            match lane.join() {
                Ok(played) => played?,
                Err(_) => bail!("a lane panicked"),
            }
        }
        killed
    });
    if let Err(error) = done {
        let log = std::fs::read_to_string(folder.path().join("parent.log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(LOG_LINES).collect();
        eprintln!(
            "the parent's last words, newest first:\n{}",
            last.join("\n")
        );
        return Err(error);
    }
    // After the last kill, every round once more.
    stage.host.kill_parent();
    stage.host.start_parent()?;
    for round in stage.course.ended() {
        judge::look(&stage, round)?;
    }
    stage.course.orphaned(stage.orphans()?);
    let (restart, starts) = stage.host.restart_ms_p99();
    let (mut report, ok) = stage.course.report(stage.ends.double_releases(), restart);
    report["seed"] = options.seed.into();
    report["starts"] = starts.into();
    if options.json {
        println!("{report}");
    } else {
        explain(&report);
    }
    Ok(ok)
}

/// The report in words.
fn explain(report: &Value) {
    let landed = report["landed"].as_object().into_iter().flatten();
    for (group, count) in landed {
        println!("{count:>5} kills: {}", group.replace('_', " "));
    }
    println!(
        "{} kills, {} contributions acknowledged: {} lost, {} double releases, {} wrong aggregates, {} rounds left to nobody",
        report["kills"],
        report["acknowledged"],
        report["lost"],
        report["double_releases"],
        report["wrong_aggregates"],
        report["orphans"],
    );
    println!(
        "{} rounds released, {} aborted, {} lost with one of {} enclaves killed; 99 of 100 starts answered within {} ms",
        report["rounds"]["released"],
        report["rounds"]["aborted"],
        report["rounds"]["lost_with_their_enclave"],
        report["enclave_kills"],
        report["restart_ms_p99"],
    );
}

/// The link's watcher: kills at steps, and notes what the enclave says of ends.
fn watch(stage: &Arc<Stage>) {
    let watching = Arc::downgrade(stage);
    stage.host.link.watch(move |command, side, reply| {
        let Some(stage) = Weak::upgrade(&watching) else {
            return true;
        };
        match reply {
            Some(Reply::Receipt(receipt)) => {
                let round = receipt.unverified().round_id;
                stage
                    .ends
                    .tell(round, Told::Receipt(canonical::encode(receipt)));
            }
            Some(Reply::Aborted(receipt)) => {
                let round = receipt.unverified().round_id;
                stage
                    .ends
                    .tell(round, Told::AbortReceipt(canonical::encode(receipt)));
            }
            _ => {}
        }
        stage.may_be_cut(command, side) && stage.pass(Point::Exchange(Step::of(command), side))
    });
}

/// Kills and starts the parent, again and again.
fn kill(stage: &Stage, options: &Options) -> Result<()> {
    let mut random = Random::new(options.seed);
    let mut said = 0;
    let mut aim = Aim::draw(&mut random);
    while stage.course.kills() < options.kills && !stage.is_over() {
        // Sometimes the same again, so that one piece of work is cut several times.
        if random.below(4) > 0 {
            aim = Aim::draw(&mut random);
        }
        match aim.point {
            Some(_) if stage.killer.wait_for(aim, PATIENCE) => stage.course.killed(aim.group),
            _ => {
                std::thread::sleep(aim.delay);
                stage.host.kill_parent();
                stage.course.killed(Group::AnyTime);
            }
        }
        if random.below(ENCLAVE_SPARED) == 0 {
            stage.host.replace_enclave()?;
            stage.course.killed_enclave();
        }
        while aim.group == Group::Start && stage.course.kills() < options.kills {
            stage.host.begin_parent()?;
            let part = random.below(150) as f64 / 100.0;
            std::thread::sleep(stage.host.usual_start().mul_f64(part));
            stage.host.kill_parent();
            stage.course.killed(Group::Start);
            if random.below(2) == 0 {
                break;
            }
        }
        stage.host.start_parent()?;
        if random.below(ENCLAVE_SPARED) == 0 {
            std::thread::sleep(aim.delay);
            stage.host.replace_enclave()?;
            stage.course.killed_enclave();
        }
        let kills = stage.course.kills();
        if kills / SAY_EVERY > said {
            said = kills / SAY_EVERY;
            let rounds = stage.course.ended().len();
            eprintln!("{kills} kills, {rounds} rounds ended");
        }
    }
    Ok(())
}

impl Stage {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Whether a cut there leaves the round a way to its end: the enclave gives each block three
    /// times, and a parent that is killed with the third in its hands has none. It is spared, by
    /// whatever kill, until it says its next word on that round: then it has stored the block.
    fn may_be_cut(&self, command: &Command, side: Side) -> bool {
        let round = match command {
            Command::ReleaseBlock(release) => release.round_id,
            Command::Finish(finish) => finish.round_id,
            _ => return true,
        };
        if side == Side::Unheard {
            self.host.spare_no_more_for(round);
            return true;
        }
        let Command::ReleaseBlock(release) = command else {
            return true;
        };
        let mut given = hold(&self.given);
        let times = given.entry((release.round_id, release.index)).or_default();
        if side == Side::Unanswered {
            *times += 1;
        }
        let may = *times < TIMES_GIVEN;
        if !may {
            self.host.spare_for(round);
        }
        may
    }

    /// Somebody passes a point. True if the parent was killed there.
    pub(crate) fn pass(&self, point: Point) -> bool {
        self.killer.pass(point, &self.host)
    }

    /// What the parent answers to a GET, asked until it does.
    pub(crate) fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        match self.fetch_if_there(path)? {
            Some(body) => Ok(body),
            None => bail!("GET {path}: it is not there"),
        }
    }

    /// The same; none if it is not there.
    pub(crate) fn fetch_if_there(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let begun = Instant::now();
        loop {
            match self.host.ask("GET", path, Vec::new()) {
                Ok((200, body)) => return Ok(Some(body)),
                Ok((404 | 410, _)) => return Ok(None),
                Ok((500..=599, _)) | Err(_) if begun.elapsed() < FETCH_PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Ok((status, body)) => {
                    bail!("GET {path}: {status} {}", String::from_utf8_lossy(&body))
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Rounds that are in progress at one of the two alone, once the parent has had time to settle
    /// what kills left.
    fn orphans(&self) -> Result<u64> {
        let begun = Instant::now();
        loop {
            let Reply::Description(about) = self.host.link.ask(&Command::Describe)? else {
                bail!("the enclave does not describe itself");
            };
            let list: Value = serde_json::from_slice(&self.fetch("/v1/rounds")?)?;
            let listed = list["rounds"].as_array().into_iter().flatten();
            let in_progress = listed
                .filter(|round| matches!(round["phase"].as_str(), Some("collecting" | "releasing")))
                .count();
            let orphans = u64::from(about.open_rounds).abs_diff(in_progress as u64);
            if orphans == 0 || begun.elapsed() > FETCH_PATIENCE {
                return Ok(orphans);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Looks at an older round once more.
    pub(crate) fn look_back(&self, draw: usize) -> Result<()> {
        if let Some(round) = self.course.any_ended(draw) {
            judge::look(self, round)?;
        }
        Ok(())
    }
}

const EXAMPLE: &str = "Example:\n  cargo xtask kill-test --kills 1000 --seed 7 --json";
/// For somebody to pass the point of an aim.
const PATIENCE: Duration = Duration::from_secs(2);
const FETCH_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// Of so many kills and starts, one has the enclave killed too.
const ENCLAVE_SPARED: usize = 24;
/// How often an enclave gives a block.
const TIMES_GIVEN: u32 = 3;
const SAY_EVERY: u64 = 50;
const LOG_LINES: usize = 30;
