//! The envelope: an untagged COSE_Sign1 (RFC 9052, 4.2) under ES384, byte for
//! byte as hardware writes it.

use minicbor::Encoder;
use minicbor::encode::Error;
use std::convert::Infallible;

/// What is signed (RFC 9052, 4.4): the `Sig_structure` of a COSE_Sign1 with no
/// external data.
pub(crate) fn to_be_signed(payload: &[u8]) -> Vec<u8> {
    encode(|e| {
        e.array(4)?
            .str("Signature1")?
            .bytes(&PROTECTED)?
            .bytes(&[])?
            .bytes(payload)?;
        Ok(())
    })
}

/// `[protected, {}, payload, signature]`.
pub(crate) fn envelope(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    encode(|e| {
        e.array(4)?
            .bytes(&PROTECTED)?
            .map(0)?
            .bytes(payload)?
            .bytes(signature)?;
        Ok(())
    })
}

type Write<'a> = Encoder<&'a mut Vec<u8>>;

fn encode(write: impl FnOnce(&mut Write<'_>) -> Result<(), Error<Infallible>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).expect("a Vec takes whatever is written to it");
    bytes
}

/// `{1: -35}`, that is, alg: ES384.
const PROTECTED: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];
