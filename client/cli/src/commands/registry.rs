//! `sealsum registry`: the keys that rounds admit, and the authority that vouches for them.

mod authority;
mod grant;
mod not_after;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sealsum_client::{Identity, RegistryFile};
use sealsum_protocol::ClientId;
use serde_json::json;

use super::file;
use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a new registry
    #[command(after_help = NEW_EXAMPLE)]
    New {
        /// The file; never overwritten
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Add keys to a registry
    #[command(after_help = "Example:\n  sealsum registry add sites.txt --identity clinic")]
    Add {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Remove keys from a registry
    #[command(after_help = "Example:\n  sealsum registry remove sites.txt --identity clinic")]
    Remove {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Show a registry's root, size and keys
    #[command(after_help = "Example:\n  sealsum registry show sites.txt")]
    Show {
        /// The file
        file: PathBuf,
    },
    /// Show a registry's root, for policies that pin it
    #[command(after_help = "Example:\n  sealsum registry root sites.txt")]
    Root {
        /// The file
        file: PathBuf,
    },
    /// Make or show the key that vouches for registries
    #[command(subcommand)]
    Authority(authority::Command),
    /// Vouch for a registry, for one task and until a time
    Grant(grant::Args),
}

/// Clients' keys, by themselves or by the identity that holds them.
#[derive(Args)]
pub(crate) struct Keys {
    /// A client's id; may be repeated
    #[arg(long, value_name = "HEX")]
    key: Vec<ClientId>,
    /// An identity's folder, whose id is meant; may be repeated
    #[arg(long, value_name = "DIR")]
    identity: Vec<PathBuf>,
}

impl Keys {
    fn read(self) -> Result<Vec<ClientId>, Failure> {
        let mut keys = self.key;
        for folder in &self.identity {
            keys.push(Identity::load(folder)?.client_id());
        }
        Ok(keys)
    }

    fn read_some(self) -> Result<Vec<ClientId>, Failure> {
        let keys = self.read()?;
        if keys.is_empty() {
            return Err(Failure::usage("name keys by --key or --identity"));
        }
        Ok(keys)
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::New { file, keys } => {
                file::refuse_existing(&file)?;
                changed(&file, RegistryFile::empty(), |registry| {
                    add(registry, keys.read()?)
                })
            }
            Self::Add { file, keys } => changed(&file, RegistryFile::read(&file)?, |registry| {
                add(registry, keys.read_some()?)
            }),
            Self::Remove { file, keys } => changed(&file, RegistryFile::read(&file)?, |registry| {
                remove(registry, &keys.read_some()?)
            }),
            Self::Show { file } => Ok(show(&RegistryFile::read(&file)?)),
            Self::Root { file } => Ok(root(&RegistryFile::read(&file)?)),
            Self::Authority(command) => command.run(),
            Self::Grant(args) => args.run(),
        }
    }
}

fn add(file: &mut RegistryFile, keys: Vec<ClientId>) -> Result<(), Failure> {
    for key in keys {
        if !file.add(key)? {
            let detail = format!("{key} is in the registry already; nothing was written");
            return Err(Failure::configuration("in_registry", &detail));
        }
    }
    Ok(())
}

fn remove(file: &mut RegistryFile, keys: &[ClientId]) -> Result<(), Failure> {
    for key in keys {
        if !file.remove(key) {
            let detail = format!("{key} is not in the registry; nothing was written");
            return Err(Failure::configuration("not_in_registry", &detail));
        }
    }
    Ok(())
}

/// Writes the file whole once all of the change went through.
fn changed(
    path: &Path,
    mut registry: RegistryFile,
    change: impl FnOnce(&mut RegistryFile) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    change(&mut registry)?;
    file::write(path, registry.text().as_bytes())?;
    Ok(root(&registry))
}

fn root(file: &RegistryFile) -> Report {
    let (root, size) = (file.registry().root(), file.registry().size());
    Report::new(
        json!({ "root": root.to_string(), "size": size }),
        format!("root  {root}\nsize  {size}"),
    )
}

fn show(file: &RegistryFile) -> Report {
    let (root, size) = (file.registry().root(), file.registry().size());
    let keys: Vec<_> = file.registry().keys().map(ToString::to_string).collect();
    let text = format!("root  {root}\nsize  {size}\n{}", keys.join("\n"));
    Report::new(
        json!({ "root": root.to_string(), "size": size, "keys": keys }),
        text,
    )
}

const NEW_EXAMPLE: &str = "Example:
  sealsum registry new sites.txt --identity clinic \\
      --key 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
