//! Merkle trees: bare, over blocks, over nonces.

use sealsum_protocol::merkle::Tree;
use sealsum_protocol::nonce::gather;
use sealsum_protocol::{ClientNonce, CommitmentBuilder, Digest, canonical, label};
use serde_json::{Value, json};

use super::File;
use super::seeds::{FixedRandom, bytes32};

pub(super) fn trees() -> File {
    let tree = Tree(label::REGISTRY_TREE);
    let cases = (0_u64..=9)
        .map(|size| {
            let data: Vec<_> = (0..size).map(|i| bytes32(&format!("leaf {i}"))).collect();
            let leaves: Vec<_> = data.iter().map(|data| tree.leaf(data)).collect();
            let paths: Vec<_> = (0..size)
                .filter_map(|index| tree.path(&leaves, index))
                .map(|path| digests(&path))
                .collect();
            json!({
                "label": label::REGISTRY_TREE.as_str(),
                "leaves": data.iter().map(hex::encode).collect::<Vec<_>>(),
                "root": tree.root(&leaves).to_string(),
                "paths": paths,
            })
        })
        .collect();
    File {
        name: "trees",
        about: "RFC 6962 with a label: leaf = SHA-256(0x00 || length of label || label || data), node = SHA-256(0x01 || length of label || label || left || right)",
        cases,
    }
}

pub(super) fn commitments() -> File {
    type Make = fn() -> CommitmentBuilder;
    let kinds: [(&str, Make); 3] = [
        ("masked_update", CommitmentBuilder::masked_update),
        ("masked_sum", CommitmentBuilder::masked_sum),
        ("aggregate", CommitmentBuilder::aggregate),
    ];
    let mut cases = Vec::new();
    for (kind, make) in kinds {
        for size in [1_u64, 2, 5] {
            let mut random = FixedRandom::new(kind);
            let blocks: Vec<_> = (0..size).map(|_| random.bytes(40)).collect();
            let mut builder = make();
            blocks.iter().for_each(|block| builder.push(block));
            let paths: Vec<_> = (0..size)
                .filter_map(|index| builder.path(index))
                .map(|path| digests(&path))
                .collect();
            cases.push(json!({
                "of": kind,
                "blocks": blocks.iter().map(hex::encode).collect::<Vec<_>>(),
                "root": builder.root().to_string(),
                "paths": paths,
            }));
        }
    }
    File {
        name: "commitments",
        about: "Merkle root over the BLAKE3 digests of a vector's packed blocks, under the label of what the vector is; blocks are short here, which the tree does not mind",
        cases,
    }
}

pub(super) fn nonces() -> File {
    let cases = [1, 2, 7]
        .into_iter()
        .map(|size| {
            let nonces: Vec<_> = (0..size)
                .map(|i| ClientNonce::new(bytes32(&format!("nonce {i}"))))
                .collect();
            let (root, paths) = gather(&nonces);
            json!({
                "nonces": nonces.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "document_nonce": hex::encode(root),
                "paths": paths.iter().map(|path| hex::encode(canonical::encode(path))).collect::<Vec<_>>(),
            })
        })
        .collect();
    File {
        name: "nonces",
        about: "the document's nonce for clients that wait together, and each one's path (canonical NoncePath)",
        cases,
    }
}

pub(super) fn digests(path: &[Digest]) -> Value {
    path.iter().map(ToString::to_string).collect()
}
