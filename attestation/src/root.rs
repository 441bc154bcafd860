//! The pinned root: decides which certificate may stand at the top of a chain.
//!
//! A root is trusted because a policy names it, never because a document carries it
//! (checklist 4). AWS's own is built in; a mock's comes as PEM with the policy.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::certificate::{BadCertificate, Certificate};

/// A root certificate that a policy pins.
#[derive(Clone, PartialEq, Eq)]
pub struct PinnedRoot {
    der: Vec<u8>,
    fingerprint: RootFingerprint,
}

impl PinnedRoot {
    /// The AWS Nitro Enclaves root G1, valid until 2049-10-28.
    #[must_use]
    pub fn aws_nitro() -> Self {
        Self {
            der: AWS_NITRO_ROOT_G1.to_vec(),
            fingerprint: RootFingerprint::AWS_NITRO_G1,
        }
    }

    /// Pins the certificate in `der`: a self-issued P-384 authority.
    ///
    /// # Errors
    /// What makes it unfit to be a root. Its validity is judged with each document.
    pub fn from_der(der: &[u8]) -> Result<Self, BadCertificate> {
        let certificate = Certificate::parse(der)?;
        certificate.require_authority(0)?;
        Ok(Self {
            der: der.to_vec(),
            fingerprint: RootFingerprint::of(der),
        })
    }

    /// The certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> RootFingerprint {
        self.fingerprint
    }

    /// Whether this is AWS's root.
    #[must_use]
    pub fn is_aws_nitro(&self) -> bool {
        self.fingerprint == RootFingerprint::AWS_NITRO_G1
    }
}

impl fmt::Debug for PinnedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedRoot({})", self.fingerprint)
    }
}

/// SHA-256 over a root certificate's DER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RootFingerprint([u8; 32]);

impl RootFingerprint {
    /// That of the AWS Nitro Enclaves root G1, as AWS publishes it.
    pub const AWS_NITRO_G1: Self = Self([
        0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06,
        0x31, 0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79,
        0xbb, 0x5b,
    ]);

    /// That of the certificate in `der`.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootFingerprint({self})")
    }
}

/// From <https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip>.
const AWS_NITRO_ROOT_G1: &[u8] = include_bytes!("aws-nitro-root-g1.der");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_root_is_the_one_that_aws_publishes() {
        let root = PinnedRoot::aws_nitro();
        assert_eq!(RootFingerprint::of(root.der()), root.fingerprint());
        assert_eq!(PinnedRoot::from_der(root.der()), Ok(root));
    }

    /// The digits are AWS's: <https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html>.
    #[test]
    fn a_root_is_shown_by_its_fingerprint() {
        let root = PinnedRoot::aws_nitro();
        let digits = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";
        assert_eq!(root.fingerprint().to_string(), digits);
        assert_eq!(
            format!("{:?}", root.fingerprint()),
            format!("RootFingerprint({digits})")
        );
        assert_eq!(format!("{root:?}"), format!("PinnedRoot({digits})"));
    }
}
