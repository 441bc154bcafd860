//! A real enclave process that a test speaks to itself, with no parent between.

use sealsum_testkit::SocketLink;
use tempfile::TempDir;

use crate::Enclave;

/// A mock enclave in a folder of its own. Dropping it ends it.
pub struct Target {
    /// The process.
    pub enclave: Enclave,
    _folder: TempDir,
}

impl Target {
    /// Starts one with flags.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            enclave: Enclave::start(folder.path(), flags),
            _folder: folder,
        }
    }

    /// A new connection to it.
    #[must_use]
    pub fn link(&self) -> SocketLink {
        SocketLink::connect(&self.enclave.address)
    }
}
