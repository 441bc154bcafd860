//! An image's signature section: whose certificate becomes PCR8, and over which PCR0 it signed.
//!
//! The section is a CBOR array of maps `signing_certificate` (PEM) and `signature` (COSE_Sign1 over
//! register index and value), both as arrays of integers. Nothing of it is measured but the
//! certificate. It is read here and compared with the image; whether the signature verifies is for
//! whoever has the cryptography, over [`ImageSignature::to_be_signed`].

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::Encoder;

/// A signature that names the image it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSignature {
    certificate: Vec<u8>,
    cose: Cose,
}

/// A COSE_Sign1 whose unprotected header is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cose {
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl ImageSignature {
    /// Reads the section of an image that measures to `pcr0`.
    pub(crate) fn parse(section: &[u8], pcr0: &[u8; 48]) -> Result<Self, BadSignature> {
        let (certificate, cose) = whole(section, read_section)?;
        let certificate = first_certificate(&certificate).ok_or(BadSignature::Certificate)?;
        let cose = whole(&cose, read_cose)?;
        let (index, value) = whole(&cose.payload, read_register)?;
        if index != 0 {
            return Err(BadSignature::OtherRegister { found: index });
        }
        if value != pcr0 {
            return Err(BadSignature::OtherImage);
        }
        Ok(Self { certificate, cose })
    }

    /// The signing certificate, DER: what PCR8 is made of. If the PEM holds a chain, the first.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The COSE protected header, as it stands in the file: it names the algorithm.
    #[must_use]
    pub fn protected_header(&self) -> &[u8] {
        &self.cose.protected
    }

    /// The signature: r and s, of equal length.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.cose.signature
    }

    /// The bytes that the signature is over (RFC 9052, section 4.4).
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        sig_structure(&self.cose.protected, &self.cose.payload)
    }
}

/// The bytes to sign with ES384 for an image that measures to `pcr0`.
#[must_use]
pub fn to_be_signed(pcr0: &[u8; 48]) -> Vec<u8> {
    sig_structure(ES384, &register(pcr0))
}

/// The signature section of an image that measures to `pcr0`: the signing certificate as PEM, and the
/// ES384 signature (r and s, 96 bytes) over [`to_be_signed`].
#[must_use]
pub fn signature_section(pcr0: &[u8; 48], certificate_pem: &[u8], signature: &[u8]) -> Vec<u8> {
    let cose = written(|e| {
        e.array(4)?.bytes(ES384)?.map(0)?;
        e.bytes(&register(pcr0))?.bytes(signature)?;
        Ok(())
    });
    written(|e| {
        e.array(1)?.map(2)?.str(CERTIFICATE)?;
        integers(e, certificate_pem)?;
        e.str(SIGNATURE)?;
        integers(e, &cose)
    })
}

/// One entry: PEM certificate and COSE_Sign1.
fn read_section(decoder: &mut Decoder<'_>) -> Result<(Vec<u8>, Vec<u8>), Error> {
    definite(decoder.array()?, 1)?;
    definite(decoder.map()?, 2)?;
    let (mut certificate, mut signature) = (None, None);
    for _ in 0..2 {
        match decoder.str()? {
            CERTIFICATE => certificate = Some(read_integers(decoder)?),
            SIGNATURE => signature = Some(read_integers(decoder)?),
            _ => return Err(Error::message("unexpected key")),
        }
    }
    // Two entries: a key that is there twice leaves the other one out.
    certificate
        .zip(signature)
        .ok_or_else(|| Error::message("missing key"))
}

fn read_cose(decoder: &mut Decoder<'_>) -> Result<Cose, Error> {
    if decoder.datatype()? == Type::Tag && decoder.tag()?.as_u64() != COSE_SIGN1_TAG {
        return Err(Error::message("unexpected tag"));
    }
    definite(decoder.array()?, 4)?;
    let protected = decoder.bytes()?.to_vec();
    definite(decoder.map()?, 0)?;
    Ok(Cose {
        protected,
        payload: decoder.bytes()?.to_vec(),
        signature: decoder.bytes()?.to_vec(),
    })
}

/// A register's index and its value.
fn read_register(decoder: &mut Decoder<'_>) -> Result<(u64, Vec<u8>), Error> {
    definite(decoder.map()?, 2)?;
    let (mut index, mut value) = (None, None);
    for _ in 0..2 {
        match decoder.str()? {
            INDEX => index = Some(decoder.u64()?),
            VALUE => value = Some(read_integers(decoder)?),
            _ => return Err(Error::message("unexpected key")),
        }
    }
    // As above: no key is there twice.
    index
        .zip(value)
        .ok_or_else(|| Error::message("missing key"))
}

/// Bytes, written as an array of integers. They are read one by one: a declared count reserves nothing.
fn read_integers(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, Error> {
    let count = decoder
        .array()?
        .ok_or_else(|| Error::message("indefinite array"))?;
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.push(decoder.u8()?);
    }
    Ok(bytes)
}

fn definite(found: Option<u64>, expected: u64) -> Result<(), Error> {
    if found == Some(expected) {
        Ok(())
    } else {
        Err(Error::message("unexpected number of entries"))
    }
}

/// Reads all of `bytes`.
fn whole<T>(
    bytes: &[u8],
    read: fn(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<T, BadSignature> {
    let mut decoder = Decoder::new(bytes);
    let read = read(&mut decoder);
    let offset = decoder.position();
    match read {
        Ok(value) if offset == bytes.len() => Ok(value),
        _ => Err(BadSignature::Malformed { offset }),
    }
}

fn first_certificate(pem: &[u8]) -> Option<Vec<u8>> {
    let block = pem::parse(pem).ok()?;
    (block.tag() == "CERTIFICATE").then(|| block.into_contents())
}

fn register(pcr0: &[u8; 48]) -> Vec<u8> {
    written(|e| {
        e.map(2)?.str(INDEX)?.u8(0)?.str(VALUE)?;
        integers(e, pcr0)
    })
}

fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    written(|e| {
        e.array(4)?.str("Signature1")?;
        e.bytes(protected)?.bytes(&[])?.bytes(payload)?;
        Ok(())
    })
}

type Writer = Encoder<Vec<u8>>;
type Written = Result<(), minicbor::encode::Error<core::convert::Infallible>>;

/// A vector takes every write.
fn written(write: impl FnOnce(&mut Writer) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    match write(&mut encoder) {
        Ok(()) => encoder.into_writer(),
        Err(_) => Vec::new(),
    }
}

fn integers(encoder: &mut Writer, bytes: &[u8]) -> Written {
    encoder.array(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
    for byte in bytes {
        encoder.u8(*byte)?;
    }
    Ok(())
}

/// Why a signature section was refused. Whoever signed the image is at fault, or the file is not the one
/// that was signed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not the CBOR that is due.
    #[error(
        "not the expected CBOR near offset {offset} of the section or of a part of it: one map of signing_certificate and signature, a COSE_Sign1 over register_index and register_value"
    )]
    Malformed {
        /// Where reading stopped.
        offset: usize,
    },
    /// The certificate is no PEM.
    #[error("signing_certificate is no PEM block of type CERTIFICATE")]
    Certificate,
    /// The signature is over another register than PCR0.
    #[error("the signature is over PCR{found}; expected PCR0")]
    OtherRegister {
        /// The register's index.
        found: u64,
    },
    /// The signature is over another image's PCR0.
    #[error(
        "the signature is over the PCR0 of another image: this one was changed after it was signed, and will not boot; sign it again"
    )]
    OtherImage,
}

impl BadSignature {
    /// A stable name for machines, in kebab case.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed { .. } => "image-signature-malformed",
            Self::Certificate => "image-signature-certificate",
            Self::OtherRegister { .. } => "image-signature-register",
            Self::OtherImage => "image-signature-other-image",
        }
    }
}

const CERTIFICATE: &str = "signing_certificate";
const SIGNATURE: &str = "signature";
const INDEX: &str = "register_index";
const VALUE: &str = "register_value";

/// `{1: -35}`: ES384 (RFC 9053, section 2.1).
const ES384: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// RFC 9052, section 2.
const COSE_SIGN1_TAG: u64 = 18;
