//! A running parent: storage opened, rounds read back, the enclave looked for, HTTP served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::router;
use crate::config::{Config, OnShutdown};
use crate::enclave_link::EnclaveLink;
use crate::rounds::Rounds;
use crate::serve::serve;
use crate::storage::{Files, StorageError};

/// A parent that serves.
pub struct Parent {
    address: SocketAddr,
    rounds: Arc<Rounds>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    resuming: JoinHandle<()>,
    watching: JoinHandle<()>,
    shutdown: std::time::Duration,
    on_shutdown: OnShutdown,
}

impl Parent {
    /// Starts. An enclave that is down is no reason not to: what needs it says so.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let storage = Files::open(&config.data)?;
        let listener =
            TcpListener::bind(config.listen)
                .await
                .map_err(|source| StartError::Listen {
                    address: config.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        let link = EnclaveLink::new(config.enclave, config.limits.enclave);
        let rounds = Arc::new(Rounds::new(link, Arc::new(storage), config.limits));
        rounds.load().await?;
        let resuming = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.resume().await }
        });
        let watching = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.watch().await }
        });
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn({
            let router = router(Arc::clone(&rounds));
            async move {
                // Its sender dropped means the same.
                let stopped = async { drop(stopped.await) };
                serve(listener, router, config.limits, stopped).await;
            }
        });
        Ok(Self {
            address,
            rounds,
            stop,
            serving,
            resuming,
            watching,
            shutdown: config.limits.shutdown,
            on_shutdown: config.on_shutdown,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its rounds.
    #[must_use]
    pub const fn rounds(&self) -> &Arc<Rounds> {
        &self.rounds
    }

    /// Takes no more, finishes what it took, and aborts the rounds that collect, unless
    /// they are to be kept. Abort receipts are stored when this returns.
    pub async fn shutdown(self) {
        // A receiver that is gone has stopped already.
        let _ = self.stop.send(());
        for background in [self.resuming, self.watching] {
            background.abort();
            // Aborted or done, it holds the storage no longer.
            let _ = background.await;
        }
        if self.serving.await.is_err() {
            tracing::error!("serving ended by a panic");
        }
        let rest = tokio::time::timeout(self.shutdown, async {
            if self.on_shutdown == OnShutdown::Abort {
                self.rounds.abort_collecting().await;
            }
            self.rounds.rest().await;
        });
        if rest.await.is_err() {
            tracing::warn!("work was still under way at the end; it goes on at the next start");
        }
    }
}

/// Why a parent did not start. Its configuration or its disk is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder can't be used.
    #[error("the data folder: {0}")]
    Storage(#[from] StorageError),
}
