//! The two servers: the mock enclave and the parent, as processes that end with the demo.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::programs::Programs;
use crate::server::Server;

/// Both servers, running.
pub(crate) struct Servers {
    /// The parent's address.
    pub(crate) parent: SocketAddr,
    /// The appraisal policy that pins this mock.
    pub(crate) appraisal_policy: PathBuf,
    // Dropped in this order: the parent ends before its enclave.
    _parent: Server,
    _enclave: Server,
}

impl Servers {
    /// Starts them, their files below `folder`.
    pub(crate) fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        let appraisal_policy = folder.join("appraisal.toml");
        let mut mock = Command::new(programs.path("sealsum-mock-enclave"));
        mock.args(["--listen", "tcp:127.0.0.1:0", "--state"])
            .arg(folder.join("enclave"))
            .arg("--write-policy")
            .arg(&appraisal_policy);
        let (enclave, said) = Server::start(mock, &folder.join("enclave.log"))?;
        let address = said["listening"].as_str().unwrap_or_default().to_owned();
        let mut parent = Command::new(programs.path("sealsum-parent"));
        parent
            .args(["--listen", "127.0.0.1:0", "--enclave", &address, "--data"])
            .arg(folder.join("parent"));
        let (parent, said) = Server::start(parent, &folder.join("parent.log"))?;
        let url = said["listening"].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").unwrap_or(url).parse();
        Ok(Self {
            parent: address.with_context(|| format!("the parent listens at {url:?}"))?,
            appraisal_policy,
            _parent: parent,
            _enclave: enclave,
        })
    }

    /// The parent as its clients name it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.parent)
    }
}
