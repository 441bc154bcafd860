//! What reaches stdout and stderr: with `--json` exactly one JSON object on stdout, otherwise text.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use sealsum_attestation::Trust;
use serde_json::{Value, json};

use crate::failure::Failure;

/// A command's result, in both forms.
pub(crate) struct Report {
    json: Value,
    text: String,
}

impl Report {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self {
            json,
            text: text.into(),
        }
    }

    /// A further fact, and its words.
    pub(crate) fn and(mut self, fact: &str, value: &[String], text: &str) -> Self {
        self.json[fact] = json!(value);
        self.text.push_str(text);
        self
    }
}

/// What a verdict is worth, on a line of its own.
pub(crate) fn trust_line(trust: Trust) -> String {
    if trust.is_mock() {
        format!("trust  {trust}: NOTHING IS PROTECTED")
    } else {
        format!("trust  {trust}")
    }
}

/// A number of things, in English.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// Prints a result. A reader that went away is no failure of the command, which is done; a disk
/// that took nothing is one of whoever relies on what it should hold.
pub(crate) fn print(report: &Report, json: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let written = if json {
        writeln!(out, "{}", report.json)
    } else {
        writeln!(out, "{}", report.text.trim_end())
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(
                std::io::stderr(),
                "sealsum: done, but the result could not be written to stdout: {error}"
            );
            ExitCode::from(UNWRITTEN)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints a failure, and gives its exit code.
pub(crate) fn fail(failure: &Failure, json: bool) -> ExitCode {
    if json {
        let mut error = failure.facts.clone();
        error.insert("code".to_owned(), failure.code.clone().into());
        error.insert("detail".to_owned(), failure.detail.clone().into());
        let _ = writeln!(std::io::stdout(), "{}", json!({ "error": error }));
    } else {
        let _ = writeln!(std::io::stderr(), "sealsum: {}", failure.detail);
    }
    ExitCode::from(failure.exit)
}

/// As for a file that can't be written.
const UNWRITTEN: u8 = 2;
