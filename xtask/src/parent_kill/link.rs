//! The wire between parent and enclave: passes frames on one at a time, and says to whoever
//! watches which step has come how far, so that a kill lands exactly there.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Reply};

use super::aim::Side;
use super::host::hold;

/// Told of each command and side, with the reply once there is one. True cuts the connection there.
type Watcher = Box<dyn Fn(&Command, Side, Option<&Reply>) -> bool + Send + Sync>;

/// The wire; it ends when dropped.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    enclave: Mutex<Option<SocketAddr>>,
    watcher: OnceLock<Watcher>,
    open: Mutex<Vec<TcpStream>>,
    ending: AtomicBool,
}

impl Link {
    /// Starts one that leads nowhere yet.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for parent in listener.incoming() {
                if serving.ending.load(Ordering::Acquire) {
                    break;
                }
                let Ok(parent) = parent else { continue };
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || {
                    // Both ends are killed in the middle of everything here.
                    let _ = serving.pass(parent);
                });
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where it leads from now on.
    pub(crate) fn lead_to(&self, enclave: SocketAddr) {
        *hold(&self.shared.enclave) = Some(enclave);
    }

    /// Who is told of every exchange, once for good.
    pub(crate) fn watch(
        &self,
        watcher: impl Fn(&Command, Side, Option<&Reply>) -> bool + Send + Sync + 'static,
    ) {
        let _ = self.shared.watcher.set(Box::new(watcher));
    }

    /// Asks the enclave, past whoever watches.
    pub(crate) fn ask(&self, command: &Command) -> Result<Reply> {
        let enclave = hold(&self.shared.enclave).context("no enclave yet")?;
        let mut enclave = TcpStream::connect(enclave)?;
        enclave.write_all(&command.to_frame(Vec::new()).encode()?)?;
        let reply = next(&mut enclave, &mut FrameDecoder::default())?;
        let reply = reply.context("the enclave closed the connection")?;
        Ok(Reply::from_head(&reply.head)?)
    }

    /// Cuts what is connected, as the end of an enclave does.
    pub(crate) fn cut(&self) {
        for stream in hold(&self.shared.open).drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.cut();
        // Wakes the loop, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pass(&self, mut parent: TcpStream) -> Result<()> {
        let enclave = hold(&self.enclave).context("no enclave yet")?;
        let mut enclave = TcpStream::connect(enclave)?;
        parent.set_nodelay(true)?;
        enclave.set_nodelay(true)?;
        {
            let mut open = hold(&self.open);
            open.clear();
            open.extend([parent.try_clone()?, enclave.try_clone()?]);
        }
        let mut commands = FrameDecoder::default();
        let mut replies = FrameDecoder::default();
        while let Some(frame) = next(&mut parent, &mut commands)? {
            let command = Command::from_head(&frame.head)?;
            if self.tell(&command, Side::Unheard, None) {
                break;
            }
            enclave.write_all(&frame.encode()?)?;
            let Some(frame) = next(&mut enclave, &mut replies)? else {
                break;
            };
            let reply = Reply::from_head(&frame.head)?;
            if self.tell(&command, Side::Unanswered, Some(&reply)) {
                break;
            }
            parent.write_all(&frame.encode()?)?;
            if self.tell(&command, Side::Answered, Some(&reply)) {
                break;
            }
        }
        Ok(())
    }

    fn tell(&self, command: &Command, side: Side, reply: Option<&Reply>) -> bool {
        let watcher = self.watcher.get();
        watcher.is_some_and(|watcher| watcher(command, side, reply))
    }
}

fn next(from: &mut TcpStream, decoder: &mut FrameDecoder) -> Result<Option<Frame>> {
    let mut piece = vec![0; PIECE];
    loop {
        if let Some(frame) = decoder.next_frame()? {
            return Ok(Some(frame));
        }
        let wanted = decoder.wanted()?.min(PIECE);
        match from.read(&mut piece[..wanted])? {
            0 => return Ok(None),
            read => decoder.push(&piece[..read]),
        }
    }
}

const PIECE: usize = 64 * 1024;
