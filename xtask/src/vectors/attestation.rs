//! `vectors/attestation/`: documents with the answer that each must get, for any verifier.
//!
//! The made ones come from `sealsum-forge`; the real ones stay in `attestation/testdata`, whose
//! index says what they are. Signatures are deterministic, so writing all again changes nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sealsum_forge::{POLICIES, Question, cases, root_pem};
use serde_json::{Map, Value, json};

use crate::workspace;

pub(super) fn write() -> Result<()> {
    let folder = workspace::root().join("vectors/attestation");
    for part in ["documents", "policies"] {
        let part = folder.join(part);
        // Written afresh, so that no case outlives its definition.
        if part.exists() {
            fs::remove_dir_all(&part).with_context(|| format!("emptying {}", part.display()))?;
        }
        fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
    }
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    };
    put("policies/made-root.pem", root_pem().as_bytes())?;
    for (name, text) in POLICIES {
        put(&format!("policies/{name}.toml"), text.as_bytes())?;
    }
    let real = real_documents()?;
    put("policies/real.toml", real_policy(&real, false)?.as_bytes())?;
    put(
        "policies/real-debug.toml",
        real_policy(&real, true)?.as_bytes(),
    )?;

    let mut entries = Vec::new();
    for case in cases::all() {
        let file = format!("documents/{}.cbor", case.name);
        put(&file, &case.document)?;
        entries.push(entry(
            &case.name,
            case.row,
            &file,
            &case.question,
            case.expect,
        ));
    }
    for (name, about) in &real {
        entries.extend(real_entries(name, about)?);
    }
    let sweeps = real
        .iter()
        .filter(|(name, _)| is_sound(name))
        .map(|(name, about)| {
            json!({ "file": real_file(name), "at_ms": about["ts_ms"], "policy": "policies/real.toml" })
        })
        .collect::<Vec<_>>();
    let index = json!({ "cases": entries, "truncated": sweeps });
    put(
        "index.json",
        format!("{}\n", serde_json::to_string_pretty(&index)?).as_bytes(),
    )
}

fn entry(name: &str, row: &str, file: &str, question: &Question, expect: &str) -> Value {
    let digits = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode);
    json!({
        "name": name,
        "row": row,
        "file": file,
        "at_ms": question.at_ms,
        "policy": format!("policies/{}.toml", question.policy),
        "nonce": digits(&question.nonce),
        "user_data": digits(&question.user_data),
        "binding": digits(&question.binding),
        "expect": expect,
    })
}

/// Both edges of the window and a second outside it; what is refused is so at its own time.
fn real_entries(name: &str, about: &Value) -> Result<Vec<Value>> {
    let file = real_file(name);
    let ask = |what: &str, row, at_ms, policy, expect| {
        let question = Question {
            at_ms,
            policy,
            nonce: None,
            user_data: None,
            binding: None,
        };
        entry(
            &format!("real-{name}-{what}"),
            row,
            &file,
            &question,
            expect,
        )
    };
    let own = about["ts_ms"].as_u64();
    if name.contains("malformed") {
        let at = own.unwrap_or(sealsum_forge::NOW_MS);
        return Ok(vec![ask(
            "own-time",
            "real-broken",
            at,
            "real",
            "envelope-unprotected",
        )]);
    }
    let own = own.context("a document without a time")?;
    if name.contains("badsig") {
        return Ok(vec![ask(
            "own-time",
            "real-broken",
            own,
            "real",
            "document-signature",
        )]);
    }
    let edge = |key: &str| -> Result<u64> {
        let text = about[key].as_str().context("a document without a window")?;
        Ok(u64::try_from(seconds_of(text)?)? * 1000)
    };
    let (first, last) = (edge("window_nb")?, edge("window_na")?);
    let debug = about["debug"].as_bool() == Some(true);
    let policy = if debug { "real-debug" } else { "real" };
    let mut entries = vec![
        ask("first", "real-window", first, policy, "appraised"),
        ask("last", "real-window", last, policy, "appraised"),
        ask(
            "after",
            "real-window",
            last + 1000,
            policy,
            "certificate-expired",
        ),
    ];
    if debug {
        entries.push(ask("by-default", "real-debug", own, "real", "debug-mode"));
    }
    Ok(entries)
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS+00:00`.
fn seconds_of(text: &str) -> Result<i64> {
    let number = |from: usize, to: usize| -> Result<i64> {
        let digits = text.get(from..to).context("a time is too short")?;
        digits
            .parse()
            .with_context(|| format!("reading the time {text}"))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days of the proleptic Gregorian calendar, with the year's end in February.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let since_1970 = days - 719_468;
    Ok(((since_1970 * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?)
}

fn real_documents() -> Result<Map<String, Value>> {
    let path = workspace::root().join("attestation/testdata/index.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn real_file(name: &str) -> String {
    Path::new("../../attestation/testdata")
        .join(format!("{name}.cbor"))
        .display()
        .to_string()
}

fn is_sound(name: &str) -> bool {
    !name.contains("badsig") && !name.contains("malformed")
}

/// Pins what the real documents measure to. Age and skew are wide, so that the certificates alone
/// say when a document is good.
fn real_policy(documents: &Map<String, Value>, debug: bool) -> Result<String> {
    let mut text = format!(
        "root = \"aws-nitro\"\nmock = {debug}\nmax_age_seconds = 14400\nclock_skew_seconds = 14400\nallow_debug = {debug}\n"
    );
    for (name, about) in documents {
        if is_sound(name) && about["debug"].as_bool() == Some(false) {
            text += &format!("\n[[measurement]]\nlabel = \"{name}\"\n");
            for key in ["pcr0", "pcr1", "pcr2"] {
                let value = about[key]
                    .as_str()
                    .with_context(|| format!("{key} of {name}"))?;
                text += &format!("{key} = \"{value}\"\n");
            }
        }
    }
    Ok(text)
}
