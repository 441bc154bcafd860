//! Reads documents back, for this crate's tests: the envelope byte for byte, the
//! payload by a walk over its CBOR, the chain by webpki under a root given, the
//! signature by ring. Not a verifier of policy; that is the attestation crate's.

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::Decoder;
use minicbor::data::Type;
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::ring::ECDSA_P384_SHA384;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::notary::Certificates;
use crate::payload::Payload;

/// A document taken apart.
pub(crate) struct Read {
    pub(crate) payload_bytes: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) payload: Payload,
    pub(crate) keys: Vec<String>,
    pub(crate) definite: bool,
}

impl Read {
    pub(crate) fn document(bytes: &[u8]) -> Self {
        let (payload_bytes, signature) = envelope(bytes);
        let mut d = Decoder::new(&payload_bytes);
        let len = d.map().unwrap();
        let mut keys = Vec::new();
        let mut payload = blank();
        while !ended(&mut d, len, keys.len()) {
            let key = d.str().unwrap().to_owned();
            match key.as_str() {
                "module_id" => payload.module_id = d.str().unwrap().to_owned(),
                "digest" => payload.digest = d.str().unwrap().to_owned(),
                "timestamp" => payload.timestamp_ms = d.u64().unwrap(),
                "pcrs" => payload.pcrs = pcrs(&mut d),
                "certificate" => payload.certificate = d.bytes().unwrap().to_vec(),
                "cabundle" => payload.cabundle = array(&mut d),
                "public_key" => payload.public_key = optional(&mut d),
                "user_data" => payload.user_data = optional(&mut d),
                "nonce" => payload.nonce = optional(&mut d),
                other => panic!("unknown key {other}"),
            }
            keys.push(key);
        }
        assert_eq!(d.position(), payload_bytes.len(), "bytes after the map");
        Self {
            payload,
            keys,
            definite: len.is_some(),
            signature,
            payload_bytes,
        }
    }

    pub(crate) fn certificates(&self) -> Certificates {
        Certificates {
            leaf: self.payload.certificate.clone(),
            cabundle: self.payload.cabundle.clone(),
        }
    }

    /// The signature, under the leaf's key, over the structure that RFC 9052
    /// spells out, built here by hand.
    pub(crate) fn signature_holds(&self) -> bool {
        let mut message = vec![0x84, 0x6a];
        message.extend_from_slice(b"Signature1");
        message.extend_from_slice(&[0x44, 0xa1, 0x01, 0x38, 0x22, 0x40, 0x59]);
        let len = u16::try_from(self.payload_bytes.len()).unwrap();
        message.extend_from_slice(&len.to_be_bytes());
        message.extend_from_slice(&self.payload_bytes);
        let (_, leaf) = X509Certificate::from_der(&self.payload.certificate).unwrap();
        let point = leaf.public_key().subject_public_key.data.to_vec();
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
            .verify(&message, &self.signature)
            .is_ok()
    }
}

/// Whether webpki finds a path from the leaf to `root` at `now_ms`.
pub(crate) fn chain_holds(
    certificates: &Certificates,
    root: &[u8],
    now_ms: u64,
) -> Result<(), webpki::Error> {
    let root = CertificateDer::from(root);
    let anchors = [anchor_from_trusted_cert(&root)?];
    let intermediates: Vec<_> = certificates.cabundle[1..]
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let leaf = CertificateDer::from(certificates.leaf.as_slice());
    EndEntityCert::try_from(&leaf)?
        .verify_for_usage(
            &[ECDSA_P384_SHA384],
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_millis(now_ms)),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map(|_| ())
}

/// Start and end of a certificate's window, in seconds.
pub(crate) fn window_s(der: &[u8]) -> (u64, u64) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let validity = certificate.validity();
    (
        u64::try_from(validity.not_before.timestamp()).unwrap(),
        u64::try_from(validity.not_after.timestamp()).unwrap(),
    )
}

fn envelope(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let head = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];
    let rest = bytes
        .strip_prefix(&head)
        .expect("not the envelope that hardware writes");
    let mut d = Decoder::new(rest);
    let payload = d.bytes().unwrap().to_vec();
    let signature = d.bytes().unwrap().to_vec();
    assert_eq!(d.position(), rest.len(), "bytes after the envelope");
    assert_eq!(signature.len(), 96);
    (payload, signature)
}

fn ended(d: &mut Decoder<'_>, len: Option<u64>, read: usize) -> bool {
    match len {
        Some(len) => len == read as u64,
        None if d.datatype().unwrap() == Type::Break => {
            d.skip().unwrap();
            true
        }
        None => false,
    }
}

fn pcrs(d: &mut Decoder<'_>) -> BTreeMap<u16, Vec<u8>> {
    let len = d
        .map()
        .unwrap()
        .expect("hardware's inner maps are definite");
    let read: Vec<_> = (0..len)
        .map(|_| (d.u16().unwrap(), d.bytes().unwrap().to_vec()))
        .collect();
    assert!(read.is_sorted_by_key(|(index, _)| *index));
    read.into_iter().collect()
}

fn array(d: &mut Decoder<'_>) -> Vec<Vec<u8>> {
    let len = d
        .array()
        .unwrap()
        .expect("hardware's inner arrays are definite");
    (0..len).map(|_| d.bytes().unwrap().to_vec()).collect()
}

fn optional(d: &mut Decoder<'_>) -> Option<Vec<u8>> {
    if d.datatype().unwrap() == Type::Null {
        d.null().unwrap();
        return None;
    }
    Some(d.bytes().unwrap().to_vec())
}

fn blank() -> Payload {
    Payload {
        module_id: String::new(),
        digest: String::new(),
        timestamp_ms: 0,
        pcrs: BTreeMap::new(),
        certificate: Vec::new(),
        cabundle: Vec::new(),
        public_key: None,
        user_data: None,
        nonce: None,
    }
}
