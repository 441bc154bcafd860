//! One X.509 certificate: decides whether it has the profile of AWS's Nitro PKI, by itself and
//! at one time (checklist 4).
//!
//! It trusts nothing and checks no signature. It covers what webpki leaves out (keyUsage, the
//! root's own validity, P-384 and ecdsa-with-SHA384 only) and gives the rest of the profile a
//! name, so that a refusal says what is wrong with which certificate.

mod bad_certificate;

use sealsum_protocol::UnixMillis;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{BasicConstraints, KeyUsage, ParsedExtension};
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ECDSA_WITH_SHA384,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Version};

pub use bad_certificate::BadCertificate;

/// A certificate whose form is right; what it may be used for is asked with the `require` methods.
pub(crate) struct Certificate<'d> {
    /// DER of the names, compared as bytes.
    pub(crate) issuer: &'d [u8],
    pub(crate) subject: &'d [u8],
    /// What the issuer signed.
    pub(crate) signed: Vec<u8>,
    /// An uncompressed point of P-384; whether it lies on the curve is left to the verification.
    pub(crate) key: [u8; POINT_LENGTH],
    not_before: i64,
    not_after: i64,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
}

impl<'d> Certificate<'d> {
    pub(crate) fn parse(der: &'d [u8]) -> Result<Self, BadCertificate> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| BadCertificate::Malformed)?;
        // 4: nothing after the certificate.
        if !rest.is_empty() {
            return Err(BadCertificate::TrailingBytes { count: rest.len() });
        }
        let tbs = &certificate.tbs_certificate;
        if tbs.version() != X509Version::V3 {
            return Err(BadCertificate::Version);
        }
        // 4: ecdsa-with-SHA384 only, in both places that name the algorithm.
        if !is_ecdsa_with_sha384(&tbs.signature)
            || !is_ecdsa_with_sha384(&certificate.signature_algorithm)
        {
            return Err(BadCertificate::SignatureAlgorithm);
        }
        let (basic_constraints, key_usage) = read_extensions(&certificate)?;
        Ok(Self {
            issuer: tbs.issuer.as_raw(),
            subject: tbs.subject.as_raw(),
            signed: tbs.as_ref().to_vec(),
            key: p384_point(tbs.public_key())?,
            not_before: tbs.validity().not_before.timestamp(),
            not_after: tbs.validity().not_after.timestamp(),
            basic_constraints,
            key_usage,
        })
    }

    /// 4: valid at `at`; both ends of the validity, whole seconds, are inside.
    pub(crate) fn require_valid(&self, at: UnixMillis) -> Result<(), BadCertificate> {
        let at_ms = i64::try_from(at.0).unwrap_or(i64::MAX);
        if at_ms < self.not_before.saturating_mul(1000) {
            return Err(BadCertificate::NotYetValid {
                not_before: self.not_before,
                at,
            });
        }
        if at_ms > self.not_after.saturating_mul(1000) {
            return Err(BadCertificate::Expired {
                not_after: self.not_after,
                at,
            });
        }
        Ok(())
    }

    /// 4: an authority with `below` intermediate authorities between it and the leaf.
    pub(crate) fn require_authority(&self, below: usize) -> Result<(), BadCertificate> {
        let constraints = self
            .basic_constraints
            .as_ref()
            .ok_or(BadCertificate::NoBasicConstraints)?;
        if !constraints.ca {
            return Err(BadCertificate::NotAnAuthority);
        }
        if let Some(allowed) = constraints.path_len_constraint
            && usize::try_from(allowed).unwrap_or(usize::MAX) < below
        {
            return Err(BadCertificate::PathTooLong {
                allowed,
                found: below,
            });
        }
        if self.usage()?.key_cert_sign() {
            Ok(())
        } else {
            Err(BadCertificate::NoCertificateSigning)
        }
    }

    /// 4: a leaf, which signs documents and no certificates.
    pub(crate) fn require_leaf(&self) -> Result<(), BadCertificate> {
        let constraints = self
            .basic_constraints
            .as_ref()
            .ok_or(BadCertificate::NoBasicConstraints)?;
        if constraints.ca {
            return Err(BadCertificate::LeafIsAuthority);
        }
        if constraints.path_len_constraint.is_some() {
            return Err(BadCertificate::LeafPathLength);
        }
        let usage = self.usage()?;
        if !usage.digital_signature() {
            return Err(BadCertificate::NoDigitalSignature);
        }
        if usage.key_cert_sign() {
            return Err(BadCertificate::LeafIsAuthority);
        }
        Ok(())
    }

    fn usage(&self) -> Result<&KeyUsage, BadCertificate> {
        self.key_usage.as_ref().ok_or(BadCertificate::NoKeyUsage)
    }
}

fn read_extensions(
    certificate: &X509Certificate<'_>,
) -> Result<(Option<BasicConstraints>, Option<KeyUsage>), BadCertificate> {
    let mut basic_constraints = None;
    let mut key_usage = None;
    let mut seen = Vec::new();
    for extension in certificate.extensions() {
        // 4: each extension once, each understood if it is critical, and no other usage.
        if seen.contains(&&extension.oid) {
            return Err(BadCertificate::DuplicateExtension);
        }
        seen.push(&extension.oid);
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                basic_constraints = Some(constraints.clone());
            }
            ParsedExtension::KeyUsage(usage) => key_usage = Some(*usage),
            ParsedExtension::ExtendedKeyUsage(_) => {
                return Err(BadCertificate::ExtendedKeyUsage);
            }
            ParsedExtension::ParseError { .. } => return Err(BadCertificate::MalformedExtension),
            _ if extension.critical => return Err(BadCertificate::UnknownCriticalExtension),
            _ => {}
        }
    }
    Ok((basic_constraints, key_usage))
}

/// RFC 5758, section 3.2: the algorithm has no parameters, not even null.
fn is_ecdsa_with_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}

fn p384_point(key: &SubjectPublicKeyInfo<'_>) -> Result<[u8; POINT_LENGTH], BadCertificate> {
    let curve = key
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok());
    // 4: P-384 keys only.
    if key.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != Some(OID_NIST_EC_P384) {
        return Err(BadCertificate::KeyType);
    }
    let point = <[u8; POINT_LENGTH]>::try_from(key.subject_public_key.data.as_ref())
        .map_err(|_| BadCertificate::KeyPoint)?;
    match point.first() {
        Some(&UNCOMPRESSED) => Ok(point),
        _ => Err(BadCertificate::KeyPoint),
    }
}

/// SEC 1, section 2.3.3: a head byte and two coordinates of 48 bytes.
const POINT_LENGTH: usize = 97;
const UNCOMPRESSED: u8 = 4;
