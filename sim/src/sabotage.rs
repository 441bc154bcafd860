//! Enclaves that are broken on purpose, to see that the simulation notices.

use sealsum_protocol::messages::Closed;
use sealsum_protocol::{Refusal, Reply};

/// How the enclaves' answers are falsified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Not at all.
    None,
    /// One bit of every released block is another.
    WrongSum,
    /// A cohort below the minimum is closed all the same.
    NoFloor,
    /// A burned id is told to try again.
    ForgetsBurns,
    /// Who is in no registry gets in.
    AdmitsStrangers,
    /// A site's ledger is put back to what it was before each contribution.
    RestoresLedgers,
    /// The parent's disk is empty after a restart.
    ParentForgets,
}

impl Sabotage {
    pub(crate) fn tamper(self, (reply, mut body): (Reply, Vec<u8>)) -> (Reply, Vec<u8>) {
        let reply = match (self, reply) {
            (Self::NoFloor, Reply::Refused(Refusal::CohortTooSmall { size, .. })) => {
                Reply::Closed(Closed {
                    cohort_size: size,
                    blocks: 1,
                })
            }
            (Self::AdmitsStrangers, Reply::Refused(Refusal::Credential)) => {
                Reply::Refused(Refusal::Busy)
            }
            (Self::ForgetsBurns, Reply::Refused(Refusal::Burned)) => Reply::Refused(Refusal::Busy),
            (Self::WrongSum, reply @ Reply::Released(_)) => {
                if let Some(byte) = body.first_mut() {
                    *byte ^= 1;
                }
                reply
            }
            (_, reply) => reply,
        };
        (reply, body)
    }
}
