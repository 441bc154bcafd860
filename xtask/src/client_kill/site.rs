//! One client that is killed, and resumes until the enclave's yes is in its ledger.

use std::io::{ErrorKind, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Course;
use super::landed::Landed;
use super::stage::{Round, Stage, TASK};
use super::wire::{Pace, Wire};
use crate::demo::programs::{Answer, Arguments, Programs};
use crate::demo::random::Random;

/// A client: its folder, and the wire that it reaches the parent by.
pub(crate) struct Site {
    pub(crate) number: usize,
    pub(crate) folder: PathBuf,
    pub(crate) wire: Wire,
}

/// How a process ended.
enum End {
    /// By our signal.
    Killed,
    /// By itself, after so long, with this exit code and output.
    ByItself(Duration, i32, Value),
}

impl Site {
    pub(crate) fn identity(&self) -> PathBuf {
        self.folder.join("identity")
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }

    pub(crate) fn update(&self) -> PathBuf {
        self.folder.join("update.npy")
    }

    /// Contributes to the round, killed on the way as often as chance has it. True once the
    /// contribution is accepted; false if it can't be brought to that.
    pub(crate) fn take_part(
        &self,
        stage: &Stage<'_>,
        round: &Round,
        seed: u64,
        course: &Course,
    ) -> Result<bool> {
        let mut random = Random::new(seed);
        let place = self.number + usize::try_from(round.number)?;
        let pace = Pace::ALL[place % Pace::ALL.len()];
        self.wire.set_pace(pace);
        let mut resuming = false;
        let mut failures = 0;
        for attempt in 0.. {
            let by_task = attempt == 0 || random.below(2) == 0;
            let target = if by_task {
                ("--task", TASK)
            } else {
                ("--round", round.id.as_str())
            };
            let arguments = self.contribute(&self.wire.url(), target, round);
            let likely = if attempt == 0 { OFTEN } else { AGAIN };
            let is_fated = attempt < LAST_KILL && random.below(100) < likely && course.take_kill();
            let moment = is_fated.then(|| course.lives.moment(pace, resuming, &mut random));
            let from = self.wire.count();
            let outbox = self.outbox()?;
            course.tally.started();
            match run(stage.programs, &arguments, moment)? {
                End::Killed => {
                    let is_stored = self.outbox()? != outbox;
                    let landed = self.landed(stage.programs, round, from)?;
                    course.tally.killed(landed, resuming);
                    if landed == Landed::BeforeSpend && is_stored {
                        course.tally.orphaned();
                    }
                    resuming = landed != Landed::BeforeSpend;
                    if resuming && random.below(4) == 0 {
                        self.refuses_the_twin(stage, round, course)?;
                    }
                }
                End::ByItself(life, code, said) => {
                    if is_fated {
                        course.give_back();
                    } else if said["uploaded_bytes"] != 0 {
                        course.lives.measured(pace, resuming, life);
                    }
                    if code == 0 {
                        if said["resent"] == true {
                            course.tally.resent();
                        }
                        ensure!(self.masked_updates()? == 0, "the outbox was free");
                        return Ok(true);
                    }
                    failures += 1;
                    let code = &said["error"]["code"];
                    eprintln!("client {} failed {failures} times: {code}", self.number);
                    if failures == PATIENCE {
                        break;
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(false)
    }

    /// A client that has spent is offered another enclave's round of the same number and model.
    /// Whatever it answers: what it uploads for that one is judged with the rest.
    fn refuses_the_twin(&self, stage: &Stage<'_>, round: &Round, course: &Course) -> Result<()> {
        let target = ("--round", round.twin.as_str());
        let twin = self.contribute(&self.wire.url(), target, round);
        course.tally.started();
        if let End::ByItself(_, 1, _) = run(stage.programs, &twin, None)? {
            course.tally.twin_refused();
        }
        Ok(())
    }

    fn contribute(&self, url: &str, target: (&str, &str), round: &Round) -> Arguments {
        Arguments::new("contribute")
            .option("--parent", url)
            .path("--identity", &self.identity())
            .path("--policy", &self.policy())
            .option(target.0, target.1)
            .path("--base-model", &round.base_model)
            .path("--update", &self.update())
            .word("--mock")
    }

    fn landed(&self, programs: &Programs, round: &Round, from: usize) -> Result<Landed> {
        let uploads = self.wire.since(from);
        let state = self.state(programs, &round.id)?;
        Ok(match state.as_deref() {
            None => Landed::BeforeSpend,
            Some("sealed") if uploads.iter().any(|(_, whole)| *whole) => Landed::AfterUpload,
            Some("sealed") if uploads.iter().any(|(bytes, _)| *bytes > 0) => Landed::MidUpload,
            Some("sealed") => Landed::NothingSent,
            Some(_) => Landed::AfterAcceptance,
        })
    }

    /// How far the ledger says that the round came; none if it has no record of it.
    pub(crate) fn state(&self, programs: &Programs, round_id: &str) -> Result<Option<String>> {
        let show = Arguments::new("ledger show").file(&self.identity());
        let ledger = programs.done(&show.word("--mock"))?;
        let records = ledger["records"].as_array().context("a ledger's records")?;
        let record = records.iter().find(|record| record["round_id"] == round_id);
        Ok(record.and_then(|record| Some(record["state"].as_str()?.to_owned())))
    }

    /// The last masked update that was stored, or a part of it.
    fn outbox(&self) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.identity().join("ledger-mock.db.outbox")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => Ok(Some(read?)),
        }
    }

    /// How many masked updates have files of their own, since the outbox was not free.
    fn masked_updates(&self) -> Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(self.identity())? {
            let is_one = entry?.path().extension().is_some_and(|end| end == "masked");
            count += usize::from(is_one);
        }
        Ok(count)
    }

    /// Fetches the aggregate, and with it the proof of its own membership.
    pub(crate) fn collect(&self, stage: &Stage<'_>, round_id: &str) -> Result<Answer> {
        stage.programs.sealsum(
            &Arguments::new("collect")
                .option("--parent", stage.servers.url())
                .path("--policy", &self.policy())
                .path("--identity", &self.identity())
                .path("--out", &self.folder.join("aggregate.npy"))
                .word("--mock")
                .word(round_id),
        )
    }
}

/// Runs `sealsum`, and kills it at `moment` if there is one and it still lives.
fn run(programs: &Programs, arguments: &Arguments, moment: Option<Duration>) -> Result<End> {
    let mut command = Command::new(programs.path("sealsum"));
    command.args(arguments.words()).arg("--json");
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} did not start"))?;
    if let Some(moment) = moment {
        std::thread::sleep(moment.saturating_sub(began.elapsed()));
        // SIGKILL; it may have ended by itself.
        child.kill()?;
    }
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    let status = child.wait()?;
    if status.signal().is_some() {
        return Ok(End::Killed);
    }
    let said = serde_json::from_str(said.trim())
        .with_context(|| format!("{command:?} wrote no JSON: {said:?}"))?;
    let code = status.code().unwrap_or(-1);
    Ok(End::ByItself(began.elapsed(), code, said))
}

/// Failures that nobody caused by a kill, before a contribution is taken to be stuck.
const PATIENCE: u32 = 6;
const PAUSE: Duration = Duration::from_millis(200);
/// From this process on a client is left alone.
const LAST_KILL: u32 = 20;
/// Of a hundred first processes, how many are to be killed, and of those that follow.
const OFTEN: usize = 95;
const AGAIN: usize = 45;
