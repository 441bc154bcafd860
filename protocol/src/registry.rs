//! Registries: the Ed25519 keys that a round admits, and who vouches for them.
//!
//! A registry is a Merkle tree over its keys, sorted; parameters carry its root and
//! size. An authority may sign the root for a task and an epoch, so that clients can
//! pin the authority rather than each root.

mod upper;

pub use upper::{UPPER_NODES_BYTES, UpperNodes};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{AuthorityKey, ClientId, Digest, TaskName};
use crate::label;
use crate::merkle::Tree;
use crate::signature::{AuthoritySigner, Signature, SignatureError};
use crate::time::UnixMillis;

/// The keys that a round admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry(BTreeSet<ClientId>);

impl Registry {
    /// Number of keys.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// The root that parameters carry.
    #[must_use]
    pub fn root(&self) -> Digest {
        TREE.root(&self.leaves())
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &ClientId> {
        self.0.iter()
    }

    /// Adds a key; false if it was there.
    pub fn add(&mut self, key: ClientId) -> bool {
        self.0.insert(key)
    }

    /// Removes a key; false if it was not there.
    pub fn remove(&mut self, key: &ClientId) -> bool {
        self.0.remove(key)
    }

    /// A key's place and its path to the root; `None` if it is not admitted.
    #[must_use]
    pub fn place(&self, key: &ClientId) -> Option<(u64, Vec<Digest>)> {
        self.0.get(key)?;
        let index = u64::try_from(self.0.range(..key).count()).ok()?;
        Some((index, TREE.path(&self.leaves(), index)?))
    }

    fn leaves(&self) -> Vec<Digest> {
        self.0.iter().map(|key| TREE.leaf(key.as_bytes())).collect()
    }
}

impl FromIterator<ClientId> for Registry {
    fn from_iter<I: IntoIterator<Item = ClientId>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// Whether `key` stands at `index` of the registry of `size` keys under `root`.
#[must_use]
pub fn is_admitted(key: &ClientId, index: u64, path: &[Digest], root: &Digest, size: u64) -> bool {
    TREE.root_from(&TREE.leaf(key.as_bytes()), index, size, path)
        .as_ref()
        == Some(root)
}

/// An authority's word for a root: part of the parameters, and so of what clients are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryGrant {
    /// Who vouches. The client's policy pins it.
    pub authority: AuthorityKey,
    /// Counts the authority's registries of this task; clients refuse one below any that they have seen.
    pub epoch: u64,
    /// Until when clients take part under it.
    pub not_after: UnixMillis,
    /// Over task, epoch, root, size and not_after, under [`label::REGISTRY_GRANT`].
    pub signature: Signature,
}

/// What an authority signs.
#[derive(Serialize)]
struct Granted<'a> {
    task: &'a TaskName,
    epoch: u64,
    root: &'a Digest,
    size: u64,
    not_after: UnixMillis,
}

impl RegistryGrant {
    /// Signs a registry for a task.
    #[must_use]
    pub fn sign(
        signer: &AuthoritySigner,
        task: &TaskName,
        epoch: u64,
        root: &Digest,
        size: u64,
        not_after: UnixMillis,
    ) -> Self {
        let granted = Granted {
            task,
            epoch,
            root,
            size,
            not_after,
        };
        Self {
            authority: signer.key(),
            epoch,
            not_after,
            signature: signer.sign(label::REGISTRY_GRANT, &granted),
        }
    }

    /// Checks the signature by the authority that the grant names, over this task and
    /// registry. Whether that is the right authority, and the time, are for the client's policy.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, task: &TaskName, root: &Digest, size: u64) -> Result<(), SignatureError> {
        let granted = Granted {
            task,
            epoch: self.epoch,
            root,
            size,
            not_after: self.not_after,
        };
        self.authority
            .verify(label::REGISTRY_GRANT, &granted, &self.signature)
    }
}

const TREE: Tree = Tree(label::REGISTRY_TREE);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> ClientId {
        ClientId::new([n; 32])
    }

    #[test]
    fn members_have_a_place_and_strangers_have_none() {
        for size in 1..40 {
            let registry: Registry = (1..=size).map(|n| key(n * 2)).collect();
            let root = registry.root();
            for n in 1..=size {
                let (index, path) = registry.place(&key(n * 2)).unwrap();
                assert!(is_admitted(
                    &key(n * 2),
                    index,
                    &path,
                    &root,
                    registry.size()
                ));
                assert!(!is_admitted(
                    &key(n * 2 + 1),
                    index,
                    &path,
                    &root,
                    registry.size()
                ));
                assert!(!is_admitted(
                    &key(n * 2),
                    index + 1,
                    &path,
                    &root,
                    registry.size()
                ));
            }
            assert!(registry.place(&key(1)).is_none());
        }
        assert!(!is_admitted(
            &key(1),
            0,
            &[],
            &Registry::default().root(),
            0
        ));
    }

    #[test]
    fn a_grant_is_for_one_task_epoch_registry_and_time() {
        let signer = AuthoritySigner::from_secret(&[4; 32]);
        let (task, root): (TaskName, _) = ("digits".parse().unwrap(), Digest::new([1; 32]));
        let grant = RegistryGrant::sign(&signer, &task, 3, &root, 9, UnixMillis(5));
        assert!(grant.verify(&task, &root, 9).is_ok());
        assert!(grant.verify(&"other".parse().unwrap(), &root, 9).is_err());
        assert!(grant.verify(&task, &Digest::new([2; 32]), 9).is_err());
        assert!(grant.verify(&task, &root, 8).is_err());
        assert!(
            RegistryGrant { epoch: 4, ..grant }
                .verify(&task, &root, 9)
                .is_err()
        );
        assert!(
            RegistryGrant {
                not_after: UnixMillis(6),
                ..grant
            }
            .verify(&task, &root, 9)
            .is_err()
        );
        let other = AuthoritySigner::from_secret(&[5; 32]).key();
        assert!(
            RegistryGrant {
                authority: other,
                ..grant
            }
            .verify(&task, &root, 9)
            .is_err()
        );
    }
}
