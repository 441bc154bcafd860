//! One connection's bytes: commands in whatever pieces, replies whole, and nothing of a
//! connection left when it ends.

use sealsum_enclave_core::{ConnectionId, Enclave, MEMORY_CEILING, Session};
use sealsum_protocol::frame::{BODY_LIMIT, FrameDecoder, FrameError, HEAD_LIMIT};
use sealsum_protocol::messages::{Contribute, Message as _};
use sealsum_protocol::{Command, Refusal, Reply, RoundBinding};
use sealsum_testkit::{TestClock, TestNsm, UncheckedClient, open_round, sign, stream};

type TestEnclave = Enclave<TestNsm, TestClock>;

fn enclave() -> TestEnclave {
    Enclave::new(TestNsm::new(1), TestClock::default(), MEMORY_CEILING)
}

fn session(number: u64) -> Session {
    Session::new(ConnectionId(number))
}

fn bytes_of(command: &Command) -> Vec<u8> {
    command.to_frame(Vec::new()).encode().unwrap()
}

fn replies(bytes: &[u8]) -> Vec<Reply> {
    let mut decoder = FrameDecoder::default();
    decoder.push(bytes);
    let mut replies = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        replies.push(Reply::from_head(&frame.head).unwrap());
    }
    assert!(!decoder.is_inside_a_frame(), "a reply is cut");
    replies
}

fn say(session: &mut Session, enclave: &mut TestEnclave, command: &Command) -> Reply {
    let bytes = session.receive(&bytes_of(command), enclave).unwrap();
    replies(&bytes).remove(0)
}

fn open(session: &mut Session, enclave: &mut TestEnclave) -> RoundBinding {
    match say(session, enclave, &open_round(sign(stream()))) {
        Reply::Opened(opened) => opened.binding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_in_pieces_is_answered_once_with_its_last_byte() {
    let (mut enclave, mut session) = (enclave(), session(1));
    let command = bytes_of(&Command::Describe);
    let (last, first) = command.split_last().unwrap();
    assert_eq!(session.wanted(), Ok(8), "the lengths come first");
    for byte in first {
        assert_eq!(session.receive(&[*byte], &mut enclave), Ok(Vec::new()));
    }
    assert_eq!(session.wanted(), Ok(1));
    let answer = session.receive(&[*last], &mut enclave).unwrap();
    assert!(matches!(
        replies(&answer)[..],
        [Reply::Description(ref about)] if about.memory_ceiling == MEMORY_CEILING
    ));
    assert_eq!(session.wanted(), Ok(8));
}

#[test]
fn commands_that_come_together_are_each_answered_in_order() {
    let (mut enclave, mut session) = (enclave(), session(1));
    let open = open_round(sign(stream()));
    let both = [bytes_of(&open), bytes_of(&Command::Describe)].concat();
    let answers = replies(&session.receive(&both, &mut enclave).unwrap());
    let [Reply::Opened(_), Reply::Description(about)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(about.open_rounds, 1);
}

#[test]
fn a_head_that_is_no_command_is_refused_and_the_connection_goes_on() {
    let (mut enclave, mut session) = (enclave(), session(1));
    let nonsense = [&1_u32.to_be_bytes()[..], &0_u32.to_be_bytes(), &[0xff]].concat();
    let answer = session.receive(&nonsense, &mut enclave).unwrap();
    assert_eq!(replies(&answer), [Reply::Refused(Refusal::Malformed)]);
    open(&mut session, &mut enclave);
}

#[test]
fn a_length_beyond_its_limit_ends_the_connection_before_anything_of_it_is_read() {
    let lengths = |head: usize, body: usize| {
        let [head, body] = [head, body].map(|length| u32::try_from(length).unwrap().to_be_bytes());
        [head, body].concat()
    };
    let refused = |head, body| session(1).receive(&lengths(head, body), &mut enclave());
    assert_eq!(refused(0, 0), Err(FrameError::Head(0)));
    assert_eq!(
        refused(HEAD_LIMIT + 1, 0),
        Err(FrameError::Head(HEAD_LIMIT + 1))
    );
    assert_eq!(
        refused(1, BODY_LIMIT + 1),
        Err(FrameError::Body(BODY_LIMIT + 1))
    );
    let mut largest = session(1);
    let none_yet = largest.receive(&lengths(HEAD_LIMIT, BODY_LIMIT), &mut enclave());
    assert_eq!(none_yet, Ok(Vec::new()));
    assert_eq!(largest.wanted(), Ok(HEAD_LIMIT + BODY_LIMIT));
}

#[test]
fn a_connection_that_closes_leaves_nothing_staged() {
    let mut enclave = enclave();
    let mut staging = session(1);
    let binding = open(&mut staging, &mut enclave);
    let begin = |n| {
        let header = UncheckedClient::new(n)
            .contribute(&binding, &[0.5; 20])
            .header;
        Command::Contribute(Box::new(Contribute { header }))
    };
    assert!(matches!(
        say(&mut staging, &mut enclave, &begin(1)),
        Reply::Staging(_)
    ));
    let mut waiting = session(2);
    let busy = Reply::Refused(Refusal::Busy);
    assert_eq!(say(&mut waiting, &mut enclave, &begin(2)), busy);
    session(3).close(&mut enclave);
    assert_eq!(say(&mut waiting, &mut enclave, &begin(2)), busy);
    staging.close(&mut enclave);
    assert!(matches!(
        say(&mut waiting, &mut enclave, &begin(2)),
        Reply::Staging(_)
    ));
}
