//! An enclave behind a TCP socket, as its parent finds it. Another may take its place: then every
//! connection breaks.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sealsum_enclave_core::{ConnectionId, Session};

use crate::enclaves::LiveEnclave;
use crate::world::text;

/// The socket; it ends when dropped.
pub(crate) struct Socket {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    enclave: Mutex<LiveEnclave>,
    open: Mutex<Vec<TcpStream>>,
    connections: AtomicU64,
    ending: AtomicBool,
}

impl Socket {
    pub(crate) fn open(enclave: LiveEnclave) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let shared = Arc::new(Shared {
            enclave: Mutex::new(enclave),
            open: Mutex::default(),
            connections: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ending.load(Ordering::Acquire) {
                    break;
                }
                if let Ok(stream) = stream {
                    let serving = Arc::clone(&serving);
                    std::thread::spawn(move || serving.serve(stream));
                }
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Another enclave answers from now on.
    pub(crate) fn replace(&self, enclave: LiveEnclave) {
        *self.shared.enclave() = enclave;
        self.break_connections();
    }

    pub(crate) fn break_connections(&self) {
        let mut open = self.shared.open();
        for stream in open.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.break_connections();
        // Wakes the loop, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn enclave(&self) -> MutexGuard<'_, LiveEnclave> {
        self.enclave.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) {
        let enclave = self.enclave().clone();
        if let Ok(other) = stream.try_clone() {
            self.open().push(other);
        }
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut session = Session::new(ConnectionId(number));
        let mut piece = vec![0; PIECE];
        while let Ok(wanted) = session.wanted() {
            let wanted = wanted.min(PIECE);
            let read = match stream.read(&mut piece[..wanted]) {
                Ok(read) if read > 0 => read,
                _ => break,
            };
            let reply = session.receive(&piece[..read], &mut enclave.core());
            match reply {
                Ok(reply) if stream.write_all(&reply).is_ok() => {}
                _ => break,
            }
        }
        session.close(&mut enclave.core());
    }
}

const PIECE: usize = 64 * 1024;
