//! Headers on their way into a `presum` round: those that wait for the link go in together.
//!
//! Whoever gets the link speaks for all that wait. So batches grow with the load, and an upload
//! that comes alone waits for nobody.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealsum_protocol::messages::{ContributeMany, HEADERS_LIMIT, Verdict};
use sealsum_protocol::{
    Acceptance, Admission, Command, ContributionHeader, Refusal, Reply, Signed, UpperNodes,
};
use tokio::sync::oneshot;

use super::Round;
use crate::enclave_link::{LinkError, Session};
use crate::rounds::Rounds;

type Outcome = Result<Signed<Acceptance>, LinkError>;

/// A round's headers that nobody has said to the enclave yet.
pub(super) struct WaitingHeaders {
    /// Oldest first.
    queue: Mutex<VecDeque<Waiting>>,
    /// What of the registry the enclave was shown: need not be said again.
    shown: Mutex<UpperNodes>,
}

struct Waiting {
    header: ContributionHeader,
    /// Whether the enclave did not take it with less than its whole path.
    whole: bool,
    outcome: oneshot::Sender<Outcome>,
}

impl WaitingHeaders {
    pub(super) fn new(admission: &Admission) -> Self {
        Self {
            queue: Mutex::default(),
            shown: Mutex::new(UpperNodes::of(admission)),
        }
    }

    fn join(&self, header: ContributionHeader) -> oneshot::Receiver<Outcome> {
        let (outcome, heard) = oneshot::channel();
        self.queue().push_back(Waiting {
            header,
            whole: false,
            outcome,
        });
        heard
    }

    /// The oldest, as many as go in at once. Who has given up is left out.
    fn next_batch(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.outcome.is_closed());
        let count = queue.len().min(HEADERS_LIMIT);
        queue.drain(..count).collect()
    }

    /// Of a round that has ended: nothing more is said of it.
    pub(super) fn forget_shown(&self) {
        self.shown().forget();
    }

    /// What the enclave has to be told of it.
    fn untold(&self, waiting: &Waiting) -> ContributionHeader {
        let mut header = waiting.header.clone();
        if let Some(credential) = header.credential.as_mut().filter(|_| !waiting.whole) {
            self.shown().shorten(credential);
        }
        header
    }

    /// The enclave's word on one of them: passed on, unless the header is to be said again.
    fn hear(&self, waiting: Waiting, said: &ContributionHeader, verdict: Verdict) {
        match (&verdict, &waiting.header.credential) {
            (Verdict::Accepted(_), Some(verified)) => self.shown().learn(verified),
            // The enclave was shown less than this parent thought. Whole, it can be judged.
            (Verdict::Refused(Refusal::Credential), whole) if said.credential != *whole => {
                self.shown().forget();
                let whole = true;
                return self.queue().push_front(Waiting { whole, ..waiting });
            }
            _ => {}
        }
        // Who no longer listens finds its acceptance when it asks again.
        let outcome = verdict.of(&waiting.header).map_err(LinkError::Refused);
        let _ = waiting.outcome.send(outcome);
    }

    /// Held for moments only, never across an await.
    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same.
    fn shown(&self) -> MutexGuard<'_, UpperNodes> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
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
    let headers: Vec<_> = batch.iter().map(|one| round.waiting.untold(one)).collect();
    let command = Command::ContributeMany(Box::new(ContributeMany {
        round_id: round.id,
        headers: headers.iter().cloned().map(Into::into).collect(),
    }));
    let said = session.ask(&command, Vec::new(), round.boundary()).await;
    let was_whole = matches!(said, Ok(_) | Err(LinkError::Refused(_)));
    let verdicts = said.and_then(|answer| match answer.reply {
        Reply::Verdicts(verdicts) if verdicts.len() == batch.len() => Ok(verdicts),
        _ => Err(LinkError::OutOfPlace("contribute_many")),
    });
    match verdicts {
        Ok(verdicts) => {
            for ((waiting, said), verdict) in batch.into_iter().zip(&headers).zip(verdicts) {
                round.waiting.hear(waiting, said, verdict);
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
