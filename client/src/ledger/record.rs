//! What the ledger knows of one contribution.

use core::fmt;

use rusqlite::Row;
use rusqlite::types::Type;
use sealsum_protocol::{
    Acceptance, ContributionHeader, Digest, RoundBinding, RoundId, Signed, TaskName, UnixMillis,
    canonical,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One contribution of this identity.
#[derive(Clone, Debug)]
pub struct Record {
    /// The round.
    pub round_id: RoundId,
    /// Its task.
    pub task: TaskName,
    /// Its number in the task.
    pub round_number: u64,
    /// The model that the update was relative to.
    pub base_model: Digest,
    /// The same model as its file has it, before `--select` and `--exclude`.
    pub whole_model: Digest,
    /// How far it came.
    pub state: RecordState,
    /// Whether it repeats a round without proof that the first attempt let nothing out.
    pub unproven_retry: bool,
    /// When it was sealed, by this site's clock.
    pub sealed_at: UnixMillis,
    /// Elements that were beyond the clip and clamped.
    pub clamped: u64,
    /// What the evidence vouched for at sealing; its receipt key judges every proof.
    pub binding: RoundBinding,
    /// Digest of the whole contribution.
    pub contribution: Digest,
    /// The contribution's header.
    pub header: ContributionHeader,
    /// The enclave's yes.
    pub acceptance: Option<Signed<Acceptance>>,
}

/// How far a contribution came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Sealed and stored; it may have left this site.
    Sealed,
    /// The enclave signed that it holds it.
    Accepted,
    /// A receipt shows it in the released sum.
    Summed,
    /// Proven not to be in any sum.
    Refunded,
}

impl RecordState {
    /// Its name in the ledger and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Accepted => "accepted",
            Self::Summed => "summed",
            Self::Refunded => "refunded",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Sealed, Self::Accepted, Self::Summed, Self::Refunded]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl fmt::Display for RecordState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Record {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            round_id: RoundId::new(row.get(0)?),
            task: row
                .get::<_, String>(1)?
                .parse()
                .map_err(|_| unreadable(1))?,
            round_number: row.get::<_, i64>(2)?.cast_unsigned(),
            base_model: Digest::new(row.get(3)?),
            state: RecordState::parse(&row.get::<_, String>(4)?).ok_or_else(|| unreadable(4))?,
            unproven_retry: row.get(5)?,
            sealed_at: UnixMillis(row.get::<_, i64>(6)?.cast_unsigned()),
            clamped: row.get::<_, i64>(7)?.cast_unsigned(),
            binding: decoded(8, &row.get::<_, Vec<u8>>(8)?)?,
            contribution: Digest::new(row.get(9)?),
            header: decoded(10, &row.get::<_, Vec<u8>>(10)?)?,
            acceptance: row
                .get::<_, Option<Vec<u8>>>(11)?
                .map(|bytes| decoded(11, &bytes))
                .transpose()?,
            whole_model: Digest::new(row.get(12)?),
        })
    }
}

fn decoded<T: Serialize + DeserializeOwned>(column: usize, bytes: &[u8]) -> rusqlite::Result<T> {
    canonical::decode(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
    })
}

fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "contributions".to_owned(), Type::Text)
}

pub(super) const COLUMNS: &str = "round_id, task, round_number, base_model, state, unproven_retry, \
    sealed_at, clamped, binding, contribution, header, acceptance, whole_model";
