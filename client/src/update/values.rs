//! An update's values in memory: 32-bit floats as such if all its tensors have no more bits, which
//! takes half of the memory and of the time, 64-bit floats otherwise. Nothing is ever rounded.

use half::{bf16, f16};
use sealsum_protocol::{Dtype, Schema};
use zeroize::Zeroize;

use super::file::width;

/// Private: no `Debug` or `Clone`; zeroized on drop.
pub(crate) enum Values {
    /// Of tensors of 16 and 32 bits.
    Single(Vec<f32>),
    /// Of any.
    Double(Vec<f64>),
}
sealsum_protocol::secret!(Values);

impl Values {
    /// The numbers of tensors that shapes and bytes agree about, as the readers have checked.
    pub(super) fn of(schema: &Schema, numbers: &[u8]) -> Self {
        let wide = |dtype| dtype == Dtype::F64;
        if schema.tensors.iter().any(|tensor| wide(tensor.dtype)) {
            let mut values = Vec::with_capacity(room(schema));
            for (dtype, own) in tensors(schema, numbers) {
                match dtype {
                    Dtype::F16 => values.extend(words(own).map(|b| f16::from_le_bytes(b).to_f64())),
                    Dtype::Bf16 => {
                        values.extend(words(own).map(|b| bf16::from_le_bytes(b).to_f64()))
                    }
                    Dtype::F32 => {
                        values.extend(words(own).map(|b| f64::from(f32::from_le_bytes(b))))
                    }
                    Dtype::F64 => values.extend(words(own).map(f64::from_le_bytes)),
                }
            }
            Self::Double(values)
        } else {
            let mut values = Vec::with_capacity(room(schema));
            for (dtype, own) in tensors(schema, numbers) {
                match dtype {
                    Dtype::F16 => values.extend(words(own).map(|b| f16::from_le_bytes(b).to_f32())),
                    Dtype::Bf16 => {
                        values.extend(words(own).map(|b| bf16::from_le_bytes(b).to_f32()))
                    }
                    Dtype::F32 => values.extend(words(own).map(f32::from_le_bytes)),
                    // There is none.
                    Dtype::F64 => {}
                }
            }
            Self::Single(values)
        }
    }

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
        match self {
            Self::Single(values) => values.zeroize(),
            Self::Double(values) => values.zeroize(),
        }
    }
}

/// Each tensor's type and bytes.
fn tensors<'a>(schema: &'a Schema, numbers: &'a [u8]) -> impl Iterator<Item = (Dtype, &'a [u8])> {
    let mut rest = numbers;
    schema.tensors.iter().map(move |tensor| {
        let elements: u64 = tensor.shape.iter().product();
        let (own, others) = rest.split_at(elements as usize * width(tensor.dtype));
        rest = others;
        (tensor.dtype, own)
    })
}

/// All elements: a vector that grows would leave private values behind in freed memory.
fn room(schema: &Schema) -> usize {
    let elements = |tensor: &sealsum_protocol::TensorSpec| tensor.shape.iter().product::<u64>();
    schema.tensors.iter().map(elements).sum::<u64>() as usize
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks().0.iter().copied()
}
