//! Bytes and numbers that are not what their place wants.

use anyhow::{Context, Result};
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::frame::FrameDecoder;
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    Encoding, KemSuite, RingBits, RingVector, RoundParams, RoundTerms, canonical, upload,
};
use serde_json::{Value, json};

use super::fixed_point::floats;
use super::rounds::terms;
use super::seeds::bytes32;
use super::{File, variant};

pub(super) fn bad_packing() -> Result<File> {
    let mut cases = Vec::new();
    for (bits, elements) in [(9, 3), (20, 3), (31, 5), (32, 2), (64, 2)] {
        let bits = RingBits::new(bits)?;
        let good = pack(&RingVector::from_signed(bits, (0..elements).map(|i| i - 2)));
        let elements = usize::try_from(elements)?;
        let short = good[..good.len() - 1].to_vec();
        let long = [good.clone(), vec![0]].concat();
        let mut padded = good;
        if let Some(last) = padded.last_mut() {
            *last |= 0x80;
        }
        let padded =
            (!(elements * usize::try_from(bits.get())?).is_multiple_of(8)).then_some(padded);
        for packed in [Some(short), Some(long), padded].into_iter().flatten() {
            let error = unpack(&packed, bits, elements)
                .err()
                .context("a bad packing was accepted")?;
            cases.push(json!({
                "bits": u8::from(bits),
                "elements": elements,
                "packed": hex::encode(packed),
                "error": variant(&error),
            }));
        }
    }
    Ok(File {
        name: "bad_packing",
        about: "a byte too few, a byte too many, a padding bit that is set",
        cases,
    })
}

pub(super) fn bad_fixed_point() -> Result<File> {
    let plain = terms(KemSuite::X25519);
    let bounded = RoundTerms {
        l2_bound: Some(1024),
        ..plain.clone()
    };
    let ones = [0.5; 12];
    let with = |value: f64| {
        let mut values = ones;
        values[5] = value;
        values
    };
    let cases = [
        ("too_short", &plain, ones[1..].to_vec(), 1),
        ("not_a_number", &plain, with(f64::NAN).to_vec(), 1),
        ("infinite", &plain, with(f64::NEG_INFINITY).to_vec(), 1),
        ("beyond_the_clip", &plain, with(4.001).to_vec(), 1),
        ("weight_zero", &plain, ones.to_vec(), 0),
        ("weight_above_the_bound", &plain, ones.to_vec(), 2),
        // 12 x 512^2 > 1024^2.
        ("norm_above_the_bound", &bounded, ones.to_vec(), 1),
    ];
    let cases = cases
        .into_iter()
        .map(|(name, terms, values, weight)| {
            let error = Encoding::new(
                &RoundParams::new(terms.clone())?,
                &values,
                weight,
                OutOfRange::Refuse,
                &RoundingSeed::new(bytes32("rounding")),
            )
            .and_then(|update| update.for_each_piece(|_, _| Ok(())))
            .err()
            .with_context(|| format!("{name} was accepted"))?;
            Ok(json!({
                "name": name,
                "terms": hex::encode(canonical::encode(terms)),
                "values": floats(&values),
                "weight": weight,
                "error": variant(&error),
            }))
        })
        .collect::<Result<Vec<Value>>>()?;
    Ok(File {
        name: "bad_fixed_point",
        about: "updates that are not encoded (values out of range refused, not clamped)",
        cases,
    })
}

pub(super) fn bad_frames() -> File {
    let heads: [(&str, &[u8]); 5] = [
        ("empty_head", &[0, 0, 0, 0, 0, 0, 0, 0]),
        ("head_above_64_kib", &[0, 1, 0, 1, 0, 0, 0, 0]),
        ("head_of_4_gib", &[0xff; 8]),
        ("body_above_128_kib", &[0, 0, 0, 1, 0, 2, 0, 1]),
        ("cut_off", &[0, 0, 0, 2, 0, 0, 0, 0, 0xf6]),
    ];
    let cases = heads
        .into_iter()
        .map(|(name, bytes)| {
            let mut decoder = FrameDecoder::default();
            decoder.push(bytes);
            // A frame that is cut off is no error yet; it is none when the connection ends.
            let error = decoder
                .next_frame()
                .err()
                .map_or_else(|| "Incomplete".to_owned(), |error| variant(&error));
            json!({ "name": name, "bytes": hex::encode(bytes), "error": error })
        })
        .collect();
    File {
        name: "bad_frames",
        about: "refused by their lengths alone, before anything is allocated; or incomplete",
        cases,
    }
}

pub(super) fn bad_uploads() -> Result<File> {
    let mut cases = Vec::new();
    for length in [0_u32, 4097, u32::MAX] {
        let error = upload::header_length(length.to_be_bytes())
            .err()
            .context("a header's length was accepted")?;
        cases.push(json!({
            "length": hex::encode(length.to_be_bytes()),
            "error": variant(&error),
        }));
    }
    Ok(File {
        name: "bad_uploads",
        about: "lengths that no upload's header has",
        cases,
    })
}
