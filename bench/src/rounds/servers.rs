//! Mock enclave and parent as they are shipped, as processes in a folder that goes with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::process::Process;
use crate::setup::Setup;

/// Both, running. Dropped in this order, the parent first.
pub(crate) struct Servers {
    pub(crate) parent: Process,
    pub(crate) enclave: Process,
    folder: TempDir,
}

/// How to start them.
pub(crate) struct Start<'a> {
    /// Where their folder is made.
    pub(crate) within: &'a Path,
    /// The most address space that the enclave gets, in bytes: none by default.
    pub(crate) enclave_memory: Option<u64>,
}

impl Servers {
    pub(crate) fn start(setup: &Setup) -> Result<Self> {
        let within = &setup.scratch;
        Self::start_as(
            setup,
            &Start {
                within,
                enclave_memory: None,
            },
        )
    }

    pub(crate) fn start_as(setup: &Setup, start: &Start<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(start.within)
            .with_context(|| format!("a folder in {}", start.within.display()))?;
        let path = |name: &str| folder.path().join(name);
        let mut enclave = held_to(
            start.enclave_memory,
            &setup.programs.join("sealsum-mock-enclave"),
        );
        enclave.args(["--listen", "tcp:127.0.0.1:0", "--write-policy"]);
        enclave.arg(path(APPRAISAL));
        let enclave = Process::start(enclave, &path("enclave.log"))?;
        let mut parent = Command::new(setup.programs.join("sealsum-parent"));
        parent
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(path("parent"))
            .args(["--enclave", enclave.listening()])
            .env("RUST_LOG", "warn");
        let parent = Process::start(parent, &path("parent.log"))?;
        Ok(Self {
            parent,
            enclave,
            folder,
        })
    }

    /// The parent's URL.
    pub(crate) fn url(&self) -> &str {
        self.parent.listening()
    }

    /// A file or folder beside theirs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A program that gets so much memory and no more, counted as what it may write to.
fn held_to(bytes: Option<u64>, program: &Path) -> Command {
    match bytes {
        None => Command::new(program),
        Some(bytes) => {
            let mut limited = Command::new("prlimit");
            limited
                .arg(format!("--data={bytes}"))
                .arg("--")
                .arg(program);
            limited
        }
    }
}

/// The appraisal policy that accepts this enclave, beside the others' files.
pub(crate) const APPRAISAL: &str = "appraisal.toml";
