//! A wire between two programs that a test can cut, or have hold everything back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The wire. It lasts as long as the test.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// How a wire is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// Whoever connects is closed at once.
    Cut,
    /// Bytes are taken, and not passed on.
    Holding,
}

struct Shared {
    to: String,
    state: Mutex<State>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    /// One to `to`, `HOST:PORT`.
    #[must_use]
    pub fn to(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: to.to_owned(),
            state: Mutex::new(State::Passing),
            changed: Condvar::new(),
            open: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serving.connect(stream);
            }
        });
        Self { address, shared }
    }

    /// Its own end, as an enclave's address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("tcp:{}", self.address)
    }

    /// Cuts it: what is connected ends, and nobody gets through.
    pub fn cut(&self) {
        self.turn(State::Cut);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes bytes and passes none on: both ends see a peer that neither answers nor goes.
    pub fn hold(&self) {
        self.turn(State::Holding);
    }

    /// Passes everything on again, what it held first.
    pub fn mend(&self) {
        self.turn(State::Passing);
    }

    fn turn(&self, state: State) {
        *self.shared.state.lock().unwrap() = state;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, near: TcpStream) -> std::io::Result<()> {
        if *self.state.lock().unwrap() == State::Cut {
            return near.shutdown(Shutdown::Both);
        }
        let far = TcpStream::connect(&self.to)?;
        let mut open = self.open.lock().unwrap();
        open.extend([near.try_clone()?, far.try_clone()?]);
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.pass(from, to));
        }
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(read) = from.read(&mut piece) {
            let state = self.state.lock().unwrap();
            let held = |state: &mut State| *state == State::Holding;
            drop(self.changed.wait_while(state, held).unwrap());
            if read == 0 || to.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
