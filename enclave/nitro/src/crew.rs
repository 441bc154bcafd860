//! Who serves connections: a fixed crew of threads, each with one at a time.
//!
//! The crew's size is the bound on connections (I8): further ones wait in the
//! listener's queue until one ends. Commands are carried out one after another.
//! Why a connection ended is nobody's business here: there is no log.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sealsum_enclave_core::{ConnectionId, Enclave};
use vsock::{VsockListener, VsockStream};

use crate::clock::BootClock;
use crate::device::Device;
use crate::serve::{lock, serve as serve_connection};

/// Serves until the process ends. `chore` is done now and then beside it.
///
/// # Errors
/// The system has no room for the threads.
pub(crate) fn serve(
    listener: VsockListener,
    enclave: Enclave<Device, BootClock>,
    chore: fn(),
) -> io::Result<()> {
    let post = Arc::new(Post {
        listener,
        enclave: Mutex::new(enclave),
        connections: AtomicU64::new(0),
    });
    let crew = (0..CONNECTION_LIMIT)
        .map(|_| {
            let post = Arc::clone(&post);
            thread::Builder::new().spawn(move || post.serve_each())
        })
        .collect::<io::Result<Vec<_>>>()?;
    let sweeper = Arc::clone(&post);
    thread::Builder::new().spawn(move || {
        loop {
            thread::sleep(SWEEP_PAUSE);
            lock(&sweeper.enclave).erase_overdue();
            chore();
        }
    })?;
    for member in crew {
        // None ever returns, and a panic ends the process.
        let _ = member.join();
    }
    Ok(())
}

struct Post {
    listener: VsockListener,
    enclave: Mutex<Enclave<Device, BootClock>>,
    connections: AtomicU64,
}

impl Post {
    fn serve_each(&self) {
        loop {
            let Ok(mut stream) = self.accept() else {
                thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            let connection = ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed));
            // The peer knows how it ended, and nobody else needs to.
            let _ = serve_connection(&mut stream, connection, &self.enclave, FRAME_TIME);
        }
    }

    fn accept(&self) -> io::Result<VsockStream> {
        let (stream, _) = self.listener.accept()?;
        stream.set_write_timeout(Some(WRITE_TIME))?;
        Ok(stream)
    }
}

/// Connections at once. Each holds at most one frame and its reply, about half a
/// MiB; together they are below what `memory.rs` keeps from rounds.
pub(crate) const CONNECTION_LIMIT: usize = 64;
/// How long a frame may take from its first byte to its last: 192 KiB take a
/// millisecond over vsock, and a peer that stops half way frees its place.
pub(crate) const FRAME_TIME: Duration = Duration::from_secs(30);
/// How long one write may wait for a peer that does not read.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How long a release that is over its time may outlast it when no command comes:
/// nothing beside the hour that it had.
const SWEEP_PAUSE: Duration = Duration::from_secs(30);
/// Accepting fails when descriptors run out; trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
