//! Values as files: decides which layouts a format can hold.

use std::io::{Cursor, Write as _};
use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype as FileDtype;
use safetensors::tensor::{SafeTensorError, TensorView};
use sealsum_protocol::{Dtype, Schema, TensorSpec};
use zeroize::Zeroizing;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::file::width;
use super::npy;

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One array without a name.
    Npy,
    /// Named arrays, without bf16.
    Npz,
    /// Named tensors.
    Safetensors,
}

impl FileFormat {
    /// The format that a path's extension names.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }
}

/// Values as a file of a layout, each narrowed to its tensor's number type.
///
/// # Errors
/// [`WriteError`] if the layout is of another dimension, or the format can't hold it.
pub fn to_file(format: FileFormat, schema: &Schema, values: &[f64]) -> Result<Vec<u8>, WriteError> {
    let tensors = narrowed(schema, values)?;
    match (format, tensors.as_slice()) {
        (FileFormat::Npy, [(spec, numbers)]) if spec.name.is_empty() => {
            Ok(npy::array(descr(spec)?, &spec.shape, numbers))
        }
        (FileFormat::Npy, _) => Err(WriteError::Named),
        (_, [(spec, _)]) if spec.name.is_empty() => Err(WriteError::Unnamed),
        (FileFormat::Npz, tensors) => npz(tensors),
        (FileFormat::Safetensors, tensors) => safetensors(tensors),
    }
}

/// A tensor's numbers as bytes, which may be an update's.
type Narrowed<'a> = (&'a TensorSpec, Zeroizing<Vec<u8>>);

fn narrowed<'a>(schema: &'a Schema, values: &[f64]) -> Result<Vec<Narrowed<'a>>, WriteError> {
    let mut rest = values;
    let mut tensors = Vec::with_capacity(schema.tensors.len());
    for spec in &schema.tensors {
        let mut sides = spec.shape.iter();
        let elements = sides.try_fold(1_u64, |product, side| product.checked_mul(*side));
        let (own, others) = elements
            .and_then(|elements| rest.split_at_checked(usize::try_from(elements).ok()?))
            .ok_or(WriteError::Elements)?;
        rest = others;
        tensors.push((spec, Zeroizing::new(narrow(spec.dtype, own))));
    }
    if !rest.is_empty() {
        return Err(WriteError::Elements);
    }
    Ok(tensors)
}

fn npz(tensors: &[Narrowed<'_>]) -> Result<Vec<u8>, WriteError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (spec, numbers) in tensors {
        let array = Zeroizing::new(npy::array(descr(spec)?, &spec.shape, numbers));
        // No clock: the same values are the same file.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .large_file(u32::try_from(array.len()).is_err());
        writer.start_file(format!("{}.npy", spec.name), options)?;
        writer.write_all(&array).map_err(ZipError::Io)?;
    }
    Ok(writer.finish()?.into_inner())
}

fn safetensors(tensors: &[Narrowed<'_>]) -> Result<Vec<u8>, WriteError> {
    let mut views = Vec::with_capacity(tensors.len());
    for (spec, numbers) in tensors {
        let shape = spec.shape.iter().map(|side| usize::try_from(*side));
        let shape = shape
            .collect::<Result<_, _>>()
            .map_err(|_| WriteError::Elements)?;
        let view = TensorView::new(file_dtype(spec.dtype), shape, numbers)?;
        views.push((spec.name.as_str(), view));
    }
    Ok(safetensors::serialize(views, None)?)
}

fn descr(spec: &TensorSpec) -> Result<&'static str, WriteError> {
    match spec.dtype {
        Dtype::F16 => Ok("<f2"),
        Dtype::F32 => Ok("<f4"),
        Dtype::F64 => Ok("<f8"),
        Dtype::Bf16 => Err(WriteError::Bf16(spec.name.clone())),
    }
}

const fn file_dtype(dtype: Dtype) -> FileDtype {
    match dtype {
        Dtype::F16 => FileDtype::F16,
        Dtype::Bf16 => FileDtype::BF16,
        Dtype::F32 => FileDtype::F32,
        Dtype::F64 => FileDtype::F64,
    }
}

pub(super) fn narrow(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * width(dtype));
    for value in values {
        match dtype {
            Dtype::F16 => bytes.extend(f16::from_f64(*value).to_le_bytes()),
            Dtype::Bf16 => bytes.extend(bf16::from_f64(*value).to_le_bytes()),
            Dtype::F32 => bytes.extend((*value as f32).to_le_bytes()),
            Dtype::F64 => bytes.extend(value.to_le_bytes()),
        }
    }
    bytes
}

/// Why values can't be written in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Values for another layout.
    #[error("the layout has another number of elements than there are values")]
    Elements,
    /// Named tensors, and a format for one array without a name.
    #[error("a .npy file holds one array without a name: write .npz or .safetensors")]
    Named,
    /// One array without a name, and a format of named ones.
    #[error("the array has no name, which .npz and .safetensors need: write .npy")]
    Unnamed,
    /// bfloat16, which numpy does not have.
    #[error("tensor {0:?} is bf16, which numpy's formats do not have: write .safetensors")]
    Bf16(String),
    /// The .safetensors file can't be made.
    #[error("{0}")]
    Safetensors(#[from] SafeTensorError),
    /// The .npz file can't be made.
    #[error("{0}")]
    Zip(#[from] ZipError),
}
