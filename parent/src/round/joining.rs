//! Nonces on their way into evidence: those of clients that join at about the same time
//! share one attestation, each with its path to the document's nonce.
//!
//! A client that comes alone waits for [`Gathering::alone`]. While clients keep coming, documents are
//! made a quarter of the time, however many the clients are: a security module takes milliseconds for each, one at
//! a time, and the enclave has other things to do. What a document takes is measured, so that nobody waits
//! for a slow module where there is a fast one; no client waits for longer than [`Gathering::interval`].

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealsum_protocol::messages::Attest;
use sealsum_protocol::nonce::{NoncePath, gather};
use sealsum_protocol::{ClientNonce, Command, Digest, Reply};
use serde_bytes::ByteBuf;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Round, RoundError};
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;

/// How long nonces are gathered.
#[derive(Clone, Copy, Debug)]
pub struct Gathering {
    /// After the first nonce, in any case.
    pub alone: Duration,
    /// Between the beginnings of two attestations for one round, at most.
    pub interval: Duration,
}

impl Gathering {
    /// From the beginning of an attestation to the next one's, if the last one is known to have
    /// taken so long.
    fn pause(self, took: Option<Duration>) -> Duration {
        let share = took.map(|took| took.saturating_mul(SHARE));
        share.map_or(self.interval, |share| share.min(self.interval))
    }
}

/// Fresh evidence for one client.
pub(crate) struct Fresh {
    pub(crate) document: ByteBuf,
    pub(crate) path: NoncePath,
}

type Outcome = Result<Fresh, LinkError>;

/// A round's nonces that no document has yet, in the order they came.
#[derive(Default)]
pub(super) struct WaitingNonces(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether someone is about to take what waits.
    gathering: bool,
    last_begun: Option<Instant>,
    last_took: Option<Duration>,
}

struct Waiting {
    nonce: ClientNonce,
    outcome: oneshot::Sender<Outcome>,
}

impl WaitingNonces {
    /// Whoever is told a time is to take the batch then.
    fn join(
        &self,
        nonce: ClientNonce,
        gathering: Gathering,
    ) -> (oneshot::Receiver<Outcome>, Option<Instant>) {
        let (outcome, heard) = oneshot::channel();
        let mut queue = self.queue();
        queue.waiting.push(Waiting { nonce, outcome });
        if std::mem::replace(&mut queue.gathering, true) {
            return (heard, None);
        }
        let alone = Instant::now() + gathering.alone;
        let pause = gathering.pause(queue.last_took);
        let after_last = queue.last_begun.map(|begun| begun + pause);
        (
            heard,
            Some(after_last.map_or(alone, |after| after.max(alone))),
        )
    }

    /// All that wait, but for those who have given up.
    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        queue.gathering = false;
        queue.last_begun = Some(Instant::now());
        let mut batch = std::mem::take(&mut queue.waiting);
        batch.retain(|waiting| !waiting.outcome.is_closed());
        batch
    }

    fn took(&self, time: Duration) {
        self.queue().last_took = Some(time);
    }

    /// Held for moments only, never across an await.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// Evidence with this nonce in it, among those of others that join now.
    pub(crate) async fn fresh_evidence(
        self: &Arc<Self>,
        round: &Arc<Round>,
        nonce: ClientNonce,
    ) -> Result<Fresh, RoundError> {
        let (heard, take_at) = round.joining.join(nonce, self.limits.gathering);
        if let Some(take_at) = take_at {
            let (rounds, round) = (Arc::clone(self), Arc::clone(round));
            // Apart from this request: others count on it, whether or not it is given up.
            tokio::spawn(async move {
                tokio::time::sleep_until(take_at).await;
                rounds.attest_for_all(&round).await;
            });
        }
        let stopped = || LinkError::Broken(io::ErrorKind::ConnectionAborted.into());
        match heard.await.unwrap_or_else(|_| Err(stopped())) {
            Ok(fresh) => Ok(fresh),
            Err(error) => Err(self.judge(round, error).await),
        }
    }

    async fn attest_for_all(&self, round: &Round) {
        let batch = round.joining.take();
        let nonces: Vec<_> = batch.iter().map(|waiting| waiting.nonce).collect();
        if nonces.is_empty() {
            return;
        }
        let (document_nonce, paths) = gather(&nonces);
        match self.ask_to_attest(round, Digest::new(document_nonce)).await {
            Ok(document) => {
                self.metrics.joined(batch.len());
                for (Waiting { outcome, .. }, path) in batch.into_iter().zip(paths) {
                    let document = document.clone();
                    // Who no longer listens asks again, with another nonce.
                    let _ = outcome.send(Ok(Fresh { document, path }));
                }
            }
            Err(error) => {
                for waiting in batch {
                    let _ = waiting.outcome.send(Err(error.for_another()));
                }
            }
        }
    }

    /// An attestation document for the round, with this nonce in it.
    pub(super) async fn ask_to_attest(
        &self,
        round: &Round,
        nonce: Digest,
    ) -> Result<ByteBuf, LinkError> {
        let command = Command::Attest(Attest {
            round_id: round.id,
            nonce,
        });
        let begun = Instant::now();
        let answer = self.link.ask(&command, Vec::new(), round.boundary()).await;
        match answer?.reply {
            Reply::Evidence(evidence) => {
                round.joining.took(begun.elapsed());
                self.metrics.attested();
                Ok(evidence.document)
            }
            _ => Err(LinkError::OutOfPlace("attest")),
        }
    }
}

/// An attestation takes one part in so many of the time.
const SHARE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const GATHERING: Gathering = Gathering {
        alone: MINUTE,
        interval: Duration::from_secs(60 * 60),
    };

    /// When the batch is taken that begins after one that took so long, from that one's beginning.
    fn next_after(took: Option<Duration>) -> Duration {
        let waiting = WaitingNonces::default();
        waiting.queue().last_begun = Some(Instant::now());
        let begun = waiting.queue().last_begun.unwrap();
        if let Some(took) = took {
            waiting.took(took);
        }
        let (_, take_at) = waiting.join(ClientNonce::new([1; 32]), GATHERING);
        take_at.unwrap() - begun
    }

    #[test]
    fn documents_are_made_a_quarter_of_the_time_and_no_client_waits_longer_than_the_interval() {
        for (took, next) in [
            (Some(5 * MINUTE), 20 * MINUTE),
            (Some(14 * MINUTE), 56 * MINUTE),
            (Some(16 * MINUTE), 60 * MINUTE),
            (Some(Duration::MAX), 60 * MINUTE),
            (None, 60 * MINUTE),
        ] {
            assert_eq!(next_after(took), next, "{took:?}");
        }
        // After a quick one it is as if each came alone.
        assert!(next_after(Some(Duration::ZERO)) >= MINUTE);
    }

    #[test]
    fn who_comes_while_others_gather_goes_with_them() {
        let waiting = WaitingNonces::default();
        let (_first, take_at) = waiting.join(ClientNonce::new([1; 32]), GATHERING);
        assert!(take_at.is_some());
        let (_second, take_at) = waiting.join(ClientNonce::new([2; 32]), GATHERING);
        assert!(take_at.is_none());
        assert_eq!(waiting.take().len(), 2);
    }
}
