//! Clients and operator: they send the same bytes, and ask the same, until there is an answer that
//! holds, across as many parents as that takes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream::unfold;
use sealsum_parent::Rounds;
use sealsum_protocol::{RoundEvidence, Signed, canonical, receipt::Acceptance};
use sealsum_testkit::SeededRng;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::play::{Case, Member, Opened, ask};

/// All of it, at once; done when every round has ended and nobody waits for an answer.
pub(crate) async fn work(
    rounds: Arc<Rounds>,
    cases: &[Arc<Case>],
    seed: u64,
) -> Result<(), String> {
    let mut all = JoinSet::new();
    for (place, case) in cases.iter().enumerate() {
        let (rounds, case) = (Arc::clone(&rounds), Arc::clone(case));
        let seed = seed.wrapping_add(place as u64 * 1000);
        all.spawn(async move { round(rounds, case, seed).await });
    }
    finish(all).await
}

async fn finish(mut all: JoinSet<Result<(), String>>) -> Result<(), String> {
    while let Some(done) = all.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(())
}

async fn round(rounds: Arc<Rounds>, case: Arc<Case>, seed: u64) -> Result<(), String> {
    while case.opened().is_none() {
        open(&rounds, &case).await?;
    }
    let opened = case.opened().ok_or("opened just now")?;
    let mut all = JoinSet::new();
    for place in 0..opened.members.len() {
        let (rounds, opened) = (Arc::clone(&rounds), opened.clone());
        let seed = seed + place as u64;
        all.spawn(async move {
            let member = &opened.members[place];
            take_part(&rounds, &opened, member, SeededRng::new(seed)).await
        });
    }
    let mut rng = SeededRng::new(seed + 500);
    let (ending, aborts) = (opened.clone(), case.aborts);
    all.spawn(async move {
        rest(&mut rng, 600).await;
        end(&rounds, &ending, aborts, rng).await
    });
    finish(all).await
}

/// Opens the round, or finds that an earlier parent had.
async fn open(rounds: &Arc<Rounds>, case: &Case) -> Result<(), String> {
    let (_, listed) = ask(
        rounds,
        Method::GET,
        "/v1/rounds?phase=collecting",
        Body::empty(),
    )
    .await?;
    let listed: Value = serde_json::from_slice(&listed).map_err(|e| e.to_string())?;
    let intake = serde_json::to_value(case.intake).map_err(|e| e.to_string())?;
    let found = listed["rounds"].as_array().into_iter().flatten();
    let mut found =
        found.filter(|round| round["intake"] == intake && round["phase"] == "collecting");
    let id = match found.next() {
        Some(round) => round["round_id"].as_str().unwrap_or_default().to_owned(),
        None => {
            let body = Body::from(case.params());
            let (status, said) = ask(rounds, Method::POST, "/v1/rounds", body).await?;
            if status != 201 {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            }
            let said: Value = serde_json::from_slice(&said).map_err(|e| e.to_string())?;
            said["round_id"].as_str().unwrap_or_default().to_owned()
        }
    };
    let path = format!("/v1/rounds/{id}/evidence");
    let (status, evidence) = ask(rounds, Method::GET, &path, Body::empty()).await?;
    if status == 200 {
        let evidence: RoundEvidence = canonical::decode(&evidence).map_err(|e| e.to_string())?;
        case.open(evidence);
    }
    Ok(())
}

async fn take_part(
    rounds: &Arc<Rounds>,
    opened: &Opened,
    member: &Member,
    mut rng: SeededRng,
) -> Result<(), String> {
    rest(&mut rng, 700).await;
    let path = format!(
        "/v1/rounds/{}/contributions/{}",
        opened.id, member.upload.client
    );
    loop {
        let known = member.acceptance.lock().unwrap().clone();
        if known.is_some() && rng.below(3) > 0 || *member.is_late.lock().unwrap() {
            return Ok(());
        }
        let body = slowly(member.upload.bytes.clone(), rng.below(4_000));
        let (status, said) = ask(rounds, Method::PUT, &path, body).await?;
        if status != 200 {
            opened.said.lock().unwrap()[1] = format!("{status} {}", String::from_utf8_lossy(&said));
        }
        match status {
            200 => {
                let acceptance: Signed<Acceptance> =
                    canonical::decode(&said).map_err(|e| e.to_string())?;
                let key = &opened.evidence.binding.receipt_key;
                let signed = acceptance
                    .verify(key, &opened.id)
                    .map_err(|e| e.to_string())?;
                if signed.contribution != member.upload.contribution {
                    return Err("an acceptance of another contribution".to_owned());
                }
                if known.is_some_and(|known| known != said) {
                    return Err("another acceptance for the same bytes".to_owned());
                }
                *member.acceptance.lock().unwrap() = Some(said);
                return Ok(());
            }
            500..=599 | 408 => tokio::time::sleep(PAUSE).await,
            _ => *member.is_late.lock().unwrap() = true,
        }
    }
}

/// A body that comes in pieces, with rests between them.
fn slowly(bytes: Vec<u8>, micros: u64) -> Body {
    let piece = (bytes.len() / 3).max(1);
    let bytes = Bytes::from(bytes);
    Body::from_stream(unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_micros(micros)).await;
        let first = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, std::io::Error>(first), rest))
    }))
}

async fn end(
    rounds: &Arc<Rounds>,
    opened: &Opened,
    mut aborts: bool,
    mut rng: SeededRng,
) -> Result<(), String> {
    let path = format!("/v1/rounds/{}", opened.id);
    while !*opened.has_ended.lock().unwrap() {
        let verb = if aborts { "abort" } else { "close" };
        let asked = format!("{path}/{verb}");
        let (status, said) = ask(rounds, Method::POST, &asked, Body::empty()).await?;
        opened.said.lock().unwrap()[0] = format!("{status} {}", String::from_utf8_lossy(&said));
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        match (status, said["code"].as_str().unwrap_or_default()) {
            (200, _) => *opened.has_ended.lock().unwrap() = true,
            (409, "cohort_too_small" | "cohort_mismatch" | "no_more_of_this_block") => {
                // Too few came in this life; perhaps more do in the next.
                aborts |= rng.below(3) == 0;
            }
            (409, "wrong_phase") => {
                let (_, summary) = ask(rounds, Method::GET, &path, Body::empty()).await?;
                let summary: Value = serde_json::from_slice(&summary).unwrap_or_default();
                let phase = summary["phase"].as_str().unwrap_or_default();
                *opened.has_ended.lock().unwrap() = !matches!(phase, "collecting" | "releasing");
            }
            (404 | 410, _) => *opened.has_ended.lock().unwrap() = true,
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn rest(rng: &mut SeededRng, millis: u64) {
    tokio::time::sleep(Duration::from_millis(rng.below(millis))).await;
}

const PAUSE: Duration = Duration::from_millis(50);
