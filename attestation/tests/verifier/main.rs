//! The verifier from outside: real evidence, evidence made to be wrong in one point, and evidence
//! damaged at random. Every refusal is asked for by its own name.

#![allow(
    clippy::needless_pass_by_value,
    reason = "rows of cases read better with owned values"
)]

mod appraisal;
mod arbitrary;
mod audit;
mod bad_documents;
mod certificates;
mod corpus;
mod documentation;
mod endorsed;
mod envelope;
mod evidence;
mod freshness;
mod known_chains;
mod pki;
mod real_documents;
mod tampering;
mod words;
