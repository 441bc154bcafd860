//! Who serves connections: a fixed crew of threads, each with one at a time.
//!
//! The crew's size is the bound on connections (I8): further ones wait in the
//! listener's queue until one ends. Commands are carried out one after another. They
//! are served until a signal asks for the end, and for a grace period past that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sealsum_enclave_core::{ConnectionId, Enclave};

use crate::address::Listener;
use crate::clock::ProcessClock;
use crate::nsm::MockNsm;
use crate::serve::serve as serve_connection;
use crate::shared::Shared;
use crate::signals::Signals;

/// Serves until a signal comes; then shuts the enclave down, and returns once nothing
/// is owed to the parent or `grace` is over. The threads end with the process.
pub(crate) fn serve(
    listener: Listener,
    enclave: Enclave<MockNsm, ProcessClock>,
    signals: Signals,
    grace: Duration,
) -> io::Result<()> {
    let post = Arc::new(Post {
        listener,
        enclave: Shared::new(enclave),
        connections: AtomicU64::new(0),
    });
    for _ in 0..CONNECTION_LIMIT {
        let post = Arc::clone(&post);
        thread::Builder::new().spawn(move || post.serve_each())?;
    }
    let sweeper = Arc::clone(&post);
    thread::Builder::new().spawn(move || sweeper.enclave.sweep(SWEEP_PAUSE))?;
    let signal = signals.wait()?;
    eprintln!("{signal}: aborting rounds that collect; a second signal ends at once");
    if !post.enclave.shut_down(grace) {
        eprintln!(
            "nobody fetched everything within {} ms: what is left is lost",
            grace.as_millis()
        );
    }
    Ok(())
}

struct Post {
    listener: Listener,
    enclave: Shared<MockNsm, ProcessClock>,
    connections: AtomicU64,
}

impl Post {
    fn serve_each(&self) {
        loop {
            let mut transport = match self.listener.accept() {
                Ok(transport) => transport,
                Err(error) => {
                    eprintln!("a connection was not accepted: {error}");
                    thread::sleep(ACCEPT_PAUSE);
                    continue;
                }
            };
            let connection = self.connections.fetch_add(1, Ordering::Relaxed);
            let outcome = serve_connection(
                transport.as_mut(),
                ConnectionId(connection),
                &self.enclave,
                FRAME_TIME,
            );
            if let Err(cut) = outcome {
                eprintln!("connection {connection} was cut: {cut}");
            }
        }
    }
}

/// Connections at once. Each holds at most one frame and its reply, about half a MiB.
const CONNECTION_LIMIT: usize = 64;
/// How long a frame may take from its first byte to its last: 192 KiB are far below
/// this on any link, and a peer that stops half way frees its place.
const FRAME_TIME: Duration = Duration::from_secs(30);
/// How long a release that is over its time may outlast it when no command comes:
/// nothing beside the hour that it had.
const SWEEP_PAUSE: Duration = Duration::from_secs(30);
/// Accepting fails when descriptors run out; trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
