//! What a chore prints. A reader that went away is no failure of the chore, which is done; a disk that
//! took nothing is one of whoever relies on what it should hold.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

/// What could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    #[error("the result could not be written to stdout: {0}")]
    Stdout(io::Error),
    #[error("can't write {path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

/// Prints a text as it is.
pub(crate) fn print(text: &dyn Display) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Unwritten::Stdout(error)),
        _ => Ok(()),
    }
}

/// Prints what there is no other copy of: a reader that went away has not got it.
pub(crate) fn hand_over(text: &dyn Display) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(Unwritten::Stdout)
}

/// Prints lines, and ends the last one.
pub(crate) fn say(text: &dyn Display) -> Result<(), Unwritten> {
    print(&format_args!("{text}\n"))
}
