//! A figure: what was measured, what it was to be, and from how many turns.

use std::collections::BTreeMap;

use serde::Serialize;

/// What is promised of one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in `results.json`.
    pub name: &'static str,
    /// `ratio`, `ms`, `bytes`, ...
    pub unit: &'static str,
    /// What it has to reach, if anything.
    pub goal: Option<Goal>,
    /// What is divided by what, or counted.
    pub what: &'static str,
}

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Good when large.
    AtLeast(f64),
    /// Good when small.
    AtMost(f64),
}

impl Goal {
    /// Whether a value is good.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
        }
    }
}

impl core::fmt::Display for Goal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AtLeast(goal) => write!(f, ">= {goal}"),
            Self::AtMost(goal) => write!(f, "<= {goal}"),
        }
    }
}

/// What one measurement gave for one key.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The key's name.
    pub key: &'static str,
    /// What came out.
    pub outcome: Outcome,
    /// What it is made of, or goes with it: a name that ends in its unit, and a value.
    pub parts: BTreeMap<String, f64>,
    /// How it was measured, where that has to be known to read it.
    pub notes: Vec<String>,
}

/// A value, or why there is none.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The median of some turns; one turn if it was counted and not timed.
    Value(Spread),
    /// Not measured, for a reason that is nobody's fault.
    Skipped(String),
    /// It should have been measured, and something went wrong.
    Failed(String),
}

impl Figure {
    /// A figure whose value is the median of `values`, of which there is one at least.
    #[must_use]
    pub fn of(key: &'static str, values: &[f64]) -> Self {
        Self {
            key,
            outcome: Outcome::Value(Spread::of(values)),
            parts: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// A key without a value.
    #[must_use]
    pub fn skipped(key: &'static str, reason: &str) -> Self {
        Self {
            key,
            outcome: Outcome::Skipped(reason.to_owned()),
            parts: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the median of `values` as a part.
    #[must_use]
    pub fn part(mut self, name: &str, values: &[f64]) -> Self {
        self.parts
            .insert(name.to_owned(), Spread::of(values).median);
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    /// Its value, if it has one.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Value(spread) => Some(spread.median),
            Outcome::Skipped(_) | Outcome::Failed(_) => None,
        }
    }
}

/// The middle of several values, and how far the others are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are below.
    pub median: f64,
    /// A quarter of the values is below.
    pub lower_quartile: f64,
    /// A quarter of the values is above.
    pub upper_quartile: f64,
    /// How many there were.
    pub turns: usize,
}

impl Spread {
    /// Of one value at least; of none, everything is not a number.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            let place = sorted.len().saturating_sub(1) * quarters;
            let (place, rest) = (place / 4, (place % 4) as f64 / 4.0);
            let low = sorted.get(place).copied().unwrap_or(f64::NAN);
            let high = sorted.get(place + 1).copied().unwrap_or(low);
            low + (high - low) * rest
        };
        Self {
            median: at(2),
            lower_quartile: at(1),
            upper_quartile: at(3),
            turns: values.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle_and_quartiles_beside_it() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(
            (spread.lower_quartile, spread.median, spread.upper_quartile),
            (2.0, 3.0, 4.0)
        );
        assert_eq!(Spread::of(&[1.0, 2.0]).median, 1.5);
        assert_eq!(Spread::of(&[7.0]).upper_quartile, 7.0);
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn goals_hold_in_their_own_direction() {
        assert!(Goal::AtLeast(0.8).is_met(0.8) && !Goal::AtLeast(0.8).is_met(0.79));
        assert!(Goal::AtMost(1.3).is_met(1.3) && !Goal::AtMost(1.3).is_met(1.31));
        assert!(!Goal::AtMost(1.3).is_met(f64::NAN));
    }
}
