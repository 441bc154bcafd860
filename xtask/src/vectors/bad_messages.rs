//! Encodings that a strict decoder refuses, each made from a good one.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use sealsum_protocol::messages::{Acknowledge, Close, Command};
use sealsum_protocol::{Digest, KemSuite, canonical};
use serde_cbor::Value as Cbor;
use serde_json::json;

use super::rounds::{Round, terms};
use super::seeds::bytes32;
use super::{File, variant};

pub(super) fn bad_messages() -> Result<File> {
    let round = Round::of(terms(KemSuite::X25519))?;
    let round_id = round.binding.round_id();
    let good = canonical::encode(&Command::Acknowledge(Acknowledge { round_id }));
    let close = canonical::encode(&Command::Close(Close {
        round_id,
        cohort_root: Digest::new(bytes32("cohort root")),
        sum_root: None,
        excluded: Vec::new(),
    }));
    let mut cases = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| -> Result<()> {
        let error = canonical::decode::<Command>(&bytes)
            .err()
            .with_context(|| format!("{name} was accepted"))?;
        cases.push(json!({
            "name": name,
            "type": "Command",
            "cbor": hex::encode(bytes),
            "error": variant(&error),
        }));
        Ok(())
    };
    add("empty", Vec::new())?;
    add("not_cbor", vec![0xff; 8])?;
    add("truncated", good[..good.len() - 1].to_vec())?;
    add("trailing_byte", [good.clone(), vec![0]].concat())?;
    add("unknown_command", canonical::encode(&"sign_anything"))?;
    add("tagged", [vec![0xc1], good.clone()].concat())?;
    add("array_for_struct", array_for_struct(&good)?)?;
    add(
        "integer_keys",
        changed(&good, |fields| with_integer_keys(&fields))?,
    )?;
    add(
        "missing_field",
        changed(&good, |_| Cbor::Map(BTreeMap::new()))?,
    )?;
    add("unknown_field", changed(&good, with_unknown_field)?)?;
    add("array_for_bytes", changed(&good, with_arrays_for_bytes)?)?;
    add("short_id", changed(&good, with_a_short_id)?)?;
    add("fields_in_another_order", reordered(&close)?)?;
    add("duplicate_field", duplicated(&good)?)?;
    add(
        "length_not_minimal",
        replaced(&good, &[0x58, 0x20], &[0x59, 0, 0x20])?,
    )?;
    add(
        "indefinite_map",
        replaced(&good, &[0xa1, 0x68], &[0xbf, 0x68])?,
    )?;
    Ok(File {
        name: "bad_messages",
        about: "refused by the strict decoder of version 1",
        cases,
    })
}

/// Replaces the command's fields by what `change` makes of them.
fn changed(message: &[u8], change: impl Fn(Fields) -> Cbor) -> Result<Vec<u8>> {
    let Cbor::Map(command) = serde_cbor::from_slice(message)? else {
        anyhow::bail!("a command with fields is a map");
    };
    let command = command
        .into_iter()
        .map(|(name, fields)| match fields {
            Cbor::Map(fields) => (name, change(fields)),
            other => (name, other),
        })
        .collect();
    Ok(serde_cbor::to_vec(&Cbor::Map(command))?)
}

type Fields = BTreeMap<Cbor, Cbor>;

fn array_for_struct(message: &[u8]) -> Result<Vec<u8>> {
    changed(message, |fields| {
        Cbor::Array(fields.into_values().collect())
    })
}

fn with_integer_keys(fields: &Fields) -> Cbor {
    let keys = (0..).map(Cbor::Integer);
    Cbor::Map(keys.zip(fields.values().cloned()).collect())
}

fn with_unknown_field(mut fields: Fields) -> Cbor {
    fields.insert(Cbor::Text("zz".to_owned()), Cbor::Bool(true));
    Cbor::Map(fields)
}

fn with_arrays_for_bytes(fields: Fields) -> Cbor {
    let array = |value| match value {
        Cbor::Bytes(bytes) => {
            Cbor::Array(bytes.into_iter().map(|b| Cbor::Integer(b.into())).collect())
        }
        other => other,
    };
    Cbor::Map(fields.into_iter().map(|(k, v)| (k, array(v))).collect())
}

fn with_a_short_id(fields: Fields) -> Cbor {
    let short = |value| match value {
        Cbor::Bytes(mut bytes) => {
            bytes.pop();
            Cbor::Bytes(bytes)
        }
        other => other,
    };
    Cbor::Map(fields.into_iter().map(|(k, v)| (k, short(v))).collect())
}

/// The map of serde_cbor's `Value` sorts its keys; the messages keep the order of
/// their declaration, so writing one through a `Value` reorders it.
fn reordered(message: &[u8]) -> Result<Vec<u8>> {
    let bytes = changed(message, Cbor::Map)?;
    ensure!(
        bytes != message,
        "this message's fields are in sorted order"
    );
    Ok(bytes)
}

/// {"acknowledge": {"round_id": x}} with the one field twice.
fn duplicated(message: &[u8]) -> Result<Vec<u8>> {
    let name = position(message, b"\x68round_id")?;
    let field = message[name..].to_vec();
    let mut bytes = [message, &field].concat();
    bytes[name - 1] = 0xa2;
    Ok(bytes)
}

fn replaced(message: &[u8], from: &[u8], to: &[u8]) -> Result<Vec<u8>> {
    let place = position(message, from)?;
    let mut bytes = [&message[..place], to, &message[place + from.len()..]].concat();
    if to.first() == Some(&0xbf) {
        bytes.push(0xff);
    }
    Ok(bytes)
}

fn position(message: &[u8], part: &[u8]) -> Result<usize> {
    message
        .windows(part.len())
        .position(|window| window == part)
        .context("the message does not hold what was to be changed")
}
