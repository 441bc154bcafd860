//! The limits that this enclave runs with, as text, and the register that attests them.
//!
//! PCR0 to 2 cover the code; PCR16 lets a relying party see what it was started with
//! without reading it. Everything here is the same for each start of an image.

use std::fmt::Write as _;

use sealsum_enclave_core::{MEMORY_CEILING, RELEASE_TIMEOUT_MS};
use sealsum_protocol::block::BLOCK_ELEMENTS;
use sealsum_protocol::frame::{BODY_LIMIT, HEAD_LIMIT};
use sealsum_protocol::{FLOOR, KemSuite, VERSION};
use sha2::{Digest as _, Sha384};

use crate::crew::{CONNECTION_LIMIT, FRAME_TIME, QUEUE_LIMIT};

/// One `name=value` per line, in this order, each line ended.
pub(crate) fn text(port: u32) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let frame_seconds = FRAME_TIME.as_secs();
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // A string takes every write.
        let _ = writeln!(text, "{name}={value}");
    };
    line("sealsum-enclave", &version);
    line("protocol", &VERSION);
    line(
        "kem",
        &format_args!("{},{}", KemSuite::XWing, KemSuite::X25519),
    );
    line("cohort-floor", &FLOOR);
    line("block-elements", &BLOCK_ELEMENTS);
    line("frame-head-bytes", &HEAD_LIMIT);
    line("frame-body-bytes", &BODY_LIMIT);
    line("frame-seconds", &frame_seconds);
    line("connections", &CONNECTION_LIMIT);
    line("connections-waiting", &QUEUE_LIMIT);
    line("memory-ceiling-bytes", &MEMORY_CEILING);
    line("release-milliseconds", &RELEASE_TIMEOUT_MS);
    line("vsock-port", &port);
    text
}

/// What the register is extended with: SHA-384 of [`text`].
pub(crate) fn digest(text: &str) -> [u8; 48] {
    Sha384::digest(text).into()
}

/// What an untouched register holds after it was extended with `digest`.
pub(crate) fn register(digest: &[u8; 48]) -> [u8; 48] {
    Sha384::new()
        .chain_update([0; 48])
        .chain_update(digest)
        .finalize()
        .into()
}

/// The first register that is the application's to extend.
pub(crate) const REGISTER: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_name_and_a_value() {
        let text = text(5005);
        assert!(text.ends_with("vsock-port=5005\n"));
        for line in text.lines() {
            let (name, value) = line.split_once('=').unwrap();
            assert!(!name.is_empty() && !value.is_empty(), "{line}");
        }
    }

    #[test]
    fn another_port_is_another_register() {
        let of = |port| register(&digest(&text(port)));
        assert_ne!(of(5005), of(5006));
    }

    /// From Python: `hashlib.sha384(bytes(48) + hashlib.sha384(b"abc").digest())`.
    #[test]
    fn a_register_is_extended_as_the_device_does() {
        let value = register(&digest("abc"));
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, ABC);
    }

    const ABC: &str = "93732e3733514a841c982cfa75ea76ab55fe011acb9cd980ef4523913c65be1b0998e04d77f8c174f81a82151619ca40";
}
