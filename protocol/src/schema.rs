//! Layouts: the names, shapes and number types of an update's tensors.
//!
//! Two clients whose updates are laid out differently have different schema
//! digests, and so can't be added up: the digest is part of the parameters.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::{canonical, label};

/// The number type of a tensor in the update file. It takes part in the digest;
/// all are widened to 64-bit floats before encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// Its name in the file; empty for a format without names.
    pub name: String,
    /// Its dimensions, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// Its number type.
    pub dtype: Dtype,
}

/// A whole layout: tensors in the order in which they are concatenated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The tensors, sorted by name.
    pub tensors: Vec<TensorSpec>,
}

impl Schema {
    /// Number of elements of all tensors together; `None` if it does not fit 64 bits.
    #[must_use]
    pub fn dimension(&self) -> Option<u64> {
        self.tensors.iter().try_fold(0_u64, |sum, tensor| {
            let elements = tensor
                .shape
                .iter()
                .try_fold(1_u64, |product, side| product.checked_mul(*side))?;
            sum.checked_add(elements)
        })
    }

    /// The digest that the parameters carry.
    #[must_use]
    pub fn digest(&self) -> Digest {
        label::SCHEMA.digest(&[&canonical::encode(self)])
    }
}

/// The digest of a base model: its layout and its numbers as stored, little-endian,
/// tensor after tensor in the schema's order.
#[must_use]
pub fn base_model_digest(schema: &Schema, numbers: &[u8]) -> Digest {
    label::BASE_MODEL.digest(&[schema.digest().as_bytes(), numbers])
}

/// What stands for the base model in a query that has none: the query's text and
/// the data's epoch, which the client sets.
#[must_use]
pub fn query_digest(query: &str, data_epoch: u64) -> Digest {
    label::QUERY.digest(&[query.as_bytes(), &data_epoch.to_le_bytes()])
}
