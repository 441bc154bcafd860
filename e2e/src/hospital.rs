//! A data holder: its identity folder, its policy, its `sealsum`.

use serde_json::Value;

use crate::{Lab, run};

/// One data holder.
pub struct Hospital {
    /// Its name, of files too.
    pub name: String,
    /// Its identity folder.
    pub identity: String,
    /// Its policy file.
    pub policy: String,
    /// Its base model, of which it computes the digest itself.
    pub base_model: String,
    /// The registry's file, where its rounds go by one.
    pub registry: Option<String>,
}

/// What a run of `sealsum --json` said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// The JSON object on standard output.
    pub json: Value,
    /// Standard error.
    pub stderr: String,
}

/// Runs `sealsum --json`.
#[must_use]
pub fn say(arguments: &[&str]) -> Said {
    let arguments = [arguments, &["--json"]].concat();
    let output = run(&arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let json = serde_json::from_str(&stdout)
        .unwrap_or_else(|_| panic!("{arguments:?} said {stdout:?} and {stderr:?}"));
    Said {
        code: output.status.code().unwrap(),
        json,
        stderr,
    }
}

impl Said {
    /// The answer of a run that succeeded.
    #[must_use]
    pub fn ok(self) -> Value {
        assert_eq!(self.code, 0, "{} {}", self.json, self.stderr);
        self.json
    }

    /// The attestation's reason in a run that refused the evidence.
    #[must_use]
    pub fn rejection(&self) -> &str {
        assert_eq!(self.code, 1, "{} {}", self.json, self.stderr);
        let error = &self.json["error"];
        assert_eq!(error["code"], "evidence_rejected", "{error}");
        error["rejection"].as_str().unwrap()
    }

    /// Code and detail of a run that was refused with this exit code.
    #[must_use]
    pub fn refused(self, code: i32) -> (String, String) {
        assert_eq!(self.code, code, "{} {}", self.json, self.stderr);
        let error = &self.json["error"];
        (
            error["code"].as_str().unwrap().to_owned(),
            error["detail"].as_str().unwrap().to_owned(),
        )
    }
}

impl Hospital {
    pub(crate) fn new<E>(lab: &Lab<E>, name: &str, flags: &[&str]) -> Self {
        let hospital = Self {
            name: name.to_owned(),
            identity: lab.file(&format!("{name}.identity")),
            policy: lab.file(&format!("{name}.policy.toml")),
            base_model: lab.file("base.npy"),
            registry: None,
        };
        let _ = say(&["identity", "new", &hospital.identity]).ok();
        hospital.write_policy(lab, flags);
        hospital
    }

    /// Writes the policy: the usual one, with `flags` in place of flags of the same name.
    pub fn write_policy<E>(&self, lab: &Lab<E>, flags: &[&str]) {
        let usual = [
            ("--appraisal-policy", lab.appraisal_policy.to_str().unwrap()),
            ("--operator-key", &lab.operator_key),
            ("--task", "digits"),
            ("--min-cohort", "3"),
            ("--admission", "open"),
            ("--noise-floor", "none"),
            ("--kem", "x25519"),
            ("--intake", "stream"),
            ("--intake", "presum"),
            ("--rule", "mean"),
            ("--budget", "10"),
            ("--consent", OPEN_ADMISSION),
        ];
        let mut arguments = vec!["policy", "new", &self.policy, "--mock"];
        for (flag, value) in usual {
            if !flags.contains(&flag) {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(flags);
        // An earlier policy of this name is replaced.
        let _ = std::fs::remove_file(&self.policy);
        let _ = say(&arguments).ok();
    }

    /// Contributes to a round at `parent`: one try, and no proof asked for.
    #[must_use]
    pub fn contribute(&self, parent: &str, round_id: &str, update: &str) -> Said {
        let fixed = [
            "contribute",
            "--parent",
            parent,
            "--identity",
            &self.identity,
            "--policy",
            &self.policy,
            "--round",
            round_id,
            "--base-model",
            &self.base_model,
            "--update",
            update,
            "--no-refund",
            "--patience",
            "0",
            "--mock",
        ];
        let registry = self.registry.as_deref();
        let registry = registry.map_or(Vec::new(), |file| vec!["--registry", file]);
        say(&[&fixed[..], &registry].concat())
    }

    /// Contributes to whatever round of a task `parent` offers, in the same way.
    #[must_use]
    pub fn contribute_to_task(&self, parent: &str, task: &str, update: &str) -> Said {
        say(&[
            "contribute",
            "--parent",
            parent,
            "--identity",
            &self.identity,
            "--policy",
            &self.policy,
            "--task",
            task,
            "--base-model",
            &self.base_model,
            "--update",
            update,
            "--no-refund",
            "--patience",
            "0",
            "--mock",
        ])
    }

    /// Collects a round's aggregate into `out`.
    #[must_use]
    pub fn collect(&self, parent: &str, round_id: &str, out: &str) -> Said {
        say(&[
            "collect",
            "--parent",
            parent,
            "--identity",
            &self.identity,
            "--policy",
            &self.policy,
            round_id,
            "--out",
            out,
            "--patience",
            "0",
            "--mock",
        ])
    }

    /// Asks for a refund by proof.
    #[must_use]
    pub fn refund(&self, parent: &str, round_id: &str) -> Said {
        say(&[
            "ledger",
            "refund",
            &self.identity,
            "--parent",
            parent,
            round_id,
            "--policy",
            &self.policy,
            "--patience",
            "0",
            "--mock",
        ])
    }

    /// Its ledger.
    #[must_use]
    pub fn ledger(&self) -> Said {
        say(&["ledger", "show", &self.identity, "--mock"])
    }
}

/// The consent that a policy with open admission and no noise needs, word for word.
const OPEN_ADMISSION: &str = "I accept open admission without noise: whoever controls all other clients of a round can compute my update from the sum.";
