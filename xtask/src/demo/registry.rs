//! The consortium's registry: its hospitals' keys, and an authority that vouches for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::consortium::{Hospital, TASK};
use super::programs::{Arguments, Programs};

/// The registry's files, and how policies name its authority.
pub(super) struct Registry {
    pub(super) file: PathBuf,
    pub(super) grant: PathBuf,
    pub(super) admission: String,
}

impl Registry {
    /// Registers every hospital, and has an authority vouch for the registry for a day.
    pub(super) fn found(
        programs: &Programs,
        folder: &Path,
        hospitals: &[Hospital],
    ) -> Result<Self> {
        let [file, key, grant] =
            ["sites.txt", "authority.key", "sites.grant"].map(|name| folder.join(name));
        let new = Arguments::new("registry new").file(&file);
        let new = hospitals.iter().fold(new, |new, hospital| {
            new.path("--identity", &hospital.identity())
        });
        programs.done(&new)?;
        let made = programs.done(&Arguments::new("registry authority new").file(&key))?;
        let authority_key = made["authority_key"]
            .as_str()
            .context("registry authority new named no authority_key")?;
        programs.done(
            &Arguments::new("registry grant")
                .path("--authority", &key)
                .path("--registry", &file)
                .option("--task", TASK)
                .option("--epoch", 1)
                .option("--not-after", 1)
                .path("--out", &grant),
        )?;
        Ok(Self {
            file,
            grant,
            admission: format!("authority:{authority_key}"),
        })
    }
}

/// A hospital that nobody registered: another's policy and data, and a registry of its own.
pub(super) fn stranger(programs: &Programs, folder: &Path, another: &Hospital) -> Result<Hospital> {
    let folder = folder.join("stranger");
    fs::create_dir_all(&folder)?;
    let registry = folder.join("sites.txt");
    let stranger = Hospital {
        number: 0,
        examples: another.examples.clone(),
        registry: Some(registry.clone()),
        folder,
    };
    fs::copy(another.policy(), stranger.policy())?;
    programs.done(&Arguments::new("identity new").file(&stranger.identity()))?;
    programs.done(
        &Arguments::new("registry new")
            .file(&registry)
            .path("--identity", &stranger.identity()),
    )?;
    Ok(stranger)
}
