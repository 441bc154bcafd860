//! `sealsum-attest verify`: a verdict, and what it rests on.

mod report;

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use sealsum_attestation::{
    Audit, Endorsement, ExpectedNonce, ExpectedUserData, JudgedAt, Question,
};
use sealsum_protocol::{ClientNonce, Digest, NoncePath, RoundBinding, canonical};
use serde::Deserialize;

use crate::document::Document;
use crate::failure::Failure;
use crate::output::Report;
use crate::time::{self, Time};
use crate::{file, policy_file};

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The document: raw, base64 or hexadecimal, a file or `-` for standard input; or a round's
    /// evidence or offer, whose binding is judged with it
    #[arg(value_name = "DOC")]
    document: PathBuf,
    /// What is accepted
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The nonce that the document must answer, hexadecimal; without it a replay within the
    /// policy's max_age_seconds is not noticed
    #[arg(long, value_name = "HEX", value_parser = hex_bytes)]
    nonce: Option<Bytes>,
    /// How --nonce leads to the document's, where one document serves many
    #[arg(long, value_name = "FILE", requires = "nonce")]
    nonce_path: Option<PathBuf>,
    /// What the document's user_data must be, hexadecimal
    #[arg(long, value_name = "HEX", value_parser = hex_bytes, conflicts_with = "binding")]
    user_data: Option<Bytes>,
    /// What the document must vouch for: a round's binding, evidence or offer
    #[arg(long, value_name = "FILE")]
    binding: Option<PathBuf>,
    /// A publisher's word for the image
    #[arg(long, value_name = "FILE")]
    endorsement: Option<PathBuf>,
    /// Judge at this time, RFC 3339 or Unix milliseconds, and not now
    #[arg(long, value_name = "TIME", conflicts_with = "archived")]
    at: Option<Time>,
    /// Judge at the document's own time: it may be a replay, and nothing may be sealed for it
    #[arg(long)]
    archived: bool,
    /// The policy is for a mock, which protects nothing
    #[arg(long)]
    mock: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let policy = policy_file::load(&self.policy)?;
        policy_file::require_consent(&policy, self.mock)?;
        let document = Document::read(&self.document)?;
        let endorsement = self.endorsement.as_deref().map(read_endorsement);
        let endorsement = endorsement.transpose()?;
        let nonce_path = match &self.nonce_path {
            Some(path) => Some(read_nonce_path(path)?),
            None => document.nonce_path.clone(),
        };
        let client_nonce = match (&self.nonce, &nonce_path) {
            (Some(nonce), Some(_)) => Some(client_nonce(nonce)?),
            _ => None,
        };
        let binding = match &self.binding {
            Some(path) => Some(read_binding(path)?),
            None => document.binding.clone(),
        };
        let at = match (self.archived, self.at) {
            (true, _) => JudgedAt::ItsOwnTime,
            (false, Some(Time(at))) => JudgedAt::Time(at),
            (false, None) => JudgedAt::Time(time::now()),
        };
        let question = Question {
            at,
            endorsement: endorsement.as_ref(),
            nonce: match (&client_nonce, &nonce_path, &self.nonce) {
                (Some(nonce), Some(path), _) => Some(ExpectedNonce::Along(nonce, path)),
                (_, _, Some(nonce)) => Some(ExpectedNonce::Whole(&nonce.0)),
                _ => None,
            },
            user_data: match (&self.user_data, &binding) {
                (Some(expected), _) => Some(ExpectedUserData::Whole(&expected.0)),
                (None, Some(binding)) => Some(ExpectedUserData::Binding(binding)),
                (None, None) => None,
            },
        };
        let audit = Audit::of(&document.bytes, &policy, &question);
        if audit.verdict().is_ok() {
            self.require_one_binding(&document, binding.as_ref())?;
        }
        Ok(report::of(&audit, &policy, self.at.is_some(), at))
    }

    /// A document that brings a binding of its own is not appraised for another one.
    fn require_one_binding(
        &self,
        document: &Document,
        judged: Option<&RoundBinding>,
    ) -> Result<(), Failure> {
        let Some(own) = &document.binding else {
            return Ok(());
        };
        let own = own.round_id();
        let other_file = judged.is_some_and(|judged| judged.round_id() != own);
        let other_data = self
            .user_data
            .as_ref()
            .is_some_and(|given| given.0 != own.as_bytes());
        if other_file || other_data {
            return Err(Failure::refused(
                "contradictory-binding",
                &format!(
                    "{} brings the binding of round {own}, and the command line asks about another: leave --binding and --user-data away, or judge the bare document",
                    self.document.display()
                ),
            ));
        }
        Ok(())
    }
}

/// Bytes of a command line; a plain vector would be taken for many values.
#[derive(Clone)]
struct Bytes(Vec<u8>);

fn hex_bytes(text: &str) -> Result<Bytes, String> {
    hex::decode(text)
        .map(Bytes)
        .map_err(|error| format!("expected hexadecimal: {error}"))
}

fn client_nonce(nonce: &Bytes) -> Result<ClientNonce, Failure> {
    ClientNonce::try_from(nonce.0.as_slice()).map_err(|_| {
        let found = nonce.0.len();
        Failure::usage(&format!(
            "--nonce has {found} bytes; one that is led along a nonce path has 32"
        ))
    })
}

fn read_endorsement(path: &Path) -> Result<Endorsement, Failure> {
    Endorsement::parse(&file::read_text(path)?)
        .map_err(|error| Failure::content(error.code(), path, &error))
}

/// A binding by itself, or as part of a round's evidence or offer.
fn read_binding(path: &Path) -> Result<RoundBinding, Failure> {
    let bytes = file::read(path, file::TEXT_LIMIT)?;
    canonical::decode(&bytes)
        .ok()
        .or_else(|| Document::unwrap(bytes).binding)
        .ok_or_else(|| {
            Failure::content(
                "binding",
                path,
                &"is neither a round's binding nor its evidence or offer, as `sealsum round evidence` saves it",
            )
        })
}

/// A nonce path as people write it; offers carry it in the canonical encoding.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoncePathFile {
    index: u64,
    size: u64,
    path: Vec<String>,
}

fn read_nonce_path(path: &Path) -> Result<NoncePath, Failure> {
    let bytes = file::read(path, file::TEXT_LIMIT)?;
    if let Ok(nonce_path) = canonical::decode(&bytes) {
        return Ok(nonce_path);
    }
    let invalid = |error: &dyn std::fmt::Display| Failure::content("nonce_path", path, error);
    let written: NoncePathFile = serde_json::from_slice(&bytes).map_err(|error| invalid(&error))?;
    let steps: Result<Vec<Digest>, _> = written.path.iter().map(|step| step.parse()).collect();
    Ok(NoncePath {
        index: written.index,
        size: written.size,
        path: steps.map_err(|error| invalid(&error))?,
    })
}

const EXAMPLE: &str = "Examples:
  sealsum-attest verify document.cbor --policy policy.toml --at 2026-01-03T20:41:10Z
  sealsum-attest verify document.cbor --policy policy.toml --archived --json
  sealsum-attest verify document.cbor --policy publishers.toml --archived \\
      --endorsement endorsement.json
  base64 document.cbor | sealsum-attest verify - --policy policy.toml --archived
  sealsum-attest verify answer.cbor --policy mock.toml --mock --at 2026-01-03T20:41:10Z \\
      --nonce 4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e

A nonce path is JSON, {\"index\": 0, \"size\": 2, \"path\": [\"<64 hex digits>\"]}, or as an offer
carries it.";
