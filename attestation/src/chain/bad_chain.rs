//! What can be wrong with a certificate path, and where in it (checklist 4).

use core::fmt;

use crate::certificate::BadCertificate;
use crate::root::RootFingerprint;

/// Why the chain was refused.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChain {
    /// There is no certificate above the leaf.
    #[error("the cabundle is empty; expected the root first")]
    Empty,
    /// The evidence comes from another PKI than the policy's. Either the evidence or the policy is
    /// not what the caller means.
    #[error(
        "the root in the cabundle has SHA-256 {found}{}, the policy pins {expected}{}: {}",
        note(*.found),
        note(*.expected),
        advice(*.expected, *.found)
    )]
    RootNotPinned {
        /// The policy's root.
        expected: RootFingerprint,
        /// The root that the document carries.
        found: RootFingerprint,
    },
    /// A certificate is wrong by itself.
    #[error("the {position}: {problem}")]
    Certificate {
        /// Which one.
        position: ChainPosition,
        /// What is wrong with it.
        problem: BadCertificate,
    },
    /// A certificate names another issuer than the one above it.
    #[error(
        "the {position} was not issued under the name of the certificate before it: one is \
         missing, extra, out of order, or from another chain"
    )]
    BrokenLink {
        /// The certificate whose issuer differs.
        position: ChainPosition,
    },
    /// A certificate's signature does not verify under the key above it.
    #[error("the signature on the {position} does not verify under its issuer's key")]
    Signature {
        /// The certificate with the wrong signature.
        position: ChainPosition,
    },
    /// Two authorities have one name, so one of them is not needed, or there are several paths to try.
    #[error(
        "the {position} has the name of an authority above it; each of AWS's authorities has its own"
    )]
    RepeatedName {
        /// The lower of the two.
        position: ChainPosition,
    },
    /// The path was refused for another reason.
    #[error("the certificate path was refused: {0}")]
    Path(webpki::Error),
}

impl BadChain {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Empty => "chain-empty",
            Self::RootNotPinned { .. } => "root-not-pinned",
            Self::Certificate { problem, .. } => problem.code(),
            Self::BrokenLink { .. } => "chain-broken-link",
            Self::Signature { .. } => "chain-signature",
            Self::RepeatedName { .. } => "chain-repeated-name",
            Self::Path(_) => "chain-path",
        }
    }
}

/// A certificate's place in the chain.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainPosition {
    /// The pinned root.
    Root,
    /// An authority between root and leaf.
    Intermediate {
        /// Counted from the root, the first is 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// The certificate whose key signs the document.
    Leaf,
}

impl ChainPosition {
    /// The authority at `index` of a chain with `of` intermediates, where 0 is the root.
    pub(crate) fn authority(index: usize, of: usize) -> Self {
        match index {
            0 => Self::Root,
            number => Self::Intermediate { number, of },
        }
    }
}

impl fmt::Display for ChainPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("pinned root"),
            Self::Intermediate { number, of } => {
                write!(f, "intermediate certificate {number} of {of}")
            }
            Self::Leaf => f.write_str("leaf certificate"),
        }
    }
}

fn note(root: RootFingerprint) -> &'static str {
    if root == RootFingerprint::AWS_NITRO_G1 {
        " (AWS Nitro root G1)"
    } else {
        ""
    }
}

fn advice(expected: RootFingerprint, found: RootFingerprint) -> &'static str {
    if expected == RootFingerprint::AWS_NITRO_G1 {
        "this is no AWS Nitro enclave but a mock, or a forgery; a mock needs a policy of its own, \
         with its root and mock = true"
    } else if found == RootFingerprint::AWS_NITRO_G1 {
        "this claims to be a real AWS Nitro enclave, but the policy is for a mock; use a policy \
         with root = \"aws-nitro\""
    } else {
        "this is another mock's evidence, or the mock was restarted with a new root; pin the root \
         that it runs under"
    }
}
