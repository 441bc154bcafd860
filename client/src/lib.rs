//! A data holder: policy, ledger, update in, contribution out; aggregate and receipt back.
//!
//! The path of an update is a path of types. [`Client::join`] appraises a round's enclave and judges
//! its parameters by the [`RoundPolicy`]; [`AttestedRound::contribute`] encodes, reserves the round in
//! the [`Ledger`], [`seal()`]s, stores the sealed bytes, commits record and debit, and only then sends. The
//! parent's answers are claims: an acceptance counts by the enclave's signature, an aggregate by
//! its receipt.
//!
//! Trusted are this machine, the policy's author and the pinned root; never the parent. Upheld
//! here: I1, I10, I11, I12, I15, I16, and that a mock is unmistakable.

pub mod authority;
mod client;
mod clock;
mod collect;
mod contribute;
mod identity;
mod join;
mod ledger;
mod member;
pub mod operator;
mod parent;
mod patience;
pub mod policy;
mod random;
mod receipt;
mod refund;
mod registry_file;
mod seal;
mod secret_file;
#[cfg(test)]
mod testing;
pub mod update;

pub use client::Client;
pub use clock::{Clock, system_clock};
pub use collect::{CollectRefused, OwnContribution, VerifiedAggregate, collect};
pub use contribute::{
    AttestedRound, ContributeOptions, ContributeRefused, Contributed, EncodeRefused,
};
pub use identity::{Identity, IdentityError};
pub use join::JoinRefused;
pub use ledger::{
    AcceptanceRefused, Debit, Fingerprint, Ledger, LedgerError, MaskedUpdateFault, Record,
    RecordState, RefundRefused, Shared, SpendRefused, SpentBefore, SpentContribution,
};
pub use member::{CredentialRefused, Member};
pub use parent::{
    ClosingRule, Opens, Parent, ParentError, Reach, RoundFilter, RoundSummary, ScheduledRound,
    Target,
};
pub use patience::Patience;
pub use policy::{
    AcceptedTerms, MockMismatch, PolicyError, RoundPolicy, RoundPolicyFile, TermRefused,
};
pub use receipt::{AggregateRefused, ReceiptRefused, VerifiedReceipt};
pub use refund::{RefundFailed, RefundProof, refund};
pub use registry_file::{RegistryFile, RegistryFileError};
pub use seal::{SealRefused, SealedContribution, seal};
pub use secret_file::KeyFileError;
pub use update::{
    BaseModel, Delta, DeltaError, LayoutRefused, Selection, TensorFileError, Update, WriteError,
};
