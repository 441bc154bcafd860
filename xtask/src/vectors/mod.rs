//! `cargo xtask gen-vectors`: the protocol's values as files, for every implementation.
//!
//! Everything is derived from fixed seeds, so that writing them again changes
//! nothing; CI runs it and fails if git sees a difference. `vectors/README.md`
//! says what each file holds; `protocol/tests/vectors` and `attestation/tests/verifier` check them.

mod attestation;
mod bad_contributions;
mod bad_encodings;
mod bad_messages;
mod bad_params;
mod bad_proofs;
mod bad_signatures;
mod cohorts;
mod contributions;
mod digests;
mod elements;
mod fixed_point;
mod messages;
mod rounds;
mod seeds;
mod trees;

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::workspace;

/// Writes every file.
pub(crate) fn write() -> Result<()> {
    let folder = workspace::root().join("vectors");
    for file in files()? {
        let path = folder.join(format!("{}.json", file.name));
        let content = json!({ "about": file.about, "cases": file.cases });
        let text = format!("{}\n", serde_json::to_string_pretty(&content)?);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    attestation::write()
}

fn files() -> Result<Vec<File>> {
    Ok(vec![
        digests::labels(),
        digests::schemas(),
        digests::queries(),
        elements::packing()?,
        elements::masks()?,
        elements::frames()?,
        trees::trees(),
        trees::commitments(),
        trees::nonces(),
        cohorts::cohorts(),
        fixed_point::fixed_point()?,
        rounds::rounds()?,
        contributions::contributions()?,
        messages::messages()?,
        messages::statements()?,
        bad_messages::bad_messages()?,
        bad_params::bad_params()?,
        bad_encodings::bad_packing()?,
        bad_encodings::bad_fixed_point()?,
        bad_encodings::bad_frames(),
        bad_encodings::bad_uploads()?,
        bad_contributions::bad_contributions()?,
        bad_signatures::bad_signatures()?,
        bad_proofs::bad_cohort_proofs()?,
        bad_proofs::bad_paths(),
    ])
}

/// One file of vectors.
struct File {
    /// Without its folder and ending.
    name: &'static str,
    /// What a case means.
    about: &'static str,
    cases: Vec<Value>,
}

/// An error's name in the reference implementation: its variant.
fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}
