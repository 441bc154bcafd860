//! The enclave's commands and replies. Each has its own file; each is one frame.
//!
//! A frame's head is the canonical encoding of a [`Command`] or [`Reply`]; blocks
//! travel as the frame's raw body.

mod abort;
mod attest;
mod close;
mod contribute;
mod contribute_many;
mod describe;
mod finish;
mod open_round;
mod release;

pub use abort::Abort;
pub use attest::{Attest, Evidence};
pub use close::{Close, Closed, EXCLUSION_LIMIT};
pub use contribute::{Contribute, StageBlock, Staging};
pub use contribute_many::{ContributeMany, HEADERS_LIMIT, RoundlessHeader, Verdict};
pub use describe::{Description, Phase, RoundStatus, Status};
pub use finish::{Acknowledge, Finish};
pub use open_round::{OpenRound, Opened};
pub use release::{ReleaseBlock, ReleasedBlock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::canonical::{self, DecodeError};
use crate::frame::Frame;
use crate::receipt::{AbortReceipt, Acceptance, Receipt};
use crate::refusal::Refusal;
use crate::signature::Signed;

/// What the parent asks of the enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// What are you?
    Describe,
    /// Open a round.
    OpenRound(Box<OpenRound>),
    /// Give evidence for an open round.
    Attest(Attest),
    /// Take a contribution (`presum`), or begin staging one (`stream`).
    Contribute(Box<Contribute>),
    /// Take several contributions; in `presum` only.
    ContributeMany(Box<ContributeMany>),
    /// The next block of the staged contribution; the body is the block.
    StageBlock(StageBlock),
    /// Fix the cohort.
    Close(Close),
    /// Release one block; in `presum` the body is the summed block.
    ReleaseBlock(ReleaseBlock),
    /// Give the receipt, all blocks being out.
    Finish(Finish),
    /// The receipt is stored: erase.
    Acknowledge(Acknowledge),
    /// End a collecting round with nothing released.
    Abort(Abort),
    /// Where is a round?
    Status(Status),
}

/// What the enclave answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Command::Describe`].
    Description(Description),
    /// To [`Command::OpenRound`].
    Opened(Box<Opened>),
    /// To [`Command::Attest`].
    Evidence(Evidence),
    /// To [`Command::Contribute`] in `stream`, and to every block but the last.
    Staging(Staging),
    /// The contribution is in.
    Accepted(Signed<Acceptance>),
    /// To [`Command::ContributeMany`]: one for each header, in their order.
    Verdicts(Vec<Verdict>),
    /// To [`Command::Close`].
    Closed(Closed),
    /// To [`Command::ReleaseBlock`]; the body is the aggregate's block.
    Released(ReleasedBlock),
    /// To [`Command::Finish`].
    Receipt(Box<Signed<Receipt>>),
    /// To [`Command::Acknowledge`].
    Acknowledged,
    /// To [`Command::Abort`].
    Aborted(Signed<AbortReceipt>),
    /// To [`Command::Status`].
    Status(RoundStatus),
    /// The command was declined and changed nothing that the refusal does not say.
    Refused(Refusal),
}

/// A message with its raw body, as a frame and back.
pub trait Message: Serialize + DeserializeOwned {
    /// The frame of this message with `body` beside it.
    fn to_frame(&self, body: Vec<u8>) -> Frame {
        Frame {
            head: canonical::encode(self),
            body,
        }
    }

    /// Reads a frame's head.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn from_head(head: &[u8]) -> Result<Self, DecodeError> {
        canonical::decode(head)
    }
}

impl Message for Command {}
impl Message for Reply {}
