//! Watching the enclave, which never speaks first: a round that it aborted by itself has
//! its receipt fetched while the enclave is still there, and one whose enclave is gone
//! is lost.
//!
//! Aborted and lost differ by a proof. An abort receipt frees the clients' ledgers, so
//! it is looked for as long as there is anyone to ask; silence proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::messages::{Phase, Status};
use sealsum_protocol::{Command, Reply};
use tokio::time::Instant;

use super::{Round, RoundError};
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;

/// What asking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Whoever answered is an enclave, whatever it said.
    Answer,
    /// Nobody is there, or it does not answer in time.
    Silence,
    /// Nobody was asked: the round is over, or the link is in use.
    Nothing,
}

impl Round {
    /// Whether the enclave is further than the storage, which was put back to an earlier state: nobody can
    /// end this round here while that enclave lives.
    pub(crate) fn is_rolled_back(&self) -> bool {
        self.rolled_back.load(Ordering::Relaxed) && self.is_in_progress()
    }
}

impl Rounds {
    /// Takes note that the enclave has released a round, and the storage does not know.
    pub(super) fn rolled_back(&self, round: &Round) -> RoundError {
        // In storage that parents share it may be this parent that is behind, its lease run out.
        if !self.are_shared() && !round.rolled_back.swap(true, Ordering::Relaxed) {
            tracing::error!(
                round_id = %round.id,
                "the enclave has released this round, and the storage does not know: it was put back to an earlier state, and nothing that is scheduled there opens; put the newer one back, which has the aggregate"
            );
        }
        RoundError::RolledBack
    }

    /// Looks after the rounds in progress for as long as the parent runs.
    pub(crate) async fn watch(self: &Arc<Self>) {
        let mut silent_since = None;
        loop {
            tokio::time::sleep(self.limits.watch).await;
            self.kept_uploads.sweep();
            let asked_at = Instant::now();
            match self.look_around().await {
                Heard::Answer => silent_since = None,
                Heard::Silence => {
                    silent_since.get_or_insert(asked_at);
                }
                Heard::Nothing => {}
            }
            if silent_since.is_some_and(|since| since.elapsed() >= self.limits.lost_after) {
                tracing::warn!("the enclave has been silent for too long and is given up");
                self.lose_all().await;
                silent_since = None;
            }
        }
    }

    /// Asks about each round in progress, until nobody answers.
    async fn look_around(self: &Arc<Self>) -> Heard {
        let mut heard = Heard::Nothing;
        for round in self.list() {
            match self.refresh(&round).await {
                Heard::Answer => heard = Heard::Answer,
                Heard::Silence => return Heard::Silence,
                Heard::Nothing => {}
            }
        }
        match heard {
            Heard::Nothing => self.knock().await,
            heard => heard,
        }
    }

    /// With no round to ask about, asks whether anyone is there: who is to open the next round
    /// is told before.
    pub(crate) async fn knock(&self) -> Heard {
        let Some(mut session) = self.link.session_if_free() else {
            return Heard::Nothing;
        };
        match session
            .ask(&Command::Describe, Vec::new(), &AtomicU64::new(0))
            .await
        {
            Err(error) if error.is_silence() => Heard::Silence,
            _ => {
                session.finish();
                Heard::Answer
            }
        }
    }

    /// Asks the enclave for the round's phase if the link is free; else what is known stands.
    pub(crate) async fn refresh(self: &Arc<Self>, round: &Arc<Round>) -> Heard {
        if !round.is_in_progress() {
            return Heard::Nothing;
        }
        let Some(mut session) = self.link.session_if_free() else {
            return Heard::Nothing;
        };
        let command = Command::Status(Status { round_id: round.id });
        // Not on the round's account, which would grow with time alone.
        let answer = session
            .ask(&command, Vec::new(), &AtomicU64::new(0))
            .await
            .map(|answer| answer.reply);
        if matches!(answer, Ok(_) | Err(LinkError::Refused(_))) {
            session.finish();
        } else {
            drop(session);
        }
        match answer {
            Ok(Reply::Status(status)) => self.note(round, status.phase).await,
            Ok(_) => {}
            Err(error) => {
                let silence = error.is_silence();
                self.judge(round, error).await;
                if silence {
                    return Heard::Silence;
                }
            }
        }
        Heard::Answer
    }

    async fn note(self: &Arc<Self>, round: &Arc<Round>, phase: Phase) {
        match phase {
            Phase::Lost => self.lose(round).await,
            Phase::Aborted => {
                if let Err(error) = self.abort(round).await {
                    tracing::warn!(round_id = %round.id, %error, "the enclave aborted the round, its receipt is still to be fetched");
                }
            }
            // Here it enters releasing before the enclave can have released it.
            Phase::Released if round.phase() == Phase::Collecting => {
                self.rolled_back(round);
            }
            Phase::Collecting | Phase::Releasing | Phase::Released => {}
        }
    }

    async fn lose_all(&self) {
        for round in self.list() {
            self.lose(&round).await;
        }
    }
}
