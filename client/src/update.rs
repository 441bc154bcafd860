//! Updates and base models as a data holder has them: files of named or plain tensors.
//!
//! Decides whether an update has the round's layout, and what a base model's digest is: it is
//! always computed from the model in hand, never taken over (I15).

mod file;
mod npy;
mod tensors;

use core::fmt;
use std::path::Path;

use half::{bf16, f16};
use sealsum_protocol::schema::base_model_digest;
use sealsum_protocol::{Digest, Dtype, Schema, TensorSpec};
use zeroize::Zeroize;

pub use file::{ContentError, TensorFileError};
use file::{TensorFile, width};
pub use npy::NpyError;
pub use tensors::SafetensorsError;

/// A local update: d values in its layout's order. Private: no `Debug` or `Clone`; zeroized on drop.
pub struct Update {
    schema: Schema,
    values: Vec<f64>,
}

impl Update {
    /// Reads a .npy (f32, f64) or .safetensors (f16, bf16, f32, f64) file.
    ///
    /// # Errors
    /// [`TensorFileError`].
    pub fn read(path: &Path) -> Result<Self, TensorFileError> {
        let mut file = TensorFile::read(path)?;
        let values = widened(&file);
        file.numbers.zeroize();
        Ok(Self {
            schema: file.schema,
            values,
        })
    }

    /// An update that was never a file: one plain array of 64-bit floats.
    #[must_use]
    pub fn from_values(values: Vec<f64>) -> Self {
        Self {
            schema: plain(values.len()),
            values,
        }
    }

    /// Names, shapes and number types.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The values, d of them.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// The model that a round's updates are relative to: its layout and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseModel {
    schema: Schema,
    digest: Digest,
}

impl BaseModel {
    /// Reads a file as [`Update::read`] does.
    ///
    /// # Errors
    /// [`TensorFileError`].
    pub fn read(path: &Path) -> Result<Self, TensorFileError> {
        let file = TensorFile::read(path)?;
        Ok(Self {
            digest: base_model_digest(&file.schema, &file.numbers),
            schema: file.schema,
        })
    }

    /// A model that was never a file: one plain array of 64-bit floats.
    #[must_use]
    pub fn from_values(values: &[f64]) -> Self {
        let schema = plain(values.len());
        let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self {
            digest: base_model_digest(&schema, &numbers),
            schema,
        }
    }

    /// The digest over layout and numbers.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
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

/// An aggregate as a .safetensors file in a base model's layout; values are narrowed to its
/// number types.
///
/// # Errors
/// [`SafetensorsError::Elements`] if the layout is of another dimension.
pub fn to_safetensors(schema: &Schema, values: &[f64]) -> Result<Vec<u8>, SafetensorsError> {
    tensors::format(schema, values)
}

/// Checks that an update has the layout of the round's schema digest. The digest alone can't say
/// what differs; a base model of that layout can.
pub(crate) fn check_layout(
    update: &Update,
    base: &BaseModel,
    wanted: &Digest,
) -> Result<(), LayoutRefused> {
    let found = update.schema.digest();
    if found == *wanted {
        return Ok(());
    }
    let difference = (base.schema.digest() == *wanted)
        .then(|| difference(&update.schema, &base.schema))
        .flatten()
        .map(Box::new);
    Err(LayoutRefused {
        wanted: *wanted,
        found,
        difference,
    })
}

fn difference(update: &Schema, model: &Schema) -> Option<LayoutDifference> {
    let find = |schema: &Schema, name: &str| {
        let tensors = schema.tensors.iter();
        tensors.clone().find(|tensor| tensor.name == name).cloned()
    };
    let missing_or_other = model.tensors.iter().find_map(|wanted| {
        let found = find(update, &wanted.name);
        (found.as_ref() != Some(wanted)).then(|| LayoutDifference {
            wanted: Some(wanted.clone()),
            found,
        })
    });
    missing_or_other.or_else(|| {
        let more = update.tensors.iter();
        more.clone()
            .find(|tensor| find(model, &tensor.name).is_none())
            .map(|tensor| LayoutDifference {
                wanted: None,
                found: Some(tensor.clone()),
            })
    })
}

/// An update of another layout than the round's. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the update is laid out otherwise than the round's updates: {}",
    LayoutWords(self)
)]
pub struct LayoutRefused {
    /// The round's schema digest.
    pub wanted: Digest,
    /// The update's.
    pub found: Digest,
    /// The first tensor that differs, if the base model has the round's layout.
    pub difference: Option<Box<LayoutDifference>>,
}

/// A tensor that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutDifference {
    /// In the base model.
    pub wanted: Option<TensorSpec>,
    /// In the update.
    pub found: Option<TensorSpec>,
}

struct LayoutWords<'a>(&'a LayoutRefused);

impl fmt::Display for LayoutWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(difference) = &self.0.difference else {
            return write!(
                f,
                "its schema digest is {}, the round's is {}; ask the operator which file the round was opened for",
                self.0.found, self.0.wanted
            );
        };
        match (&difference.wanted, &difference.found) {
            (Some(wanted), Some(found)) => write!(
                f,
                "{} is {}, the base model has {}",
                TensorWords(found),
                Form(found),
                Form(wanted)
            ),
            (Some(wanted), None) => write!(
                f,
                "{} ({}) of the base model is missing",
                TensorWords(wanted),
                Form(wanted)
            ),
            (None, Some(found)) => write!(
                f,
                "{} ({}) is not in the base model",
                TensorWords(found),
                Form(found)
            ),
            (None, None) => f.write_str("in the order of its tensors"),
        }
    }
}

struct TensorWords<'a>(&'a TensorSpec);

impl fmt::Display for TensorWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.name.is_empty() {
            f.write_str("its array")
        } else {
            write!(f, "tensor {:?}", self.0.name)
        }
    }
}

struct Form<'a>(&'a TensorSpec);

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.0.dtype, self.0.shape)
    }
}

/// Every number as a 64-bit float; exact for each of the types.
fn widened(file: &TensorFile) -> Vec<f64> {
    let mut rest = file.numbers.as_slice();
    let mut values = Vec::with_capacity(file.numbers.len() / 2);
    for tensor in &file.schema.tensors {
        let elements: u64 = tensor.shape.iter().product();
        // The readers have checked that shapes and bytes agree.
        let (own, others) = rest.split_at(elements as usize * width(tensor.dtype));
        rest = others;
        match tensor.dtype {
            Dtype::F16 => values.extend(numbers(own).map(|b| f16::from_le_bytes(b).to_f64())),
            Dtype::Bf16 => values.extend(numbers(own).map(|b| bf16::from_le_bytes(b).to_f64())),
            Dtype::F32 => values.extend(numbers(own).map(|b| f64::from(f32::from_le_bytes(b)))),
            Dtype::F64 => values.extend(numbers(own).map(f64::from_le_bytes)),
        }
    }
    values
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
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
