//! A verdict for people, one line per point, and for scripts.

use core::fmt::Write as _;

use sealsum_attestation::{AppraisalPolicy, Audit, AuditedEnclave, Check, JudgedAt, Outcome};
use serde_json::{Value, json};

use super::super::inspect;
use crate::output::{Report, trust_line};
use crate::time::shown;

/// `given`: the time is the caller's, not this machine's.
pub(super) fn of(audit: &Audit, policy: &AppraisalPolicy, given: bool, at: JudgedAt) -> Report {
    let mut text = String::new();
    for check in audit.checks() {
        let Check { number, name, .. } = check;
        let found = match check.outcome {
            Outcome::NotReached => "not reached",
            _ => &check.found,
        };
        let _ = writeln!(text, "{} {number} {name:<10} {found}", sign(check.outcome));
    }
    let (judged_at, archived) = match at {
        JudgedAt::Time(at) => (Some(shown(at)), false),
        JudgedAt::ItsOwnTime => (None, true),
    };
    let mut json = json!({
        "trust": policy.trust().as_str(),
        "archived": archived,
        "judged_at": judged_at,
        "checks": audit.checks().iter().map(check_json).collect::<Vec<_>>(),
        "document": audit.document().map(inspect::facts),
    });
    match audit.verdict() {
        Ok(enclave) => {
            json["verdict"] = "appraised".into();
            json["image"] = enclave.image.as_str().into();
            json["round_id"] = enclave.round_id.map(|id| id.to_string()).into();
            text.push_str(&appraised(enclave));
            if let (true, Some(at)) = (given, &judged_at) {
                let _ = writeln!(
                    text,
                    "           as of {at}, a time that was given: nothing may be sealed for it"
                );
            }
            let _ = writeln!(text, "{}", trust_line(policy.trust()));
            Report::new(json, text)
        }
        Err(rejection) => {
            json["verdict"] = "rejected".into();
            json["rejection"] = json!({
                "code": rejection.code(),
                "detail": rejection.to_string(),
                "check": rejection.checklist_number(),
            });
            let number = rejection.checklist_number();
            let code = rejection.code();
            let _ = writeln!(text, "REJECTED   {code} (point {number})");
            if !archived && ["certificate-expired", "too-old"].contains(&code) {
                text.push_str(KEPT);
            }
            Report::new(json, text).rejected()
        }
    }
}

fn appraised(enclave: &AuditedEnclave) -> String {
    let signed = shown(enclave.evidence_time);
    let image = &enclave.image;
    if enclave.archived {
        format!(
            "APPRAISED  {image:?}, as of {signed}; archived evidence, nothing may be sealed for it\n"
        )
    } else {
        format!("APPRAISED  {image:?}, signed {signed}\n")
    }
}

fn check_json(check: &Check) -> Value {
    json!({
        "number": check.number,
        "name": check.name,
        "outcome": check.outcome.as_str(),
        "found": check.found,
    })
}

const fn sign(outcome: Outcome) -> char {
    match outcome {
        Outcome::Passed => '✓',
        Outcome::PassedInPart => '~',
        Outcome::NotAsked => '-',
        Outcome::Failed => '✗',
        Outcome::NotReached => '·',
    }
}

const KEPT: &str = "hint       evidence that was kept is judged with --archived, or with --at at a time of its own\n";
