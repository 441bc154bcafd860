//! Merkle paths and cohort proofs that show nothing.

use anyhow::{Context, Result, ensure};
use sealsum_protocol::merkle::Tree;
use sealsum_protocol::nonce::gather;
use sealsum_protocol::{ClientId, ClientNonce, Cohort, CohortProof, Digest, canonical, label};
use serde_json::{Value, json};

use super::cohorts::members;
use super::seeds::bytes32;
use super::trees::digests;
use super::{File, variant};

pub(super) fn bad_cohort_proofs() -> Result<File> {
    let cohort: Cohort = members(7).into_iter().collect();
    let mut clients: Vec<_> = members(7).into_iter().map(|(client, _)| client).collect();
    clients.sort_unstable();
    let smaller: Cohort = members(6).into_iter().collect();
    let proof = |client: &ClientId| canonical::encode(&cohort.prove(client));
    let leaf = |client: &ClientId| proof(client)[PROOF_HEAD..].to_vec();
    let two = |a: &ClientId, b: &ClientId| [&TWO_MEMBERS[..], &leaf(a), &leaf(b)].concat();
    let none = canonical::encode(&Cohort::default().prove(&clients[0]));
    let (size, root) = (cohort.size(), cohort.root());
    let variants = [
        ("no_leaf", clients[3], none, size),
        ("leaf_of_another", clients[3], proof(&clients[2]), size),
        (
            "neighbours_around_a_member",
            clients[3],
            two(&clients[2], &clients[4]),
            size,
        ),
        (
            "first_leaf_for_one_inside",
            clients[3],
            proof(&clients[0]),
            size,
        ),
        (
            "last_leaf_for_one_inside",
            clients[3],
            proof(&clients[6]),
            size,
        ),
        (
            "own_leaf_twice",
            clients[3],
            two(&clients[3], &clients[3]),
            size,
        ),
        (
            "of_another_cohort",
            clients[0],
            canonical::encode(&smaller.prove(&clients[0])),
            size,
        ),
        ("under_a_smaller_size", clients[6], proof(&clients[6]), 4),
        ("under_a_larger_size", clients[6], proof(&clients[6]), 64),
    ];
    let mut cases = Vec::new();
    for (name, client, bytes, size) in variants {
        let proof: CohortProof = canonical::decode(&bytes)?;
        let error = proof
            .verify(&client, &root, size)
            .err()
            .with_context(|| format!("{name} was believed"))?;
        cases.push(json!({
            "name": name,
            "client": client.to_string(),
            "proof": hex::encode(bytes),
            "root": root.to_string(),
            "size": size,
            "error": variant(&error),
        }));
    }
    ensure!(
        cohort.contains(&clients[3]),
        "the fixture's client is a member"
    );
    Ok(File {
        name: "bad_cohort_proofs",
        about: "proofs that show nothing about this client under this root and size",
        cases,
    })
}

pub(super) fn bad_paths() -> File {
    let tree = Tree(label::REGISTRY_TREE);
    let leaves: Vec<_> = (0..7)
        .map(|i| tree.leaf(&bytes32(&format!("leaf {i}"))))
        .collect();
    let root = tree.root(&leaves);
    let good = tree.path(&leaves, 2).unwrap_or_default();
    let mut forged = good.clone();
    forged[1] = Digest::new(bytes32("forged"));
    let longer = [good.clone(), vec![root]].concat();
    let variants = [
        ("forged_sibling", 2, 7, forged),
        ("another_place", 3, 7, good.clone()),
        ("place_past_the_end", 7, 7, good.clone()),
        ("no_leaves", 0, 0, Vec::new()),
        ("another_size", 2, 9, good.clone()),
        ("too_short", 2, 7, good[..2].to_vec()),
        ("too_long", 2, 7, longer),
        ("empty", 2, 7, Vec::new()),
    ];
    let mut cases: Vec<Value> = variants
        .into_iter()
        .map(|(name, index, size, path)| {
            json!({
                "name": name,
                "of": "tree",
                "label": label::REGISTRY_TREE.as_str(),
                "leaf": hex::encode(bytes32("leaf 2")),
                "index": index,
                "size": size,
                "path": digests(&path),
                "root": root.to_string(),
            })
        })
        .collect();
    cases.extend(bad_nonce_paths());
    File {
        name: "bad_paths",
        about: "paths that do not lead from this leaf to this root; for nonces, from this client's nonce to this document's",
        cases,
    }
}

fn bad_nonce_paths() -> Vec<Value> {
    let nonces: Vec<_> = (0..3)
        .map(|i| ClientNonce::new(bytes32(&format!("nonce {i}"))))
        .collect();
    let (root, paths) = gather(&nonces);
    let alone = nonces[0].as_bytes();
    [
        ("nonce_of_another", nonces[1], &paths[0], root),
        ("document_for_one_other", nonces[1], &paths[1], *alone),
    ]
    .into_iter()
    .map(|(name, nonce, path, document)| {
        json!({
            "name": name,
            "of": "nonce",
            "nonce": nonce.to_string(),
            "path": hex::encode(canonical::encode(path)),
            "document_nonce": hex::encode(document),
        })
    })
    .collect()
}

/// `{"members": [leaf]}`: what is in front of the leaf.
const PROOF_HEAD: usize = 10;
/// `{"members": [leaf, leaf]}`.
const TWO_MEMBERS: &[u8; PROOF_HEAD] = b"\xa1\x67members\x82";
