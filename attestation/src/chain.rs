//! The certificate path: decides whether the leaf's key is one that the pinned root vouches for,
//! at a given time (checklist 4).
//!
//! It trusts the pinned root and nothing that the document carries. Every certificate is checked
//! by itself first, in the order in which it came, so that a refusal names it; webpki then builds
//! and verifies the path once more, with names, times, constraints and signatures.
//!
//! Whoever sends a chain can't make it costly: there is one path to try, so each certificate's
//! signature is verified at most once.

mod bad_chain;
mod cache;
mod witness;

use core::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sealsum_protocol::UnixMillis;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::certificate::Certificate;
use crate::root::{PinnedRoot, RootFingerprint};

pub use bad_chain::{BadChain, ChainPosition};
pub use cache::ChainCache;
use witness::Witness;

/// The key that may sign the document: an uncompressed point of P-384, 97 bytes.
#[must_use]
pub(crate) struct LeafKey([u8; 97]);

impl LeafKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Verifies `leaf <- cabundle <- root` at `at`. `cabundle` is root-first, as in the document. Upper
/// chains that `cache` knows are spared their signatures, and nothing else.
pub(crate) fn verify_chain(
    root: &PinnedRoot,
    cabundle: &[Vec<u8>],
    leaf: &[u8],
    at: UnixMillis,
    cache: Option<&mut ChainCache>,
) -> Result<LeafKey, BadChain> {
    verify_chain_by(
        webpki::ring::ECDSA_P384_SHA384,
        root,
        cabundle,
        leaf,
        at,
        cache,
    )
}

fn verify_chain_by(
    algorithm: &dyn SignatureVerificationAlgorithm,
    root: &PinnedRoot,
    cabundle: &[Vec<u8>],
    leaf: &[u8],
    at: UnixMillis,
    cache: Option<&mut ChainCache>,
) -> Result<LeafKey, BadChain> {
    // 4: the chain starts at the pinned root. What the document carries in its place must be that
    // very certificate; it is compared, never used.
    let (carried_root, intermediates) = cabundle.split_first().ok_or(BadChain::Empty)?;
    if carried_root.as_slice() != root.der() {
        return Err(BadChain::RootNotPinned {
            expected: root.fingerprint(),
            found: RootFingerprint::of(carried_root),
        });
    }
    let chain = Chain::parse(root, intermediates, leaf)?;
    chain.check_links()?;
    chain.check_profiles(at)?;
    chain.check_names()?;
    let verify = |anchor: &[u8], intermediates: &[Vec<u8>]| {
        chain.verify_path(algorithm, anchor, intermediates, leaf, at)
    };
    let Some(cache) = cache else {
        verify(root.der(), intermediates)?;
        return Ok(LeafKey(chain.leaf.key));
    };
    let upper = cache::digest(root, intermediates);
    match intermediates.split_last() {
        // 4: the issuer was verified up to the root before; only the leaf is new.
        Some((issuer, _)) if cache.knows(&upper) => verify(issuer, &[])?,
        _ => {
            verify(root.der(), intermediates)?;
            cache.remember(upper);
        }
    }
    Ok(LeafKey(chain.leaf.key))
}

/// Every certificate of the path, root first.
struct Chain<'d> {
    authorities: Vec<Certificate<'d>>,
    leaf: Certificate<'d>,
}

impl<'d> Chain<'d> {
    fn parse(
        root: &'d PinnedRoot,
        intermediates: &'d [Vec<u8>],
        leaf: &'d [u8],
    ) -> Result<Self, BadChain> {
        let of = intermediates.len();
        let authorities = core::iter::once(root.der())
            .chain(intermediates.iter().map(Vec::as_slice))
            .enumerate()
            .map(|(index, der)| {
                Certificate::parse(der).map_err(|problem| BadChain::Certificate {
                    position: ChainPosition::authority(index, of),
                    problem,
                })
            })
            .collect::<Result<_, _>>()?;
        let leaf = Certificate::parse(leaf).map_err(|problem| BadChain::Certificate {
            position: ChainPosition::Leaf,
            problem,
        })?;
        Ok(Self { authorities, leaf })
    }

    /// 4: each certificate's own duties: its role, its keyUsage, its validity, the root's too.
    fn check_profiles(&self, at: UnixMillis) -> Result<(), BadChain> {
        for (index, authority) in self.authorities.iter().enumerate() {
            // How many authorities stand between this one and the leaf.
            let below = self.intermediates().saturating_sub(index);
            authority
                .require_authority(below)
                .and_then(|()| authority.require_valid(at))
                .map_err(|problem| BadChain::Certificate {
                    position: self.position(index),
                    problem,
                })?;
        }
        self.leaf
            .require_leaf()
            .and_then(|()| self.leaf.require_valid(at))
            .map_err(|problem| BadChain::Certificate {
                position: ChainPosition::Leaf,
                problem,
            })
    }

    /// 4: each issuer is the subject above it, in the order received: none reversed, missing or extra.
    fn check_links(&self) -> Result<(), BadChain> {
        for (position, issuer, issued) in self.links() {
            if issued.issuer != issuer.subject {
                return Err(BadChain::BrokenLink { position });
            }
        }
        Ok(())
    }

    /// 4: no two authorities of one name. With the links in order there is then one path from the
    /// leaf to the root, through every certificate: none that it does not need, and no other for
    /// webpki to try, which would cost a verification each.
    fn check_names(&self) -> Result<(), BadChain> {
        for (index, authority) in self.authorities.iter().enumerate() {
            let mut above = self.authorities.iter().take(index);
            if above.any(|other| other.subject == authority.subject) {
                return Err(BadChain::RepeatedName {
                    position: self.position(index),
                });
            }
        }
        Ok(())
    }

    /// 4: path, signatures, names, constraints.
    fn verify_path(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        anchor: &[u8],
        intermediates: &[Vec<u8>],
        leaf: &[u8],
        at: UnixMillis,
    ) -> Result<(), BadChain> {
        let anchor = CertificateDer::from(anchor);
        let anchors = [anchor_from_trusted_cert(&anchor).map_err(BadChain::Path)?];
        let intermediates: Vec<_> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let leaf = CertificateDer::from(leaf);
        let end_entity = EndEntityCert::try_from(&leaf).map_err(BadChain::Path)?;
        let witness = Witness::of(algorithm);
        end_entity
            .verify_for_usage(
                &[&witness],
                &anchors,
                &intermediates,
                UnixTime::since_unix_epoch(Duration::from_millis(at.0)),
                // No certificate of this PKI has an extended key usage, and one that has is refused
                // before; the usage named here only matters to such.
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(drop)
            .map_err(|error| self.name_path_error(error, witness.refused()))
    }

    /// webpki says that some signature is wrong; which one helps whoever reads the refusal.
    fn name_path_error(&self, error: webpki::Error, refused: Option<&[u8]>) -> BadChain {
        self.links()
            .find(|(_, _, issued)| refused == Some(issued.signed.as_slice()))
            .map_or(BadChain::Path(error), |(position, _, _)| {
                BadChain::Signature { position }
            })
    }

    /// Each certificate below the root, with its issuer and its place.
    fn links(&self) -> impl Iterator<Item = (ChainPosition, &Certificate<'d>, &Certificate<'d>)> {
        let issued = self
            .authorities
            .iter()
            .enumerate()
            .skip(1)
            .map(|(index, authority)| (self.position(index), authority))
            .chain(core::iter::once((ChainPosition::Leaf, &self.leaf)));
        self.authorities
            .iter()
            .zip(issued)
            .map(|(issuer, (position, issued))| (position, issuer, issued))
    }

    fn intermediates(&self) -> usize {
        self.authorities.len().saturating_sub(1)
    }

    fn position(&self, index: usize) -> ChainPosition {
        ChainPosition::authority(index, self.intermediates())
    }
}

#[cfg(test)]
mod tests;
