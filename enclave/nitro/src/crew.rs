//! Who serves connections: a fixed crew of threads, each with one at a time.
//!
//! The crew's size is the bound on connections (I8), and what may wait behind it is short:
//! the kernel takes in data for a connection before anyone here has read a byte of it.
//! Commands are carried out one after another.
//! Why a connection ended is nobody's business here: there is no log.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};
use sealsum_enclave_core::{ConnectionId, Enclave};
use vsock::{VsockListener, VsockStream};

use crate::clock::BootClock;
use crate::device::Device;
use crate::serve::{lock, serve as serve_connection};

/// Serves until the process ends. `ready` is called once everyone is at their post, `chore`
/// now and then beside it.
///
/// # Errors
/// The system has no room for the threads.
pub(crate) fn serve(
    listener: VsockListener,
    enclave: Enclave<Device, BootClock>,
    ready: fn(),
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
            worker().spawn(move || post.serve_each())
        })
        .collect::<io::Result<Vec<_>>>()?;
    let sweeper = Arc::clone(&post);
    worker().spawn(move || {
        loop {
            thread::sleep(SWEEP_PAUSE);
            lock(&sweeper.enclave).erase_overdue();
            chore();
        }
    })?;
    ready();
    for member in crew {
        // None ever returns, and a panic ends the process.
        let _ = member.join();
    }
    Ok(())
}

/// Shortens the queue, which the library makes 128 long.
///
/// # Errors
/// The system refuses.
pub(crate) fn limit_queue(listener: &VsockListener) -> io::Result<()> {
    Ok(listen(listener, Backlog::new(QUEUE_LIMIT)?)?)
}

/// Its stack's size is said here, so that no environment says it.
pub(crate) fn worker() -> thread::Builder {
    thread::Builder::new().stack_size(STACK_BYTES)
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

/// Connections at once. A parent has one, and a few more for a moment.
pub(crate) const CONNECTION_LIMIT: usize = 8;
/// Connections that wait for a place; the kernel lets in one more.
pub(crate) const QUEUE_LIMIT: i32 = 4;
/// Far more than the deepest command takes; pages that are not touched cost nothing.
const STACK_BYTES: usize = 2 * 1024 * 1024;
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
