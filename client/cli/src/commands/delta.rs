//! `sealsum delta`: what training changed, as an update file.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::Delta;
use sealsum_client::update::FileFormat;
use serde_json::json;

use super::file;
use super::selecting::{Selecting, left_out_line};
use crate::failure::Failure;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The model before training: .npy, .npz or .safetensors
    base: PathBuf,
    /// The model after it, laid out alike
    new: PathBuf,
    /// Where to write new minus base, in the new model's number types: .npy, .npz or .safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    selecting: Selecting,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let Some(format) = FileFormat::of(&self.out) else {
            return Err(Failure::usage("--out ends in .npy, .npz or .safetensors"));
        };
        let delta = Delta::of(&self.base, &self.new, &self.selecting.selection())?;
        file::write(&self.out, &delta.to_file(format)?)?;
        let out = self.out.display().to_string();
        let schema = delta.schema();
        let (tensors, elements) = (schema.tensors.len(), schema.dimension().unwrap_or(0));
        let left_out = delta.left_out();
        Ok(Report::new(
            json!({ "out": out, "tensors": tensors, "elements": elements, "left_out": left_out }),
            format!(
                "delta         {elements} values in {tensors} tensors, to {out}{}",
                left_out_line(left_out)
            ),
        ))
    }
}

const EXAMPLE: &str = "Examples:
  sealsum delta model.safetensors trained.safetensors --out update.safetensors
  sealsum delta model.npz trained.npz --select 'lora_*' --exclude '*.bias' --out update.npz";
