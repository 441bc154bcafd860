//! Publishers: whose endorsements a policy accepts, and which of them not (checklist 7).
//!
//! A publisher is trusted for any image that it signs, within the policy's own limits: a least
//! version and a list of revoked images. Without an endorsement a publisher accepts nothing.

use serde::{Deserialize, Serialize};

use super::{AppraisalPolicy, PolicyError, ReferenceValues};
use crate::endorsement::{BadEndorsement, Endorsement, PublisherKey, ReleaseVersion};
use crate::pcr::{Pcr, PcrIndex};

/// One publisher, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherEntry {
    /// A name for verdicts; non-empty, and given once. Without one it is `publisher` and the key's
    /// first digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The Ed25519 key: 64 hexadecimal digits.
    pub key: String,
    /// The least version that counts, as in `0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_version: Option<String>,
    /// PCR0 of images that count no more: 96 hexadecimal digits each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<String>,
}

/// A publisher whose entry was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    label: String,
    key: PublisherKey,
    min_version: Option<ReleaseVersion>,
    revoked: Vec<Pcr>,
}

impl Publisher {
    /// The publisher's name in the policy.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> PublisherKey {
        self.key
    }

    /// The least version that counts.
    #[must_use]
    pub fn min_version(&self) -> Option<ReleaseVersion> {
        self.min_version
    }

    /// PCR0 of images that count no more.
    #[must_use]
    pub fn revoked(&self) -> &[Pcr] {
        &self.revoked
    }

    /// Whether this publisher's word for an image counts under the policy.
    fn accepts(&self, endorsement: &Endorsement) -> Result<(), BadEndorsement> {
        let build = endorsement.build();
        let [(_, pcr0), ..] = build.image();
        // 7: revoked by image, so that a longer endorsement of the same image is revoked with it.
        if self.revoked.contains(pcr0) {
            return Err(BadEndorsement::Revoked {
                publisher: self.label.clone(),
                pcr0: Box::new(*pcr0),
            });
        }
        match self.min_version {
            // 7: no way back to an older release.
            Some(min_version) if build.version() < min_version => Err(BadEndorsement::TooOld {
                publisher: self.label.clone(),
                min_version,
                found: build.version(),
            }),
            _ => Ok(()),
        }
    }
}

impl AppraisalPolicy {
    /// The policy that also accepts the image which `endorsement` names, until the endorsement's
    /// end: that is judged at each appraisal, by its own time.
    ///
    /// # Errors
    /// [`BadEndorsement`] if none of the policy's publishers vouches.
    pub fn with_endorsement(&self, endorsement: &Endorsement) -> Result<Self, BadEndorsement> {
        let publisher = self
            .publishers
            .iter()
            .find(|publisher| publisher.key == endorsement.publisher())
            .ok_or(BadEndorsement::UnknownPublisher {
                found: endorsement.publisher(),
            })?;
        endorsement.verify()?;
        publisher.accepts(endorsement)?;
        let build = endorsement.build();
        let signer = build.signer().map(|pcr| (PcrIndex::SIGNER, *pcr));
        let reference = ReferenceValues::new(
            format!("{} {}", publisher.label, build.version()),
            *build.image(),
            signer.into_iter().collect(),
        )
        .until(endorsement.not_after());
        let mut policy = self.clone();
        policy.measurements.push(reference);
        Ok(policy)
    }
}

/// Checks the entries of a policy's file.
pub(super) fn publishers(entries: &[PublisherEntry]) -> Result<Vec<Publisher>, PolicyError> {
    let mut publishers: Vec<Publisher> = Vec::new();
    for entry in entries {
        let publisher = entry.check()?;
        // Two entries for one key would make it a guess whose limits hold.
        if publishers
            .iter()
            .any(|other| other.label == publisher.label || other.key == publisher.key)
        {
            return Err(PolicyError::DuplicatePublisher {
                label: publisher.label,
            });
        }
        publishers.push(publisher);
    }
    Ok(publishers)
}

impl PublisherEntry {
    fn check(&self) -> Result<Publisher, PolicyError> {
        let label = match &self.label {
            Some(label) if label.is_empty() => return Err(PolicyError::EmptyLabel),
            Some(label) => label.clone(),
            None => format!("publisher {:.8}", self.key),
        };
        let key = self.key.parse().ok().filter(PublisherKey::is_sound).ok_or(
            PolicyError::PublisherKey {
                label: label.clone(),
            },
        )?;
        let min_version = self
            .min_version
            .as_ref()
            .map(|text| {
                text.parse().map_err(|_| PolicyError::MinVersion {
                    label: label.clone(),
                    found: text.clone(),
                })
            })
            .transpose()?;
        let revoked = self
            .revoked
            .iter()
            .map(|digits| {
                Pcr::from_hex(digits).ok_or_else(|| PolicyError::Revoked {
                    label: label.clone(),
                    digits: digits.len(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Publisher {
            label,
            key,
            min_version,
            revoked,
        })
    }
}
