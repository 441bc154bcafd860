//! Headers on their way into a `presum` round: those that wait for the link go in together.
//!
//! Whoever gets the link speaks for all that wait. So batches grow with the load, and an upload
//! that comes alone waits for nobody.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use sealsum_protocol::messages::{ContributeMany, HEADERS_LIMIT};
use sealsum_protocol::{Acceptance, Command, ContributionHeader, Refusal, Reply, Signed};
use tokio::sync::oneshot;

use super::Round;
use crate::enclave_link::{LinkError, Session};
use crate::rounds::Rounds;

type Outcome = Result<Signed<Acceptance>, LinkError>;

/// A round's headers that nobody has said to the enclave yet, oldest first.
#[derive(Default)]
pub(super) struct WaitingHeaders(Mutex<VecDeque<Waiting>>);

struct Waiting {
    header: ContributionHeader,
    outcome: oneshot::Sender<Outcome>,
}

impl WaitingHeaders {
    fn join(&self, header: ContributionHeader) -> oneshot::Receiver<Outcome> {
        let (outcome, heard) = oneshot::channel();
        self.queue().push_back(Waiting { header, outcome });
        heard
    }

    /// The oldest, as many as go in at once. Who has given up is left out.
    fn next_batch(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.outcome.is_closed());
        let count = queue.len().min(HEADERS_LIMIT);
        queue.drain(..count).collect()
    }

    /// Held for moments only, never across an await.
    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// The enclave's word on a header, said by whoever has the link first.
    pub(super) async fn contribute(&self, round: &Round, header: &ContributionHeader) -> Outcome {
        let mut heard = round.waiting.join(header.clone());
        loop {
            let session = tokio::select! {
                biased;
                outcome = &mut heard => {
                    // Who spoke for this header was stopped in the middle.
                    let stopped = || LinkError::Broken(io::ErrorKind::ConnectionAborted.into());
                    return outcome.unwrap_or_else(|_| Err(stopped()));
                }
                session = self.link.session() => session?,
            };
            speak_for_all(round, session).await;
        }
    }
}

/// Says the next batch and passes the enclave's words on, before anyone else has the link.
async fn speak_for_all(round: &Round, mut session: Session<'_>) {
    let batch = round.waiting.next_batch();
    if batch.is_empty() {
        return session.finish();
    }
    let headers = batch.iter().map(|waiting| waiting.header.clone().into());
    let command = Command::ContributeMany(Box::new(ContributeMany {
        round_id: round.id,
        headers: headers.collect(),
    }));
    let said = session.ask(&command, Vec::new(), round.boundary()).await;
    let was_whole = matches!(said, Ok(_) | Err(LinkError::Refused(_)));
    let verdicts = said.and_then(|answer| match answer.reply {
        Reply::Verdicts(verdicts) if verdicts.len() == batch.len() => Ok(verdicts),
        _ => Err(LinkError::OutOfPlace("contribute_many")),
    });
    match verdicts {
        Ok(verdicts) => {
            for (Waiting { header, outcome }, verdict) in batch.into_iter().zip(verdicts) {
                // Who no longer listens finds its acceptance when it asks again.
                let _ = outcome.send(verdict.of(&header).map_err(LinkError::Refused));
            }
        }
        Err(error) => {
            let error = of_each(error);
            for waiting in batch {
                let _ = waiting.outcome.send(Err(error.for_another()));
            }
        }
    }
    if was_whole {
        session.finish();
    }
}

/// What a refusal of the whole says of each: that there is no such round or that it is not
/// collecting holds for all; that the command can't be read says nothing about any header, and is no
/// reason to forget one.
fn of_each(error: LinkError) -> LinkError {
    match error {
        LinkError::Refused(Refusal::Malformed) => LinkError::OutOfPlace("contribute_many"),
        error => error,
    }
}
