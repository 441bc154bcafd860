//! What the demo says, for people and for scripts.

use serde_json::{Value, json};

use super::attacks::Attacks;
use super::noise::{Likeness, SAMPLE};
use super::round::Released;

/// Says lines: to standard output, or to standard error where JSON has that.
pub(super) struct Voice {
    /// Whether standard output is for JSON.
    pub(super) json: bool,
}

impl Voice {
    pub(super) fn say(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    pub(super) fn banner(&self, clients: usize, intake: &str, kem: &str) {
        self.say("================================================================");
        self.say("  MOCK: a software enclave that protects nothing. Nothing here is");
        self.say("  secret from this machine; only the protocol is the real one.");
        self.say("================================================================");
        self.say(&format!(
            "{clients} hospitals, handwritten digits, softmax regression, {intake}, {kem}\n"
        ));
        self.say("round  joined  dropped  accuracy  plain FedAvg  largest difference");
    }

    pub(super) fn round(&self, number: usize, round: &Released) {
        self.say(&format!(
            "{number:>5}  {:>6}  {:>7}  {:>7.2}%  {:>11.2}%  {:>18.3e}",
            round.joined,
            round.dropped,
            round.accuracy * 100.0,
            round.plain_accuracy * 100.0,
            round.max_abs_diff,
        ));
    }

    pub(super) fn eavesdropper(&self, update: &[f64], bare: &Likeness, masked: &Likeness) {
        let shown = update.get(SAMPLE).unwrap_or_default();
        let shown: Vec<String> = shown.iter().map(|value| format!("{value:.4}")).collect();
        self.say("\nWhat the parent saw of one hospital's update in round 1:");
        self.say(&format!(
            "  the update                 {}",
            shown.join("  ")
        ));
        for (name, likeness) in [
            ("encoded, without its mask", bare),
            ("as it was sent", masked),
        ] {
            let shown: Vec<String> = likeness.sample.iter().map(ToString::to_string).collect();
            self.say(&format!("  {name:<26} {}", shown.join("  ")));
            self.say(&format!(
                "    byte histogram {:+.1} standard deviations from uniform, correlation with the update {:+.4} ({:+.1})",
                likeness.histogram, likeness.correlation, likeness.correlation_deviations
            ));
        }
    }

    pub(super) fn attacks(&self, attacks: &Attacks) {
        self.say("\nAttacks, and what the client said:");
        for (tried, said) in &attacks.log {
            self.say(&format!("  {tried}\n    {said}"));
        }
    }

    /// Names what did not hold. Returns whether everything did.
    pub(super) fn verdict(&self, checks: &[(&str, bool)], receipts: usize) -> bool {
        self.say(&format!(
            "\n{receipts} receipts verified from their archives."
        ));
        let broken: Vec<_> = checks.iter().filter(|(_, holds)| !holds).collect();
        for (check, _) in &broken {
            self.say(&format!("DOES NOT HOLD: {check}"));
        }
        if broken.is_empty() {
            self.say(&format!("All {} checks hold.", checks.len()));
        }
        broken.is_empty()
    }
}

/// The demo's result as the project's documents fix it.
pub(super) fn json(rounds: &[Released], receipts: &[bool], attacks: &Attacks, ok: bool) -> Value {
    let rounds: Vec<_> = rounds
        .iter()
        .zip(receipts)
        .map(|(round, receipt_ok)| {
            json!({
                "joined": round.joined,
                "dropped": round.dropped,
                "accuracy": round.accuracy,
                "plain_accuracy": round.plain_accuracy,
                "max_abs_diff": round.max_abs_diff,
                "receipt_ok": receipt_ok,
            })
        })
        .collect();
    let mut result = json!({
        "rounds": rounds,
        "evidence_tamper_refused": attacks.evidence_tamper_refused,
        "false_abort_refused": attacks.false_abort_refused,
        "ok": ok,
    });
    // Strangers are tried at a registry's door only.
    if let Some(refused) = attacks.stranger_refused {
        result["stranger_refused"] = refused.into();
    }
    result
}
