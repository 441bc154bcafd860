//! Storage that several parents share: records, blobs' names and leases in PostgreSQL, blobs'
//! content in an object store.
//!
//! The database has the last word. Each commit of a blob makes an object of its own, which no one
//! changes; which object is the blob's content is a row, and so is a lease. Every write says under
//! which lease's token it is made, in the same statement or transaction, and does nothing under a
//! stale one.

mod database;
mod leases;
mod names;
mod objects;
mod records;
mod spool;
mod sweep;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sealsum_protocol::{ClientId, RoundId};

use super::settings::DatabaseUrl;
use super::{
    Blob, BlobWriter, Holder, Pending, Record, Storage, StorageError, StoredBlob, TakenOver,
    Whereabouts,
};
use database::Database;
use leases::Leases;
use objects::Objects;
use spool::{Spool, SpooledWriter};

/// One parent's part in a shared store.
pub struct Shared(Arc<Opened>);

struct Opened {
    database: Database,
    objects: Objects,
    spool: Spool,
    leases: Leases,
}

/// What it takes.
pub(super) struct SharedSettings {
    pub(super) database: DatabaseUrl,
    pub(super) password_file: Option<PathBuf>,
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) keys: Option<(PathBuf, PathBuf)>,
    pub(super) authority: Option<PathBuf>,
    pub(super) place: Whereabouts,
    pub(super) spool: PathBuf,
    pub(super) lease: Duration,
}

impl Shared {
    /// Connects, and makes the tables if they are not there.
    pub(super) async fn open(settings: SharedSettings) -> Result<Self, StorageError> {
        let tls = tls::config(settings.authority.as_deref())?;
        let objects = Objects::open(&settings, &tls)?;
        let spool = Spool::open(&settings.spool)?;
        let database = Database::open(&settings, tls).await?;
        Ok(Self(Arc::new(Opened {
            database,
            objects,
            spool,
            leases: Leases::new(settings.place, settings.lease)?,
        })))
    }
}

impl Storage for Shared {
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>> {
        Box::pin(records::rounds_with(&self.0.database, record))
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move {
            let token = self.0.leases.token(round)?;
            let database = &self.0.database;
            let written = records::put(database, round, record, &value, token).await?;
            self.0.leases.still_held(round, token, written)
        })
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(records::record(&self.0.database, round, record))
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        Box::pin(async move {
            let token = self.0.leases.token(round)?;
            let written = records::remove(&self.0.database, round, record, token).await?;
            self.0.leases.still_held(round, token, written)
        })
    }

    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>> {
        Box::pin(records::acceptances(&self.0.database, round, after))
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        Box::pin(names::uploads(&self.0.database, round))
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        Box::pin(async move {
            // Not after gigabytes of it.
            self.0.leases.token(round)?;
            let writer: Box<dyn BlobWriter> =
                Box::new(SpooledWriter::new(Arc::clone(&self.0), round, blob)?);
            Ok(writer)
        })
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        Box::pin(async move {
            let Some((object, bytes)) = names::find(&self.0.database, round, blob).await? else {
                return Ok(None);
            };
            let reader = Arc::new(self.0.objects.reader(object, bytes));
            Ok(Some(StoredBlob { bytes, reader }))
        })
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        Box::pin(async move {
            let token = self.0.leases.token(round)?;
            let removed = names::remove(&self.0.database, round, blob, token).await?;
            self.0.leases.still_held(round, token, removed)
        })
    }

    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(async move {
            let token = self.0.leases.token(round)?;
            let removed = names::remove_uploads(&self.0.database, round, token).await?;
            self.0.leases.still_held(round, token, removed)
        })
    }

    fn remove_round(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(async move {
            let token = self.0.leases.token(round)?;
            let removed = names::remove_round(&self.0.database, round, token).await?;
            self.0.leases.still_held(round, token, removed)
        })
    }

    fn hold(&self, round: RoundId) -> Pending<'_, Holder> {
        Box::pin(self.0.leases.hold(&self.0.database, round))
    }

    fn let_go(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(self.0.leases.let_go(&self.0.database, round))
    }

    fn renew(&self) -> Pending<'_, Vec<RoundId>> {
        Box::pin(async move {
            let lost = self.0.leases.renew(&self.0.database).await?;
            if let Err(error) = sweep::sweep(&self.0.database, &self.0.objects).await {
                tracing::warn!(%error, "objects that are no longer needed were not removed");
            }
            Ok(lost)
        })
    }

    fn take_over(&self) -> Pending<'_, Vec<TakenOver>> {
        Box::pin(self.0.leases.take_over(&self.0.database))
    }

    fn leave(&self) -> Pending<'_, ()> {
        Box::pin(self.0.leases.leave(&self.0.database))
    }

    fn renew_every(&self) -> Option<Duration> {
        Some(self.0.leases.renew_every())
    }
}
