//! A parent's side of the wire, and a round to open over it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sealsum_protocol::frame::FrameDecoder;
use sealsum_protocol::messages::{Attest, Message as _, OpenRound};
use sealsum_protocol::{
    Admission, AggregationRule, ClientNonce, Command, Digest, Intake, KemSuite, Noise, NoncePath,
    OpeningId, OperatorSigner, Reply, RingBits, RoundBinding, RoundOffer, RoundParams, RoundTerms,
    Rounding, SignedRoundParams, VERSION,
};

/// A client's challenge.
pub(crate) const NONCE: ClientNonce = ClientNonce::new([0x4e; 32]);

/// One connection to a mock.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
}

pub(crate) trait Stream: Read + Write {
    fn wait_at_most(&self, time: Duration);
    fn finish_writing(&self);
}

impl Stream for TcpStream {
    fn wait_at_most(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
    }

    fn finish_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Stream for UnixStream {
    fn wait_at_most(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
    }

    fn finish_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Wire {
    pub(crate) fn connect(address: &str) -> Self {
        let stream: Box<dyn Stream> = match address.split_once(':').unwrap() {
            ("tcp", address) => Box::new(TcpStream::connect(address).unwrap()),
            ("unix", path) => Box::new(UnixStream::connect(path).unwrap()),
            _ => panic!("{address} is no address"),
        };
        stream.wait_at_most(Duration::from_secs(20));
        Self {
            stream,
            decoder: FrameDecoder::default(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next reply; `None` if the peer closed the connection.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(Reply::from_head(&frame.head).unwrap());
            }
            let mut bytes = vec![0; self.decoder.wanted().unwrap()];
            match self.stream.read(&mut bytes).unwrap() {
                0 => return None,
                read => self.decoder.push(&bytes[..read]),
            }
        }
    }

    /// Whether a byte arrives within `time`; it is kept.
    pub(crate) fn hears_within(&mut self, time: Duration) -> bool {
        self.stream.wait_at_most(time);
        let mut byte = [0];
        let heard = self.stream.read(&mut byte).is_ok_and(|read| read == 1);
        if heard {
            self.decoder.push(&byte);
        }
        self.stream.wait_at_most(Duration::from_secs(20));
        heard
    }

    pub(crate) fn finish_writing(&self) {
        self.stream.finish_writing();
    }

    pub(crate) fn ask(&mut self, command: &Command) -> Reply {
        self.send(&frame(command));
        self.reply().expect("a reply before the end")
    }

    pub(crate) fn is_answered(&mut self) -> bool {
        matches!(self.ask(&Command::Describe), Reply::Description(_))
    }

    pub(crate) fn open(&mut self) -> RoundBinding {
        static OPENINGS: AtomicU8 = AtomicU8::new(0);
        let open = OpenRound {
            opening: OpeningId::new([OPENINGS.fetch_add(1, Ordering::Relaxed); 32]),
            params: params(),
        };
        match self.ask(&Command::OpenRound(Box::new(open))) {
            Reply::Opened(opened) => opened.binding,
            other => panic!("expected an open round, found {other:?}"),
        }
    }

    /// A round on offer to the client with this nonce.
    pub(crate) fn offer(&mut self, nonce: &ClientNonce) -> RoundOffer {
        let binding = self.open();
        let attest = Attest {
            round_id: binding.round_id(),
            nonce: Digest::new(*nonce.as_bytes()),
        };
        match self.ask(&Command::Attest(attest)) {
            Reply::Evidence(evidence) => RoundOffer {
                binding,
                evidence: evidence.document,
                nonce_path: NoncePath::alone(),
            },
            other => panic!("expected evidence, found {other:?}"),
        }
    }
}

pub(crate) fn frame(command: &Command) -> Vec<u8> {
    command.to_frame(Vec::new()).encode().unwrap()
}

fn params() -> SignedRoundParams {
    let operator = OperatorSigner::from_secret(&[1; 32]);
    let terms = RoundTerms {
        version: VERSION,
        task: "wards".parse().unwrap(),
        round_number: 1,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 650,
        ring_bits: RingBits::new(32).unwrap(),
        clip: 1 << 20,
        fractional_bits: 16,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 100,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::XWing,
        l2_bound: None,
        previous_receipt: None,
    };
    RoundParams::new(terms).unwrap().sign(&operator).unwrap()
}
