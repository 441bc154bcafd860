//! The verdict on a round that has ended: is everybody who was acknowledged in the sum or freed by
//! an abort receipt, and is the sum the one of exactly those who are in?

use anyhow::Result;
use sealsum_protocol::receipt::AbortReceipt;
use sealsum_protocol::{RoundId, Signed, canonical};
use sealsum_testkit::{Told, judge_release};
use serde_json::Value;

use super::Stage;
use super::case::{Case, Member};

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) released: bool,
    pub(crate) aborted: bool,
    /// Its enclave was killed, and nobody has a proof.
    pub(crate) lost_with_its_enclave: bool,
    /// Acknowledged, and neither in a sum nor freed.
    pub(crate) lost: u64,
    pub(crate) wrong_aggregates: u64,
}

/// A round's receipt and abort receipt, where there are any.
type Published = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Judges a round.
pub(crate) fn judge(stage: &Stage, case: &Case) -> Result<Judged> {
    let acknowledged = case.acknowledged().len() as u64;
    let path = format!("/v1/rounds/{}", case.id());
    let Some(summary) = stage.fetch_if_there(&path)? else {
        eprintln!("round {} is not known any more", case.id());
        return Ok(Judged {
            lost: acknowledged,
            ..Judged::default()
        });
    };
    let summary: Value = serde_json::from_slice(&summary)?;
    let ends = look(stage, case.id())?;
    match (summary["phase"].as_str().unwrap_or_default(), ends) {
        ("released", (Some(receipt), None)) => judge_published(stage, case, &receipt),
        ("aborted", (None, Some(receipt))) => {
            let receipt: Signed<AbortReceipt> = canonical::decode(&receipt)?;
            let is_genuine = receipt
                .verify(&case.binding.receipt_key, &case.id())
                .is_ok();
            Ok(Judged {
                aborted: true,
                lost: if is_genuine { 0 } else { acknowledged },
                ..Judged::default()
            })
        }
        ("lost", (None, None)) if stage.host.era() != case.era => Ok(Judged {
            lost_with_its_enclave: true,
            ..Judged::default()
        }),
        (phase, (receipt, abort)) => {
            eprintln!(
                "round {} is {phase}, with{} a receipt and with{} an abort receipt",
                case.id(),
                if receipt.is_some() { "" } else { "out" },
                if abort.is_some() { "" } else { "out" },
            );
            Ok(Judged {
                lost: acknowledged,
                ..Judged::default()
            })
        }
    }
}

/// Receipt and abort receipt that the parent publishes, each told to whoever compares them.
pub(crate) fn look(stage: &Stage, id: RoundId) -> Result<Published> {
    let receipt = stage.fetch_if_there(&format!("/v1/rounds/{id}/receipt"))?;
    let abort = stage.fetch_if_there(&format!("/v1/rounds/{id}/abort-receipt"))?;
    if let Some(receipt) = &receipt {
        stage.ends.tell(id, Told::Receipt(receipt.clone()));
    }
    if let Some(abort) = &abort {
        stage.ends.tell(id, Told::AbortReceipt(abort.clone()));
    }
    Ok((receipt, abort))
}

fn judge_published(stage: &Stage, case: &Case, receipt: &[u8]) -> Result<Judged> {
    let path = |what: &str| format!("/v1/rounds/{}/{what}", case.id());
    let aggregate = stage.fetch(&path("aggregate"))?;
    let mut proofs = Vec::new();
    for Member { upload, .. } in &case.members {
        proofs.push((
            upload,
            stage.fetch(&path(&format!("proofs/{}", upload.client)))?,
        ));
    }
    let judged = match judge_release(&case.binding, receipt, &aggregate, proofs) {
        Ok(judged) => judged,
        Err(error) => {
            eprintln!("round {}: {error}", case.id());
            return Ok(Judged {
                released: true,
                lost: case.acknowledged().len() as u64,
                wrong_aggregates: 1,
                ..Judged::default()
            });
        }
    };
    stage.ends.tell(case.id(), Told::Aggregate(judged.root));
    if !judged.is_right {
        eprintln!("round {}: not the sum of its cohort", case.id());
    }
    let mut lost = 0;
    for (member, is_in) in case.members.iter().zip(&judged.is_in) {
        if member.is_acknowledged() && !is_in {
            eprintln!("{} is not in round {}", member.upload.client, case.id());
            lost += 1;
        }
    }
    Ok(Judged {
        released: true,
        lost,
        wrong_aggregates: u64::from(!judged.is_right),
        ..Judged::default()
    })
}
