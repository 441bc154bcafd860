//! The .safetensors format: named tensors of floats, taken in the order of their names.
//!
//! The format's own crate checks header, offsets and lengths; decided here is which number types
//! are an update.

use half::{bf16, f16};
use safetensors::tensor::{SafeTensorError, TensorView};
use safetensors::{Dtype as FileDtype, SafeTensors};
use sealsum_protocol::{Dtype, Schema, TensorSpec};

use super::file::{TensorFile, width};

/// Whether the first bytes are a header's length and its opening brace.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Reads a file.
pub(super) fn parse(bytes: &[u8]) -> Result<TensorFile, SafetensorsError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = file.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut schema = Schema {
        tensors: Vec::with_capacity(tensors.len()),
    };
    let mut numbers = Vec::new();
    for (name, view) in tensors {
        let dtype = dtype(&name, &view)?;
        numbers.extend_from_slice(view.data());
        schema.tensors.push(TensorSpec {
            name,
            shape: view.shape().iter().map(|side| *side as u64).collect(),
            dtype,
        });
    }
    Ok(TensorFile { schema, numbers })
}

/// Values as a file of that layout, each narrowed to its tensor's number type.
pub(super) fn format(schema: &Schema, values: &[f64]) -> Result<Vec<u8>, SafetensorsError> {
    let mut rest = values;
    let mut tensors = Vec::with_capacity(schema.tensors.len());
    for tensor in &schema.tensors {
        let shape: Vec<usize> = tensor
            .shape
            .iter()
            .map(|side| usize::try_from(*side))
            .collect::<Result<_, _>>()
            .map_err(|_| SafetensorsError::Elements)?;
        let elements = shape.iter().product();
        let (own, others) = rest
            .split_at_checked(elements)
            .ok_or(SafetensorsError::Elements)?;
        rest = others;
        tensors.push((&tensor.name, tensor.dtype, shape, narrow(tensor.dtype, own)));
    }
    if !rest.is_empty() {
        return Err(SafetensorsError::Elements);
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(file_dtype(*dtype), shape.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    Ok(safetensors::serialize(views, None)?)
}

fn dtype(name: &str, view: &TensorView<'_>) -> Result<Dtype, SafetensorsError> {
    match view.dtype() {
        FileDtype::F16 => Ok(Dtype::F16),
        FileDtype::BF16 => Ok(Dtype::Bf16),
        FileDtype::F32 => Ok(Dtype::F32),
        FileDtype::F64 => Ok(Dtype::F64),
        other => Err(SafetensorsError::Dtype {
            tensor: name.to_owned(),
            dtype: other,
        }),
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

fn narrow(dtype: Dtype, values: &[f64]) -> Vec<u8> {
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

/// What is wrong with a .safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// Header, offsets or lengths.
    #[error("{0}")]
    Form(#[from] SafeTensorError),
    /// A tensor that is no tensor of floats.
    #[error(
        "tensor {tensor:?} has numbers of type {dtype:?}; an update is made of F16, BF16, F32 or F64: leave integer tensors out, or convert them"
    )]
    Dtype {
        /// Which one.
        tensor: String,
        /// Its number type.
        dtype: FileDtype,
    },
    /// Values for another layout.
    #[error("the layout has another number of elements than there are values")]
    Elements,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    const TWO: &str = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}"#;

    #[test]
    fn tensors_come_in_the_order_of_their_names() {
        let read = parse(&file(TWO, &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
        let names: Vec<_> = read
            .schema
            .tensors
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(read.numbers, [5, 6, 7, 8, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_written_is_read_back_in_every_width() {
        let dtypes = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
        let tensors = dtypes
            .into_iter()
            .enumerate()
            .map(|(i, dtype)| TensorSpec {
                name: format!("t{i}"),
                shape: vec![1, 2],
                dtype,
            })
            .collect();
        let schema = Schema { tensors };
        let values = [0.5, -1.0, 2.0, 0.25, 1.5, -8.0, 0.1, 1e300];
        let read = parse(&format(&schema, &values).unwrap()).unwrap();
        assert_eq!(read.schema, schema);
        assert_eq!(super::super::widened(&read), values);
        assert!(format(&schema, &values[1..]).is_err());
    }

    #[test]
    fn integers_are_refused_by_their_name() {
        let header = r#"{"steps":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let error = parse(&file(header, &[0; 8])).err().unwrap().to_string();
        assert!(
            error.contains("\"steps\"") && error.contains("I64"),
            "{error}"
        );
    }

    #[test]
    fn a_file_cut_anywhere_or_with_a_byte_more_is_refused() {
        let mut whole = file(TWO, &[0; 8]);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
        whole.push(0);
        assert!(parse(&whole).is_err());
    }

    #[test]
    fn offsets_that_lie_are_refused() {
        for header in [
            TWO.replace("[2]", "[3]"),
            TWO.replace("[4,8]", "[2,6]"),
            TWO.replace("[4,8]", "[8,4]"),
            TWO.replace("[2]", "[18446744073709551615,2]"),
            TWO.replace("[4,8]", "[4,1000000]"),
        ] {
            assert!(parse(&file(&header, &[0; 8])).is_err(), "{header}");
        }
    }
}
