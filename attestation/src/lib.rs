//! The relying party: evidence in, [`AppraisedEnclave`] out.
//!
//! Evidence passes through types, and each step is the only way to the next:
//! [`UnverifiedDocument::parse`] (shape), [`UnverifiedDocument::authenticate`] (chain and signature
//! at a given time), [`AuthenticDocument::appraise`] (policy, freshness, binding). Beside it,
//! [`appraise_archived`] judges kept evidence and gives a type that can't seal, and [`Audit`] runs
//! the checklist point by point, for people. What an image must measure to is pinned by the policy,
//! or vouched for by an [`Endorsement`] of one of its publishers.
//!
//! It trusts the pinned root, the policy and the arguments: it reads no clock, no file, no
//! environment. It upholds I1, I5 and I16. The numbers in comments are those of the checklist in
//! `docs/ATTESTATION.md`.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

mod appraise;
mod archived;
mod audit;
mod authenticate;
mod bound_round;
mod cbor;
mod certificate;
mod chain;
mod document;
mod endorsement;
mod envelope;
mod fresh;
mod image;
mod payload;
mod pcr;
mod policy;
mod rejection;
mod root;
mod time;
mod trust;

pub use appraise::{AppraisedEnclave, appraise_offer, appraise_offer_with};
pub use archived::{ArchivedEvidence, appraise_archived};
pub use audit::{
    Audit, AuditedEnclave, Check, ExpectedNonce, ExpectedUserData, JudgedAt, Outcome, Question,
};
pub use authenticate::AuthenticDocument;
pub use cbor::{CborError, CborType};
pub use certificate::BadCertificate;
pub use chain::{BadChain, ChainCache, ChainPosition};
pub use document::UnverifiedDocument;
pub use endorsement::{
    BadBuild, BadEndorsement, Endorsement, MeasuredBuild, PublisherKey, PublisherSigner,
    ReleaseVersion,
};
pub use envelope::{BadEnvelope, EnvelopePart};
pub use payload::{BadPayload, Field};
pub use pcr::{Measurement, Pcr, PcrIndex};
pub use policy::{
    AppraisalPolicy, MeasurementEntry, PolicyError, PolicyFile, Publisher, PublisherEntry,
    ReferenceValues,
};
pub use rejection::Rejection;
pub use root::{PinnedRoot, RootFingerprint};
pub use trust::Trust;
