//! The library's errors, each with its exit code and stable code.

use sealsum_attestation::Rejection;
use sealsum_client::policy::PolicyError;
use sealsum_client::{
    AcceptanceRefused, AggregateRefused, CollectRefused, ContributeRefused, CredentialRefused,
    DeltaError, IdentityError, JoinRefused, KeyFileError, LayoutRefused, LedgerError, MockMismatch,
    ParentError, ReceiptRefused, RefundFailed, RefundRefused, RegistryFileError, SealRefused,
    SpendRefused, SpentBefore, TensorFileError, TermRefused, WriteError,
};
use sealsum_protocol::plan::PlanError;
use sealsum_protocol::{EncodeError, SignatureError};

use super::Failure;

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let code = match error {
            KeyFileError::Exists(_) => "exists",
            KeyFileError::Readable { .. } => "key_readable",
            _ => "key_file",
        };
        Self::configuration(code, &error)
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::KeyFile(error) => error.into(),
            IdentityError::Ledger(error) => error.into(),
            _ => Self::configuration("identity", &error),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Locked(_) => Self::try_again("ledger_locked", &error),
            LedgerError::Missing(_) => Self::configuration("ledger_missing", &error),
            LedgerError::Foreign(_) => Self::configuration("ledger_foreign", &error),
            LedgerError::Writable(_) => Self::configuration("ledger_writable", &error),
            LedgerError::Exists(_) => Self::configuration("exists", &error),
            LedgerError::Busy(_) => Self::try_again("ledger_locked", &error),
            LedgerError::Version { .. } => Self::configuration("ledger_version", &error),
            LedgerError::Damaged { .. } => Self::configuration("ledger_damaged", &error),
            LedgerError::MaskedUpdate { .. } => {
                Self::configuration("masked_update_damaged", &error)
            }
            _ => Self::configuration("ledger", &error),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        let code = match error {
            PolicyError::ConsentMissing(_) => "consent_missing",
            PolicyError::UnknownConsent(_) => "consent_unknown",
            PolicyError::UnderFloor(_) => "under_floor",
            PolicyError::MockDisagrees { .. } => "mock_disagrees",
            _ => "policy_invalid",
        };
        Self::configuration(code, &error)
    }
}

impl From<MockMismatch> for Failure {
    fn from(error: MockMismatch) -> Self {
        let code = match error {
            MockMismatch::FlagMissing => "mock_flag_missing",
            _ => "mock_flag_unwanted",
        };
        Self::configuration(code, &error)
    }
}

impl From<TermRefused> for Failure {
    fn from(error: TermRefused) -> Self {
        Self::refused("term_refused", &error)
            .with("term", error.term.as_str())
            .with("offered", error.offered)
            .with("wanted", error.wanted)
    }
}

impl From<&Rejection> for Failure {
    fn from(rejection: &Rejection) -> Self {
        Self::refused("evidence_rejected", rejection).with("rejection", rejection.code())
    }
}

impl From<ParentError> for Failure {
    fn from(error: ParentError) -> Self {
        match &error {
            ParentError::Url(_)
            | ParentError::ReachFile { .. }
            | ParentError::NotHttps(_)
            | ParentError::TokenInTheClear(_)
            | ParentError::Handshake { .. }
            | ParentError::NotHttp(_)
            | ParentError::Tls(_) => Self::configuration("parent_url", &error),
            ParentError::Unreachable { .. }
            | ParentError::BrokeOff { .. }
            | ParentError::Elsewhere(_)
            | ParentError::Astray => Self::try_again("parent_unreachable", &error),
            ParentError::Problem { status, code, .. } => {
                let passes = error.is_temporary() || NOT_YET.contains(&code.as_str());
                let failure = if passes {
                    Self::try_again(code, &error)
                } else {
                    Self::refused(code, &error)
                };
                failure.with("status", *status)
            }
            _ => Self::refused("parent_answer", &error),
        }
    }
}

impl From<JoinRefused> for Failure {
    fn from(error: JoinRefused) -> Self {
        let detail = error.to_string();
        match error {
            JoinRefused::Mock(error) => error.into(),
            JoinRefused::Parent(error) => error.into(),
            JoinRefused::Evidence(rejection) => Self::from(&*rejection).worded(detail),
            JoinRefused::Term(error) => Self::from(error).worded(detail),
            JoinRefused::OtherTask { .. } => Self::refused("other_task", &detail),
            _ => Self::refused("other_round", &detail),
        }
    }
}

impl From<LayoutRefused> for Failure {
    fn from(error: LayoutRefused) -> Self {
        Self::configuration("layout", &error)
    }
}

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        match error {
            DeltaError::File(error) => error.into(),
            DeltaError::Layout(_) => Self::configuration("layout", &error),
            _ => Self::configuration("not_finite", &error),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let code = match error {
            WriteError::Elements => "layout",
            _ => "format",
        };
        Self::configuration(code, &error)
    }
}

impl From<TensorFileError> for Failure {
    fn from(error: TensorFileError) -> Self {
        Self::configuration("tensor_file", &error)
    }
}

fn encode_code(error: &EncodeError) -> &'static str {
    match error {
        EncodeError::Dimension { .. } => "dimension",
        EncodeError::Weight { .. } => "weight",
        EncodeError::NotFinite { .. } => "not_finite",
        EncodeError::BeyondClip { .. } => "beyond_clip",
        EncodeError::NormAboveBound { .. } => "norm_above_bound",
        _ => "encode",
    }
}

impl From<SpendRefused> for Failure {
    fn from(error: SpendRefused) -> Self {
        let detail = error.to_string();
        match error {
            SpendRefused::Ledger(error) => error.into(),
            SpendRefused::OtherTrust { .. } => Self::configuration("other_trust", &detail),
            SpendRefused::BudgetSpent { budget, used } => Self::refused("budget_spent", &detail)
                .with("budget", budget)
                .with("used", used),
            SpendRefused::OldEpoch { seen, offered } => Self::refused("old_epoch", &detail)
                .with("seen", seen)
                .with("offered", offered),
            SpendRefused::SpentBefore(before) => spent_before(&before, &detail),
            SpendRefused::OtherModel { .. } => Self::configuration("other_model", &detail),
            _ => Self::refused("sealed_before", &detail),
        }
    }
}

fn spent_before(before: &SpentBefore, detail: &str) -> Failure {
    Failure::refused("spent_before", &detail)
        .with("earlier_round_id", before.earlier.round_id.to_string())
        .with("earlier_state", before.earlier.state.as_str())
        .with("shared", before.shared.as_str())
}

impl From<SealRefused> for Failure {
    fn from(error: SealRefused) -> Self {
        match error {
            SealRefused::Stale { .. } => Self::try_again("evidence_stale", &error),
            SealRefused::GrantExpired { .. } => Self::refused("grant_expired", &error),
            SealRefused::Credential(refused) => refused.into(),
            _ => Self::refused("seal", &error),
        }
    }
}

impl From<CredentialRefused> for Failure {
    fn from(error: CredentialRefused) -> Self {
        let code = match error {
            CredentialRefused::NoPlace { .. } => "no_credential",
            CredentialRefused::OtherRegistry { .. } => "other_registry",
            _ => "credential",
        };
        Self::refused(code, &error)
    }
}

impl From<RegistryFileError> for Failure {
    fn from(error: RegistryFileError) -> Self {
        Self::configuration("registry_file", &error)
    }
}

impl From<AcceptanceRefused> for Failure {
    fn from(error: AcceptanceRefused) -> Self {
        let detail = error.to_string();
        match error {
            AcceptanceRefused::Ledger(error) => error.into(),
            AcceptanceRefused::OtherContribution { .. } => {
                Self::refused("other_contribution", &detail).with("spent", true)
            }
            _ => Self::refused("acceptance_invalid", &detail).with("spent", true),
        }
    }
}

impl From<ContributeRefused> for Failure {
    fn from(error: ContributeRefused) -> Self {
        let detail = error.to_string();
        match error {
            ContributeRefused::Join(error) => error.into(),
            ContributeRefused::Layout(error) => error.into(),
            ContributeRefused::Encode(refused) => {
                let failure = Self::configuration(encode_code(&refused.error), &detail);
                match refused.place {
                    Some(place) => failure
                        .with("tensor", place.tensor)
                        .with("index", place.index),
                    None => failure,
                }
            }
            ContributeRefused::OtherUpdate(record) => Self::refused("other_update", &detail)
                .with("round_id", record.round_id.to_string())
                .with("state", record.state.as_str()),
            ContributeRefused::NotFreed { before, failed } => {
                let why = Self::from(*failed).code;
                spent_before(&before, &detail).with("refund", why)
            }
            ContributeRefused::Spend(error) => error.into(),
            ContributeRefused::Seal(error) => Self::from(error).worded(detail),
            ContributeRefused::Ledger(error) => error.into(),
            ContributeRefused::Undelivered { round_id, error } => Self::from(error)
                .worded(detail)
                .with("spent", true)
                .with("round_id", round_id.to_string()),
            ContributeRefused::Acceptance(error) => error.into(),
            _ => Self::refused("contribute", &detail),
        }
    }
}

impl From<ReceiptRefused> for Failure {
    fn from(error: ReceiptRefused) -> Self {
        let detail = error.to_string();
        match error {
            ReceiptRefused::Mock(error) => error.into(),
            ReceiptRefused::Evidence(rejection) => Self::from(&*rejection).worded(detail),
            ReceiptRefused::Term(error) => error.into(),
            _ => Self::refused("receipt_invalid", &detail),
        }
    }
}

impl From<AggregateRefused> for Failure {
    fn from(error: AggregateRefused) -> Self {
        Self::refused("aggregate_mismatch", &error)
    }
}

impl From<CollectRefused> for Failure {
    fn from(error: CollectRefused) -> Self {
        let detail = error.to_string();
        match error {
            CollectRefused::Mock(error) => error.into(),
            CollectRefused::Parent(error) => error.into(),
            CollectRefused::Receipt(error) => error.into(),
            CollectRefused::Aggregate(error) => error.into(),
            CollectRefused::Ledger(error) => error.into(),
            CollectRefused::Proof(_) => Self::refused("proof_invalid", &detail),
            CollectRefused::OtherContribution { .. } => {
                Self::refused("other_contribution", &detail)
            }
            CollectRefused::AcceptedYetOut(_) => Self::refused("accepted_yet_out", &detail),
            _ => Self::refused("other_round", &detail),
        }
    }
}

impl From<RefundFailed> for Failure {
    fn from(error: RefundFailed) -> Self {
        let detail = error.to_string();
        match error {
            RefundFailed::Parent(error) => error.into(),
            RefundFailed::Refused(RefundRefused::Ledger(error)) => error.into(),
            RefundFailed::Refused(RefundRefused::Unknown(_)) => {
                Self::configuration("not_in_ledger", &detail)
            }
            RefundFailed::Refused(RefundRefused::Refunded(_)) => {
                Self::refused("already_refunded", &detail)
            }
            RefundFailed::Refused(RefundRefused::InTheSum(_)) => {
                Self::refused("in_the_sum", &detail)
            }
            RefundFailed::Refused(_) => Self::refused("proof_invalid", &detail),
            _ => Self::refused("no_proof", &detail),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let code = match error {
            PlanError::WouldWrap(_) => "would_wrap",
            PlanError::UnderFloor(_) => "under_floor",
            _ => "parameters",
        };
        Self::configuration(code, &error)
    }
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        Self::refused("signature", &error)
    }
}

/// What a round in progress answers: the same call succeeds once others have done their part.
const NOT_YET: [&str; 3] = ["no_open_round", "not_released", "cohort_too_small"];

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(status: u16, code: &str) -> u8 {
        let problem = ParentError::Problem {
            status,
            code: code.to_owned(),
            detail: String::new(),
            retry_after: None,
        };
        Failure::from(problem).exit
    }

    #[test]
    fn what_comes_with_time_is_tried_again_and_what_was_refused_is_not() {
        assert_eq!(exit(404, "no_open_round"), 3);
        assert_eq!(exit(404, "not_released"), 3);
        assert_eq!(exit(404, "aborted"), 1, "it never will be released");
        assert_eq!(exit(409, "cohort_too_small"), 3);
        assert_eq!(exit(503, "busy"), 3);
        assert_eq!(exit(409, "wrong_phase"), 1);
        assert_eq!(exit(404, "unknown_round"), 1);
        assert_eq!(exit(410, "round_lost"), 1);
    }
}
