//! What a run gave: a file for machines, a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::figure::{Figure, Goal, Key, Outcome};
use crate::machine::Machine;
use crate::measures::{NOT_ASKED, keys};
use crate::setup::Scale;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// Of which source.
    pub commit: String,
    /// When it began, in UTC.
    pub date: String,
    /// `full` or `quick`.
    pub scale: &'static str,
    /// Processes that were kept busy on purpose.
    pub busy_processes: usize,
    /// Load average before the run: one of its own cores busy makes 1.
    pub load_before: [f64; 3],
    /// The same after it.
    pub load_after: [f64; 3],
    /// By key.
    pub figures: BTreeMap<&'static str, Value>,
}

impl Scale {
    /// As it is written down.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Quick => "quick",
            Self::Tiny => "tiny",
        }
    }
}

/// Figures by key, each with what its key promises.
#[must_use]
pub fn by_key(figures: &[Figure]) -> BTreeMap<&'static str, Value> {
    keys()
        .map(|key| {
            let figure = figures.iter().find(|figure| figure.key == key.name);
            (key.name, entry(key, figure))
        })
        .collect()
}

fn entry(key: &Key, figure: Option<&Figure>) -> Value {
    let mut entry = json!({ "unit": key.unit, "goal": key.goal, "what": key.what });
    let Some(figure) = figure else {
        entry["failed"] = "its measurement gave no such figure".into();
        return entry;
    };
    match &figure.outcome {
        Outcome::Value(spread) => {
            entry["value"] = json!(rounded(spread.median));
            entry["met"] = json!(key.goal.map(|goal| goal.is_met(spread.median)));
            entry["quartiles"] = json!([
                rounded(spread.lower_quartile),
                rounded(spread.upper_quartile)
            ]);
            entry["turns"] = json!(spread.turns);
        }
        Outcome::Skipped(reason) => entry["skipped"] = json!(reason),
        Outcome::Failed(reason) => entry["failed"] = json!(reason),
    }
    if !figure.parts.is_empty() {
        let parts = figure.parts.iter().map(|(k, v)| (k.clone(), rounded(*v)));
        entry["parts"] = json!(parts.collect::<BTreeMap<_, _>>());
    }
    if !figure.notes.is_empty() {
        entry["notes"] = json!(figure.notes);
    }
    entry
}

/// The keys whose goal was missed, and those that failed.
#[must_use]
pub fn missed(figures: &[Figure]) -> Vec<&'static str> {
    keys()
        .filter(|key| {
            let figure = figures.iter().find(|figure| figure.key == key.name);
            match figure.map(|figure| &figure.outcome) {
                Some(Outcome::Value(spread)) => !meets(key.goal, spread.median),
                Some(Outcome::Skipped(_)) => false,
                Some(Outcome::Failed(_)) | None => true,
            }
        })
        .map(|key| key.name)
        .collect()
}

/// Whether any measurement failed, goals apart.
#[must_use]
pub fn failed(figures: &[Figure]) -> bool {
    let failed = |figure: &Figure| matches!(figure.outcome, Outcome::Failed(_));
    figures.iter().any(failed)
}

fn meets(goal: Option<Goal>, value: f64) -> bool {
    goal.is_none_or(|goal| goal.is_met(value))
}

/// One line for each key that was asked for.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<38} {:>10} {:<6} {:<10} {:<7} quartiles",
        "key", "value", "unit", "goal", ""
    );
    for key in keys() {
        let figure = figures.iter().find(|figure| figure.key == key.name);
        let goal = key.goal.map_or(String::new(), |goal| goal.to_string());
        let _ = match figure.map(|figure| &figure.outcome) {
            Some(Outcome::Value(spread)) => {
                let verdict = match key.goal {
                    None => "",
                    Some(goal) if goal.is_met(spread.median) => "met",
                    Some(_) => "MISSED",
                };
                writeln!(
                    text,
                    "{:<38} {:>10} {:<6} {goal:<10} {verdict:<7} {} - {} ({})",
                    key.name,
                    rounded(spread.median),
                    key.unit,
                    rounded(spread.lower_quartile),
                    rounded(spread.upper_quartile),
                    spread.turns
                )
            }
            Some(Outcome::Skipped(reason)) if reason == NOT_ASKED => Ok(()),
            Some(Outcome::Skipped(reason)) => {
                writeln!(text, "{:<38} {:>10} {reason}", key.name, "skipped")
            }
            Some(Outcome::Failed(reason)) => {
                writeln!(text, "{:<38} {:>10} {reason}", key.name, "FAILED")
            }
            None => writeln!(text, "{:<38} {:>10}", key.name, "FAILED"),
        };
    }
    text
}

/// Four significant digits at least: more would say more than was measured.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9);
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_an_entry_and_what_is_missing_shows() {
        let figures = [
            Figure::of("unmask_vs_keystream", &[0.7]),
            Figure::of("unmask_two_thread_vs_probe", &[0.95]),
            Figure::skipped("client_vs_limit", "no reason"),
        ];
        let entries = by_key(&figures);
        assert_eq!(entries.len(), keys().count());
        let of = |key: &str| &entries[key];
        assert_eq!(of("unmask_vs_keystream")["met"], false);
        assert_eq!(of("unmask_two_thread_vs_probe")["met"], true);
        assert_eq!(of("client_vs_limit")["skipped"], "no reason");
        assert!(of("pack_vs_memcpy")["failed"].is_string());
        let missed = missed(&figures);
        assert!(missed.contains(&"unmask_vs_keystream") && missed.contains(&"pack_vs_memcpy"));
        assert!(!missed.contains(&"client_vs_limit"));
        assert!(!missed.contains(&"unmask_two_thread_vs_probe"));
        assert!(table(&figures).contains("MISSED"));
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(rounded(0.123_456), 0.123_5);
        assert_eq!(rounded(123_456.7), 123_457.0);
        assert_eq!(rounded(2.376_3), 2.376);
        assert_eq!(rounded(0.0), 0.0);
    }
}
