//! One task's rounds, one after the other: opened, contributed to by many at once, ended in one
//! way or another while late clients still send, and judged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sealsum_protocol::{Intake, RoundEvidence, RoundId, canonical};
use serde_json::Value;

use super::Stage;
use super::aim::Point;
use super::case::{Case, params};
use crate::demo::random::Random;

/// How a round is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Close,
    Abort,
}

/// Plays rounds until the kills are over.
pub(super) fn play(stage: &Stage, task: &str, intake: Intake, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    for number in 1.. {
        if stage.is_over() {
            break;
        }
        let Some(case) = open(stage, task, intake, number)? else {
            break;
        };
        take_part(stage, &case, &mut random)?;
        let judged = super::judge::judge(stage, &case)?;
        stage.course.judged(case.id(), judged);
        stage.look_back(random.below(1 << 30))?;
    }
    Ok(())
}

/// Opens the round, or finds that a parent which was killed had opened it. None if the test is over.
fn open(stage: &Stage, task: &str, intake: Intake, number: u64) -> Result<Option<Case>> {
    let body = canonical::encode(&params(task, intake, number));
    let begun = Instant::now();
    let (mut era, mut id) = (stage.host.era(), None);
    while id.is_none() {
        ensure!(
            begun.elapsed() < PATIENCE,
            "round {number} of {task} did not open within {PATIENCE:?}"
        );
        id = find(stage, task, number)?;
        if id.is_some() {
            break;
        }
        if stage.is_over() {
            return Ok(None);
        }
        era = stage.host.era();
        match stage.host.ask("POST", "/v1/rounds", body.clone()) {
            Ok((201, said)) => id = Some(round_id(&serde_json::from_slice(&said)?)?),
            Ok((500..=599, _)) | Err(_) => std::thread::sleep(PAUSE),
            Ok((status, said)) => bail!(
                "a round was not opened: {status} {}",
                String::from_utf8_lossy(&said)
            ),
        }
    }
    let id = id.context("a round that was opened")?;
    let evidence = stage.fetch(&format!("/v1/rounds/{id}/evidence"))?;
    let evidence: RoundEvidence = canonical::decode(&evidence)?;
    ensure!(
        evidence.binding.round_id() == id,
        "evidence of another round"
    );
    let seed = stage.course.next_case();
    Ok(Some(Case::new(evidence.binding, era, seed)))
}

/// A collecting round of that number.
fn find(stage: &Stage, task: &str, number: u64) -> Result<Option<RoundId>> {
    let path = format!("/v1/rounds?phase=collecting&task={task}");
    let Ok((200, said)) = stage.host.ask("GET", &path, Vec::new()) else {
        return Ok(None);
    };
    let said: Value = serde_json::from_slice(&said)?;
    let mut rounds = said["rounds"].as_array().into_iter().flatten();
    let found = rounds.find(|round| {
        round["task"] == task && round["round_number"] == number && round["phase"] == "collecting"
    });
    found.map(round_id).transpose()
}

fn round_id(summary: &Value) -> Result<RoundId> {
    let id = summary["round_id"].as_str().unwrap_or_default();
    id.parse().ok().context("a summary without a round's id")
}

/// Everybody sends, some of them late, and the operator ends the round meanwhile.
fn take_part(stage: &Stage, case: &Case, random: &mut Random) -> Result<()> {
    let enough = 3 + random.below(case.members.len() - 2);
    let late: Vec<_> = case.members.iter().map(|_| random.below(5) == 0).collect();
    let seeds: Vec<_> = case.members.iter().map(|_| random.below(1 << 30)).collect();
    let wishes = match random.below(10) {
        0 => vec![Wish::Abort],
        1 | 2 => vec![Wish::Close, Wish::Abort],
        3 => vec![Wish::Close, Wish::Close],
        _ => vec![Wish::Close],
    };
    std::thread::scope(|scope| {
        let mut parts = Vec::new();
        for ((member, late), seed) in case.members.iter().zip(late).zip(seeds) {
            parts.push(scope.spawn(move || {
                if late {
                    std::thread::sleep(LATE);
                }
                member.take_part(stage, case, seed as u64)
            }));
        }
        let begun = Instant::now();
        while case.acknowledged().len() < enough && begun.elapsed() < LONG_ENOUGH {
            std::thread::sleep(PAUSE);
        }
        for wish in wishes {
            parts.push(scope.spawn(move || end(stage, case, wish)));
        }
        for part in parts {
            match part.join() {
                Ok(done) => done?,
                Err(_) => bail!("a client or the operator panicked"),
            }
        }
        Ok(())
    })
}

/// Asks until the round has ended, in whatever way.
fn end(stage: &Stage, case: &Case, mut wish: Wish) -> Result<()> {
    let begun = Instant::now();
    let path = format!("/v1/rounds/{}", case.id());
    loop {
        ensure!(
            begun.elapsed() < PATIENCE,
            "round {} did not end within {PATIENCE:?}",
            case.id()
        );
        let verb = match wish {
            Wish::Close => "close",
            Wish::Abort => "abort",
        };
        let asked = std::thread::scope(|scope| {
            let asked = scope.spawn(|| stage.host.ask("POST", &format!("{path}/{verb}"), vec![]));
            if wish == Wish::Close {
                stage.pass(Point::CloseAsked);
            }
            asked.join().unwrap_or(Ok((0, Vec::new())))
        });
        let Ok((status, said)) = asked else {
            std::thread::sleep(PAUSE);
            continue;
        };
        let problem: Value = serde_json::from_slice(&said).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        match (status, code) {
            (200, _) | (410, _) | (404, "unknown_round") => return Ok(()),
            // Another end came first, or comes.
            (409, "wrong_phase") if has_ended(stage, &path)? => return Ok(()),
            (409, "wrong_phase") | (500..=599, _) => std::thread::sleep(PAUSE),
            (409, "cohort_too_small") => wish = Wish::Abort,
            _ => {
                stage.course.stuck(&format!(
                    "round {} can't {verb}: {status} {problem}",
                    case.id()
                ));
                if wish == Wish::Abort {
                    return Ok(());
                }
                wish = Wish::Abort;
            }
        }
    }
}

fn has_ended(stage: &Stage, path: &str) -> Result<bool> {
    let summary: Value = serde_json::from_slice(&stage.fetch(path)?)?;
    let phase = summary["phase"].as_str().unwrap_or_default();
    Ok(!matches!(phase, "collecting" | "releasing"))
}

const PAUSE: Duration = Duration::from_millis(15);
/// How late late clients are: about when the round ends.
const LATE: Duration = Duration::from_millis(150);
/// Then the round ends with whoever is in.
const LONG_ENOUGH: Duration = Duration::from_secs(5);
/// For anything to come to an end, kills and restarts on the way included.
const PATIENCE: Duration = Duration::from_secs(90);
