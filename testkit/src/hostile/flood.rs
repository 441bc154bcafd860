//! A parent that sends as much as it is let: lengths, halves, ids, frames without end.
//!
//! Connections that are returned are half way through something, and stay so until dropped.

use sealsum_protocol::frame::{BODY_LIMIT, Frame, HEAD_LIMIT};
use sealsum_protocol::{Refusal, Reply, RoundTerms};

use crate::{Link as _, ScriptedParent, SocketLink, UncheckedClient, open_round, sign};

/// Announces heads and bodies beyond their limits, each on a connection that the enclave has to
/// close for it.
pub fn boasts(address: &str) {
    let beyond = |limit: usize| u32::try_from(limit + 1).unwrap().to_be_bytes();
    let boasts = [
        [[0xff; 4], [0xff; 4]],
        [beyond(0), [0xff; 4]],
        [beyond(HEAD_LIMIT), [0; 4]],
        [beyond(0), beyond(BODY_LIMIT)],
        [[0; 4], [0; 4]],
    ];
    for boast in boasts {
        let mut link = SocketLink::connect(address);
        link.send(&boast.concat());
        assert!(link.is_closed(), "{boast:?} was believed");
    }
}

/// Connections that announce the largest frame and stop one byte before its end.
#[must_use]
pub fn unfinished_frames(address: &str, count: usize) -> Vec<SocketLink> {
    let frame = largest_frame();
    (0..count)
        .map(|_| {
            let mut link = SocketLink::connect(address);
            link.send(frame.get(..frame.len() - 1).unwrap());
            link
        })
        .collect()
}

/// Says the largest frames there are, `count` of them; none is a message.
pub fn largest_frames(link: &mut SocketLink, count: usize) {
    let frame = largest_frame();
    for _ in 0..count {
        link.send(&frame);
        let head = link.receive().expect("the connection was closed").head;
        let reply = <Reply as sealsum_protocol::messages::Message>::from_head(&head).unwrap();
        assert_eq!(reply, Reply::Refused(Refusal::Malformed));
    }
}

/// Opens rounds until the enclave takes no more; gives them.
pub fn rounds(link: &mut SocketLink, terms: &RoundTerms) -> Vec<ScriptedParent> {
    let mut opened = Vec::new();
    loop {
        match link.say(open_round(sign(terms.clone()))) {
            Reply::Opened(round) => opened.push(ScriptedParent {
                binding: round.binding,
                accepted: Vec::new(),
            }),
            Reply::Refused(Refusal::Memory { .. } | Refusal::TooManyRounds { .. }) => {
                return opened;
            }
            other => panic!("neither opened nor refused for want of room: {other:?}"),
        }
    }
}

/// In each round, on a connection of its own, a contribution of which the last block never
/// comes. The rounds have `stream` intake.
#[must_use]
pub fn half_uploads(address: &str, rounds: &[ScriptedParent]) -> Vec<SocketLink> {
    let half = |round: &ScriptedParent| {
        let mut link = SocketLink::connect(address);
        let d = usize::try_from(round.terms().dimension).unwrap();
        let whole = UncheckedClient::new(1_000).contribute(&round.binding, &vec![0.0; d]);
        let spoken = round.spoken(&whole);
        for part in spoken.get(..spoken.len() - 1).unwrap() {
            let (reply, _) = part.say(&mut link);
            assert!(matches!(reply, Reply::Staging(_)), "{reply:?}");
        }
        link
    };
    rounds.iter().map(half).collect()
}

/// Ids without end, each with a key of its own and a header that does not open; gives what the
/// enclave said to each.
pub fn registrations(
    link: &mut SocketLink,
    round: &mut ScriptedParent,
    count: u64,
) -> Vec<Refusal> {
    let sound = UncheckedClient::new(1_000).contribute(&round.binding, &[0.0; 20]);
    (0..count)
        .map(|n| {
            let mut forged = sound.copied_by(10_000 + n);
            let key = forged.header.encapsulated_key.iter_mut();
            key.zip(n.to_le_bytes()).for_each(|(to, from)| *to = from);
            round.relay(link, &forged).unwrap_err()
        })
        .collect()
}

fn largest_frame() -> Vec<u8> {
    let frame = Frame {
        head: vec![0xa5; HEAD_LIMIT],
        body: vec![0x5a; BODY_LIMIT],
    };
    frame.encode().unwrap()
}
