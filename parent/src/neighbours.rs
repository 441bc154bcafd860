//! Rounds that other parents work, where several share a store: who has which, what this parent
//! takes over from one that is gone, and what it parts with when it was taken for gone itself.
//!
//! A round that this parent works is in [`Rounds`]' list, one that is over as well, whoever worked
//! it. A round in progress at another parent is here, so that whoever asks is sent there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{RoundId, TaskName};
use tokio::task::JoinSet;

use crate::round::{Round, RoundError};
use crate::rounds::Rounds;
use crate::storage::{Holder, Record, StorageError, TakenOver, Whereabouts};

/// Rounds in progress at other parents, as they were when they were last looked at.
#[derive(Default)]
pub(crate) struct Neighbours(Mutex<HashMap<RoundId, Neighbour>>);

struct Neighbour {
    round: Arc<Round>,
    place: Whereabouts,
}

impl Neighbours {
    /// Held for moments only, never across an await.
    fn known(&self) -> MutexGuard<'_, HashMap<RoundId, Neighbour>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// Whether several parents share the store.
    pub(crate) fn are_shared(&self) -> bool {
        self.storage.renew_every().is_some()
    }

    /// Reads every stored round. One that can't be read is named in the log and left
    /// alone; the others are served.
    pub(crate) async fn load(&self) -> Result<(), StorageError> {
        for id in self.storage.rounds().await? {
            if let Err(error) = self.take_in(id).await {
                tracing::error!(round_id = %id, %error, "a round was not read back");
            }
        }
        Ok(())
    }

    /// Every round, this parent's and others', in no order.
    pub(crate) fn everywhere(&self) -> Vec<Arc<Round>> {
        let mut all = self.list();
        all.extend(self.at_neighbours());
        all
    }

    /// Rounds in progress at other parents, in no order.
    pub(crate) fn at_neighbours(&self) -> Vec<Arc<Round>> {
        let neighbours = self.neighbours.known();
        let rounds = neighbours.values().map(|other| Arc::clone(&other.round));
        rounds.collect()
    }

    /// Where a round is worked, if not here. One that this parent did not know, or that is over by
    /// now, is there to be served after this.
    pub(crate) async fn place_of(
        self: &Arc<Self>,
        id: &RoundId,
    ) -> Result<Option<Whereabouts>, RoundError> {
        if self.find(id).is_some() {
            return Ok(None);
        }
        if self.storage.record(*id, Record::State).await?.is_none() {
            return Ok(None);
        }
        match self.take_in(*id).await? {
            TakenIn::Theirs(place) => Ok(Some(place)),
            TakenIn::Over => Ok(None),
            // Nobody had it.
            TakenIn::Ours(round) => {
                let rounds = Arc::clone(self);
                tokio::spawn(async move { rounds.resume_round(&round).await });
                Ok(None)
            }
        }
    }

    /// Where the newest round of a task that takes contributions is, if that is not here.
    pub(crate) fn place_of_task(&self, task: &TaskName) -> Option<Whereabouts> {
        let ours = self.newest_collecting(task).map(|round| round.sequence());
        let neighbours = self.neighbours.known();
        let theirs = neighbours.values().filter(|other| {
            other.round.terms().task == *task && other.round.phase() == Phase::Collecting
        });
        let newest = theirs.max_by_key(|other| other.round.sequence())?;
        (Some(newest.round.sequence()) > ours).then(|| newest.place.clone())
    }

    /// Takes what is to be written to; errs if it is another parent's.
    pub(crate) async fn hold(&self, id: RoundId) -> Result<(), RoundError> {
        match self.storage.hold(id).await? {
            Holder::Ours => Ok(()),
            Holder::Theirs(_) => Err(RoundError::Elsewhere),
        }
    }

    /// Parts with a round that another parent has taken over.
    pub(crate) fn part_with(&self, id: &RoundId) {
        self.schedule.part_with(id);
        if self.find(id).is_some_and(|round| round.is_in_progress()) {
            tracing::warn!(round_id = %id, "another parent has taken this round over; this one works it no longer");
            self.remove(id);
        }
    }

    /// Reads a stored round and puts it where it belongs.
    async fn take_in(&self, id: RoundId) -> Result<TakenIn, RoundError> {
        let mut round = match self.load_round(id).await {
            Err(RoundError::Removed) => {
                self.leaving.insert(id);
                return Ok(TakenIn::Over);
            }
            loaded => Arc::new(loaded?),
        };
        if round.is_in_progress() {
            match self.storage.hold(id).await? {
                // Until then, another one may have written to it.
                Holder::Ours if self.are_shared() => round = Arc::new(self.load_round(id).await?),
                Holder::Ours => {}
                Holder::Theirs(place) => {
                    let neighbour = Neighbour {
                        round,
                        place: place.clone(),
                    };
                    self.neighbours.known().insert(id, neighbour);
                    return Ok(TakenIn::Theirs(place));
                }
            }
        }
        self.neighbours.known().remove(&id);
        self.insert(&round);
        Ok(if round.is_in_progress() {
            TakenIn::Ours(round)
        } else {
            TakenIn::Over
        })
    }

    /// Renews this parent's leases for as long as it runs, and takes over those of parents that are
    /// gone. Renewals wait for nothing else.
    pub(crate) async fn look_after_leases(self: &Arc<Self>) {
        let Some(every) = self.storage.renew_every() else {
            return;
        };
        let renewing = async {
            loop {
                tokio::time::sleep(every).await;
                match self.storage.renew().await {
                    Ok(lost) => lost.iter().for_each(|id| self.part_with(id)),
                    Err(error) => tracing::warn!(%error, "leases were not renewed"),
                }
            }
        };
        let taking_over = async {
            let mut resumed = JoinSet::new();
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = self.look_at_neighbours(&mut resumed).await {
                    tracing::warn!(%error, "other parents' rounds were not looked at");
                }
                while resumed.try_join_next().is_some() {}
            }
        };
        tokio::join!(renewing, taking_over);
    }

    async fn look_at_neighbours(
        self: &Arc<Self>,
        resumed: &mut JoinSet<()>,
    ) -> Result<(), StorageError> {
        for taken in self.storage.take_over().await? {
            self.work_on(taken, resumed).await?;
        }
        let over = self.list().into_iter().filter(|it| !it.is_in_progress());
        let over: Vec<_> = over.map(|round| round.id()).collect();
        let stored = self.storage.rounds().await?;
        // In order; what is not there any more another parent has removed.
        let is_gone = |id: &RoundId| stored.binary_search(id).is_err();
        over.iter()
            .filter(|id| is_gone(id))
            .for_each(|id| self.remove(id));
        for id in stored {
            if self.find(&id).is_some()
                || self.leaving.contains(&id)
                || self.is_still_at_a_neighbour(id).await?
            {
                continue;
            }
            match self.take_in(id).await {
                Ok(TakenIn::Ours(round)) => self.take_up(round, resumed),
                Ok(TakenIn::Theirs(_) | TakenIn::Over) => {}
                Err(error) => {
                    tracing::warn!(round_id = %id, %error, "a round was not read");
                }
            }
        }
        Ok(())
    }

    /// Whether nothing has changed with a round that was another parent's.
    async fn is_still_at_a_neighbour(&self, id: RoundId) -> Result<bool, StorageError> {
        let known = self.neighbours.known().get(&id).map(|other| {
            let stored = other.round.phase();
            (stored, other.place.clone())
        });
        let Some((phase, place)) = known else {
            return Ok(false);
        };
        Ok(self.stored_phase(id).await? == Some(phase)
            && self.storage.hold(id).await? == Holder::Theirs(place))
    }

    async fn work_on(
        self: &Arc<Self>,
        taken: TakenOver,
        resumed: &mut JoinSet<()>,
    ) -> Result<(), StorageError> {
        let TakenOver { round_id, attempts } = taken;
        if self
            .storage
            .record(round_id, Record::State)
            .await?
            .is_none()
        {
            // A round of the schedule, an opening, or a round that an opening did not come to.
            if !self.take_scheduled(round_id).await? && !self.take_opening(round_id).await? {
                self.storage.let_go(round_id).await?;
            }
            return Ok(());
        }
        match self.load_round(round_id).await {
            Ok(round) => {
                tracing::warn!(%round_id, attempts, phase = %round.phase(), "a round whose parent is gone is taken over");
                let round = Arc::new(round);
                self.neighbours.known().remove(&round_id);
                self.insert(&round);
                if round.is_in_progress() {
                    self.take_up(round, resumed);
                } else {
                    self.discard_uploads(&round).await;
                }
                Ok(())
            }
            // Its parent was removing it.
            Err(RoundError::Removed) => {
                self.remove(&round_id);
                self.leaving.insert(round_id);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%round_id, attempts, %error, "a round whose parent is gone was not read");
                // The next look finds it again.
                self.storage.let_go(round_id).await
            }
        }
    }

    fn take_up(self: &Arc<Self>, round: Arc<Round>, resumed: &mut JoinSet<()>) {
        let rounds = Arc::clone(self);
        resumed.spawn(async move { rounds.resume_round(&round).await });
    }
}

enum TakenIn {
    Ours(Arc<Round>),
    Theirs(Whereabouts),
    Over,
}
