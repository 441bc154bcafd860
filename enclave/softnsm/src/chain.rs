//! When certificates are renewed: as on hardware, each is used until it nears
//! its end, and none outlives its issuer.

use crate::certificate::{
    self, Authority, DAY_S, HOUR_S, INSTANCE_LIFE_S, IssueError, LEAF_LIFE_S, Leaf,
    REGIONAL_LIFE_S, ZONAL_LIFE_S,
};
use crate::module_id::ModuleId;
use crate::root::RootKey;

/// All that lies below the root.
pub(crate) struct Chain {
    regional: Authority,
    zonal: Authority,
    instance: Authority,
    leaf: Leaf,
}

impl Chain {
    pub(crate) fn issue(
        root: &RootKey,
        module: &ModuleId,
        now_s: u64,
        leaf_backdated_s: u64,
    ) -> Result<Self, IssueError> {
        let regional = certificate::regional(root.issuer(), now_s)?;
        let zonal = certificate::zonal(&regional, now_s)?;
        let instance = certificate::instance(&zonal, module, now_s)?;
        let leaf = certificate::leaf(&instance, module, now_s, leaf_backdated_s)?;
        Ok(Self {
            regional,
            zonal,
            instance,
            leaf,
        })
    }

    /// Issues anew what is due at `now_s`, and all below it; the rest stays. On
    /// an error nothing changes.
    pub(crate) fn renew(
        &mut self,
        root: &RootKey,
        module: &ModuleId,
        now_s: u64,
        leaf_backdated_s: u64,
    ) -> Result<(), IssueError> {
        let regional = is_due(self.regional.issued_s, REGIONAL_RENEWED_S, now_s)
            .then(|| certificate::regional(root.issuer(), now_s))
            .transpose()?;
        let issuer = regional.as_ref().unwrap_or(&self.regional);
        let zonal = (regional.is_some() || is_due(self.zonal.issued_s, ZONAL_RENEWED_S, now_s))
            .then(|| certificate::zonal(issuer, now_s))
            .transpose()?;
        let issuer = zonal.as_ref().unwrap_or(&self.zonal);
        let instance = (zonal.is_some()
            || is_due(self.instance.issued_s, INSTANCE_RENEWED_S, now_s))
        .then(|| certificate::instance(issuer, module, now_s))
        .transpose()?;
        let issuer = instance.as_ref().unwrap_or(&self.instance);
        let leaf = (instance.is_some() || is_due(self.leaf.issued_s, LEAF_RENEWED_S, now_s))
            .then(|| certificate::leaf(issuer, module, now_s, leaf_backdated_s))
            .transpose()?;

        replace(&mut self.regional, regional);
        replace(&mut self.zonal, zonal);
        replace(&mut self.instance, instance);
        replace(&mut self.leaf, leaf);
        Ok(())
    }

    pub(crate) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// Regional, zonal, instance: DER.
    pub(crate) fn intermediates(&self) -> [&[u8]; 3] {
        [&self.regional.der, &self.zonal.der, &self.instance.der]
    }
}

/// A clock that went back also calls for new certificates: the old ones may not
/// be valid yet.
fn is_due(issued_s: u64, renewed_after_s: u64, now_s: u64) -> bool {
    now_s
        .checked_sub(issued_s)
        .is_none_or(|age_s| age_s >= renewed_after_s)
}

fn replace<T>(slot: &mut T, renewed: Option<T>) {
    if let Some(renewed) = renewed {
        *slot = renewed;
    }
}

/// 40 minutes before the end: hardware has been seen to reuse a leaf for 2 h
/// 22 min at most.
const LEAF_RENEWED_S: u64 = LEAF_LIFE_S - 40 * 60;
/// Early enough for a leaf issued at the last moment to live out its time, with
/// an hour to spare.
const INSTANCE_RENEWED_S: u64 = INSTANCE_LIFE_S - LEAF_LIFE_S - HOUR_S;
/// Likewise for an instance's certificate.
const ZONAL_RENEWED_S: u64 = ZONAL_LIFE_S - INSTANCE_LIFE_S - HOUR_S;
/// Likewise for a zone's.
const REGIONAL_RENEWED_S: u64 = REGIONAL_LIFE_S - ZONAL_LIFE_S - DAY_S;
