//! One federated round: train, mask, drop out, release, and compare with plain averaging.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::consortium::{CLIP, Consortium, FLOOR, Hospital, TASK};
use super::model::{DIMENSION, Model, plain_average};
use super::programs::{Programs, in_parallel};
use super::proxy::{Behaviour, Proxy};
use super::random::Random;
use super::servers::Servers;
use super::{Options, npy};

/// A released round, and what came of it.
pub(super) struct Released {
    pub(super) round_id: String,
    pub(super) joined: usize,
    pub(super) dropped: usize,
    pub(super) accuracy: f64,
    pub(super) plain_accuracy: f64,
    pub(super) max_abs_diff: f64,
    /// All who were in found themselves in the receipt, and those left out did not.
    pub(super) receipts_agree: bool,
    /// Folder with receipt, evidence and packed aggregate.
    pub(super) archive: PathBuf,
    pub(super) ring_bits: u8,
    pub(super) model: Model,
}

/// One hospital's upload of the first round, as it lay on the wire.
pub(super) struct Tapped {
    /// Header and packed masked update.
    pub(super) upload: Vec<u8>,
    pub(super) update: Vec<f64>,
    pub(super) weight: u32,
}

/// The stage on which rounds run.
pub(super) struct Stage<'a> {
    pub(super) programs: &'a Programs,
    pub(super) servers: &'a Servers,
    pub(super) consortium: &'a Consortium,
    pub(super) options: &'a Options,
    pub(super) folder: &'a Path,
}

impl Stage<'_> {
    /// Runs round `number` from `base` to its release; in round 1, the wire of the first
    /// hospital that joins is tapped.
    pub(super) fn round(
        &self,
        number: usize,
        base: &Model,
        previous: Option<&Released>,
    ) -> Result<(Released, Option<Tapped>)> {
        let archive = self.folder.join(format!("round-{number}"));
        fs::create_dir_all(&archive)?;
        let base_file = archive.join("base.npy");
        npy::write(&base_file, &base.0)?;
        let url = self.servers.url();
        let receipt = previous.map(|round| round.archive.join("receipt.cbor"));
        let opened = self.consortium.open_round(
            self.programs,
            &url,
            self.options,
            number,
            &base_file,
            receipt.as_deref(),
        )?;
        let round_id = text(&opened, "round_id")?;
        let updates = self.train(number, base)?;
        let (joining, leaving) = self.who_drops_out(number);
        let tapped = self.contribute(number, &joining, &updates, &base_file)?;
        if let Some(unlucky) = leaving.first() {
            self.break_off(unlucky, &updates, &base_file)?;
        }
        self.close(&url, &round_id, joining.len())?;
        let joined: Vec<_> = joining
            .iter()
            .map(|hospital| (hospital.weight(), updates[hospital.number].clone()))
            .collect();
        let (aggregate, receipts_agree) = self.collect(&round_id, &joining)?;
        self.archive(&archive, &round_id)?;
        let plain = plain_average(&joined);
        let differences = aggregate.iter().zip(&plain).map(|(a, b)| (a - b).abs());
        let model = base.moved(&aggregate);
        let held_out = &self.consortium.held_out;
        Ok((
            Released {
                round_id,
                joined: joining.len(),
                dropped: leaving.len(),
                accuracy: model.accuracy(held_out),
                plain_accuracy: base.moved(&plain).accuracy(held_out),
                max_abs_diff: differences.fold(0.0, f64::max),
                receipts_agree,
                archive,
                ring_bits: u8::try_from(opened["ring_bits"].as_u64().unwrap_or(0))?,
                model,
            },
            tapped,
        ))
    }

    /// Every hospital trains on its own images and writes its update down.
    pub(super) fn train(&self, number: usize, base: &Model) -> Result<Vec<Vec<f64>>> {
        in_parallel(&self.consortium.hospitals, |hospital| {
            let seed = (number * 1000 + hospital.number) as u64;
            let update = base.train(&hospital.examples, seed, CLIP);
            npy::write(&update_file(hospital), &update)?;
            Ok(update)
        })
    }

    /// At random, but so that enough remain; without a dropout nobody leaves.
    fn who_drops_out(&self, number: usize) -> (Vec<&Hospital>, Vec<&Hospital>) {
        let mut order: Vec<_> = self.consortium.hospitals.iter().collect();
        let mut random = Random::new(number as u64);
        random.shuffle(&mut order);
        let wanted = (self.options.dropout * order.len() as f64).round() as usize;
        let wanted = wanted.max(usize::from(self.options.dropout > 0.0));
        let joining = order.split_off(wanted.min(order.len().saturating_sub(FLOOR)));
        (joining, order)
    }

    fn contribute(
        &self,
        number: usize,
        joining: &[&Hospital],
        updates: &[Vec<f64>],
        base_file: &Path,
    ) -> Result<Option<Tapped>> {
        let url = self.servers.url();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let tap = Behaviour::Listens(Arc::clone(&kept));
        let tap = Proxy::start(self.servers.parent, tap)?;
        let answers = in_parallel(joining, |hospital| {
            let is_tapped = number == 1 && hospital.number == joining[0].number;
            let through = if is_tapped { tap.url() } else { url.clone() };
            let target = ("--task", TASK);
            let file = update_file(hospital);
            hospital.contribute(self.programs, &through, target, base_file, &file)
        })?;
        for (hospital, answer) in joining.iter().zip(&answers) {
            let clamped = answer.json["clamped"].as_u64();
            ensure!(
                answer.code == 0 && clamped == Some(0) && answer.json["trust"] == "mock",
                "hospital {} could not contribute: {} {}",
                hospital.number,
                answer.reason(),
                answer.json
            );
        }
        let upload = kept.lock().ok().and_then(|mut uploads| uploads.pop());
        Ok(upload.map(|upload| Tapped {
            upload,
            update: updates[joining[0].number].clone(),
            weight: joining[0].weight(),
        }))
    }

    /// One of those who drop out does so in the middle of its upload.
    fn break_off(&self, hospital: &Hospital, updates: &[Vec<f64>], base_file: &Path) -> Result<()> {
        ensure!(
            updates[hospital.number].len() == DIMENSION,
            "an update is too short"
        );
        let wire = Proxy::start(self.servers.parent, Behaviour::BreaksUploads)?;
        let target = ("--task", TASK);
        let file = update_file(hospital);
        let once = hospital.contribution(&wire.url(), target, base_file, &file);
        let answer = self.programs.sealsum(&once.option("--patience", 0))?;
        ensure!(
            answer.code == 3,
            "a broken upload should ask to be tried again: {}",
            answer.reason()
        );
        Ok(())
    }

    fn close(&self, url: &str, round_id: &str, joined: usize) -> Result<()> {
        let close = super::programs::Arguments::new("round close")
            .option("--parent", url)
            .word(round_id);
        let closed = self.programs.done(&close)?;
        ensure!(
            closed["phase"] == "released" && closed["cohort_size"] == joined,
            "{joined} hospitals joined, and the parent says: {closed}"
        );
        Ok(())
    }

    /// Everybody fetches the aggregate, also those who were left out.
    fn collect(&self, round_id: &str, joining: &[&Hospital]) -> Result<(Vec<f64>, bool)> {
        let url = self.servers.url();
        let agree = in_parallel(&self.consortium.hospitals, |hospital| {
            let said = hospital.collect(self.programs, &url, round_id)?;
            let is_in = joining
                .iter()
                .any(|joined| joined.number == hospital.number);
            Ok(said["receipt_ok"] == true
                && said["trust"] == "mock"
                && (said["own_contribution"] == "in") == is_in
                && said["cohort_size"] == joining.len())
        })?;
        let aggregates = in_parallel(&self.consortium.hospitals, |hospital| {
            npy::read(&hospital.aggregate(), DIMENSION)
        })?;
        let first = aggregates.first().context("there are hospitals")?;
        let same = aggregates.iter().all(|aggregate| aggregate == first);
        Ok((first.clone(), same && agree.iter().all(|agree| *agree)))
    }

    /// Keeps what an auditor needs of the round.
    fn archive(&self, archive: &Path, round_id: &str) -> Result<()> {
        let someone = self
            .consortium
            .hospitals
            .first()
            .context("there are hospitals")?;
        for file in ["receipt.cbor", "evidence.cbor"] {
            fs::copy(someone.folder.join(file), archive.join(file))?;
        }
        let path = format!("/v1/rounds/{round_id}/aggregate");
        let packed = crate::http::fetch(self.servers.parent, &path)?;
        fs::write(archive.join("aggregate.bin"), packed)?;
        Ok(())
    }
}

/// Where a hospital keeps its update.
pub(super) fn update_file(hospital: &Hospital) -> PathBuf {
    hospital.folder.join("update.npy")
}

/// A field of JSON that has to be text.
pub(super) fn text(json: &Value, field: &str) -> Result<String> {
    let value = json[field].as_str();
    Ok(value
        .with_context(|| format!("no {field} in {json}"))?
        .to_owned())
}
