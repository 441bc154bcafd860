//! Labelled digests: of parts, of layouts, of base models and queries.

use sealsum_protocol::schema::{base_model_digest, query_digest};
use sealsum_protocol::{Dtype, Schema, TensorSpec, canonical, label};
use serde_json::json;

use super::File;
use super::seeds::FixedRandom;

pub(super) fn labels() -> File {
    let lists: [&[&[u8]]; 4] = [&[], &[b""], &[b"ab", b"c"], &[b"a", b"bc"]];
    let cases = label::ALL
        .iter()
        .flat_map(|label| {
            lists.map(|parts| {
                json!({
                    "label": label.as_str(),
                    "parts": parts.iter().map(hex::encode).collect::<Vec<_>>(),
                    "digest": label.digest(parts).to_string(),
                })
            })
        })
        .collect();
    File {
        name: "labels",
        about: "digest = SHA-256(length of label (1 byte) || label || for each part: its length (8 bytes, little-endian) || part)",
        cases,
    }
}

pub(super) fn schemas() -> File {
    let schemas = [
        vec![("", vec![10, 65], Dtype::F32)],
        vec![("", vec![4], Dtype::F64)],
        vec![
            ("bias", vec![3], Dtype::Bf16),
            ("scale", vec![], Dtype::F16),
            ("weight", vec![3, 2], Dtype::F32),
        ],
    ];
    let mut random = FixedRandom::new("numbers of base models");
    let cases = schemas
        .into_iter()
        .map(|tensors| {
            let schema = Schema {
                tensors: tensors
                    .into_iter()
                    .map(|(name, shape, dtype)| TensorSpec {
                        name: name.to_owned(),
                        shape,
                        dtype,
                    })
                    .collect(),
            };
            let numbers = random.bytes(24);
            json!({
                "schema": hex::encode(canonical::encode(&schema)),
                "dimension": schema.dimension(),
                "digest": schema.digest().to_string(),
                "numbers": hex::encode(&numbers),
                "base_model": base_model_digest(&schema, &numbers).to_string(),
            })
        })
        .collect();
    File {
        name: "schemas",
        about: "digest of a layout in its canonical encoding, and of a base model: the layout's digest and the numbers' bytes, whatever they are",
        cases,
    }
}

pub(super) fn queries() -> File {
    let cases = [("mean of age", 0), ("mean of age", 1), ("", u64::MAX)]
        .into_iter()
        .map(|(query, epoch)| {
            json!({
                "query": query,
                "data_epoch": epoch.to_string(),
                "digest": query_digest(query, epoch).to_string(),
            })
        })
        .collect();
    File {
        name: "queries",
        about: "what stands for the base model in a query that has none",
        cases,
    }
}
