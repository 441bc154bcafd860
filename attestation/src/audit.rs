//! An audit: the whole checklist over one document, point by point, for showing.
//!
//! It judges by the same functions as [`crate::appraise_offer`] and [`crate::appraise_archived`], in
//! the same order, and says of each point what was found. It also takes what those two don't: a
//! document of another protocol, whose nonce and user_data are given as bytes, or not at all. So its
//! verdict is of a type of its own, which can't seal (I16).

mod found;

use sealsum_protocol::{ClientNonce, NoncePath, RoundBinding, RoundId, UnixMillis};

use crate::authenticate::AuthenticDocument;
use crate::bound_round::{bound_round, carries_user_data};
use crate::document::UnverifiedDocument;
use crate::endorsement::Endorsement;
use crate::fresh;
use crate::image::{known_image, require_mode};
use crate::policy::AppraisalPolicy;
use crate::rejection::Rejection;
use crate::trust::Trust;

/// What is asked of a document beside the policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// At which time to judge.
    pub at: JudgedAt,
    /// A publisher's word for the image.
    pub endorsement: Option<&'q Endorsement>,
    /// The challenge that the document must answer.
    pub nonce: Option<ExpectedNonce<'q>>,
    /// What the document must vouch for.
    pub user_data: Option<ExpectedUserData<'q>>,
}

/// At which time a document is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedAt {
    /// At this time: the document must be fresh then.
    Time(UnixMillis),
    /// At the document's own time, as kept evidence is. Nothing is said about freshness.
    ItsOwnTime,
}

/// The challenge.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedNonce<'q> {
    /// The document's nonce, as a whole.
    Whole(&'q [u8]),
    /// The nonce of one of many clients, and its path to the document's.
    Along(&'q ClientNonce, &'q NoncePath),
}

/// What a document vouches for.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedUserData<'q> {
    /// These bytes, as a whole.
    Whole(&'q [u8]),
    /// The id of the round that this makes.
    Binding(&'q RoundBinding),
}

/// What came of it.
#[derive(Debug)]
#[must_use = "an audit may have rejected the document"]
pub struct Audit {
    checks: Vec<Check>,
    document: Option<UnverifiedDocument>,
    verdict: Result<AuditedEnclave, Rejection>,
}

/// One point of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its number, 1 to 9.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was found, or what was wrong.
    pub found: String,
}

/// What came of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// What was asked of it holds, and something was not asked.
    PassedInPart,
    /// Nothing was asked of it.
    NotAsked,
    /// It does not hold.
    Failed,
    /// A point before it failed.
    NotReached,
}

impl Outcome {
    /// `passed`, `passed-in-part`, `not-asked`, `failed` or `not-reached`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::PassedInPart => "passed-in-part",
            Self::NotAsked => "not-asked",
            Self::Failed => "failed",
            Self::NotReached => "not-reached",
        }
    }
}

/// An enclave that the policy accepts, in an audit. It can't seal: a client takes
/// [`crate::AppraisedEnclave`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedEnclave {
    /// Whose word the verdict rests on.
    pub trust: Trust,
    /// Whether the document was judged at its own time.
    pub archived: bool,
    /// Whether the enclave runs in debug mode.
    pub debug: bool,
    /// The accepted image's name.
    pub image: String,
    /// When the document was signed.
    pub evidence_time: UnixMillis,
    /// The round that it vouches for, if a binding was given.
    pub round_id: Option<RoundId>,
}

impl Audit {
    /// Runs the checklist over `document`. Nothing but the arguments is looked at.
    pub fn of(document: &[u8], policy: &AppraisalPolicy, question: &Question<'_>) -> Self {
        let mut audit = Points::default();
        let verdict = audit.run(document, policy, question);
        if let Err(rejection) = &verdict {
            audit.fail(rejection);
        }
        Self {
            checks: audit.checks,
            document: audit.document,
            verdict,
        }
    }

    /// The nine points, in order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The document, if it has the form of one. Authentic only if point 5 passed.
    #[must_use]
    pub fn document(&self) -> Option<&UnverifiedDocument> {
        self.document.as_ref()
    }

    /// The verdict.
    ///
    /// # Errors
    /// The first point that does not hold.
    pub fn verdict(&self) -> Result<&AuditedEnclave, &Rejection> {
        self.verdict.as_ref()
    }
}

/// The points so far.
#[derive(Default)]
struct Points {
    checks: Vec<Check>,
    document: Option<UnverifiedDocument>,
}

impl Points {
    fn run(
        &mut self,
        bytes: &[u8],
        policy: &AppraisalPolicy,
        question: &Question<'_>,
    ) -> Result<AuditedEnclave, Rejection> {
        // 1 to 3.
        let document = UnverifiedDocument::parse(bytes)?;
        self.pass(found::envelope(&document));
        self.pass(found::payload());
        self.pass(found::fields(&document));
        self.document = Some(document.clone());
        let signed_at = document.timestamp();
        let skew_ms = millis(policy.clock_skew());
        let at = match question.at {
            JudgedAt::Time(now) => fresh::reading(now, signed_at, skew_ms),
            JudgedAt::ItsOwnTime => signed_at,
        };
        // 4, 5.
        let document = self.authenticate(document, policy, at)?;
        // 6.
        require_mode(&document, policy)?;
        self.pass(found::mode(&document));
        // 7.
        let endorsed = question
            .endorsement
            .map(|endorsement| policy.with_endorsement(endorsement))
            .transpose()
            .map_err(Rejection::Endorsement)?;
        let policy = endorsed.as_ref().unwrap_or(policy);
        let image = known_image(&document, policy, at)?;
        self.pass(found::image(&document, image));
        // 8.
        self.answer(&document, policy, question, at)?;
        // 9.
        let round_id = self.vouch(&document, question)?;
        Ok(AuditedEnclave {
            trust: policy.trust(),
            archived: question.at == JudgedAt::ItsOwnTime,
            debug: document.document().measurement().is_debug(),
            image: image.label().to_owned(),
            evidence_time: signed_at,
            round_id,
        })
    }

    fn authenticate(
        &mut self,
        document: UnverifiedDocument,
        policy: &AppraisalPolicy,
        at: UnixMillis,
    ) -> Result<AuthenticDocument, Rejection> {
        let chain = found::chain(&document, policy, at);
        let document = document.authenticate(policy, at);
        // 4: the chain is verified before the signature, so a bad signature means a good chain.
        if matches!(document, Ok(_) | Err(Rejection::Signature)) {
            self.pass(chain);
        }
        let document = document?;
        self.pass(found::signature());
        Ok(document)
    }

    fn answer(
        &mut self,
        document: &AuthenticDocument,
        policy: &AppraisalPolicy,
        question: &Question<'_>,
        at: UnixMillis,
    ) -> Result<(), Rejection> {
        match question.nonce {
            None => {}
            Some(ExpectedNonce::Whole(nonce)) => fresh::carries(document.document(), nonce)?,
            Some(ExpectedNonce::Along(nonce, path)) => {
                fresh::answers(document.document(), nonce, path)?;
            }
        }
        let signed_at = document.document().timestamp();
        if let JudgedAt::Time(_) = question.at {
            let max_age_ms = millis(policy.max_age());
            fresh::is_timely(signed_at, at, max_age_ms, millis(policy.clock_skew()))?;
        }
        let asked = question.nonce.is_some();
        let outcome = match (question.at, asked) {
            (JudgedAt::Time(_), true) => Outcome::Passed,
            (JudgedAt::Time(_), false) | (JudgedAt::ItsOwnTime, true) => Outcome::PassedInPart,
            (JudgedAt::ItsOwnTime, false) => Outcome::NotAsked,
        };
        self.push(outcome, found::freshness(signed_at, question.at, at, asked));
        Ok(())
    }

    fn vouch(
        &mut self,
        document: &AuthenticDocument,
        question: &Question<'_>,
    ) -> Result<Option<RoundId>, Rejection> {
        match question.user_data {
            None => {
                self.push(Outcome::NotAsked, found::no_user_data(document));
                Ok(None)
            }
            Some(ExpectedUserData::Whole(expected)) => {
                carries_user_data(document, expected)?;
                self.pass(found::user_data());
                Ok(None)
            }
            Some(ExpectedUserData::Binding(binding)) => {
                let round_id = bound_round(document, binding)?;
                self.pass(found::round(round_id));
                Ok(Some(round_id))
            }
        }
    }

    fn pass(&mut self, found: String) {
        self.push(Outcome::Passed, found);
    }

    fn push(&mut self, outcome: Outcome, found: String) {
        if let Some((number, name)) = CHECKLIST.get(self.checks.len()) {
            self.checks.push(Check {
                number: *number,
                name,
                outcome,
                found,
            });
        }
    }

    /// The point that failed, and those around it that were not decided.
    fn fail(&mut self, rejection: &Rejection) {
        let failed = rejection.checklist_number();
        for (number, _) in CHECKLIST.iter().skip(self.checks.len()) {
            if *number == failed {
                self.push(Outcome::Failed, rejection.to_string());
            } else if *number == 1 {
                self.pass(found::envelope_alone());
            } else {
                // 2 and 3 are read together: where 3 fails, the rest of the payload was not read.
                self.push(Outcome::NotReached, String::new());
            }
        }
    }
}

fn millis(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Numbers and names of `docs/ATTESTATION.md`.
const CHECKLIST: [(u8, &str); 9] = [
    (1, "envelope"),
    (2, "payload"),
    (3, "fields"),
    (4, "chain"),
    (5, "signature"),
    (6, "debug"),
    (7, "image"),
    (8, "freshness"),
    (9, "binding"),
];
