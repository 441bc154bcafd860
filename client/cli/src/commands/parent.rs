//! `--parent` and what it is reached by, `--patience`: whom a command asks, how, and for how long.

use core::time::Duration;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use sealsum_client::{Parent, Patience, Reach};

use crate::failure::Failure;

/// The parent that a command asks.
#[derive(Args)]
pub(super) struct ParentAddress {
    /// The parent's URL
    #[arg(long, value_name = "URL")]
    parent: String,
    /// PEM certificates of the authority that the parent's certificate is of; without it those that
    /// this system believes
    #[arg(long, value_name = "FILE", env = "SEALSUM_PARENT_AUTHORITY")]
    parent_authority: Option<PathBuf>,
    /// The certificate to show the parent, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "SEALSUM_PARENT_CERTIFICATE",
        requires = "parent_key"
    )]
    parent_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "SEALSUM_PARENT_KEY",
        requires = "parent_certificate"
    )]
    parent_key: Option<PathBuf>,
    /// A file with the token that the parent wants
    #[arg(long, value_name = "FILE", env = "SEALSUM_PARENT_TOKEN_FILE")]
    parent_token_file: Option<PathBuf>,
}

impl ParentAddress {
    fn reached(&self) -> Result<Parent, Failure> {
        let certificate = self.parent_certificate.clone().zip(self.parent_key.clone());
        let reach = Reach {
            authority: self.parent_authority.clone(),
            certificate,
            token: self.parent_token_file.clone(),
        };
        Ok(Parent::reached(&self.parent, &reach)?)
    }

    /// The parent, asked once, for commands that somebody watches.
    pub(super) fn impatient(&self) -> Result<Parent, Failure> {
        Ok(self.reached()?.with_patience(Patience::new(Duration::ZERO)))
    }
}

/// The parent that a command asks, again and again while it is away or busy.
#[derive(Args)]
pub(super) struct PatientParent {
    #[command(flatten)]
    address: ParentAddress,
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
        Ok(self.address.reached()?.with_patience(patience))
    }
}
