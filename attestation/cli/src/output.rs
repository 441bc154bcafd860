//! What reaches stdout and stderr: with `--json` exactly one JSON object on stdout, otherwise text.
//!
//! Much of the text comes from files that strangers wrote. Control characters in it, which a terminal
//! obeys, are shown and not sent.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use sealsum_attestation::Trust;
use serde_json::{Value, json};

use crate::failure::Failure;

/// A command's result, in both forms.
pub(crate) struct Report {
    json: Value,
    text: String,
    exit: u8,
}

impl Report {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self {
            json,
            text: text.into(),
            exit: 0,
        }
    }

    /// The same, for a verdict that is no.
    pub(crate) fn rejected(mut self) -> Self {
        self.exit = 1;
        self
    }
}

/// What a verdict is worth, on a line of its own.
pub(crate) fn trust_line(trust: Trust) -> String {
    if trust.is_mock() {
        format!("trust      {trust}: NOTHING IS PROTECTED")
    } else {
        format!("trust      {trust}")
    }
}

/// Prints a result. A reader that went away is no failure of the command, which is done; a disk
/// that took nothing is one of whoever relies on what it should hold.
pub(crate) fn print(report: &Report, json: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let written = if json {
        writeln!(out, "{}", report.json)
    } else {
        writeln!(out, "{}", harmless(report.text.trim_end()))
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(
                std::io::stderr(),
                "sealsum-attest: done, but the result could not be written to stdout: {error}"
            );
            ExitCode::from(UNWRITTEN)
        }
        _ => ExitCode::from(report.exit),
    }
}

/// Prints a failure, and gives its exit code.
pub(crate) fn fail(failure: &Failure, json: bool) -> ExitCode {
    if json {
        let error = json!({ "code": failure.code, "detail": failure.detail });
        let _ = writeln!(std::io::stdout(), "{}", json!({ "error": error }));
    } else {
        let detail = harmless(&failure.detail);
        let _ = writeln!(std::io::stderr(), "sealsum-attest: {detail}");
    }
    ExitCode::from(failure.exit)
}

fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            harmless.extend(character.escape_default());
        } else {
            harmless.push(character);
        }
    }
    harmless
}

/// As for a file that can't be written.
const UNWRITTEN: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(
            harmless("a\u{1b}[2J\r\u{9b}31m\tb\nc"),
            "a\\u{1b}[2J\\r\\u{9b}31m\tb\nc"
        );
    }
}
