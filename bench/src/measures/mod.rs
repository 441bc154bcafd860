//! What is measured, one file for each: its keys with what they promise, and how it is done.

mod big_model;
mod boundary;
mod client;
mod memory;
mod million;
mod packing;
mod parent_add;
mod release;
mod round_vs_plain;
mod unmask;
mod upload;
mod wire;

use anyhow::{Result, ensure};

use crate::figure::{Figure, Key, Outcome};
use crate::setup::Setup;

/// One measurement, of one key or several that come from the same work.
pub struct Measure {
    /// What it gives.
    pub keys: &'static [Key],
    /// Whether it takes minutes and gigabytes.
    pub big: bool,
    run: fn(&Setup) -> Result<Vec<Figure>>,
}

/// Everything that is measured, in this order.
pub const ALL: &[Measure] = &[
    unmask::MEASURE,
    release::MEASURE,
    client::MEASURE,
    packing::MEASURE,
    wire::MEASURE,
    upload::MEASURE,
    parent_add::MEASURE,
    boundary::MEASURE,
    memory::MEASURE,
    round_vs_plain::MEASURE,
    big_model::MEASURE,
    million::MEASURE,
];

/// Every key.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    ALL.iter().flat_map(|measure| measure.keys)
}

/// Measures what gives one of the keys `only`, or everything if there is none. Each key gets a
/// figure; those that were not asked for say so. What failed says why, and the rest goes on.
///
/// # Errors
/// A key that does not exist.
pub fn run(setup: &Setup, only: &[String], say: impl Fn(&str)) -> Result<Vec<Figure>> {
    for name in only {
        let known: Vec<_> = keys().map(|key| key.name).collect();
        ensure!(
            known.contains(&name.as_str()),
            "no key is called {name}; there are: {}",
            known.join(", ")
        );
    }
    let mut figures = Vec::new();
    for measure in ALL {
        let names: Vec<_> = measure.keys.iter().map(|key| key.name).collect();
        let asked = only.is_empty() || only.iter().any(|name| names.contains(&name.as_str()));
        let skipped = |reason| names.iter().map(move |key| Figure::skipped(key, reason));
        if !asked {
            figures.extend(skipped(NOT_ASKED));
        } else if measure.big && !setup.big {
            figures.extend(skipped("takes minutes and gigabytes: measured with --big"));
        } else {
            say(&names.join(", "));
            match (measure.run)(setup) {
                Ok(found) => figures.extend(found),
                Err(error) => figures.extend(names.iter().map(|key| Figure {
                    outcome: Outcome::Failed(format!("{error:#}")),
                    ..Figure::skipped(key, "")
                })),
            }
        }
    }
    Ok(figures)
}

/// Why a key has no figure if others were named.
pub const NOT_ASKED: &str = "not asked for";
