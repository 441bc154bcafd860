//! Hostile bytes for whatever reads them from strangers: one function per target, that takes any
//! bytes and panics if something does not hold which must.
//!
//! It decides nothing about evidence. Each target states the rules once more, plainly and with
//! other libraries than the code that it watches (`restated`), and compares. libFuzzer drives the
//! functions (`fuzz_targets`, with a nightly compiler); plain tests run them over the inputs kept
//! in `corpus` and over those of `seeds`.

mod choices;
mod document;
mod eif;
mod eif_made;
mod restated;
mod round;
mod seeds;
mod signed;
mod verifier;

pub use document::document;
pub use eif::eif;
pub use eif_made::eif_made;
pub use seeds::Seed;
pub use signed::signed;
pub use verifier::verifier;

/// Something to fuzz.
pub struct Target {
    /// Its name: of its file in `fuzz_targets` and of its folder in `corpus`.
    pub name: &'static str,
    /// What must hold for any input. It says what became of the input.
    pub body: fn(&[u8]) -> &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Seed>,
}

/// Every target.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "document",
        body: document,
        seeds: seeds::document,
    },
    Target {
        name: "verifier",
        body: verifier,
        seeds: seeds::verifier,
    },
    Target {
        name: "signed",
        body: signed,
        seeds: seeds::signed,
    },
    Target {
        name: "eif",
        body: eif,
        seeds: seeds::eif,
    },
    Target {
        name: "eif_made",
        body: eif_made,
        seeds: seeds::eif_made,
    },
];
