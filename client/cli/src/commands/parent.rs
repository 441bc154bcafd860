//! `--parent` and `--patience`: whom a command asks, and for how long.

use core::time::Duration;
use std::io::IsTerminal as _;

use clap::Args;
use indicatif::ProgressBar;
use sealsum_client::{Parent, Patience};

use crate::failure::Failure;

/// The parent that a command asks, again and again while it is away or busy.
#[derive(Args)]
pub(super) struct PatientParent {
    /// The parent's URL
    #[arg(long, value_name = "URL")]
    parent: String,
    /// Seconds to go on trying while the parent is away or busy; 0 is one try
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
}

impl PatientParent {
    /// The parent; nothing is asked of it yet. Each wait is told beside `bar`, if somebody is there.
    pub(super) fn named(&self, bar: &ProgressBar, json: bool) -> Result<Parent, Failure> {
        let mut patience = Patience::new(Duration::from_secs(self.patience));
        if !json && std::io::stderr().is_terminal() {
            let bar = bar.clone();
            patience = patience.telling(move |error, pause| {
                let seconds = pause.as_secs_f64();
                bar.suspend(|| eprintln!("{error}\ntrying again in {seconds:.1} s"));
            });
        }
        Ok(Parent::new(&self.parent)?.with_patience(patience))
    }
}

/// A parent that is asked once, for commands that somebody watches.
pub(super) fn impatient(url: &str) -> Result<Parent, Failure> {
    Ok(Parent::new(url)?.with_patience(Patience::new(Duration::ZERO)))
}
