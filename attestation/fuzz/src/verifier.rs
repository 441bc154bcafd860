//! The target `verifier`: a document, a policy, a challenge and a time, judged in every way that
//! the library has.
//!
//! An input is a question, in [`LENGTH`] bytes, and a document.

use std::sync::LazyLock;

use sealsum_attestation::{
    AppraisalPolicy, Audit, AuditedEnclave, ChainCache, ExpectedNonce, ExpectedUserData, JudgedAt,
    Outcome, PolicyFile, Question, Rejection, UnverifiedDocument, appraise_archived,
    appraise_offer,
};
use sealsum_forge::{NONCE, POLICIES, USER_DATA, root_pem};
use sealsum_protocol::{ClientNonce, NoncePath, RoundOffer, UnixMillis, nonce::gather};
use serde_bytes::ByteBuf;

use crate::choices::Choices;
use crate::document::check_rejection;
use crate::restated::{Demand, Document, accepted, authentic};
use crate::round::BINDING;

/// Judges the document in `input` by the question before it. Whatever is accepted is so by the
/// restated rules; client, audit and archive agree; a chain known before changes nothing.
///
/// # Panics
/// If any of that does not hold.
pub fn verifier(input: &[u8]) -> &'static str {
    let mut choices = Choices(input);
    let asked = Asked::from(&mut choices);
    asked.judge(choices.rest())
}

/// What is asked of a document.
pub(crate) struct Asked {
    policy: &'static AppraisalPolicy,
    nonce: u8,
    user_data: u8,
    ways: u8,
    time: [u8; 8],
}

impl Asked {
    pub(crate) fn from(choices: &mut Choices<'_>) -> Self {
        let policies = &*PARSED;
        Self {
            policy: &policies[usize::from(choices.byte()) % policies.len()],
            nonce: choices.byte(),
            user_data: choices.byte(),
            ways: choices.byte(),
            time: choices.number(),
        }
    }

    /// Whether a made document should vouch for [`BINDING`].
    pub(crate) fn wants_round(&self) -> bool {
        self.user_data % 4 == BY_BINDING
    }

    /// What became of the document as the question has it; with every other way tried that the
    /// question names.
    pub(crate) fn judge(&self, bytes: &[u8]) -> &'static str {
        let at = self.at(bytes);
        let verdict = self.audit(bytes, at);
        if self.ways & OFFER != 0 {
            self.offer(bytes, at);
        }
        if self.ways & ARCHIVE != 0 {
            self.archive(bytes);
        }
        if self.ways & CACHE != 0 {
            self.cache(bytes, at);
        }
        verdict
    }

    /// A time as such, or counted from the document's own.
    fn at(&self, bytes: &[u8]) -> UnixMillis {
        let time = u64::from_be_bytes(self.time);
        if self.ways & RELATIVE == 0 {
            return UnixMillis(time);
        }
        let own = Document::read(bytes).map_or(0, |document| document.timestamp);
        UnixMillis(own.wrapping_add(time))
    }

    fn audit(&self, bytes: &[u8], at: UnixMillis) -> &'static str {
        let own = Document::read(bytes);
        let own_nonce = own.as_ref().and_then(|own| own.nonce.clone());
        let own_data = own.as_ref().and_then(|own| own.user_data.clone());
        let (client, path) = self.challenge();
        let led = path.lead(&client);
        let (nonce, expected_nonce) = match self.nonce % 4 {
            0 => (None, None),
            1 => (Some(ExpectedNonce::Whole(&NONCE)), Some(&NONCE[..])),
            2 => (
                own_nonce.as_deref().map(ExpectedNonce::Whole),
                own_nonce.as_deref(),
            ),
            _ => (
                Some(ExpectedNonce::Along(&client, &path)),
                // Without a nonce to lead to nothing is accepted, and this is never compared.
                Some(led.as_ref().map_or(&[][..], |led| &led[..])),
            ),
        };
        let round_id = BINDING.round_id();
        let (user_data, expected_data) = match self.user_data % 4 {
            0 => (None, None),
            1 => (
                Some(ExpectedUserData::Whole(&USER_DATA)),
                Some(&USER_DATA[..]),
            ),
            BY_BINDING => (
                Some(ExpectedUserData::Binding(&BINDING)),
                Some(&round_id.as_bytes()[..]),
            ),
            _ => (
                own_data.as_deref().map(ExpectedUserData::Whole),
                own_data.as_deref(),
            ),
        };
        let question = Question {
            at: JudgedAt::Time(at),
            endorsement: None,
            nonce,
            user_data,
        };
        match audited(bytes, self.policy, &question) {
            Ok(enclave) => {
                let demand = Demand {
                    policy: self.policy,
                    at: question.at,
                    nonce: expected_nonce,
                    user_data: expected_data,
                };
                let document = accepted(bytes, &demand);
                assert_eq!(enclave.trust, self.policy.trust());
                assert_eq!(enclave.debug, document.is_debug());
                assert_eq!(enclave.evidence_time.0, document.timestamp);
                assert!(!enclave.archived);
                assert_eq!(enclave.round_id.is_some(), self.wants_round());
                "appraised"
            }
            Err(rejection) => rejection.code(),
        }
    }

    /// As a client judges an offer, and as an audit of the same offer does.
    fn offer(&self, bytes: &[u8], now: UnixMillis) {
        let (client, nonce_path) = self.challenge();
        let offer = RoundOffer {
            binding: BINDING.clone(),
            evidence: ByteBuf::from(bytes),
            nonce_path: nonce_path.clone(),
        };
        let question = Question {
            at: JudgedAt::Time(now),
            endorsement: None,
            nonce: Some(ExpectedNonce::Along(&client, &nonce_path)),
            user_data: Some(ExpectedUserData::Binding(&BINDING)),
        };
        let audited = audited(bytes, self.policy, &question);
        match appraise_offer(&offer, self.policy, now, &client) {
            Ok(enclave) => {
                let led = nonce_path.lead(&client).expect("accepted, and no nonce");
                let round_id = BINDING.round_id();
                let demand = Demand {
                    policy: self.policy,
                    at: question.at,
                    nonce: Some(&led),
                    user_data: Some(round_id.as_bytes()),
                };
                let document = accepted(bytes, &demand);
                let audited = audited.expect("the client accepts, and an audit refuses");
                assert_eq!(enclave.round_id(), round_id);
                assert_eq!(audited.round_id, Some(round_id));
                assert_eq!(audited.image, enclave.measurement_label());
                assert_eq!(enclave.trust(), self.policy.trust());
                assert_eq!(enclave.is_debug(), document.is_debug());
                assert_eq!(enclave.evidence_time().0, document.timestamp);
                assert!(enclave.is_fresh(now, self.policy.clock_skew()));
                let after = enclave.expires_at().plus(1);
                assert!(
                    after == enclave.expires_at()
                        || !enclave.is_fresh(after, self.policy.clock_skew())
                );
            }
            Err(rejection) => {
                check_rejection(&rejection);
                assert_eq!(audited, Err(rejection), "client and audit disagree");
            }
        }
    }

    /// As kept evidence is judged, and as an audit of it does.
    fn archive(&self, bytes: &[u8]) {
        let question = Question {
            at: JudgedAt::ItsOwnTime,
            endorsement: None,
            nonce: None,
            user_data: Some(ExpectedUserData::Binding(&BINDING)),
        };
        let audited = audited(bytes, self.policy, &question);
        match appraise_archived(bytes, BINDING.clone(), self.policy) {
            Ok(evidence) => {
                let round_id = BINDING.round_id();
                let demand = Demand {
                    policy: self.policy,
                    at: question.at,
                    nonce: None,
                    user_data: Some(round_id.as_bytes()),
                };
                let document = accepted(bytes, &demand);
                let audited = audited.expect("the archive accepts, and an audit refuses");
                assert!(audited.archived);
                assert_eq!(audited.round_id, Some(evidence.round_id()));
                assert_eq!(evidence.evidence_time().0, document.timestamp);
                assert_eq!(evidence.trust(), self.policy.trust());
            }
            Err(rejection) => assert_eq!(audited, Err(rejection), "archive and audit disagree"),
        }
    }

    /// A chain that was verified before is judged as one that was not.
    fn cache(&self, bytes: &[u8], at: UnixMillis) {
        let Ok(document) = UnverifiedDocument::parse(bytes) else {
            return;
        };
        let mut cache = ChainCache::default();
        let plain = document.clone().authenticate(self.policy, at).map(drop);
        for _ in 0..2 {
            let known = document
                .clone()
                .authenticate_with(self.policy, at, &mut cache);
            assert_eq!(known.map(drop), plain, "a known chain is judged otherwise");
        }
        if plain.is_ok() {
            let document = Document::read(bytes).expect("authentic, and no document");
            authentic(&document, self.policy.root().der(), at.0);
        }
    }

    /// The client's nonce and its path: alone, among three, or one that leads nowhere.
    fn challenge(&self) -> (ClientNonce, NoncePath) {
        let nonces = [NONCE, [1; 32], [2; 32]].map(ClientNonce::new);
        let path = match self.nonce / 4 {
            0 => NoncePath::alone(),
            1 => gather(&nonces).1.swap_remove(0),
            place => NoncePath {
                index: u64::from(place),
                ..gather(&nonces).1.swap_remove(0)
            },
        };
        (nonces[0], path)
    }
}

/// The audit's verdict, after its nine points were checked against it.
fn audited(
    bytes: &[u8],
    policy: &AppraisalPolicy,
    question: &Question<'_>,
) -> Result<AuditedEnclave, Rejection> {
    let audit = Audit::of(bytes, policy, question);
    let checks = audit.checks();
    assert!(checks.iter().map(|check| check.number).eq(1..=9));
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed)
        .map(|check| check.number)
        .collect();
    match audit.verdict() {
        Ok(enclave) => {
            assert!(failed.is_empty());
            assert!(
                checks
                    .iter()
                    .all(|check| check.outcome != Outcome::NotReached)
            );
            Ok(enclave.clone())
        }
        Err(rejection) => {
            check_rejection(rejection);
            assert_eq!(failed, [rejection.checklist_number()]);
            let after = checks.iter().filter(|check| check.number > failed[0]);
            assert!(
                after
                    .into_iter()
                    .all(|check| check.outcome == Outcome::NotReached)
            );
            Err(rejection.clone())
        }
    }
}

/// The policies of the made documents, then the two of the real ones.
static PARSED: LazyLock<Vec<AppraisalPolicy>> = LazyLock::new(|| {
    let root = root_pem();
    NAMED
        .iter()
        .map(|(_, text)| {
            let file = PolicyFile::parse(text).expect("a policy");
            let pem = file.root_path().is_some().then_some(root.as_str());
            file.into_policy(pem).expect("a policy that can be meant")
        })
        .collect()
});

/// Name and text of each policy, in the order of their numbers.
pub(crate) static NAMED: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let real = [
        (
            "real",
            include_str!("../../../vectors/attestation/policies/real.toml"),
        ),
        (
            "real-debug",
            include_str!("../../../vectors/attestation/policies/real-debug.toml"),
        ),
    ];
    POLICIES.iter().copied().chain(real).collect()
});

/// Bytes of a question: policy, nonce, user_data, ways, and the time in Unix ms, big-endian.
pub(crate) const LENGTH: usize = 12;

/// The value of `user_data` by which the document must vouch for [`BINDING`].
pub(crate) const BY_BINDING: u8 = 2;

/// Bits of `ways`.
const RELATIVE: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const ARCHIVE: u8 = 4;
pub(crate) const CACHE: u8 = 8;
