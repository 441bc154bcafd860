//! `sealsum round`: the operator's side of a round. The parent's word on a round is not evidence.

mod abort;
mod admission;
mod evidence;
mod list;
mod open;
mod schedule;
mod summary;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sign parameters and open a round under them, now or by schedule
    Open(Box<open::Args>),
    /// List the rounds that a parent keeps, newest last
    List(list::Args),
    /// List the rounds that are to open by themselves
    Schedule(schedule::ListArgs),
    /// Take a scheduled round back before it opens
    Unschedule(schedule::RemoveArgs),
    /// Show how a round stands
    #[command(after_help = STATUS_EXAMPLE)]
    Status(summary::Args),
    /// Close a round and wait until it is released
    #[command(after_help = CLOSE_EXAMPLE)]
    Close(summary::Args),
    /// End a round with nothing released
    Abort(abort::Args),
    /// Save the evidence that was kept of a round
    Evidence(evidence::Args),
}

impl Command {
    pub(crate) async fn run(self, json: bool) -> Result<Report, Failure> {
        match self {
            Self::Open(args) => args.run().await,
            Self::List(args) => args.run().await,
            Self::Schedule(args) => args.run().await,
            Self::Unschedule(args) => args.run().await,
            Self::Status(args) => args.status().await,
            Self::Close(args) => args.close().await,
            Self::Abort(args) => args.run().await,
            Self::Evidence(args) => args.run(json).await,
        }
    }
}

const STATUS_EXAMPLE: &str = "Example:
  sealsum round status --parent http://127.0.0.1:8480 \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
const CLOSE_EXAMPLE: &str = "Example:
  sealsum round close --parent http://127.0.0.1:8480 \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
