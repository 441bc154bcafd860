//! What can be wrong with one certificate (checklist 4).

use sealsum_protocol::UnixMillis;

use crate::time::Instant;

/// Why a certificate was refused. Unless a clock is wrong, the sender is at fault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// Not an X.509 certificate in DER.
    #[error("it is not a DER-encoded X.509 certificate")]
    Malformed,
    /// Something follows the certificate.
    #[error("{count} bytes follow it; expected none")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// Another version than 3.
    #[error("it is not of version 3")]
    Version,
    /// Signed with another algorithm, or with parameters to it.
    #[error("it is not signed with ecdsa-with-SHA384")]
    SignatureAlgorithm,
    /// A key of another algorithm or curve.
    #[error("its key is not a P-384 key")]
    KeyType,
    /// A key that is no uncompressed point.
    #[error("its key is not an uncompressed point of 97 bytes")]
    KeyPoint,
    /// A known extension with unreadable content.
    #[error("one of its extensions is malformed")]
    MalformedExtension,
    /// An extension that comes twice.
    #[error("one of its extensions comes twice")]
    DuplicateExtension,
    /// A critical extension that this verifier does not act on.
    #[error("it has a critical extension that is not known here")]
    UnknownCriticalExtension,
    /// An extended key usage, which no certificate of this PKI has.
    #[error("it has an extended key usage; expected none")]
    ExtendedKeyUsage,
    /// No basicConstraints.
    #[error("it has no basicConstraints")]
    NoBasicConstraints,
    /// An issuer that may not issue.
    #[error("it issued a certificate, but its basicConstraints say CA = false")]
    NotAnAuthority,
    /// More authorities below than allowed.
    #[error("{found} authorities stand between it and the leaf; its pathLen allows {allowed}")]
    PathTooLong {
        /// Its pathLen.
        allowed: u32,
        /// How many there are.
        found: usize,
    },
    /// No keyUsage.
    #[error("it has no keyUsage")]
    NoKeyUsage,
    /// An issuer without keyCertSign.
    #[error("it issued a certificate, but its keyUsage lacks keyCertSign")]
    NoCertificateSigning,
    /// A leaf that could issue.
    #[error("it signs the document, but is an authority (CA = true or keyCertSign)")]
    LeafIsAuthority,
    /// A leaf with a pathLen.
    #[error("it signs the document, but has a pathLen")]
    LeafPathLength,
    /// A leaf without digitalSignature.
    #[error("it signs the document, but its keyUsage lacks digitalSignature")]
    NoDigitalSignature,
    /// The time of judgement is before its validity.
    #[error(
        "it is valid from {} on, but was judged at {}: check this machine's clock, or the \
         sender's",
        Instant::from_seconds(*.not_before),
        Instant::from_millis(*.at)
    )]
    NotYetValid {
        /// Its notBefore, in Unix seconds.
        not_before: i64,
        /// The time of judgement.
        at: UnixMillis,
    },
    /// The time of judgement is after its validity.
    #[error(
        "it was valid until {}, but was judged at {}: ask for fresh evidence, or check this \
         machine's clock",
        Instant::from_seconds(*.not_after),
        Instant::from_millis(*.at)
    )]
    Expired {
        /// Its notAfter, in Unix seconds.
        not_after: i64,
        /// The time of judgement.
        at: UnixMillis,
    },
}

impl BadCertificate {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "certificate-malformed",
            Self::TrailingBytes { .. } => "certificate-trailing-bytes",
            Self::Version => "certificate-version",
            Self::SignatureAlgorithm => "certificate-signature-algorithm",
            Self::KeyType => "certificate-key-type",
            Self::KeyPoint => "certificate-key-point",
            Self::MalformedExtension => "certificate-extension-malformed",
            Self::DuplicateExtension => "certificate-extension-duplicate",
            Self::UnknownCriticalExtension => "certificate-extension-critical",
            Self::ExtendedKeyUsage => "certificate-extended-key-usage",
            Self::NoBasicConstraints => "certificate-no-basic-constraints",
            Self::NotAnAuthority => "certificate-not-an-authority",
            Self::PathTooLong { .. } => "certificate-path-too-long",
            Self::NoKeyUsage => "certificate-no-key-usage",
            Self::NoCertificateSigning => "certificate-no-certificate-signing",
            Self::LeafIsAuthority => "leaf-is-authority",
            Self::LeafPathLength => "leaf-path-length",
            Self::NoDigitalSignature => "leaf-no-digital-signature",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::Expired { .. } => "certificate-expired",
        }
    }
}
