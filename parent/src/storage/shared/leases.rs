//! Leases: which parent works a round. Time is the database's; a token says which of a round's
//! leases a write is made under, and each new lease has a higher one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealsum_protocol::RoundId;

use super::database::{Database, failed};
use super::records::id;
use crate::storage::lease::ATTEMPTS;
use crate::storage::{Holder, StorageError, TakenOver, Whereabouts};

/// This parent's leases.
pub(super) struct Leases {
    /// Drawn at start: a parent that restarts is another one, since the old one may still run.
    holder: [u8; 16],
    place: Whereabouts,
    length: Duration,
    held: Mutex<HashMap<RoundId, i64>>,
    /// Those that a write found to be another one's, until a renewal has named them.
    fenced: Mutex<Vec<RoundId>>,
}

impl Leases {
    pub(super) fn new(place: Whereabouts, length: Duration) -> Result<Self, StorageError> {
        let mut holder = [0; 16];
        getrandom::fill(&mut holder).map_err(|_| StorageError::Setting {
            key: "kind",
            problem: "can't be \"shared\" here: the system gives no randomness",
        })?;
        Ok(Self {
            holder,
            place,
            length,
            held: Mutex::default(),
            fenced: Mutex::default(),
        })
    }

    /// Some renewals fit a lease: one that is late costs nothing.
    pub(super) fn renew_every(&self) -> Duration {
        self.length / 4
    }

    /// What writes to the round are made under.
    pub(super) fn token(&self, round: RoundId) -> Result<i64, StorageError> {
        let token = self.held().get(&round).copied();
        token.ok_or(StorageError::Fenced(round))
    }

    /// Errs if a write found that the lease is another one's by now. The next renewal names it.
    pub(super) fn still_held(
        &self,
        round: RoundId,
        token: i64,
        written: bool,
    ) -> Result<(), StorageError> {
        if written {
            return Ok(());
        }
        let mut held = self.held();
        if held.get(&round) == Some(&token) {
            held.remove(&round);
            self.fenced().push(round);
        }
        Err(StorageError::Fenced(round))
    }

    pub(super) async fn hold(
        &self,
        database: &Database,
        round: RoundId,
    ) -> Result<Holder, StorageError> {
        const ACTION: &str = "take a lease";
        if self.held().contains_key(&round) {
            return Ok(Holder::Ours);
        }
        let (holder, seconds) = (self.holder.as_slice(), self.length.as_secs_f64());
        let id = round.as_bytes().as_slice();
        let connection = database.connection(ACTION).await?;
        let taken = async {
            let take = "INSERT INTO sealsum.leases
                            (round_id, holder, url, operator_url, token, expires, attempts)
                        VALUES ($1, $2, $3, $4, nextval('sealsum.lease_tokens'),
                                clock_timestamp() + make_interval(secs => $5), 1)
                        ON CONFLICT (round_id) DO UPDATE
                        SET holder = excluded.holder, url = excluded.url,
                            operator_url = excluded.operator_url, token = excluded.token,
                            expires = excluded.expires, attempts = leases.attempts + 1
                        WHERE leases.expires < clock_timestamp() OR leases.holder = excluded.holder
                        RETURNING token";
            let take = connection.prepare_cached(take).await?;
            let Whereabouts { clients, operator } = &self.place;
            let row = connection
                .query_opt(&take, &[&id, &holder, clients, operator, &seconds])
                .await?;
            if let Some(row) = row {
                return Ok(Ok(row.get::<_, i64>(0)));
            }
            let whose = "SELECT url, operator_url FROM sealsum.leases WHERE round_id = $1";
            let whose = connection.prepare_cached(whose).await?;
            let row = connection.query_opt(&whose, &[&id]).await?;
            // None: let go in between. Whoever asks again may take it.
            let place = row.map(|row| (row.get(0), row.get(1))).unwrap_or_default();
            Ok(Err(Whereabouts {
                clients: place.0,
                operator: place.1,
            }))
        };
        Ok(match taken.await.map_err(failed(ACTION))? {
            Ok(token) => {
                self.held().insert(round, token);
                Holder::Ours
            }
            Err(place) => Holder::Theirs(place),
        })
    }

    pub(super) async fn let_go(
        &self,
        database: &Database,
        round: RoundId,
    ) -> Result<(), StorageError> {
        const ACTION: &str = "give up a lease";
        let Some(token) = self.held().remove(&round) else {
            return Ok(());
        };
        let connection = database.connection(ACTION).await?;
        let gone = async {
            let statement = "DELETE FROM sealsum.leases WHERE round_id = $1 AND token = $2";
            let statement = connection.prepare_cached(statement).await?;
            let round = round.as_bytes().as_slice();
            connection.execute(&statement, &[&round, &token]).await
        };
        gone.await.map(drop).map_err(failed(ACTION))
    }

    /// A lease that ran out and that nobody took is still this parent's.
    pub(super) async fn renew(&self, database: &Database) -> Result<Vec<RoundId>, StorageError> {
        const ACTION: &str = "renew leases";
        let before = self.held().clone();
        if before.is_empty() {
            return Ok(std::mem::take(&mut *self.fenced()));
        }
        let tokens: Vec<i64> = before.values().copied().collect();
        let seconds = self.length.as_secs_f64();
        let connection = database.connection(ACTION).await?;
        let renewed = async {
            let statement = "UPDATE sealsum.leases
                             SET expires = clock_timestamp() + make_interval(secs => $1), attempts = 0
                             WHERE token = ANY ($2)
                             RETURNING token";
            let statement = connection.prepare_cached(statement).await?;
            connection.query(&statement, &[&seconds, &tokens]).await
        };
        let rows = renewed.await.map_err(failed(ACTION))?;
        let renewed: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let mut lost = std::mem::take(&mut *self.fenced());
        let mut held = self.held();
        for (round, token) in before {
            // What was let go or taken anew meanwhile is not lost.
            if !renewed.contains(&token) && held.get(&round) == Some(&token) {
                held.remove(&round);
                lost.push(round);
            }
        }
        Ok(lost)
    }

    pub(super) async fn take_over(
        &self,
        database: &Database,
    ) -> Result<Vec<TakenOver>, StorageError> {
        const ACTION: &str = "take over leases";
        let (holder, seconds) = (self.holder.as_slice(), self.length.as_secs_f64());
        let connection = database.connection(ACTION).await?;
        let taken = async {
            let statement = "WITH gone AS
                                 (SELECT round_id FROM sealsum.leases
                                  WHERE expires < clock_timestamp() AND holder <> $1 AND attempts < $5
                                  ORDER BY expires LIMIT $6 FOR UPDATE SKIP LOCKED)
                             UPDATE sealsum.leases
                             SET holder = $1, url = $2, operator_url = $3,
                                 token = nextval('sealsum.lease_tokens'),
                                 expires = clock_timestamp() + make_interval(secs => $4),
                                 attempts = attempts + 1
                             FROM gone WHERE leases.round_id = gone.round_id
                             RETURNING leases.round_id, token, attempts";
            let statement = connection.prepare_cached(statement).await?;
            connection
                .query(
                    &statement,
                    &[
                        &holder,
                        &self.place.clients,
                        &self.place.operator,
                        &seconds,
                        &ATTEMPTS,
                        &AT_A_TIME,
                    ],
                )
                .await
        };
        let rows = taken.await.map_err(failed(ACTION))?;
        let mut held = self.held();
        let taken = rows.iter().filter_map(|row| {
            let round_id = RoundId::new(id(row.get(0))?);
            held.insert(round_id, row.get(1));
            Some(TakenOver {
                round_id,
                attempts: row.get(2),
            })
        });
        Ok(taken.collect())
    }

    pub(super) async fn leave(&self, database: &Database) -> Result<(), StorageError> {
        const ACTION: &str = "end leases";
        self.held().clear();
        let holder = self.holder.as_slice();
        let connection = database.connection(ACTION).await?;
        let ended = async {
            let statement = "UPDATE sealsum.leases SET expires = '-infinity' WHERE holder = $1";
            let statement = connection.prepare_cached(statement).await?;
            connection.execute(&statement, &[&holder]).await
        };
        ended.await.map(drop).map_err(failed(ACTION))
    }

    fn fenced(&self) -> MutexGuard<'_, Vec<RoundId>> {
        self.fenced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for moments only, never across an await.
    fn held(&self) -> MutexGuard<'_, HashMap<RoundId, i64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rounds taken over at a time: others take theirs meanwhile.
const AT_A_TIME: i64 = 8;
