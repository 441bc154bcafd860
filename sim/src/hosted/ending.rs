//! Closing and aborting at the shipped parent.

use std::collections::BTreeMap;

use axum::http::Method;
use sealsum_protocol::messages::Phase;
use sealsum_protocol::receipt::{AbortReceipt, Receipt};
use sealsum_protocol::{ClientId, Digest, Intake, Signed, canonical};
use sealsum_testkit::ScriptedParent;

use super::real_id;
use crate::ending::Closed;
use crate::model::{CloseFacts, ModelRound};
use crate::world::{Step, World, text};

impl World {
    pub(super) fn hosted_close(&mut self, round: usize) -> Step {
        self.hosted_status(round)?;
        let before = self.rounds[round].end();
        let real = &self.rounds[round];
        let facts = CloseFacts {
            cohort: self.members(round).into_iter().collect(),
            names_a_sum: real.terms().intake == Intake::Presum,
            excluded: Vec::new(),
        };
        let blocks = real.binding.params.params.layout().blocks();
        let now = self.now;
        let expected = match before {
            Some(phase) => phase == Phase::Released,
            None => self.expect(round, |model| model.close(&facts, now)).is_ok(),
        };
        let path = format!("/v1/rounds/{}/close", real_id(self, round));
        let (status, body) = self.ask(Method::POST, &path, Vec::new())?;
        if (status == 200) != expected {
            return Err(format!(
                "close: expected {expected}, found {status} {}",
                String::from_utf8_lossy(&body)
            ));
        }
        if status != 200 || before.is_some() {
            return Ok(());
        }
        let model = self.model(round).ok_or("a close of a round that is gone")?;
        let model = model.clone();
        let members = self.members(round);
        self.rounds[round].closed = Some(Closed {
            parent: ScriptedParent {
                binding: self.rounds[round].binding.clone(),
                accepted: Vec::new(),
            },
            cohort: members.iter().copied().collect(),
            members,
            model,
        });
        self.released(round, blocks)
    }

    /// The aggregate is out: every block and the receipt.
    fn released(&mut self, round: usize, blocks: u64) -> Step {
        let path = |what: &str| format!("/v1/rounds/{}/{what}", real_id(self, round));
        let (aggregate_path, receipt_path) = (path("aggregate"), path("receipt"));
        let host = &self.hosted()?.host;
        let (_, aggregate) = host.ask(Method::GET, &aggregate_path, Vec::new())?;
        let (_, receipt) = host.ask(Method::GET, &receipt_path, Vec::new())?;
        let receipt: Signed<Receipt> = canonical::decode(&receipt).map_err(text)?;
        let layout = self.rounds[round].binding.params.params.layout();
        let mut rest = aggregate.as_slice();
        for index in 0..blocks {
            self.expect(round, |model| model.release(index, false))
                .map_err(text)?;
            let bytes = layout.bytes(index).unwrap_or(0);
            let (block, others) = rest
                .split_at_checked(bytes)
                .ok_or("an aggregate that is too short")?;
            rest = others;
            self.came_out(round, index, block.to_vec())?;
        }
        self.expect(round, ModelRound::finish).map_err(text)?;
        self.got_receipt(round, receipt)?;
        self.expect(round, ModelRound::acknowledge).map_err(text)?;
        Ok(())
    }

    pub(super) fn hosted_abort(&mut self, round: usize) -> Step {
        self.hosted_status(round)?;
        let expected = match self.rounds[round].end() {
            Some(phase) => phase == Phase::Aborted,
            None => self.expect(round, ModelRound::abort).is_ok(),
        };
        let path = format!("/v1/rounds/{}/abort", real_id(self, round));
        let (status, body) = self.ask(Method::POST, &path, Vec::new())?;
        if (status == 200) != expected {
            return Err(format!(
                "abort: expected {expected}, found {status} {}",
                String::from_utf8_lossy(&body)
            ));
        }
        if status == 200 {
            return self.got_abort(round, &body);
        }
        Ok(())
    }

    pub(super) fn got_abort(&mut self, round: usize, receipt: &[u8]) -> Step {
        let receipt: Signed<AbortReceipt> = canonical::decode(receipt).map_err(text)?;
        let binding = &self.rounds[round].binding;
        receipt
            .verify(&binding.receipt_key, &binding.round_id())
            .map_err(text)?;
        self.watch.aborted(round)?;
        self.rounds[round].abort = Some(receipt);
        Ok(())
    }

    fn members(&self, round: usize) -> Vec<(ClientId, Digest)> {
        let accepted = self.rounds[round].accepted.iter();
        let facts = accepted.map(|place| &self.pool[*place].facts);
        let members: BTreeMap<_, _> = facts.map(|facts| (facts.client, facts.digest)).collect();
        members.into_iter().collect()
    }
}
