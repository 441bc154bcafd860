//! All rounds of one parent, with what they share: the link, the storage, the limits.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{Command, OperatorKey, Refusal, RoundId, TaskName};

use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::config::Limits;
use crate::enclave_link::{Answer, EnclaveLink, LinkError};
use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::round::{Leaving, Openings, RecentCohorts, Round, RoundError, is_over};
use crate::schedule::{Queue, unix_now};
use crate::storage::{Blob, Record, Storage, StorageError};
use crate::upload::KeptUploads;

/// The rounds.
pub struct Rounds {
    pub(crate) link: EnclaveLink,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    /// Whose rounds to open; empty is anyone's.
    pub(crate) operators: Vec<OperatorKey>,
    /// Places for uploads, whether or not their senders are still there.
    pub(crate) uploads: Arc<Semaphore>,
    /// Uploads whose sender may come back.
    pub(crate) kept_uploads: KeptUploads,
    /// What is to open by itself.
    pub(crate) schedule: Queue,
    /// What openings that were cut off left behind.
    pub(crate) openings: Openings,
    /// Who is in rounds that are released.
    pub(crate) recent_cohorts: RecentCohorts,
    pub(crate) neighbours: Neighbours,
    /// What is being removed.
    pub(crate) leaving: Leaving,
    index: RwLock<Index>,
    last_sequence: AtomicU64,
    loaded: AtomicBool,
    /// Read by work under way, written by whoever waits for its end.
    work: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct Index {
    by_id: HashMap<RoundId, Arc<Round>>,
    /// Rounds of parents that share a store may have the same number.
    by_sequence: BTreeMap<(u64, RoundId), Arc<Round>>,
}

impl Rounds {
    pub(crate) fn new(
        link: EnclaveLink,
        storage: Arc<dyn Storage>,
        limits: Limits,
        metrics: Metrics,
        operators: Vec<OperatorKey>,
    ) -> Self {
        Self {
            operators,
            link,
            storage,
            limits,
            metrics,
            uploads: Arc::new(Semaphore::new(limits.connections)),
            kept_uploads: KeptUploads::default(),
            schedule: Queue::default(),
            openings: Openings::default(),
            recent_cohorts: RecentCohorts::default(),
            neighbours: Neighbours::default(),
            leaving: Leaving::default(),
            index: RwLock::default(),
            last_sequence: AtomicU64::new(0),
            loaded: AtomicBool::new(false),
            work: Arc::default(),
        }
    }

    /// Whether what is stored has been read back.
    pub(crate) fn are_loaded(&self) -> bool {
        self.loaded.load(Ordering::Relaxed)
    }

    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Relaxed);
    }

    /// The round of that id.
    pub(crate) fn find(&self, id: &RoundId) -> Option<Arc<Round>> {
        self.index().by_id.get(id).cloned()
    }

    /// The task's newest round that takes contributions.
    pub(crate) fn newest_collecting(&self, task: &TaskName) -> Option<Arc<Round>> {
        let index = self.index();
        let mut newest_first = index.by_sequence.values().rev();
        newest_first
            .find(|round| {
                round.binding().params.params.terms().task == *task
                    && round.phase() == Phase::Collecting
            })
            .cloned()
    }

    /// Every round, newest last.
    pub(crate) fn list(&self) -> Vec<Arc<Round>> {
        self.index().by_sequence.values().cloned().collect()
    }

    /// Up to `limit` rounds that come behind this place and are wanted, in the list's order.
    pub(crate) fn behind(
        &self,
        after: Option<(u64, RoundId)>,
        limit: usize,
        is_wanted: impl Fn(&Round) -> bool,
    ) -> Vec<Arc<Round>> {
        let index = self.index();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rounds = index.by_sequence.range((start, Bound::Unbounded));
        let wanted = rounds.map(|(_, round)| round).filter(|r| is_wanted(r));
        wanted.take(limit).cloned().collect()
    }

    /// A sequence number above all so far, given once.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.last_sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn insert(&self, round: &Arc<Round>) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.last_sequence
            .fetch_max(round.sequence(), Ordering::Relaxed);
        index.by_id.insert(round.id(), Arc::clone(round));
        index
            .by_sequence
            .insert((round.sequence(), round.id()), Arc::clone(round));
    }

    pub(crate) fn remove(&self, id: &RoundId) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = index.by_id.remove(id) {
            index.by_sequence.remove(&(round.sequence(), *id));
        }
    }

    /// Asks the enclave about one round, on that round's account.
    pub(crate) async fn ask(
        &self,
        round: &Round,
        command: Command,
        body: Vec<u8>,
    ) -> Result<Answer, RoundError> {
        match self.link.ask(&command, body, round.boundary()).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.judge(round, error).await),
        }
    }

    /// What a failed exchange means for its round: an enclave that has no such round
    /// has lost it for good.
    pub(crate) async fn judge(&self, round: &Round, error: LinkError) -> RoundError {
        match error {
            LinkError::Refused(
                Refusal::UnknownRound | Refusal::WrongPhase { phase: Phase::Lost },
            ) => {
                self.lose(round).await;
                RoundError::Lost
            }
            error => RoundError::Link(error),
        }
    }

    /// The round's keys are gone, so what lies here sealed under them is of no use.
    pub(crate) async fn lose(&self, round: &Round) {
        if is_over(round.phase()) {
            return;
        }
        // An enclave may forget a round that ended well; its last word is stored then.
        for end in [Record::Receipt, Record::AbortReceipt] {
            if !matches!(self.storage.record(round.id(), end).await, Ok(None)) {
                return;
            }
        }
        tracing::warn!(round_id = %round.id(), "the round is lost: its keys are gone, and nobody can prove what became of it");
        if let Err(error) = self.enter(round, Phase::Lost).await {
            tracing::error!(round_id = %round.id(), %error, "the round's phase was not stored");
        }
        self.discard_uploads(round).await;
    }

    /// Stores a phase, then takes it on.
    pub(crate) async fn enter(&self, round: &Round, phase: Phase) -> Result<(), RoundError> {
        if !is_over(phase) {
            round.goes_on();
        } else if round.phase() != phase {
            round.end_at(unix_now(), Some(Instant::now()));
        }
        let done = self.store_phase(round, phase).await;
        // What the enclave said holds even if it could not be written down.
        round.set_phase(phase);
        if !round.is_in_progress() {
            round.let_go();
        }
        if is_over(phase) {
            let released = phase == Phase::Released;
            let cohort_size = round.summary().cohort_size.filter(|_| released);
            self.metrics.round_ended(phase, cohort_size);
        }
        tracing::info!(
            round_id = %round.id(),
            %phase,
            boundary_bytes = round.boundary().load(Ordering::Relaxed),
            "the round changed"
        );
        Ok(done?)
    }

    pub(crate) async fn store_phase(
        &self,
        round: &Round,
        phase: Phase,
    ) -> Result<(), StorageError> {
        let stored = round.stored_state(phase);
        self.storage.put(round.id(), Record::State, stored).await
    }

    /// Removes what only a round in progress needs. What can't be removed is logged:
    /// it costs space, nothing else.
    pub(crate) async fn discard_uploads(&self, round: &Round) {
        self.kept_uploads.forget(round.id());
        let discard = async {
            self.storage.remove_uploads(round.id()).await?;
            self.storage
                .remove_blob(round.id(), Blob::MaskedSum)
                .await?;
            self.forget_parts(round).await?;
            self.storage.let_go(round.id()).await
        };
        if let Err(error) = discard.await {
            tracing::warn!(round_id = %round.id(), %error, "uploads were not removed");
        }
    }

    /// Runs work to its end even if whoever asked for it goes away.
    pub(crate) async fn run_to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RoundError>> + Send + 'static,
    ) -> Result<T, RoundError> {
        let under_way = Arc::clone(&self.work).read_owned().await;
        let work = async move {
            let _under_way = under_way;
            work.await
        };
        // What it logs names the request that asked for it.
        let task = tokio::spawn(work.in_current_span());
        let done = task.await.unwrap_or(Err(RoundError::Interrupted));
        if let Err(RoundError::Storage(StorageError::Fenced(id))) = &done {
            self.part_with(id);
        }
        done
    }

    /// Waits until no work is under way; what begins meanwhile waits too.
    pub(crate) async fn rest(&self) {
        drop(self.work.write().await);
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}
