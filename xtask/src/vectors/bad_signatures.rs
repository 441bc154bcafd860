//! Signatures that do not count: changed, moved, made by another key or for another purpose.

use anyhow::{Context, Result};
use sealsum_protocol::label::{self, Label};
use sealsum_protocol::{
    KemSuite, OperatorKey, ReceiptKey, ReceiptSigner, RoundId, Signed, SignedRoundParams,
    Statement, canonical,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::messages::{abort_receipt, acceptance, receipt};
use super::rounds::{Round, terms};
use super::seeds::bytes32;
use super::{File, variant};

pub(super) fn bad_signatures() -> Result<File> {
    let round = Round::of(terms(KemSuite::X25519))?;
    let mut cases = Vec::new();
    statement_cases("Acceptance", &round, acceptance, &mut cases)?;
    statement_cases("Receipt", &round, receipt, &mut cases)?;
    statement_cases("AbortReceipt", &round, abort_receipt, &mut cases)?;
    params_cases(&round, &mut cases)?;
    Ok(File {
        name: "bad_signatures",
        about: "signed things that are refused under this receipt key and this RoundId, or as parameters of the operator that they name",
        cases,
    })
}

fn statement_cases<T: Statement + DeserializeOwned>(
    kind: &str,
    round: &Round,
    make: impl Fn(&Round) -> T,
    cases: &mut Vec<Value>,
) -> Result<()> {
    let key = round.receipts.key();
    let round_id = round.binding.round_id();
    let good = canonical::encode(&round.receipts.sign(make(round)));
    let by_another = ReceiptSigner::from_secret(&bytes32("another key")).sign(make(round));
    let for_another = round.receipts.sign(UnderAnotherLabel(make(round)));
    let another_round = RoundId::new(bytes32("another round"));
    let variants = [
        (
            "signature_bit_flipped",
            with_bit_flipped(&good, good.len() - 5),
            round_id,
        ),
        (
            "statement_bit_flipped",
            with_bit_flipped(&good, last_of_statement(&good)?),
            round_id,
        ),
        ("by_another_key", canonical::encode(&by_another), round_id),
        (
            "under_another_label",
            canonical::encode(&for_another),
            round_id,
        ),
        ("of_another_round", good, another_round),
    ];
    for (name, bytes, round_id) in variants {
        let signed: Signed<T> = canonical::decode(&bytes)?;
        let error = signed
            .verify(&key, &round_id)
            .err()
            .with_context(|| format!("{kind} {name} verified"))?;
        cases.push(case(name, kind, &bytes, &key, &round_id, &variant(&error)));
    }
    Ok(())
}

fn params_cases(round: &Round, cases: &mut Vec<Value>) -> Result<()> {
    let good = canonical::encode(&round.binding.params);
    let mut other_operator = good.clone();
    let named = round.binding.params.params.terms().operator;
    let place = position(&good, named.as_bytes())?;
    let usurper = OperatorKey::new(
        *ReceiptSigner::from_secret(&bytes32("another key"))
            .key()
            .as_bytes(),
    );
    other_operator[place..place + 32].copy_from_slice(usurper.as_bytes());
    let variants = [
        (
            "signature_bit_flipped",
            with_bit_flipped(&good, good.len() - 5),
        ),
        (
            "base_model_bit_flipped",
            with_bit_flipped(&good, position(&good, &bytes32("base model"))?),
        ),
        ("names_another_operator", other_operator),
    ];
    for (name, bytes) in variants {
        let signed: SignedRoundParams = canonical::decode(&bytes)?;
        let error = signed
            .verify()
            .err()
            .with_context(|| format!("parameters {name} verified"))?;
        let (key, round_id) = (round.receipts.key(), round.binding.round_id());
        cases.push(case(
            name,
            "SignedRoundParams",
            &bytes,
            &key,
            &round_id,
            &variant(&error),
        ));
    }
    Ok(())
}

fn case(
    name: &str,
    kind: &str,
    signed: &[u8],
    key: &ReceiptKey,
    round_id: &RoundId,
    error: &str,
) -> Value {
    json!({
        "name": name,
        "type": kind,
        "signed": hex::encode(signed),
        "receipt_key": key.to_string(),
        "round_id": round_id.to_string(),
        "error": error,
    })
}

fn with_bit_flipped(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    bytes
}

/// The statement's last byte: never the RoundId's, which is checked by itself.
fn last_of_statement(signed: &[u8]) -> Result<usize> {
    // The signature is the last field: name (10 bytes), head (2), 64 bytes.
    signed
        .len()
        .checked_sub(64 + 2 + 10 + 1)
        .context("a signed statement is longer than its signature")
}

fn position(bytes: &[u8], part: &[u8]) -> Result<usize> {
    bytes
        .windows(part.len())
        .position(|window| window == part)
        .context("the signed bytes do not hold what was to be changed")
}

/// The same content signed for another purpose.
#[derive(Serialize)]
#[serde(transparent)]
struct UnderAnotherLabel<T>(T);

impl<T: Statement> Statement for UnderAnotherLabel<T> {
    const LABEL: Label = label::CREDENTIAL;

    fn round_id(&self) -> RoundId {
        self.0.round_id()
    }
}
