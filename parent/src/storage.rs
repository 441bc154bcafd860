//! Where rounds are kept: the seam between the parent and its disk.
//!
//! Whatever is put or committed is durable when the call returns, and is there whole
//! or not at all after a crash. Nothing here is trusted by clients or enclave: a
//! rolled-back or edited store costs availability, never privacy.

mod blocking;
mod embedded;
mod error;
mod keys;
mod lease;
mod settings;
mod shared;

pub(crate) use blocking::{blocking, by_windows};
pub use embedded::Embedded;
pub(crate) use embedded::must_be_writable;
pub use error::StorageError;
pub use keys::{Blob, Record};
pub use lease::{Holder, TakenOver, Whereabouts};
pub use settings::StorageSettings;
pub use shared::Shared;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sealsum_protocol::{ClientId, RoundId};

/// A storage operation under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// The store. [`Embedded`] keeps it in one folder, [`Shared`] in a database and a bucket that
/// several parents use. Whoever writes to a round holds it: see [`Storage::hold`].
pub trait Storage: Send + Sync {
    /// Every round that has a [`Record::State`].
    fn rounds(&self) -> Pending<'_, Vec<RoundId>> {
        self.rounds_with(Record::State)
    }

    /// Every id with a record of this kind, in order. Of acceptances there are many for one id.
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>>;

    /// Replaces a record.
    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()>;

    /// Reads a record; `None` if there is none.
    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>>;

    /// Removes a record, if it is there.
    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()>;

    /// Acceptances of the round by client, in order, from behind `after` on: some thousands
    /// at a time, and none at the end.
    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>>;

    /// Clients with a committed upload in the round, in order.
    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>>;

    /// Begins a blob. Nothing of it is seen before [`BlobWriter::commit`].
    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>>;

    /// Opens a committed blob; `None` if there is none.
    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>>;

    /// Removes a blob, if it is there.
    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()>;

    /// Removes all uploads of a round, if there are any. Cut short, it leaves some.
    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()>;

    /// Removes all blobs and records of a round, if there are any. Cut short, it leaves the state or
    /// nothing: records go last and at once.
    fn remove_round(&self, round: RoundId) -> Pending<'_, ()>;

    /// Takes the round's lease for this parent, unless another one's holds. A store that has
    /// one parent is always its own.
    fn hold(&self, _round: RoundId) -> Pending<'_, Holder> {
        Box::pin(async { Ok(Holder::Ours) })
    }

    /// Gives up the lease of a round that is over.
    fn let_go(&self, _round: RoundId) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Renews all leases of this parent. Gives the rounds whose lease another one has by now.
    fn renew(&self) -> Pending<'_, Vec<RoundId>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Takes leases that were not renewed in time, some at a time.
    fn take_over(&self) -> Pending<'_, Vec<TakenOver>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Ends all leases of this parent, so that others need not wait for them.
    fn leave(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// How often leases are to be renewed; `None` if there is nobody to take them.
    fn renew_every(&self) -> Option<Duration> {
        None
    }
}

/// A blob being written. Dropped before its commit, it leaves nothing behind.
pub trait BlobWriter: Send {
    /// Appends bytes. Blocks: it is called by threads that may wait, whole blocks and more at
    /// a time. A client that is asynchronous itself is waited for with
    /// [`tokio::runtime::Handle::block_on`].
    ///
    /// # Errors
    /// [`StorageError::Io`]; the writer is of no use any more.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes the blob durable and visible, in place of an earlier one.
    fn commit(self: Box<Self>) -> Pending<'static, ()>;
}

/// A committed blob's content, at any place. Several threads may read at a time, and what
/// they read is of one blob even if another takes its place meanwhile.
pub trait BlobReader: Send + Sync {
    /// Fills `buffer` with what lies from `offset` on. Blocks, as [`BlobWriter::write`].
    ///
    /// # Errors
    /// `UnexpectedEof` if the blob ends before the buffer, and whatever the medium says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A committed blob.
#[derive(Clone)]
pub struct StoredBlob {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its content.
    pub reader: Arc<dyn BlobReader>,
}

impl StoredBlob {
    /// Reads `bytes` from `offset` on, beside the threads that serve requests.
    pub(crate) async fn read(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let reader = Arc::clone(&self.reader);
        blocking(move || {
            let mut buffer = vec![0; bytes];
            reader.read_exact_at(&mut buffer, offset)?;
            Ok(buffer)
        })
        .await
    }
}

/// One page of [`Storage::acceptances`]: a megabyte or so.
const ACCEPTANCES_AT_A_TIME: u32 = 4096;

#[cfg(test)]
pub(crate) mod tests;
