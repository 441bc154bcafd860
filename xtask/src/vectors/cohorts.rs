//! Cohorts: roots, and proofs of being in and of being left out.

use sealsum_protocol::{ClientId, Cohort, Digest, Membership, canonical};
use serde_json::{Value, json};

use super::File;
use super::seeds::bytes32;

pub(super) fn cohorts() -> File {
    let cases = [3, 4, 7].map(case).to_vec();
    File {
        name: "cohorts",
        about: "leaves are client || contribution digest, sorted by client; a proof is a client's own leaf, or the neighbours between which it would be",
        cases,
    }
}

fn case(size: u32) -> Value {
    let members = members(size);
    let cohort: Cohort = members.iter().copied().collect();
    let strangers = (0..3).map(|i| ClientId::new(bytes32(&format!("stranger {i}"))));
    let ends = [ClientId::new([0; 32]), ClientId::new([0xff; 32])];
    let asked: Vec<_> = members
        .iter()
        .map(|(client, _)| *client)
        .chain(strangers)
        .chain(ends)
        .collect();
    let proofs: Vec<_> = asked
        .iter()
        .map(|client| {
            let proof = cohort.prove(client);
            let shown = match proof.verify(client, &cohort.root(), cohort.size()) {
                Ok(Membership::In(contribution)) => Value::from(contribution.to_string()),
                _ => Value::Null,
            };
            json!({
                "client": client.to_string(),
                "proof": hex::encode(canonical::encode(&proof)),
                "contribution": shown,
            })
        })
        .collect();
    json!({
        "members": members.iter().map(|(client, contribution)| json!({
            "client": client.to_string(),
            "contribution": contribution.to_string(),
        })).collect::<Vec<_>>(),
        "root": cohort.root().to_string(),
        "proofs": proofs,
    })
}

pub(super) fn members(size: u32) -> Vec<(ClientId, Digest)> {
    (0..size)
        .map(|i| {
            (
                ClientId::new(bytes32(&format!("client {i}"))),
                Digest::new(bytes32(&format!("contribution {i}"))),
            )
        })
        .collect()
}
