//! docs/SPECIFICATION.md: promises are numbered without gaps, and each names a test that
//! exists, or says that it is pending and why.
//!
//! A row is `| S3 | promise | figure | path `test` |`, or `| .. | pending: reason |`. A stage
//! of the gate counts as a test: `.ci/run` and the stage's function in backticks.

use std::fs;
use std::path::Path;

use super::references::{cells, has_test, references};
use super::{Findings, Source};

pub(super) fn check(root: &Path, sources: &[Source]) -> Findings {
    let read = |file: &str| {
        fs::read_to_string(root.join(file)).map_err(|error| vec![format!("{file}: {error}")])
    };
    match (read(FILE), read(GATE)) {
        (Ok(text), Ok(gate)) => judge(&text, &gate, sources),
        (Err(findings), _) | (_, Err(findings)) => findings,
    }
}

fn judge(text: &str, gate: &str, sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    let mut promises = 0;
    for row in text.lines().filter_map(|line| cells(line, is_number)) {
        promises += 1;
        let [number, promise, figure, shown] = row[..] else {
            findings.push(format!("{FILE}: {}: {} cells, not 4", row[0], row.len()));
            continue;
        };
        if number != format!("S{promises}") {
            findings.push(format!("{FILE}: {number} stands where S{promises} belongs"));
        }
        if promise.is_empty() || figure.is_empty() {
            findings.push(format!("{FILE}: {number}: an empty cell"));
        }
        if let Err(what) = judge_shown(shown, gate, sources) {
            findings.push(format!("{FILE}: {number}: {what}"));
        }
    }
    if promises == 0 {
        findings.push(format!("{FILE} promises nothing"));
    }
    findings
}

fn is_number(cell: &str) -> bool {
    cell.strip_prefix('S')
        .is_some_and(|digits| digits.starts_with(|digit: char| digit.is_ascii_digit()))
}

fn judge_shown(shown: &str, gate: &str, sources: &[Source]) -> Result<(), String> {
    if let Some(reason) = shown.strip_prefix("pending") {
        let reason = reason.trim_start_matches(':').trim();
        return match reason.split(' ').count() {
            0..3 => Err("pending without a reason".to_owned()),
            _ => Ok(()),
        };
    }
    let references = references(shown)?;
    if references
        .iter()
        .all(|reference| reference.names.is_empty())
    {
        return Err(format!("{shown:?} names no test and is not pending"));
    }
    for reference in references {
        let source = sources.iter().find(|source| source.path == reference.path);
        if source.is_none() && reference.path != GATE {
            return Err(format!("there is no file {}", reference.path));
        }
        for name in reference.names {
            let there =
                source.map_or_else(|| has_stage(gate, name), |source| has_test(source, name));
            if !there {
                return Err(format!("{} has no test {name}", reference.path));
            }
        }
    }
    Ok(())
}

/// Whether the gate runs this function as a stage.
fn has_stage(gate: &str, name: &str) -> bool {
    gate.lines()
        .filter(|line| line.starts_with("stage \""))
        .any(|line| line.rsplit(' ').next() == Some(name))
}

const FILE: &str = "docs/SPECIFICATION.md";
const GATE: &str = ".ci/run";

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    fn findings(rows: &[&str]) -> Findings {
        let sources = example("a/src/a.rs", "#[test] fn it_closes_once() {} fn help() {}");
        judge(&rows.join("\n"), "stage \"the walk\" walk\n", &sources)
    }

    const FIRST: &str = "| S1 | it closes | once | a/src/a.rs `it_closes_once` |";

    #[test]
    fn promises_with_a_test_a_stage_or_a_reason_pass() {
        let sound = [
            "| | promise | figure | shown by |",
            FIRST,
            "| S2 | it can be walked | - | `.ci/run` `walk` |",
            "| S3 | it is fast | - | pending: nothing measures it yet |",
        ];
        assert_eq!(findings(&sound), Findings::new());
    }

    #[test]
    fn a_gap_a_repeated_number_and_a_broken_row_are_found() {
        assert_eq!(findings(&[]).len(), 1);
        assert_eq!(findings(&[FIRST, FIRST]).len(), 1);
        assert_eq!(findings(&[&FIRST.replace("S1", "S2")]).len(), 1);
        assert_eq!(
            findings(&["| S1 | it closes | a/src/a.rs `it_closes_once` |"]).len(),
            1
        );
        assert_eq!(findings(&[&FIRST.replace("once |", "|")]).len(), 1);
    }

    #[test]
    fn what_shows_nothing_is_found() {
        for shown in [
            "by reading",
            "pending",
            "pending: soon",
            "a/src/a.rs",
            "a/src/a.rs `help`",
            "a/src/a.rs `it_closes_once`, `it_opens`",
            "a/src/b.rs `it_closes_once`",
            "`it_closes_once`",
            "`.ci/run` `swim`",
        ] {
            let row = format!("| S1 | it closes | once | {shown} |");
            assert_eq!(findings(&[&row]).len(), 1, "{shown}");
        }
    }
}
