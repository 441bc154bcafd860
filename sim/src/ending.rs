//! Closing and releasing.

use sealsum_protocol::messages::{Acknowledge, Close, Finish, ReleaseBlock};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{ClientId, Cohort, Command, Digest, Intake, Receipt, Reply, Signed};
use sealsum_testkit::{ScriptedParent, UncheckedClient};

use crate::model::{CloseFacts, ModelRound};
use crate::op::CloseAs;
use crate::world::{Step, World, agree, text};

/// What the parent closed a round with.
pub(crate) struct Closed {
    pub(crate) parent: ScriptedParent,
    pub(crate) cohort: Cohort,
    pub(crate) members: Vec<(ClientId, Digest)>,
    /// The model as it was then, for its sum.
    pub(crate) model: ModelRound,
}

impl World {
    pub(crate) fn close(&mut self, round: usize, how: CloseAs) -> Step {
        let real = &self.rounds[round];
        let presum = real.terms().intake == Intake::Presum;
        // A body that the parent could not check or lost: named as excluded, in presum.
        let mut excluded = Vec::new();
        let mut kept = Vec::new();
        for place in &real.accepted {
            let sent = &self.pool[*place];
            let sound = sent.contribution.body.len() as u64
                == real.binding.params.params.layout().total_bytes()
                && sent.facts.body != Err(sealsum_protocol::Refusal::Padding)
                && sent.facts.body != Err(sealsum_protocol::Refusal::CommitmentMismatch);
            if presum && (!sound || (how == CloseAs::ExcludingOne && excluded.is_empty())) {
                excluded.push(sent.facts.client);
            } else {
                kept.push(*place);
            }
        }
        if how == CloseAs::ExcludingStranger {
            excluded.push(UncheckedClient::new(99).id());
        }
        if how == CloseAs::WithoutOne {
            kept.pop();
        }
        excluded.sort_unstable();
        let parent = ScriptedParent {
            binding: real.binding.clone(),
            accepted: kept
                .iter()
                .map(|place| self.pool[*place].contribution.clone())
                .collect(),
        };
        let members: Vec<_> = kept
            .iter()
            .map(|place| {
                (
                    self.pool[*place].facts.client,
                    self.pool[*place].facts.digest,
                )
            })
            .collect();
        let mut close = Close {
            excluded,
            ..parent.honest_close()
        };
        if how == CloseAs::WrongIntake {
            close.sum_root = match close.sum_root {
                None => Some(Digest::new([1; 32])),
                Some(_) => None,
            };
        }
        let facts = CloseFacts {
            cohort: members.iter().copied().collect(),
            names_a_sum: close.sum_root.is_some(),
            excluded: close.excluded.clone(),
        };
        let now = self.now;
        let expected = self.expect(round, |model| model.close(&facts, now));
        let (reply, _) = self.say(round, 0, Command::Close(close), &[]);
        agree("close", expected, &reply)?;
        if matches!(reply, Reply::Closed(_)) && self.rounds[round].closed.is_none() {
            let model = self.model(round).ok_or("a close of a round that is gone")?;
            let model = model.clone();
            self.rounds[round].closed = Some(Closed {
                model,
                parent,
                cohort: members.iter().copied().collect(),
                members,
            });
        }
        Ok(())
    }

    pub(crate) fn release(&mut self, round: usize, block: u8, lie: bool) -> Step {
        let real = &self.rounds[round];
        let round_id = real.binding.round_id();
        let layout = real.binding.params.params.layout();
        let index = u64::from(block) % (layout.blocks() + 1);
        let presum = real.terms().intake == Intake::Presum;
        let (path, mut body) = match &real.closed {
            Some(closed) if presum => {
                let place = usize::try_from(index).map_err(text)?;
                let sum = closed.parent.masked_sum();
                (
                    closed
                        .parent
                        .sum_commitment()
                        .path(index)
                        .unwrap_or_default(),
                    sum.get(place).map(pack).unwrap_or_default(),
                )
            }
            _ => (Vec::new(), Vec::new()),
        };
        if lie {
            match body.first_mut() {
                Some(byte) => *byte ^= 1,
                None => body.push(0),
            }
        }
        let expected = self.expect(round, |model| model.release(index, lie));
        let command = Command::ReleaseBlock(ReleaseBlock {
            round_id,
            index,
            path,
        });
        let (reply, aggregate) = self.say(round, 0, command, &body);
        agree("release", expected, &reply)?;
        if matches!(reply, Reply::Released(_)) {
            return self.came_out(round, index, aggregate);
        }
        Ok(())
    }

    /// A block of the aggregate is out: it has to be the plain sum, and one that may come out.
    pub(crate) fn came_out(&mut self, round: usize, index: u64, aggregate: Vec<u8>) -> Step {
        let layout = self.rounds[round].binding.params.params.layout();
        let elements = layout.elements(index).ok_or("a block beyond the last")?;
        let found = unpack(&aggregate, layout.bits(), elements).map_err(text)?;
        let model = self.model(round).ok_or("a block of a round that is gone")?;
        let first = index * 16_384;
        for (i, found) in (first..).zip(found.signed()) {
            let expected = model.sum(i);
            if expected != found {
                return Err(format!(
                    "the sum at {i}: expected {expected}, found {found}"
                ));
            }
        }
        let terms = self.rounds[round].terms();
        let task = (terms.task.clone(), terms.base_model);
        let closed = self.rounds[round]
            .closed
            .as_ref()
            .ok_or("a block before any close")?;
        let honest = |client: &ClientId| self.houses.site_of(client).is_some();
        let minimum = terms.min_cohort;
        self.watch
            .block(round, &task, &closed.members, minimum, honest)?;
        self.rounds[round].blocks.insert(index, aggregate);
        Ok(())
    }

    pub(crate) fn finish(&mut self, round: usize) -> Step {
        let round_id = self.rounds[round].binding.round_id();
        let expected = self.expect(round, ModelRound::finish);
        let (reply, _) = self.say(round, 0, Command::Finish(Finish { round_id }), &[]);
        agree("finish", expected, &reply)?;
        match reply {
            Reply::Receipt(receipt) => self.got_receipt(round, *receipt),
            _ => Ok(()),
        }
    }

    /// A receipt is out: it has to be about what Close fixed.
    pub(crate) fn got_receipt(&mut self, round: usize, receipt: Signed<Receipt>) -> Step {
        let round_id = self.rounds[round].binding.round_id();
        {
            let real = &mut self.rounds[round];
            let said = receipt
                .verify(&real.binding.receipt_key, &round_id)
                .map_err(text)?;
            let closed = real.closed.as_ref().ok_or("a receipt before any close")?;
            if said.cohort_root != closed.cohort.root()
                || u64::from(said.cohort_size) != closed.cohort.size()
                || said.total_weight != closed.cohort.size()
            {
                return Err("the receipt is not about the cohort that Close fixed".to_owned());
            }
            self.watch.receipt(round, &receipt)?;
            real.receipt = Some(receipt);
        }
        Ok(())
    }

    pub(crate) fn acknowledge(&mut self, round: usize) -> Step {
        let round_id = self.rounds[round].binding.round_id();
        let expected = self.expect(round, ModelRound::acknowledge);
        let (reply, _) = self.say(
            round,
            0,
            Command::Acknowledge(Acknowledge { round_id }),
            &[],
        );
        agree("acknowledge", expected, &reply)
    }
}
