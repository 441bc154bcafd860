//! One command as a value: whoever relays it can say it again, or bend it first.

use sealsum_protocol::messages::{Contribute, Message as _, StageBlock};
use sealsum_protocol::{ClientId, Command, Reply, RoundId};

use crate::{Contribution, Link, ScriptedParent};

/// A command and the body beside it.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// The command.
    pub command: Command,
    /// The frame's body.
    pub body: Vec<u8>,
}

impl Spoken {
    /// A command without a body.
    #[must_use]
    pub const fn bare(command: Command) -> Self {
        Self {
            command,
            body: Vec::new(),
        }
    }

    /// Says it.
    pub fn say(&self, link: &mut impl Link) -> (Reply, Vec<u8>) {
        link.call(self.command.clone(), &self.body)
    }

    /// The same about another round.
    #[must_use]
    pub fn about(mut self, round_id: RoundId) -> Self {
        if let Some(named) = round_of(&mut self.command) {
            *named = round_id;
        }
        self
    }

    /// The same in another client's name, if it is in anyone's.
    #[must_use]
    pub fn in_the_name_of(mut self, client: ClientId) -> Self {
        match &mut self.command {
            Command::Contribute(contribute) => contribute.header.client = client,
            Command::ContributeMany(many) => {
                for header in &mut many.headers {
                    let mut renamed = header.clone().in_round(many.round_id);
                    renamed.client = client;
                    *header = renamed.into();
                }
            }
            Command::StageBlock(block) => block.client = client,
            _ => {}
        }
        self
    }

    /// The same with the body's last byte left out.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        self.body.pop();
        self
    }

    /// Its frame, to be cut as bytes.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        self.command.to_frame(self.body.clone()).encode().unwrap()
    }
}

impl ScriptedParent {
    /// All that an honest parent says to relay a contribution, to be said in parts, out of
    /// order, or not at all.
    #[must_use]
    pub fn spoken(&self, contribution: &Contribution) -> Vec<Spoken> {
        let header = contribution.header.clone();
        let (round_id, client) = (header.round_id, header.client);
        let mut spoken = vec![Spoken::bare(Command::Contribute(Box::new(Contribute {
            header,
        })))];
        if self.terms().intake == sealsum_protocol::Intake::Stream {
            let blocks = (0..).zip(contribution.blocks(self.layout()));
            spoken.extend(blocks.map(|(index, block)| Spoken {
                command: Command::StageBlock(StageBlock {
                    round_id,
                    client,
                    index,
                }),
                body: block.to_vec(),
            }));
        }
        spoken
    }
}

fn round_of(command: &mut Command) -> Option<&mut RoundId> {
    match command {
        Command::Describe | Command::OpenRound(_) => None,
        Command::Attest(attest) => Some(&mut attest.round_id),
        Command::Contribute(contribute) => Some(&mut contribute.header.round_id),
        Command::ContributeMany(many) => Some(&mut many.round_id),
        Command::StageBlock(block) => Some(&mut block.round_id),
        Command::Close(close) => Some(&mut close.round_id),
        Command::ReleaseBlock(block) => Some(&mut block.round_id),
        Command::Finish(finish) => Some(&mut finish.round_id),
        Command::Acknowledge(acknowledge) => Some(&mut acknowledge.round_id),
        Command::Abort(abort) => Some(&mut abort.round_id),
        Command::Status(status) => Some(&mut status.round_id),
    }
}
