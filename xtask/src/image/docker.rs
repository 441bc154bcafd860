//! `cargo xtask image docker`: the container image that `nitro-cli build-enclave` takes, where a
//! Docker engine runs. The Dockerfile calls the same script as `cargo xtask image`.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::workspace;

/// Flags of `cargo xtask image docker`.
#[derive(Args)]
pub(crate) struct Options {
    /// The container image's name
    #[arg(long, value_name = "NAME", default_value = "sealsum-enclave")]
    tag: String,
    /// The base image that compiles, best with its digest [default: the Dockerfile's]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
}

pub(super) fn run(options: &Options) -> Result<bool> {
    let engine = Command::new("docker").arg("info").output();
    let engine = engine.context("docker did not start; install a Docker engine, or use `cargo xtask image`, which needs none")?;
    if !engine.status.success() {
        bail!(
            "no Docker engine answers: {}; start one, or use `cargo xtask image`, which needs none",
            String::from_utf8_lossy(&engine.stderr).trim()
        );
    }
    let mut build = Command::new("docker");
    build
        .current_dir(workspace::root())
        .args(["build", "--tag", &options.tag]);
    if let Some(base) = &options.base {
        build.arg("--build-arg").arg(format!("BASE={base}"));
    }
    let status = build.arg(".").status().context("docker build")?;
    if status.success() {
        println!(
            "next: nitro-cli build-enclave --docker-uri {} --output-file sealsum.eif",
            options.tag
        );
    }
    Ok(status.success())
}

#[cfg(test)]
mod tests;
