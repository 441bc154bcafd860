//! A PKI of AWS's shape, written byte by byte: certificate libraries refuse to make most of the
//! certificates that a verifier must refuse.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use sealsum_attestation::{PolicyError, PolicyFile, Rejection, UnverifiedDocument};
use sealsum_protocol::UnixMillis;
use sealsum_softnsm::Payload;

use crate::evidence::{NOW, measured};

/// What one certificate says. Every part is DER that a test may replace.
pub(crate) struct Certificate {
    pub(crate) version: Vec<u8>,
    pub(crate) inner_algorithm: Vec<u8>,
    pub(crate) outer_algorithm: Vec<u8>,
    pub(crate) issuer: &'static str,
    pub(crate) subject: &'static str,
    /// UTCTime: `YYMMDDhhmmssZ`.
    pub(crate) validity: [&'static str; 2],
    /// SubjectPublicKeyInfo; that of the certificate's own key if `None`.
    pub(crate) key_info: Option<Vec<u8>>,
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) trailing: Vec<u8>,
    /// Whose key signs: a place in [`Pki::certificates`].
    pub(crate) signer: usize,
}

/// Root, regional, zonal, instance and leaf, each with its key.
pub(crate) struct Pki {
    pub(crate) certificates: Vec<Certificate>,
    keys: Vec<Vec<u8>>,
}

impl Pki {
    /// A chain without a flaw, valid at [`NOW`].
    pub(crate) fn sound() -> Self {
        let random = SystemRandom::new();
        let keys = (0..5)
            .map(|_| {
                let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random);
                key.unwrap().as_ref().to_vec()
            })
            .collect();
        let long = ["250101000000Z", "491231235959Z"];
        let certificates = vec![
            authority(["root", "root"], long, None, 0),
            authority(["root", "regional"], long, Some(2), 0),
            authority(["regional", "zonal"], long, Some(1), 1),
            authority(
                ["zonal", "instance"],
                ["260103000000Z", "260104000000Z"],
                Some(0),
                2,
            ),
            Certificate {
                extensions: vec![
                    basic_constraints(false, None),
                    key_usage(false, DIGITAL_SIGNATURE),
                ],
                ..authority(
                    ["instance", "leaf"],
                    ["260103204104Z", "260103234107Z"],
                    None,
                    3,
                )
            },
        ];
        Self { certificates, keys }
    }

    /// The certificates as DER, root first, leaf last.
    pub(crate) fn issue(&self) -> Vec<Vec<u8>> {
        let mut issued = Vec::new();
        for (certificate, key) in self.certificates.iter().zip(&self.keys) {
            let signer = certifying_key(&self.keys[certificate.signer]);
            issued.push(certificate.issue(&certifying_key(key), &signer));
        }
        issued
    }

    /// Puts the root's key of `other` in place of this one's.
    pub(crate) fn sign_with_root_of(&mut self, other: &Self) {
        self.keys[0].clone_from(&other.keys[0]);
    }

    /// Judges a document signed by the leaf's key over `chain`, under a policy that pins `root`.
    pub(crate) fn judge(
        &self,
        root: &[u8],
        chain: &[Vec<u8>],
        at: UnixMillis,
    ) -> Result<(), Rejection> {
        let policy = policy_file().into_policy(Some(&pem(root))).unwrap();
        UnverifiedDocument::parse(&self.document(chain))?
            .authenticate(&policy, at)
            .map(drop)
    }

    fn document(&self, chain: &[Vec<u8>]) -> Vec<u8> {
        let (leaf, cabundle) = chain.split_last().unwrap();
        let payload = Payload {
            module_id: "i-0368fa67e156d6d23-enc019b8596b1a9dad6".to_owned(),
            digest: "SHA384".to_owned(),
            timestamp_ms: NOW.0,
            pcrs: (0..16).map(|index| (index, vec![7; 48])).collect(),
            certificate: leaf.clone(),
            cabundle: cabundle.to_vec(),
            public_key: None,
            user_data: None,
            nonce: None,
        }
        .encode(false);
        let random = SystemRandom::new();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.keys[4], &random);
        let mut signed = Vec::new();
        minicbor::Encoder::new(&mut signed)
            .array(4)
            .and_then(|e| e.str("Signature1"))
            .and_then(|e| e.bytes(PROTECTED))
            .and_then(|e| e.bytes(&[]))
            .and_then(|e| e.bytes(&payload))
            .unwrap();
        let signature = key.unwrap().sign(&random, &signed).unwrap();
        let mut document = Vec::new();
        minicbor::Encoder::new(&mut document)
            .array(4)
            .and_then(|e| e.bytes(PROTECTED))
            .and_then(|e| e.map(0))
            .and_then(|e| e.bytes(&payload))
            .and_then(|e| e.bytes(signature.as_ref()))
            .unwrap();
        document
    }

    /// SubjectPublicKeyInfo with the certificate's key in another form.
    pub(crate) fn key_info(
        &self,
        place: usize,
        curve: &[u8],
        form: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let key = certifying_key(&self.keys[place]);
        key_info(curve, &form(key.public_key().as_ref()))
    }
}

impl Certificate {
    fn issue(&self, own: &EcdsaKeyPair, signer: &EcdsaKeyPair) -> Vec<u8> {
        let own_key = || key_info(P384, own.public_key().as_ref());
        let mut fields = vec![
            self.version.clone(),
            tlv(0x02, &[&[0x01, 0x02, 0x03]]),
            self.inner_algorithm.clone(),
            name(self.issuer),
            tlv(
                0x30,
                &self.validity.map(|time| tlv(0x17, &[time.as_bytes()])),
            ),
            name(self.subject),
            self.key_info.clone().unwrap_or_else(own_key),
        ];
        if !self.extensions.is_empty() {
            fields.push(tlv(0xa3, &[tlv(0x30, &self.extensions)]));
        }
        let to_be_signed = tlv(0x30, &fields);
        let signature = signer.sign(&SystemRandom::new(), &to_be_signed).unwrap();
        let signature = tlv(0x03, &[&[0], signature.as_ref()]);
        let mut der = tlv(
            0x30,
            &[to_be_signed, self.outer_algorithm.clone(), signature],
        );
        der.extend(&self.trailing);
        der
    }
}

fn authority(
    [issuer, subject]: [&'static str; 2],
    validity: [&'static str; 2],
    path_length: Option<u8>,
    signer: usize,
) -> Certificate {
    Certificate {
        version: tlv(0xa0, &[tlv(0x02, &[&[2]])]),
        inner_algorithm: algorithm(ECDSA_WITH_SHA384),
        outer_algorithm: algorithm(ECDSA_WITH_SHA384),
        issuer,
        subject,
        validity,
        key_info: None,
        extensions: vec![
            basic_constraints(true, path_length),
            key_usage(true, KEY_CERT_SIGN),
        ],
        trailing: Vec::new(),
        signer,
    }
}

/// Tag, length, contents.
pub(crate) fn tlv<C: AsRef<[u8]>>(tag: u8, contents: &[C]) -> Vec<u8> {
    let content: Vec<u8> = contents.iter().flat_map(|c| c.as_ref()).copied().collect();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match (length, content.len()) {
        ([_, low], 0..=127) => vec![tag, low],
        ([_, low], 128..=255) => vec![tag, 0x81, low],
        ([high, low], _) => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// AlgorithmIdentifier without parameters.
pub(crate) fn algorithm(oid: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(0x06, &[oid])])
}

pub(crate) fn key_info(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[tlv(0x06, &[EC_PUBLIC_KEY]), tlv(0x06, &[curve])]);
    tlv(0x30, &[algorithm, tlv(0x03, &[&[0], point])])
}

pub(crate) fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![tlv(0x06, &[oid])];
    if critical {
        parts.push(tlv(0x01, &[&[0xff]]));
    }
    parts.push(tlv(0x04, &[content]));
    tlv(0x30, &parts)
}

pub(crate) fn basic_constraints(authority: bool, path_length: Option<u8>) -> Vec<u8> {
    let mut parts = Vec::new();
    if authority {
        parts.push(tlv(0x01, &[&[0xff]]));
    }
    parts.extend(path_length.map(|length| tlv(0x02, &[&[length]])));
    extension(&[0x55, 0x1d, 0x13], true, &tlv(0x30, &parts))
}

/// `bits` is the first octet of the bit string, with its unused bits in front.
pub(crate) fn key_usage(critical: bool, bits: [u8; 2]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 0x0f], critical, &tlv(0x03, &[&bits]))
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = [
        tlv(0x06, &[&[0x55, 0x04, 0x03]]),
        tlv(0x0c, &[common_name.as_bytes()]),
    ];
    tlv(0x30, &[tlv(0x31, &[tlv(0x30, &attribute)])])
}

fn certifying_key(pkcs8: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8, &SystemRandom::new()).unwrap()
}

/// Whether a policy would pin this root.
pub(crate) fn pin(root: &[u8]) -> Result<(), PolicyError> {
    pin_as(root, true)
}

/// The same, for a policy that says or does not say that it is a mock's.
pub(crate) fn pin_as(root: &[u8], mock: bool) -> Result<(), PolicyError> {
    let file = PolicyFile {
        mock,
        ..policy_file()
    };
    file.into_policy(Some(&pem(root))).map(drop)
}

fn policy_file() -> PolicyFile {
    PolicyFile {
        root: "root.pem".to_owned(),
        mock: true,
        max_age_seconds: 300,
        clock_skew_seconds: 10,
        allow_debug: false,
        measurements: vec![measured("this build")],
        publishers: Vec::new(),
    }
}

fn pem(der: &[u8]) -> String {
    let base64 = base64(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            (0..4).map(move |digit| match digit > chunk.len() {
                true => '=',
                false => ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize].into(),
            })
        })
        .collect()
}

pub(crate) const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
pub(crate) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(crate) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// Bit 0, and seven unused bits.
pub(crate) const DIGITAL_SIGNATURE: [u8; 2] = [7, 0x80];
/// Bit 5, and two unused bits.
pub(crate) const KEY_CERT_SIGN: [u8; 2] = [2, 0x04];
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
