//! Commands by name, for counts.

use sealsum_protocol::Command;

pub(super) const fn name(command: &Command) -> &'static str {
    match command {
        Command::Describe => "describe",
        Command::OpenRound(_) => "open_round",
        Command::Attest(_) => "attest",
        Command::Contribute(_) => "contribute",
        Command::ContributeMany(_) => "contribute_many",
        Command::StageBlock(_) => "stage_block",
        Command::Close(_) => "close",
        Command::ReleaseBlock(_) => "release_block",
        Command::Finish(_) => "finish",
        Command::Acknowledge(_) => "acknowledge",
        Command::Abort(_) => "abort",
        Command::Status(_) => "status",
    }
}
