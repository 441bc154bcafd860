//! A whole deployment in one folder: enclave, parent, operator, base model.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::hospital::{Said, say};
use crate::{Enclave, Hospital, Parent, Wire, write_npy};

/// The deployment. Dropping it ends its processes and deletes its folder.
pub struct Lab<E = Enclave> {
    /// The enclave: a mock unless a test says otherwise.
    pub enclave: E,
    /// The appraisal policy that accepts it.
    pub appraisal_policy: PathBuf,
    /// The honest parent.
    pub parent: Parent,
    /// The operator's public key, in hex.
    pub operator_key: String,
    folder: TempDir,
}

/// What a test asks of a round; the rest is what every round here has.
#[derive(Clone)]
pub struct RoundRequest {
    /// The task.
    pub task: String,
    /// The round's number.
    pub number: u64,
    /// `stream` or `presum`.
    pub intake: &'static str,
    /// The smallest cohort.
    pub min_cohort: u32,
    /// The largest.
    pub max_cohort: u32,
    /// The base model's file.
    pub base_model: PathBuf,
    /// `open`, or a registry's file.
    pub admission: String,
    /// An authority's grant for the registry.
    pub grant: Option<String>,
}

impl Lab {
    /// Starts enclave and parent.
    #[must_use]
    pub fn start() -> Self {
        Self::with_enclave_flags(&[])
    }

    /// Starts them, the enclave with flags.
    #[must_use]
    pub fn with_enclave_flags(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Enclave::start(folder.path(), flags);
        let parent = Parent::start(folder.path(), &enclave.address);
        Self::with(folder, enclave, parent)
    }

    /// Starts them with a wire between that a test can cut, and a parent with a configuration file.
    #[must_use]
    pub fn with_wire(settings: &str) -> (Self, Wire) {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Enclave::start(folder.path(), &[]);
        let wire = Wire::to(enclave.address.strip_prefix("tcp:").unwrap());
        let file = folder.path().join("parent.toml");
        std::fs::write(&file, settings).unwrap();
        let flags = ["--config", file.to_str().unwrap()];
        let parent = Parent::start_with(folder.path(), &wire.address(), &flags);
        (Self::with(folder, enclave, parent), wire)
    }

    /// Starts them, the parent below another program.
    #[must_use]
    pub fn with_parent_below(before: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Enclave::start(folder.path(), &[]);
        let before = before(folder.path());
        let parent = Parent::start_below(before, folder.path(), &enclave.address, &[]);
        Self::with(folder, enclave, parent)
    }

    /// Starts them so that they log all that they can.
    #[must_use]
    pub fn talkative() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Enclave::start_talkative(folder.path());
        let parent = Parent::start_talkative(folder.path(), &enclave.address);
        Self::with(folder, enclave, parent)
    }

    fn with(folder: TempDir, enclave: Enclave, parent: Parent) -> Self {
        let policy = enclave.policy.clone();
        Self::of(folder, enclave, policy, parent)
    }
}

impl<E> Lab<E> {
    /// Puts one together, with an operator and a base model.
    pub(crate) fn of(
        folder: TempDir,
        enclave: E,
        appraisal_policy: PathBuf,
        parent: Parent,
    ) -> Self {
        write_npy(&folder.path().join("base.npy"), &[0.5; 20]);
        let operator = folder.path().join("operator.key");
        let said = say(&["operator", "new", operator.to_str().unwrap()]).ok();
        let operator_key = said["operator_key"].as_str().unwrap().to_owned();
        Self {
            enclave,
            appraisal_policy,
            parent,
            operator_key,
            folder,
        }
    }

    /// The folder that all of it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder, as text.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.folder().join(name).to_str().unwrap().to_owned()
    }

    /// A file of 20 numbers.
    #[must_use]
    pub fn numbers(&self, name: &str, values: &[f32]) -> String {
        write_npy(&self.folder().join(name), values);
        self.file(name)
    }

    /// Task "digits", round 1, `stream`, cohort of 3, base model "base.npy".
    #[must_use]
    pub fn request(&self) -> RoundRequest {
        RoundRequest {
            task: "digits".to_owned(),
            number: 1,
            intake: "stream",
            min_cohort: 3,
            max_cohort: 10,
            base_model: self.folder().join("base.npy"),
            admission: "open".to_owned(),
            grant: None,
        }
    }

    /// Opens a round at `parent`; gives its id.
    #[must_use]
    pub fn open(&self, request: &RoundRequest) -> String {
        self.open_signed_by("operator.key", request)
    }

    /// Opens a round signed by another operator's key file.
    #[must_use]
    pub fn open_signed_by(&self, operator: &str, request: &RoundRequest) -> String {
        self.open_at(&self.parent.url, operator, request)
    }

    /// Opens a round at another parent, signed by an operator's key file.
    #[must_use]
    pub fn open_at(&self, parent: &str, operator: &str, request: &RoundRequest) -> String {
        let opening = self.opening(operator, request);
        let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
        let said = say(&[&opening[..], &["--parent", parent]].concat()).ok();
        said["round_id"].as_str().unwrap().to_owned()
    }

    /// The words that open a round, but for where the parent is.
    #[must_use]
    pub fn opening(&self, operator: &str, request: &RoundRequest) -> Vec<String> {
        let grant = request.grant.as_deref();
        let grant = grant.map_or(Vec::new(), |file| vec!["--grant", file]);
        let fixed = [
            "round",
            "open",
            "--operator",
            &self.file(operator),
            "--task",
            &request.task,
            "--round-number",
            &request.number.to_string(),
            "--base-model",
            request.base_model.to_str().unwrap(),
            "--clip",
            "1.0",
            "--fractional-bits",
            "16",
            "--min-cohort",
            &request.min_cohort.to_string(),
            "--max-cohort",
            &request.max_cohort.to_string(),
            "--intake",
            request.intake,
            "--kem",
            "x25519",
            "--rule",
            "mean",
            "--admission",
            &request.admission,
        ];
        let words = [&fixed[..], &grant].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// Asks the parent to close a round.
    #[must_use]
    pub fn close(&self, round_id: &str) -> Said {
        say(&["round", "close", "--parent", &self.parent.url, round_id])
    }

    /// Asks the parent for a round's state.
    #[must_use]
    pub fn status(&self, round_id: &str) -> Value {
        say(&["round", "status", "--parent", &self.parent.url, round_id]).ok()
    }

    /// A hospital with an identity and the usual policy.
    #[must_use]
    pub fn hospital(&self, name: &str) -> Hospital {
        self.hospital_with(name, &[])
    }

    /// A hospital whose policy has further or other flags.
    #[must_use]
    pub fn hospital_with(&self, name: &str, flags: &[&str]) -> Hospital {
        Hospital::new(self, name, flags)
    }
}
