//! Elements as bytes: packing, masks, frames.

use anyhow::Result;
use sealsum_protocol::frame::Frame;
use sealsum_protocol::pack::pack;
use sealsum_protocol::{MaskSeed, RingBits, RingVector};
use serde_json::json;

use super::File;
use super::seeds::bytes32;

pub(super) fn packing() -> Result<File> {
    let mut cases = Vec::new();
    for bits in (8..=32).chain([64]) {
        let bits = RingBits::new(bits)?;
        let most = i64::try_from(bits.signed_max())?;
        let values = [0, 1, -1, most, -most - 1, 7, -100, most / 3, -most / 5];
        let block = RingVector::from_signed(bits, values.into_iter());
        cases.push(json!({
            "bits": u8::from(bits),
            "values": values.map(|value| value.to_string()),
            "packed": hex::encode(pack(&block)),
        }));
    }
    Ok(File {
        name: "packing",
        about: "element i takes bits i*k to (i+1)*k-1, least significant bit first, two's complement of k bits",
        cases,
    })
}

pub(super) fn masks() -> Result<File> {
    let mut cases = Vec::new();
    for seed in [[0; 32], bytes32("a mask's seed")] {
        for bits in [8, 20, 31, 32, 64] {
            for block in [0, 1, 40] {
                let bits = RingBits::new(bits)?;
                let mut mask = RingVector::zeros(bits, 12);
                MaskSeed::new(&seed)
                    .expand(bits)
                    .wrapping_add_to(block, &mut mask)?;
                cases.push(json!({
                    "seed": hex::encode(seed),
                    "bits": u8::from(bits),
                    "block": block,
                    "packed": hex::encode(pack(&mask)),
                }));
            }
        }
    }
    Ok(File {
        name: "masks",
        about: "the first 12 elements of a block of the mask: AES-256-CTR keystream from counter zero, little-endian words (4 bytes; 8 for k = 64), low k bits; a block is 16384 words",
        cases,
    })
}

pub(super) fn frames() -> Result<File> {
    let mut cases = Vec::new();
    for (head, body) in [
        (&b"\xf6"[..], &b""[..]),
        (b"\x68describe", b""),
        (b"head", b"body"),
    ] {
        let frame = Frame {
            head: head.to_vec(),
            body: body.to_vec(),
        };
        cases.push(json!({
            "head": hex::encode(head),
            "body": hex::encode(body),
            "frame": hex::encode(frame.encode()?),
        }));
    }
    Ok(File {
        name: "frames",
        about: "length of head, length of body (4 bytes each, big-endian), head, body",
        cases,
    })
}
