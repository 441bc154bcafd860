//! What verification costs beside the P-384 verifications that it can't do without: four of
//! certificates and one of the document, or with a known upper chain one and one.
//!
//! `cargo bench -p sealsum-attestation --bench verify`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ring::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use sealsum_attestation::{AppraisalPolicy, ChainCache, PolicyFile, UnverifiedDocument};
use sealsum_forge::{Document, NOW_MS, POLICIES, Pki, Signed, cbor, root_pem};
use sealsum_protocol::UnixMillis;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const AT: UnixMillis = UnixMillis(NOW_MS);

fn verify(c: &mut Criterion) {
    let sound = Document::sound();
    let (document, needed, policy) = (sound.bytes(), needed(&sound), policy());
    let full = || {
        let parsed = UnverifiedDocument::parse(black_box(&document)).unwrap();
        parsed.authenticate(&policy, AT).unwrap()
    };
    c.bench_function("p384, one", |b| b.iter(|| needed[0].verify()));
    c.bench_function("p384, the five of a chain", |b| {
        b.iter(|| needed.iter().for_each(Needed::verify));
    });
    c.bench_function("document, full", |b| b.iter(full));
    let mut cache = ChainCache::new();
    c.bench_function("document, upper chain known", |b| {
        b.iter(|| {
            let parsed = UnverifiedDocument::parse(black_box(&document)).unwrap();
            parsed.authenticate_with(&policy, AT, &mut cache).unwrap()
        });
    });
    c.bench_function("document, parse alone", |b| {
        b.iter(|| UnverifiedDocument::parse(black_box(&document)).unwrap());
    });
}

/// One signature, with what it takes to verify it.
struct Needed {
    algorithm: &'static dyn VerificationAlgorithm,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Needed {
    fn verify(&self) {
        UnparsedPublicKey::new(self.algorithm, black_box(&self.key))
            .verify(&self.message, &self.signature)
            .unwrap();
    }
}

/// The signatures of the chain below the root, and the document's own.
fn needed(document: &Document) -> Vec<Needed> {
    let pki = Pki::sound();
    let mut needed = Vec::new();
    for (place, der) in pki.issue().iter().enumerate().skip(1) {
        let (_, certificate) = X509Certificate::from_der(der).unwrap();
        needed.push(Needed {
            algorithm: &ECDSA_P384_SHA384_ASN1,
            key: pki.key(place - 1).point(),
            message: certificate.tbs_certificate.as_ref().to_vec(),
            signature: certificate.signature_value.data.to_vec(),
        });
    }
    let payload = document.payload();
    let signed: Signed = document.sign(&payload);
    needed.push(Needed {
        algorithm: &ECDSA_P384_SHA384_FIXED,
        key: pki.key(sealsum_forge::pki::LEAF).point(),
        message: cbor::array(&[
            cbor::text("Signature1"),
            cbor::bytes(sealsum_forge::PROTECTED),
            cbor::bytes(&[]),
            cbor::bytes(&payload),
        ]),
        signature: signed.scalars().concat(),
    });
    needed
}

fn policy() -> AppraisalPolicy {
    let (_, text) = POLICIES[0];
    let file = PolicyFile::parse(text).unwrap();
    file.into_policy(Some(&root_pem())).unwrap()
}

criterion_group!(benches, verify);
criterion_main!(benches);
