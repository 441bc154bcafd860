//! `cargo xtask image`: from this source to an enclave image and what it measures to.
//!
//! No Docker, no nitro-cli, no root. The program is built by `enclave/image/build.sh`; kernel,
//! command line and two ramdisks go into the image: the first holds what the kernel needs to
//! start, the second the program. So PCR1 covers what boots and PCR2 what runs, as with AWS's own
//! tools. Nothing that is measured depends on when, where, or by whom it is built.

mod again;
pub(crate) mod docker;
pub(crate) mod kernel;
mod program;
mod ramdisk;
mod record;
mod signing;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use sealsum_eif::{Architecture, EnclaveImage, ImageContents};
use serde_json::json;

use crate::workspace;
use signing::Signer;

/// Flags of `cargo xtask image`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    recipe: Recipe,
    /// Where to write sealsum.eif, measurements.json and the program [default: image in the target
    /// folder]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Build once more, from a copy of the source in another folder with nothing cached, and compare
    #[arg(long)]
    again: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Build the image that nitro-cli build-enclave takes, with a Docker engine.
    Docker(docker::Options),
    /// Build the kernel for images that are all from source.
    Kernel(kernel::Options),
}

/// What an image is made from, beside this source.
#[derive(Args, Clone)]
pub(crate) struct Recipe {
    /// The kernel, a bzImage: AWS's for real deployments [default: the one that `image kernel` builds]
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", default_value = COMMAND_LINE)]
    pub(crate) command_line: String,
    /// The kernel's NSM driver, for kernels that have it as a module
    #[arg(long, value_name = "NSM.KO")]
    pub(crate) module: Option<PathBuf>,
    /// Sign the image with this P-384 key (PEM, PKCS#8), which gives it a PCR8
    #[arg(long, value_name = "KEY.PEM", requires = "sign_certificate")]
    pub(crate) sign_key: Option<PathBuf>,
    /// The key's certificate
    #[arg(long, value_name = "CERT.PEM", requires = "sign_key")]
    pub(crate) sign_certificate: Option<PathBuf>,
    /// Install the Debian packages that builds lack (as root)
    #[arg(long)]
    pub(crate) install: bool,
}

impl Recipe {
    /// The kernel's file.
    fn kernel(&self) -> Result<PathBuf> {
        match &self.kernel {
            Some(path) => Ok(path.clone()),
            None => Ok(kernel::build(workspace::root(), self.install)?.bz_image),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.command {
        Some(Command::Docker(docker)) => docker::run(docker),
        Some(Command::Kernel(kernel)) => kernel::run(kernel),
        None => {
            let out = match &options.out {
                Some(out) => out.clone(),
                None => workspace::target_dir()?.join("image"),
            };
            let built = build(&options.recipe, workspace::root(), &out)?;
            built.print(options.json);
            if options.again {
                return again::compare(&options.recipe, &built);
            }
            Ok(true)
        }
    }
}

/// An image, its record, and where they are.
pub(crate) struct Built {
    pub(crate) eif: PathBuf,
    pub(crate) measurements: PathBuf,
    pub(crate) record: record::Record,
    pub(crate) bytes: usize,
}

/// Builds the image from the source at `root` into `out`.
pub(crate) fn build(recipe: &Recipe, root: &Path, out: &Path) -> Result<Built> {
    // What may be missing is found before anything takes long.
    Signer::of(recipe)?;
    recipe.kernel()?;
    let cache = workspace::target_dir()?.join("image-build");
    let program = program::build(root, out, &cache, None)?;
    assemble(recipe, root, &program, out)
}

/// Puts an image together around a program that is built.
pub(crate) fn assemble(recipe: &Recipe, root: &Path, program: &Path, out: &Path) -> Result<Built> {
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    let signer = Signer::of(recipe)?;
    let kernel = read(recipe.kernel()?)?;
    let module = recipe.module.as_deref().map(read).transpose()?;
    let program = read(program)?;
    let command_line = recipe.command_line.trim();
    let boot = ramdisk::boot(module.as_deref());
    let application = ramdisk::application(&program);

    let mut record = record::Record::begin(root, &kernel)?;
    let metadata = record.metadata();
    let contents = ImageContents {
        architecture: Architecture::X86_64,
        default_memory: DEFAULT_MEMORY,
        default_cpus: DEFAULT_CPUS,
        kernel: &kernel,
        command_line: command_line.as_bytes(),
        ramdisks: &[&boot, &application],
        metadata: Some(metadata.as_bytes()),
        signature: None,
    };
    let unsigned = contents.write()?;
    let signature = match &signer {
        Some(signer) => Some(signer.section(&EnclaveImage::parse(&unsigned)?.measure().pcr0)?),
        None => None,
    };
    let image = ImageContents {
        signature: signature.as_deref(),
        ..contents
    }
    .write()?;
    record.finish(&EnclaveImage::parse(&image)?.measure(), &image);

    let eif = out.join("sealsum.eif");
    let measurements = out.join("measurements.json");
    write(&eif, &image)?;
    write(&measurements, record.to_json()?.as_bytes())?;
    Ok(Built {
        eif,
        measurements,
        record,
        bytes: image.len(),
    })
}

impl Built {
    fn print(&self, as_json: bool) {
        let (eif, measurements) = (self.eif.display(), self.measurements.display());
        if as_json {
            let mut report = json!({
                "eif": eif.to_string(),
                "measurements": measurements.to_string(),
                "eif_bytes": self.bytes,
            });
            for (name, value) in self.record.registers() {
                report[name] = value.into();
            }
            println!("{report}");
            return;
        }
        for (name, value) in self.record.registers() {
            println!("{name}  {value}");
        }
        println!("image  {eif}, {} bytes", self.bytes);
        println!("record {measurements}");
        if self.record.is_of_no_commit() {
            println!(
                "note   what it was built from is not committed: the record names commit 000..., and \
                 is worth nothing to others"
            );
        }
    }
}

fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Whole or not at all: a half image would be refused only when it is booted.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let half = path.with_extension("half");
    fs::write(&half, bytes)
        .and_then(|()| fs::rename(&half, path))
        .with_context(|| format!("writing {}", path.display()))
}

/// As AWS's tools have it, but for two words. Without `nomodules`: our kernel has none, and what a
/// kernel does not know it hands to the first process. And a panic ends the enclave at once: nobody
/// reads the console for the half minute that AWS waits.
const COMMAND_LINE: &str = "reboot=k panic=-1 pci=off console=ttyS0 random.trust_cpu=on";
/// Not measured: `nitro-cli run-enclave` says otherwise.
const DEFAULT_MEMORY: u64 = 1 << 30;
const DEFAULT_CPUS: u64 = 2;

const EXAMPLES: &str = "Examples:
  cargo xtask image
  cargo xtask image --kernel bzImage --module nsm.ko --out /tmp/image --json
  cargo xtask image --sign-key key.pem --sign-certificate cert.pem
  cargo xtask image --again
  cargo xtask image kernel
  cargo xtask image docker";
