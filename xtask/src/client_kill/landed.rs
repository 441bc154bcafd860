//! Where kills landed: a kill test that never reaches the dangerous moments shows nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// How far a contribution was when its client was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    /// The ledger has no record of it.
    BeforeSpend,
    /// Spent, and the wire has seen nothing of it from this process.
    NothingSent,
    /// The wire has seen a part.
    MidUpload,
    /// The wire has seen all of it; the ledger has no acceptance.
    AfterUpload,
    /// The acceptance is in the ledger; the process had still to say so.
    AfterAcceptance,
}

/// Counts over the whole test.
#[derive(Default)]
pub(crate) struct Tally {
    landed: [AtomicU64; 5],
    while_resuming: AtomicU64,
    in_upload: AtomicU64,
    orphaned: AtomicU64,
    runs: AtomicU64,
    resent: AtomicU64,
    twins_refused: AtomicU64,
}

impl Tally {
    /// A process was killed; `resuming` if an earlier one had spent already.
    pub(crate) fn killed(&self, landed: Landed, resuming: bool) {
        add(&self.landed[landed as usize]);
        if resuming {
            add(&self.while_resuming);
        }
        if landed == Landed::MidUpload && resuming {
            add(&self.in_upload);
        }
    }

    /// A masked update was stored, or a part of it, and not yet spent: a kill between the two.
    pub(crate) fn orphaned(&self) {
        add(&self.orphaned);
    }

    /// A process was started.
    pub(crate) fn started(&self) {
        add(&self.runs);
    }

    /// A process was done, and had sent an earlier one's bytes.
    pub(crate) fn resent(&self) {
        add(&self.resent);
    }

    /// The twin of a round was offered to a client that had spent, and refused.
    pub(crate) fn twin_refused(&self) {
        add(&self.twins_refused);
    }

    pub(crate) fn kills(&self) -> u64 {
        self.landed.iter().map(read).sum()
    }

    /// Kills of clients that had spent.
    pub(crate) fn after_spending(&self) -> u64 {
        self.landed[1..].iter().map(read).sum()
    }

    /// Says in words where the kills landed.
    pub(crate) fn explain(&self) {
        for (count, what) in self.landed.iter().zip(WORDS) {
            eprintln!("{:>5} kills {what}", read(count));
        }
        eprintln!(
            "{:>5} of the first with a masked update stored already",
            read(&self.orphaned)
        );
        eprintln!(
            "{:>5} of them all while resuming, {} of these in the middle of a repeated upload",
            read(&self.while_resuming),
            read(&self.in_upload)
        );
    }

    /// Adds the counts to the report.
    pub(crate) fn report(&self, report: &mut Value) {
        let landed = self.landed.iter().map(read).map(Value::from);
        report["landed"] = NAMES.map(str::to_owned).into_iter().zip(landed).collect();
        report["killed_while_resuming"] = json!(read(&self.while_resuming));
        report["killed_between_file_and_record"] = json!(read(&self.orphaned));
        report["runs"] = json!(read(&self.runs));
        report["resent"] = json!(read(&self.resent));
        report["twins_refused"] = json!(read(&self.twins_refused));
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

const NAMES: [&str; 5] = [
    "before_spend",
    "spent_nothing_sent",
    "mid_upload",
    "after_upload",
    "after_acceptance",
];
const WORDS: [&str; 5] = [
    "before anything was spent",
    "after the spend, before a byte was sent",
    "in the middle of the upload",
    "after the upload, before the acceptance was kept",
    "after the acceptance was kept",
];
