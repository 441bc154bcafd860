//! A running parent: storage opened, rounds read back, the enclave looked for, HTTP served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{Guard, RateLimiter, TokenError, Tokens};
use crate::api::{client_router, router};
use crate::config::{Config, Limits, Listener, OnShutdown};
use crate::enclave_link::EnclaveLink;
use crate::metrics::Metrics;
use crate::reload::Reloaded;
use crate::rounds::Rounds;
use crate::serve::{Served, serve};
use crate::settings::SettingsError;
use crate::storage::{Storage, StorageError};
use crate::tls::{self, Tls, TlsError};

/// A parent that serves.
pub struct Parent {
    address: SocketAddr,
    operator_address: SocketAddr,
    rounds: Arc<Rounds>,
    stop: watch::Sender<()>,
    serving: Vec<JoinHandle<()>>,
    /// Taking up, settling openings, watching, the schedule, removing.
    background: [JoinHandle<()>; 5],
    leasing: JoinHandle<()>,
    shutdown: std::time::Duration,
    on_shutdown: OnShutdown,
}

impl Parent {
    /// Starts. An enclave that is down is no reason not to: what needs it says so.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let storage = config.storage.open().await?;
        Self::start_on(config, storage).await
    }

    /// The same on a store that is open already; the configuration of one plays no part.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(config: Config, storage: Arc<dyn Storage>) -> Result<Self, StartError> {
        config.check()?;
        let metrics = Metrics::new();
        let clients = Door::open("clients", &config.clients, &config.limits, &metrics).await?;
        let operator = match &config.operator {
            Some(operator) => {
                Some(Door::open("operator", operator, &config.limits, &metrics).await?)
            }
            None => None,
        };
        let (address, operator_address) = (
            clients.address,
            operator.as_ref().unwrap_or(&clients).address,
        );
        let rounds = Arc::new(Rounds::new(
            EnclaveLink::new(config.enclave, config.limits.enclave, metrics.clone()),
            storage,
            config.limits,
            metrics,
            config.operators,
        ));
        rounds.load().await?;
        rounds.load_schedule().await?;
        rounds.load_openings().await?;
        rounds.set_loaded();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            clients = %clients.told(),
            operator = operator.as_ref().map(|operator| tracing::field::display(operator.told())),
            rounds = rounds.list().len(),
            in_progress = rounds.list().iter().filter(|round| round.is_in_progress()).count(),
            scheduled = rounds.scheduled().len(),
            "the parent starts"
        );
        let resuming = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.resume().await }
        });
        let settling = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.settle_openings().await }
        });
        let watching = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.watch().await }
        });
        let scheduling = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.run_schedule().await }
        });
        let removing = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.remove_in_time().await }
        });
        let leasing = tokio::spawn({
            let rounds = Arc::clone(&rounds);
            async move { rounds.look_after_leases().await }
        });
        let (stop, stopped) = watch::channel(());
        let all = || router(Arc::clone(&rounds));
        let serving = match operator {
            None => vec![clients.serve(all(), stopped)],
            Some(operator) => vec![
                clients.serve(client_router(Arc::clone(&rounds)), stopped.clone()),
                operator.serve(all(), stopped),
            ],
        };
        Ok(Self {
            address,
            operator_address,
            rounds,
            stop,
            serving,
            background: [resuming, settling, watching, scheduling, removing],
            leasing,
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
        for background in self.background {
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
        // Until here, what was under way needed its leases.
        self.leasing.abort();
        let _ = self.leasing.await;
        if let Err(error) = self.rounds.storage.leave().await {
            tracing::warn!(%error, "leases were not given up; other parents wait until they run out");
        }
        tracing::info!("the parent ended");
    }
}

/// A listener with what guards it.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
    tls: Option<Tls>,
    /// Whether who connects shows one.
    by_certificate: bool,
    guard: Guard,
}

impl Door {
    async fn open(
        section: &'static str,
        at: &Listener,
        limits: &Limits,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let tls = at.tls.as_ref().map(|files| {
            tls::start(section, files, limits.reload, metrics)
                .map_err(|error| StartError::Tls { section, error })
        });
        let tokens = at.tokens.clone().map(|path| {
            let again = path.clone();
            Reloaded::start(
                format!("{section}.tokens"),
                vec![path.clone()],
                limits.reload,
                metrics.clone(),
                || Tokens::read(&path),
                move || Tokens::read_again(&again),
            )
        });
        let tls = tls.transpose()?;
        let guard = Guard {
            rates: RateLimiter::new(limits.rates),
            tokens: tokens.transpose()?,
            operator_only: section == "operator",
            tls: tls.clone(),
            metrics: metrics.clone(),
        };
        let at_fault = |source| StartError::Listen {
            address: at.address,
            source,
        };
        let listener = TcpListener::bind(at.address).await.map_err(at_fault)?;
        let address = listener.local_addr().map_err(at_fault)?;
        Ok(Self {
            listener,
            address,
            limits: *limits,
            by_certificate: at
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_authority.is_some()),
            tls,
            guard,
        })
    }

    /// Where it is and what it asks for, for the log.
    fn told(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let certificates = if self.by_certificate {
            ", by certificate"
        } else {
            ""
        };
        let tokens = self.guard.tokens.as_ref().map_or("", |_| ", by token");
        format!("{scheme}://{}{certificates}{tokens}", self.address)
    }

    fn serve(self, router: Router, mut stopped: watch::Receiver<()>) -> JoinHandle<()> {
        let served = Served {
            limits: self.limits,
            tls: self.tls,
            metrics: self.guard.metrics.clone(),
            router: self.guard.before(router),
        };
        tokio::spawn(async move {
            // Its sender dropped means the same.
            let stopped = async { drop(stopped.changed().await) };
            serve(self.listener, served, stopped).await;
        })
    }
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
    /// The configuration would let in whom it should not.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Certificates or keys can't be used.
    #[error("{section}.tls: {error}")]
    Tls {
        /// The listener.
        section: &'static str,
        /// What is wrong.
        error: TlsError,
    },
    /// Tokens can't be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The data folder can't be used.
    #[error("{setting} can't be used: {0}", setting = setting(.0))]
    Storage(#[from] StorageError),
}

impl StartError {
    /// Whether the next start may do without any change: what is in the way may be gone by then.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Listen { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
            ),
            Self::Storage(error) => error.may_pass(),
            Self::Settings(_) | Self::Tls { .. } | Self::Tokens(_) => false,
        }
    }
}

/// What of the settings it is about.
const fn setting(error: &StorageError) -> &'static str {
    if error.is_shared() {
        "storage"
    } else {
        "storage.folder (--data)"
    }
}

/// What the caller can do about an address that can't be had.
const fn mend(reason: io::ErrorKind) -> &'static str {
    match reason {
        io::ErrorKind::AddrInUse => {
            "end what listens there, or choose another address: clients.listen (--listen), operator.listen (--operator-listen)"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose one it has",
        _ => {
            "choose another address: clients.listen (--listen), operator.listen (--operator-listen)"
        }
    }
}
