//! docs/PERFORMANCE.md: its table of figures is that of bench/results.json.
//!
//! Whoever measures again runs `cargo xtask check --write`; a table that was changed by hand, or is
//! older than the results, is a finding.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Findings;

pub(super) fn check(root: &Path, write: bool) -> Findings {
    match compare(root, write) {
        Ok(findings) => findings,
        Err(error) => vec![error],
    }
}

fn compare(root: &Path, write: bool) -> Result<Findings, String> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))
    };
    let results: Value =
        serde_json::from_str(&read(RESULTS)?).map_err(|error| format!("{RESULTS}: {error}"))?;
    let page = read(PAGE)?;
    let table = table(&results).ok_or_else(|| format!("{RESULTS} has not the shape of results"))?;
    let (before, rest) = page
        .split_once(BEGIN)
        .ok_or_else(|| format!("{PAGE} has no {BEGIN}"))?;
    let (found, after) = rest
        .split_once(END)
        .ok_or_else(|| format!("{PAGE} has no {END}"))?;
    if found.trim() == table.trim() {
        return Ok(Findings::new());
    }
    if write {
        let page = format!("{before}{BEGIN}\n{table}{END}{after}");
        fs::write(root.join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
        return Ok(Findings::new());
    }
    Ok(vec![format!(
        "{PAGE}: the table is not the one of {RESULTS}; `cargo xtask check --write` writes it"
    )])
}

/// The results as a reader wants them: where, and a row for each figure.
fn table(results: &Value) -> Option<String> {
    let machine = &results["machine"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut table = format!(
        "Measured on {}, {} cores, {}; {}; load average {} before, {} after; {}, at {}.\n\n",
        text(&machine["cpu"])?,
        machine["cores"].as_u64()?,
        if machine["vaes"].as_bool()? {
            "with VAES"
        } else {
            "without VAES"
        },
        text(&machine["rustc"])?,
        results["load_before"][0].as_f64()?,
        results["load_after"][0].as_f64()?,
        text(&results["date"])?,
        text(&results["commit"])?,
    );
    table.push_str("| key | median | quartiles | goal | what it is |\n|---|---|---|---|---|\n");
    for (key, figure) in results["figures"].as_object()? {
        let unit = text(&figure["unit"])?;
        let unit = if unit == "ratio" {
            String::new()
        } else {
            format!(" {unit}")
        };
        let value = match (figure["value"].as_f64(), text(&figure["skipped"])) {
            (Some(value), _) => format!("{value}{unit}"),
            (None, Some(reason)) => format!("skipped: {reason}"),
            (None, None) => format!("failed: {}", text(&figure["failed"])?),
        };
        let quartiles = match (&figure["quartiles"][0], &figure["quartiles"][1]) {
            (lower, upper) if lower != upper => format!("{lower} - {upper}"),
            _ => String::new(),
        };
        let goal = goal(&figure["goal"]);
        let missed = figure["met"] == false;
        let goal = if missed {
            format!("**{goal}, missed**")
        } else {
            goal
        };
        let what = text(&figure["what"])?.replace('|', "\\|");
        let _ = writeln!(
            table,
            "| `{key}` | {value} | {quartiles} | {goal} | {what} |"
        );
    }
    Some(table)
}

fn goal(goal: &Value) -> String {
    match (&goal["at_least"], &goal["at_most"]) {
        (Value::Number(least), _) => format!("at least {least}"),
        (_, Value::Number(most)) => format!("at most {most}"),
        _ => String::new(),
    }
}

const RESULTS: &str = "bench/results.json";
const PAGE: &str = "docs/PERFORMANCE.md";
const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{
        "machine": {"cpu": "X", "cores": 2, "vaes": true, "rustc": "rustc 1"},
        "load_before": [0.5], "load_after": [1.25], "date": "2026-01-01", "commit": "abc",
        "figures": {
            "a": {"unit": "ratio", "goal": {"at_least": 0.8}, "what": "x / y", "value": 0.7, "met": false, "quartiles": [0.6, 0.75]},
            "b": {"unit": "ms", "goal": null, "what": "time", "skipped": "no VAES"}
        }
    }"#;

    fn folder(page: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [(RESULTS, ONE), (PAGE, page)] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_table_that_is_not_of_the_results_is_found_and_written() {
        let folder = folder("a\n<!-- figures -->\nold\n<!-- /figures -->\nz\n");
        let found = check(folder.path(), false);
        assert!(found[0].contains("is not the one of"), "{found:?}");
        assert!(check(folder.path(), true).is_empty());
        assert!(check(folder.path(), false).is_empty());
        let page = fs::read_to_string(folder.path().join(PAGE)).unwrap();
        assert!(page.starts_with("a\n") && page.ends_with("z\n"), "{page}");
        assert!(page.contains("| `a` | 0.7 | 0.6 - 0.75 | **at least 0.8, missed** | x / y |"));
        assert!(page.contains("| `b` | skipped: no VAES |  |  | time |"));
        fs::write(folder.path().join(PAGE), page.replace("0.7 |", "0.9 |")).unwrap();
        assert_eq!(check(folder.path(), false).len(), 1);
    }

    #[test]
    fn a_page_without_a_place_for_it_is_found() {
        let found = check(folder("nothing\n").path(), false);
        assert!(found[0].contains("has no <!-- figures -->"), "{found:?}");
    }
}
