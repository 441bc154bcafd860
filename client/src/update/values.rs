//! An update's values in memory: 32-bit floats as such if all its tensors have no more bits, which
//! takes half of the memory and of the time, 64-bit floats otherwise. Nothing is ever rounded.

use half::{bf16, f16};
use sealsum_protocol::{Dtype, Schema, TensorSpec};
use zeroize::Zeroize;

use super::numbers::Numbers;

/// Private: no `Debug` or `Clone`; zeroized on drop.
pub(crate) enum Values {
    /// Of tensors of 16 and 32 bits.
    Single(Vec<f32>),
    /// Of any.
    Double(Vec<f64>),
}
sealsum_protocol::secret!(Values);

impl Numbers for Values {
    /// All elements at once: a vector that grows would leave private values behind in freed memory.
    fn begin(schema: &Schema, _: u64) -> Self {
        let room = usize::try_from(schema.dimension().unwrap_or(0)).unwrap_or(0);
        let wide = |tensor: &TensorSpec| tensor.dtype == Dtype::F64;
        if schema.tensors.iter().any(wide) {
            Self::Double(Vec::with_capacity(room))
        } else {
            Self::Single(Vec::with_capacity(room))
        }
    }

    fn take(&mut self, dtype: Dtype, piece: &[u8]) {
        match (self, dtype) {
            (Self::Single(values), Dtype::F16) => {
                values.extend(words(piece).map(|b| f16::from_le_bytes(b).to_f32()));
            }
            (Self::Single(values), Dtype::Bf16) => {
                values.extend(words(piece).map(|b| bf16::from_le_bytes(b).to_f32()));
            }
            (Self::Single(values), Dtype::F32) => {
                values.extend(words(piece).map(f32::from_le_bytes));
            }
            // Beside one of these all are doubles.
            (Self::Single(_), Dtype::F64) => {}
            (Self::Double(values), Dtype::F16) => {
                values.extend(words(piece).map(|b| f16::from_le_bytes(b).to_f64()));
            }
            (Self::Double(values), Dtype::Bf16) => {
                values.extend(words(piece).map(|b| bf16::from_le_bytes(b).to_f64()));
            }
            (Self::Double(values), Dtype::F32) => {
                values.extend(words(piece).map(|b| f64::from(f32::from_le_bytes(b))));
            }
            (Self::Double(values), Dtype::F64) => {
                values.extend(words(piece).map(f64::from_le_bytes));
            }
        }
    }
}

impl Values {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// Each as a 64-bit float, which it is.
    pub(crate) fn doubles(&self) -> impl Iterator<Item = f64> + '_ {
        let (single, double): (&[f32], &[f64]) = match self {
            Self::Single(values) => (values, &[]),
            Self::Double(values) => (&[], values),
        };
        let single = single.iter().map(|value| f64::from(*value));
        single.chain(double.iter().copied())
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        // As slices: a vector is wiped number by number, several times as slowly.
        match self {
            Self::Single(values) => values.as_mut_slice().zeroize(),
            Self::Double(values) => values.as_mut_slice().zeroize(),
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
}
