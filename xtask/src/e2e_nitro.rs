//! `cargo xtask e2e-nitro`: builds image and emulator, boots the one in the other, and runs whole
//! rounds through it.
//!
//! The scenarios are tests, in `e2e/tests/nitro.rs`; this prepares what they need and reports the
//! figures that they note.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::emulator::Emulator;
use crate::image::{self, Built, Recipe};
use crate::workspace::{self, cargo, output};

/// Flags of `cargo xtask e2e-nitro`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(flatten)]
    recipe: Recipe,
    /// Run only the scenarios whose names contain one of these
    #[arg(value_name = "NAME")]
    scenarios: Vec<String>,
    /// Print the figures as JSON, the scenarios' own output on standard error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let emulator = Emulator::ready(options.recipe.install)?;
    let folder = workspace::target_dir()?.join("e2e-nitro");
    let built = image::build(&options.recipe, workspace::root(), &folder.join("image"))?;
    let bad_driver = with_bad_driver(&options.recipe, &folder)?;
    let figures = folder.join("figures");
    // Only this run's.
    fs::write(&figures, "")?;

    let scenarios = output(tests().arg("--list").args(&options.scenarios))?;
    ensure!(
        scenarios.contains(": test"),
        "no scenario is called {}; they are in e2e/tests/nitro.rs",
        options.scenarios.join(" or ")
    );
    let mut tests = tests();
    // Each machine has a processor of the host's to itself.
    tests
        .arg("--test-threads=1")
        .args(&options.scenarios)
        .env("SEALSUM_QEMU", &emulator.qemu)
        .env(
            "SEALSUM_FIRMWARE",
            std::env::join_paths(&emulator.firmware)?,
        )
        .env("SEALSUM_VHOST_DEVICE_VSOCK", &emulator.vhost_device_vsock)
        .env("SEALSUM_IMAGE", folder.join("image"))
        .env("SEALSUM_IMAGE_WITH_BAD_DRIVER", bad_driver)
        .env("SEALSUM_FIGURES", &figures);
    if options.json {
        tests.stdout(Stdio::from(std::io::stderr()));
    }
    let passed = tests
        .status()
        .context("cargo test did not start")?
        .success();
    let report = report(&built, &figures)?;
    if options.json {
        println!("{}", json!({"passed": passed, "figures": report}));
    } else {
        for (name, value) in &report {
            println!("{name:<36} {value}");
        }
    }
    Ok(passed)
}

fn tests() -> Command {
    let mut tests = cargo();
    tests
        .args(["test", "--locked", "--package", "sealsum-e2e"])
        .args(["--features", "emulator", "--test", "nitro", "--"]);
    tests
}

/// The same image with a driver that is none.
fn with_bad_driver(recipe: &Recipe, folder: &Path) -> Result<PathBuf> {
    let module = folder.join("no-driver.ko");
    fs::write(&module, "this is no kernel module")?;
    let recipe = Recipe {
        module: Some(module),
        ..recipe.clone()
    };
    let program = folder.join("image/sealsum-enclave");
    let out = folder.join("bad-driver");
    image::assemble(&recipe, workspace::root(), &program, &out)?;
    Ok(out)
}

/// What was built, and what the scenarios measured.
fn report(built: &Built, figures: &Path) -> Result<Map<String, Value>> {
    let mut report = Map::new();
    for (name, value) in built.record.registers() {
        report.insert(name.to_owned(), value.into());
    }
    report.insert("eif_bytes".to_owned(), built.bytes.into());
    for line in fs::read_to_string(figures)?.lines() {
        if let Some((name, value)) = line.split_once('=') {
            let number = value.parse::<u64>().map_or(Value::from(value), Value::from);
            report.insert(name.to_owned(), number);
        }
    }
    Ok(report)
}

const EXAMPLES: &str = "Examples:
  cargo xtask e2e-nitro
  cargo xtask e2e-nitro --install --json
  cargo xtask e2e-nitro the_image_boots";
