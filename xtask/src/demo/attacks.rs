//! The last act: a flipped bit, a false abort, and the receipts. Each refusal has a twin
//! that goes through, so that it is known to be for its reason.

use std::path::Path;

use anyhow::{Context, Result};

use super::consortium::Hospital;
use super::model::Model;
use super::npy;
use super::programs::{Answer, Arguments, in_parallel};
use super::proxy::{Behaviour, Proxy};
use super::registry;
use super::round::{Released, Stage, text, update_file};

/// What the attacks came to.
pub(super) struct Attacks {
    pub(super) evidence_tamper_refused: bool,
    pub(super) false_abort_refused: bool,
    /// None under open admission, which knows no strangers.
    pub(super) stranger_refused: Option<bool>,
    /// What was tried, and what the client said, in order.
    pub(super) log: Vec<(String, String)>,
}

/// Runs the attacks in rounds of their own, after the last one.
pub(super) fn run(stage: &Stage<'_>, last: &Released) -> Result<Attacks> {
    let number = stage.options.rounds + 1;
    let base_file = stage.folder.join("attacked-base.npy");
    npy::write(&base_file, &last.model.0)?;
    let receipt = last.archive.join("receipt.cbor");
    let mut scene = Scene {
        stage,
        base_file: &base_file,
        receipt: &receipt,
        log: Vec::new(),
    };
    let (victim, others) = stage
        .consortium
        .hospitals
        .split_first()
        .context("there are hospitals")?;
    train_for(stage, number, &last.model)?;
    let round_id = scene.open(number)?;
    let evidence_tamper_refused = scene.tampered_evidence(&round_id, victim)?;
    let stranger_refused = match &victim.registry {
        Some(_) => Some(scene.stranger(&round_id, victim)?),
        None => None,
    };
    let (twin, others) = others.split_last().context("there are several hospitals")?;
    let false_abort_refused = scene.false_abort(&round_id, number, victim, others, twin)?;
    Ok(Attacks {
        evidence_tamper_refused,
        false_abort_refused,
        stranger_refused,
        log: scene.log,
    })
}

struct Scene<'a> {
    stage: &'a Stage<'a>,
    base_file: &'a Path,
    receipt: &'a Path,
    log: Vec<(String, String)>,
}

impl Scene<'_> {
    fn open(&self, number: usize) -> Result<String> {
        let stage = self.stage;
        let opened = stage.consortium.open_round(
            stage.programs,
            &stage.servers.url(),
            stage.options,
            number,
            self.base_file,
            Some(self.receipt),
        )?;
        text(&opened, "round_id")
    }

    fn contribute(&self, hospital: &Hospital, url: &str, round_id: &str) -> Result<Answer> {
        let target = ("--round", round_id);
        let update = update_file(hospital);
        hospital.contribute(self.stage.programs, url, target, self.base_file, &update)
    }

    fn note(&mut self, tried: &str, answer: &Answer) {
        let said = match answer.code {
            0 => "accepted".to_owned(),
            _ => {
                let reason = answer.reason();
                // The client goes on to say what can be done about it.
                let sentence = reason.split_once(". ").map_or(&*reason, |(first, _)| first);
                format!("refused: {sentence}")
            }
        };
        self.log.push((tried.to_owned(), said));
    }

    /// One bit of the evidence flipped on the way; then the same without.
    fn tampered_evidence(&mut self, round_id: &str, victim: &Hospital) -> Result<bool> {
        let servers = self.stage.servers;
        let wire = Proxy::start(servers.parent, Behaviour::FlipsABitOfTheEvidence)?;
        let tampered = self.contribute(victim, &wire.url(), round_id)?;
        self.note("an offer with one bit of its evidence flipped", &tampered);
        let honest = self.contribute(victim, &servers.url(), round_id)?;
        self.note("the same offer as the enclave made it", &honest);
        Ok(tampered.is_refusal("evidence_rejected") && honest.code == 0)
    }

    /// A key that no authority vouched for, in a registry of its holder's own making.
    fn stranger(&mut self, round_id: &str, member: &Hospital) -> Result<bool> {
        let stage = self.stage;
        let stranger = registry::stranger(stage.programs, stage.folder, member)?;
        std::fs::copy(update_file(member), update_file(&stranger))?;
        let refused = self.contribute(&stranger, &stage.servers.url(), round_id)?;
        self.note("a contribution of somebody in no registry", &refused);
        Ok(refused.is_refusal("other_registry"))
    }

    /// The parent closes the round, takes the sum, and says that it was aborted; then it
    /// opens two more on the same base model, to get a sum that differs by one client.
    fn false_abort(
        &mut self,
        round_id: &str,
        number: usize,
        victim: &Hospital,
        others: &[Hospital],
        twin: &Hospital,
    ) -> Result<bool> {
        let stage = self.stage;
        let url = stage.servers.url();
        let joined = in_parallel(others, |other| self.contribute(other, &url, round_id))?;
        let joined = joined.iter().all(|answer| answer.code == 0);
        self.parent_says("round close", round_id)?;
        let liar = Behaviour::AnnouncesAnAbort(round_id.parse().context("a RoundId")?);
        let liar = Proxy::start(stage.servers.parent, liar)?;
        let refund = victim.refund(stage.programs, &liar.url(), round_id)?;
        self.note("a forged abort receipt, to free the spent round", &refund);
        let same_number = self.open(number)?;
        let again = self.contribute(victim, &liar.url(), &same_number)?;
        self.note("a second round of the same number and base model", &again);
        let next_number = self.open(number + 1)?;
        let renumbered = self.contribute(victim, &liar.url(), &next_number)?;
        self.note(
            "a second round of another number on the same base model",
            &renumbered,
        );
        let refused = refund.is_refusal("proof_invalid")
            && again.is_refusal("spent_before")
            && renumbered.is_refusal("spent_before");
        Ok(joined && refused && self.twin_goes_through(twin, &same_number, &next_number)?)
    }

    /// A hospital that had not spent the round may join the second one; once that is truly
    /// aborted, the proof frees what it spent, and it may join the third.
    fn twin_goes_through(&mut self, twin: &Hospital, second: &str, third: &str) -> Result<bool> {
        let stage = self.stage;
        let url = stage.servers.url();
        let joins = self.contribute(twin, &url, second)?;
        self.note(
            "the second round, to a hospital that was not in the first",
            &joins,
        );
        self.parent_says("round abort", second)?;
        let freed = twin.refund(stage.programs, &url, second)?;
        self.note("the enclave's own abort receipt for it", &freed);
        let rejoins = self.contribute(twin, &url, third)?;
        self.note("then the third round", &rejoins);
        self.parent_says("round abort", third)?;
        Ok([joins, freed, rejoins]
            .iter()
            .all(|answer| answer.code == 0))
    }

    fn parent_says(&self, command: &str, round_id: &str) -> Result<()> {
        let stage = self.stage;
        let command = Arguments::new(command)
            .option("--parent", stage.servers.url())
            .word(round_id);
        stage.programs.done(&command)?;
        Ok(())
    }
}

fn train_for(stage: &Stage<'_>, number: usize, base: &Model) -> Result<()> {
    stage.train(number, base)?;
    Ok(())
}

/// Verifies each round's receipt from its archive alone. A receipt beside another round's
/// evidence has to be refused, or verifying means nothing.
pub(super) fn receipts(stage: &Stage<'_>, rounds: &[Released]) -> Result<Vec<bool>> {
    let auditor = stage
        .consortium
        .hospitals
        .first()
        .context("there are hospitals")?;
    let places: Vec<_> = (0..rounds.len()).collect();
    in_parallel(&places, |place| {
        let round = &rounds[*place];
        let [receipt, evidence, aggregate] =
            ["receipt.cbor", "evidence.cbor", "aggregate.bin"].map(|file| round.archive.join(file));
        let own = auditor.verify_receipt(stage.programs, &receipt, &evidence, &aggregate)?;
        let other = &rounds[(place + 1) % rounds.len()];
        let swapped = other.round_id == round.round_id || {
            let evidence = other.archive.join("evidence.cbor");
            auditor
                .verify_receipt(stage.programs, &receipt, &evidence, &aggregate)?
                .is_refusal("receipt_invalid")
        };
        Ok(own.code == 0 && swapped && round.receipts_agree)
    })
}
