//! Rounds in their order, newest last, a page at a time.
//!
//! A place in the list is a round's number and id, which never change, and not a count: whatever
//! ends, goes or comes between two pages, none is told twice and none that stays is left out.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{RoundId, TaskName};
use serde::{Serialize, Serializer};

use crate::round::Round;
use crate::rounds::Rounds;

/// What is asked for.
pub(crate) struct Wanted {
    pub(crate) task: Option<TaskName>,
    pub(crate) phase: Option<Phase>,
    /// At least 1.
    pub(crate) limit: usize,
    pub(crate) after: Option<Place>,
}

impl Wanted {
    fn is_met_by(&self, round: &Round) -> bool {
        let of_task = |task: &TaskName| round.terms().task == *task;
        self.task.as_ref().is_none_or(of_task)
            && self.phase.is_none_or(|phase| round.phase() == phase)
    }
}

/// Some rounds, and where to go on if there are more.
pub(crate) struct Page {
    pub(crate) rounds: Vec<Arc<Round>>,
    pub(crate) next: Option<Place>,
}

/// A round's place in the list, whether or not the round is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    sequence: u64,
    round_id: RoundId,
}

impl Place {
    fn of(round: &Arc<Round>) -> Self {
        Self {
            sequence: round.sequence(),
            round_id: round.id(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.round_id)
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (sequence, round_id) = text.split_once('-').ok_or(NoPlace)?;
        Ok(Self {
            sequence: sequence.parse().map_err(|_| NoPlace)?,
            round_id: round_id.parse().map_err(|_| NoPlace)?,
        })
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place in the list of rounds")]
pub(crate) struct NoPlace;

impl Rounds {
    /// A page of all rounds, this parent's and others'.
    pub(crate) fn page(&self, wanted: &Wanted) -> Page {
        let after = wanted.after.map(|place| (place.sequence, place.round_id));
        let one_more = wanted.limit + 1;
        let mut rounds = self.behind(after, one_more, |round| wanted.is_met_by(round));
        let others = self.at_neighbours().into_iter();
        rounds.extend(
            others.filter(|round| wanted.after < Some(Place::of(round)) && wanted.is_met_by(round)),
        );
        rounds.sort_by_key(Place::of);
        // One that changes hands may be in both for a moment.
        rounds.dedup_by_key(|round| round.id());
        let is_last = rounds.len() <= wanted.limit;
        rounds.truncate(wanted.limit);
        let next = rounds.last().map(Place::of).filter(|_| !is_last);
        Page { rounds, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let place = Place {
            sequence: 18,
            round_id: RoundId::new([0xab; 32]),
        };
        let text = place.to_string();
        assert_eq!(text.parse(), Ok(place));
        for none in ["", "18", "18-", &text[2..], &text[..60], "x-y"] {
            assert_eq!(none.parse::<Place>(), Err(NoPlace), "{none}");
        }
    }

    #[test]
    fn places_are_in_the_order_of_numbers_first() {
        let place = |sequence, id| Place {
            sequence,
            round_id: RoundId::new([id; 32]),
        };
        assert!(place(2, 9) < place(10, 1) && place(10, 1) < place(10, 2));
    }
}
