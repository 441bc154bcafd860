//! The enclave and the wire to it: frames pass at once or after a while, are cut before or behind
//! the enclave's ears, or are heard only when their connection is long gone and others came since.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealsum_enclave_core::{ConnectionId, Enclave, MEMORY_CEILING, Session};
use sealsum_protocol::frame::FrameDecoder;
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Reply, canonical};
use sealsum_testkit::{Ends, SeededRng, TestClock, TestNsm, Told};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::weather::Weather;

/// An enclave that outlives every parent, and what it said of ends.
pub(crate) struct Wire {
    core: Mutex<Enclave<TestNsm, TestClock>>,
    rng: Mutex<SeededRng>,
    weather: Mutex<Weather>,
    connections: Mutex<u64>,
    pub(crate) ends: Ends,
}

/// One connection; the enclave is told when it ends, however that is.
struct Connection {
    wire: Arc<Wire>,
    session: Option<Session>,
}

impl Connection {
    /// The enclave hears a frame; gives its reply.
    fn hear(&mut self, frame: &[u8]) -> Vec<u8> {
        let session = self.session.as_mut().unwrap();
        let reply = session.receive(frame, &mut self.wire.core.lock().unwrap());
        let reply = reply.unwrap();
        let mut decoder = FrameDecoder::default();
        decoder.push(&reply);
        let frame = decoder.next_frame().unwrap().unwrap();
        match Reply::from_head(&frame.head).unwrap() {
            Reply::Receipt(receipt) => {
                let round = receipt.unverified().round_id;
                let told = Told::Receipt(canonical::encode(&receipt));
                self.wire.ends.tell(round, told);
            }
            Reply::Aborted(receipt) => {
                let round = receipt.unverified().round_id;
                let told = Told::AbortReceipt(canonical::encode(&receipt));
                self.wire.ends.tell(round, told);
            }
            _ => {}
        }
        reply
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.close(&mut self.wire.core.lock().unwrap());
        }
    }
}

enum Fate {
    Pass,
    CutBefore,
    CutBehind,
    Late(Duration),
}

impl Wire {
    pub(crate) fn new(weather: Weather, seed: u64) -> Arc<Self> {
        let core = Enclave::new(TestNsm::new(seed), TestClock::default(), MEMORY_CEILING);
        Arc::new(Self {
            core: Mutex::new(core),
            rng: Mutex::new(SeededRng::new(seed ^ 0x77)),
            weather: Mutex::new(weather),
            connections: Mutex::new(0),
            ends: Ends::default(),
        })
    }

    /// Nothing is cut or late from now on.
    pub(crate) fn is_calm(&self) {
        let mut weather = self.weather.lock().unwrap();
        (weather.cut, weather.late) = (0, 0);
    }

    /// Waits until the enclave has no round open.
    pub(crate) async fn is_left_empty(&self) -> Result<(), String> {
        let mut open = 0;
        for _ in 0..LOOKS {
            let answer = {
                let mut core = self.core.lock().unwrap();
                core.handle(ConnectionId(0), Command::Describe, &[])
            };
            let Reply::Description(about) = answer.reply else {
                return Err("the enclave does not describe itself".to_owned());
            };
            open = about.open_rounds;
            if open == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(format!("{open} rounds are left open in the enclave"))
    }

    /// Serves whoever connects, until the runtime ends.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let wire = Arc::clone(&self);
            tokio::spawn(async move {
                // The parent may end in the middle of anything.
                let _ = wire.pass(stream).await;
            });
        }
    }

    async fn pass(self: &Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut connection = self.connect();
        let mut decoder = FrameDecoder::default();
        let mut piece = vec![0; 64 * 1024];
        loop {
            while let Ok(Some(frame)) = decoder.next_frame() {
                let bytes = frame.encode().unwrap();
                self.pause().await;
                match self.fate() {
                    Fate::Pass => {
                        let reply = connection.hear(&bytes);
                        self.pause().await;
                        stream.write_all(&reply).await?;
                    }
                    Fate::CutBehind => {
                        connection.hear(&bytes);
                        return Ok(());
                    }
                    Fate::CutBefore => {
                        return Ok(());
                    }
                    Fate::Late(delay) => {
                        let mut later = self.connect();
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            later.hear(&bytes);
                        });
                        return Ok(());
                    }
                }
            }
            let read = stream.read(&mut piece).await?;
            if read == 0 {
                return Ok(());
            }
            decoder.push(&piece[..read]);
        }
    }

    fn connect(self: &Arc<Self>) -> Connection {
        let mut connections = self.connections.lock().unwrap();
        *connections += 1;
        Connection {
            wire: Arc::clone(self),
            session: Some(Session::new(ConnectionId(*connections))),
        }
    }

    fn fate(&self) -> Fate {
        let weather = *self.weather.lock().unwrap();
        let mut rng = self.rng.lock().unwrap();
        let drawn = rng.below(1000);
        if drawn < weather.cut / 2 {
            Fate::CutBefore
        } else if drawn < weather.cut {
            Fate::CutBehind
        } else if drawn < weather.cut + weather.late {
            Fate::Late(Duration::from_millis(rng.below(LATEST_MILLIS)))
        } else {
            Fate::Pass
        }
    }

    async fn pause(&self) {
        let micros = self.rng.lock().unwrap().below(SLOWEST_MICROS);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }
}

/// How late a frame is heard, at most: the parent has tried again by then.
const LATEST_MILLIS: u64 = 3_000;
const SLOWEST_MICROS: u64 = 2_000;
/// Seconds of virtual time for a parent to settle what others left.
const LOOKS: u64 = 120;
