//! The same episodes with the parent as it is shipped between clients and enclave.
//!
//! Operations of single frames have no counterpart here; a close is all of closing, releasing and
//! acknowledging. Clients die and parents crash in the middle of requests: what is asked again
//! afterwards has to come to what the model says of asking once.

mod ending;
mod host;
mod socket;
mod taking_part;

use std::time::Duration;

use axum::http::Method;
use sealsum_protocol::messages::Phase;
use sealsum_protocol::{
    ClientNonce, Refusal, RoundBinding, RoundOffer, SignedRoundParams, canonical,
};

use crate::model::{ModelEnclave, ModelRound, Yes};
use crate::op::{Answering, Op};
use crate::sabotage::Sabotage;
use crate::world::{Step, World, text};

pub(crate) use host::{End, Host};
pub(crate) use socket::Socket;

/// Enclave's socket and parent.
pub(crate) struct Hosted {
    // Dropped in this order.
    pub(crate) host: Host,
    pub(crate) socket: Socket,
    /// The next request is cut by a crash.
    armed: bool,
}

impl Hosted {
    pub(crate) fn new(host: Host, socket: Socket) -> Self {
        Self {
            host,
            socket,
            armed: false,
        }
    }
}

impl World {
    pub(crate) fn hosted(&mut self) -> Result<&mut Hosted, String> {
        self.hosted
            .as_mut()
            .ok_or_else(|| "no parent runs".to_owned())
    }

    /// The operation, as far as it has a counterpart.
    pub(crate) fn hosted_step(&mut self, op: Op) -> Step {
        match op {
            Op::Open(open) => self.open(open),
            Op::Seal(client, round) => self.with(round, |w, r| w.part(client, r, true, 0)),
            Op::Send(client, round, _, dies) => {
                self.with(round, |w, r| w.part(client, r, !dies, 0))
            }
            Op::Resume(client, round, answering) => self.with(round, |w, r| {
                let other = i64::from(answering == Answering::OtherUpdate);
                w.part(client, r, answering != Answering::Silence, other)
            }),
            Op::Hostile(kind, round, which, on) => {
                self.with(round, |w, r| w.hostile(kind, r, which, on))
            }
            Op::Replay(which, connection) => self.replay(which, connection),
            Op::Close(round, _) => self.with(round, Self::hosted_close),
            Op::Abort(round) => self.with(round, Self::hosted_abort),
            Op::Refund(client, round, proof) => self.with(round, |w, r| {
                w.hosted_status(r)?;
                w.refund(client, r, proof)
            }),
            Op::Collect(client, round) => self.with(round, |w, r| w.collect(client, r)),
            Op::Drop(..) => {
                self.hosted()?.socket.break_connections();
                Ok(())
            }
            Op::RestartParent(how) => self.restart_parent(how),
            Op::RestartEnclave(_) => {
                self.incarnations += 1;
                let seed = self.seed.wrapping_mul(1_000_003);
                let enclave = self.maker.boot(seed.wrapping_add(self.incarnations))?;
                self.enclaves[0] = enclave.clone();
                self.hosted()?.socket.replace(enclave);
                self.models[0] = ModelEnclave::default();
                Ok(())
            }
            Op::Shutdown(_) => {
                self.enclaves[0].shutdown();
                self.models[0].shutdown();
                Ok(())
            }
            Op::StrayBlock(round, _)
            | Op::Release(round, ..)
            | Op::Finish(round)
            | Op::Acknowledge(round)
            | Op::Status(round) => self.with(round, Self::hosted_status),
            Op::Advance(_) => self.shared_step(op),
        }
    }

    fn restart_parent(&mut self, how: u8) -> Step {
        if self.sabotage == Sabotage::ParentForgets {
            return self.hosted()?.host.forget();
        }
        let hosted = self.hosted()?;
        match how % 4 {
            0 => hosted.host.restart(End::Keeping)?,
            1 => {
                hosted.host.restart(End::Aborting)?;
                for round in 0..self.rounds.len() {
                    if self.collects(round) {
                        self.expect(round, ModelRound::abort).map_err(text)?;
                        // It has the receipt, whatever becomes of the enclave now.
                        self.hosted_status(round)?;
                    }
                }
            }
            2 => hosted.host.restart(End::Crash)?,
            _ => hosted.armed = true,
        }
        Ok(())
    }

    /// Asks, and if a crash is due, first in vain.
    fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), String> {
        if std::mem::take(&mut self.hosted()?.armed) {
            self.figures.crashes += 1;
            let after = Duration::from_micros(self.rng.below(CUT_MICROS));
            let hosted = self.hosted()?;
            hosted
                .host
                .ask_in_vain(method.clone(), path, body.clone(), after)?;
            hosted.host.restart(End::Crash)?;
        }
        self.hosted()?.host.ask(method, path, body)
    }

    /// Opens a round; its binding comes with the first offer.
    pub(crate) fn hosted_open(
        &mut self,
        params: &SignedRoundParams,
    ) -> Result<Result<(RoundBinding, Vec<u8>), String>, String> {
        let (status, body) =
            self.hosted()?
                .host
                .ask(Method::POST, "/v1/rounds", canonical::encode(params))?;
        let said: serde_json::Value = serde_json::from_slice(&body).map_err(text)?;
        if status != 201 {
            return Ok(Err(said["code"].as_str().unwrap_or_default().to_owned()));
        }
        let round_id = said["round_id"].as_str().unwrap_or_default();
        let nonce = ClientNonce::new(self.rng.bytes());
        let path = format!("/v1/rounds/{round_id}/offer?nonce={nonce}");
        let (_, offer) = self.hosted()?.host.ask(Method::GET, &path, Vec::new())?;
        let offer: RoundOffer = canonical::decode(&offer).map_err(text)?;
        Ok(Ok((offer.binding, offer.evidence.into_vec())))
    }

    /// The parent's word on a round, which it has from the enclave or from its end.
    pub(crate) fn hosted_status(&mut self, round: usize) -> Step {
        let end = self.rounds[round].end();
        let expected = match (end, self.expect(round, |model| model.status())) {
            (Some(end), _) => end,
            (None, Ok(Yes::Phase(phase, _))) => phase,
            (None, Err(Refusal::UnknownRound)) => Phase::Lost,
            (None, other) => return Err(format!("the model's status: {other:?}")),
        };
        let path = format!("/v1/rounds/{}", real_id(self, round));
        let over = !matches!(expected, Phase::Collecting | Phase::Releasing);
        let (status, said) = loop {
            let (status, body) = self.ask(Method::GET, &path, Vec::new())?;
            let said: serde_json::Value = serde_json::from_slice(&body).map_err(text)?;
            // A parent that has just started, and whose link is in use, says what it last knew.
            let behind = over && status == 200 && said["phase"] == Phase::Collecting.to_string();
            if !(behind && self.hosted()?.host.is_catching_up()) {
                break (status, said);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if status != 200 || said["phase"] != expected.to_string() {
            return Err(format!(
                "status: expected {expected}, found {status} {said}"
            ));
        }
        self.rounds[round].lost |= expected == Phase::Lost;
        if expected == Phase::Aborted && end.is_none() {
            let (_, receipt) =
                self.hosted()?
                    .host
                    .ask(Method::GET, &(path + "/abort-receipt"), Vec::new())?;
            return self.got_abort(round, &receipt);
        }
        Ok(())
    }
}

fn real_id(world: &World, round: usize) -> sealsum_protocol::RoundId {
    world.rounds[round].binding.round_id()
}

/// The longest that a request runs before its parent crashes.
const CUT_MICROS: u64 = 4_000;
