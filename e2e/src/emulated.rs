//! The shipped image in an emulator, as the enclave of a deployment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::machine::{Machine, prepared};
use crate::notary::NotaryProxy;
use crate::{Lab, Parent};

/// A machine and the notary in front of it.
pub struct Emulated {
    /// The machine.
    pub machine: Machine,
    /// The notary.
    pub notary: NotaryProxy,
    memory_mib: u32,
}

impl Lab<Emulated> {
    /// Boots the image, and starts a parent that reaches it through the notary.
    #[must_use]
    pub fn emulated(memory_mib: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::boot(&image(), memory_mib, &folder.path().join("machine"));
        // A parent gives an enclave that boots less time than a busy host takes.
        drop(machine.link());
        let notary = NotaryProxy::before(&machine.socket(), folder.path());
        let policy = folder.path().join("appraisal.toml");
        notary.write_policy(&policy, &registers());
        let parent = Parent::start(folder.path(), &notary.address());
        let enclave = Emulated {
            machine,
            notary,
            memory_mib,
        };
        Self::of(folder, enclave, policy, parent)
    }

    /// Pulls the machine's plug, and boots another in its place.
    pub fn reboot(&mut self) {
        self.enclave.machine.kill();
        let folder = self.folder().join("machine");
        self.enclave.machine = Machine::boot(&image(), self.enclave.memory_mib, &folder);
        drop(self.enclave.machine.link());
    }
}

/// The image's file.
#[must_use]
pub fn image() -> PathBuf {
    Path::new(&prepared("SEALSUM_IMAGE")).join("sealsum.eif")
}

/// What `measurements.json` says that the image measures to.
#[must_use]
pub fn registers() -> BTreeMap<String, String> {
    let path = Path::new(&prepared("SEALSUM_IMAGE")).join("measurements.json");
    let record: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    // The fourth only if the image is signed.
    ["PCR0", "PCR1", "PCR2", "PCR8"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), record[name].as_str()?.to_owned())))
        .collect()
}
