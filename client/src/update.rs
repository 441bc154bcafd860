//! Updates and base models as a data holder has them: files of named or plain tensors.
//!
//! Decides whether an update has the round's layout, and what a base model's digest is: it is
//! always computed from the model in hand, never taken over (I15).

mod delta;
mod file;
mod layout;
mod npy;
mod npz;
mod numbers;
mod selection;
mod tensors;
mod values;
mod whole;
mod write;

use std::path::Path;

use sealsum_protocol::schema::base_model_digest;
use sealsum_protocol::{Digest, Dtype, Schema, TensorSpec};

pub use delta::{Delta, DeltaError};
pub use file::{ContentError, Names, TensorFileError};
use file::{TensorFile, whole_digest};
pub(crate) use layout::check_layout;
pub use layout::{LayoutDifference, LayoutRefused, Place};
pub use npy::NpyError;
pub use npz::NpzError;
pub use selection::Selection;
pub use tensors::SafetensorsError;
pub(crate) use values::Values;
use whole::ModelDigest;
pub use write::{FileFormat, WriteError, to_file};

/// A local update: d values in its layout's order. Private: no `Debug` or `Clone`; zeroized on drop.
pub struct Update {
    schema: Schema,
    values: Values,
    left_out: Vec<String>,
}
sealsum_protocol::secret!(Update);

impl Update {
    /// Reads the selected tensors of a .npy or .npz (f16, f32, f64) or .safetensors (bf16 too)
    /// file. Integers and booleans of named tensors are left out.
    ///
    /// # Errors
    /// [`TensorFileError`].
    pub fn read(path: &Path, selection: &Selection) -> Result<Self, TensorFileError> {
        let file = TensorFile::read(path, selection)?;
        Ok(Self {
            schema: file.schema,
            values: file.numbers,
            left_out: file.left_out,
        })
    }

    /// An update that was never a file: one plain array of 64-bit floats.
    #[must_use]
    pub fn from_values(values: Vec<f64>) -> Self {
        Self {
            schema: plain(values.len()),
            values: Values::Double(values),
            left_out: Vec::new(),
        }
    }

    /// Names, shapes and number types.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Selected tensors of integers or booleans, which are no part of it.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The values, d of them.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }
}

/// The model that a round's updates are relative to: its layout and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseModel {
    schema: Schema,
    digest: Digest,
    whole: Digest,
    left_out: Vec<String>,
}

impl BaseModel {
    /// Reads a file as [`Update::read`] does.
    ///
    /// # Errors
    /// [`TensorFileError`].
    pub fn read(path: &Path, selection: &Selection) -> Result<Self, TensorFileError> {
        let file = TensorFile::<ModelDigest>::read(path, selection)?;
        let digest = file.numbers.finish();
        let whole = if selection.is_all() {
            None
        } else {
            whole_digest(path)?
        };
        Ok(Self {
            digest,
            whole: whole.unwrap_or(digest),
            schema: file.schema,
            left_out: file.left_out,
        })
    }

    /// A model that was never a file: one plain array of 64-bit floats.
    #[must_use]
    pub fn from_values(values: &[f64]) -> Self {
        let schema = plain(values.len());
        let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let digest = base_model_digest(&schema, &numbers);
        Self {
            digest,
            whole: digest,
            schema,
            left_out: Vec::new(),
        }
    }

    /// Selected tensors of integers or booleans, which are no part of it.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The digest over layout and numbers.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of the whole file, of which some tensors may have been selected.
    #[must_use]
    pub fn whole(&self) -> Digest {
        self.whole
    }

    /// A model of which only the digests are known.
    #[cfg(test)]
    pub(crate) fn of_digests(digest: Digest, whole: Digest) -> Self {
        Self {
            schema: plain(1),
            digest,
            whole,
            left_out: Vec::new(),
        }
    }

    /// Names, shapes and number types.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

/// An aggregate as a .npy file: one array of d 64-bit floats.
#[must_use]
pub fn to_npy(values: &[f64]) -> Vec<u8> {
    npy::format(values)
}

fn plain(elements: usize) -> Schema {
    Schema {
        tensors: vec![TensorSpec {
            name: String::new(),
            shape: vec![elements as u64],
            dtype: Dtype::F64,
        }],
    }
}

#[cfg(test)]
mod tests;
