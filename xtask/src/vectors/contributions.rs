//! Contributions: key agreement, mask, commitment and sealed header together.

use anyhow::Result;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    AggregationRule, ClientId, ContributionHeader, Encapsulation, Encoding, KemSuite, MaskedUpdate,
    RingBits, RingVector, RoundParams, RoundTerms, canonical, seal, upload,
};
use serde_json::{Value, json};

use super::File;
use super::fixed_point::{VALUES, floats};
use super::rounds::{Round, kem_entropy, terms};
use super::seeds::{FixedRandom, bytes32};

pub(super) fn contributions() -> Result<File> {
    let mut cases = Vec::new();
    for suite in [KemSuite::X25519, KemSuite::XWing] {
        let plain = terms(suite);
        let weighted = RoundTerms {
            ring_bits: RingBits::new(32)?,
            rule: AggregationRule::WeightedMean,
            max_weight: 1000,
            ..plain.clone()
        };
        cases.push(case(plain, 1)?);
        cases.push(case(weighted, 999)?);
    }
    Ok(File {
        name: "contributions",
        about: "HPKE base mode: info = label || RoundId, exporter context = label || client (32 bytes, the mask seed), associated data = label || client || commitment, each label with its length in front; sealed is the weight in 4 little-endian bytes; body = elements + mask",
        cases,
    })
}

fn case(terms: RoundTerms, weight: u32) -> Result<Value> {
    let round = Round::of(terms)?;
    let sealed = Sealed::of(&round, update(&round, weight)?)?;
    let header = &sealed.header;
    Ok(json!({
        "kem_entropy": hex::encode(kem_entropy()),
        "binding": hex::encode(canonical::encode(&round.binding)),
        "client": header.client.to_string(),
        "values": floats(&VALUES),
        "weight": weight,
        "encapsulated_key": hex::encode(&header.encapsulated_key),
        "commitment": header.commitment.0.to_string(),
        "sealed": hex::encode(&header.sealed),
        "elements": hex::encode(pack(&sealed.unmasked(&round)?)),
        "body": hex::encode(&sealed.body.0),
        "header": hex::encode(canonical::encode(header)),
        "digest": header.digest().to_string(),
        "upload_prefix": hex::encode(upload::prefix(header)),
    }))
}

/// The usual values, encoded for `round`.
pub(super) fn update(round: &Round, weight: u32) -> Result<Encoding<'static>> {
    let params = RoundParams::new(round.binding.params.params.terms().clone())?;
    Ok(Encoding::new(
        &params,
        &VALUES,
        weight,
        OutOfRange::Clamp,
        &RoundingSeed::new(bytes32("rounding")),
    )?)
}

/// One client's contribution, sealed with fixed randomness.
pub(super) struct Sealed {
    pub(super) header: ContributionHeader,
    body: MaskedUpdate,
    pub(super) clamped: u64,
}

impl Sealed {
    pub(super) fn of(round: &Round, update: Encoding<'_>) -> Result<Self> {
        let mut random = FixedRandom::new("encapsulation");
        let encapsulation = Encapsulation::to(&round.binding, &client(), &mut random)?;
        let sealed = seal(encapsulation, update)?;
        Ok(Self {
            header: sealed.header,
            body: sealed.masked,
            clamped: sealed.clamped,
        })
    }

    /// What the enclave finds: the elements without their mask.
    pub(super) fn unmasked(&self, round: &Round) -> Result<RingVector> {
        let header = &self.header;
        let (seed, _) = round.kem.open(
            &header.round_id,
            &header.client,
            &header.encapsulated_key,
            &header.commitment,
            &header.sealed,
        )?;
        let bits = round.binding.params.params.terms().ring_bits;
        let mut elements = unpack(&self.body.0, bits, VALUES.len())?;
        seed.expand(bits).wrapping_sub_from(0, &mut elements)?;
        Ok(elements)
    }
}

pub(super) fn client() -> ClientId {
    ClientId::new(bytes32("client"))
}
