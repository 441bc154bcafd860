//! A round's states. Each is a type; a transition consumes the one and gives the other.

pub(crate) mod collecting;
pub(crate) mod ended;
pub(crate) mod releasing;

pub(crate) use ended::Ended;

use sealsum_protocol::messages::{Close, Closed, Phase, RoundStatus};
use sealsum_protocol::receipt::{AbortReceipt, Receipt};
use sealsum_protocol::{Refusal, Signed};

use collecting::Collecting;
use releasing::Releasing;

/// A round in whichever state it is.
pub(crate) enum Round {
    Collecting(Box<Collecting>),
    Releasing(Box<Releasing>),
    Ended(Ended),
}

impl Round {
    pub(crate) fn collecting(&mut self) -> Result<&mut Collecting, Refusal> {
        match self {
            Self::Collecting(collecting) => Ok(collecting),
            other => Err(other.wrong_phase()),
        }
    }

    pub(crate) fn releasing(&mut self) -> Result<&mut Releasing, Refusal> {
        match self {
            Self::Releasing(releasing) => Ok(releasing),
            other => Err(other.wrong_phase()),
        }
    }

    pub(crate) fn close(self, close: Close, now: u64) -> (Self, Result<Closed, Refusal>) {
        match self {
            Self::Collecting(collecting) => match collecting.check_close(&close) {
                Ok(cohort) => {
                    let releasing = collecting.close(&cohort, close, now);
                    let closed = releasing.closed();
                    (Self::Releasing(Box::new(releasing)), Ok(closed))
                }
                Err(refusal) => (Self::Collecting(collecting), Err(refusal)),
            },
            Self::Releasing(releasing) => {
                let outcome = releasing.close_again(&close);
                (Self::Releasing(releasing), outcome)
            }
            Self::Ended(_) => self.refuse_phase(),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<Signed<Receipt>, Refusal> {
        match self {
            Self::Releasing(releasing) => releasing.finish(),
            Self::Ended(Ended::Released(receipt)) => Ok(receipt.as_ref().clone()),
            other => Err(other.wrong_phase()),
        }
    }

    pub(crate) fn acknowledge(self) -> (Self, Result<(), Refusal>) {
        match self {
            Self::Releasing(releasing) => match releasing.acknowledge() {
                Ok(ended) => (Self::Ended(ended), Ok(())),
                Err((releasing, refusal)) => (Self::Releasing(releasing), Err(refusal)),
            },
            Self::Ended(Ended::Released(_)) => (self, Ok(())),
            other => other.refuse_phase(),
        }
    }

    pub(crate) fn abort(self) -> (Self, Result<Signed<AbortReceipt>, Refusal>) {
        match self {
            Self::Collecting(collecting) => {
                let receipt = collecting.abort();
                (Self::Ended(Ended::Aborted(receipt.clone())), Ok(receipt))
            }
            Self::Releasing(releasing) => match releasing.abort() {
                Ok(receipt) => (Self::Ended(Ended::Aborted(receipt.clone())), Ok(receipt)),
                Err(releasing) => Self::Releasing(releasing).refuse_phase(),
            },
            Self::Ended(Ended::Aborted(ref receipt)) => {
                let receipt = receipt.clone();
                (self, Ok(receipt))
            }
            other => other.refuse_phase(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    pub(crate) fn is_overdue(&self, now: u64) -> bool {
        matches!(self, Self::Releasing(releasing) if releasing.is_overdue(now))
    }

    pub(crate) fn status(&self) -> RoundStatus {
        let contributions = match self {
            Self::Collecting(collecting) => collecting.contributions(),
            Self::Releasing(releasing) => releasing.closed().cohort_size,
            Self::Ended(ended) => ended.contributions(),
        };
        RoundStatus {
            phase: self.phase(),
            contributions,
        }
    }

    fn phase(&self) -> Phase {
        match self {
            Self::Collecting(_) => Phase::Collecting,
            Self::Releasing(_) => Phase::Releasing,
            Self::Ended(ended) => ended.phase(),
        }
    }

    fn wrong_phase(&self) -> Refusal {
        Refusal::WrongPhase {
            phase: self.phase(),
        }
    }

    fn refuse_phase<T>(self) -> (Self, Result<T, Refusal>) {
        let refusal = self.wrong_phase();
        (self, Err(refusal))
    }
}
