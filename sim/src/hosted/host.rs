//! The parent as it is shipped, in a runtime of its own, so that it can be ended in the middle of
//! anything.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use sealsum_parent::{
    Config, EnclaveAddress, Limits, Listener, OnShutdown, Parent, Patience, StorageSettings, router,
};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::world::text;

/// A parent that runs.
pub(crate) struct Host {
    pub(crate) url: String,
    data: PathBuf,
    enclave: SocketAddr,
    running: Option<(Runtime, Parent)>,
    started: Instant,
}

/// How a parent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Asked to, leaving the rounds that collect to the next start.
    Keeping,
    /// Asked to, aborting the rounds that collect.
    Aborting,
    /// In the middle of whatever it does.
    Crash,
}

impl Host {
    pub(crate) fn start(data: &Path, enclave: SocketAddr) -> Result<Self, String> {
        let mut host = Self {
            url: String::new(),
            data: data.to_owned(),
            enclave,
            running: None,
            started: Instant::now(),
        };
        host.run(OnShutdown::Keep)?;
        Ok(host)
    }

    /// Whether the parent may still be asking its enclave about the rounds of its folder.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.started.elapsed() < CATCHING_UP
    }

    /// Ends, and starts again on the same folder.
    pub(crate) fn restart(&mut self, end: End) -> Result<(), String> {
        if end == End::Aborting {
            // How it ends is decided when it starts.
            self.end(End::Keeping);
            self.run(OnShutdown::Abort)?;
        }
        self.end(end);
        self.run(OnShutdown::Keep)
    }

    fn end(&mut self, end: End) {
        if let Some((runtime, parent)) = self.running.take() {
            if end == End::Crash {
                drop(parent);
            } else {
                runtime.block_on(parent.shutdown());
            }
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn run(&mut self, on_shutdown: OnShutdown) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(text)?;
        let config = Config {
            clients: Listener::plain(SocketAddr::from(([127, 0, 0, 1], 0))),
            operator: None,
            operators: Vec::new(),
            enclave: EnclaveAddress::Tcp(self.enclave.to_string()),
            storage: StorageSettings::embedded(&self.data),
            limits: Limits {
                shutdown: Duration::from_secs(5),
                enclave: Patience {
                    turn: Duration::from_secs(5),
                    connect: Duration::from_secs(1),
                    reply: Duration::from_secs(5),
                },
                // Nothing happens unasked.
                watch: HOUR,
                lost_after: HOUR,
                ..Limits::default()
            },
            on_shutdown,
        };
        let parent = runtime.block_on(Parent::start(config)).map_err(text)?;
        self.url = format!("http://{}", parent.address());
        self.running = Some((runtime, parent));
        self.started = Instant::now();
        Ok(())
    }

    /// One request past the network, as any stranger may send it; gives status and body.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), String> {
        let (runtime, parent) = self.running.as_ref().ok_or("no parent runs")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body))
            .map_err(text)?;
        runtime.block_on(async {
            let Ok(response) = router(parent.rounds().clone()).oneshot(request).await;
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX)
                .await
                .map_err(text)?;
            Ok((status, body.into()))
        })
    }

    /// Begins a request and breaks off after a while, the parent with it or not.
    pub(crate) fn ask_in_vain(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        after: Duration,
    ) -> Result<(), String> {
        let (runtime, parent) = self.running.as_ref().ok_or("no parent runs")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body))
            .map_err(text)?;
        let answer = router(parent.rounds().clone()).oneshot(request);
        // Answered or not: whoever asked is gone.
        let _ = runtime.block_on(async { tokio::time::timeout(after, answer).await });
        Ok(())
    }

    /// What the disk forgets with its parent, for a sabotage.
    pub(crate) fn forget(&mut self) -> Result<(), String> {
        self.end(End::Crash);
        std::fs::remove_dir_all(&self.data).map_err(text)?;
        self.run(OnShutdown::Keep)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end(End::Crash);
    }
}

/// Some frames for each round of an episode.
const CATCHING_UP: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);
