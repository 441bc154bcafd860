//! The wire between a client and the parent: passes bytes on as they come, keeps those of every
//! upload, and takes its time where it is told to, so that kills land there.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::uploads::Upload;

/// Where a wire is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nowhere.
    Prompt,
    /// In the middle of an upload.
    SlowUpload,
    /// Between the parent's answer to an upload and the client.
    SlowReply,
    /// Before the first byte of an upload is read.
    SlowStart,
}

impl Pace {
    pub(crate) const ALL: [Self; 4] = [
        Self::SlowUpload,
        Self::Prompt,
        Self::SlowReply,
        Self::SlowStart,
    ];
}

/// One client's wire, on a port of its own; it ends when dropped.
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    parent: SocketAddr,
    stopping: AtomicBool,
    pace: Mutex<Pace>,
    uploads: Mutex<Vec<Upload>>,
    busy: AtomicUsize,
}

impl Wire {
    /// Starts one in front of `parent`.
    pub(crate) fn start(parent: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            parent,
            stopping: AtomicBool::new(false),
            pace: Mutex::new(Pace::Prompt),
            uploads: Mutex::default(),
            busy: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if served.stopping.load(Ordering::Acquire) {
                    break;
                }
                let Ok(client) = client else { continue };
                let served = Arc::clone(&served);
                served.busy.fetch_add(1, Ordering::AcqRel);
                std::thread::spawn(move || {
                    // Clients die in the middle of everything here.
                    let _ = served.pass(client);
                    served.busy.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// The parent's URL, as the client is told it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it is slow from now on.
    pub(crate) fn set_pace(&self, pace: Pace) {
        if let Ok(mut current) = self.shared.pace.lock() {
            *current = pace;
        }
    }

    /// Uploads that began since the first `from`: whether each is whole by now.
    pub(crate) fn since(&self, from: usize) -> Vec<(usize, bool)> {
        let uploads = self.shared.uploads.lock();
        uploads.map_or_else(
            |_| Vec::new(),
            |uploads| {
                let newer = uploads.get(from..).unwrap_or_default();
                newer
                    .iter()
                    .map(|u| (u.bytes.len(), u.is_whole()))
                    .collect()
            },
        )
    }

    /// Uploads that began.
    pub(crate) fn count(&self) -> usize {
        self.shared
            .uploads
            .lock()
            .map_or(0, |uploads| uploads.len())
    }

    /// Waits until nothing passes any more, and hands over what did.
    pub(crate) fn take(&self) -> Vec<Upload> {
        while self.shared.busy.load(Ordering::Acquire) > 0 {
            std::thread::sleep(PIECE_PAUSE);
        }
        let uploads = self.shared.uploads.lock();
        uploads.map_or_else(|_| Vec::new(), |mut uploads| std::mem::take(&mut *uploads))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes the loop, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// One request and its answer: connections are not kept.
    fn pass(&self, mut client: TcpStream) -> Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        let head = read_head(&mut client)?;
        let mut parent = TcpStream::connect(self.parent)?;
        parent.set_read_timeout(Some(PATIENCE))?;
        parent.write_all(head.once().as_bytes())?;
        let pace = self.pace.lock().map_or(Pace::Prompt, |pace| *pace);
        if let Some(client_id) = head.uploader() {
            let place = self.begin(client_id, head.length()?)?;
            if pace == Pace::SlowStart {
                std::thread::sleep(PAUSE);
            }
            self.upload(&mut client, &mut parent, place, pace)?;
        }
        let mut answer = Vec::new();
        parent.read_to_end(&mut answer)?;
        if pace == Pace::SlowReply && head.uploader().is_some() {
            std::thread::sleep(PAUSE);
        }
        client.write_all(&answer)?;
        Ok(())
    }

    fn begin(&self, client: &str, announced: usize) -> Result<usize> {
        let mut uploads = self.uploads.lock().ok().context("a wire panicked")?;
        uploads.push(Upload {
            client: client.to_owned(),
            announced,
            bytes: Vec::new(),
        });
        Ok(uploads.len() - 1)
    }

    /// Passes a body on; if the client breaks off, so does this.
    fn upload(
        &self,
        client: &mut TcpStream,
        parent: &mut TcpStream,
        place: usize,
        pace: Pace,
    ) -> Result<()> {
        let mut piece = vec![0; PIECE];
        let mut parent_listens = true;
        loop {
            let missing = {
                let uploads = self.uploads.lock().ok().context("a wire panicked")?;
                let upload = uploads.get(place).context("an upload was taken away")?;
                upload.announced.saturating_sub(upload.bytes.len())
            };
            if missing == 0 {
                return Ok(());
            }
            let wanted = missing.min(PIECE);
            let read = client.read(&mut piece[..wanted]).unwrap_or(0);
            if read == 0 {
                parent.shutdown(Shutdown::Both)?;
                anyhow::bail!("the client broke off");
            }
            if let Ok(mut uploads) = self.uploads.lock()
                && let Some(upload) = uploads.get_mut(place)
            {
                upload.bytes.extend_from_slice(&piece[..read]);
            }
            // A parent that has answered already may not read on; what the client sends is
            // kept all the same.
            parent_listens = parent_listens && parent.write_all(&piece[..read]).is_ok();
            if pace == Pace::SlowUpload {
                std::thread::sleep(PIECE_PAUSE);
            }
        }
    }
}

/// A request's head, its lines without line ends.
struct Head(Vec<String>);

impl Head {
    /// The client id of a `PUT /v1/rounds/ROUND/contributions/CLIENT`.
    fn uploader(&self) -> Option<&str> {
        let path = self.0.first()?.strip_prefix("PUT ")?.split(' ').next()?;
        let (_, client) = path.rsplit_once("/contributions/")?;
        Some(client)
    }

    fn length(&self) -> Result<usize> {
        let length = self.0.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        });
        let length = length.context("an upload without a length")?;
        Ok(length.trim().parse()?)
    }

    /// The same for a connection that ends after one answer.
    fn once(&self) -> String {
        let kept = |line: &&String| !line.to_ascii_lowercase().starts_with("connection:");
        let lines: String = self
            .0
            .iter()
            .filter(kept)
            .fold(String::new(), |all, line| all + line + "\r\n");
        lines + "connection: close\r\n\r\n"
    }
}

fn read_head(from: &mut TcpStream) -> Result<Head> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
        anyhow::ensure!(head.len() < HEAD_LIMIT, "an HTTP head without an end");
    }
    let text = String::from_utf8(head)?;
    Ok(Head(text.trim_end().lines().map(str::to_owned).collect()))
}

const HEAD_LIMIT: usize = 16 * 1024;
/// What a slow wire reads at a time, and how long it rests after each.
const PIECE: usize = 16 * 1024;
const PIECE_PAUSE: Duration = Duration::from_millis(4);
const PAUSE: Duration = Duration::from_millis(150);
/// For whoever is at the other end: the parent waits for its enclave, which serves others.
const PATIENCE: Duration = Duration::from_secs(60);
