//! The test's counts: kills and where they landed, what was acknowledged, what became of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::RoundId;
use serde_json::{Value, json};

use super::aim::Group;
use super::host::hold;
use super::judge::Judged;

/// Counts over the whole test.
#[derive(Default)]
pub(crate) struct Course {
    landed: [AtomicU64; Group::NAMES.len()],
    enclave_kills: AtomicU64,
    cases: AtomicU64,
    acknowledged: AtomicU64,
    repeats: AtomicU64,
    changed_acceptances: AtomicU64,
    forgotten: AtomicU64,
    stuck: AtomicU64,
    orphans: AtomicU64,
    judged: Mutex<Vec<(RoundId, Judged)>>,
}

impl Course {
    pub(crate) fn killed(&self, group: Group) {
        add(&self.landed[group as usize]);
    }

    pub(crate) fn killed_enclave(&self) {
        add(&self.enclave_kills);
    }

    /// A client was given its first acceptance.
    pub(crate) fn acknowledged(&self) {
        add(&self.acknowledged);
    }

    /// A client sent the same bytes again and was given an acceptance, the same or not.
    pub(crate) fn repeated(&self, is_same: bool) {
        add(&self.repeats);
        if !is_same {
            add(&self.changed_acceptances);
        }
    }

    /// A client with an acceptance asked again and was told that it is too late.
    pub(crate) fn forgotten(&self, what: &str) {
        eprintln!("{what}");
        add(&self.forgotten);
    }

    /// A round could not be ended as it should.
    pub(crate) fn stuck(&self, what: &str) {
        eprintln!("{what}");
        add(&self.stuck);
    }

    /// So many rounds are in progress at one of the two, parent and enclave, alone.
    pub(crate) fn orphaned(&self, rounds: u64) {
        self.orphans.store(rounds, Ordering::Relaxed);
    }

    /// A number of its own for each round.
    pub(crate) fn next_case(&self) -> u64 {
        self.cases.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn judged(&self, round: RoundId, judged: Judged) {
        hold(&self.judged).push((round, judged));
    }

    /// One of the rounds that have ended.
    pub(crate) fn any_ended(&self, draw: usize) -> Option<RoundId> {
        let judged = hold(&self.judged);
        let place = draw.checked_rem(judged.len())?;
        judged.get(place).map(|(round, _)| *round)
    }

    pub(crate) fn ended(&self) -> Vec<RoundId> {
        hold(&self.judged).iter().map(|(round, _)| *round).collect()
    }

    pub(crate) fn kills(&self) -> u64 {
        self.landed.iter().map(read).sum()
    }

    /// Everything, and whether all of it is as it should be.
    pub(crate) fn report(&self, double_releases: usize, restart_ms_p99: f64) -> (Value, bool) {
        let judged = hold(&self.judged);
        let sum = |part: fn(&Judged) -> u64| judged.iter().map(|(_, j)| part(j)).sum::<u64>();
        // Whoever is told that it is too late has lost what it was promised, whatever is in a sum;
        // so have those whose round can't be ended.
        let lost = sum(|j| j.lost) + read(&self.forgotten) + read(&self.stuck);
        let wrong = sum(|j| j.wrong_aggregates);
        let changed = read(&self.changed_acceptances);
        let orphans = read(&self.orphans);
        let landed = self.landed.iter().map(read).map(Value::from);
        let landed: Value = Group::NAMES
            .map(str::to_owned)
            .into_iter()
            .zip(landed)
            .collect();
        let report = json!({
            "kills": self.kills(),
            "acknowledged": read(&self.acknowledged),
            "lost": lost,
            "double_releases": double_releases,
            "wrong_aggregates": wrong,
            "orphans": orphans,
            "restart_ms_p99": (restart_ms_p99 * 10.0).round() / 10.0,
            "repeats": read(&self.repeats),
            "changed_acceptances": changed,
            "enclave_kills": read(&self.enclave_kills),
            "rounds": {
                "released": sum(|j| j.released.into()),
                "aborted": sum(|j| j.aborted.into()),
                "lost_with_their_enclave": sum(|j| j.lost_with_its_enclave.into()),
            },
            "landed": landed,
        });
        let ok = [lost, wrong, changed, orphans]
            .iter()
            .all(|count| *count == 0)
            && double_releases == 0;
        (report, ok)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
