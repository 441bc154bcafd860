//! Failures as scripts see them: an exit code, a stable code, and words.
//!
//! 1: security, or the round, said no. 2: usage or configuration; nothing was asked of anybody, or
//! the input is at fault. 3: unreachable, or in use: try again.

mod library;

use serde_json::{Map, Value};

/// A failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) code: String,
    pub(crate) detail: String,
    /// Further facts for scripts, beside code and detail.
    pub(crate) facts: Map<String, Value>,
}

impl Failure {
    pub(crate) fn refused(code: &str, detail: &dyn ToString) -> Self {
        Self::new(1, code, detail)
    }

    pub(crate) fn configuration(code: &str, detail: &dyn ToString) -> Self {
        Self::new(2, code, detail)
    }

    pub(crate) fn usage(detail: &str) -> Self {
        Self::new(2, "usage", &detail)
    }

    pub(crate) fn try_again(code: &str, detail: &dyn ToString) -> Self {
        Self::new(3, code, detail)
    }

    /// A file that can't be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &dyn std::fmt::Display) -> Self {
        Self::configuration("file", &format!("{}: {error}", path.display()))
    }

    fn new(exit: u8, code: &str, detail: &dyn ToString) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            detail: detail.to_string(),
            facts: Map::new(),
        }
    }

    pub(crate) fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(fact.to_owned(), value.into());
        self
    }

    /// The same failure in the words of the error around it.
    pub(crate) fn worded(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }
}
