//! `cargo xtask check`: the promises of ARCHITECTURE.md that a machine can hold us to.
//!
//! Sources are read as tokens and syntax trees, dependencies as cargo resolves
//! them. Each rule has its own file and gives findings; any finding fails the run.

mod dependencies;
mod digested;
mod glossary;
mod house;
mod invariants;
mod performance;
mod references;
mod secrets;
mod sources;
mod specification;
mod tcb;
mod tree;

use anyhow::Result;

use crate::workspace;
use sources::Source;

/// What to check, and whether to write.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write enclave/TCB.txt and the figures of docs/PERFORMANCE.md afresh instead of comparing with them.
    #[arg(long)]
    write: bool,
}

/// Runs every rule; true if none found anything.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = workspace::root();
    let sources = sources::read(root)?;
    let mut found = 0;
    let rules: [(&str, Findings); 9] = [
        ("dependencies", dependencies::check()?),
        ("trusted base", tcb::check(root, &sources, options.write)?),
        ("digested types", digested::check(&sources)),
        ("secrets", secrets::check(&sources)),
        ("house rules", house::check(&sources)),
        ("invariants", invariants::check(root, &sources)),
        ("specification", specification::check(root, &sources)),
        ("glossary", glossary::check(root, &sources)),
        ("performance", performance::check(root, options.write)),
    ];
    for (rule, findings) in rules {
        let verdict = if findings.is_empty() { "ok" } else { "FAILED" };
        println!("{rule:<16} {verdict}");
        for finding in &findings {
            println!("  {finding}");
        }
        found += findings.len();
    }
    Ok(found == 0)
}

/// What a rule has to say: where, what was found, what belongs there.
type Findings = Vec<String>;
