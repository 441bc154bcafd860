//! A link that keeps all that passes, for replays and for a search through every answer.

use sealsum_protocol::canonical::encode;
use sealsum_protocol::{Command, Reply};

use super::Spoken;
use crate::{Link, SeededRng};

/// A recording link.
pub struct Tape<L> {
    link: L,
    said: Vec<Spoken>,
    answered: Vec<(Reply, Vec<u8>)>,
}

impl<L: Link> Tape<L> {
    /// Records what passes over `link`.
    #[must_use]
    pub const fn new(link: L) -> Self {
        Self {
            link,
            said: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// What was said, in order.
    #[must_use]
    pub fn said(&self) -> Vec<Spoken> {
        self.said.clone()
    }

    /// Every answer, in order: the encoded reply, the words of a refusal, the body.
    #[must_use]
    pub fn answers(&self) -> Vec<Vec<u8>> {
        let parts = |(reply, body): &(Reply, Vec<u8>)| {
            let words = match reply {
                Reply::Refused(refusal) => format!("{refusal} {refusal:?} {}", refusal.code()),
                other => format!("{other:?}"),
            };
            [encode(reply), words.into_bytes(), body.clone()]
        };
        self.answered.iter().flat_map(parts).collect()
    }

    /// The link itself, past the recording.
    pub const fn link(&mut self) -> &mut L {
        &mut self.link
    }
}

impl<L: Link> Link for Tape<L> {
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>) {
        self.said.push(Spoken {
            command: command.clone(),
            body: body.to_vec(),
        });
        let answer = self.link.call(command, body);
        self.answered.push(answer.clone());
        answer
    }
}

/// The same commands in an order that `seed` names.
#[must_use]
pub fn shuffled(mut said: Vec<Spoken>, seed: u64) -> Vec<Spoken> {
    let mut rng = SeededRng::new(seed);
    for last in (1..said.len()).rev() {
        let other = rng.below(last as u64 + 1);
        said.swap(last, usize::try_from(other).unwrap());
    }
    said
}

/// Every command twice in a row.
#[must_use]
pub fn doubled(said: &[Spoken]) -> Vec<Spoken> {
    said.iter()
        .flat_map(|spoken| [spoken.clone(), spoken.clone()])
        .collect()
}
