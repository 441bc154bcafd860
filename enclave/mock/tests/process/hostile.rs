//! Peers that don't keep to the protocol cost their own connection and no one else's.

use std::time::Duration;

use sealsum_protocol::Command;
use sealsum_protocol::frame::{BODY_LIMIT, HEAD_LIMIT};

use crate::process::Mock;
use crate::wire::frame;

#[test]
fn half_a_frame_ends_the_connection_and_not_the_process() {
    let mock = Mock::on_tcp(&[]);
    let whole = frame(&Command::Describe);
    for length in 1..whole.len() {
        let mut wire = mock.connect();
        wire.send(&whole[..length]);
        wire.finish_writing();
        assert!(wire.reply().is_none());
    }
    assert!(mock.connect().is_answered());
    assert!(mock.kill().contains("in the middle of a frame"));
}

#[test]
fn an_oversized_frame_ends_the_connection_and_not_the_process() {
    let mock = Mock::on_tcp(&[]);
    let head = u32::try_from(HEAD_LIMIT + 1).unwrap();
    let body = u32::try_from(BODY_LIMIT + 1).unwrap();
    for (head, body) in [(0, 0), (head, 0), (1, body), (u32::MAX, u32::MAX)] {
        let mut wire = mock.connect();
        wire.send(&[head.to_be_bytes(), body.to_be_bytes()].concat());
        assert!(wire.reply().is_none(), "{head} and {body} bytes");
    }
    assert!(mock.connect().is_answered());
}

#[test]
fn the_sixty_fifth_connection_waits_until_another_ends() {
    let mock = Mock::on_tcp(&[]);
    let mut crowd: Vec<_> = (0..64).map(|_| mock.connect()).collect();
    assert!(crowd.iter_mut().all(|wire| wire.is_answered()));
    let mut late = mock.connect();
    late.send(&frame(&Command::Describe));
    assert!(!late.hears_within(Duration::from_millis(500)));
    assert!(crowd.iter_mut().all(|wire| wire.is_answered()));
    drop(crowd.pop());
    assert!(late.hears_within(Duration::from_secs(10)));
    assert!(late.reply().is_some());
}
