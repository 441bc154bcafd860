//! A way to say commands to an enclave.

use sealsum_protocol::{Command, Refusal, Reply};

/// One connection to an enclave, in this process or another.
pub trait Link {
    /// Says a command with a body; gives reply and body.
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>);

    /// Says a command without a body.
    fn say(&mut self, command: Command) -> Reply {
        self.call(command, &[]).0
    }

    /// Says a command that the enclave is to refuse.
    fn refused(&mut self, command: Command) -> Refusal {
        match self.say(command) {
            Reply::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}
