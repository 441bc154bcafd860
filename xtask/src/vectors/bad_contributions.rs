//! Contributions that do not open: copied, moved or changed.

use anyhow::{Result, ensure};
use sealsum_protocol::{ClientId, Commitment, ContributionHeader, Digest, KemSuite, RoundId};
use serde_json::json;

use super::File;
use super::contributions::{Sealed, update};
use super::rounds::{Round, kem_entropy, terms};
use super::seeds::bytes32;

pub(super) fn bad_contributions() -> Result<File> {
    type Change = fn(&mut ContributionHeader);
    let changes: [(&str, Change); 9] = [
        ("moved_to_another_round", |h| {
            h.round_id = RoundId::new(bytes32("another round"));
        }),
        ("copied_under_another_client", |h| {
            h.client = ClientId::new(bytes32("another client"));
        }),
        ("beside_another_update", |h| {
            h.commitment = Commitment(Digest::new(bytes32("another update")));
        }),
        ("sealed_bit_flipped", |h| h.sealed[3] ^= 1),
        ("tag_bit_flipped", |h| h.sealed[19] ^= 0x80),
        ("sealed_cut", |h| {
            h.sealed.pop();
        }),
        ("encapsulated_key_bit_flipped", |h| {
            h.encapsulated_key[7] ^= 2;
        }),
        ("encapsulated_key_cut", |h| {
            h.encapsulated_key.pop();
        }),
        ("encapsulated_key_empty", |h| h.encapsulated_key.clear()),
    ];
    let mut cases = Vec::new();
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let round = Round::of(terms(suite))?;
        let good = Sealed::of(&round, update(&round, 1)?)?.header;
        for (name, change) in changes {
            let mut header = good.clone();
            change(&mut header);
            let opened = round.kem.open(
                &header.round_id,
                &header.client,
                &header.encapsulated_key,
                &header.commitment,
                &header.sealed,
            );
            ensure!(opened.is_err(), "{name} opened");
            cases.push(json!({
                "name": name,
                "suite": suite.to_string(),
                "kem_entropy": hex::encode(kem_entropy()),
                "round_id": header.round_id.to_string(),
                "client": header.client.to_string(),
                "encapsulated_key": hex::encode(&header.encapsulated_key),
                "commitment": header.commitment.0.to_string(),
                "sealed": hex::encode(&header.sealed),
                "error": "OpenError",
            }));
        }
    }
    Ok(File {
        name: "bad_contributions",
        about: "sealed headers that do not open: a contribution is good for its round, its client and its masked update only",
        cases,
    })
}
