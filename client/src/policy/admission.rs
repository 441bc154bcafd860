//! Admission: decides whether those who may contribute are those whom this data holder accepts (I15).
//!
//! A pinned root is compared. A pinned authority must have signed the very root and size that the
//! enclave checks credentials against, for this task, and its word must still hold; whether it has
//! signed a later one since is for the ledger, which knows what it has seen.

use core::fmt;

use sealsum_protocol::{Admission, AuthorityKey, Digest, RegistryGrant, RoundTerms, UnixMillis};

use super::judge::{Term, TermRefused};
use super::terms::AdmissionTerm;

/// Judges who is admitted. Gives the grant that was relied on, if an authority is pinned.
pub(super) fn judge(
    wanted: &AdmissionTerm,
    terms: &RoundTerms,
    now: UnixMillis,
) -> Result<Option<RegistryGrant>, TermRefused> {
    let refused = || TermRefused::new(Term::Admission, &Offered(&terms.admission), wanted);
    match (wanted, &terms.admission) {
        (AdmissionTerm::Open, Admission::Open) => Ok(None),
        (AdmissionTerm::Registry(pinned), Admission::Registry { root, .. }) if pinned == root => {
            Ok(None)
        }
        (AdmissionTerm::Authority(pinned), Admission::Registry { root, size, grant }) => {
            let grant = grant.ok_or_else(refused)?;
            if grant.authority != *pinned {
                return Err(refused());
            }
            judge_grant(&grant, terms, root, *size, now)?;
            Ok(Some(grant))
        }
        _ => Err(refused()),
    }
}

fn judge_grant(
    grant: &RegistryGrant,
    terms: &RoundTerms,
    root: &Digest,
    size: u64,
    now: UnixMillis,
) -> Result<(), TermRefused> {
    grant.verify(&terms.task, root, size).map_err(|error| {
        let wanted = Vouched {
            authority: &grant.authority,
            terms,
            root,
            size,
        };
        TermRefused::new(Term::GrantSignature, &error, &wanted)
    })?;
    if grant.not_after < now {
        let wanted = format!("this site's time, {now}, or later");
        return Err(TermRefused::new(
            Term::GrantNotAfter,
            &grant.not_after,
            &wanted,
        ));
    }
    Ok(())
}

/// A round's admission in the policy's words.
struct Offered<'a>(&'a Admission);

impl fmt::Display for Offered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Admission::Open => f.write_str("open"),
            Admission::Registry { root, grant, .. } => {
                write!(f, "registry:{root}")?;
                match grant {
                    Some(grant) => write!(f, " granted by authority:{}", grant.authority),
                    None => f.write_str(" without an authority's grant"),
                }
            }
        }
    }
}

/// What the authority's signature has to be over.
struct Vouched<'a> {
    authority: &'a AuthorityKey,
    terms: &'a RoundTerms,
    root: &'a Digest,
    size: u64,
}

impl fmt::Display for Vouched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a signature by {} over registry:{} of {} keys for task {}",
            self.authority, self.root, self.size, self.terms.task
        )
    }
}
