//! One round as the parent knows it. The enclave's word on a round goes before the
//! parent's: this is what it was last known to be, so that the parent can serve and resume.

mod abort;
mod admission;
mod batching;
mod clients;
mod closing;
mod damage;
mod error;
mod joining;
mod opening;
mod recovery;
mod relay;
mod release;
mod removal;
mod settling;
mod watch;

pub(crate) use clients::RecentCohorts;
pub use error::RoundError;
pub use joining::Gathering;
pub(crate) use removal::Leaving;
pub(crate) use settling::Openings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{
    BlockLayout, ClientId, Cohort, Digest, Intake, RoundBinding, RoundId, RoundTerms,
};
use serde::{Deserialize, Serialize};

use crate::schedule::Closing;
use crate::summary::RoundSummary;
use batching::WaitingHeaders;
use joining::WaitingNonces;
use release::Release;

/// A round.
pub struct Round {
    id: RoundId,
    /// Counts this parent's rounds: the newest has the highest.
    sequence: u64,
    binding: RoundBinding,
    layout: BlockLayout,
    boundary: AtomicU64,
    rolled_back: AtomicBool,
    state: Mutex<State>,
    /// Read by uploads on their way into the enclave, written by what ends the intake:
    /// the cohort is not read while one is half in.
    intake_gate: tokio::sync::RwLock<()>,
    /// One upload of a client at a time; clients share a lock by their id's first byte.
    client_locks: [tokio::sync::Mutex<()>; CLIENT_LOCKS],
    /// In `presum`, what is to go into the enclave next.
    waiting: WaitingHeaders,
    /// Who waits for evidence.
    joining: WaitingNonces,
    /// Held by whoever closes; in it, how far the release has come.
    release: tokio::sync::Mutex<Option<Release>>,
    /// When it closes by itself, if it does.
    closing: OnceLock<Closing>,
}

struct State {
    phase: Phase,
    accepted: Accepted,
    /// Whose upload is stored and was not answered.
    unanswered: BTreeSet<ClientId>,
    excluded: Vec<ClientId>,
    cohort_size: Option<u32>,
    /// In seconds since 1970, once it is over.
    ended_at: Option<u64>,
    /// If this process saw it.
    seen_to_end: Option<Instant>,
    removed: bool,
}

/// Who is in. A parent that serves for years has ended rounds without number, and their clients
/// stay in storage alone.
enum Accepted {
    /// Of a round in progress.
    Held(BTreeMap<ClientId, Digest>),
    /// So many, of a round that has ended.
    Stored(u64),
}

impl Accepted {
    fn count(&self) -> u64 {
        match self {
            Self::Held(clients) => clients.len() as u64,
            Self::Stored(count) => *count,
        }
    }

    /// Nobody, of a round that has ended: whoever needs them reads storage.
    fn held(&self) -> BTreeMap<ClientId, Digest> {
        match self {
            Self::Held(clients) => clients.clone(),
            Self::Stored(_) => BTreeMap::new(),
        }
    }
}

/// All there are.
pub(crate) const PHASES: [Phase; 5] = [
    Phase::Collecting,
    Phase::Releasing,
    Phase::Released,
    Phase::Aborted,
    Phase::Lost,
];

/// What is stored of the state; the rest follows from other records. A later parent may say more.
#[derive(Serialize, Deserialize)]
struct StoredState {
    sequence: u64,
    phase: Phase,
    /// As of the last change of phase.
    boundary_bytes: u64,
    /// The same. Earlier parents did not say.
    #[serde(default)]
    contributions: Option<u64>,
    /// In seconds since 1970. Earlier parents did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    /// Nobody is served any of it, and what is left goes.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    removed: bool,
}

/// Whether the enclave has no more part in a round of this phase.
pub(crate) const fn is_over(phase: Phase) -> bool {
    !matches!(phase, Phase::Collecting | Phase::Releasing)
}

impl Round {
    fn new(sequence: u64, binding: RoundBinding, phase: Phase, accepted: Accepted) -> Self {
        Self {
            id: binding.round_id(),
            sequence,
            layout: binding.params.params.layout(),
            waiting: WaitingHeaders::new(&binding.params.params.terms().admission),
            binding,
            boundary: AtomicU64::new(0),
            rolled_back: AtomicBool::new(false),
            state: Mutex::new(State {
                phase,
                accepted,
                unanswered: BTreeSet::new(),
                excluded: Vec::new(),
                cohort_size: None,
                ended_at: None,
                seen_to_end: None,
                removed: false,
            }),
            intake_gate: tokio::sync::RwLock::new(()),
            client_locks: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            joining: WaitingNonces::default(),
            release: tokio::sync::Mutex::new(None),
            closing: OnceLock::new(),
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> RoundId {
        self.id
    }

    pub(crate) const fn binding(&self) -> &RoundBinding {
        &self.binding
    }

    pub(crate) const fn layout(&self) -> BlockLayout {
        self.layout
    }

    pub(crate) const fn intake(&self) -> Intake {
        self.binding.params.params.terms().intake
    }

    pub(crate) const fn terms(&self) -> &RoundTerms {
        self.binding.params.params.terms()
    }

    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) const fn boundary(&self) -> &AtomicU64 {
        &self.boundary
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Whether the enclave still has a part in it.
    pub(crate) fn is_in_progress(&self) -> bool {
        !is_over(self.phase())
    }

    /// Errs unless the round is collecting.
    pub(crate) fn must_be_collecting(&self) -> Result<(), RoundError> {
        match self.phase() {
            Phase::Collecting => Ok(()),
            phase => Err(RoundError::from_phase(phase)),
        }
    }

    /// A client's contribution to a round in progress; of one that has ended, see
    /// [`Rounds::contribution`](crate::rounds::Rounds::contribution).
    pub(crate) fn contribution(&self, client: &ClientId) -> Option<Digest> {
        match &self.state().accepted {
            Accepted::Held(clients) => clients.get(client).copied(),
            Accepted::Stored(_) => None,
        }
    }

    /// Whether who is in is known without storage.
    pub(crate) fn holds_its_clients(&self) -> bool {
        matches!(self.state().accepted, Accepted::Held(_))
    }

    /// When it closes by itself, if it does.
    pub(crate) fn closing(&self) -> Option<&Closing> {
        self.closing.get()
    }

    /// Said once, before the round is on offer.
    fn close_by(&self, closing: Closing) {
        let _ = self.closing.set(closing);
    }

    /// How many contributions are in.
    pub(crate) fn contributions(&self) -> u64 {
        self.state().accepted.count()
    }

    pub(crate) const fn max_cohort(&self) -> u32 {
        self.binding.params.params.terms().max_cohort
    }

    /// Whether the round can't take one more client.
    pub(crate) fn is_full(&self) -> bool {
        self.state().accepted.count() >= self.max_cohort().into()
    }

    /// Accepted clients less the exclusions.
    pub(crate) fn cohort(&self) -> Cohort {
        self.members().into_iter().collect()
    }

    /// What the operator is shown.
    #[must_use]
    pub fn summary(&self) -> RoundSummary {
        let terms = self.binding.params.params.terms();
        let (state, closing) = (self.state(), self.closing());
        RoundSummary {
            round_id: self.id.to_string(),
            task: terms.task.clone(),
            round_number: terms.round_number,
            phase: state.phase,
            intake: terms.intake,
            kem: terms.kem,
            rule: terms.rule,
            dimension: terms.dimension,
            ring_bits: terms.ring_bits,
            min_cohort: terms.min_cohort,
            max_cohort: terms.max_cohort,
            contributions: state.accepted.count(),
            cohort_size: state.cohort_size,
            target_cohort: closing.and_then(|closing| closing.rule.target_cohort),
            closes_at: closing.and_then(|closing| closing.closes_at),
            boundary_bytes: self.boundary.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state().phase = phase;
    }

    fn hold(&self, clients: BTreeMap<ClientId, Digest>) {
        self.state().accepted = Accepted::Held(clients);
    }

    fn accept(&self, client: ClientId, contribution: Digest) {
        self.answer(&client);
        if let Accepted::Held(clients) = &mut self.state().accepted {
            clients.insert(client, contribution);
        }
    }

    /// It is not in after all; its upload may be there, and the enclave decides about it again.
    fn forget(&self, client: &ClientId) {
        let mut state = self.state();
        if let Accepted::Held(clients) = &mut state.accepted {
            clients.remove(client);
        }
        state.unanswered.insert(*client);
    }

    /// Makes room for an upload that is to be stored before the enclave has answered. While it is
    /// away, anyone could have one stored for every id there is.
    fn make_room(&self, client: ClientId) -> Result<(), RoundError> {
        let room = u64::from(self.max_cohort()) + UNANSWERED;
        let mut state = self.state();
        if state.unanswered.contains(&client) {
            return Ok(());
        }
        if state.accepted.count() + state.unanswered.len() as u64 >= room {
            return Err(RoundError::Crowded);
        }
        state.unanswered.insert(client);
        Ok(())
    }

    /// An upload that was stored before this start, and not answered.
    fn wait_for_answer(&self, client: ClientId) {
        self.state().unanswered.insert(client);
    }

    fn awaits_answer(&self, client: &ClientId) -> bool {
        self.state().unanswered.contains(client)
    }

    /// The upload was answered, or is not stored any more.
    fn answer(&self, client: &ClientId) {
        self.state().unanswered.remove(client);
    }

    /// `excluded` is sorted: the enclave takes no others.
    fn fix_exclusions(&self, excluded: Vec<ClientId>) {
        self.state().excluded = excluded;
    }

    fn fix_cohort_size(&self, cohort_size: u32) {
        self.state().cohort_size = Some(cohort_size);
    }

    /// Every accepted client with its contribution's digest.
    fn accepted(&self) -> BTreeMap<ClientId, Digest> {
        self.state().accepted.held()
    }

    /// Accepted clients less the exclusions, with their contributions' digests.
    fn members(&self) -> BTreeMap<ClientId, Digest> {
        self.less_the_exclusions(self.accepted())
    }

    fn less_the_exclusions(
        &self,
        mut clients: BTreeMap<ClientId, Digest>,
    ) -> BTreeMap<ClientId, Digest> {
        let state = self.state();
        clients.retain(|client, _| state.excluded.binary_search(client).is_err());
        clients
    }

    pub(crate) fn stored_state(&self, phase: Phase) -> Vec<u8> {
        let state = self.state();
        let stored = StoredState {
            sequence: self.sequence,
            phase,
            boundary_bytes: self.boundary.load(Ordering::Relaxed),
            contributions: Some(state.accepted.count()),
            ended_at: state.ended_at.filter(|_| is_over(phase)),
            removed: state.removed,
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Held for moments only, never across an await. A panic elsewhere leaves the
    /// state as whole as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lock_client(&self, client: &ClientId) -> tokio::sync::MutexGuard<'_, ()> {
        let first = usize::from(client.as_bytes()[0]);
        self.client_locks[first % CLIENT_LOCKS].lock().await
    }
}

/// Uploads beyond a full cohort that wait for an answer.
const UNANSWERED: u64 = 64;
/// The enclave takes one upload at a time anyway; this only has to keep a client's
/// retry from racing its first try.
const CLIENT_LOCKS: usize = 64;
