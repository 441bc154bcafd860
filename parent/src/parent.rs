//! A running parent: storage opened, rounds read back, the enclave looked for, HTTP served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{client_router, router};
use crate::config::{Config, OnShutdown};
use crate::enclave_link::EnclaveLink;
use crate::rounds::Rounds;
use crate::serve::serve;
use crate::storage::{Files, StorageError};

/// A parent that serves.
pub struct Parent {
    address: SocketAddr,
    operator_address: SocketAddr,
    rounds: Arc<Rounds>,
    stop: watch::Sender<()>,
    serving: Vec<JoinHandle<()>>,
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
        if config.operator_listen.is_none() && !config.listen.ip().is_loopback() {
            return Err(StartError::OperatorExposed(config.listen));
        }
        let (listener, address) = listen(config.listen).await?;
        let operator = match config.operator_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let operator_address = operator.as_ref().map_or(address, |(_, address)| *address);
        let link = EnclaveLink::new(config.enclave, config.limits.enclave);
        let rounds = Arc::new(Rounds::new(
            link,
            Arc::new(storage),
            config.limits,
            config.operators,
        ));
        rounds.load().await?;
        let resuming = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.resume().await }
        });
        let watching = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.watch().await }
        });
        let (stop, stopped) = watch::channel(());
        let mut listeners = vec![];
        match operator {
            None => listeners.push((listener, router(Arc::clone(&rounds)))),
            Some((operator, _)) => {
                listeners.push((listener, client_router(Arc::clone(&rounds))));
                listeners.push((operator, router(Arc::clone(&rounds))));
            }
        }
        let serving = listeners
            .into_iter()
            .map(|(listener, router)| {
                let mut stopped = stopped.clone();
                tokio::spawn(async move {
                    // Its sender dropped means the same.
                    let stopped = async { drop(stopped.changed().await) };
                    serve(listener, router, config.limits, stopped).await;
                })
            })
            .collect();
        Ok(Self {
            address,
            operator_address,
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

    /// Where it listens for the operator.
    #[must_use]
    pub const fn operator_address(&self) -> SocketAddr {
        self.operator_address
    }

    /// Its rounds.
    #[must_use]
    pub const fn rounds(&self) -> &Arc<Rounds> {
        &self.rounds
    }

    /// Takes no more, finishes what it took, and aborts the rounds that collect, unless
    /// they are to be kept. Abort receipts are stored when this returns.
    pub async fn shutdown(self) {
        drop(self.stop);
        for background in [self.resuming, self.watching] {
            background.abort();
            // Aborted or done, it holds the storage no longer.
            let _ = background.await;
        }
        for serving in self.serving {
            if serving.await.is_err() {
                tracing::error!("serving ended by a panic");
            }
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

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let at_fault = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(at_fault)?;
    let bound = listener.local_addr().map_err(at_fault)?;
    Ok((listener, bound))
}

/// Why a parent did not start. Its configuration or its disk is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; {mend}", mend = mend(source.kind()))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Strangers could open, close and abort rounds.
    #[error(
        "{0} is reachable from other machines, and would serve opening, closing and aborting rounds to all of them: give the operator an address of its own, for instance --operator-listen 127.0.0.1:8481"
    )]
    OperatorExposed(SocketAddr),
    /// The data folder can't be used.
    #[error("the folder given by --data can't be used: {0}")]
    Storage(#[from] StorageError),
}

/// What the caller can do about an address that can't be had.
const fn mend(reason: io::ErrorKind) -> &'static str {
    match reason {
        io::ErrorKind::AddrInUse => {
            "end what listens there, or choose another address with --listen or --operator-listen"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose one it has",
        _ => "choose another address with --listen or --operator-listen",
    }
}
