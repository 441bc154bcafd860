//! Deltas: what training changed, as an update. Decides what may be subtracted from what: files of
//! one layout, and only where the result is a finite number of its tensor's type.

use std::path::Path;

use half::{bf16, f16};
use sealsum_protocol::{Dtype, Schema};
use zeroize::{Zeroize as _, Zeroizing};

use super::layout::{LayoutDifference, difference};
use super::{FileFormat, Place, Selection, TensorFileError, Update, WriteError, to_file};

/// New minus base, in 64-bit floats. Private: no `Debug` or `Clone`; zeroized on drop.
pub struct Delta {
    schema: Schema,
    values: Vec<f64>,
    left_out: Vec<String>,
}

impl Delta {
    /// Reads two files of one layout and subtracts.
    ///
    /// # Errors
    /// [`DeltaError`] if one can't be read, the layouts differ, or a difference does not fit its
    /// tensor's number type.
    pub fn of(base: &Path, new: &Path, selection: &Selection) -> Result<Self, DeltaError> {
        let base = Update::read(base, selection)?;
        let new = Update::read(new, selection)?;
        if let Some(difference) = difference(&new.schema, &base.schema) {
            return Err(DeltaError::Layout(Box::new(difference)));
        }
        let mut delta = Self {
            values: Vec::with_capacity(new.values.len()),
            schema: new.schema.clone(),
            left_out: new.left_out.clone(),
        };
        let pairs = new.values.doubles().zip(base.values.doubles());
        delta.values.extend(pairs.map(|(new, base)| new - base));
        delta.check_finite()?;
        Ok(delta)
    }

    /// The delta as a file, in the number types of the new one.
    ///
    /// # Errors
    /// [`WriteError`] if the format can't hold the layout.
    pub fn to_file(&self, format: FileFormat) -> Result<Zeroizing<Vec<u8>>, WriteError> {
        to_file(format, &self.schema, &self.values).map(Zeroizing::new)
    }

    /// Names, shapes and number types.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Tensors of integers or booleans that are no part of it.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn check_finite(&self) -> Result<(), DeltaError> {
        let mut values = self.values.iter();
        for tensor in &self.schema.tensors {
            let elements: u64 = tensor.shape.iter().product();
            for (index, value) in (0..elements).zip(values.by_ref()) {
                if !fits(tensor.dtype, *value) {
                    let tensor = tensor.name.clone();
                    return Err(DeltaError::NotFinite(Place { tensor, index }));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Delta {
    fn drop(&mut self) {
        // As a slice: a vector is wiped number by number, several times as slowly.
        self.values.as_mut_slice().zeroize();
    }
}

fn fits(dtype: Dtype, value: f64) -> bool {
    match dtype {
        Dtype::F16 => f16::from_f64(value).is_finite(),
        Dtype::Bf16 => bf16::from_f64(value).is_finite(),
        Dtype::F32 => (value as f32).is_finite(),
        Dtype::F64 => value.is_finite(),
    }
}

/// Why there is no delta. The files are at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// A file that is not usable.
    #[error(transparent)]
    File(#[from] TensorFileError),
    /// Two layouts.
    #[error("the new model is laid out otherwise than the base model: {0}")]
    Layout(Box<LayoutDifference>),
    /// Infinite, not a number, or too large for the type. The value is private.
    #[error("{0} changed to or from a number that is not finite, or by more than its type holds")]
    NotFinite(Place),
}

#[cfg(test)]
mod tests;
