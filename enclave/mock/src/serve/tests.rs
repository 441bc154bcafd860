//! The loop over a pair of Unix sockets.

use std::os::unix::net::UnixStream;
use std::thread;

use sealsum_enclave_core::{DeviceFault, Enclave};
use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Digest, Refusal, Reply, RoundId};

use super::*;

struct NoDevice;

impl Nsm for NoDevice {
    fn attest(&mut self, _: &Digest, _: &RoundId) -> Result<Vec<u8>, DeviceFault> {
        Err(DeviceFault)
    }

    fn random(&mut self, _: &mut [u8]) -> Result<(), DeviceFault> {
        Err(DeviceFault)
    }
}

struct Still;

impl Clock for Still {
    fn monotonic_millis(&self) -> u64 {
        0
    }
}

/// Serves one end of a pair while `talk` has the other.
fn served(frame_time: Duration, talk: impl FnOnce(UnixStream)) -> Result<(), Cut> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let enclave = Shared::new(Enclave::new(NoDevice, Still, 1 << 20));
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let outcome = serve(&mut ours, ConnectionId(1), &enclave, frame_time);
            // As the crew does: the peer sees that it is over.
            drop(ours);
            outcome
        });
        talk(theirs);
        serving.join().unwrap()
    })
}

fn describe() -> Vec<u8> {
    Command::Describe.to_frame(Vec::new()).encode().unwrap()
}

fn reply(stream: &mut UnixStream) -> Reply {
    let mut decoder = FrameDecoder::default();
    loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            return Reply::from_head(&frame.head).unwrap();
        }
        let mut bytes = vec![0; decoder.wanted().unwrap()];
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "closed before the reply");
        decoder.push(&bytes[..read]);
    }
}

#[test]
fn frames_are_answered_however_they_are_cut() {
    let outcome = served(Duration::from_secs(10), |mut stream| {
        let frame = describe();
        for cut in 1..frame.len() {
            stream.write_all(&frame[..cut]).unwrap();
            stream.write_all(&frame[cut..]).unwrap();
            assert!(matches!(reply(&mut stream), Reply::Description(_)));
        }
        stream.write_all(&[frame.clone(), frame].concat()).unwrap();
        assert!(matches!(reply(&mut stream), Reply::Description(_)));
        assert!(matches!(reply(&mut stream), Reply::Description(_)));
    });
    assert!(outcome.is_ok());
}

#[test]
fn a_frame_that_means_nothing_is_refused_and_the_connection_stays() {
    let outcome = served(Duration::from_secs(10), |mut stream| {
        let nonsense = Frame {
            head: vec![0xff; 3],
            body: vec![1; 70_000],
        };
        stream.write_all(&nonsense.encode().unwrap()).unwrap();
        assert_eq!(reply(&mut stream), Reply::Refused(Refusal::Malformed));
        stream.write_all(&describe()).unwrap();
        assert!(matches!(reply(&mut stream), Reply::Description(_)));
    });
    assert!(outcome.is_ok());
}

#[test]
fn a_peer_that_trickles_a_frame_is_cut_when_its_time_is_over() {
    let frame_time = Duration::from_millis(80);
    let outcome = served(frame_time, |mut stream| {
        // No single pause is as long as a frame may take; together they are. The
        // eighth byte would complete the lengths, so there is none.
        for _ in 0..7 {
            if stream.write_all(&[0]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(30));
        }
    });
    assert!(matches!(outcome, Err(Cut::Late(time)) if time == frame_time));
}

#[test]
fn a_peer_may_idle_between_frames_for_longer_than_a_frame_may_take() {
    let outcome = served(Duration::from_millis(50), |mut stream| {
        for _ in 0..2 {
            thread::sleep(Duration::from_millis(150));
            stream.write_all(&describe()).unwrap();
            assert!(matches!(reply(&mut stream), Reply::Description(_)));
        }
    });
    assert!(outcome.is_ok());
}

#[test]
fn half_a_frame_and_a_length_beyond_its_limit_cut_the_connection() {
    let half = served(Duration::from_secs(10), |mut stream| {
        stream.write_all(&describe()[..5]).unwrap();
    });
    assert!(matches!(half, Err(Cut::Half)));
    let oversized = served(Duration::from_secs(10), |mut stream| {
        stream.write_all(&[0xff; 8]).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    });
    assert!(matches!(oversized, Err(Cut::Frame(FrameError::Head(_)))));
}
