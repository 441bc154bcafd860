//! One play: a few rounds with clients and an operator, through one parent after another, each cut
//! off at a random moment, on one disk and one wire; then the verdict.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use sealsum_parent::{
    Config, EnclaveAddress, Limits, Listener, OnShutdown, Parent, Patience, Rounds,
    StorageSettings, router,
};
use sealsum_protocol::receipt::{AbortReceipt, Receipt};
use sealsum_protocol::{Intake, RoundEvidence, RoundId, Signed, canonical};
use sealsum_testkit::{KnownUpload, SeededRng, Told, judge_release, sign, terms};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::disk::SimDisk;
use crate::people;
use crate::weather::{Kind, Weather};
use crate::wire::Wire;

/// What a play came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) lives: u64,
    pub(crate) released: u64,
    pub(crate) aborted: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused_for_space: u64,
    /// With a broken disk alone: acknowledged and not kept.
    pub(crate) forgotten: u64,
}

/// A round and who takes part; what they hold outlives every parent.
pub(crate) struct Case {
    pub(crate) intake: Intake,
    pub(crate) number: u64,
    pub(crate) dimension: u64,
    /// The operator aborts instead of closing.
    pub(crate) aborts: bool,
    pub(crate) opened: Mutex<Option<Opened>>,
}

#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) id: RoundId,
    pub(crate) evidence: Arc<RoundEvidence>,
    pub(crate) members: Arc<Vec<Member>>,
    pub(crate) has_ended: Arc<Mutex<bool>>,
    /// What was said last of ending it, and of a contribution.
    pub(crate) said: Arc<Mutex<[String; 2]>>,
}

pub(crate) struct Member {
    pub(crate) upload: KnownUpload,
    pub(crate) acceptance: Mutex<Option<Vec<u8>>>,
    /// The round does not take it any more.
    pub(crate) is_late: Mutex<bool>,
}

/// Plays a seed; an error is a broken promise.
pub(crate) fn play(kind: Kind, seed: u64) -> Result<Played, String> {
    let mut rng = SeededRng::new(seed);
    let weather = Weather::draw(kind, &mut rng);
    let disk = SimDisk::new(weather, seed ^ 0xd15c);
    let wire = Wire::new(weather, seed);
    let cases: Vec<_> = [Intake::Stream, Intake::Presum]
        .into_iter()
        .map(|intake| {
            Arc::new(Case {
                intake,
                number: seed,
                dimension: [20, 16_384 * 3 - 5][usize::from(rng.below(4) == 0)],
                aborts: rng.below(6) == 0,
                opened: Mutex::default(),
            })
        })
        .collect();
    let mut played = Played::default();
    for life in 1..=LIVES {
        played.lives = life;
        let calm = life == LIVES;
        if calm {
            // Whatever has not come to its end does now: nobody has to help.
            disk.has_room();
            wire.is_calm();
        }
        let most = if calm {
            CALM_MILLIS
        } else {
            weather.life_millis
        };
        let lives_for = Duration::from_millis(if calm { most } else { 1 + rng.below(most) });
        let is_done = live(&disk, &wire, &cases, rng.below(u64::MAX), lives_for)?;
        disk.cut();
        if is_done {
            break;
        }
        if calm && kind == Kind::Sound {
            let said = cases.iter().map(|case| case.opened());
            let said: Vec<_> = said
                .map(|opened| opened.map(|opened| opened.said))
                .collect();
            return Err(format!(
                "a round has not ended after {lives_for:?} of calm: {said:?}"
            ));
        }
    }
    played.refused_for_space = disk.refused();
    disk.has_room();
    wire.is_calm();
    judge(&disk, &wire, &cases, kind, &mut played)?;
    if kind == Kind::Sound {
        // All have ended, and what openings were cut is settled.
        on_a_parent(&disk, &wire, |_| wire.is_left_empty())?;
    }
    match wire.ends.double_releases() {
        0 => Ok(played),
        double => Err(format!("{double} rounds have two ends")),
    }
}

/// One parent's life; true if all is done before it is over.
fn live(
    disk: &SimDisk,
    wire: &Arc<Wire>,
    cases: &[Arc<Case>],
    seed: u64,
    lives_for: Duration,
) -> Result<bool, String> {
    on_a_parent(disk, wire, |rounds| async move {
        let all = people::work(rounds, cases, seed);
        match tokio::time::timeout(lives_for, all).await {
            Ok(done) => done.map(|()| true),
            Err(_) => Ok(false),
        }
    })
}

/// Runs `work` beside a parent, in a runtime of their own whose clock jumps to whatever is next.
/// The parent ends with the runtime, in the middle of whatever it does.
fn on_a_parent<T, F: Future<Output = Result<T, String>>>(
    disk: &SimDisk,
    wire: &Arc<Wire>,
    work: impl FnOnce(Arc<Rounds>) -> F,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let done = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let enclave = listener.local_addr().unwrap();
        tokio::spawn(Arc::clone(wire).serve(listener));
        let started = Parent::start_on(config(enclave), Arc::new(disk.clone())).await;
        let parent = started.map_err(|error| format!("the parent did not start: {error}"))?;
        work(Arc::clone(parent.rounds())).await
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    done
}

fn config(enclave: SocketAddr) -> Config {
    Config {
        clients: Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0))),
        operator: None,
        operators: Vec::new(),
        enclave: EnclaveAddress::Tcp(enclave.to_string()),
        storage: StorageSettings::embedded("unused"),
        limits: Limits {
            enclave: Patience {
                turn: Duration::from_secs(20),
                connect: Duration::from_secs(1),
                reply: Duration::from_secs(5),
            },
            ..Limits::default()
        },
        on_shutdown: OnShutdown::Keep,
    }
}

/// One request past the network; gives status and body.
pub(crate) async fn ask(
    rounds: &Arc<Rounds>,
    method: Method,
    path: &str,
    body: Body,
) -> Result<(u16, Vec<u8>), String> {
    let request = Request::builder().method(method).uri(path).body(body);
    let request = request.map_err(|error| error.to_string())?;
    let Ok(response) = router(Arc::clone(rounds)).oneshot(request).await;
    let status = response.status().as_u16();
    let problem = response.headers().get(header::CONTENT_TYPE).cloned();
    let body = to_bytes(response.into_body(), usize::MAX)
        .await
        .map_err(|error| error.to_string())?;
    if status == 507 && problem.is_none_or(|kind| kind != "application/problem+json") {
        return Err("a full disk without a problem".to_owned());
    }
    Ok((status, body.into()))
}

impl Case {
    /// The signed parameters, as bytes.
    pub(crate) fn params(&self) -> Vec<u8> {
        let terms = sealsum_protocol::RoundTerms {
            round_number: self.number,
            dimension: self.dimension,
            ..terms(self.intake)
        };
        canonical::encode(&sign(terms))
    }

    /// Everybody seals.
    pub(crate) fn open(&self, evidence: RoundEvidence) {
        let binding = &evidence.binding;
        let first = self.number.wrapping_mul(64) + 8 * u64::from(self.intake == Intake::Presum);
        let members = (first..first + MEMBERS).map(|n| Member {
            upload: KnownUpload::new(binding, n),
            acceptance: Mutex::default(),
            is_late: Mutex::default(),
        });
        *self.opened.lock().unwrap() = Some(Opened {
            id: binding.round_id(),
            members: Arc::new(members.collect()),
            evidence: Arc::new(evidence),
            has_ended: Arc::default(),
            said: Arc::default(),
        });
    }

    pub(crate) fn opened(&self) -> Option<Opened> {
        self.opened.lock().unwrap().clone()
    }
}

/// After the last cut, by what a fresh parent publishes.
fn judge(
    disk: &SimDisk,
    wire: &Arc<Wire>,
    cases: &[Arc<Case>],
    kind: Kind,
    played: &mut Played,
) -> Result<(), String> {
    for case in cases {
        let Some(opened) = case.opened() else {
            return Err("a round never opened".to_owned());
        };
        let kept = opened.members.iter();
        let kept: Vec<bool> = kept
            .map(|member| member.acceptance.lock().unwrap().is_some())
            .collect();
        let acknowledged = kept.iter().filter(|kept| **kept).count() as u64;
        played.acknowledged += acknowledged;
        let found = on_a_parent(disk, wire, |rounds| published(rounds, opened.clone()))?;
        found.tell(wire, &opened);
        let lost = match (&found.receipt, &found.aggregate, &found.abort) {
            (Some(receipt), Some(aggregate), None) => {
                let uploads = opened.members.iter().map(|member| &member.upload);
                let uploads = uploads.zip(found.proofs);
                let binding = &opened.evidence.binding;
                let judged = match judge_release(binding, receipt, aggregate, uploads) {
                    Ok(judged) => judged,
                    // Torn: no client believes it.
                    Err(_) if kind == Kind::Broken => {
                        played.forgotten += acknowledged;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if judged.is_the_receipts {
                    wire.ends.tell(opened.id, Told::Aggregate(judged.root));
                }
                // A broken disk may have damaged what is published, and no client believes that; or
                // lost who is in, and then nobody can say who is. A sum of nobody is wrong.
                let is_wrong = match kind {
                    Kind::Sound => !judged.is_right,
                    Kind::Broken => judged.is_the_receipts && !is_of_some(&judged.sum, &opened),
                };
                if is_wrong {
                    return Err(format!(
                        "the aggregate is no cohort's sum: {}",
                        found.summary
                    ));
                }
                played.released += 1;
                let outside = kept
                    .iter()
                    .zip(judged.is_in)
                    .filter(|(kept, is_in)| **kept && !is_in);
                outside.count() as u64
            }
            (None, None, Some(_)) => {
                played.aborted += 1;
                0
            }
            _ => acknowledged,
        };
        played.forgotten += lost;
        if kind == Kind::Sound && lost > 0 {
            return Err(format!(
                "{lost} acknowledged contributions are lost with {}",
                found.summary
            ));
        }
    }
    Ok(())
}

/// Whether this is the sum of some of those who took part.
fn is_of_some(sum: &[f64], opened: &Opened) -> bool {
    (0..1_u32 << MEMBERS).any(|chosen| {
        let members = opened.members.iter().enumerate();
        let chosen = members.filter(|(place, _)| chosen >> place & 1 == 1);
        let mut rest = sum.to_vec();
        for (_, member) in chosen {
            for (rest, value) in rest.iter_mut().zip(&member.upload.values) {
                *rest -= value;
            }
        }
        rest.iter().all(|rest| *rest == 0.0)
    })
}

struct Published {
    receipt: Option<Vec<u8>>,
    aggregate: Option<Vec<u8>>,
    abort: Option<Vec<u8>>,
    proofs: Vec<Vec<u8>>,
    summary: String,
}

impl Published {
    /// Tells what clients would believe of it.
    fn tell(&self, wire: &Wire, opened: &Opened) {
        let key = &opened.evidence.binding.receipt_key;
        if let Some(bytes) = &self.receipt
            && let Ok(receipt) = canonical::decode::<Signed<Receipt>>(bytes)
            && receipt.verify(key, &opened.id).is_ok()
        {
            wire.ends.tell(opened.id, Told::Receipt(bytes.clone()));
        }
        if let Some(bytes) = &self.abort
            && let Ok(receipt) = canonical::decode::<Signed<AbortReceipt>>(bytes)
            && receipt.verify(key, &opened.id).is_ok()
        {
            wire.ends.tell(opened.id, Told::AbortReceipt(bytes.clone()));
        }
    }
}

async fn published(rounds: Arc<Rounds>, opened: Opened) -> Result<Published, String> {
    let get = async |what: &str| {
        let path = format!("/v1/rounds/{}/{what}", opened.id);
        let (status, body) = ask(&rounds, Method::GET, &path, Body::empty()).await?;
        Ok::<_, String>((status == 200).then_some(body))
    };
    // A parent that has just started may still be taking up what the last one left.
    let path = format!("/v1/rounds/{}", opened.id);
    let mut summary = String::new();
    for _ in 0..CATCHING_UP {
        let (_, said) = ask(&rounds, Method::GET, &path, Body::empty()).await?;
        summary = String::from_utf8_lossy(&said).into_owned();
        if !["collecting", "releasing"]
            .iter()
            .any(|phase| summary.contains(phase))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut proofs = Vec::new();
    for member in opened.members.iter() {
        let proof = get(&format!("proofs/{}", member.upload.client)).await?;
        proofs.push(proof.unwrap_or_default());
    }
    Ok(Published {
        summary,
        receipt: get("receipt").await?,
        aggregate: get("aggregate").await?,
        abort: get("abort-receipt").await?,
        proofs,
    })
}

/// Clients of each round.
const MEMBERS: u64 = 5;
/// Parents of a play, the last of which has all the time that it needs.
const LIVES: u64 = 12;
const CALM_MILLIS: u64 = 600_000;
/// Looks at a round, a tenth of a virtual second apart.
const CATCHING_UP: u32 = 600;
