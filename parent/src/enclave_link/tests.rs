use super::*;
use sealsum_protocol::canonical;
use sealsum_protocol::frame::Frame;
use sealsum_protocol::messages::Description;
use tokio::net::{TcpListener, TcpStream};

const HASTE: Patience = Patience {
    turn: Duration::from_millis(300),
    connect: Duration::from_millis(300),
    reply: Duration::from_millis(300),
};

fn link_to(listener: &TcpListener) -> EnclaveLink {
    let address = EnclaveAddress::Tcp(listener.local_addr().unwrap().to_string());
    EnclaveLink::new(address, HASTE, Metrics::new())
}

fn description(rounds: u32) -> Reply {
    Reply::Description(Description {
        version: 1,
        memory_ceiling: 2,
        memory_reserved: 1,
        open_rounds: rounds,
    })
}

async fn read_frame(stream: &mut TcpStream) -> Option<Frame> {
    let mut decoder = FrameDecoder::default();
    loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            return Some(frame);
        }
        let mut byte = [0; 1];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            return None;
        }
        decoder.push(&byte);
    }
}

async fn answer(stream: &mut TcpStream, reply: &Reply) {
    let frame = reply.to_frame(vec![9; 5]).encode().unwrap();
    stream.write_all(&frame).await.unwrap();
}

#[tokio::test]
async fn a_command_gets_its_reply_and_every_byte_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    let enclave = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let frame = read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(0)).await;
        frame
    });
    let boundary = AtomicU64::new(0);
    let got = link
        .ask(&Command::Describe, vec![1, 2, 3], &boundary)
        .await
        .unwrap();
    assert_eq!((got.reply, got.body), (description(0), vec![9; 5]));
    let frame = enclave.await.unwrap();
    assert_eq!(frame.body, [1, 2, 3]);
    let heads = frame.head.len() + canonical::encode(&description(0)).len();
    assert_eq!(
        boundary.load(Ordering::Relaxed),
        (8 + 3 + 8 + 5 + heads) as u64
    );
}

#[tokio::test]
async fn a_connection_that_died_while_idle_is_replaced_without_a_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    let enclave = tokio::spawn(async move {
        for turn in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_frame(&mut stream).await.unwrap();
            answer(&mut stream, &description(turn)).await;
        }
    });
    let boundary = AtomicU64::new(0);
    for turn in 0..2 {
        let got = link
            .ask(&Command::Describe, vec![], &boundary)
            .await
            .unwrap();
        assert_eq!(got.reply, description(turn));
    }
    enclave.await.unwrap();
}

#[tokio::test]
async fn an_enclave_that_comes_back_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let link = link_to(&listener);
    drop(listener);
    let boundary = AtomicU64::new(0);
    let down = link.ask(&Command::Describe, vec![], &boundary).await;
    assert!(matches!(down, Err(LinkError::Unreachable { .. })));

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(0)).await;
    });
    assert!(
        link.ask(&Command::Describe, vec![], &boundary)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_late_reply_is_never_taken_for_the_next_commands() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    let enclave = tokio::spawn(async move {
        let (mut slow, _) = listener.accept().await.unwrap();
        read_frame(&mut slow).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let late = description(1).to_frame(vec![]).encode().unwrap();
        // The link may have closed this one already; either way it must not be read.
        let _ = slow.write_all(&late).await;
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(2)).await;
    });
    let boundary = AtomicU64::new(0);
    let slow = link.ask(&Command::Describe, vec![], &boundary).await;
    assert!(matches!(slow, Err(LinkError::TimedOut)));
    let got = link
        .ask(&Command::Describe, vec![], &boundary)
        .await
        .unwrap();
    assert_eq!(got.reply, description(2));
    enclave.await.unwrap();
}

#[tokio::test]
async fn a_session_dropped_half_way_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    let enclave = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(0)).await;
        read_frame(&mut stream).await.is_none()
    });
    let boundary = AtomicU64::new(0);
    let mut session = link.session().await.unwrap();
    session
        .ask(&Command::Describe, vec![], &boundary)
        .await
        .unwrap();
    drop(session);
    assert!(
        enclave.await.unwrap(),
        "the enclave saw the connection's end"
    );
}

#[tokio::test]
async fn a_session_does_not_go_on_over_another_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(0)).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, &description(1)).await;
    });
    let boundary = AtomicU64::new(0);
    let mut session = link.session().await.unwrap();
    session
        .ask(&Command::Describe, vec![], &boundary)
        .await
        .unwrap();
    for _ in 0..2 {
        let cut = session.ask(&Command::Describe, vec![], &boundary).await;
        assert!(matches!(cut, Err(LinkError::Broken(_))));
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_and_leaves_the_connection_usable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &Reply::Refused(Refusal::Busy)).await;
        read_frame(&mut stream).await.unwrap();
        answer(&mut stream, &description(3)).await;
    });
    let boundary = AtomicU64::new(0);
    let refused = link.ask(&Command::Describe, vec![], &boundary).await;
    assert!(matches!(refused, Err(LinkError::Refused(Refusal::Busy))));
    let got = link
        .ask(&Command::Describe, vec![], &boundary)
        .await
        .unwrap();
    assert_eq!(got.reply, description(3));
}

#[tokio::test]
async fn whoever_waits_too_long_for_the_link_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener);
    let held = link.session().await.unwrap();
    let boundary = AtomicU64::new(0);
    let waited = link.ask(&Command::Describe, vec![], &boundary).await;
    assert!(matches!(waited, Err(LinkError::Busy)));
    assert!(link.session_if_free().is_none());
    drop(held);
    assert!(link.session_if_free().is_some());
}
