//! A PKI of AWS's shape: root, regional, zonal, instance, leaf, each of which a test may change
//! before it is issued.

use crate::der::{
    DIGITAL_SIGNATURE, ECDSA_WITH_SHA384, KEY_CERT_SIGN, P384, algorithm, basic_constraints,
    key_info, key_usage, name, tlv,
};
use crate::key::Key;

/// What one certificate says. Every part is DER that a test may replace.
#[derive(Clone)]
pub struct Certificate {
    /// `[0] { INTEGER }`.
    pub version: Vec<u8>,
    /// The signature's algorithm, as it is signed.
    pub inner_algorithm: Vec<u8>,
    /// The same, beside the signature.
    pub outer_algorithm: Vec<u8>,
    /// Common name of the issuer.
    pub issuer: &'static str,
    /// Common name of the subject.
    pub subject: &'static str,
    /// Both inside. UTCTime: `YYMMDDhhmmssZ`; or GeneralizedTime, with a year of four digits.
    pub validity: [&'static str; 2],
    /// SubjectPublicKeyInfo; that of the certificate's own key if `None`.
    pub key_info: Option<Vec<u8>>,
    /// What stands between the key and the extensions: nothing in a sound one.
    pub unique_id: Vec<u8>,
    /// One DER value each.
    pub extensions: Vec<Vec<u8>>,
    /// What follows the certificate: nothing after a sound one.
    pub trailing: Vec<u8>,
    /// Whose key signs: a place in [`Pki::certificates`].
    pub signer: usize,
}

/// Root, regional, zonal, instance and leaf, each with its key.
#[derive(Clone)]
pub struct Pki {
    /// What they say, root first, leaf last.
    pub certificates: Vec<Certificate>,
    keys: Vec<Key>,
}

impl Pki {
    /// A chain without a flaw, valid at [`crate::NOW_MS`].
    pub fn sound() -> Self {
        Self::with_keys("sound")
    }

    /// The same names, times and extensions over other keys.
    pub fn look_alike() -> Self {
        Self::with_keys("look-alike")
    }

    /// A chain under the sound one's root with any number of intermediates, up to seven; none of
    /// them limits the path.
    ///
    /// # Panics
    /// If there are more than seven.
    pub fn tall(intermediates: usize) -> Self {
        let mut pki = Self::sound();
        let leaf = pki.certificates.swap_remove(LEAF);
        let leaf_key = pki.keys.swap_remove(LEAF);
        pki.certificates.truncate(1);
        pki.keys.truncate(1);
        let validity = pki.certificates[ROOT].validity;
        let mut issuer = "root";
        for (above, subject) in STOREYS.into_iter().enumerate().take(intermediates) {
            pki.certificates
                .push(authority([issuer, subject], validity, None, above));
            pki.keys.push(Key::named(&format!("tall {subject}")));
            issuer = subject;
        }
        assert_eq!(pki.keys.len(), intermediates + 1, "at most seven");
        let signer = intermediates;
        pki.certificates.push(Certificate {
            issuer,
            signer,
            ..leaf
        });
        pki.keys.push(leaf_key);
        pki
    }

    fn with_keys(family: &str) -> Self {
        let keys = ["root", "regional", "zonal", "instance", "leaf"]
            .map(|role| Key::named(&format!("{family} {role}")))
            .to_vec();
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
    pub fn issue(&self) -> Vec<Vec<u8>> {
        self.certificates
            .iter()
            .zip(&self.keys)
            .map(|(certificate, key)| certificate.issue(key, &self.keys[certificate.signer]))
            .collect()
    }

    /// The key of the certificate at `place`.
    pub fn key(&self, place: usize) -> &Key {
        &self.keys[place]
    }

    /// Puts a key of `other` in place of this one's.
    pub fn take_key(&mut self, place: usize, other: &Self) {
        self.keys[place] = other.keys[place].clone();
    }

    /// SubjectPublicKeyInfo with the certificate's key in another form.
    pub fn key_info(&self, place: usize, curve: &[u8], form: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        key_info(curve, &form(&self.keys[place].point()))
    }
}

impl Certificate {
    fn issue(&self, own: &Key, signer: &Key) -> Vec<u8> {
        let own_key = || key_info(P384, &own.point());
        let mut fields = vec![
            self.version.clone(),
            tlv(0x02, &[&[0x01, 0x02, 0x03]]),
            self.inner_algorithm.clone(),
            name(self.issuer),
            tlv(
                0x30,
                &self.validity.map(|time| {
                    let tag = if time.len() == 13 { 0x17 } else { 0x18 };
                    tlv(tag, &[time.as_bytes()])
                }),
            ),
            name(self.subject),
            self.key_info.clone().unwrap_or_else(own_key),
            self.unique_id.clone(),
        ];
        if !self.extensions.is_empty() {
            fields.push(tlv(0xa3, &[tlv(0x30, &self.extensions)]));
        }
        let to_be_signed = tlv(0x30, &fields);
        let signature = tlv(0x03, &[vec![0], signer.sign_der(&to_be_signed)]);
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
        unique_id: Vec::new(),
        extensions: vec![
            basic_constraints(true, path_length),
            key_usage(true, KEY_CERT_SIGN),
        ],
        trailing: Vec::new(),
        signer,
    }
}

/// Places in [`Pki::certificates`].
pub const ROOT: usize = 0;
/// Below the root.
pub const REGIONAL: usize = 1;
/// Below the regional one.
pub const ZONAL: usize = 2;
/// Above the leaf.
pub const INSTANCE: usize = 3;
/// Its key signs documents.
pub const LEAF: usize = 4;
const STOREYS: [&str; 7] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh",
];
