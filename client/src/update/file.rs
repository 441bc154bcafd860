//! Tensor files: decides from a file's own first bytes what it is. A base model and an update are
//! read by the same code, so that both mean the same by a layout.

use std::fs;
use std::path::{Path, PathBuf};

use sealsum_protocol::{Dtype, Schema};

use super::npy::{self, NpyError};
use super::tensors::{self, SafetensorsError};

/// The tensors of a file: a layout, and its numbers little-endian in the layout's order.
pub(super) struct TensorFile {
    pub(super) schema: Schema,
    pub(super) numbers: Vec<u8>,
}

impl TensorFile {
    pub(super) fn read(path: &Path) -> Result<Self, TensorFileError> {
        let bytes = fs::read(path).map_err(|error| TensorFileError::Read {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(bytes).map_err(|error| TensorFileError::Content {
            path: path.to_owned(),
            error,
        })
    }

    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, ContentError> {
        let file = if bytes.starts_with(npy::MAGIC) {
            npy::parse(bytes)?
        } else if tensors::looks_like_one(&bytes) {
            tensors::parse(&bytes)?
        } else {
            return Err(ContentError::Unknown);
        };
        match file.schema.dimension() {
            None | Some(0) => Err(ContentError::Empty),
            Some(_) => Ok(file),
        }
    }
}

/// Bytes of one number.
pub(super) const fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F16 | Dtype::Bf16 => 2,
        Dtype::F32 => 4,
        Dtype::F64 => 8,
    }
}

/// Why a file is not a base model or an update. Whoever wrote it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// It can't be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ContentError,
    },
}

/// What is wrong with a tensor file's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Neither format.
    #[error("neither .npy nor .safetensors by its first bytes")]
    Unknown,
    /// No numbers, or more than can be counted.
    #[error("the file holds no numbers")]
    Empty,
    /// A faulty .npy.
    #[error("not a usable .npy file: {0}")]
    Npy(#[from] NpyError),
    /// A faulty .safetensors.
    #[error("not a usable .safetensors file: {0}")]
    Safetensors(#[from] SafetensorsError),
}
