//! Failures as scripts see them: an exit code, a stable code, and words.
//!
//! 1: a file was refused for what it is. 2: usage or configuration; no verdict was reached.

use std::path::Path;

/// A failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn refused(code: &str, detail: &dyn ToString) -> Self {
        Self::new(1, code, detail)
    }

    pub(crate) fn configuration(code: &str, detail: &dyn ToString) -> Self {
        Self::new(2, code, detail)
    }

    pub(crate) fn usage(detail: &dyn ToString) -> Self {
        Self::new(2, "usage", detail)
    }

    /// A file that can't be read or written.
    pub(crate) fn file(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::configuration("file", &format!("{}: {error}", path.display()))
    }

    /// A file whose content is not what it should be.
    pub(crate) fn content(code: &str, path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::configuration(code, &format!("{}: {error}", path.display()))
    }

    fn new(exit: u8, code: &str, detail: &dyn ToString) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            detail: detail.to_string(),
        }
    }
}
